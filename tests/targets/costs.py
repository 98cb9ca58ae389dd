# SPDX-License-Identifier: MIT
"""Programs whose recording has a known price: each prints what its work took, start-up left out.

    costs.py KIND [COUNT] -> "<CPU nanoseconds> <nanoseconds>"
"""
import os
import sys
import threading
import time

NULL = os.open("/dev/null", os.O_RDONLY)


def give_up(count):
    """Gives the GIL up and takes it back, and hardly anything else."""
    seek = os.lseek
    for _ in range(count):
        seek(NULL, 0, 0)


def call(count):
    def function(value):
        return value
    for number in range(count):
        function(number)


def compute(count):
    total = 0
    for number in range(count):
        total += number * number % 7
    return total


def contend(count, threads=4):
    """Threads that give the GIL up and take it back, all at once: for so long that they find
    themselves on several CPUs, and contend, untraced as well."""
    workers = [threading.Thread(target=give_up, args=(count,)) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


KINDS = {"give_up": (give_up, 300000), "call": (call, 3000000), "compute": (compute, 5000000),
         "contend": (contend, 200000)}


def main(kind, count=None):
    work, usual = KINDS[kind]
    wall, cpu = time.perf_counter(), time.process_time()
    work(int(count or usual))
    print("%d %d" % ((time.process_time() - cpu) * 1e9, (time.perf_counter() - wall) * 1e9))


main(*sys.argv[1:])
