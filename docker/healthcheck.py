# ruff: noqa: INP001 - no package, but one file that runs by itself
"""Ask the service beside us whether it lives: exit code 0 when /healthz answers 200, else 1.

Run by the images' HEALTHCHECK as `python -IS`, which takes 30 ms: it imports nothing but Python's own library.
An argument asks for another path, e.g. /readyz.
"""

import os
import sys
import urllib.request

_SECONDS = 4


def main() -> int:
    """Ask; give the exit code."""
    path = sys.argv[1] if len(sys.argv) > 1 else "/healthz"
    port = os.environ.get("CODEFUSION_SERVER__PORT", "8000")
    # A proxy of the environment must not be asked for our own address.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{port}{path}", timeout=_SECONDS):
            return 0
    except (OSError, ValueError) as error:
        # Docker keeps the last lines of a health check; `docker inspect` shows them.
        sys.stdout.write(f"{path}: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
