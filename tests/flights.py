# SPDX-License-Identifier: MIT
"""A run with --keep-last, and what its reports must be of."""
import glob
import json
import os
import signal
import subprocess
import threading
import time

from harness import an_interpreter, check_document, start, target, wait_for

KEEP = 2.0
LATE = 0.3  # giltracer gets the signal


class Flight:
    """A run with --keep-last of the phases, whose lines are read as they come."""

    def __init__(self, tmp_path, *options, seconds=0.7, program=None, env=None):
        self.run = start(["--keep-last", "%gs" % KEEP, *options, "-o", "r.json",
                          program or target("phases"), seconds], tmp_path, env=env)
        self.folder, self.began = tmp_path, {}
        self.reader = threading.Thread(target=self.read, args=(self.run.process.stdout,), daemon=True)
        self.reader.start()

    def read(self, lines):
        for line in lines:
            number, moment = line.split()
            self.began[int(number)] = float(moment)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        if self.run.process.poll() is None:
            self.run.end_processes()

    def wait_for_phase(self, number):
        wait_for(lambda: number in self.began or self.run.process.poll() is not None,
                 "phase %d did not begin" % number, 60)
        assert self.run.process.poll() is None, self.run.process.stderr.read()

    def program(self):
        return int(subprocess.run(["pgrep", "-f", "-P", str(self.run.pid), "phases.py"],
                                  capture_output=True, text=True, check=True).stdout.split()[0])

    def log(self, name="/agent/log"):
        found = {os.path.realpath(path) for path in glob.glob("/proc/%d/fd/*" % self.run.pid)}
        return next((path for path in found if path.endswith(name)), None)

    def log_bytes(self, name="/agent/log"):
        """Of the disk that it takes."""
        log = self.log(name)
        return os.stat(log).st_blocks * 512 if log else 0

    def report(self, number):
        path = self.folder / ("r-%d.json" % number)
        wait_for(path.exists, "no %s" % path, 60)
        return json.loads(path.read_text())

    def end(self):
        os.kill(self.program(), signal.SIGTERM)
        ended = time.monotonic()
        self.reader.join()
        self.run.finish()
        assert self.run.status == 128 + signal.SIGTERM, self.run
        assert not self.run.leftovers()
        return json.loads((self.folder / "r.json").read_text()), ended

    def check(self, document, asked, at_latest, shorter=0.2):
        """It is of the moments before it was asked for, between these two (CLOCK_MONOTONIC), and of
        the phases of these moments. It may be shorter by so much."""
        check_document(document)
        gil, = document["giltracer"]["gils"]
        length = max(row["lifetime_ns"] for row in gil["threads"]) / 1e9
        assert KEEP - shorter < length <= KEEP
        seen = {int(row["label"].split("-")[0]) for row in gil["threads"] if "-" in row["label"]}
        numbers = sorted(self.began)
        ends = dict(zip(numbers, [self.began[number] for number in numbers[1:]] + [float("inf")]))
        for number in numbers:
            surely = min(ends[number], asked) - max(self.began[number], at_latest - KEEP)
            maybe = min(ends[number], at_latest) - max(self.began[number], asked - KEEP)
            assert number in seen or surely < 0.1, (number, seen)
            assert number not in seen or maybe > -0.1, (number, seen)
            lives = [row["lifetime_ns"] / 1e9 for row in gil["threads"]
                     if row["label"].startswith("%d-" % number)]
            assert all(life < maybe + 0.1 for life in lives), "lived before it was born: %d" % number
        held = sum(row["hold_ns"] for row in gil["threads"]) / 1e9
        assert held > 0.5 * length, "three threads never let go of it"
        return gil


class AttachedFlight(Flight):
    """The phases ran before; --keep-last records them by their number."""

    def __init__(self, tmp_path, *options, python=None, seconds=0.7):
        self.process = subprocess.Popen([python or an_interpreter(3, 7).path, target("phases"), str(seconds)],
                                        stdout=subprocess.PIPE)
        self.folder, self.began = tmp_path, {}
        self.reader = threading.Thread(target=self.read, args=(self.process.stdout,), daemon=True)
        self.reader.start()
        self.run = start(["--pid", self.process.pid, "--keep-last", "%gs" % KEEP, *options, "-o", "r.json"],
                         tmp_path)

    def __exit__(self, *unused):
        super().__exit__()
        self.process.kill()
        self.process.wait()

    def program(self):
        return self.process.pid

    def end(self):
        """The recording: the program runs on."""
        self.run.process.send_signal(signal.SIGINT)
        ended = time.monotonic()
        self.run.finish()
        assert self.run.status == 0 and self.process.poll() is None, self.run
        assert not self.run.leftovers()
        return json.loads((self.folder / "r.json").read_text()), ended
