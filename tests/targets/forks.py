# SPDX-License-Identifier: MIT
"""Forks children the raw way; each takes the GIL anew, contends with a thread of its own, ends.

    forks.py [CHILDREN]    prints how many ended with status 3, as each should
"""
import os
import sys
import threading
import time


def spin(seconds):
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        pass


def child():
    other = threading.Thread(target=spin, args=(0.02,))
    other.start()
    spin(0.02)
    other.join()
    os._exit(3)


def main(count):
    background = threading.Thread(target=spin, args=(0.2,))
    background.start()
    pids = []
    for _ in range(count):
        pid = os.fork()
        if pid == 0:
            child()
        pids.append(pid)
    ended = [os.waitpid(pid, 0)[1] for pid in pids]
    background.join()
    print(sum(1 for status in ended if status == 3 << 8))


main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
