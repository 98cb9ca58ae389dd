# SPDX-License-Identifier: MIT
"""scripts/bench metrics: what --metrics costs a loop that does nothing but take and give the GIL, and
threads that contend; and whether giltracer's memory stays what it is."""
import re
import socket
import statistics
import subprocess
import threading
import time
import urllib.request

import harness

# As targets/gilloop.py. Prints the nanoseconds of each pair, of the clock and of its own CPU time, which
# does not depend on what else the machine does.
LOOP = """
import os, sys, time
zero, read, pairs = os.open("/dev/zero", os.O_RDONLY), os.read, int(sys.argv[1])
began, used = time.perf_counter(), time.process_time()
for _ in range(pairs):
    read(zero, 1)
print((time.perf_counter() - began) / pairs * 1e9, (time.process_time() - used) / pairs * 1e9)
"""
CONTENDED = """
import sys, threading, time
end = time.monotonic() + float(sys.argv[1])
def work():
    while time.monotonic() < end: time.sleep(0)
def start(): return [one.start() or one for one in [threading.Thread(target=work) for _ in range(3)]]
[one.join() for one in start()]
"""
MOST_RATIO, MOST_GROWTH = 1.02, 1.1


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Scraper(threading.Thread):
    """Scrapes every second, and notes giltracer's memory."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.over, self.bytes, self.text = port, threading.Event(), [], ""
        self.start()

    def run(self):
        while not self.over.wait(1):
            try:
                self.text = urllib.request.urlopen("http://127.0.0.1:%d/metrics" % self.port,
                                                   timeout=5).read().decode()
            except OSError:
                continue  # it does not listen yet, or any more
            self.bytes.append(self.value("giltracer_resident_memory_bytes"))

    def value(self, name):
        return float(re.search(r"^%s (.*)$" % name, self.text, re.M).group(1))

    def finish(self):
        self.over.set()
        self.join()
        return self


def output_of(argv):
    done = subprocess.run([str(word) for word in argv], stdout=subprocess.PIPE, check=True,
                          stdin=subprocess.DEVNULL)
    return done.stdout.decode()


def counted(options, *words):
    """The words' output, and who scraped meanwhile."""
    port = free_port()
    scraper = Scraper(port)
    out = output_of([options.build / "giltracer", "-q", "--metrics", ":%d" % port, "--python",
                     options.python, *words])
    return out, scraper.finish()


def metrics(options, folder, table):
    pairs = 20 * options.pairs
    alone, counting = [], []
    for _ in range(options.rounds):
        alone.append(output_of([options.python, "-c", LOOP, pairs]).split())
        counting.append(counted(options, "-c", LOOP, pairs)[0].split())
    for index, (what, limit) in enumerate((("time", None), ("CPU time", MOST_RATIO))):
        ratio = statistics.median(float(two[index]) / float(one[index])
                                  for one, two in zip(alone, counting))
        table.row("the loop alone, %s of a pair" % what, "%.0f ns" % statistics.median(
            float(one[index]) for one in alone))
        table.row("  with metrics, scraped every second / that", "%.3f" % ratio,
                  limit and "<= %.2f" % limit, not limit or ratio <= limit)
    minutes = options.minutes or 10
    began = time.monotonic()
    scraper = counted(options, "-c", CONTENDED, 60 * minutes)[1]
    took = time.monotonic() - began
    early = max(scraper.bytes[:max(len(scraper.bytes) // 4, 6)])
    late = max(scraper.bytes[len(scraper.bytes) // 2:])
    table.row("events per second, three threads that contend",
              "%.0f" % (scraper.value("giltracer_events_total") / took))
    cpu = sum(float(value) for value in re.findall(r"cpu_seconds_total\{[^}]*\} (.*)", scraper.text))
    table.row("CPUs that giltracer and perf use for that", "%.3f" % (cpu / took))
    table.row("of that time nothing is known", "%.3f" % (
        scraper.value("giltracer_lost_seconds_total") /
        scraper.value("giltracer_recorded_seconds_total")))
    table.row("memory in the first quarter, at most", "%.1f MiB" % (early / 2 ** 20))
    table.row("  in the last half / that", "%.2f" % (late / early), "<= %.1f" % MOST_GROWTH,
              late <= MOST_GROWTH * early)
