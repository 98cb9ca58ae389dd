# SPDX-License-Identifier: MIT
# cython: language_level=3, binding=True
"""What tests/targets/deep.py calls of Cython: burn → outer → middle → inner, which is 3/4 of the time."""
cdef extern from "time.h" nogil:
    cdef struct timespec:
        long tv_sec
        long tv_nsec
    int clock_gettime(int, timespec *)


cdef inline double cpu_seconds():
    cdef timespec now
    clock_gettime(3, &now)  # CLOCK_THREAD_CPUTIME_ID
    return now.tv_sec + now.tv_nsec / 1e9


cdef inline double spin(double seconds):
    cdef double end = cpu_seconds() + seconds
    cdef double value = 1
    cdef int i
    while cpu_seconds() < end:
        for i in range(100000):
            value = value * 1.0000001 + 1e-9
    return value


cdef double inner(double seconds) except -1:
    return spin(seconds) + 1  # a tail call would leave no frame


cdef double middle(double seconds) except -1:
    return inner(seconds) + 1


cdef double outer(double seconds) except -1:
    return spin(seconds / 4) + middle(seconds * 3 / 4) + 1


def burn(seconds):
    return outer(seconds)
