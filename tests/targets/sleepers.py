# SPDX-License-Identifier: MIT
"""Threads that sleep in every way but for the GIL: time.sleep, a queue, locks with and without a
timeout, a condition, an event, a pipe. None of these sleeps is for the GIL, though some are waits
with a timeout on a word in memory, as the GIL's are.

    sleepers.py [SECONDS]
"""
import os
import queue
import sys
import threading
import time


def sleeper(seconds):
    for _ in range(5):
        time.sleep(seconds / 5)


def consumer(jobs):
    while jobs.get() is not None:
        pass


def impatient(jobs, deadline):
    """A queue with a timeout: both ends are used by threads that also wait there."""
    while time.monotonic() < deadline:
        try:
            jobs.get(timeout=0.03)
            jobs.put(1, timeout=0.03)
        except (queue.Empty, queue.Full):
            pass
        time.sleep(0.01)


def locker(lock, deadline):
    while time.monotonic() < deadline:
        if lock.acquire(timeout=0.02):
            time.sleep(0.005)
            lock.release()


def listener(condition, deadline):
    with condition:
        while time.monotonic() < deadline:
            condition.wait(0.05)
            condition.notify()
            time.sleep(0.02)  # or the two would only wake each other


def reader(pipe):
    while os.read(pipe, 1):
        pass


def main(seconds):
    deadline = time.monotonic() + seconds
    jobs, crowd, lock, condition = queue.Queue(), queue.Queue(1), threading.Lock(), \
        threading.Condition()
    pipe, end = os.pipe()
    crowd.put(1)
    threads = [threading.Thread(target=sleeper, args=(seconds,)),
               threading.Thread(target=consumer, args=(jobs,)),
               threading.Thread(target=reader, args=(pipe,))]
    for job, words in ((impatient, (crowd, deadline)), (locker, (lock, deadline)),
                       (listener, (condition, deadline))):
        threads += [threading.Thread(target=job, args=words) for _ in range(2)]
    for thread in threads:
        thread.start()
    while time.monotonic() < deadline:
        time.sleep(0.02)
        jobs.put(1)
        os.write(end, b"x")
    jobs.put(None)
    os.close(end)
    for thread in threads:
        thread.join()


main(float(sys.argv[1]) if len(sys.argv) > 1 else 0.6)
