# SPDX-License-Identifier: MIT
"""One thread, 100,000 system calls that each release the GIL: nobody waits, ever."""
import os
import sys


def main(calls):
    zero = os.open("/dev/zero", os.O_RDONLY)
    read = os.read
    for _ in range(calls):
        read(zero, 1)


main(int(sys.argv[1]) if len(sys.argv) > 1 else 100000)
