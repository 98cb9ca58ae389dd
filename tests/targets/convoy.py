# SPDX-License-Identifier: MIT
"""The convoy effect: one thread computes, another does short I/O and queues up each time."""
import os
import threading
import time


def compute(until):
    number = 0
    while time.monotonic() < until:
        for step in range(20000):
            number += step * step
    return number


def transfer(until):
    reader, writer = os.pipe()
    while time.monotonic() < until:
        os.write(writer, b"x")
        os.read(reader, 1)


UNTIL = time.monotonic() + 1.5
THREADS = [threading.Thread(target=compute, args=(UNTIL,), name="computer"),
           threading.Thread(target=transfer, args=(UNTIL,), name="transfer")]
for thread in THREADS:
    thread.start()
for thread in THREADS:
    thread.join()
