"""python -m benchmarks: measure and report. Holds no logic of its own."""

import sys

from benchmarks.cli import main

if __name__ == "__main__":
    sys.exit(main())
