"""Export of a table's model to C: one header that reads raw cells and predicts.

Columns are encoded in double, as `Features.transform` encodes them, and rounded to float. The
network is written as `densenet.exchange.to_c` writes it.
"""

import math
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from string import Template
from typing import Any, NamedTuple

import numpy as np

from densenet import _checks
from densenet._files.whole import written_whole
from densenet._version import __version__
from densenet.exchange._tables import check_model
from densenet.exchange.c import Writer, check_name, literal
from densenet.network import Network
from densenet.reference import pieces
from densenet.tables.encoding import columns, dates
from densenet.tables.encoding.columns import Categories, Numbers
from densenet.tables.encoding.dates import CYCLES, Dates
from densenet.tables.encoding.pieces import PiecewiseLinear
from densenet.tables.encoding.targets import Classes, Values
from densenet.tables.model import TableModel

__all__ = ["table_to_c"]

_HEADER = """\
/* $name: predicts $target from a table's row of $columns columns.

       double row[${NAME}_COLUMNS];
       $result y[${NAME}_OUTPUTS];
       ${name}_predict(row, y);

   row has the cells in the order of the columns below, as they are in the table. NAN is a missing
   cell. A category is its index in the array of the column's names, and -1 if it is none of them:
   ${name}_index(names, text) finds it, letter by letter.
   $meaning

   Any number of threads may call the functions at once: they write y, and $scratch bytes of stack.

   C99 or C++17, with <math.h> alone (link with -lm, and without -ffast-math, which takes NAN for a
   number). Written by densenet $version. */
#ifndef ${NAME}_H
#define ${NAME}_H

#if defined __FINITE_MATH_ONLY__ && __FINITE_MATH_ONLY__
#error "$name: missing cells are NAN, which -ffast-math and -ffinite-math-only take for a number"
#endif

#include <math.h>

enum { ${NAME}_COLUMNS = $columns, ${NAME}_FEATURES = $features, ${NAME}_OUTPUTS = $outputs };

/* ---- columns: where each one stands in a row, and what a cell of it is ---- */

enum {
$places};

/* ---- names: texts in UTF-8, each with its index; 0 ends them ---- */

$names
static inline int ${name}_index(const char *const *names, const char *text) {
  for (int index = 0; names[index]; ++index) {
    int i = 0;
    while (text[i] && text[i] == names[index][i]) ++i;
    if (text[i] == names[index][i]) return index;
  }
  return -1;
}

/* ---- parameters: a weight has one row for each input ---- */

$arrays
/* ---- layers, and encodings of a column ---- */

$functions
/* ---- the model: from a row to features, from features to predictions ---- */

static inline void ${name}_features(const double *row, $real *x) {
$encodings}

$networks
static inline void ${name}_predict(const double *row, $result *y) {
  $real x[${NAME}_FEATURES];
  ${name}_features(row, x);
$predict}

/* rows has the shape (count, ${NAME}_COLUMNS) and y (count, ${NAME}_OUTPUTS). */
static inline void ${name}_predict_batch(const double *rows, $result *y, long count) {
  for (; count > 0; --count, rows += ${NAME}_COLUMNS, y += ${NAME}_OUTPUTS)
    ${name}_predict(rows, y);
}
$last
#endif
"""

# ---- networks ------------------------------------------------------------------------------------

_NETWORK = """\
static inline void ${name}_$function(const $real *x, $real *y) {
$buffers$statements}
"""

_ADD_UP = """\
  ${name}_$function(x, y);
  for (int i = 0; i < ${NAME}_OUTPUTS; ++i) total[i] += (double)y[i];
"""

_TOTAL = "  double total[${NAME}_OUTPUTS] = {0};\n"
_MEAN = "  for (int i = 0; i < ${NAME}_OUTPUTS; ++i) y[i] = ($real)(total[i] / $count);\n"


