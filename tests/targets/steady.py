# SPDX-License-Identifier: MIT
"""A bit of everything that the agent records, in a tenth of a second: threads that contend, locks,
calls by the ten thousand, a forked child, a garbage collection, a descriptor that is used.

    steady.py [ROUNDS [CALLS]]      so often (1), and so many short calls in each of five jobs (20,000)

Prints what it computed and which descriptors are open, and exits with status 7. Neither depends on
anything but the program: whatever befalls those who record it, the output is this one.
"""
import gc
import os
import queue
import sys
import threading

ROUNDS, CALLS = [int(word) for word in sys.argv[1:3]] + [1, 20000][len(sys.argv) - 1:]
jobs, results = queue.Queue(), []


def step(number):
    return (number * 31 + 7) % 1009


def work():
    while True:
        number = jobs.get()
        if number is None:
            return
        for _ in range(300):
            number = step(number)
        number += sum(sorted(range(CALLS), key=lambda item: -item)[:3])
        results.append(number)


def in_child():
    thread = threading.Thread(target=lambda: results.append(step(1)))
    thread.start()
    thread.join()
    return sum(results) % 100


def play():
    threads = [threading.Thread(target=work, name="worker-%d" % i,
                                daemon=True) for i in range(3)]
    for thread in threads:
        thread.start()
    for number in range(5):
        jobs.put(number)
    for _ in threads:
        jobs.put(None)
    for thread in threads:
        thread.join()
    gc.collect()
    number = 1
    for _ in range(5000):
        number = step(number)
    child = os.fork()
    if child == 0:
        os._exit(in_child())
    status = os.waitpid(child, 0)[1]
    with open(os.devnull, "rb") as stream:
        stream.read(1)
    return number, status >> 8


def main():
    for _ in range(ROUNDS):
        number, status = play()
    fds = [int(name) for name in os.listdir("/proc/self/fd")]
    fds = [fd for fd in fds if os.path.exists("/proc/self/fd/%d" % fd)]  # listdir's own is gone
    print("steady", sum(results), number, status, sorted(fds))
    sys.stdout.flush()
    return 7


sys.exit(main())
