"""python -m retrieval_index; holds no logic."""

import sys

from retrieval_index.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
