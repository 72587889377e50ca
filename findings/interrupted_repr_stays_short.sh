#!/usr/bin/env bash
# Python 3.11's dataclasses and reprlib, and attrs 26.1.0, where Ctrl-C comes during a repr.
#
# What happens: repr(point) of a dataclass gives "Point(x=1)". After a KeyboardInterrupt has come
# while repr was at work, the same object may give "..." in every later call, in that thread, for as
# long as the process lives. All three note an object in a set before they ask for its text, so that
# one which contains itself ends; the note is taken back in a "finally" that begins after it. An
# exception of a signal handler between the two leaves the note. It holds the object's address: a
# new object that later gets the same address is "..." as well.
#
# What one would expect: that an interrupted repr changes nothing, and that the text of an immutable
# object stays what it was. A few interrupts are enough, because the interpreter looks for signals
# just there, at the end of the call that adds the note.
#
# Why it matters: programs compare settings, make cache keys and log by the text of dataclasses.
# After one Ctrl-C in a notebook or a worker they may differ from themselves. densenet compared
# layers so.
#
# Seen on 2026-11-28 with Python 3.11.7 (3.13.0 alike), after 2 to 9 interrupts each:
#   dataclasses: Point(x=1), then ...
#   attrs:       Spot(x=1), then ...
#   reprlib:     Own(x=1), then ...
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-compile --only-binary :all: attrs==26.1.0
cd "$folder"

env/bin/python -W error - <<'EOF'
import reprlib
import signal
import sys
from dataclasses import dataclass

import attrs


@dataclass
class Point:
    x: int = 1


@attrs.define
class Spot:
    x: int = 1


class Own:
    @reprlib.recursive_repr()
    def __repr__(self):
        return "Own(x=1)"


def interrupted(thing):
    """Send Ctrl-C's exception during calls of repr until the text has changed, 20,000 times at most."""
    whole = repr(thing)
    for count in range(1, 20_001):
        try:
            signal.setitimer(signal.ITIMER_REAL, 1e-4)
            while True:
                repr(thing)
        except KeyboardInterrupt:
            pass
        if repr(thing) != whole:
            return count
    return None


signal.signal(signal.SIGALRM, signal.default_int_handler)
changed = []
for name, thing in ("dataclasses", Point()), ("attrs", Spot()), ("reprlib", Own()):
    before, count = repr(thing), interrupted(thing)
    print(f"{name}: {before}, then {thing!r}, after {count} interrupts")
    changed.append(repr(thing))
if changed != ["..."] * 3:
    sys.exit("Changed: after some interrupts all three gave '...' from then on.")
print("As recorded: an interrupted repr leaves the object's text at '...'.")
EOF
