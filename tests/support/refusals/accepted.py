"""What parameters accept on purpose, of the values that `refusals` tries; all else is refused.

A parameter's kind is that of its name in `KIND_OF`, unless its subject says another one.
"""

_LAYOUTS = "as float64; read-only; other byte order; misaligned; broadcast; with gaps; backwards"
_VALUES = "one NaN; one inf; one of -1e30"  # of the right type: what to make of them is arithmetic
_REAL = f"{_LAYOUTS}; {_VALUES}; a list; as float16; as long double; as float32; as int64; as bool"
_SHAPES = "a row less; a row more; its columns halved; turned; as float32"
_VECTOR = "range; Series; nullable; as frame; a nullable array"
_NO_BOOL = "2; 2.5; 10**30; 1e300; Fraction; numpy float; numpy int"
_COUNT = "2; numpy int"
_LARGE = f"{_COUNT}; 10**30; 10**400"
_BELOW_1 = "0; Fraction; numpy float; its negative"  # -0.0 is 0
_POSITIVE = "True; numpy True; 2; 2.5; 10**30; 1e300; Fraction; numpy float; numpy int"
_ITERABLE = "one less; it twice; by a generator; as array of objects"
_TEXTS = f"{_ITERABLE}; list of texts; categorical; a text among it"


def _of_array(labels: str) -> str:
    """Give the labels of a list that is made an array first."""
    return "; ".join(f"array: {label}" for label in labels.split("; "))


