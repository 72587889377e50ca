"""A small table of tracks, and CSV files of it."""

import csv
from pathlib import Path

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
