"""Weights by class are those of the classes named, whichever rows are at hand."""

from datetime import date

import numpy as np
import pytest

pytest.importorskip("sklearn")

from densenet.estimators import DenseClassifier

pytestmark = pytest.mark.filterwarnings("ignore:.*Maximum iterations")

X = np.random.default_rng(0).normal(size=(60, 3))
Y = np.repeat([0, 1, 2], [29, 29, 2])


def make(**settings):
    return DenseClassifier(4, max_iter=2, random_state=0, **settings)


def test_a_batch_may_lack_the_class_that_is_named():
    weighed = make(class_weight={2: 5.0}).partial_fit(X, Y, classes=[0, 1, 2])
    by_row = make().partial_fit(X, Y, np.where(Y == 2, 5.0, 1.0), classes=[0, 1, 2])
    for model in weighed, by_row:
        model.partial_fit(X[:20], Y[:20])  # of class 0 alone
    np.testing.assert_array_equal(weighed.network_.flat, by_row.network_.flat)


def test_so_may_the_rows_held_out():
    rows = slice(40)  # of classes 0 and 1
    held_out = {"X_val": X[rows], "y_val": Y[rows]}
    weighed = make(class_weight={2: 5.0}).fit(X, Y, **held_out)
    by_row = make().fit(X, Y, np.where(Y == 2, 5.0, 1.0), **held_out)
    assert weighed.validation_loss_curve_ == by_row.validation_loss_curve_
    make(class_weight={2: 5.0}, early_stopping=True).fit(X, Y)


@pytest.mark.parametrize(
    "names",
    [["0", "1", "7"], ["01", "1", "1.0"], [False, True], [date(2026, 1, day) for day in (1, 2, 3)]],
    ids=str,
)
def test_classes_may_be_of_any_type(names):
    if isinstance(names[0], date):
        names = np.array(names, "M8[D]")
    labels = np.asarray(names)[Y % len(names)]
    rare = labels[-1]
    weighed = make(class_weight={rare.item(): 5.0}).fit(X, labels)
    by_row = make().fit(X, labels, np.where(labels == rare, 5.0, 1.0))
    np.testing.assert_array_equal(weighed.network_.flat, by_row.network_.flat)


def test_a_dict_may_name_more_classes_than_there_are():
    weights = {0: 1.0, 1: 2.0, 2: 3.0, 3: 4.0}
    weighed = make(class_weight=weights).fit(X, Y)
    by_row = make().fit(X, Y, 1.0 + Y)
    np.testing.assert_array_equal(weighed.network_.flat, by_row.network_.flat)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({3: 2.0}, ValueError, r"expected classes among \[0, 1, 2\], got 3$"),
        ({0: 2.0, "2": 2.0}, ValueError, r"expected classes among \[0, 1, 2\], got '2'$"),
        ([1, 2, 3], ValueError, "expected a dict, 'balanced' or None, got list$"),
    ],
    ids=str,
)
def test_others_are_refused(given, error, message):
    with pytest.raises(error, match=f"^class_weight: {message}"):
        make(class_weight=given).fit(X, Y)


@pytest.mark.parametrize(("weight", "error"), [(-5, ValueError), ("a", TypeError)])
def test_a_weight_is_refused_by_its_class(weight, error):
    with pytest.raises(error, match=r"^class_weight\[2\] must be .*in \[0, inf\), got"):
        make(class_weight={2: weight}).fit(X, Y)
