"""Small tables, and CSV files of one of tracks."""

import csv
from pathlib import Path

import numpy as np

from densenet.tables import Table

HEADER = ["track_id", "tempo", "mood", "noise", "genre"]


def write(name, header, rows, encoding="utf-8"):
    with Path(name).open("w", newline="", encoding=encoding) as file:
        writer = csv.writer(file)
        if header:
            writer.writerow(header)
        writer.writerows(rows)


def tracks(rng, count=300, first=0):
    """Rows of id, tempo, mood, noise, genre: tempo and mood decide the genre."""
    rows = []
    for i in range(first, first + count):
        tempo, mood = rng.normal(100, 20), rng.choice(["dark", "bright, loud", "?"])
        genre = "Rock" if tempo > 100 else "Pop" if mood == "dark" else "Drum\nand Bass"
        rows.append([f"{i:04}", f"{tempo:.3f}" if i % 9 else "NA", mood, rng.normal(), genre])
    return rows


def read(name):
    with Path(name).open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def overlapping(n=600, seed=0, share=0.2):
    """Give a table of two classes that no rule divides, of which one is rarer."""
    rng = np.random.default_rng(seed)
    rare = rng.random(n) < share
    x = rng.normal(rare, 1.0)
    return Table.from_columns({"x": x, "z": rng.normal(size=n), "y": np.where(rare, "b", "a")})


def values(n=300):
    """Give a table of a value that depends on a number."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=n)
    return Table.from_columns({"x": x, "y": x + 0.1 * rng.normal(size=n)})
