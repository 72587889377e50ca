"""Run the console command as ``python -m densenet``."""

import sys

from densenet.cli import main

sys.exit(main())
