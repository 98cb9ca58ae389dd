# SPDX-License-Identifier: MIT
"""A call that sleeps in C with the GIL, while another thread wants it: hold.py [MICROSECONDS]"""
import ctypes
import sys
import threading
import time

keeps = ctypes.PyDLL(None)  # functions of libc, called with the GIL
done = False


def want():
    while not done:
        time.sleep(0.001)


def hold(microseconds):
    for _ in range(3):
        keeps.usleep(microseconds)


waiter = threading.Thread(target=want, name="waiter")
waiter.start()
hold(int(sys.argv[1]) if len(sys.argv) > 1 else 100000)
done = True
waiter.join()