class _Networks:
    """Collects the arrays and functions of networks; ``network`` averages their predictions."""

    def __init__(self, networks: Sequence[Network], words: Mapping[str, str]) -> None:
        self.words = words
        self.arrays: list[str] = []
        self.functions: dict[str, str] = {}  # of layers
        self.texts: list[str] = []  # of networks
        self.scratch = 0
        if len(networks) == 1:
            self._add(networks[0], "network")
            return
        functions = [f"network_{index}" for index in range(len(networks))]
        for network, function in zip(networks, functions, strict=True):
            self._add(network, function, f"{function}_")
        self.scratch += 8 * networks[0].outputs
        sums = [Template(_ADD_UP).substitute(words, function=each) for each in functions]
        mean = Template(_MEAN).substitute(words, count=len(networks))
        total = Template(_TOTAL).substitute(words)
        self._define("network", total, "".join([*sums, mean]))

    def _add(self, network: Network, function: str, prefix: str = "") -> None:
        writer = Writer(network, self.words["name"], prefix)
        statements = writer.forward() + writer.probabilities()
        self.arrays += writer.arrays
        self.functions |= writer.functions
        self.scratch = max(self.scratch, writer.scratch)
        self._define(function, writer.declarations, statements)

    def _define(self, function: str, buffers: str, statements: str) -> None:
        given = {"function": function, "buffers": buffers, "statements": statements}
        self.texts.append(Template(_NETWORK).substitute(self.words, **given))


# ---- targets -------------------------------------------------------------------------------------

_BEST = """
/* The index of the class with the highest probability: the prediction. */
static inline int ${name}_best(const $real *y) {
  int best = 0;
  for (int i = 1; i < ${NAME}_OUTPUTS; ++i) best = y[i] > y[best] ? i : best;
  return best;
}
"""

_WITH_THRESHOLD = """
/* The index of the class to predict: $index from a probability of $least on. */
static inline int ${name}_best(const $real *y) {
  return y[$index] >= ($real)$least ? $index : $other;
}
"""


def _classes(target: Classes, words: Mapping[str, str]) -> dict[str, str]:
    name = words["name"]
    chosen = "the highest"
    last = Template(_BEST).substitute(words)
    if target.threshold is not None:
        index, least = target.threshold
        chosen = "the one to predict"
        last = Template(_WITH_THRESHOLD).substitute(
            words, index=index, least=literal(least), other=1 - index
        )
    return {
        "target": f"{_comment(target.column)}, one of {target.outputs} classes,",
        "meaning": f"y has the probability of each of {name}_classes.\n"
        f"   {name}_best(y) gives the index of {chosen}.",
        "result": words["real"],
        "predict": f"  {name}_network(x, y);\n",
        "last": last,
    }


def _values(target: Values, words: Mapping[str, str]) -> dict[str, str]:
    network = f"  {words['real']} deviations;\n  {words['name']}_network(x, &deviations);\n"
    mean, scale = literal(target.mean), literal(target.scale)
    return {
        "target": f"{_comment(target.column)}, a number,",
        "meaning": "y is the value, in the unit of the table.",
        "result": "double",
        "predict": f"{network}  *y = {mean} + {scale} * (double)deviations;\n",
        "last": "",
    }


_TARGETS: Mapping[type, Callable[[Any, Mapping[str, str]], dict[str, str]]] = {
    Classes: _classes,
    Values: _values,
}
"""What a header says of each kind of target."""

# ---- encodings of a column -----------------------------------------------------------------------

