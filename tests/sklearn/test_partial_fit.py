"""A call of partial_fit is done whole or not at all, whatever ends it and whoever looks."""

import pickle
import signal
import sys
import traceback
import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn")

import densenet as dn
from densenet import estimators
from densenet._engine.turn import ONE_AT_A_TIME
from densenet.estimators import DenseClassifier, DenseRegressor
from tests.support.paths import PACKAGE
from tests.support.skips import NOT_APPLICABLE

X = np.random.default_rng(0).normal(size=(90, 5))
Y = (X[:, :3].argmax(axis=1) * 2).astype(int)
CASES = {
    "plain": (DenseClassifier, {}),
    "generator": (DenseClassifier, {"random_state": np.random.RandomState(7), "batch_size": 16}),
    "numpy's own": (DenseRegressor, {"random_state": None, "batch_size": 16}),
    "early stopping": (DenseClassifier, {"early_stopping": True, "normalization": "batch"}),
    "falling rate": (DenseRegressor, {"solver": "sgd", "learning_rate": "invscaling"}),
    "dropout": (DenseRegressor, {"dropout": 0.2, "solver": dn.RMSprop(), "batch_size": 32}),
}


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


def rewind():
    """Bring NumPy's own generator back to its start."""
    np.random.mtrand._rand.seed(11)


def make(case):
    kind, settings = case
    settings = {"hidden_layer_sizes": (6,), "random_state": 3} | pickle.loads(
        pickle.dumps(settings)
    )
    rewind()
    return kind(**settings)


def step(model):
    classes = {"classes": [0, 2, 4]} if isinstance(model, DenseClassifier) else {}
    return model.partial_fit(X, Y, **classes)


def all_of(model):
    """All that a further call depends on, and all that a user sees of training."""
    attributes = {name: value for name, value in vars(model).items() if name != "network_"}
    network = vars(model).get("network_")
    bits = pickle.dumps([v for k, v in sorted(attributes.items()) if k.endswith(("_", "_best"))])
    drawn = model.random_state or np.random.mtrand._rand
    state = drawn.get_state() if isinstance(drawn, np.random.RandomState) else (drawn,)
    learned = [] if network is None else [network.flat, *network.running_moments.values()]
    if network is not None:
        learned += [np.asarray(value) for value in network.optimizer_state.values()]
    return bits, [np.asarray(part).tobytes() for part in state], [v.tobytes() for v in learned]


class Stop(BaseException):
    pass


@pytest.fixture(params=["compiled", "reference"])
def either_backend(request, monkeypatch):
    """Let the estimators make networks of this backend."""
    if request.param == "reference":

        def network(*args, **settings):
            return dn.Network(*args, **settings, backend="reference")

        monkeypatch.setattr(estimators._build, "Network", network)
    return request.param


def raise_at(event, model):
    """Raise before a line of the package, counted from 1; tell how many lines were reached.

    Lines at which the lock of turns is held do not count: Python traces the end of a ``with`` where
    an exception leaves it locked. None comes there from a signal handler.
    """
    count = 0

    def trace(frame, kind, _):
        nonlocal count
        if not frame.f_code.co_filename.startswith(str(PACKAGE)):
            return None
        if kind == "line" and not ONE_AT_A_TIME._is_owned():
            count += 1
            if count == event:
                raise Stop
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        step(model)
    finally:
        sys.settrace(before)
    return count


def test_an_exception_at_any_line_leaves_all_as_it_was(case, either_backend):
    untouched, model = make(case), make(case)
    step(untouched)
    rewind()
    step(model)
    lines = raise_at(0, pickle.loads(pickle.dumps(model)))
    step(make(case))  # brings NumPy's own generator to where it was after one step
    expected = all_of(model)
    places = np.unique(np.linspace(1, lines, 40).astype(int)).tolist()
    for place in (*places, lines - 1, lines - 2, lines - 3):
        with pytest.raises(Stop):
            raise_at(place, model)
        assert all_of(model) == expected, place
        assert not ONE_AT_A_TIME._is_owned(), place
    after = all_of(step(model))
    rewind()
    twice = make(case)
    step(twice)
    assert all_of(step(twice)) == after != expected


def test_a_first_call_that_fails_leaves_an_estimator_unfitted(case):
    model = make(case)
    before = set(vars(model))
    with pytest.raises(Stop):
        raise_at(150, model)
    assert set(vars(model)) == before
    assert not hasattr(model, "coefs_")
    assert all_of(step(model)) == all_of(step(make(case)))


