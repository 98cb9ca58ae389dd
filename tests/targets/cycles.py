# SPDX-License-Identifier: MIT
"""64 threads that take and drop the GIL as often as they can, each the same number of times.

    cycles.py [CYCLES [THREADS]]    prints how often each thread gave the GIL up and took it again
"""
import os
import sys
import threading


def work(zero, count, start):
    lseek = os.lseek
    start.wait()
    for _ in range(count):
        lseek(zero, 0, 0)


def main(cycles, count):
    zero = os.open("/dev/zero", os.O_RDONLY)
    start = threading.Barrier(count)
    threads = [threading.Thread(target=work, args=(zero, cycles // count, start))
               for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(cycles // count)


main(int(sys.argv[1]) if len(sys.argv) > 1 else 1 << 20,
     int(sys.argv[2]) if len(sys.argv) > 2 else 64)
