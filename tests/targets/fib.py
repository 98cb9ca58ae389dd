# SPDX-License-Identifier: MIT
"""The tightest recursion there is: what tracing of functions costs at its worst.

    fib.py [N] [ROUNDS]    prints nanoseconds per call of fib
"""
import sys
import time


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def main(n, rounds):
    start = time.perf_counter()
    for _ in range(rounds):
        fib(n)
    seconds = time.perf_counter() - start
    a = b = 1  # fib is called 2 * fib(n + 1) - 1 times
    for _ in range(n - 1):
        a, b = b, a + b
    print("%.2f" % (seconds * 1e9 / rounds / (2 * b - 1)))


main(int(sys.argv[1]) if len(sys.argv) > 1 else 27, int(sys.argv[2]) if len(sys.argv) > 2 else 5)
