"""Run a Python program as the main module, as python itself would, without importing site (5 ms).

What site would have added, and contest programs use, is exit and quit. A text that is no Python ends with 87.
"""

# pyright: basic
import builtins
import os
import sys

COMPILE_ERROR = 87


def load(path):
    """Give the program's code."""
    try:
        with open(path, "rb") as source:
            return compile(source.read(), path, "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        os._exit(COMPILE_ERROR)


builtins.exit = builtins.quit = sys.exit
sys.argv = [sys.argv[0]]
exec(
    load(os.path.join(os.path.dirname(__file__), "source.py")),
    {"__name__": "__main__", "__builtins__": builtins},
)
