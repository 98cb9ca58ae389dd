# SPDX-License-Identifier: MIT
"""A program that hangs, in the way that its argument names. Says "ready" when it does, or is
about to. Threads: `holder` has the GIL for ever where anybody does; `waiter` wants it.

asleep    holder sleeps in C with the GIL              reading   it reads from a pipe
spinning  it computes in C                             idle      all wait for an event, nobody has it
mutex     it waits for a mutex that waiter has         dead      … that a thread had which ended
chain     … that `middle` has, which waits for one that waiter has
join      it joins a thread that begins with taking the GIL
timed     it waits for waiter's mutex, but not for ever
crossed   two threads wait for each other's locks of threading
"""
import ctypes
import os
import re
import signal
import sys
import threading
import time

keeps = ctypes.PyDLL(None)    # functions that keep the GIL
releases = ctypes.CDLL(None)  # the same, without it
PR_SET_NAME = 15
first, second = (ctypes.create_string_buffer(64) for _ in range(2))  # mutexes: zeros are one


def thread(name, *work):
    def run():
        keeps.prctl(PR_SET_NAME, name.encode(), 0, 0, 0)
        for step in work:
            step()
    made = threading.Thread(target=run, daemon=True)
    made.start()
    return made


def want():
    while True:
        time.sleep(0.001)


def hold(*work):
    """As the last thread, when all others are where they shall be."""
    time.sleep(0.3)
    print("ready", flush=True)
    thread("holder", *work)


def locked(mutex):
    return lambda: releases.pthread_mutex_lock(mutex)


def asleep():
    thread("waiter", want)
    hold(lambda: keeps.sleep(1000))


def reading():
    thread("waiter", want)
    end, _ = os.pipe()
    hold(lambda: keeps.read(end, ctypes.create_string_buffer(1), 1))


def spinning():
    thread("waiter", want)
    hold(lambda: re.match("(a+)+b", "a" * 60))


def idle():
    thread("waiter", threading.Event().wait)
    print("ready", flush=True)


def mutex():
    thread("waiter", locked(first), want)
    hold(lambda: keeps.pthread_mutex_lock(first))


def dead():
    thread("ended", locked(first)).join()
    thread("waiter", want)
    hold(lambda: keeps.pthread_mutex_lock(first))


def chain():
    thread("waiter", locked(second), want)
    time.sleep(0.2)
    thread("middle", locked(first), locked(second))
    hold(lambda: keeps.pthread_mutex_lock(first))


def timed():
    deadline = (ctypes.c_long * 2)(int(time.time()) + 1000, 0)
    thread("waiter", locked(first), want)
    hold(lambda: keeps.pthread_mutex_timedlock(first, deadline))


def join():
    begin = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)(lambda unused: None)
    made = ctypes.c_ulong()

    def work():
        keeps.pthread_create(ctypes.byref(made), None, begin, None)
        keeps.pthread_join(made, None)
    hold(work)


def crossed():
    one, two = threading.Lock(), threading.Lock()

    def take(mine, other):
        mine.acquire()
        time.sleep(0.2)
        other.acquire()
    thread("waiter", lambda: take(one, two))
    thread("other", lambda: take(two, one))
    time.sleep(0.5)
    print("ready", flush=True)


signal.alarm(300)  # nobody else may be there to end it
globals()[sys.argv[1]]()
threading.Event().wait()
