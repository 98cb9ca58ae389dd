# SPDX-License-Identifier: MIT
"""Idle but for half a second, in which four workers compute; prints when, in ns of the monotonic
clock: from when they were let go until the last but one was done, and the last one alone.

    burst.py [SECONDS_BEFORE SECONDS_AFTER]
"""
import sys
import threading
import time

WORKERS, BUSY_S = 4, 0.5


def now_ns():
    return int(time.monotonic() * 1e9)


def work(go, leave, done):
    go.wait()
    until = time.monotonic() + BUSY_S
    number = 0
    while time.monotonic() < until:
        for step in range(2000):
            number += step * step
    done.append(now_ns())
    leave.wait()


def main(before, after):
    go, leave, done = threading.Event(), threading.Event(), []
    workers = [threading.Thread(target=work, args=(go, leave, done), name="worker-%d" % i)
               for i in range(WORKERS)]
    for worker in workers:
        worker.start()
    time.sleep(before)
    start = now_ns()
    go.set()
    time.sleep(BUSY_S + after)
    leave.set()
    for worker in workers:
        worker.join()
    print(start, sorted(done)[-2])


if __name__ == "__main__":
    main(*map(float, sys.argv[1:] or (2, 1.5)))
