"""What the examples learn from: published data or, with --short, what comes with the package.

The environment variable DENSENET_DATA names the folder with the published files.
"""

import json
import os
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

from densenet.datasets import load_cifar10, load_digits, load_mnist
from densenet.tables import Table, read_table

SHORT = "--short" in sys.argv


class Split(NamedTuple):
    """Rows to learn from and rows to test with, as float32."""

    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def handwritten() -> Split:
    """MNIST, or the digits of 8 x 8 pixels; from 0 (paper) to 1 (ink)."""
    x, y, x_test, y_test = load_digits() if SHORT else load_mnist()
    most = np.float32(16 if SHORT else 255)
    return Split(x / most, y, x_test / most, y_test)


def photographs() -> Split:
    """CIFAR-10, or the digits: a tenth of the training rows to test; mean 0, deviation 1."""
    x, y, *_ = load_digits() if SHORT else load_cifar10()
    rows = np.random.default_rng(42).permutation(len(x))
    test, train = np.split(rows, [len(x) // 10])
    planes = x.reshape(len(x), 1 if SHORT else 3, -1)
    mean = planes[train].mean(axis=(0, 2), keepdims=True, dtype=np.float32)
    deviation = planes[train].std(axis=(0, 2), keepdims=True, dtype=np.float32)
    scaled = ((planes - mean) / deviation).reshape(len(x), -1)
    return Split(scaled[train], y[train], scaled[test], y[test])


def exams() -> tuple[np.ndarray, np.ndarray]:
    """Two exam scores of each student, and 1 or 0, admitted or not: `ex2data1.txt`, or made up."""
    if not SHORT:
        table = np.genfromtxt(_published("ex2data1.txt", "tabular"), delimiter=",")
        table = table[~np.isnan(table).any(axis=1)]  # some copies have a header
        return table[:, :2], table[:, 2]
    rng = np.random.default_rng(1)
    scores = rng.uniform(30, 100, (100, 2))
    return scores, (scores.sum(axis=1) + rng.normal(0, 8, 100) > 125).astype(float)


def tracks() -> tuple[Table, Table]:
    """Eight metrics of the sound of tracks, and what is known of tracks, such as their genre.

    Both have a column `track_id`: two files about the Free Music Archive, or made up.
    """
    if not SHORT:
        text = _published("fma_echonest_metrics.json", "fma").read_text(encoding="utf-8")
        columns = {name: [*cells.values()] for name, cells in json.loads(text).items()}
        return Table.from_columns(columns), read_table(_published("fma_rock_vs_hiphop.csv", "fma"))
    names = "acousticness danceability energy instrumentalness liveness speechiness tempo valence"
    typical = np.array([0, 1.4, 0, -0.9, 0, 1.8, -0.4, 0.6])  # of Hip-Hop, where Rock has 0
    rng = np.random.default_rng(1)
    rare = rng.random(3000) < 0.2
    metrics = rng.normal(np.where(rare[:, None], typical, 0), 1)
    ids = {"track_id": 10 * np.arange(len(rare))}
    genres = {"genre_top": np.where(rare, "Hip-Hop", "Rock"), "listens": rng.integers(0, 99, 3000)}
    columns = dict(zip(names.split(), metrics.T, strict=True))
    return Table.from_columns(ids | columns), Table.from_columns(ids | genres)


def _published(name: str, kind: str) -> Path:
    """Find a published file in the folder DENSENET_DATA, or in the folder of its kind in there."""
    folder = Path(os.environ.get("DENSENET_DATA", "."))
    for path in folder / name, folder / kind / name:
        if path.is_file():
            return path
    sys.exit(f"no {name} in {folder}: put it there, or run with --short")
