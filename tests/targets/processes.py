# SPDX-License-Identifier: MIT
"""A pool of two processes, each with two CPU-bound threads that share that process's GIL.

    processes.py fork|spawn|forkserver
"""
import multiprocessing
import sys
import threading
import time


def spin(seconds):
    deadline = time.perf_counter() + seconds
    count = 0
    while time.perf_counter() < deadline:
        count += 1
    return count


def work(seconds):
    threads = [threading.Thread(target=spin, args=(seconds,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main(method):
    context = multiprocessing.get_context(method)
    processes = [context.Process(target=work, args=(0.2,)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    print(" ".join(str(process.exitcode) for process in processes))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "fork")
