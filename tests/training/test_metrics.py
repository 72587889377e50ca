from typing import Any

import numpy as np
import pytest

from densenet.metrics import (
    accuracy,
    average_precision,
    confusion_matrix,
    mean_absolute_error,
    mean_squared_error,
    precision_recall_fbeta,
    r2,
)

TRUE = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2, 2])
PRED = np.array([0, 0, 1, 1, 2, 2, 2, 2, 0, 0])


@pytest.fixture
def rows() -> tuple[Any, Any]:
    """Classes of unequal size; class 3 is never predicted, class 5 never true, 4 neither."""
    rng = np.random.default_rng(7)
    true = rng.choice([0, 1, 2, 3, 6], size=500, p=[0.5, 0.2, 0.15, 0.1, 0.05])
    pred = np.where(rng.random(500) < 0.6, true, rng.choice([0, 1, 2, 5, 6], size=500))
    pred[pred == 3] = 0
    return true, pred


# ---- classes ------------------------------------------------------------------------------------


def test_confusion_matrix_by_hand() -> None:
    matrix = confusion_matrix(TRUE, PRED)
    assert matrix.dtype == np.int64
    assert matrix.tolist() == [[2, 1, 0], [0, 1, 1], [2, 0, 3]]
    assert confusion_matrix(TRUE, PRED, n_classes=4).sum(axis=1).tolist() == [3, 2, 5, 0]


def test_accuracy_by_hand() -> None:
    assert accuracy(TRUE, PRED) == 0.6
    assert accuracy([True, False], [True, True]) == 0.5


def test_precision_recall_fbeta_by_hand() -> None:
    precision, recall, f1 = precision_recall_fbeta(TRUE, PRED)
    np.testing.assert_allclose(precision, [2 / 4, 1 / 2, 3 / 4])
    np.testing.assert_allclose(recall, [2 / 3, 1 / 2, 3 / 5])
    np.testing.assert_allclose(f1, [4 / 7, 1 / 2, 2 / 3])
    _, _, f2 = precision_recall_fbeta(TRUE, PRED, beta=2)
    np.testing.assert_allclose(f2, 5 * precision * recall / (4 * precision + recall))


def test_fbeta_lies_between_precision_and_recall(rows: tuple[Any, Any]) -> None:
    for beta in 0, 0.1, 1, 10:
        precision, recall, fbeta = precision_recall_fbeta(*rows, beta=beta)
        assert np.all(np.minimum(precision, recall) <= fbeta + 1e-15)
        assert np.all(fbeta <= np.maximum(precision, recall) + 1e-15)


def test_a_class_never_predicted_has_precision_0(rows: tuple[Any, Any]) -> None:
    precision, recall, fbeta = precision_recall_fbeta(*rows)
    assert (precision[3], recall[3], fbeta[3]) == (0, 0, 0)


def test_micro_averages_are_the_accuracy(rows: tuple[Any, Any]) -> None:
    assert precision_recall_fbeta(*rows, beta=3, average="micro") == pytest.approx(
        [accuracy(*rows)] * 3
    )


def test_scores_are_not_means_over_batches(rows: tuple[Any, Any]) -> None:
    true, pred = rows
    halves = [
        precision_recall_fbeta(true[part], pred[part], average="macro")[2]
        for part in (slice(0, 50), slice(50, None))
    ]
    assert precision_recall_fbeta(true, pred, average="macro")[2] != pytest.approx(np.mean(halves))


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64, np.uint64])
def test_any_integers_will_do(rows: tuple[Any, Any], dtype: Any) -> None:
    true, pred = (array.astype(dtype) for array in rows)
    np.testing.assert_array_equal(confusion_matrix(true, pred), confusion_matrix(*rows))
    assert confusion_matrix(true * 20, pred * 20).shape == (121, 121)  # 121² overflows a byte


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("average", [None, "macro", "micro", "weighted"])
def test_classes_as_in_scikit_learn(rows: tuple[Any, Any], beta: float, average: Any) -> None:
    theirs = pytest.importorskip("sklearn.metrics")
    labels = None if average else range(7)
    expected = theirs.precision_recall_fscore_support(
        *rows, beta=beta, average=average, labels=labels, zero_division=0
    )
    ours = precision_recall_fbeta(*rows, beta=beta, average=average)
    for got, want in zip(ours, expected[:3], strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-14)
    np.testing.assert_array_equal(
        confusion_matrix(*rows), theirs.confusion_matrix(*rows, labels=range(7))
    )
    assert accuracy(*rows) == theirs.accuracy_score(*rows)


