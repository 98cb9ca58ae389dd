# SPDX-License-Identifier: MIT
"""The thread "holder" keeps the GIL in a call of C for 20 to 38 ms, four times a second, without end,
while the main thread wants it all the time, and "other" now and then. A line for each says when it
began and ended, on CLOCK_MONOTONIC, and how long the call took at least. Between them nobody has the
GIL for long."""
import ctypes
import itertools
import sys
import threading
import time

keep = ctypes.PyDLL(None).usleep


def hold():
    for number in itertools.count():
        time.sleep(0.22)
        length_us = 20000 + 2000 * (number % 10)
        began = time.monotonic()
        keep(length_us)
        print(began, time.monotonic(), length_us / 1e6, flush=True)


def look():
    while True:
        time.sleep(0.01)


threading.Thread(target=hold, name="holder", daemon=True).start()
threading.Thread(target=look, name="other", daemon=True).start()
while True:
    time.sleep(0.001)
