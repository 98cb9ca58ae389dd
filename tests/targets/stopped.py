# SPDX-License-Identifier: MIT
"""Stops itself; a child sees that, and lets it go on 200 ms later. Prints how long it was stopped, in ns."""
import os
import signal
import time

parent = os.getpid()
child = os.fork()
if child == 0:
    while ") T " not in open("/proc/%d/stat" % parent).read():
        time.sleep(0.001)
    time.sleep(0.2)
    os.kill(parent, signal.SIGCONT)
    os._exit(0)
start = time.monotonic()
os.kill(parent, signal.SIGSTOP)
print(int((time.monotonic() - start) * 1e9))
os.waitpid(child, 0)