_FUNCTIONS = {
    "standardize": f"""\
static inline void ${{name}}_standardize(double cell, double fill, double mean, double scale,
    $real *x) {{
  const double furthest = {columns.FURTHEST}, z = ((isnan(cell) ? fill : cell) - mean) / scale;
  *x = (float)(z < -furthest ? -furthest : z > furthest ? furthest : z);
}}
""",
    "pieces": f"""\
static inline void ${{name}}_pieces(double cell, double fill, const double *edges, int pieces,
    double center, double scale, int gaps, $real *x) {{
  const double half = (isnan(cell) ? fill : cell) / 2; /* halved, so that no difference overflows */
  if (pieces > 1) {{
    const double ratio = (half - center / 2) / (scale / 2), furthest = {pieces.FURTHEST};
    const double z = ratio < -furthest ? -furthest : ratio > furthest ? furthest : ratio;
    *x++ = (float)(z / sqrt(1 + z / 3 * (z / 3)));
  }}
  for (int i = 0; i < pieces; ++i) {{
    const double share = (half - edges[i] / 2) / (edges[i + 1] / 2 - edges[i] / 2);
    x[i] = (float)(share < 0 ? 0 : share > 1 ? 1 : share);
  }}
  if (gaps) x[pieces] = isnan(cell) ? 1.0f : 0.0f;
}}
""",
    "date": f"""\
/* Days from 1970 to the beginning of a year. */
static inline double ${{name}}_new_year(double year) {{
  const double past = year - 1;
  return 365 * past + floor(past / 4) - floor(past / 100) + floor(past / 400) - 719162;
}}

/* Days from 1970 to a date. Add the time as a share of the day: 0.75 is 18:00. */
static inline double ${{name}}_days(int year, int month, int day) {{
  const double begin = ${{name}}_new_year(year);
  const int is_leap = ${{name}}_new_year(year + 1) - begin > 365.5;
  return begin + (367 * month - 362) / 12 - (month < 3 ? 0 : 2 - is_leap) + day - 1;
}}

static inline double ${{name}}_place_in_year(double days) {{
  double year = floor((days + 719160) / 365.2425) + 1; /* it, or the one before */
  if (days >= ${{name}}_new_year(year + 1)) ++year;
  const double begin = ${{name}}_new_year(year);
  return (days - begin) / (${{name}}_new_year(year + 1) - begin);
}}

static inline double ${{name}}_place_in_week(double days) {{
  const double since_monday = floor(days) + 3; /* 1970 began on a Thursday */
  return (since_monday - 7 * floor(since_monday / 7)) / 7;
}}

/* Cycles are 0 for the year, 1 for the week, 2 for the day, and -1 for no more. */
static inline void ${{name}}_date(double cell, double fill, double mean, double scale, int first,
    int second, int third, int missing, $real *x) {{
  const int cycles[3] = {{first, second, third}};
  const double latest = {dates.FURTHEST_DAY}, given = isnan(cell) ? fill : cell;
  const double days = given < -latest ? -latest : given > latest ? latest : given;
  ${{name}}_standardize(days, fill, mean, scale, x++);
  for (int i = 0; i < 3 && cycles[i] >= 0; ++i, x += 2) {{
    const double place = cycles[i] == 0 ? ${{name}}_place_in_year(days)
      : cycles[i] == 1 ? ${{name}}_place_in_week(days) : days - floor(days);
    x[0] = isnan(cell) ? 0.0f : (float)sin({2 * math.pi!r} * place);
    x[1] = isnan(cell) ? 0.0f : (float)cos({2 * math.pi!r} * place);
  }}
  if (missing) *x = isnan(cell) ? 1.0f : 0.0f;
}}
""",
    "one_hot": """\
/* x[i] is 1 for the category i, and after those of the `values` there may be one for others, -1. */
static inline void ${name}_one_hot(double cell, int missing, int values, int others, $real *x) {
  if (isnan(cell)) cell = missing;
  for (int i = 0; i < values; ++i) x[i] = cell == i ? 1 : 0;
  if (others) x[values] = cell == -1 ? 1 : 0;
}
""",
}


class _Encoding(NamedTuple):
    """How a column becomes features.

    Attributes
    ----------
    function : str
        One of `_FUNCTIONS`. It gets the cell, the arguments, and the features to write.
    arguments : sequence of str, int or list of float
        A list becomes an array.
    names : sequence of str, optional
        What a cell is an index in.
    cell : str
        What a cell is otherwise; ``${name}`` stands for the header's name.
    needs : sequence of str
        Functions that the function calls.
    """

    function: str
    arguments: Sequence[str | int | list[float]]
    names: Sequence[str] | None = None
    cell: str = "a number"
    needs: Sequence[str] = ()


def _numbers(part: Numbers) -> _Encoding:
    return _Encoding("standardize", [literal(part.fill), literal(part.mean), literal(part.scale)])


