"""python -m grammar: languages, check FILE…, demo, bench."""

from __future__ import annotations

import sys

from grammar.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
