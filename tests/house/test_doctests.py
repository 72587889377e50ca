"""Every public function, class and method shows an example that runs as it stands."""

import doctest
import importlib
import inspect
import re
from importlib.util import find_spec

import pytest

from densenet._engine.contract import Engine
from tests.support.modules import modules
from tests.support.processes import run_python

PARSER = doctest.DocTestParser()
BEHIND = {  # Network.fit, whose examples run them
    "densenet.training.loop.fit",
}


def public(module):
    """What a module shows: the names in its ``__all__`` or, without one, those it defines."""
    for name in getattr(module, "__all__", vars(module)):
        value = vars(module).get(name)
        ours = getattr(value, "__module__", "").startswith("densenet")
        own = hasattr(module, "__all__") or getattr(value, "__module__", "") == module.__name__
        if not name.startswith("_") and ours and own and callable(value):
            yield name, value


def members(cls):
    """The public methods and properties of a class, with those that it inherits from ours."""
    for name in dir(cls):
        owner = next((base for base in cls.__mro__ if name in vars(base)), object)
        if name.startswith("_") or not owner.__module__.startswith("densenet"):
            continue
        member = inspect.getattr_static(cls, name)
        function = getattr(member, "fget", None) or getattr(member, "__func__", member)
        if inspect.isfunction(function) and not hasattr(Engine, name):
            yield name, member


PUBLIC = {
    f"{value.__module__}.{value.__qualname__}": value
    for name in modules()
    if find_spec("sklearn") or not name.startswith("densenet.estimators")
    for _, value in public(importlib.import_module(name))
}
for hidden in BEHIND:
    del PUBLIC[hidden]
METHODS = {
    f"{name}.{member}": (cls, method)
    for name, cls in PUBLIC.items()
    if inspect.isclass(cls)
    for member, method in members(cls)
}


def example_of(value):
    """The source of the examples in a docstring, and of no other's that it inherits."""
    return "".join(example.source for example in PARSER.get_examples(value.__doc__ or ""))


def shown(member, cls):
    """Whether an example of a class, of a base or of another member uses or defines a member."""
    bases = [base for base in cls.__mro__ if base is not object]
    others = [value for base in bases for value in vars(base).values()]
    functions = [value for value in others if inspect.isfunction(value)]
    examples = "".join(map(example_of, [*bases, *functions]))
    return re.search(rf"(\.|def ){member}\b", examples)


def test_there_is_something_to_look_at():
    assert len(PUBLIC) > 120
    assert len(METHODS) > 30


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_function_or_class_has_an_example(name):
    assert example_of(PUBLIC[name])


@pytest.mark.parametrize("name", METHODS)
def test_a_public_method_has_an_example_or_is_part_of_its_class(name):
    cls, method = METHODS[name]
    assert example_of(method) or shown(name.rpartition(".")[2], cls)


class Runner(doctest.DocTestRunner):
    """Skips what needs a package that is not installed."""

    def report_unexpected_exception(self, out, test, example, exc_info):
        if isinstance(exc_info[1], ImportError):
            pytest.skip(str(exc_info[1]))
        super().report_unexpected_exception(out, test, example, exc_info)


@pytest.fixture
def pictures_go_nowhere():
    if find_spec("matplotlib") is None:
        yield
        return
    from matplotlib import pyplot

    pyplot.switch_backend("Agg")
    yield
    pyplot.close("all")


@pytest.mark.usefixtures("pictures_go_nowhere", "empty_folder")
@pytest.mark.parametrize("name", [*PUBLIC, *METHODS])
def test_the_example_runs(name):
    """In an empty namespace, so that it can be copied."""
    _, value = METHODS.get(name, (None, PUBLIC.get(name)))
    test = PARSER.get_doctest(value.__doc__ or "", {}, name, None, 0)
    told = []
    failed, _ = Runner(verbose=False).run(test, out=told.append)
    assert not failed, "".join(told)


def test_without_docstrings_everything_is_there():
    code = "import densenet.kernels as k, densenet.reference; assert k.tanh_forward.__doc__ is None"
    run_python(f"{code}\nprint(k)", options=("-OO",))
