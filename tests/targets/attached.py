# SPDX-License-Identifier: MIT
"""What runs already when giltracer comes: attached.py turns | once | children | idle [SECONDS]

turns     `holder` keeps the GIL for 100 ms, and does without it for 100 ms, again and again;
          `waiter` wants it every millisecond, so it waits for half of the time
once      the same, but a single time: holder keeps it for 1.5 s from when a line comes
children  a process is forked every 100 ms; it holds the GIL for some 50 ms
idle      all threads sleep

Says "ready" when it runs so, and "done" when it ends by itself, after SECONDS.
"""
import ctypes
import os
import sys
import threading
import time

libc = ctypes.PyDLL(None)  # its functions keep the GIL
PR_SET_NAME = 15


def thread(name, work):
    def run():
        libc.prctl(PR_SET_NAME, name.encode(), 0, 0, 0)
        work()
    threading.Thread(target=run, daemon=True).start()


def keep(seconds):
    """usleep may not be asked for a second and more."""
    end = time.monotonic() + seconds
    libc.nanosleep(ctypes.byref((ctypes.c_long * 2)(int(seconds), int(seconds % 1 * 1e9))), None)
    return end


def holder():
    while True:
        keep(0.1)
        time.sleep(0.1)


def once():
    sys.stdin.readline()
    keep(1.5)


def waiter():
    while True:
        time.sleep(0.001)


def children(until):
    while time.monotonic() < until:
        time.sleep(0.1)
        if os.fork() == 0:
            end = time.monotonic() + 0.05
            while time.monotonic() < end:
                time.sleep(0)
            os._exit(0)
        os.wait()


def main():
    mode, seconds = sys.argv[1], float((sys.argv[2:] or ["60"])[0])
    until = time.monotonic() + seconds
    if mode in ("turns", "once"):
        thread("holder", holder if mode == "turns" else once)
        thread("waiter", waiter)
    thread("sleeper", lambda: time.sleep(1000))
    print("ready", flush=True)
    if mode == "children":
        children(until)
    time.sleep(max(0, until - time.monotonic()))
    print("done", flush=True)
    sys.stdout.flush()
    os._exit(7)


main()
