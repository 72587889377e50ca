#!/usr/bin/env bash
# OpenVINO 2026.4.1 on the CPU, beside ONNX Runtime 1.32.0, with a model made by onnx 1.23.2.
#
# What happens: a model compares an id of type int64 with a constant, and tells whether the float64 beside
# it is infinite. The compiled model's inputs and outputs are int64 and float64 as declared, and the
# arrays that are given and come back are, too. Inside, int64 is cut to its lowest 32 bits and
# float64 becomes float32, clipped to its range: an id is equal to every other that differs by
# a multiple of 2**32, infinity is finite. Neither the precision hint f32 nor the execution mode
# "accuracy" changes it, and nothing is said.
#
# What one would expect: an error, or 64 bits. That floats are computed in float32 is documented; that
# whole numbers wrap and infinities vanish, and both come back as int64 and float64, one does not guess.
#
# Why it matters: exports of tables take codes and ids as int64 and times as float64, and look
# categories up by equality. Hashed ids and times in milliseconds are longer than 32 bits. The row is then
# scored as another customer's, with confidence. Give such models small codes.
#
# Seen on 2026-11-30:
#   ids:                          5, 4294967301, 1099511627776
#   equal to 5, ONNX Runtime:     True, False, False
#   equal to 5, OpenVINO:         True, True, False
#   plus 1, OpenVINO:             6, 6, 1
#   infinite, ONNX Runtime:       True, OpenVINO: False
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-compile --only-binary :all: \
    openvino==2026.4.1 onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
cd "$folder"

env/bin/python -W ignore - <<'PYTHON'
import sys

import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper

value = helper.make_tensor_value_info
nodes = [
    helper.make_node("Constant", [], ["five"], value_int=5),
    helper.make_node("Constant", [], ["one"], value_int=1),
    helper.make_node("Equal", ["id", "five"], ["is five"]),
    helper.make_node("Add", ["id", "one"], ["next"]),
    helper.make_node("IsInf", ["time"], ["is infinite"]),
]
inputs = [value("id", TensorProto.INT64, ["batch"]), value("time", TensorProto.DOUBLE, ["batch"])]
outputs = [
    value("is five", TensorProto.BOOL, ["batch"]),
    value("next", TensorProto.INT64, ["batch"]),
    value("is infinite", TensorProto.BOOL, ["batch"]),
]
graph = helper.make_graph(nodes, "ids", inputs, outputs)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
onnx.checker.check_model(model, full_check=True)
onnx.save(model, "ids.onnx")

ids = np.array([5, 2**32 + 5, 2**40])
rows = {"id": ids, "time": np.array([1.0, 2.0, np.inf])}
expected = onnxruntime.InferenceSession("ids.onnx").run(None, rows)
print("ids:", ids.tolist())
print("ONNX Runtime:", [result.tolist() for result in expected])
found = []
for settings in {}, {"INFERENCE_PRECISION_HINT": "f32"}, {"EXECUTION_MODE_HINT": "ACCURACY"}:
    compiled = openvino.Core().compile_model("ids.onnx", "CPU", settings)
    results = [compiled(rows)[output] for output in compiled.outputs]
    print("OpenVINO:    ", [result.tolist() for result in results], results[1].dtype, settings)
    found.append([result.tolist() for result in results])

right = [[True, False, False], (ids + 1).tolist(), [False, False, True]]
wrapped = [[True, True, False], [6, 6, 1], [False, False, False]]
if [result.tolist() for result in expected] != right or found != [wrapped] * 3:
    sys.exit("Changed: OpenVINO no longer computes in 32 bits what is declared as 64.")
print("As recorded: ids are equal if their lowest 32 bits are, and infinity is finite.")
PYTHON
