# SPDX-License-Identifier: MIT
"""Two threads that want the GIL, on one CPU that two other processes keep busy: whoever has the GIL
is often pushed off the CPU, or woken without getting one.

    crowded.py [SECONDS]
"""
import os
import sys
import threading
import time

CPU = min(os.sched_getaffinity(0))


def burn(deadline):
    while time.monotonic() < deadline:
        pass


def main(seconds):
    os.sched_setaffinity(0, {CPU})
    deadline = time.monotonic() + seconds
    children = []
    for _ in range(2):
        pid = os.fork()
        if pid == 0:
            burn(deadline)
            os._exit(0)
        children.append(pid)
    threads = [threading.Thread(target=burn, args=(deadline,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for pid in children:
        os.waitpid(pid, 0)


main(float(sys.argv[1]) if len(sys.argv) > 1 else 0.6)
