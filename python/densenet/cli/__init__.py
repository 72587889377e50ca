"""The console command ``densenet``: one file for each command, which reads its options.

The modules that it calls do the work: `densenet.tables`, `densenet.demo`, `densenet.config`.
"""

import io
import os
import sys
from collections.abc import Sequence

from densenet._version import __version__
from densenet.cli import _demo, _explore, _export, _fit, _info, _predict
from densenet.cli._options import Parser

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments, by default those of the process.

    Returns
    -------
    int
        Exit status: 0; 1 if the demo's backends disagree; 2 if the command could not run; 130 if
        it was interrupted; 141 if nobody reads its output any more.

    Examples
    --------
    >>> from densenet.cli import main
    >>> main(["info"])  # doctest: +ELLIPSIS
    version ...
    0
    """
    parser = Parser(prog="densenet", description="Dense neural networks on the CPU.")
    parser.add_argument("--version", action="version", version=f"densenet {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="command", required=True)
    for command in (_demo, _explore, _fit, _predict, _export, _info):
        command.add(commands)
    arguments = parser.parse_args(argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # its encoding may lack letters of a name
            stream.reconfigure(errors="backslashreplace")
    try:
        status: int = arguments.run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough, as head has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is left to write
        return 141
    except OSError as error:
        where = "" if error.filename is None else f"{error.filename}: "
        return _failed(f"{where}{error.strerror or error}")
    except (ImportError, ValueError) as error:
        # A missing extra, a wrong environment variable, a bad table: the message says what to do.
        return _failed(str(error))
    except MemoryError:
        return _failed("not enough memory")
    except KeyboardInterrupt:
        return 130
    return status


def _failed(message: str) -> int:
    print(f"densenet: {' '.join(message.splitlines())}", file=sys.stderr)
    return 2
