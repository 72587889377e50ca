"""What a call raises, and that it has changed nothing."""

import numpy as np

KINDS = (
    "integer class indices of shape (4,) or rows of probabilities of shape (4, 3), got {} of "
    "shape {}"
)


def error_of(call, arrays):
    """The exception that a call raises; the arrays must be what they were."""
    before = [(a.tobytes(), a.dtype, a.shape, a.strides) for a in arrays]
    try:
        result = call()
    except (TypeError, ValueError) as error:
        after = [(a.tobytes(), a.dtype, a.shape, a.strides) for a in arrays]
        assert after == before, "an argument has changed"
        return error
    raise AssertionError(f"no error, but {result!r}")


def same_error(errors, expected_type, expected_text):
    """All errors are of this type and have this text."""
    for error in errors:
        assert type(error) is expected_type, repr(error)
        assert str(error) == expected_text


def assert_refused(twins, name, arguments, expected_type, expected_text):
    arrays = [value for value in arguments.values() if isinstance(value, np.ndarray)]
    errors = [error_of(lambda m=m: getattr(m, name)(**arguments), arrays) for m in twins]
    same_error(errors, expected_type, expected_text)
