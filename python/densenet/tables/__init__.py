"""Tables: reading them, learning what their columns mean, and training on them.

Data flows one way: a file becomes a `Table` of cells (`read_table`), `Features` and a target
(`Classes` or `Values`) turn its columns into rows and targets, and a `TableModel` is a network
together with both. ``densenet fit`` on the command line is made of these.
"""

from densenet.tables.features import Categories, Features, Numbers
from densenet.tables.files import read_table, write_csv
from densenet.tables.model import TableModel
from densenet.tables.table import Table
from densenet.tables.targets import Classes, Values, fit_target, infer_task

__all__ = [
    "Categories",
    "Classes",
    "Features",
    "Numbers",
    "Table",
    "TableModel",
    "Values",
    "fit_target",
    "infer_task",
    "read_table",
    "write_csv",
]
