# SPDX-License-Identifier: MIT
"""Works with two threads, then replaces itself by another program.

    execs.py python        this file again, as "execs.py done", in the same interpreter
    execs.py true|false    /bin/true, /bin/false: not Python at all
"""
import os
import sys
import threading
import time


def spin(seconds):
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        pass


def main(what):
    other = threading.Thread(target=spin, args=(0.1,))
    other.start()
    spin(0.1)
    other.join()
    if what == "python":
        os.execv(sys.executable, [sys.executable, os.path.abspath(__file__), "done"])
    if what != "done":
        os.execv("/bin/" + what, [what])
    print("done")


main(sys.argv[1] if len(sys.argv) > 1 else "python")
