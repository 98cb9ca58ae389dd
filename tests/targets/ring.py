# SPDX-License-Identifier: MIT
"""One process of a ring: ring.py IN OUT ROUNDS [first]. What came through the FIFO IN goes on through
OUT, ROUNDS times. `sends` begins before the next process's `received` of the same number does.
Other threads want the GIL meanwhile."""
import os
import sys
import threading


def sends(out, number):
    os.write(out, b"%8d" % number)


def received(data, number):
    assert int(data) == number
    return sum(range(200))


def work(done):
    while not done.is_set():
        sum(range(500))
        done.wait(0.0005)


def main():
    path_in, path_out, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
    first = len(sys.argv) > 4
    # Opening for reading and writing waits for nobody.
    into, out = os.open(path_in, os.O_RDWR), os.open(path_out, os.O_RDWR)
    done = threading.Event()
    worker = threading.Thread(target=work, args=(done,), name="worker")
    worker.start()
    for number in range(rounds):
        if first:
            sends(out, number)
        received(os.read(into, 8), number)
        if not first:
            sends(out, number)
    done.set()
    worker.join()


main()
