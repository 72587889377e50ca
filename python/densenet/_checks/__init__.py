"""Every argument check, once: both backends raise these errors, and no others.

The reference calls a check first. The compiled side tests its arguments itself, in a few
nanoseconds, and calls the check of the same name only if a test fails. A check either raises the
error, or returns arguments that can be used: contiguous, aligned, in native byte order.

``TypeError`` is for the wrong kind of thing (not an array, another element type), ``ValueError``
for the wrong content. A message names the argument, what was expected and what came.
"""

from densenet._checks.arrays import (
    as_array,
    describe,
    indices,
    matching,
    real,
    same_length,
    unmasked,
)
from densenet._checks.frames import columns, exact, is_arrow, pairs, plain, unwrapped
from densenet._checks.kernels import (
    elementwise,
    elementwise_backward,
    elementwise_backward_from_x,
    linear_backward,
    linear_forward,
    loss,
    matrix,
    matrix_backward,
    softmax_cross_entropy_backward,
    softmax_cross_entropy_forward,
)
from densenet._checks.many import each_once, one_each, rows_of_each, rows_of_one
from densenet._checks.network import inputs, layers
from densenet._checks.numbers import (
    MOST_ROWS,
    MOST_STEPS,
    MOST_THREADS,
    OPTIONAL,
    count,
    positive,
    rate,
    rates,
    seed,
    setting,
    settings,
    share,
)
from densenet._checks.objects import (
    choice,
    flag,
    function,
    instance,
    mapping,
    names,
    pair,
    path,
    path_to_write,
    sequence,
    sequence_of,
    text,
    texts,
    weighted_pair,
    within,
)
from densenet._checks.targets import (
    class_targets,
    scaled,
    total_weight,
    value_targets,
    weights,
)
from densenet._checks.updates import finite, gradient, update, vector_to_write, writeable

__all__ = [
    "MOST_ROWS",
    "MOST_STEPS",
    "MOST_THREADS",
    "OPTIONAL",
    "as_array",
    "choice",
    "class_targets",
    "columns",
    "count",
    "describe",
    "each_once",
    "elementwise",
    "elementwise_backward",
    "elementwise_backward_from_x",
    "finite",
    "flag",
    "function",
    "gradient",
    "indices",
    "inputs",
    "instance",
    "layers",
    "linear_backward",
    "linear_forward",
    "loss",
    "mapping",
    "matching",
    "matrix",
    "matrix_backward",
    "names",
    "one_each",
    "pair",
    "path",
    "path_to_write",
    "plain",
    "positive",
    "rate",
    "rates",
    "real",
    "rows_of_each",
    "rows_of_one",
    "same_length",
    "scaled",
    "seed",
    "sequence",
    "sequence_of",
    "setting",
    "settings",
    "share",
    "softmax_cross_entropy_backward",
    "softmax_cross_entropy_forward",
    "text",
    "texts",
    "total_weight",
    "unmasked",
    "update",
    "value_targets",
    "vector_to_write",
    "weighted_pair",
    "weights",
    "within",
    "writeable",
]
