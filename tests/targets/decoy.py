# SPDX-License-Identifier: MIT
"""Condition variables that behave much like a GIL's, and are none.

Pairs of pthread_cond_t in ctypes memory, at the distances a GIL's own have (88 and 96 bytes),
signalled in strict alternation, by one thread or by two that take turns, with the GIL held
(PyDLL) and without (CDLL), and waited on with pthread_cond_timedwait. The process has one GIL.

    decoy.py [ROUNDS]
"""
import ctypes
import sys
import threading
import time


class Timespec(ctypes.Structure):
    _fields_ = [("tv_sec", ctypes.c_long), ("tv_nsec", ctypes.c_long)]


def alternate(library, base, distance, rounds):
    signal = library.pthread_cond_signal
    signal.argtypes = [ctypes.c_void_p]
    for _ in range(rounds):
        signal(base + distance)
        signal(base)


def timed_wait(library, base, rounds):
    mutex = ctypes.create_string_buffer(64)
    address = ctypes.addressof(mutex)
    library.pthread_mutex_lock(ctypes.c_void_p(address))
    for _ in range(rounds):
        until = time.time() + 0.002
        at = Timespec(int(until), int((until % 1) * 1e9))
        library.pthread_cond_timedwait(ctypes.c_void_p(base), ctypes.c_void_p(address),
                                       ctypes.byref(at))
    library.pthread_mutex_unlock(ctypes.c_void_p(address))


def main(rounds):
    kept = []  # the memory must outlive the threads
    threads = []
    for library in (ctypes.PyDLL(None), ctypes.CDLL(None)):
        for distance in (88, 96):
            memory = ctypes.create_string_buffer(512)
            kept.append(memory)
            base = ctypes.addressof(memory)
            threads.append(threading.Thread(target=alternate, name="decoy-%d" % distance,
                                            args=(library, base, distance, rounds)))
            threads.append(threading.Thread(target=timed_wait,
                                            args=(ctypes.CDLL(None), base, 20)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