# ---- order --------------------------------------------------------------------------------------


def test_average_precision_by_hand() -> None:
    true, score = [0, 1, 0, 1, 1], [0.1, 0.9, 0.8, 0.5, 0.3]
    assert average_precision(true, score) == pytest.approx((1 / 1 + 2 / 3 + 3 / 4) / 3)
    assert average_precision([True, False], [2, 1]) == 1
    assert average_precision([0, 0], [0.5, 0.7]) == 0
    assert average_precision([1, 0], [np.inf, -np.inf]) == 1


def test_equal_scores_are_taken_at_once() -> None:
    for true in [1, 0, 0, 1], [0, 1, 1, 0], [1, 1, 0, 0]:
        assert average_precision(true, [3, 3, 3, 3]) == 0.5
    assert average_precision([1, 0, 1], [2, 1, 1]) == pytest.approx((1 + 2 / 3) / 2)


@pytest.mark.parametrize("rows", [1, 7, 64, 1000])
@pytest.mark.parametrize("digits", [1, 2, 16])
def test_average_precision_as_in_scikit_learn(rows: int, digits: int) -> None:
    theirs = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(rows)
    true, score = rng.random(rows) < 0.2, rng.random(rows).round(digits)  # few digits: many tie
    true[0] = True
    expected = theirs.average_precision_score(true, score)
    assert average_precision(true, score) == pytest.approx(expected, rel=1e-12)
    assert average_precision(true.astype(np.uint8), score.astype(np.float64)) == pytest.approx(
        expected, rel=1e-12
    )


# ---- values -------------------------------------------------------------------------------------


def test_values_by_hand() -> None:
    true, pred = [1.0, 2.0, 3.0, 6.0], [1.5, 2.0, 2.0, 8.0]
    assert mean_squared_error(true, pred) == pytest.approx((0.25 + 0 + 1 + 4) / 4)
    assert mean_absolute_error(true, pred) == pytest.approx((0.5 + 0 + 1 + 2) / 4)
    assert r2(true, pred) == pytest.approx(1 - 5.25 / 14)
    assert r2(true, [3.0] * 4) == 0


@pytest.mark.parametrize("value", [0.0, 0.1, 1e9])
def test_r2_of_equal_targets(value: float) -> None:
    assert r2([value] * 7, [value] * 7) == 1
    assert r2([value] * 7, [value + 1] * 7) == 0
    assert r2([value], [value]) == 1


