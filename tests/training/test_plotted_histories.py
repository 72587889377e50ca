"""One figure of a training or of several: losses by step and by epoch, scores, and errors."""

import itertools

import numpy as np
import pytest

from densenet import SGD, Adam, History, Linear, MeanSquaredError, Network, fit_many, plotting
from densenet.metrics import r2
from tests.support.assertions import assert_same_bits

pytest.importorskip("matplotlib").use("Agg")


@pytest.fixture(autouse=True)
def pyplot():
    from matplotlib import pyplot

    yield pyplot
    pyplot.close("all")


def trained(rng, *, epochs=3, lr=0.05, **options):
    """Train on 20 rows in steps of 8: an epoch has three of them."""
    x = rng.normal(size=(20, 2))
    network = Network([Linear(2, 1)], MeanSquaredError(), seed=1)
    return network.fit(x, x[:, 0], epochs=epochs, batch_size=8, optimizer=SGD(lr=lr), **options)


def drawn(figure):
    figure.canvas.draw()
    return figure.axes


def where(line):
    return line.get_xdata().tolist()


def test_each_step_is_a_point_of_a_thin_line_around_its_epoch(rng):
    history = trained(rng)
    (axes,) = drawn(history.plot())
    steps, epochs = axes.lines
    assert steps.get_ydata().tolist() == history.batch_loss
    assert where(steps) == pytest.approx(np.array([4, 6, 8, 10, 12, 14, 16, 18, 20]) / 6)
    assert epochs.get_ydata().tolist() == [record["loss"] for record in history.epochs]
    assert where(epochs) == [1, 2, 3]
    assert steps.get_linewidth() < 1 < epochs.get_linewidth()
    assert axes.get_title(loc="left") == "Loss of each step (thin) and epoch"


def test_an_epoch_left_before_its_end_is_as_much_shorter(rng):
    history = trained(rng)
    left = History(history.batch_loss[:-2], history.epochs, "diverged", steps_per_epoch=3)
    (axes,) = drawn(left.plot())
    assert where(axes.lines[0])[-1] == pytest.approx(2.5 + 1 / 6)
    by_hand = History(history.batch_loss[:-2], history.epochs)  # which does not say how many
    assert where(drawn(by_hand.plot())[0].lines[0]) == where(axes.lines[0])


@pytest.mark.parametrize("of", ["rows", "chunks", "many"])
def test_a_history_knows_how_many_steps_an_epoch_has(rng, of):
    x = rng.normal(size=(20, 2))
    network = Network([Linear(2, 1)], MeanSquaredError())
    if of == "many":
        (history,) = fit_many([network], x, x[:, 0], epochs=2, batch_size=8)
    elif of == "chunks":
        history = network.fit(lambda: [(x, x[:, 0])], epochs=2, batch_size=8)
    else:
        history = network.fit(x, x[:, 0], epochs=2, batch_size=8)
    assert history.steps_per_epoch == 3
    assert len(history.batch_loss) == 6


def test_a_training_that_goes_on_tells_of_all_steps(rng):
    x = rng.normal(size=(20, 2))
    network = Network([Linear(2, 1)], MeanSquaredError())
    network.fit(x, x[:, 0], epochs=2, batch_size=8, optimizer=Adam())
    history = network.fit(x, x[:, 0], epochs=5, batch_size=8, optimizer=Adam(), resume=True)
    assert history.steps_per_epoch == 3
    assert where(drawn(history.plot())[0].lines[0])[-1] == pytest.approx(5.5 - 1 / 6)


def test_scores_are_below_the_losses_on_the_same_epochs(rng):
    x = rng.normal(size=(9, 2))
    history = trained(rng, validation_data=(x, x[:, 0]), metrics=[r2])
    losses, scores = drawn(history.plot())
    assert scores.get_position().y1 < losses.get_position().y0
    assert scores.get_xlim() == losses.get_xlim()
    assert [text.get_text().split()[0] for text in losses.texts] == ["training", "validation"]
    assert scores.lines[0].get_ydata().tolist() == [each["val_r2"] for each in history.epochs]


def test_trainings_are_told_apart_by_colour_and_name(rng):
    x = rng.normal(size=(9, 2))
    good = trained(rng, validation_data=(x, x[:, 0]), metrics=[r2])
    bad = trained(rng, lr=0.001, epochs=5, validation_data=(x, x[:, 0]))
    losses, scores = drawn(plotting.plot_history({"good": good, "bad": bad}))
    colors = [line.get_color() for line in losses.lines]
    assert colors == [plotting.BLUE] * 3 + [plotting.ORANGE] * 3
    assert [line.get_linestyle() for line in losses.lines] == ["-", "-", "--"] * 2
    assert [text.get_text().split()[0] for text in losses.texts] == ["good", "bad"]
    assert [line.get_color() for line in scores.lines] == [plotting.BLUE]  # bad has no score
    assert scores.get_xlim()[1] > 5
    assert losses.get_title(loc="left").endswith("validation dashed")


def test_eight_names_do_not_overlap_and_stay_in_the_picture(rng):
    alike = {f"a training {i}": trained(rng) for i in range(8)}
    figure = plotting.plot_history(alike)
    (axes,) = drawn(figure)
    boxes = [text.get_window_extent() for text in axes.texts]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
    assert max(box.x1 for box in boxes) <= figure.bbox.x1
    assert max(box.y1 for box in boxes) <= figure.bbox.y1
    assert len({line.get_color() for line in axes.lines}) == 8


def test_a_loss_of_a_step_that_is_far_above_does_not_press_the_rest_flat():
    steps = [1e6, 2.0, 1.0, 0.5, 0.4, np.inf]
    history = History(steps, [{"loss": 3.0}, {"loss": 0.6}], "diverged", 3)
    low, high = drawn(history.plot())[0].get_ylim()
    assert low < 0.4
    assert 3 < high < 5


@pytest.mark.parametrize("loss", [np.nan, np.inf, 2.0])
def test_losses_that_leave_no_room_are_drawn_all_the_same(loss):
    drawn(History([loss] * 2, [{"loss": loss}, {"loss": loss}]).plot())
    drawn(History([], [{"loss": loss, "val_loss": loss}]).plot())


def test_a_picture_changes_nothing(rng):
    history = trained(rng)
    before = np.array(history.batch_loss)
    plotting.plot_history({"one": history})
    assert_same_bits(np.array(history.batch_loss), before)


GOOD = History([2.0], [{"loss": 2.0}])


@pytest.mark.parametrize(
    ("history", "error", "words"),
    [
        (
            [GOOD],
            TypeError,
            "history: expected a History, or a mapping from names to some, got list",
        ),
        ({"a": 1}, TypeError, r"history\['a'\]: expected a History, got int"),
        ({1: GOOD}, TypeError, "history: expected names that are str, got int"),
        ({}, ValueError, "history: expected 1 to 8 trainings to compare, got 0"),
        (dict.fromkeys("abcdefghi", GOOD), ValueError, "expected 1 to 8 trainings .* got 9"),
        ({"a": History()}, ValueError, r"history\['a'\]: expected at least one epoch, got none"),
        (
            History([], [{"loss": 1.0}, {"lr": 1.0}]),
            ValueError,
            "history: expected a loss of each epoch, got none of 2",
        ),
    ],
)
def test_what_is_no_training(history, error, words, pyplot):
    with pytest.raises(error, match=words):
        plotting.plot_history(history)
    assert pyplot.get_fignums() == []
