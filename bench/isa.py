"""Hold densenet and every peer to one instruction set, each by its own switch.

NumPy's functions of single elements are not held: their switch has other words in each release.
JAX 0.10.2 multiplies by YNNPACK, which takes AVX-512 whatever XLA is told. Without YNNPACK it
multiplies by oneDNN, which can be held. `report.too_fast` names a peer that was not held after all.
"""

import importlib.util
import os
import sys

from densenet._cpu import levels

SWITCHES = {
    "v3": {  # AVX2
        "DENSENET_ISA": "v3",
        "OPENBLAS_CORETYPE": "Haswell",  # of NumPy, and so of the reference and scikit-learn
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "ATEN_CPU_CAPABILITY": "avx2",  # of PyTorch's own kernels, and of what it compiles
        # PyTorch 2.13.0 would take from its cache what it compiled for wider vectors: wrong losses.
        "TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1",
        "XLA_FLAGS": "--xla_cpu_max_isa=AVX2 --xla_cpu_experimental_ynn_fusion_type=",
    }
}


def held_to(level: str) -> dict[str, str]:
    """Give the environment in which all are held to a level."""
    switches = dict(SWITCHES[level])
    if before := os.environ.get("XLA_FLAGS"):
        switches["XLA_FLAGS"] = f"{before} {switches['XLA_FLAGS']}"
    return dict(os.environ) | switches


def missing(level: str) -> str | None:
    """Say why this densenet cannot be held to a level; None if it can."""
    if importlib.util.find_spec(f"densenet._core_{level}") is None:
        return f"densenet's build for {level} is not installed"
    return None if level in levels() else f"this processor does not run {level}"


def hold(level: str | None) -> None:
    """Run this command anew with all held to a level, unless it is already; None holds nobody.

    A processor that has no more holds all by itself, and JAX then keeps its own products. Libraries
    read their switches when they are loaded, and densenet, whose peaks the limits are reckoned
    from, is loaded in this process.
    """
    if level is None or level == levels()[0]:
        return
    if all(os.environ.get(k, "").endswith(v) for k, v in SWITCHES[level].items()):
        return
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], held_to(level))
