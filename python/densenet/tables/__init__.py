"""Tables: read them, encode their columns, train on them and predict their rows.

Data flows one way. `read_table` turns a file into a `Table` of cells. `Features` turns its columns
into the rows that a network reads, and a target (`Classes` or `Values`) turns the column to predict
into what it learns. A `TableModel` is a network together with both. `fit` trains one by `Settings`,
as the command ``densenet fit`` does; `cross_validate` scores that on every row. `explore` looks at
a table before; `permutation_importance` and `partial_dependence` tell what a model makes of its
columns.

`reading/` makes a table of files, `encoding/` has the encodings of columns, `training/` the
settings and what is decided by held-out rows, `looking/` reports and pictures. Beside them lie the
table and its cells, and the model.
"""

from densenet.tables.encoding.columns import Categories, Numbers
from densenet.tables.encoding.dates import Dates
from densenet.tables.encoding.features import Features
from densenet.tables.encoding.pieces import PiecewiseLinear
from densenet.tables.encoding.targets import Classes, Values, fit_target, infer_task
from densenet.tables.joining import join
from densenet.tables.looking.exploring import explore
from densenet.tables.looking.importance import partial_dependence, permutation_importance
from densenet.tables.model import TableModel
from densenet.tables.reading.chunks import TableChunks, read_chunks
from densenet.tables.reading.files import read_table, write_csv
from densenet.tables.table import Table
from densenet.tables.training.fitted import Fitted
from densenet.tables.training.fitting import fit
from densenet.tables.training.fitting_chunks import fit_chunks
from densenet.tables.training.folds import cross_validate
from densenet.tables.training.settings import Settings

__all__ = [
    "Categories",
    "Classes",
    "Dates",
    "Features",
    "Fitted",
    "Numbers",
    "PiecewiseLinear",
    "Settings",
    "Table",
    "TableChunks",
    "TableModel",
    "Values",
    "cross_validate",
    "explore",
    "fit",
    "fit_chunks",
    "fit_target",
    "infer_task",
    "join",
    "partial_dependence",
    "permutation_importance",
    "read_chunks",
    "read_table",
    "write_csv",
]
