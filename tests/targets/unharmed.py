# SPDX-License-Identifier: MIT
"""Notices when it is not left alone: unharmed.py OBJECT [SECONDS [alone]]

OBJECT was made from unharmed.c. Threads compute in C's registers, sleep, wait for signals, and for
what never comes, in read and epoll_wait; the main thread computes in Python, and looks at sys.gettrace, sys.getprofile, and
that its own timer's signals come. `alone`: it has that thread only, which computes in C, too. Says "ready", and after SECONDS "unharmed", or what was wrong.
"""
import ctypes
import os
import signal
import sys
import threading
import time

lib = ctypes.CDLL(sys.argv[1])
seconds = float((sys.argv[2:] or ["2"])[0])
alone = "alone" in sys.argv
wrong = []
ticks = []


def check(function, seconds=seconds):
    line = getattr(lib, function)(ctypes.c_double(seconds))
    if line:
        wrong.append("%s: line %d" % (function, line))


def read():
    wrong.append("read returned: line %d" % lib.unharmed_read(os.pipe()[0]))


def epoll():
    wrong.append("epoll_wait returned: line %d" % lib.unharmed_epoll())


def compute():
    return sum(i * i % 7 for i in range(2000)), repr(1 / 3.0)


signal.signal(signal.SIGALRM, lambda *unused: ticks.append(1))
checks = [] if alone else [threading.Thread(target=check, args=(name,)) for name in
          ("unharmed_registers", "unharmed_sleeps", "unharmed_pauses")]
if not alone:
    for waits in (read, epoll):
        threading.Thread(target=waits, daemon=True).start()
for one in checks:
    one.start()
print("ready", flush=True)
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
expected = compute()
end = time.monotonic() + seconds
while time.monotonic() < end:
    if compute() != expected:
        wrong.append("computing")
    if sys.gettrace() or sys.getprofile():
        wrong.append("a hook is there")
    if alone:
        check("unharmed_registers_here", 0.005)
        continue
    begin = time.monotonic()
    time.sleep(0.005)
    if time.monotonic() - begin < 0.005:
        wrong.append("slept too short")
signal.setitimer(signal.ITIMER_REAL, 0)
for one in checks:
    one.join()
if len(ticks) < seconds * 20:
    wrong.append("only %d signals" % len(ticks))
print("; ".join(sorted(set(wrong))) or "unharmed", flush=True)
os._exit(0)
