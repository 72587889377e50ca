"""Optuna's pruning of trials, in `fit` and in the estimators."""

import numpy as np
import pytest

from densenet import SGD, Linear, MeanSquaredError, Network
from densenet.training import PruningCallback

optuna = pytest.importorskip("optuna")

DATA = np.arange(6.0).reshape(6, 1), np.arange(6.0)
FIT = {"epochs": 8, "optimizer": SGD(lr=0.01)}


class Pruner(optuna.pruners.BasePruner):
    """Prunes a trial once a step has been reported."""

    def __init__(self, step):
        self.step = step

    def prune(self, study, trial):
        return trial.last_step == self.step


@pytest.fixture(autouse=True)
def _quiet():
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(before)


def study_of(objective, step):
    study = optuna.create_study(pruner=Pruner(step))
    study.optimize(objective, n_trials=1)
    return study.trials[0]


def make():
    return Network([Linear(1, 1)], MeanSquaredError(), seed=1)


@pytest.mark.parametrize(("interval", "steps"), [(1, [0, 1, 2, 3]), (2, [1, 3])])
def test_values_are_reported_until_the_trial_is_pruned(interval, steps):
    losses = [
        record["val_loss"] for record in make().fit(*DATA, validation_data=DATA, **FIT).epochs
    ]
    network = make()

    def objective(trial):
        callbacks = [PruningCallback(trial, "val_loss", interval)]
        network.fit(*DATA, validation_data=DATA, callbacks=callbacks, **FIT)

    trial = study_of(objective, 3)
    assert trial.state is optuna.trial.TrialState.PRUNED
    assert trial.intermediate_values == {step: losses[step] for step in steps}
    assert network.optimizer_state == {"step": 4}


def test_a_trial_that_is_not_pruned_is_trained_to_its_end():
    def objective(trial):
        return len(make().fit(*DATA, callbacks=[PruningCallback(trial, "loss")], **FIT).epochs)

    trial = study_of(objective, None)
    assert trial.state is optuna.trial.TrialState.COMPLETE
    assert trial.value == len(trial.intermediate_values) == 8


def test_estimators_are_pruned():
    pytest.importorskip("sklearn")
    from densenet.estimators import DenseRegressor

    def objective(trial):
        pruning = PruningCallback(trial, "val_score")
        given = {"hidden_layer_sizes": 3, "random_state": 0, "callbacks": [pruning]}
        DenseRegressor(**given).fit(*DATA, X_val=DATA[0], y_val=DATA[1])

    trial = study_of(objective, 2)
    assert trial.state is optuna.trial.TrialState.PRUNED
    assert list(trial.intermediate_values) == [0, 1, 2]


def test_what_is_wrong_is_refused():
    trial = optuna.create_study().ask()
    with pytest.raises(TypeError, match="trial: expected a trial of Optuna, got int"):
        PruningCallback(3, "loss")
    with pytest.raises(TypeError, match="monitor: expected a str, got int"):
        PruningCallback(trial, 3)
    with pytest.raises(ValueError, match="interval must be an integer >= 1, got 0"):
        PruningCallback(trial, "loss", 0)
    message = "monitor: expected one of epoch, loss, lr, seconds, got 'val_loss'"
    with pytest.raises(ValueError, match=message):
        make().fit(*DATA, callbacks=[PruningCallback(trial, "val_loss")], **FIT)
