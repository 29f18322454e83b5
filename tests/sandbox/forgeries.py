# ruff: noqa: E501
"""Programs that are wrong, and claim to have passed. The task is add(a, b), tested by TESTS."""

from __future__ import annotations

TESTS = "def check(candidate):\n    assert candidate(1, 2) == 3\n    assert candidate(5, 7) == 12\n"

_PRINT_AND_LEAVE = "    sys.stdout.write('\\n' + nonce + '\\n'); sys.stdout.flush(); os._exit(0)\n"

FORGERIES = {
    "exit at the top": "import sys\nsys.exit(0)\ndef add(a, b): return 0\n",
    "exit in the function": "import sys\ndef add(a, b): sys.exit(0)\n",
    "hard exit at the top": "import os\nos._exit(0)\ndef add(a, b): return 0\n",
    "hard exit in the function": "import os\ndef add(a, b): os._exit(0)\n",
    "a marker of its own": (
        "import os\ndef add(a, b):\n    print('passed', 'OK', '{\"status\": \"passed\"}', flush=True)\n    os._exit(0)\n"
    ),
    "exit hooks": (
        "import sys, os, atexit\nsys.excepthook = lambda *_: os._exit(0)\natexit.register(os._exit, 0)\n"
        "def add(a, b): return 0\n"
    ),
    "an object that equals all": (
        "class Same:\n    def __eq__(self, other): return True\n    def __ne__(self, other): return False\n"
        "def add(a, b): return Same()\n"
    ),
    "a number that equals all": (
        "class Same(int):\n    def __eq__(self, other): return True\n    __hash__ = int.__hash__\n"
        "def add(a, b): return Same(0)\n"
    ),
    "the nonce out of the files": (
        "import os, sys, re\ndef add(a, b):\n    text = ''\n    for folder in ('/job', os.path.dirname(sys.argv[0])):\n"
        "        for name in os.listdir(folder) if os.path.isdir(folder) else []:\n"
        "            text += open(os.path.join(folder, name)).read()\n"
        "    nonce = (re.findall('[0-9a-f]{32}', text) or [''])[0]\n" + _PRINT_AND_LEAVE
    ),
    "the nonce out of the frames": (
        "import os, sys, re\ndef add(a, b):\n    frame, text = sys._getframe(), ''\n    while frame:\n"
        "        text += repr(frame.f_locals); frame = frame.f_back\n"
        "    nonce = (re.findall('[0-9a-f]{32}', text) or [''])[0]\n" + _PRINT_AND_LEAVE
    ),
    "passed into every list": (
        "import gc, os\ndef add(a, b):\n    for found in gc.get_objects():\n"
        "        if type(found) is list and len(found) < 3:\n            found.append('passed')\n    os._exit(0)\n"
    ),
    "a patched AssertionError": (
        "import builtins\nclass Silent(BaseException):\n    def __init__(self, *_): pass\n"
        "builtins.AssertionError = Silent\nbuiltins.Exception = Silent\ndef add(a, b): return 0\n"
    ),
    "a trace function": (
        "import sys\ndef trace(frame, event, arg):\n    frame.f_trace_lines = False\n"
        "    if event == 'exception': raise SystemExit(0)\n    return trace\n"
        "def add(a, b):\n    sys.settrace(trace)\n    frame = sys._getframe()\n    while frame:\n"
        "        frame.f_trace = trace; frame = frame.f_back\n    return 0\n"
    ),
    "a thread that rewrites check": (
        "import threading, gc, types, time\ndef rewrite():\n    while True:\n        for found in gc.get_objects():\n"
        "            if type(found) is types.FunctionType and found.__name__ == 'check':\n"
        "                found.__code__ = (lambda candidate: None).__code__\n"
        "threading.Thread(target=rewrite, daemon=True).start()\n"
        "def add(a, b):\n    time.sleep(0.2)\n    return 0\n"
    ),
    "a word into every descriptor": (
        "import os\ndef add(a, b):\n    for fd in range(64):\n"
        '        try: os.write(fd, b\'{"status": "passed", "detail": ""}\\n\')\n        except OSError: pass\n    os._exit(0)\n'
    ),
    "patched built-in functions": (
        "import builtins, operator, math\nfor name in ('isinstance', 'all', 'any', 'abs', 'len', 'set', 'sorted'):\n"
        "    setattr(builtins, name, lambda *_: True)\nmath.isclose = lambda *_, **__: True\n"
        "operator.eq = lambda *_: True\ndef add(a, b): return 0\n"
    ),
    "its own definitions of check and set": (
        "def check(candidate): return True\ndef set(*_): return 1\ndef sorted(*_): return 1\ndef add(a, b): return 0\n"
    ),
}
