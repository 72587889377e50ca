"""Export to C: one header, compiled as strictly as compilers can, predicts the same."""

import ctypes
import re
import shutil
import subprocess

import numpy as np
import pytest

import densenet as dn
from densenet.exchange import to_c
from densenet.exchange.c import header
from tests.support.assertions import assert_same_bits, assert_ulp
from tests.support.c import COMPILERS, LANGUAGES, build
from tests.support.exchange import CASES, close, random_network, rows
from tests.support.functions import units_allowed
from tests.support.losses import Squares
from tests.support.networks import ACTIVATIONS, make

if shutil.which("cc") is None:
    pytest.skip("needs a C compiler", allow_module_level=True)

POINTER = {"float32": ctypes.POINTER(ctypes.c_float), "float64": ctypes.POINTER(ctypes.c_double)}


class Compiled:
    """Headers as one shared library."""

    def __init__(self, folder, networks, *options):
        self.networks = networks
        source = []
        for name, network in networks.items():
            to_c(network, folder / f"{name}.h", name)
            real = "float" if network.dtype == np.float32 else "double"
            arguments = f"(const {real} *x, {real} *y, long rows)"
            inputs, outputs = f"{name.upper()}_INPUTS", f"{name.upper()}_OUTPUTS"
            source += [
                f'#include "{name}.h"',
                f"void {name}_proba{arguments}; void {name}_outputs{arguments};",
                f"void {name}_proba{arguments} {{ {name}_predict_batch(x, y, rows); }}",
                f"void {name}_outputs{arguments} {{ for (long r = 0; r < rows; ++r) "
                f"{name}_forward(x + r * {inputs}, y + r * {outputs}); }}",
            ]
        shared = ["-shared", "-fPIC", *options]
        build(folder / "networks.so", "c", "\n".join(source), options=shared)
        self._library = ctypes.CDLL(str(folder / "networks.so"))

    def __call__(self, name, what, x):
        network = self.networks[name]
        y = np.full((len(x), network.outputs), np.nan, network.dtype)
        pointer = POINTER[network.dtype.name]
        x = np.ascontiguousarray(x, network.dtype)
        function = getattr(self._library, f"{name}_{what}")
        function(x.ctypes.data_as(pointer), y.ctypes.data_as(pointer), ctypes.c_long(len(x)))
        return y


# ---- predictions -------------------------------------------------------------------------------

TYPES = ("float32", "float64")


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    networks = {
        f"random_{seed}_{dtype}": random_network(seed, loss, dtype)
        for seed, loss in CASES
        for dtype in TYPES
    }
    return Compiled(tmp_path_factory.mktemp("random"), networks)


@pytest.mark.parametrize(("seed", "loss"), CASES, ids=str)
def test_predictions_are_equal(seed, loss, dtype, rng, compiled):
    name = f"random_{seed}_{dtype}"
    network = compiled.networks[name]
    x = rows(rng, dtype)
    close(compiled(name, "outputs", x), network.forward(x), dtype)
    values = loss.predicts == "values"
    expected = network.predict(x) if values else network.predict_proba(x)
    close(compiled(name, "proba", x), expected, dtype)


@pytest.fixture(scope="module")
def activations(tmp_path_factory):
    first = dn.Linear(1, 1, bias=False, init=[[1.0]])
    networks = {
        f"alone_{index}_{dtype}": dn.Network([first, layer], dn.MeanSquaredError(), dtype=dtype)
        for index, layer in enumerate(ACTIVATIONS)
        for dtype in TYPES
    }
    return Compiled(tmp_path_factory.mktemp("alone"), networks)


@pytest.mark.parametrize("index", range(len(ACTIVATIONS)), ids=lambda i: str(ACTIVATIONS[i]))
def test_activations_everywhere(index, dtype, activations):
    edge = [0.0, 1e-30, 1e-8, 0.3, 1, 6, 8.87, 8.9, 30, 80, 1e4, 1e30, np.inf, np.nan]
    x = np.array([*edge, *(-np.array(edge)), *np.linspace(-12, 12, 500)], dtype)[:, None]
    name = f"alone_{index}_{dtype}"
    expected = activations.networks[name].forward(x)
    actual, known = activations(name, "outputs", x), np.isfinite(expected)
    np.testing.assert_array_equal(actual[~known], expected[~known])
    assert_ulp(actual[known], expected[known], units_allowed(ACTIVATIONS[index].kind, x[known]))


def test_a_block_that_computes_nothing_doubles(rng, tmp_path):
    doubling = dn.Residual([dn.Residual([dn.Dropout(0.5), dn.Identity()]), dn.Identity()])
    network = make([doubling, dn.Linear(7, 3)])
    compiled = Compiled(tmp_path, {"doubling": network})
    x = rows(rng, "float32")
    close(compiled("doubling", "outputs", x), network.forward(x), np.float32)


def test_optimisation_for_this_processor_changes_little(rng, tmp_path):
    layers = [dn.Linear(7, 33), dn.LayerNorm(33), dn.GELU(), dn.Linear(33, 4)]
    network = make(layers, dn.SoftmaxCrossEntropy())
    fast = Compiled(tmp_path, {"fast": network}, "-O3", "-march=native")
    x = rows(rng, "float32", 50)
    close(fast("fast", "proba", x), network.predict_proba(x), np.float32, 20)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", TYPES)
