# SPDX-License-Identifier: MIT
"""Ends in the way that its argument says, after a moment of two threads at work.

    exits.py code N     sys.exit(N)
    exits.py signal N   kills itself with signal N
    exits.py segv       a real segmentation fault: reads address 0
    exits.py _exit N    os._exit(N) while the other thread still runs
"""
import ctypes
import os
import sys
import threading
import time


def spin(seconds):
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        pass


def main(how, number):
    other = threading.Thread(target=spin, args=(0.05,))
    other.start()
    spin(0.05)
    if how == "_exit":
        os._exit(number)
    other.join()
    if how == "code":
        sys.exit(number)
    if how == "signal":
        os.kill(os.getpid(), number)
        time.sleep(10)
    if how == "segv":
        ctypes.string_at(0)
    sys.exit("exits.py: what is %r?" % how)


main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0)
