# SPDX-License-Identifier: MIT
"""Is where something is to be loaded into it: blocked.py event | sleep | pause | accept | join |
lock | read | epoll | sigwait | polled | received | loop | spin | spins | allocates | calls | masked |
sums | holds

The first nine block in the main thread, for good; `polled` and `received` in a call with a timeout,
beside another thread; `loop` is one of asyncio's. `spin` and `spins` (two threads) only compute,
`allocates` is in malloc, `calls` in system calls most of the time; `masked` waits for signals that
it blocks before; `sums` and `holds` do not let go
of the GIL for 8 s and more, computing and asleep. Says "ready" before that, and "early" if the call ever returns.
"""
import asyncio
import ctypes
import os
import signal
import socket
import struct
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


libc = ctypes.CDLL(None, use_errno=True)  # what it returns is not looked at


def epoll(timeout):
    libc.epoll_wait(libc.epoll_create1(0), ctypes.create_string_buffer(12), 1, timeout)


def sigwait():
    signals = ctypes.create_string_buffer(128)
    libc.sigaddset(signals, signal.SIGUSR1)
    libc.sigtimedwait(signals, None, None)


def polled():
    thread(time.sleep, 10000)
    epoll(10000000)


def received():
    thread(time.sleep, 10000)
    one, _other = socket.socketpair()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 10000, 0))
    libc.recv(one.fileno(), ctypes.create_string_buffer(1), 1, 0)


def loop():
    made = asyncio.new_event_loop()
    made.call_later(10000, made.stop)
    made.run_forever()


def masked():
    """What is sent to the process comes to who waits for it, not to another thread."""
    signals = {signal.SIGUSR1}
    while True:
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        os.kill(os.getpid(), signal.SIGUSR1)
        if signal.sigtimedwait(signals, 1) is None:
            return
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)


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
    "epoll": lambda: epoll(-1),
    "sigwait": sigwait,
    "polled": polled,
    "received": received,
    "loop": loop,
    "spin": spin,
    "spins": spins,
    "allocates": allocates,
    "calls": calls,
    "masked": masked,
    "sums": sums,
    "holds": holds,
}
print("ready", flush=True)
waits[sys.argv[1]]()
print("early", flush=True)
