# SPDX-License-Identifier: MIT
"""A fixed amount of work by CPU-bound threads, two or so many. Prints the wall time and the CPU time of it.

    work.py [ROUNDS [THREADS]] -> "<wall nanoseconds> <CPU nanoseconds>"
"""
import sys
import threading
import time


def spin(rounds):
    count = 0
    for _ in range(rounds):
        for i in range(1000):
            count += i * i
    return count


def main(rounds, count):
    wall, cpu = time.perf_counter(), time.process_time()
    threads = [threading.Thread(target=spin, args=(rounds,)) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("%.0f %.0f" % ((time.perf_counter() - wall) * 1e9, (time.process_time() - cpu) * 1e9))


main(int(sys.argv[1]) if len(sys.argv) > 1 else 8000, int(sys.argv[2]) if len(sys.argv) > 2 else 2)
