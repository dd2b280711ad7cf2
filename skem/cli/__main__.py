"""Lets ``python -m skem.cli`` run the command."""

import sys

from skem.cli import main

sys.exit(main())