def _pieces(part: PiecewiseLinear) -> _Encoding:
    fill, center, scale = literal(part.fill), literal(part.center), literal(part.scale)
    edges = list(part.edges)
    return _Encoding("pieces", [fill, edges, len(edges) - 1, center, scale, int(part.gaps)])


def _categories(part: Categories) -> _Encoding:
    missing = part.values.index("") if "" in part.values else -1
    arguments = [missing, len(part.values), int(part.others > 0)]
    return _Encoding("one_hot", arguments, part.values)


def _dates(part: Dates) -> _Encoding:
    cycles = [CYCLES.index(name) for name in part.cycles]
    cycles += [-1] * (len(CYCLES) - len(cycles))
    fill, mean, scale = literal(part.fill), literal(part.mean), literal(part.scale)
    arguments: list[str | int] = [fill, mean, scale, *cycles, int(part.missing)]
    if part.format.clock:
        cell = "a time, as a share of the day"
    else:
        utc = ", in UTC" if part.format.zone else ""
        cell = f"days since 1970, see ${{name}}_days{utc}"
    return _Encoding("date", arguments, cell=cell, needs=["standardize"])


_ENCODINGS: Mapping[type, Callable[[Any], _Encoding]] = {
    Numbers: _numbers,
    PiecewiseLinear: _pieces,
    Categories: _categories,
    Dates: _dates,
}
"""Each kind of column that can be exported."""

# ---- the header ----------------------------------------------------------------------------------


def table_to_c(model: TableModel, path: str | os.PathLike[str], name: str = "model") -> None:
    """Write a table's model, from raw cells to predictions, as one header in C99 and C++17.

    For the name ``model`` it has ``MODEL_COLUMNS``, ``MODEL_OUTPUTS``, the place of each column in
    a row, such as ``MODEL_COLUMN_AGE``, and

    - ``model_predict(const double *row, float *y)``: the probability of each class, as
      `TableModel.predict_proba` gives them. For a target that is a number, ``y`` is a double: the
      value in the table's unit, as `TableModel.predict` gives it;
    - ``model_best(const float *y)``: the index of the class to predict, in ``model_classes``;
    - ``model_predict_batch(const double *rows, float *y, long count)``: the same for many rows;
    - ``model_index(names, text)``: the index of a text in an array of names.

    A row has one double for each column that the model reads. A number is itself, a category is its
    index in the column's array, such as ``model_names_color``, and -1 if it is not there. A date is
    in days since 1970, with the time as a fraction, as ``model_days(year, month, day)`` gives them.
    NaN is a missing cell in each; with an option such as ``-ffast-math``, by which compilers take
    it for a number, the header is an error. Infinite numbers are clipped as large ones are.

    Parameters
    ----------
    model : TableModel
        The parameters of its network must be finite.
    path : path of the file
        It is written whole or not at all.
    name : str
        The start of every name in the header: a letter, then letters, digits or ``_``.

    Raises
    ------
    TypeError
        If `model` is not a TableModel.
    ValueError
        If `name` is not a letter followed by letters, digits or ``_``, a parameter is NaN or
        infinite, a name of a column, category or class has a null character, a column has an
        encoding that cannot be exported, or the network does not suit the columns.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from densenet.exchange import table_to_c
    >>> from densenet.tables import Settings, Table, fit
    >>> rows = {"pet": ["cat", "dog"] * 50, "says": ["meow", "woof"] * 50}
    >>> model = fit(Table.from_columns(rows), Settings("says")).model
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     table_to_c(model, f"{folder}/pets.h", name="pets")
    ...     print(Path(folder, "pets.h").read_text().splitlines()[0])
    /* pets: predicts "says", one of 2 classes, from a table's row of 1 columns.
    """
    check_model(model, _ENCODINGS)
    check_name(name)
    text = _header(model, name)
    with written_whole(_checks.path_to_write("path", path)) as file:
        file.write(text.encode("ascii"))


