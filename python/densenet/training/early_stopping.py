"""Early stopping: when a score no longer improves, and which parameters were the best."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from densenet import _checks
from densenet._network.learner import Learned, Learner
from densenet.training.history import Record

__all__ = ["EarlyStopping"]

_LESS = """
    loss error log_loss nll cross_entropy softmax_cross_entropy binary_cross_entropy perplexity
    mean_squared_error mse root_mean_squared_error rmse mean_absolute_error mae
    mean_absolute_percentage_error mape mean_squared_log_error msle
    root_mean_squared_log_error rmsle median_absolute_error max_error huber mean_pinball_loss
    mean_poisson_deviance mean_gamma_deviance mean_tweedie_deviance brier_score brier_score_loss
    zero_one_loss hamming_loss hinge_loss coverage_error label_ranking_loss
    """
_MORE = """
    score accuracy acc balanced_accuracy top_k_accuracy precision recall sensitivity specificity f1
    fbeta jaccard iou average_precision roc_auc auc matthews_corrcoef mcc cohen_kappa kappa
    r2 explained_variance d2_absolute_error d2_pinball d2_tweedie d2_log_loss d2_brier
    dcg ndcg label_ranking_average_precision
    """
_ENDINGS = ("_weighted", "_samples", "_macro", "_micro", "_ovo", "_ovr", "_score")


def _better(monitor: str) -> float:
    """Give 1 for a score, of which more is better; -1 for an error or a loss; 0 for other names.

    The names are those of densenet's metrics, of scikit-learn's functions and scorers (a negated
    error is a score), and the usual short ones.
    """
    name = monitor.removeprefix("val_")
    if name in _LESS.split():
        return -1.0
    if name.startswith("neg_"):
        return float(name.removeprefix("neg_") in _LESS.split())
    for ending in _ENDINGS:
        name = name if name == "score" else name.removesuffix(ending)
    return float(name in _MORE.split())


@dataclass(frozen=True)
class EarlyStopping:
    """Stop when a score no longer improves.

    Parameters
    ----------
    monitor : str
        A name in the epochs' records: ``"val_loss"``, ``"val_accuracy"``, ``"loss"``, ...
    mode : "auto", "min" or "max"
        Which way is better. "auto" knows the names of this package's metrics, of scikit-learn's,
        and short ones such as "rmse", all with or without ``"val_"``; any other wants "min" or
        "max".
    patience : int
        Epochs without an improvement after which training stops.
    min_delta : float
        An epoch improves the score if it exceeds the best one by more than this.
    restore_best : bool
        True restores the parameters of the best epoch when `fit` ends, even by Ctrl-C or an error.

    Raises
    ------
    TypeError
        If `monitor` is no text, `patience` no integer or `min_delta` no number.
    ValueError
        If `mode` is none of the three, or "auto" with a name that it does not know; if `patience`
        is less than 1, or `min_delta` negative or not finite.

    Examples
    --------
    >>> from densenet import SGD, EarlyStopping, Linear, MeanSquaredError, Network
    >>> network = Network([Linear(1, 1, init="zeros")], MeanSquaredError())
    >>> rule = EarlyStopping("loss", patience=2)
    >>> history = network.fit(
    ...     [[1.0]], [5.0], epochs=99, optimizer=SGD(lr=1.0), early_stopping=rule
    ... )
    >>> history.stopped, len(history.epochs)  # at that rate it never improves
    ('early stopping', 3)
    >>> EarlyStopping("val_accuracy").sign, EarlyStopping("val_rmse").sign
    (1.0, -1.0)
    >>> EarlyStopping("val_regret", mode="min").sign
    -1.0
    """

    monitor: str = "val_loss"
    mode: Literal["auto", "min", "max"] = "auto"
    patience: int = 10
    min_delta: float = 0.0
    restore_best: bool = True

    def __post_init__(self) -> None:
        _checks.text("monitor", self.monitor)
        _checks.choice("mode", self.mode, ("auto", "min", "max"))
        if self.mode == "auto" and not _better(self.monitor):
            raise ValueError(
                f"mode: expected 'min' or 'max' with monitor={self.monitor!r}, a name that does "
                "not tell which way is better, got 'auto'"
            )
        object.__setattr__(self, "patience", _checks.count("patience", self.patience))
        object.__setattr__(self, "min_delta", _checks.setting("min_delta", self.min_delta))
        object.__setattr__(self, "restore_best", _checks.flag("restore_best", self.restore_best))

    @property
    def sign(self) -> float:
        """Give 1 where more is better and -1 where less is."""
        if self.mode == "auto":
            return _better(self.monitor)
        return 1.0 if self.mode == "max" else -1.0

    def improves(self, score: float, best: float) -> bool:
        """Tell whether an epoch's score is better than the best one before it.

        Parameters
        ----------
        score, best : float
            Monitored values times `sign`: more is better. At first the best one is -inf.

        Examples
        --------
        >>> from densenet import EarlyStopping
        >>> rule = EarlyStopping("val_accuracy", min_delta=0.01)
        >>> rule.improves(0.92, best=0.9), rule.improves(0.905, best=0.9)
        (True, False)
        """
        return score > best + self.min_delta

    def keeps(self, score: float, best: float) -> bool:
        """Tell whether an epoch is kept in place of the one kept so far: here, if it improves.

        Examples
        --------
        >>> from densenet import EarlyStopping
        >>> EarlyStopping("val_loss").keeps(-0.5, best=-0.6)
        True
        """
        return self.improves(score, best)


@dataclass(frozen=True)
class Best:
    """The best score so far, the epochs since, and what the network had learned when one was kept.

    A score is the monitored value times the sign of its rule: more is better.
    """

    score: float = -np.inf
    waited: int = 0
    kept: Learned | None = None

    def after(self, rule: EarlyStopping, record: Record, learner: Learner) -> "Best":
        """Give the best after one more epoch, whose record this is."""
        score, kept = rule.sign * record[rule.monitor], self.kept
        if rule.restore_best and rule.keeps(score, self.score):
            kept = learner.learned()
        if rule.improves(score, self.score):
            return Best(score, 0, kept)
        return Best(self.score, self.waited + 1, kept)
