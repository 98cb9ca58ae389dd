# SPDX-License-Identifier: MIT
"""Two threads compute, while the switch interval is changed: which is reported, and from when?

    intervals.py [SECONDS…]        default: 0.005 0.0005 0.02 0.1 0.005

Prints a line per interval: seconds, and from when to when it held, in CLOCK_MONOTONIC ns.
"""
import sys
import threading
import time


def compute(over):
    x = 0
    while not over:
        for number in range(1000):
            x += number


def now_ns():
    return int(time.clock_gettime(time.CLOCK_MONOTONIC) * 1e9)


def main(intervals):
    over = []
    threads = [threading.Thread(target=compute, args=(over,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    before = 0
    for interval in intervals:
        since = now_ns()
        sys.setswitchinterval(interval)
        time.sleep(max(0.25, 8 * interval, 3 * before))  # a wait that was begun before goes on
        before = interval
        print(interval, since, now_ns())
    over.append(True)
    for thread in threads:
        thread.join()


main([float(word) for word in sys.argv[1:]] or [0.005, 0.0005, 0.02, 0.1, 0.005])
