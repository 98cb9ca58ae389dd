# SPDX-License-Identifier: MIT
"""Threads that wait for the GIL for known times, before and after something that may keep an agent
from writing its log.

    faults_of_logs.py FAULT

Each phase prints "NAME NS NS": from when the thread of that name would wake up until the main
thread had used the GIL for what it wanted, and until the thread of that name had it. The last
phase is a forked child's.
"""
import ctypes
import os
import resource
import shutil
import sys
import threading
import time

SLEEP_S, KEEP_S = 0.08, 0.25
usleep = ctypes.PyDLL(None).usleep  # with the GIL


def phase(name):
    wakes_ns, back_ns = [], []

    def wants():
        wakes_ns.append(time.monotonic_ns() + int(SLEEP_S * 1e9))
        time.sleep(SLEEP_S)
        back_ns.append(time.monotonic_ns())

    thread = threading.Thread(target=wants, name=name)
    thread.start()
    while not wakes_ns:
        time.sleep(0.001)
    usleep(int(KEEP_S * 1e6))
    until_ns = time.monotonic_ns()
    thread.join()
    os.write(1, ("%s %d %d\n" % (name, until_ns - wakes_ns[0], back_ns[0] - wakes_ns[0])).encode())


def folder():
    return os.path.dirname(os.environ["GILTRACER_AGENT_DIR"])


def drop_privileges():
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)


def close_all():
    os.closerange(3, 4096)


def fill(uses=100000):
    """Two records of the GIL for each use."""
    for _ in range(uses):
        os.stat("/")


FAULTS = {
    "none": lambda: None,
    "setuid": drop_privileges,
    "chroot": lambda: os.chroot("/mnt"),
    "removed": lambda: shutil.rmtree(folder()),
    "closed": close_all,
    "no-descriptors": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3)),
    "file-size": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
}


def everything():
    for name in ("removed", "closed", "file-size", "no-descriptors", "chroot", "setuid"):
        FAULTS[name]()


def main(fault):
    phase("before")
    if fault == "fill":
        fill(1000000)  # some megabytes
    else:
        (everything if fault == "everything" else FAULTS[fault])()
        fill()
    phase("after")
    child = os.fork()
    if child == 0:
        phase("child")
        os._exit(0)
    os.waitpid(child, 0)


main(sys.argv[1])
