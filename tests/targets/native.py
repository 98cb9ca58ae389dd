# SPDX-License-Identifier: MIT
"""Threads that Python did not start: a POSIX timer's.

timer_create with SIGEV_THREAD makes glibc start a thread per tick that calls back into Python,
which takes the GIL there (PyGILState_Ensure). Prints how many callbacks there were.
"""
import ctypes
import os
import threading
import time

SIGEV_THREAD = 2
CALLS = []


class Sigevent(ctypes.Structure):
    _fields_ = [("value", ctypes.c_void_p), ("signo", ctypes.c_int), ("notify", ctypes.c_int),
                ("function", ctypes.c_void_p), ("attributes", ctypes.c_void_p),
                ("pad", ctypes.c_char * 32)]


class Itimerspec(ctypes.Structure):
    _fields_ = [("interval_s", ctypes.c_long), ("interval_ns", ctypes.c_long),
                ("value_s", ctypes.c_long), ("value_ns", ctypes.c_long)]


@ctypes.CFUNCTYPE(None, ctypes.c_void_p)
def tick(_value):
    CALLS.append(threading.get_ident())
    deadline = time.perf_counter() + 0.002
    while time.perf_counter() < deadline:
        pass


def timer_functions():
    for name in (None, "librt.so.1"):
        library = ctypes.CDLL(name, use_errno=True)
        if hasattr(library, "timer_create"):
            return library
    raise SystemExit(77)


def main():
    library = timer_functions()
    event = Sigevent(notify=SIGEV_THREAD, function=ctypes.cast(tick, ctypes.c_void_p).value)
    timer = ctypes.c_void_p()
    if library.timer_create(1, ctypes.byref(event), ctypes.byref(timer)) != 0:
        raise OSError(ctypes.get_errno(), "timer_create")
    period = Itimerspec(0, 10000000, 0, 10000000)
    library.timer_settime(timer, 0, ctypes.byref(period), None)
    deadline = time.perf_counter() + 0.3
    while time.perf_counter() < deadline:
        sum(range(100))
    library.timer_delete(timer)
    while len(os.listdir("/proc/self/task")) > 2:  # this one, and glibc's own for timers
        time.sleep(0.005)
    print(len(CALLS))


main()
