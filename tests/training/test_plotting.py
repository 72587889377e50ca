"""Pictures: what they say, that it can be read at every size, and errors."""

import itertools
import sys

import numpy as np
import pytest

from densenet import LRRange, plotting
from densenet.metrics import confusion_matrix

pytest.importorskip("matplotlib").use("Agg")


@pytest.fixture(autouse=True)
def pyplot():
    from matplotlib import pyplot

    yield pyplot
    pyplot.close("all")


def drawn(figure):
    """Draw, as a file or a window would, and give the panel and where its texts are."""
    figure.canvas.draw()
    (axes,) = figure.axes
    return axes, [text.get_window_extent() for text in axes.texts]


def labels(rng, n, rows=400):
    y_true = np.concatenate([np.arange(n), rng.integers(n, size=rows)])
    y_pred = np.where(rng.random(len(y_true)) < 0.7, y_true, rng.integers(n, size=len(y_true)))
    return y_true, y_pred


# ---- confusion matrix --------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3, 10, 25])
def test_every_count_is_written_inside_its_cell(n, rng):
    matrix = confusion_matrix(*labels(rng, n), n)
    axes, boxes = drawn(plotting.plot_confusion_matrix(matrix))
    written = {text.get_position(): text.get_text() for text in axes.texts}
    assert written == {(j, i): str(c) for (i, j), c in np.ndenumerate(matrix) if c}
    cell = axes.get_window_extent().width / n
    assert all(box.width <= cell and box.height <= cell for box in boxes)
    assert len(axes.get_xticks()) == len(axes.get_yticks()) == n


def test_large_counts_fit_their_cells():
    axes, boxes = drawn(plotting.plot_confusion_matrix([[12_345_678, 1], [99_999_999, 7]]))
    assert max(box.width for box in boxes) <= axes.get_window_extent().width / 2


