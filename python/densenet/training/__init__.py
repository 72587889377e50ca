"""Training: epochs of mini-batches, what is recorded of them, and who may stop them."""

from densenet.training.averaging import WeightAveraging
from densenet.training.callbacks import Callback, Checkpoint
from densenet.training.early_stopping import EarlyStopping
from densenet.training.history import History, Record
from densenet.training.loop import fit
from densenet.training.pruning import PruningCallback
from densenet.training.run import Metric, Progress

__all__ = [
    "Callback",
    "Checkpoint",
    "EarlyStopping",
    "History",
    "Metric",
    "Progress",
    "PruningCallback",
    "Record",
    "WeightAveraging",
    "fit",
]
