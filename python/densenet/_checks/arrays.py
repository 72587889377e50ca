"""Checks of an array's type, shape and memory, from which the other files make their checks."""

from typing import Any

import numpy as np

from densenet._typing import Array


def describe(value: object) -> str:
    """Describe a value for an error message: an array's dtype and shape, else the type."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype} of shape {value.shape}"
    return "None" if value is None else type(value).__name__


def unmasked(name: str, value: object) -> None:
    """Refuse a masked array, or a list of some, for the mask would be ignored."""
    if type(value) is np.ndarray:  # fast, for the prediction of one row takes microseconds
        return
    parts = value if isinstance(value, (list, tuple)) else (value,)
    kinds = {kind for kind in set(map(type, parts)) if hasattr(kind, "mask")}
    if kinds and any(type(part) in kinds and _has_mask(part.mask) for part in parts):
        raise TypeError(
            f"{name}: expected an array without a mask, got a masked one: fill its gaps with "
            "filled(value), or leave those rows out"
        )


def _has_mask(mask: Any) -> bool:
    """Tell by an attribute `mask` whether gaps are marked, which NumPy would take for numbers.

    It is an array in numpy.ma and astropy's Masked. That of a variable of netCDF4 is True while the
    variable gives masked arrays by indexing; np.asarray makes 9.97e36 of its gaps.
    """
    return mask is True or isinstance(mask, (np.ndarray, np.bool_))


def as_array(name: str, value: Any) -> Array:
    """Give a value as a NumPy array, or say why it cannot be one."""
    unmasked(name, value)
    try:
        return np.asarray(value)
    except ValueError as error:
        if isinstance(value, (list, tuple)):
            words = f"expected rows of one length, got {describe(value)}"
        else:  # such as an array of awkward that has gaps
            words = f"expected an array, got {describe(value)}: {error}"
        raise ValueError(f"{name}: {words}") from error
    except (TypeError, RuntimeError, OverflowError) as error:
        raise TypeError(f"{name}: expected an array, got {describe(value)}: {error}") from error


def floating(**arrays: Any) -> None:
    """Require NumPy arrays that are all float32 or all float64."""
    first = ""
    for name, array in arrays.items():
        unmasked(name, array)
        if not isinstance(array, np.ndarray):
            raise TypeError(f"{name}: expected a NumPy array, got {describe(array)}")
        dtype = array.dtype.newbyteorder("=")
        if not first:
            if dtype not in (np.float32, np.float64):
                raise TypeError(f"{name}: expected float32 or float64, got {array.dtype}")
            first, wanted = name, dtype
        elif dtype != wanted:
            raise TypeError(f"{name}: expected {wanted} like {first}, got {array.dtype}")


def of_shape(name: str, array: Array, expected: tuple[int | str, ...]) -> None:
    """Require a shape; a word in `expected` stands for any length > 0."""
    if array.shape == expected:
        return
    fits = len(expected) == array.ndim and all(
        got > 0 if isinstance(want, str) else got == want
        for want, got in zip(expected, array.shape, strict=True)
    )
    if not fits:
        words = ", ".join(map(str, expected)) + ("," if len(expected) == 1 else "")
        raise ValueError(f"{name}: expected shape ({words}), got {array.shape}")


def not_empty(name: str, array: Array) -> None:
    """Require at least one element."""
    if array.size == 0:
        raise ValueError(f"{name}: expected at least one element, got shape {array.shape}")


def usable(array: Array, *, either_order: bool = False) -> Array:
    """Give the array if it is aligned, contiguous and in native byte order, else such a copy.

    With ``either_order`` a Fortran-contiguous array is as good as a C-contiguous one.
    """
    flags = array.flags
    contiguous = flags.c_contiguous or (either_order and flags.f_contiguous)
    if contiguous and flags.aligned and array.dtype.isnative:
        return array
    return np.array(array, array.dtype.newbyteorder("="), order="C")


def common(array: Array, dtype: np.dtype[Any]) -> Array:
    """Give the array; convert half and long double, which the core cannot read, to ``dtype``."""
    read = array.dtype.kind != "f" or array.dtype.itemsize in (4, 8)
    return array if read else array.astype(dtype)


def matching(name: str, array: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Check an array of exactly this shape and dtype, and make it usable."""
    unmasked(name, array)
    if not isinstance(array, np.ndarray):
        raise TypeError(f"{name}: expected a NumPy array, got {describe(array)}")
    if array.dtype.newbyteorder("=") != dtype:
        raise TypeError(f"{name}: expected {dtype}, got {array.dtype}")
    of_shape(name, array, shape)
    return usable(array)


def real(name: str, array: Any, shape: tuple[int | str, ...]) -> Array:
    """Check an array of floats, integers or booleans; give it as an array, its type unchanged.

    A word in `shape` stands for any length > 0. NaN and infinity pass.
    """
    values = as_array(name, array)
    if values.dtype.kind not in "biuf":
        raise TypeError(f"{name}: expected real numbers, got {describe(array)}")
    of_shape(name, values, shape)
    return values


def readable(name: str, dtype: np.dtype[Any], got: object) -> None:
    """Require an element type of which the core reads rows; `got` stands for it in the error."""
    if dtype.kind not in "biuf" or (dtype.kind == "f" and dtype.itemsize not in (4, 8)):
        raise TypeError(f"{name}: expected float32, float64, integers or bool, got {got}")


def indices(name: str, array: Any, end: int, words: str = "indices") -> Array:
    """Check a vector of integers in [0, end); give it as intp. `words` names them in errors."""
    values = as_array(name, array)
    if values.dtype.kind not in "iu" and values.size:
        raise TypeError(f"{name}: expected {words} in [0, {end}), got {describe(values)}")
    if values.ndim != 1:
        raise ValueError(f"{name}: expected a vector of {words}, got shape {values.shape}")
    for each in (values.min(), values.max()) if values.size else ():
        if not 0 <= each < end:
            raise ValueError(f"{name}: expected {words} in [0, {end}), got {each}")
    return values.astype(np.intp, copy=False)


def same_length(name: str, array: Array, batch: int) -> None:
    """Require that the array has ``batch`` rows."""
    if array.shape[:1] != (batch,):
        raise ValueError(f"{name}: expected {batch} rows, got shape {array.shape}")