def test_compilers_read_the_very_same_weights(kind, language, tmp_path):
    network = make([dn.Linear(9, 11), dn.BatchNorm(11)], dtype=kind)
    about = np.finfo(kind)
    extreme = [0.0, -0.0, about.max, -about.tiny, about.smallest_subnormal, 1 / 3]
    network.parameters["0.bias"][:6] = extreme
    to_c(network, tmp_path / "model.h")
    pointer = POINTER[kind]
    real = pointer._type_.__name__.removeprefix("c_")
    arrays = {
        "0_weight": network.parameters["0.weight"].T,
        "0_bias": network.parameters["0.bias"],
        "1_running_mean": network.running_moments["1.running_mean"],
    }
    extern = 'extern "C" ' if language == "cpp" else ""
    functions = [
        f"{extern}const {real} *get_{name}(void); const {real} *get_{name}(void) "
        f"{{ return model_{name}; }}"
        for name in arrays
    ]
    source = "\n".join(['#include "model.h"', *functions])
    build(tmp_path / "model.so", language, source, options=["-shared", "-fPIC"])
    library = ctypes.CDLL(str(tmp_path / "model.so"))
    for name, array in arrays.items():
        get = library[f"get_{name}"]
        get.restype = pointer
        assert_same_bits(np.ctypeslib.as_array(get(), (array.size,)), array.ravel())


# ---- the header as a user has it ---------------------------------------------------------------

PROGRAM = """
#include <stdio.h>
#include "one.h"
#include "two.h"
#include "one.h"
float elsewhere(const float *x);
int main(void) {
  float x[2 * ONE_INPUTS], y[2 * ONE_OUTPUTS];
  double z[TWO_OUTPUTS], u[TWO_INPUTS] = {1, 2};
  for (int i = 0; i < 2 * ONE_INPUTS; ++i) x[i] = (float)i / 4;
  one_predict_batch(x, y, 2);
  two_forward(u, z);
  for (int i = 0; i < 2 * ONE_OUTPUTS; ++i) printf("%a\\n", (double)y[i]);
  printf("%a\\n%a\\n", z[0], (double)elsewhere(x));
  return 0;
}
"""
ELSEWHERE = """
#include "one.h"
float elsewhere(const float *x);
float elsewhere(const float *x) { float y[ONE_OUTPUTS]; one_predict(x, y); return y[0]; }
"""


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_program_of_two_units_with_two_networks(language, compiler, tmp_path):
    if shutil.which(COMPILERS[compiler][language]) is None:
        assert compiler == "clang"
        pytest.skip("not applicable: no clang")
    layers = [dn.Residual([dn.LayerNorm(3), dn.Linear(3, 3)]), dn.Linear(3, 5)]
    one = make(layers, dn.SoftmaxCrossEntropy())
    two = make([dn.Linear(2, 1)], Squares(), dtype="float64")
    to_c(one, tmp_path / "one.h", name="one")
    to_c(two, str(tmp_path / "two.h"), name="two")
    other = tmp_path / f"other.{language}"
    other.write_text(ELSEWHERE)
    program = tmp_path / "program"
    build(program, language, PROGRAM, other, compiler=compiler)
    printed = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    numbers = np.array([float.fromhex(number) for number in printed.split()])
    x = np.arange(6, dtype=np.float32).reshape(2, 3) / 4
    expected = one.predict_proba(x)
    close(numbers[:10].astype(np.float32), expected.ravel(), np.float32, 10)
    close(numbers[10:11], two.forward([[1, 2]])[0], np.float64, 10)
    assert numbers[11] == numbers[0]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_header_that_is_not_used_gives_no_warning(language, tmp_path):
    to_c(make([dn.LayerNorm(3), dn.Softmax()]), tmp_path / "model.h")
    source = '#include "model.h"\nint main(void) { return MODEL_INPUTS - MODEL_OUTPUTS; }\n'
    build(tmp_path / "program", language, source)


def test_the_header_needs_nothing_but_math():
    text = header(random_network(3, dn.Huber(), "float32"))
    assert re.findall(r"#\s*include (\S+)", text) == ["<math.h>"]
    assert not re.search(r"malloc|\bstatic (?!const|inline)", text)


def test_the_header_says_what_it_needs_of_the_stack():
    layers = [dn.Linear(3, 40), dn.Residual([dn.Linear(40, 7), dn.Tanh(), dn.Linear(7, 40)])]
    text = header(dn.Network(layers, dn.MeanSquaredError(), dtype="float64"))
    sizes = [int(size) for size in re.findall(r"^  double \w+\[(\d+)\];$", text, re.MULTILINE)]
    assert sizes == [40, 40, 7]
    assert f"{8 * sum(sizes)} bytes of stack" in text


# ---- errors ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "1st", "a-b", "_x", "naïve", "a b", "a\n", None])
def test_names_that_c_does_not_have_are_refused(name, tmp_path):
    message = re.escape(f"name: expected a letter, then letters, digits or _, got {name!r}")
    with pytest.raises(ValueError, match=f"^{message}$"):
        to_c(make([dn.Linear(2, 2)]), tmp_path / "never.h", name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["0.weight", "1.running_mean"])
def test_arrays_that_are_not_finite_are_refused(name, value, tmp_path):
    network = make([dn.Linear(2, 2), dn.BatchNorm(2)])
    (network.parameters | network.running_moments)[name][-1] = value
    message = f"network: expected finite numbers, got NaN or infinity in {name}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        to_c(network, tmp_path / "never.h")
    assert not list(tmp_path.iterdir())
