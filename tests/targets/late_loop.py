# SPDX-License-Identifier: MIT
"""Threads that take and drop the GIL, each a known number of times, after a while of quiet.

    late_loop.py SECONDS PAIRS THREADS [COMMAND...]

prints the number of times that each thread gave the GIL up in its loop. COMMAND is started first,
without an environment, and waited for at the end.
"""
import os
import subprocess
import sys
import threading
import time


def work(zero, pairs):
    read = os.read
    for _ in range(pairs):
        read(zero, 1)


def main(seconds, pairs, count, command):
    child = subprocess.Popen(command, env={}) if command else None
    zero = os.open("/dev/zero", os.O_RDONLY)
    threads = [threading.Thread(target=work, args=(zero, pairs), name="worker %d" % number)
               for number in range(count)]
    time.sleep(seconds)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if child:
        child.wait()
    print(pairs)


main(float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