def _header(model: TableModel, name: str) -> str:
    networks = model.networks
    dtype = networks[0].dtype
    words = {
        "name": name,
        "NAME": name.upper(),
        "real": "double" if dtype == np.float64 else "float",
    }
    read, predictor = _Columns(model, name), _Networks(networks, words)
    functions = predictor.functions | {
        function: Template(_FUNCTIONS[function]).substitute(words)
        for function in _FUNCTIONS
        if function in read.functions
    }
    width, outputs = len(model.features.names), model.target.outputs
    return Template(_HEADER).substitute(
        words,
        **_TARGETS[type(model.target)](model.target, words),
        columns=len(read.places),
        features=width,
        outputs=outputs,
        scratch=predictor.scratch + (width + outputs) * dtype.itemsize,
        version=__version__,
        places="".join(read.places),
        names="\n".join(_array(array, texts) for array, texts in read.names.items()),
        arrays="\n".join([*read.arrays, *predictor.arrays]),
        functions="\n".join(functions.values()),
        encodings="".join(read.statements),
        networks="\n".join(predictor.texts),
    )


class _Columns:
    """Collects what a header says of each column: its place, its names, and how it is encoded."""

    def __init__(self, model: TableModel, name: str) -> None:
        self.names: dict[str, Sequence[str]] = {f"{name}_columns": model.features.columns}
        self.arrays: list[str] = []
        self.places: list[str] = []
        self.functions: set[str] = set()
        self.statements: list[str] = []
        if isinstance(model.target, Classes):
            self.names[f"{name}_classes"] = model.target.values
        begin = 0
        for index, identifier in enumerate(_identifiers(model.features.columns)):
            part = model.features.parts[index]
            encoding = _ENCODINGS[type(part)](part)
            place, cell = (
                f"{name.upper()}_COLUMN_{identifier}",
                encoding.cell.replace("${name}", name),
            )
            if encoding.names is not None:
                array = f"{name}_names_{identifier.lower()}"
                self.names[array] = encoding.names
                cell = f"an index in {array}"
            self.places.append(f"  {place} = {index}, /* {_comment(part.column)}: {cell} */\n")
            self.functions |= {*encoding.needs, encoding.function}
            arguments = ", ".join(
                self._numbers(f"{name}_edges_{identifier.lower()}", argument)
                if isinstance(argument, list)
                else str(argument)
                for argument in encoding.arguments
            )
            self.statements.append(
                f"  {name}_{encoding.function}(row[{place}], {arguments}, x + {begin});\n"
            )
            begin += len(part.names)

    def _numbers(self, array: str, values: list[float]) -> str:
        """Append an array of numbers; give its name."""
        numbers = ", ".join(map(literal, values))
        self.arrays.append(f"static const double {array}[{len(values)}] = {{{numbers}}};\n")
        return array


def _identifiers(columns: Iterable[str]) -> list[str]:
    """Make of each column's name a part of a name in C, in capitals; they differ."""
    made: dict[str, int] = {}
    for index, column in enumerate(columns):
        letters = unicodedata.normalize("NFKD", column).encode("ascii", "ignore").decode()
        plain = re.sub("[^A-Z0-9]+", "_", letters.upper())[:40].strip("_") or str(index)
        identifier, times = plain, 1
        while identifier in made:
            times += 1
            identifier = f"{plain}_{times}"
        made[identifier] = index
    return list(made)


def _array(name: str, texts: Iterable[str]) -> str:
    lines = "".join(f"  {_string(text)}, /* {index} */\n" for index, text in enumerate(texts))
    return f"static const char *const {name}[] = {{\n{lines}  0}};\n"


def _string(text: str) -> str:
    """Write a text as a string of C, in UTF-8.

    Octal numbers end after three digits, where hexadecimal ones take what follows along. Two
    question marks would begin a trigraph.
    """
    if "\0" in text:
        raise ValueError(f"model: expected names without null characters, got {text!r}")
    escaped = "".join(
        f"\\{character}"
        if character in '"\\?'
        else character
        if " " <= character <= "~"
        else "".join(f"\\{byte:03o}" for byte in character.encode("utf-8", "surrogatepass"))
        for character in text
    )
    return f'"{escaped}"'


def _comment(text: str) -> str:
    """Write a text for a comment, which it neither ends nor begins anew."""
    return _string(text).replace("*/", "* /").replace("/*", "/ *")
