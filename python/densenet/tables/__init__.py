"""Tables: read them, encode their columns, train on them and predict their rows.

Data flows one way. `read_table` turns a file into a `Table` of cells. `Features` turns its columns
into the rows that a network reads, and a target (`Classes` or `Values`) turns the column to predict
into what it learns. A `TableModel` is a network together with both. `fit` trains one by `Settings`,
as the command ``densenet fit`` does; `cross_validate` scores that on every row. `explore` looks at
a table before; `permutation_importance` and `partial_dependence` tell what a model makes of its
columns.
"""

from densenet.tables.columns import Categories, Numbers
from densenet.tables.dates import Dates
from densenet.tables.exploring import explore
from densenet.tables.features import Features
from densenet.tables.files import read_table, write_csv
from densenet.tables.fitting import Fitted, fit
from densenet.tables.folds import cross_validate
from densenet.tables.importance import partial_dependence, permutation_importance
from densenet.tables.joining import join
from densenet.tables.model import TableModel
from densenet.tables.pieces import PiecewiseLinear
from densenet.tables.settings import Settings
from densenet.tables.table import Table
from densenet.tables.targets import Classes, Values, fit_target, infer_task

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
    "TableModel",
    "Values",
    "cross_validate",
    "explore",
    "fit",
    "fit_target",
    "infer_task",
    "join",
    "partial_dependence",
    "permutation_importance",
    "read_table",
    "write_csv",
]
