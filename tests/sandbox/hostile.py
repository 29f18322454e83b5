# ruff: noqa: E501, ISC004
"""Hostile programs. Each prints ESCAPED when it gets what it wants, and at most `contained` when it is refused.

{canary}, {port} and {pid} are filled in: a file that anybody may read and write, a listening port, the supervisor.
"""

from __future__ import annotations

REFUSED = """
import os, sys
def main():
    {body}
try:
    got = main()
except (OSError, AttributeError):
    got = False
print("ESCAPED" if got else "contained")
"""


def _trying(body: str) -> str:
    return REFUSED.replace("{body}", body.strip().replace("\n", "\n    "))


# name: (program, statuses that it may end with)
HOSTILE: dict[str, tuple[str, set[str]]] = {
    "read a secret file": (_trying('return open("{canary}").read()'), {"passed"}),
    "write beside it": (_trying('return open("{canary}.new", "w").write("x")'), {"passed"}),
    "read the supervisor's environment": (_trying('return open("/proc/{pid}/environ").read()'), {"passed"}),
    "find the host's users": (_trying('return "root" in open("/etc/passwd").read()'), {"passed"}),
    "signal everything": (
        # Only process 1 of its own namespace, which ignores it, or nothing.
        _trying("os.kill(-1, 0)\nreturn len([p for p in os.listdir('/proc') if p.isdigit()]) > 5"),
        {"passed"},
    ),
    "attach to the supervisor": (
        _trying("import ctypes\nreturn ctypes.CDLL(None).ptrace(16, {pid}, 0, 0) == 0"),
        {"passed"},
    ),
    "connect to loopback": (
        _trying("import socket\nsocket.create_connection(('127.0.0.1', {port}), 1)\nreturn True"),
        {"passed"},
    ),
    "send a datagram": (
        _trying("import socket\nreturn socket.socket(2, 2).sendto(b'x', ('127.0.0.1', {port}))"),
        {"passed"},
    ),
    "open the virtual machine's host channel": (
        _trying("import socket\nreturn socket.socket(40, 1)"),
        {"passed"},
    ),
    "make a user namespace": (
        _trying("import ctypes\nreturn ctypes.CDLL(None).unshare(0x10000000) == 0"),
        {"passed"},
    ),
    "mount": (
        _trying("import ctypes\nreturn ctypes.CDLL(None).mount(b'none', b'/tmp', b'tmpfs', 0, None) == 0"),
        {"passed"},
    ),
    "become root": (_trying("os.setuid(0)\nreturn True"), {"passed"}),
    "write to the system": (
        _trying('return open("/usr/bin/codefusion-escaped", "w").write("x")'),
        {"passed"},
    ),
    "fork bomb": (
        "import os, time\nn = 0\ntry:\n    while n < 5000:\n        if os.fork() == 0:\n            time.sleep(60)\n"
        "        n += 1\nexcept OSError:\n    pass\nprint('ESCAPED' if n > 300 else 'contained', flush=True)\nos._exit(0)",
        {"passed", "timeout"},
    ),
    "thread bomb": (
        "import threading, time, os\nn = 0\ntry:\n    while n < 5000:\n"
        "        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n        n += 1\n"
        "except RuntimeError:\n    pass\nprint('ESCAPED' if n > 300 else 'contained', flush=True)\nos._exit(0)",
        {"passed", "timeout"},
    ),
    "balloon": (
        "x = []\nwhile True:\n    x.append(bytearray(64 << 20))\n    if len(x) > 40: print('ESCAPED', flush=True)",
        {"memory"},
    ),
    "many balloons": (
        "import os, time\nfor _ in range(12):\n    if os.fork() == 0:\n        x = b'x' * (300 << 20)\n        time.sleep(60)\n"
        "time.sleep(60)\nprint('ESCAPED')",
        {"memory", "crashed"},
    ),
    "one huge file": (
        _trying(
            "with open('big', 'wb') as f:\n    for _ in range(160): f.write(b'x' * (64 << 20))\nreturn True"
        ),
        {"passed", "crashed"},
    ),
    "many files": (
        _trying(
            "for n in range(100):\n    with open(str(n), 'wb') as f: f.write(b'x' * (8 << 20))\n"
            "import time\ntime.sleep(5)\nreturn True"
        ),
        {"passed", "output"},
    ),
    "fill shared memory": (
        _trying(
            "for n in range(50):\n    open(f'/dev/shm/codefusion-{n}', 'wb').write(b'x' * (8 << 20))\nreturn True"
        ),
        {"passed"},
    ),
    "fill memory without owning it": (
        _trying(
            "m = [os.memfd_create(str(n)) for n in range(99)]\nreturn [os.write(f, b'x' * (8 << 20)) for f in m]"
        ),
        {"passed"},
    ),
    "flood of output": ("while True: print('x' * 65536)", {"output"}),
    "ignore every signal": (
        "import signal\nfor s in range(1, 65):\n    try: signal.signal(s, signal.SIG_IGN)\n    except (OSError, ValueError): pass\n"
        "while True: pass",
        {"timeout"},
    ),
    "leave a daemon": (
        "import os, time\nif os.fork() == 0:\n    try: os.setsid()\n    except OSError: pass\n    if os.fork() == 0:\n"
        "        time.sleep(1)\n        open('{canary}', 'w').write('daemon')\n        time.sleep(600)\n    os._exit(0)\n"
        "print('contained')",
        {"passed"},
    ),
    "recurse without end": (
        "import sys\nsys.setrecursionlimit(1 << 30)\ndef f(): return f()\nf()\nprint('ESCAPED')",
        {"crashed", "memory", "timeout"},
    ),
    "sleep for ever": ("import time\ntime.sleep(10 ** 6)\nprint('ESCAPED')", {"timeout"}),
    "a huge number": ("print('ESCAPED' if str(7 ** (10 ** 8)) else '')", {"timeout", "crashed", "memory"}),
    "a catastrophic expression": (
        "import re\nre.match('(a+)+$', 'a' * 64 + 'b')\nprint('ESCAPED')",
        {"timeout"},
    ),
}
