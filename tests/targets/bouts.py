# SPDX-License-Identifier: MIT
"""Three threads that are there all the time: calm for `calm` seconds, in which they sleep, then in
contention for the GIL for `contended` seconds, in turn, `times` times, and calm again. A line for each
contention says when it began, on CLOCK_MONOTONIC."""
import sys
import threading
import time

calm, contended, times = float(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
began = time.monotonic()
starts = [began + calm + number * (calm + contended) for number in range(times)]


def sleep_until(moment):
    time.sleep(max(0, moment - time.monotonic()))


def work():
    for start in starts:
        sleep_until(start)
        while time.monotonic() < start + contended:
            sum(range(500))
    sleep_until(starts[-1] + contended + calm)


threads = [threading.Thread(target=work, name="worker-%d" % number) for number in range(3)]
for thread in threads:
    thread.start()
for number, start in enumerate(starts):
    print(number, start, flush=True)
for thread in threads:
    thread.join()
