# SPDX-License-Identifier: MIT
"""Two threads, each computing in a sub-interpreter that owns its GIL (CPython 3.12 and later).

Three GILs in one process: the main interpreter's, whose threads only enter and leave, and one
per sub-interpreter. Nobody ever waits. Exits with 77 where there is no such thing.
"""
import sys
import threading

CODE = """
import time
deadline = time.perf_counter() + {seconds}
count = 0
while time.perf_counter() < deadline:
    for i in range(1000):
        count += i * i
"""


def interpreters():
    if sys.version_info >= (3, 13):
        import _interpreters

        return _interpreters.create, _interpreters.exec, _interpreters.destroy
    if sys.version_info >= (3, 12):
        import _xxsubinterpreters

        return (_xxsubinterpreters.create, _xxsubinterpreters.run_string,
                _xxsubinterpreters.destroy)
    sys.exit(77)


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


main(float(sys.argv[1]) if len(sys.argv) > 1 else 0.3)
