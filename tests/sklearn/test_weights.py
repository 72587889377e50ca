"""Assigning to an item of coefs_ or intercepts_ reaches the network; the lists stay lists."""

import copy
import pickle
import re

import numpy as np
import pytest

pytest.importorskip("sklearn")

import sklearn

import densenet as dn
from densenet.estimators import DenseClassifier, DenseRegressor

NAMES = ("coefs_", "intercepts_")


@pytest.fixture(params=["adam", "lbfgs"])
def model(request, rng):
    x = rng.normal(size=(60, 4))
    settings = {"solver": request.param, "random_state": 0, "tol": 0.05}
    return DenseClassifier((6, 4), **settings).fit(x, x[:, :3].argmax(axis=1))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("place", [0, 1, -1, np.int64(2)])
def test_an_item_may_be_assigned(model, rng, name, place):
    x = rng.normal(size=(9, 4))
    before = model.predict_proba(x)
    values = rng.normal(size=getattr(model, name)[place].shape)
    getattr(model, name)[place] = values
    np.testing.assert_array_equal(getattr(model, name)[place], values)
    assert not np.array_equal(model.predict_proba(x), before)
    wanted = values.T if name == "coefs_" else values
    assert any(np.array_equal(wanted, p) for p in model.network_.parameters.values())
    getattr(model, name)[place] = (values + 1).tolist()
    np.testing.assert_array_equal(getattr(model, name)[place], values + 1)


def test_what_users_do_with_perceptrons(model, rng):
    """Pruning, averaging, noise, another's weights: by item, slice, in place or as a whole."""
    weights = [w.copy() for w in model.coefs_]
    model.coefs_[0] = np.where(np.abs(model.coefs_[0]) < 0.1, 0, model.coefs_[0])
    assert (model.coefs_[0] == 0).any()
    for i, w in enumerate(model.coefs_):
        model.coefs_[i] = w * 0 + i
    assert [np.unique(w).tolist() for w in model.coefs_] == [[0], [1], [2]]
    model.coefs_[:] = weights
    model.coefs_[1:] = [w + 1 for w in weights[1:]]
    model.coefs_[::2] = model.coefs_[::2]
    model.coefs_[1] += 2
    model.coefs_ = [model.coefs_[0], model.coefs_[1], weights[2]]
    np.testing.assert_array_equal(model.coefs_[0], weights[0])
    np.testing.assert_array_equal(model.coefs_[1], weights[1] + 1 + 2)
    np.testing.assert_array_equal(model.coefs_[2], weights[2])


def test_slices_of_its_own_are_taken_as_they_were(rng):
    x = rng.normal(size=(40, 5))
    model = DenseRegressor(hidden_layer_sizes=(5, 5), solver="lbfgs", max_iter=9, tol=1.0)
    model.fit(x, x)
    a, b, c = (w.copy() for w in model.coefs_)
    model.coefs_[:] = model.coefs_[::-1]
    for found, wanted in zip(model.coefs_, (c, b, a), strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_array_is_refused_by_name_and_place(model, name):
    before = model.network_.flat.copy()
    views = getattr(model, name)
    for place, wrong in ((0, np.zeros((3, 3, 3))), (1, 0.0), (2, [[1.0]]), (-1, np.zeros(0))):
        shape, number = np.shape(wrong), place % 3
        words = ", ".join(map(str, views[place].shape)) + ("," if views[place].ndim == 1 else "")
        text = f"{name}[{number}]: expected shape ({words}), got {shape}"
        with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
            views[place] = wrong
    with pytest.raises(TypeError, match=re.escape(f"{name}[0]: expected real numbers, got")):
        views[0] = np.full(views[0].shape, "a")
    with pytest.raises(TypeError, match=re.escape(f"{name}[0]: expected an array without a mask")):
        views[0] = np.ma.masked_less(views[0], 0)
    with pytest.raises(ValueError, match=f"^{name}: expected 3 arrays, got 2$"):
        views[:] = list(views)[:2]
    with pytest.raises(ValueError, match=re.escape(f"{name}[2]: expected shape")):
        views[:] = [views[0] + 1, views[1] + 1, np.zeros(17)]  # all or none
    with pytest.raises(IndexError):
        views[3] = views[0]
    np.testing.assert_array_equal(model.network_.flat, before)


@pytest.mark.parametrize(
    "change",
    [
        lambda views: views.append(views[0]),
        lambda views: views.pop(),
        lambda views: views.insert(0, views[0]),
        lambda views: views.__delitem__(0),
        lambda views: views.__iadd__([views[0]]),
        lambda views: views.reverse(),
        lambda views: views.clear(),
        lambda views: views.sort(key=np.size),
    ],
)
def test_the_list_keeps_its_length_and_order(model, change):
    views = model.coefs_
    before = [w.copy() for w in views]
    with pytest.raises(TypeError, match=r"^coefs_: expected an assignment to an item"):
        change(views)
    for left in (views, model.coefs_):
        assert len(left) == len(before)
        assert all(map(np.array_equal, left, before))


def test_they_are_read_like_lists(model):
    views = model.coefs_
    assert isinstance(views, list)
    assert len(views) == 3
    assert [w.shape for w in views] == [(4, 6), (6, 4), (4, 3)]
    assert views == model.coefs_
    assert views == [w.copy() for w in views]
    assert views != [w + 1 for w in views]
    assert views != views[:2]
    assert views != "weights"
    assert type(views[:2]) is list
    assert views[1].base is not None
    assert [w.shape for w in reversed(views)] == [(4, 3), (6, 4), (4, 6)]
    assert repr(views) == repr(list(views))
    assert len(views + model.intercepts_) == 6


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v)), list]
)
def test_copies_are_plain_lists_that_the_network_knows_nothing_of(model, copied):
    before = model.network_.flat.copy()
    weights = copied(model.coefs_)
    assert type(weights) is list
    assert weights == model.coefs_
    weights[0] = weights[0] * 0
    weights.append("more")
    np.testing.assert_array_equal(model.network_.flat, before)


def test_models_with_assigned_weights_travel(model, rng):
    x = rng.normal(size=(9, 4))
    model.coefs_[1] = rng.normal(size=(6, 4))
    expected = model.predict_proba(x)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(twin.predict_proba(x), expected)
        twin.coefs_[0] = np.zeros((4, 6))
        np.testing.assert_array_equal(model.predict_proba(x), expected)
    assert not hasattr(sklearn.base.clone(model), "coefs_")


def test_a_layer_without_a_bias_has_zeros_and_nothing_else(rng):
    def layers(inputs, outputs):
        return [dn.Linear(inputs, 3, bias=False), dn.ReLU(), dn.Linear(3, outputs)]

    x = rng.normal(size=(30, 2))
    model = DenseRegressor(layers=layers, solver="lbfgs", tol=1.0).fit(x, x[:, 0])
    model.intercepts_[0] = np.zeros(3)
    model.intercepts_ = [np.zeros(3), np.ones(1)]
    assert model.intercepts_ == [np.zeros(3), np.ones(1)]
    text = re.escape("intercepts_[0]: expected zeros, of a layer without a bias, got others")
    with pytest.raises(ValueError, match=f"^{text}$"):
        model.intercepts_[0] = np.ones(3)
    with pytest.raises(ValueError, match=f"^{text}$"):
        model.intercepts_ = [np.ones(3), np.zeros(1)]
    with pytest.raises(ValueError, match="read-only"):
        model.intercepts_[0][:] = 1
    assert model.intercepts_[1] == 1