ACCEPTED = {
    # ---- arrays of kernels: one type of float, any memory; what is written to is written in place
    "array": f"{_LAYOUTS}; {_VALUES}",
    "optional array": f"{_LAYOUTS}; {_VALUES}; None",
    "optional weights": f"{_LAYOUTS}; None",
    "elements": f"{_LAYOUTS}; {_VALUES}; {_SHAPES}; 0-d array; 3-d; its first row; an axis more; "
    "flattened",
    "matrix": f"{_LAYOUTS}; {_VALUES}; {_SHAPES}",
    "rows": f"{_LAYOUTS}; {_VALUES}; a row less; a row more",
    "param": f"as float64; {_VALUES}",
    "state": f"as float64; with gaps; backwards; {_VALUES}",
    "out": f"None; as float64; {_VALUES}",
    "gradient": f"{_LAYOUTS}; one of -1e30",
    "bits": f"{_LAYOUTS}; as bool",
    "reals": f"{_LAYOUTS}; {_VALUES}; as int64; as bool",
    "class targets": f"{_LAYOUTS}; as int64; as bool",
    # ---- data of networks: whatever NumPy reads as real numbers; rows are converted batch by batch
    "network's x": f"{_LAYOUTS}; {_VALUES}; a list; as float32; as int64; as bool; as frame",
    "many rows": f"{_LAYOUTS}; {_VALUES}; a list; as float32; as int64; as bool; as frame; "
    "a row less; a row more",
    "square rows": f"{_LAYOUTS}; {_VALUES}; a list; as float32; as int64; as bool; as frame; "
    "turned",
    "network's y": f"{_LAYOUTS}; a list; as int64; as bool; as frame",
    "two classes": f"{_LAYOUTS}; a list; as int64; as bool; as frame; range",
    "weights": f"None; {_REAL}; as frame",
    "vector": f"{_REAL}; as frame; a nullable array",
    # ---- numbers: of Python, of NumPy, fractions; True is 1, as in Python and NumPy
    "rate": f"0; {_POSITIVE}; its negative",
    "optional rate": f"None; 0; {_POSITIVE}; its negative",
    "positive": _POSITIVE,
    "optional positive": f"None; {_POSITIVE}",
    "decay": _BELOW_1,
    "optional decay": f"None; {_BELOW_1}",
    "unit": f"True; numpy True; {_BELOW_1}",
    "seconds": f"0; inf; 10**400; {_POSITIVE}",  # inf: never
    "statistic": "2.5; 1e300; its negative",  # a finite float and nothing else: read from JSON
    "strict rate": f"0; {_NO_BOOL}; its negative",
    "strict positive": _NO_BOOL,
    "any number": f"None; 0; -1; nan; inf; -inf; numpy float; 0-d array; its negative; {_POSITIVE}",
    # ---- whole numbers: of any integer type, but for bool; as large as makes sense
    "count": _LARGE,
    "count from 0": f"0; {_LARGE}",
    "optional large count": f"None; {_LARGE}",
    "optional count from 0": f"None; 0; {_LARGE}",
    "bounded count": _COUNT,
    "optional count": "None; 2; numpy int",
    "threads": _COUNT,
    "number of layers": f"None; -1; {_COUNT}",
    "number of a row": f"0; {_COUNT}",
    "others": "0; 2; 10**30; 10**400; its negative",
    "seed": f"None; 0; {_LARGE}",
    "width with init": _COUNT,  # whichever fits the array
    # ---- words, flags, paths
    "strict flag": "True; numpy True",
    "flag": "True; numpy True; 0; its class",  # 0 and 1 are False and True
    "order of rows": "None; True; numpy True; 0; its class",
    "text": "'3'; 'no'; ''; null character",
    "optional text": "None; '3'; 'no'; ''; null character",
    "identifier": "'no'",
    "path": "'3'; 'no'; path",
    "file": "'3'; 'no'; path",  # that an earlier call has written
    "own loss": "None",
    "choice": "",
    "average": "None",
    "optional": "None",
    "validation data": "None; one None among it",  # the third, weights, may be None
    "optional function": "None; class; function; its class",
    "function": "class; function; its class",  # of the user's own: what it raises is its own
    # ---- containers
    "objects": "[]; (); one less; it twice",
    "metrics": "[]; (); one less; it twice; a class among it",
    "layers": "one less; it twice",
    "class weights": "None; {}; a key less",
    "attachments": "None; {}; a key less; a key more; a value of None; a value of text; "
    "a value of []",
    "object": "",
    "columns": "a key less; frame",
    "reasons": "{}; a key less; a value of text",
    "known names": f"{_ITERABLE}; []; (); {{}}",
    "learners": f"{_TEXTS}; None; []; (); {{}}",
    "factors": "None; {}; a key less; a key more",
    "some known names": f"{_ITERABLE}; []; (); {{}}",
    "columns of a table": _ITERABLE,
    "texts": "list of texts; categorical; a text among it; by a generator; as array of objects",
    "some texts": f"{_TEXTS}; []; (); {{}}",
    "class names": "None; as array of objects",
    "any names": "None; as array of objects; one None among it; one object among it; a class among "
    "it; a text among it; it twice; range; ragged; list of texts; list of None; records; Series; "
    "nullable; categorical",
    "curves": "{}; a key less; None",
    "scores": "[0.5]; one less; it twice; range; Series; nullable; "
    + _of_array(f"{_REAL}; as frame; a nullable array; a row less; a row more; its columns halved"),
    "counts": f"{_LAYOUTS}; turned; a list; as int64; as frame",
    "labels": f"{_LAYOUTS}; a list; as int64; as frame",
    "images": f"{_REAL}; as frame",
    "image shape": "array: a list",
    "edges": "one less; by a generator; as array of objects",
    "widths": "[]; (); {}; one less; it twice; by a generator; as array of objects; array: a list",
    # ---- one for each of many networks
    "one or each": "None; no brackets",
    "seed of each": "None; range; list of None; " + _of_array(f"{_LAYOUTS}; a list; as int64"),
    "rows of each": "None; as array of objects; " + _of_array(f"{_LAYOUTS}; a list; as int64"),
    # ---- estimators, whose data scikit-learn checks, in its own words
    "scikit-learn's": "*",
    "hidden sizes": "2; numpy int; []; (); no brackets; one less; it twice; as array of objects; "
    + _of_array(f"{_LAYOUTS}; a row less; a row more; no row of it; its first row; a list")
    + "; array: its columns halved; array: as objects; array: as int64",
    "each layer": f"{_BELOW_1}; [0.5]; in a list; in an array",
    "count or None": f"None; {_LARGE}",
    "count from 0 or None": f"None; 0; {_LARGE}",
    "columns by name or position": "[]; (); it twice; one less; as array of objects; "
    + _of_array(f"{_LAYOUTS}; a row less; a row more; no row of it; its columns halved; a list")
    + "; array: as objects; array: as int64; array: as frame",
    "patience": f"inf; {_LARGE}",
    "verbosity": f"True; numpy True; 0; {_LARGE}",
    "random state": "None; 0; 2; numpy int",
    "optional threads": "None; 2; numpy int",
    "init": f"{_REAL}; as frame",
    "classes": f"{_LAYOUTS}; a list; as int64; as bool; as frame; range",
    "values": f"{_REAL}; {_VECTOR}",
    "indices": f"{_LAYOUTS}; a list; as int64; as frame; []; (); range; a row less; a row more; "
    "no row of it; its columns halved",
    "any vector": f"{_REAL}; {_VECTOR}; {_SHAPES}; [0.5]; []; (); no row of it",
}
KIND_OF = {
    name: kind
    for kind, names in {
        "param": "param",
        "array": "grad dy",
        "state": "m v velocity",
        "out": "out",
        "gradient": "gradient",
        "rate": "lr eps l1 l2 slope alpha weight_decay min_delta factor final after tolerance",
        "positive": "delta lowest highest",
        "optional positive": "clip_norm clip_value total_weight",
        "decay": "beta beta1 beta2 momentum label_smoothing rate",
        "optional decay": "decay",
        "unit": "dampening",
        "seconds": "seconds",
        "statistic": "fill mean scale",
        "count": "step epochs batch_size every steps width patience most start_epoch",
        "count from 0": "least_rows most_categories pieces",
        "number of a row": "row first_row",
        "others": "others",
        "seed": "seed",
        "bounded count": "n columns",
        "optional count": "n_classes",
        "number of layers": "upto",
        "width with init": "inputs outputs",
        "flag": "nesterov bias training drop_last progress resume restore_best",
        "order of rows": "shuffle",
        "text": "monitor column name source",
        "path": "path",
        "choice": "dtype backend precision mode impute task",
        "average": "average",
        "object": "network loss table axes history result mlp data",
        "known names": "names",
        "some known names": "text",
        "some texts": "values",
        "reasons": "left_out",
        "learners": "trainable",
        "factors": "lr_factors",
        "optional": "optimizer early_stopping workers",
        "validation data": "validation_data",
        "function": "convert",
        "objects": "callbacks",
        "metrics": "metrics",
        "layers": "layers parts",
        "class names": "classes class_names",
        "class weights": "class_weight",
        "attachments": "attachments",
        "init": "init",
        "network's x": "x",
        "network's y": "y",
        "vector": "flat",
    }.items()
    for name in names.split()
} | {
    f"estimator's {name}": kind
    for kind, names in {
        "strict rate": "alpha power_t tol l1 l2",
        "strict positive": "learning_rate_init epsilon",
        "decay": "momentum beta_1 beta_2 validation_fraction",
        "strict flag": "shuffle warm_start nesterovs_momentum early_stopping residual bootstrap",
        "count": "max_iter max_fun batch_size",
        "bounded count": "n_members",
        "patience": "n_iter_no_change",
        "verbosity": "verbose",
        "random state": "random_state",
        "optional threads": "n_threads",
        "hidden sizes": "hidden_layer_sizes",
        "each layer": "dropout",
        "objects": "callbacks",
        "average": "dtype normalization",
        "optional function": "layers",
        "choice": "activation solver learning_rate loss precision impute",
        "scikit-learn's": "scoring class_weight",
    }.items()
    for name in names.split()
}
