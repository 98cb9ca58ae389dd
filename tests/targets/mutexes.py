# SPDX-License-Identifier: MIT
"""Threads that wait for a mutex of C's: mutexes.py LIBRARY without|with|deadlock

without     a thread keeps it for 200 ms, another one waits for it; neither has the GIL
with        the other one keeps the GIL while it waits
deadlock    the same, and the thread that has the mutex waits for the GIL; ended by SIGALRM
"""
import ctypes
import signal
import sys
import threading
import time

free, keeping = ctypes.CDLL(sys.argv[1]), ctypes.PyDLL(sys.argv[1])


def keep_it():
    free.keep(200000)


def take_and_work():
    free.take()
    time.sleep(0.1)  # meanwhile the other one takes the GIL and keeps it
    free.give()


def wait_for_it():
    time.sleep(0.05)
    (free if sys.argv[2] == "without" else keeping).take()
    free.give()


if sys.argv[2] == "deadlock":
    signal.setitimer(signal.ITIMER_REAL, 0.6)
owner = threading.Thread(name="owner", target=take_and_work) if sys.argv[2] == "deadlock" else \
    threading.Thread(name="owner", target=keep_it)
threads = [owner, threading.Thread(name="waiter", target=wait_for_it)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
