# SPDX-License-Identifier: MIT
"""Writes to stdout and stderr what a terminal never saw, in a fixed order and amount.

    streams.py binary       all byte values, invalid UTF-8, NULs, no newline at the end
    streams.py large        8 MiB on stdout
    streams.py interleaved  2000 short writes, alternately to stdout and stderr
    streams.py cat          copies stdin to stdout until its end
    streams.py closed       reports which of fd 0..2 are open, to fd 3
"""
import os
import sys


def write_all(fd, data):
    while data:
        data = data[os.write(fd, data):]


def main(what):
    if what == "binary":
        write_all(1, bytes(range(256)) * 16 + b"\xff\xfe\x00\xc3(")
        write_all(2, b"\x1b[31m\xf0\x28\x8c\x28" + bytes(reversed(range(256))))
    elif what == "large":
        for i in range(128):
            write_all(1, bytes([i]) * 65536)
    elif what == "interleaved":
        for i in range(1000):
            write_all(1, b"out %d\n" % i)
            write_all(2, b"err %d\n" % i)
    elif what == "cat":
        while True:
            data = os.read(0, 65536)
            if not data:
                break
            write_all(1, data)
    elif what == "closed":
        states = []
        for fd in range(3):
            try:
                os.fstat(fd)
                states.append("open")
            except OSError:
                states.append("closed")
        write_all(3, " ".join(states).encode())


main(sys.argv[1])
