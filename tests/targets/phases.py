# SPDX-License-Identifier: MIT
"""Phases of `seconds` each, without end: in phase N, two threads "N-a" and "N-b" contend for the GIL
in the function `phase`, inside `outer`, which was called as the program began and never returns. A
line for each says when it began, on CLOCK_MONOTONIC."""
import itertools
import sys
import threading
import time

seconds = float(sys.argv[1])


def phase(end):
    while time.monotonic() < end:
        sum(range(500))


def outer():
    for number in itertools.count():
        end = time.monotonic() + seconds
        print(number, time.monotonic(), flush=True)
        threads = [threading.Thread(target=phase, args=(end,), name="%d-%s" % (number, letter))
                   for letter in "ab"]
        for thread in threads:
            thread.start()
        phase(end)
        for thread in threads:
            thread.join()


outer()
