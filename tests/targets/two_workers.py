# SPDX-License-Identifier: MIT
"""Two CPU-bound workers over the same stretch of time, and a main thread that joins them.

Each worker holds the GIL for about half of its life and waits for it during the other half.
Both start behind a barrier and stop at one deadline, so that neither ever runs alone for long.
"""
import sys
import threading
import time

BARRIER = threading.Barrier(2)


def spin(seconds):
    BARRIER.wait()
    deadline = time.perf_counter() + seconds
    count = 0
    while time.perf_counter() < deadline:
        for i in range(1000):
            count += i * i
    return count


def main(seconds):
    workers = [threading.Thread(target=spin, args=(seconds,)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


main(float(sys.argv[1]) if len(sys.argv) > 1 else 0.5)
