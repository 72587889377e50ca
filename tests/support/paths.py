"""Where things are in a clone."""

from pathlib import Path

import densenet

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent
PACKAGE = Path(densenet.__file__).parent  # installed, or in the clone
GOLDEN = TESTS / "files" / "golden"
