"""The self-test's hostile half: tries to reach what it is told about, and reports. Runs in the sandbox, with -I -S."""

# Values of any type pass through here.
# pyright: basic, reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false, reportGeneralTypeIssues=false

import contextlib
import ctypes
import json
import os
import signal
import socket
import sys
import time


def read_canary(bait):
    with open(bait["canary"]) as source:
        return source.read() == bait["secret"]


def write_beside_canary(bait):
    with open(bait["canary"] + ".escaped", "w") as target:
        target.write("x")
    return True


def write_to_system(bait):
    with open("/usr/lib/codefusion-escaped", "w") as target:
        target.write("x")
    return True


def connect_to_loopback(bait):
    socket.create_connection(("127.0.0.1", bait["port"]), timeout=1).close()
    return True


def open_host_channel(bait):
    socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM).close()
    return True


def signal_supervisor(bait):
    os.kill(bait["pid"], 0)
    # In a process namespace of our own, the number may name one of ours.
    return bait["pid"] not in (os.getpid(), os.getppid())


def read_supervisors_environment(bait):
    with open(f"/proc/{bait['pid']}/environ", "rb") as source:
        return bool(source.read())


def trace_a_process(bait):
    libc = ctypes.CDLL(None)
    return libc.ptrace(16, bait["pid"], 0, 0) == 0 or libc.ptrace(0, 0, 0, 0) == 0


def become_another_user(bait):
    os.setuid(0)
    return True


def gain_privileges(bait):
    return ctypes.CDLL(None).unshare(0x10000000) == 0


def fork_without_bound(bait):
    children = []
    try:
        for _ in range(200):
            child = os.fork()
            if child == 0:
                time.sleep(30)
                os._exit(0)
            children.append(child)
    except OSError:
        return False
    finally:
        for child in children:
            with contextlib.suppress(OSError):
                end(child)
    return True


def end(child):
    with contextlib.suppress(
        PermissionError
    ):  # without namespaces nobody may signal others; the supervisor ends them
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


ATTEMPTS = (
    read_canary,
    write_beside_canary,
    write_to_system,
    connect_to_loopback,
    open_host_channel,
    signal_supervisor,
    read_supervisors_environment,
    trace_a_process,
    become_another_user,
    gain_privileges,
    fork_without_bound,
)


def attempt(action, bait):
    try:
        return "succeeded" if action(bait) else "refused"
    except (OSError, AttributeError):
        return "refused"


def main():
    with open(sys.argv[1]) as source:
        bait = json.load(source)
    report = {action.__name__.replace("_", " "): attempt(action, bait) for action in ATTEMPTS}
    sys.stdout.write(json.dumps(report))


main()