@pytest.mark.parametrize("n", [100, 300])
def test_of_many_classes_only_some_are_named_and_no_label_overlaps(n, rng):
    names = [f"class {i}" for i in range(n)]
    counts = confusion_matrix(*labels(rng, n, rows=40 * n), n)  # of two digits: too wide for a cell
    axes, boxes = drawn(plotting.plot_confusion_matrix(counts, names))
    assert not boxes
    for ticks in axes.get_xticklabels(), axes.get_yticklabels():
        assert 20 < len(ticks) < n
        assert [tick.get_text() for tick in ticks] == names[:: -(-n // len(ticks))]
        extents = [tick.get_window_extent() for tick in ticks]
        assert not any(a.overlaps(b) for a, b in itertools.pairwise(extents))


def test_long_names_do_not_overlap_and_stay_in_the_picture(rng):
    names = [f"a name of some length {i}" for i in range(5)]
    figure = plotting.plot_confusion_matrix(confusion_matrix(*labels(rng, 5), 5), names)
    axes, _ = drawn(figure)
    for ticks in axes.get_xticklabels(), axes.get_yticklabels():
        extents = [tick.get_window_extent() for tick in ticks]
        assert not any(a.overlaps(b) for a, b in itertools.pairwise(extents))
        assert min(extent.x0 for extent in extents) >= 0
        assert min(extent.y0 for extent in extents) >= 0


def test_right_is_grey_and_more_errors_are_darker():
    axes, _ = drawn(plotting.plot_confusion_matrix([[5, 1, 0], [9, 0, 4], [0, 0, 7]]))
    brightness = np.asarray(axes.images[0].get_array()).mean(axis=2)
    assert np.ptp(brightness.diagonal()) == 0
    assert brightness[1, 0] < brightness[1, 2] < brightness[0, 1] < 1
    assert brightness[0, 2] == brightness[2, 0] == 1


@pytest.mark.parametrize(
    ("matrix", "names", "error", "words"),
    [
        ([[1, 2]], None, ValueError, r"matrix: expected shape \(classes, classes\), got \(1, 2\)"),
        (np.zeros((0, 0), int), None, ValueError, r"matrix: .* got \(0, 0\)"),
        (3, None, ValueError, r"matrix: .* got \(\)"),
        ([[0.5]], None, TypeError, "matrix: expected integer counts, got float64"),
        ([[1, 0], [0, 1]], ["cat"], ValueError, "class_names: expected 2 names, got 1"),
    ],
)
def test_what_is_no_confusion_matrix(matrix, names, error, words):
    with pytest.raises(error, match=words):
        plotting.plot_confusion_matrix(matrix, names)


# ---- images ------------------------------------------------------------------------------------


def test_only_wrong_rows_are_shown_and_named(rng):
    x = rng.random((50, 6))
    y_true, y_pred = labels(rng, 3, rows=47)
    wrong = np.flatnonzero(y_true != y_pred)
    axes, _ = drawn(plotting.plot_misclassified(x, y_true, y_pred, shape=(3, 2), most=99))
    assert len(axes.images) == len(wrong) > 3
    for image, row in zip(axes.images, wrong, strict=True):
        np.testing.assert_array_equal(image.get_array(), x[row].reshape(3, 2))
    captions = [text.get_text() for text in axes.texts]
    expected = [[str(y_true[row]), "→", str(y_pred[row])] for row in wrong]
    assert captions == [word for caption in expected for word in caption]
    title = f"{len(wrong)} misclassified in 50, true → predicted"
    assert axes.get_title(loc="left") == title


@pytest.mark.parametrize("columns", [3, 7])
@pytest.mark.parametrize("names", [None, ["a", "a name that is far too long to be read"]])
def test_captions_and_images_do_not_overlap(rng, columns, names):
    x, ones = rng.random((30, 8, 8)), np.ones(30, int)
    figure = plotting.plot_misclassified(
        x, ones, 0 * ones, shape=(8, 8), class_names=names, columns=columns, most=2 * columns
    )
    axes, boxes = drawn(figure)
    pictures = [image.get_window_extent() for image in axes.images]
    assert not any(box.overlaps(picture) for box in boxes for picture in pictures)
    beside = boxes if names is None else boxes[::2]  # else a caption has two lines, each a text
    assert not any(a.overlaps(b) for i, a in enumerate(beside) for b in beside[:i])
    assert axes.title.get_window_extent().x1 <= figure.bbox.x1


def test_images_may_have_colours_and_any_form(rng):
    x, y = rng.integers(256, size=(4, 2 * 5 * 3), dtype=np.uint8), np.arange(4)
    axes, _ = drawn(plotting.plot_misclassified(x, y, y[::-1], shape=(2, 5, 3), columns=2))
    assert axes.images[3].get_array().shape == (2, 5, 3)
    x0, x1, y0, y1 = axes.images[3].get_extent()
    assert abs((y1 - y0) / (x1 - x0)) == pytest.approx(2 / 5)


def test_no_error_makes_an_empty_picture():
    axes, _ = drawn(plotting.plot_misclassified(np.eye(4), range(4), range(4), shape=(2, 2)))
    assert not axes.images
    assert axes.get_title(loc="left") == "0 misclassified in 4, true → predicted"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"y_true": [0, 1]}, r"y_true: expected shape \(4,\), got \(2,\)"),
        ({"y_pred": [0, 1]}, r"y_pred: expected shape \(4,\), got \(2,\)"),
        ({"shape": (3, 2)}, r"x: expected rows of 6 pixels for shape \(3, 2\), got shape \(4, 4\)"),
        ({"columns": 0}, r"columns must be an integer in \[1, 1000\], got 0"),
        ({"most": 0}, "most must be an integer >= 1, got 0"),
    ],
)
def test_images_that_do_not_fit(change, words):
    good = {"x": np.eye(4), "y_true": range(4), "y_pred": [1, 0, 3, 2], "shape": (2, 2)}
    with pytest.raises(ValueError, match=words):
        plotting.plot_misclassified(**good | change)


# ---- learning rates ----------------------------------------------------------------------------


def range_test(losses, suggestion):
    lrs = np.geomspace(1e-5, 1, len(losses))
    return LRRange(lrs, np.array(losses), np.array(losses), suggestion)


@pytest.mark.parametrize("suggestion", [1e-5, 1e-3, 1.0])
def test_a_range_test_marks_its_suggestion(suggestion):
    result = range_test([2.3, 2.2, 2.0, 1.0, 0.5, 9.0], suggestion)
    figure = result.plot()
    axes, (box,) = drawn(figure)
    assert axes.texts[0].get_text() == f"steepest at {suggestion:.2g}"
    assert figure.bbox.x0 <= box.x0
    assert box.x1 <= figure.bbox.x1
    dot = axes.lines[-1]
    assert dot.get_xdata() == [suggestion]
    assert axes.get_ylim()[1] < 9  # what diverges does not press the rest flat


@pytest.mark.parametrize("losses", [[2.0, 2.0, 2.0], [0.0, 0.0], [1.0], [-3.0, -4.0, 9.0]])
def test_a_range_test_without_a_suggestion(losses):
    axes, boxes = drawn(range_test(losses, None).plot())
    assert not boxes
    low, high = axes.get_ylim()
    assert low < min(losses) < high


# ---- without matplotlib ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "plot",
    [
        lambda: plotting.plot_confusion_matrix([[1]]),
        lambda: plotting.plot_misclassified(np.eye(4), range(4), range(4), shape=(2, 2)),
        lambda: range_test([2.0, 1.0], None).plot(),
    ],
)
def test_the_extra_is_named(plot, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r'pip install "densenet-cpu\[plot\]"'):
        plot()