def test_who_looks_meanwhile_sees_it_as_it_was(case):
    seen = []

    class Look(dn.Callback):
        def on_epoch_end(self, network, record):
            seen.append((all_of(model), pickle.dumps(model.network_), model.predict(X)))

        def __reduce__(self):
            return Look, ()

    model = step(make(case)).set_params(callbacks=[Look()])
    before = all_of(model), pickle.dumps(model.network_), model.predict(X)
    network = model.network_
    step(model)
    (bits, *_), pickled, predicted = seen[0]
    assert bits == before[0][0]
    assert pickled == before[1]
    np.testing.assert_array_equal(predicted, before[2])
    assert model.network_ is not network
    np.testing.assert_array_equal(network.flat, pickle.loads(before[1]).flat)


def test_a_generator_of_the_users_goes_on_and_stays_the_users():
    generator = np.random.RandomState(7)
    model = DenseRegressor(hidden_layer_sizes=4, random_state=generator)
    model.partial_fit(X, Y)
    model.partial_fit(X, Y)
    assert model.random_state is generator
    other = np.random.RandomState(7)
    again = DenseRegressor(hidden_layer_sizes=4, random_state=other)
    again.partial_fit(X, Y)
    assert other.get_state()[2] != generator.get_state()[2]
    again.partial_fit(X, Y)
    np.testing.assert_array_equal(other.get_state()[1], generator.get_state()[1])
    assert other.get_state()[2] == generator.get_state()[2]


@pytest.mark.skipif(
    not hasattr(signal, "setitimer"), reason=NOT_APPLICABLE + "this system has no interval timer"
)
@pytest.mark.filterwarnings(  # Python drops what a handler raises in a callback of its collector
    "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_signals_at_random_moments_change_no_bit(case, either_backend):
    """A handler that raises, as Ctrl-C's does: the calls it ends are made again."""
    expected = make(case)
    for _ in range(12):
        step(expected)
    wanted = all_of(expected)

    model = make(case)
    rng = np.random.default_rng(1)
    signal_handlers = {
        signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler),
        signal.SIGALRM: signal.signal(
            signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT)
        ),
    }
    done = 0
    try:
        for attempt in range(400):
            if done == 12:
                break
            before = all_of(model)
            try:
                if attempt < 60:  # then without, so that the test ends on any machine
                    signal.setitimer(signal.ITIMER_REAL, rng.uniform(1e-4, 8e-3))
                step(model)
                done += 1
                signal.setitimer(signal.ITIMER_REAL, 0)
            except KeyboardInterrupt as error:
                frames = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
                if "partial_fit" in frames:
                    assert all_of(model) == before
                elif all_of(model) != before and "step" in frames:
                    done += 1  # between its return and the count
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in signal_handlers.items():
            signal.signal(number, handler)
    assert done == 12
    assert all_of(model) == wanted


def test_layers_are_compared_by_their_settings_and_not_by_their_text(monkeypatch):
    """An exception of a signal handler may come in ``repr``: a dataclass then reads "..."."""
    model = make((DenseClassifier, {"dropout": 0.2}))
    step(model)
    interrupted = next(layer for layer in model.network_.layers if isinstance(layer, dn.Dropout))
    text = dn.Dropout.__repr__
    monkeypatch.setattr(
        dn.Dropout, "__repr__", lambda layer: "..." if layer is interrupted else text(layer)
    )
    step(model)
    model.set_params(dropout=0.3)
    with pytest.raises(ValueError, match=r"^layers and loss: expected those .*rate=0\.3"):
        step(model)


def test_first_weights_are_compared_as_arrays():
    weight = np.arange(15.0).reshape(3, 5)

    def of(init):
        return lambda inputs, outputs: [dn.Linear(inputs, outputs, init=init)]

    model = DenseClassifier(layers=of(weight), random_state=3)
    step(model)
    step(model.set_params(layers=of(weight.copy())))
    with pytest.raises(ValueError, match=r"^layers and loss: expected"):
        step(model.set_params(layers=of(weight + 1)))


def test_ctrl_c_is_told_where_fit_only_warns():
    class Press(dn.Callback):
        def on_epoch_end(self, network, record):
            raise KeyboardInterrupt

    model = DenseRegressor(hidden_layer_sizes=4, random_state=0).partial_fit(X, Y)
    before = all_of(model)
    model.set_params(callbacks=[Press()])
    with pytest.raises(KeyboardInterrupt):
        model.partial_fit(X, Y)
    assert all_of(model) == before
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, Y)
    assert "Training interrupted by user." in [str(w.message) for w in caught]


def test_a_warm_start_that_fails_leaves_the_weights(case):
    model = step(make(case)).set_params(warm_start=True, max_iter=3)
    before = pickle.dumps(model.network_), list(model.loss_curve_)

    class Fail(dn.Callback):
        def on_epoch_end(self, network, record):
            raise Stop

    model.set_params(callbacks=[Fail()])
    with pytest.raises(Stop):
        model.fit(X, Y)
    assert (pickle.dumps(model.network_), model.loss_curve_) == before
