"""Wrong arguments, drawn over the whole public API: one clear error that names the argument."""

import importlib
import inspect
import os
import pkgutil
import re

import pytest

import densenet
from tests.support.paths import TESTS
from tests.support.refusals import optional_subjects, subjects, table_subjects
from tests.support.refusals.attempts import FIXED, complaints
from tests.support.refusals.subjects import Subject

SUBJECTS = (
    *subjects.subjects(),
    *table_subjects.subjects(),
    *optional_subjects.subjects(),
)

ELSEWHERE = {
    "densenet.chunks": "takes data of any kind, see test_readers_of_chunks.py",
    "densenet.cli": "words of a command line, see test_cli.py",
    "densenet.demo": "part of the command line",
    "densenet.tables.cells": "part of the command line, see test_sameness.py",
    "densenet.tables.components": "called by explore and fit, see test_reducing.py",
    "densenet.tables.date_formats": "part of the command line, see test_dates.py",
    "densenet.tables.encoding.encoded": "called by fit, see test_encoded_rows.py",
    "densenet.tables.encoding.ids": "part of the command line, see test_ids.py",
    "densenet.tables.looking.associations": "called by explore, see test_exploring.py",
    "densenet.tables.looking.exploring": "records; its function is a name of densenet.tables",
    "densenet.tables.looking.exploring_picture": "part of the command line, see test_exploring.py",
    "densenet.tables.looking.exploring_report": "part of the command line, see test_exploring.py",
    "densenet.tables.facts": "part of the command line, see test_models.py",
    "densenet.tables.reading.files": "part of the command line, see test_tables.py",
    "densenet.tables.training.calibration": "part of the command line, see test_probabilities.py",
    "densenet.tables.training.deciding": "part of the command line, see test_choices.py",
    "densenet.tables.training.folds": "part of the command line, see test_choices.py",
    "densenet.tables.training.monitors": "part of the command line, see test_choices.py",
    "densenet.tables.training.reducing": "part of the command line, see test_reducing.py",
    "densenet.tables.training.thresholds": "part of the command line, see test_probabilities.py",
    "densenet.tables.frames": "called with columns, see tests/tables/test_frame_cells.py",
    "densenet.tables.reading.file_kinds": "part of the command line, see test_reading.py",
    "densenet.tables.guess": "records, see test_numerals.py and test_dates.py",
    "densenet.tables.looking.importance": "records; its functions are names of densenet.tables",
    "densenet.tables.names": "part of the command line, see test_reading.py",
    "densenet.tables.notes": "part of the command line, see test_columns_of_dates.py",
    "densenet.tables.numerals": "part of the command line, see test_numerals.py",
    "densenet.tables.reading.parquet": "part of the command line, see test_reading.py",
    "densenet.tables.model": "part of the command line, see test_models.py",
    "densenet.tables.looking.page": "part of the command line, see test_page.py",
    "densenet.tables.looking.pictures": "part of the command line, see test_pictures.py",
    "densenet.tables.looking.report": "part of the command line",
    "densenet.tables.training.fitting": "part of the command line, see test_commands.py",
    "densenet.tables.training.going_on": "part of the command line, see test_going_on.py",
    "densenet.tables.training.holding_out": "part of the command line, see test_recipe.py",
    "densenet.tables.training.settings": "part of the command line, see test_choices.py",
    "densenet.initializers": "called by networks, with checked arguments",
    "densenet.plan": "records that a network makes",
    "densenet.profile": "records that a network makes",
    "densenet.reference.pieces": "called by encodings of columns, see test_encoding.py",
    "densenet.training.history": "records that a network makes",
}
RECORDS = {
    "Digits",
    "FitManyError",
    "Fitted",
    "History",
    "Images",
    "LRRange",
    "Table",
    "TableChunks",
    "TableModel",
}  # what the package makes and others read
WRITERS = {"write_csv", "write_digits"}  # see test_tables.py and test_datasets.py
# See test_tables.py, test_chunks_of_tables.py, test_images.py and test_downloads.py.
READERS = {"download", "fit_chunks", "load_cifar10", "load_mnist", "read_chunks", "read_table"}
ENGINES = {"DaskWorkers", "MPIWorkers", "RayWorkers", "TorchWorkers"}  # see tests/ranks
WITHOUT_ARGUMENTS = {"get_num_threads", "load_digits", "show_config", "spacious"}
ALIASES = {"Callback", "Metric", "Progress", "Record", "Workers", "fit", "header", "model"}
"""Base classes, types and functions that those here call at once with the same arguments."""


def public():
    """Names of all that the public modules export and that can be called."""
    for module in pkgutil.walk_packages(densenet.__path__, "densenet."):
        if "._" in module.name or module.name in ELSEWHERE or module.name.endswith("__main__"):
            continue
        try:
            found = importlib.import_module(module.name)
        except ImportError:  # an extra is not installed
            continue
        for name in getattr(found, "__all__", ()):
            if callable(getattr(found, name)) and not name.isupper():
                yield name


@pytest.fixture(autouse=True, scope="module")
def _folder(tmp_path_factory):
    """Be in a folder with a file to load, in which no refused call may leave anything."""
    before = os.getcwd()
    os.chdir(tmp_path_factory.mktemp("refusals"))
    subjects.trained().save("good.safetensors")
    yield
    os.chdir(before)


def test_every_public_callable_is_drawn():
    drawn = {part for subject in SUBJECTS for part in subject.name.replace("(", ".").split(".")}
    missing = set(public()) - drawn - RECORDS - WITHOUT_ARGUMENTS - ALIASES - WRITERS - READERS
    missing -= ENGINES
    if not optional_subjects.installed("optuna"):
        missing -= {"PruningCallback"}
    if not optional_subjects.installed("matplotlib", "onnx", "sklearn"):
        pytest.skip("not applicable: extras are not installed")
    assert not missing


def test_what_is_tested_elsewhere_is_there():
    modules = {module.name for module in pkgutil.walk_packages(densenet.__path__, "densenet.")}
    named = re.findall(r"test_\w+\.py", " ".join(ELSEWHERE.values()))
    assert not set(ELSEWHERE) - modules
    assert not set(named) - {path.name for path in TESTS.rglob("test_*.py")}


def test_every_method_of_a_network_is_drawn():
    methods = {
        name
        for name, value in inspect.getmembers(densenet.Network)
        if not name.startswith("_") and callable(value)
    }
    drawn = {subject.name.partition(".")[2] for subject in SUBJECTS}
    assert not methods - drawn


def test_thousands_of_calls_are_drawn():
    least = (min(s.most, len(FIXED)) * len(s.arguments()) * len(s.backends) for s in SUBJECTS)
    assert sum(least) > 5000


@pytest.mark.filterwarnings("ignore")  # of scikit-learn, and of numbers that overflow
@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
def test_the_good_call_is_good(subject: Subject):
    for backend in subject.backends:
        subject.call(backend)(**subject.arguments())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
def test_what_is_wrong_is_refused_by_name(subject: Subject):
    assert not complaints(subject)
