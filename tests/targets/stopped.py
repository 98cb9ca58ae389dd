"""Stops itself; a child lets it go on after 200 ms. Prints how long it was stopped, in ns."""
import os
import signal
import time

parent = os.getpid()
child = os.fork()
if child == 0:
    time.sleep(0.2)
    os.kill(parent, signal.SIGCONT)
    os._exit(0)
start = time.monotonic()
os.kill(parent, signal.SIGSTOP)
print(int((time.monotonic() - start) * 1e9))
os.waitpid(child, 0)
