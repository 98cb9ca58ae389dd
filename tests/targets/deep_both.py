# SPDX-License-Identifier: MIT
"""Two threads that do the same: three times deep.burn, 300 ms of CPU time with the GIL.

    deep_both.py FOLDER     which holds the module `deep`, made of deep.c
"""
import sys
import threading

sys.path.insert(0, sys.argv[1])
import deep  # noqa: E402


def work():
    deep.burn(0.3)


def worker():
    for _ in range(3):
        work()


threads = [threading.Thread(target=worker) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
