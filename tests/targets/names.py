# SPDX-License-Identifier: MIT
"""Threads whose names try to break what shows them: markup, escapes, perf's own separators.

The kernel keeps 15 bytes. Prints each name as hex, one a line, in the order of the threads.
"""
import ctypes
import threading
import time

NAMES = [
    b"</script><b>",
    b"<img src=x>",
    b"my wrk 1:2 [3]",
    b"x ==> y=1",
    b"==> x=1",
    b"[001] 1.5: a:b",
    b"new\nline\n1/1 [0]",
    b"\x1b[31mred\x1b]0;t",
    b"\xff\xfe\x80bad",
    "\u202eevil\U0001f600".encode(),
    b"'\"`$(id);&|",
    b"%s%n%d%x",
    b":12345",
    b" lead trail ",
    b"../../etc",
    b"=HYPERLINK(1)",
]
PR_SET_NAME = 15
PRCTL = ctypes.CDLL(None).prctl


def work(name, barrier):
    PRCTL(PR_SET_NAME, ctypes.c_char_p(name), 0, 0, 0)
    barrier.wait()
    deadline = time.perf_counter() + 0.3
    while time.perf_counter() < deadline:
        sum(range(100))


def main():
    barrier = threading.Barrier(len(NAMES))
    threads = [threading.Thread(target=work, args=(name, barrier)) for name in NAMES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in NAMES:
        print(name[:15].hex())


main()
