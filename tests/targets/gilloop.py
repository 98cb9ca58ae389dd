# SPDX-License-Identifier: MIT
"""The GIL-heavy loop of the benchmarks: take+drop pairs and nothing else.

os.read on /dev/zero costs one short system call around each pair (1.3 µs here). Prints the
time of the loop alone per pair, so that start-up does not count:

    gilloop.py [PAIRS] -> "<nanoseconds per pair>"
"""
import os
import sys
import time


def main(pairs):
    zero = os.open("/dev/zero", os.O_RDONLY)
    read = os.read
    start = time.perf_counter()
    for _ in range(pairs):
        read(zero, 1)
    elapsed = time.perf_counter() - start
    print("%.1f" % (elapsed / pairs * 1e9))


main(int(sys.argv[1]) if len(sys.argv) > 1 else 300000)
