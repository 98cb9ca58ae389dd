# SPDX-License-Identifier: MIT
"""Takes and drops the GIL so many times in a second, in two threads, in bursts after each of which a
thread sleeps, and prints how often it did, with the sleeps and what printing takes:

    paced.py RATE -> "<CLOCK_MONOTONIC> <cycles so far>", 50 times in a second, until it is ended
"""
import os
import sys
import threading
import time

BURSTS, LINES = 100, 50  # in a second
counts = [0, 0, 0]


def work(index, each):
    zero, lseek = os.open("/dev/zero", os.O_RDONLY), os.lseek
    due = time.monotonic()
    while True:
        for _ in range(each):
            lseek(zero, 0, 0)
        counts[index] += each + 1
        due += 1 / BURSTS
        time.sleep(max(0, due - time.monotonic()))


def main(rate):
    for index in range(2):
        threading.Thread(target=work, args=(index, rate // BURSTS // 2), daemon=True).start()
    while True:
        print("%.6f %d" % (time.monotonic(), sum(counts)), flush=True)
        time.sleep(1 / LINES)
        counts[2] += 2


main(int(sys.argv[1]))
