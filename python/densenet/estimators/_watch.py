"""Follows a training: keeps its curves and best weights, and decides when it ends.

It writes the estimator's fitted attributes, under scikit-learn's names and by scikit-learn's rules.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from densenet._typing import Array
from densenet.estimators._rows import Rows

Warned: TypeAlias = tuple[str, type[Warning]]
"""The text of a warning, and its class."""

_SMALLEST_RATE = 1e-6  # learning_rate="adaptive" lowers no rate that is smaller


@dataclass(frozen=True)
class Validation:
    """Rows that are not trained on, and a function that scores the estimator on them."""

    rows: Rows
    score: Callable[[float], float]
    """Takes the loss on these rows, which only ``scoring="loss"`` uses."""


class Watch:
    """Updates an estimator's fitted attributes after each epoch."""

    def __init__(
        self,
        estimator: Any,
        held: Validation | None,
        *,
        fresh: bool,
        goes_on: bool,
        told: list[Warned] | None = None,
    ) -> None:
        self._estimator = estimator
        self._told = told
        self._held = held
        self._stops_early = estimator.early_stopping and estimator.solver != "lbfgs"
        if fresh:
            estimator.t_ = 0
            estimator.loss_curve_ = []
            estimator.best_loss_ = None
            estimator.validation_scores_ = estimator.validation_loss_curve_ = None
            estimator.best_validation_score_ = None
            estimator._no_improvement_count = 0
        else:  # the estimator that this one is a copy of keeps its own lists
            for name in ("loss_curve_", "validation_scores_", "validation_loss_curve_"):
                curve = getattr(estimator, name)
                setattr(estimator, name, None if curve is None else list(curve))
        if self._stops_early:
            estimator.best_loss_ = None
        elif estimator.best_loss_ is None:
            estimator.best_loss_ = np.inf
        if held is not None and estimator.validation_scores_ is None:
            estimator.validation_scores_, estimator.validation_loss_curve_ = [], []
            estimator.best_validation_score_ = -np.inf
        if fresh or not goes_on:
            estimator.network_.reset_optimizer()
            estimator.learning_rate_ = estimator.learning_rate_init
        elif estimator.learning_rate == "constant":
            estimator.learning_rate_ = estimator.learning_rate_init
        if self._stops_early and (fresh or not goes_on or estimator._best is None):
            estimator._best = self._weights()
        estimator.n_iter_ = 0
        estimator.stopped_ = ""

    def note(self, loss: float, seconds: float) -> bool:
        """Record an epoch; give True if a callback asks to stop."""
        estimator = self._estimator
        estimator.n_iter_ += 1
        estimator.loss_ = loss
        estimator.loss_curve_.append(loss)
        if estimator.verbose:
            print(f"Iteration {estimator.n_iter_}, loss = {loss:.8f}")
        record = {
            "epoch": estimator.n_iter_,
            "loss": loss,
            "lr": estimator.learning_rate_,
            "seconds": seconds,
        }
        if self._held is not None:
            record |= self._validate(self._held)
        if estimator.best_loss_ is not None:
            gained = loss <= estimator.best_loss_ - estimator.tol
            estimator.best_loss_ = min(estimator.best_loss_, loss)
        if self._stops_early:
            gained = self._note_score(record["val_score"])
        estimator._no_improvement_count = 0 if gained else estimator._no_improvement_count + 1
        stops = [c.on_epoch_end(estimator.network_, record) for c in estimator.callbacks]
        return any(stops)

    def _validate(self, held: Validation) -> dict[str, float]:
        """Compute the loss and the score on the validation rows."""
        estimator = self._estimator
        loss = held.rows.loss(estimator.network_)
        score = held.score(loss) if np.isfinite(loss) else np.nan
        estimator.validation_loss_curve_.append(loss)
        estimator.validation_scores_.append(score)
        if estimator.verbose:
            print(f"Validation score: {score:f}")
        return {"val_loss": loss, "val_score": score}

    def _note_score(self, score: float) -> bool:
        """Keep the weights if their score is the best; give True if it is better by `tol`."""
        estimator = self._estimator
        gained = bool(score >= estimator.best_validation_score_ + estimator.tol)
        if score > estimator.best_validation_score_:
            estimator.best_validation_score_ = score
            estimator._best = self._weights()
        return gained

    def out_of_patience(self) -> str:
        """Give the reason to stop, or "" to go on. An adaptive learning rate is lowered first."""
        estimator = self._estimator
        if estimator._no_improvement_count <= estimator.n_iter_no_change:
            return ""
        what = "Validation score" if self._stops_early else "Training loss"
        message = (
            f"{what} did not improve more than tol={estimator.tol:f} for "
            f"{estimator.n_iter_no_change} consecutive epochs."
        )
        adaptive = estimator.solver == "sgd" and estimator.learning_rate == "adaptive"
        if adaptive and estimator.learning_rate_ > _SMALLEST_RATE:
            self.set_rate(estimator.learning_rate_ / 5)
            estimator._no_improvement_count = 0
            message += f" Setting learning rate to {estimator.learning_rate_:f}"
        else:
            estimator.stopped_ = "early stopping" if self._stops_early else "tolerance"
            message += " Learning rate too small. Stopping." if adaptive else " Stopping."
        if estimator.verbose:
            print(message)
        return str(estimator.stopped_)

    def set_rate(self, rate: float) -> None:
        """Change the learning rate, and rescale the velocity so that the next step stays as long.

        scikit-learn's velocity is the step ``-η v`` itself, the network's is v.
        """
        estimator = self._estimator
        velocity = estimator.network_.optimizer_state.get("velocity")
        if velocity is not None:
            velocity *= estimator.learning_rate_ / rate
        estimator.learning_rate_ = rate

    def _weights(self) -> tuple[Array, dict[str, Array]]:
        network = self._estimator.network_
        running = {name: value.copy() for name, value in network.running_moments.items()}
        return network.flat.copy(), running

    def restore_best(self) -> None:
        """Put back the weights with the best score, if training stops early by score."""
        estimator = self._estimator
        if self._stops_early:
            flat, running = estimator._best
            estimator.network_.flat[...] = flat
            for name, value in running.items():
                estimator.network_.running_moments[name][...] = value

    def warn_of_an_interrupt(self, stacklevel: int) -> None:
        """Warn that the user has interrupted the training."""
        self._estimator.stopped_ = "interrupted"
        self.warn("Training interrupted by user.", UserWarning, stacklevel + 1)

    def warn_of_the_end(self, message: str, stacklevel: int) -> None:
        """Warn that training ended before it converged."""
        self._estimator.stopped_ = "epochs"
        self.warn(message, ConvergenceWarning, stacklevel + 1)

    def warn(self, message: str, category: type[Warning], stacklevel: int) -> None:
        """Warn the user, or note it for the one who does."""
        if self._told is None:
            warnings.warn(message, category, stacklevel=stacklevel + 1)
        else:
            self._told.append((message, category))