@pytest.mark.parametrize("shape", [(65,), (64, 1), (7, 3)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_as_in_scikit_learn(shape: tuple[int, ...], dtype: Any) -> None:
    theirs = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(3)
    true = rng.normal(5, 2, shape).astype(dtype)
    pred = (true + rng.normal(0, 1, shape)).astype(dtype)
    wide = true.astype(np.float64), pred.astype(np.float64)
    assert mean_squared_error(true, pred) == pytest.approx(theirs.mean_squared_error(*wide))
    assert mean_absolute_error(true, pred) == pytest.approx(theirs.mean_absolute_error(*wide))
    assert r2(true, pred) == pytest.approx(theirs.r2_score(*wide))


def test_small_integers_do_not_wrap_around() -> None:
    true, pred = np.array([0, 250], np.uint8), np.array([200, 0], np.uint8)
    assert mean_absolute_error(true, pred) == 225


# ---- errors -------------------------------------------------------------------------------------

ALL = [
    accuracy,
    confusion_matrix,
    precision_recall_fbeta,
    r2,
    mean_squared_error,
    mean_absolute_error,
]


def _message(error: type[Exception], function: Any, *arguments: Any, **options: Any) -> str:
    with pytest.raises(error) as caught:
        function(*arguments, **options)
    return str(caught.value)


@pytest.mark.parametrize("metric", ALL)
def test_shapes_must_be_equal(metric: Any) -> None:
    message = _message(ValueError, metric, np.arange(10), np.arange(9))
    assert message == "y_pred: expected shape (10,), got (9,)"
    message = _message(ValueError, metric, np.arange(10), np.ones((10, 1), int))
    assert message == "y_pred: expected shape (10,), got (10, 1)"


@pytest.mark.parametrize("metric", ALL)
def test_rows_there_must_be(metric: Any) -> None:
    nothing = np.array([], int)
    assert _message(ValueError, metric, nothing, nothing) == (
        "y_true: expected at least one row, got shape (0,)"
    )
    assert _message(ValueError, metric, 1, 1) == "y_true: expected at least one row, got shape ()"


@pytest.mark.parametrize("metric", ALL[:3])
def test_classes_must_be_integers_in_a_row(metric: Any) -> None:
    assert _message(TypeError, metric, [0, 1], [0.0, 1.0]) == (
        "y_pred: expected integer class indices, got float64"
    )
    table = np.ones((3, 2), int)
    assert _message(ValueError, metric, table, table) == (
        "y_true: expected shape (rows,), got (3, 2)"
    )


@pytest.mark.parametrize("metric", ALL[3:])
def test_values_must_be_real(metric: Any) -> None:
    assert _message(TypeError, metric, [1.0], ["a"]) == "y_pred: expected real numbers, got <U1"


def test_average_precision_is_of_zeros_ones_and_numbers() -> None:
    assert _message(ValueError, average_precision, [0, 2], [0.1, 0.2]) == (
        "y_true: expected 0 or 1 in each row, got 2"
    )
    assert _message(ValueError, average_precision, [0, 1], [0.1, np.nan]) == (
        "y_score: expected numbers, got NaN"
    )
    assert _message(ValueError, average_precision, [0, 1], [0.1]) == (
        "y_score: expected shape (2,), got (1,)"
    )
    assert _message(TypeError, average_precision, [0.0, 1.0], [0.1, 0.2]) == (
        "y_true: expected integer class indices, got float64"
    )
    assert _message(TypeError, average_precision, [0, 1], ["a", "b"]) == (
        "y_score: expected real numbers, got <U1"
    )


def test_classes_must_be_in_range() -> None:
    assert _message(ValueError, confusion_matrix, [0, 1], [0, 12], n_classes=10) == (
        "y_pred: expected class indices in [0, 10), got 12"
    )
    assert _message(ValueError, confusion_matrix, [0, -1], [0, 1]) == (
        "y_true: expected class indices in [0, 2), got -1"
    )
    assert _message(ValueError, confusion_matrix, [0], [0], n_classes=0) == (
        "n_classes must be an integer in [1, 536870912], got 0"
    )
    assert _message(ValueError, confusion_matrix, [0, 10**15], [0, 1]) == (
        "y_true: expected class indices in [0, 536870912), got 1000000000000000"
    )


def test_settings_must_be_in_range() -> None:
    scores = precision_recall_fbeta
    assert _message(ValueError, scores, [0], [0], beta=-1) == "beta must be in [0, inf), got -1"
    assert _message(ValueError, scores, [0], [0], beta=np.nan) == (
        "beta must be in [0, inf), got nan"
    )
    assert _message(TypeError, scores, [0], [0], beta="1") == (
        "beta must be a number in [0, inf), got str"
    )
    assert _message(ValueError, scores, [0], [0], average="binary") == (
        "average: expected None, 'macro', 'micro' or 'weighted', got 'binary'"
    )
