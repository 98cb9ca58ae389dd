# SPDX-License-Identifier: MIT
"""64 threads that take turns: each of them waits most of its life.

    many.py [THREADS] [SECONDS]
"""
import sys
import threading
import time


def spin(deadline):
    while time.perf_counter() < deadline:
        sum(range(200))


def main(count, seconds):
    deadline = time.perf_counter() + seconds
    threads = [threading.Thread(target=spin, args=(deadline,), name="worker-%d" % i)
               for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


main(int(sys.argv[1]) if len(sys.argv) > 1 else 64,
     float(sys.argv[2]) if len(sys.argv) > 2 else 0.5)
