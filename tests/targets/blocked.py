# SPDX-License-Identifier: MIT
"""Is where something is to be loaded into it: blocked.py event | sleep | pause | accept | join |
lock | read | spin | spins | allocates | calls | sums | holds

The first seven block in the main thread, for good; `spin` and `spins` (two threads) only compute,
`allocates` is in malloc, `calls` in system calls most of the time; `sums` and `holds` do not let go
of the GIL for 8 s and more, computing and asleep. Says "ready" before that, and "early" if the call ever returns.
"""
import ctypes
import os
import signal
import socket
import sys
import threading
import time


def a_socket():
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(1)
    return listening


def spin():
    number = 0
    while True:
        number += 1


def thread(function, *arguments):
    started = threading.Thread(target=function, args=arguments, daemon=True)
    started.start()
    return started


def spins():
    thread(spin)
    spin()


def allocates():
    while True:
        [bytearray(100000) for _ in range(100)]


def calls():
    while True:
        os.getpid()


def lock():
    taken = threading.Lock()
    taken.acquire()
    taken.acquire(True, 10000)


def sums():
    sum(range(10 ** 9))
    time.sleep(1000)


def holds():
    ctypes.PyDLL(None).sleep(8)
    time.sleep(1000)


waits = {
    "event": lambda: threading.Event().wait(),
    "sleep": lambda: time.sleep(10000),
    "pause": signal.pause,
    "accept": lambda: a_socket().accept(),
    "join": lambda: thread(time.sleep, 10000).join(),
    "lock": lock,
    "read": lambda: os.read(0, 1),
    "spin": spin,
    "spins": spins,
    "allocates": allocates,
    "calls": calls,
    "sums": sums,
    "holds": holds,
}
print("ready", flush=True)
waits[sys.argv[1]]()
print("early", flush=True)
