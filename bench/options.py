"""The options that the tools share; a bad one is refused before anything is measured."""

import argparse
import importlib.util
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import isa
from densenet import get_num_threads
from densenet._extras import DISTRIBUTION
from machine import processors
from peers import CONTENDERS
from records import STDOUT


def parser(doc: str | None) -> argparse.ArgumentParser:
    """Make a parser with the options of all tools; ``doc`` begins with its description."""
    made = argparse.ArgumentParser(description=(doc or "").split("\n\n")[0])
    made.add_argument("--markdown", type=new_file, metavar="FILE", help="write the report here")
    add_json(made)
    return made


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add ``--json``, the file for the measurements, and ``--note``, what else it shall say."""
    parser.add_argument(
        "--json",
        type=json_lines,
        metavar="FILE",
        help="write the measurements here as JSON lines; - is standard output",
    )
    parser.add_argument(
        "--note", metavar="TEXT", help='what else --json shall say, such as "beside a compiler"'
    )


def add_threads(parser: argparse.ArgumentParser) -> None:
    """Add ``--threads``, the number of threads that every contender computes with."""
    parser.add_argument(
        "--threads",
        type=threads,
        default=min(get_num_threads(), processors()),
        help="threads of every contender (%(default)s)",
    )


def add_only(
    parser: argparse.ArgumentParser, jobs: Sequence[str] = ("train",), default: str = ""
) -> None:
    """Add ``--only``, which chooses among the contenders that do one of the jobs."""
    parser.add_argument(
        "--only",
        type=partial(contenders, jobs=jobs),
        default=default,
        metavar="A,B",
        help="only contenders whose names contain one of these words; the names: "
        + "; ".join(_names(jobs)),
    )


def add_picture(parser: argparse.ArgumentParser) -> None:
    """Add ``--picture``, the file to draw the report into."""
    parser.add_argument("--picture", type=picture, metavar="FILE", help="draw the report here")


# ---- types of arguments, each of which raises ArgumentTypeError ----------------------------------


def positive(text: str) -> int:
    """Read an integer >= 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be an integer >= 1, got {text!r}")
    return int(text)


def count(text: str) -> int:
    """Read an integer >= 0."""
    return 0 if text == "0" else positive(text)


def positives(text: str) -> list[int]:
    """Read integers >= 1, separated by commas."""
    return [positive(part) for part in text.split(",")]


def threads(text: str) -> int:
    """Read a number of threads, at most one for each processor."""
    count = positive(text)
    if count > processors():
        raise argparse.ArgumentTypeError(
            f"must be at most {processors()}, the processors to run on, got {count}"
        )
    return count


def seconds(text: str) -> float:
    """Read a time > 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"must be a number of seconds > 0, got {text!r}")
    return value


def level(text: str) -> str:
    """Read the instruction set that all contenders are held to."""
    if text not in isa.SWITCHES:
        raise argparse.ArgumentTypeError(f"must be {' or '.join(isa.SWITCHES)}, got {text!r}")
    if why := isa.missing(text):
        raise argparse.ArgumentTypeError(why)
    return text


def contenders(text: str, jobs: Sequence[str] = ("train",)) -> list[str]:
    """Read words; give the names of the contenders that contain one of them."""
    words = [word.strip().lower() for word in text.split(",")]
    known = _names(jobs)
    names = [name for name in known if any(word in name.lower() for word in words)]
    if not names:
        raise argparse.ArgumentTypeError(
            f"must be part of a name in {'; '.join(known)}; got {text!r}"
        )
    return names


def _names(jobs: Sequence[str]) -> list[str]:
    """Give the names of the contenders that do one of the jobs, each once."""
    return list(dict.fromkeys(name for job in jobs for name in CONTENDERS[job]))


def new_file(text: str) -> Path:
    """Read the path of a file to be written, in a folder that exists."""
    path = Path(text)
    if path.is_dir() or not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"must be a file in a folder that exists, got {text!r}")
    return path


def json_lines(text: str) -> Path | str:
    """Read the path of a file to be written, or ``-`` for standard output."""
    return STDOUT if text == STDOUT else new_file(text)


def picture(text: str) -> Path:
    """Read the path of a picture to be drawn, which needs matplotlib."""
    if importlib.util.find_spec("matplotlib") is None:
        raise argparse.ArgumentTypeError(f'needs matplotlib: pip install "{DISTRIBUTION}[plot]"')
    return new_file(text)
