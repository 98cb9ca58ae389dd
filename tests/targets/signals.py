# SPDX-License-Identifier: MIT
"""Counts the signals it gets, then says how many: "SIGINT=1 SIGTERM=0 SIGHUP=0".

Prints "ready" first; ends half a second after the first signal, so that a second copy of the
same one would be counted too, or after 20 seconds without any (exit status 9).
"""
import signal
import sys
import threading
import time

COUNTS = {"SIGINT": 0, "SIGTERM": 0, "SIGHUP": 0}


def count(number, _frame):
    COUNTS[signal.Signals(number).name] += 1


def background(stop):
    while not stop.is_set():
        sum(range(1000))


def main():
    for name in COUNTS:
        signal.signal(getattr(signal, name), count)
    stop = threading.Event()
    other = threading.Thread(target=background, args=(stop,), daemon=True)
    other.start()
    print("ready", flush=True)
    give_up = time.monotonic() + 20
    while not any(COUNTS.values()):
        if time.monotonic() > give_up:
            sys.exit(9)
        time.sleep(0.02)
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        time.sleep(0.02)
    stop.set()
    other.join()
    print(" ".join("%s=%d" % item for item in COUNTS.items()), flush=True)


main()
