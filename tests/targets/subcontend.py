# SPDX-License-Identifier: MIT
"""Two sub-interpreters that own their GILs, each with two CPU-bound threads that share it. Each of
these needs a known CPU time from a common moment on: however busy the machine is, they contend.

CPython 3.13 and later; exits with 77 elsewhere. Nobody waits for the main interpreter's GIL.
"""
import sys
import threading

CODE = """
import threading, time
both = threading.Barrier(2)

def spin():
    count = 0
    both.wait()
    end = time.thread_time() + {seconds}
    while time.thread_time() < end:
        for i in range(1000):
            count += i * i

threads = [threading.Thread(target=spin) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def interpreters():
    if sys.version_info < (3, 13):  # 3.12 can hang when a sub-interpreter starts threads
        sys.exit(77)
    import _interpreters

    return _interpreters.create, _interpreters.exec, _interpreters.destroy


def main(seconds):
    create, run, destroy = interpreters()
    ids = [create(), create()]
    threads = [threading.Thread(target=run, args=(i, CODE.format(seconds=seconds))) for i in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in ids:
        destroy(i)


main(float(sys.argv[1]) if len(sys.argv) > 1 else 0.15)
