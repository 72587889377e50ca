"""Lets ``python -m densenet`` be the console command."""

import sys

from densenet.cli import main

sys.exit(main())
