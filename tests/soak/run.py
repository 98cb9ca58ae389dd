# SPDX-License-Identifier: MIT
"""Many short runs, several at once, some of them with a random fault (soak/kinds.py).

Of each run: it ends, the target's output and status are its own, a report is whole or says what it
lacks, and where there is none a line says why. Of all runs together: 10 seconds after the last one no
process, probe, folder, temporary file or descriptor is left of any of them.
"""
import argparse
import collections
import concurrent.futures
import itertools
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback

import harness
import processes
from soak import kinds

TIMEOUT_S = 90
GONE_S = 10
ATTEMPTS = 8  # at a fault that was not reached
NOBODY = 65534
OUTCOMES = ("whole", "part lost", "no report", "refused", "ended")
SAN = re.compile(r"AddressSanitizer|runtime error:|corrupted|invalid pointer|double free|Assertion")


# --- what runs -------------------------------------------------------------------------------

class Stage:
    """What all runs share: a folder that every user may enter, with the programs, recordings to read,
    and the folders of temporary files."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="gt-soak-"))
        self.folder.chmod(0o755)
        self.tmp = self.folder / "tmp"
        self.tmp.mkdir()
        self.tmp.chmod(0o1777)
        self.mark = "soak-%d" % os.getpid()
        self.programs = self.folder / "programs"
        self.programs.mkdir()
        for path in (harness.GILTRACER, harness.PERF2TRACE, harness.OFFGIL, harness.AGENT,
                     harness.FAULTS, harness.BUILD / "giltracer-gate"):
            shutil.copy(str(path), str(self.programs))
        shutil.copy(harness.target("steady"), str(self.programs))
        kinds.Calls.preload = self.programs / harness.FAULTS.name
        # Reports that Python reads in a tenth of a second: else reading them is most of all work.
        self.target = [str(self.programs / "steady.py"), "3", "3000"]
        self.kept = self.folder / "kept"
        self.expected = self.ask_target()
        self.record()
        self.pids = set()
        self.faults = {}  # by the number of the run

    def environment(self):
        return dict(os.environ, TMPDIR=str(self.tmp), HOME=str(self.folder), LC_ALL="C.UTF-8",
                    PYTHONDONTWRITEBYTECODE="1", GT_TEST_RUN=self.mark)

    def ask_target(self):
        done = subprocess.run([harness.DEBIAN_PYTHON, *self.target], stdout=subprocess.PIPE,
                              stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False,
                              env=self.environment())
        assert done.returncode == 7 and not done.stderr, done
        return done.stdout

    def record(self):
        """What perf2trace and offgil read."""
        done = subprocess.run(self.words("probes", "--state-detect", "--call-graph", "--keep",
                                         str(self.kept), "-o", str(self.folder / "x.json")),
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=self.environment(), cwd=str(self.folder))
        assert done.returncode == 7, done

    def words(self, mode, *options):
        program = str(self.programs / ("giltracer" if mode in kinds.LAUNCHER else mode))
        if mode in kinds.LAUNCHER:
            source = ["--gil-source", "agent"] if mode == "agent" else []
            return [program, "--python", harness.DEBIAN_PYTHON, *source, *options, *self.target]
        words = [program, *options, str(self.kept / "perf.data")]
        if mode == "offgil":
            return [*words, "--state", "S", "--agent-log", str(self.kept / "agent")]
        return [*words, "--agent-log", str(self.kept / "agent"), "--probes",
                str(self.kept / "probes.data")]

    def release(self):
        shutil.rmtree(str(self.folder), ignore_errors=True)


class Reader:
    """All that comes out of a pipe."""

    def __init__(self, stream):
        self.parts = []
        self.thread = threading.Thread(target=self.read, args=(stream,), daemon=True)
        self.thread.start()

    def read(self, stream):
        with stream:
            for part in iter(lambda: stream.read1(1 << 16), b""):
                self.parts.append(part)

    def text(self):
        """The whole, unless somebody who outlived the program keeps the pipe open."""
        self.thread.join(GONE_S)
        return b"".join(self.parts)


class Run:
    """One run, with one fault or none."""

    def __init__(self, stage, number, mode, fault):
        self.stage, self.mode, self.fault = stage, mode, fault
        self.folder = stage.folder / ("run-%d" % number)
        self.tmp = stage.tmp / str(number)
        stage.faults[str(number)] = "%s, %s" % (mode, fault)
        self.mark = "%s-%d" % (stage.mark, number)
        self.said = None

    def prepare(self):
        shutil.rmtree(str(self.folder), ignore_errors=True)
        for path in (self.folder, self.folder / "out", self.folder / "tmp", self.tmp):
            path.mkdir(exist_ok=True)
            path.chmod(0o1777)  # where others could replace what is in it, root keeps nothing
        self.outputs = [self.folder / "out" / ("x" + ending) for ending in
                        ((".svg",) if self.mode == "offgil" else (".json", ".html"))]

    def enter(self):
        self.fault.limit()
        if self.mode == "agent":
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)

    def go(self):
        self.prepare()
        what = self.once()
        if what == "ended":  # the next run removes what is left of this one
            self.fault = kinds.Fault(None, self.mode)
            next_one = self.once()
            assert next_one in ("whole", "part lost"), "the next run: %s" % next_one
        return what

    def once(self):
        options = [word for path in self.outputs for word in ("-o", str(path))]
        env = dict(self.stage.environment(), GT_TEST_RUN=self.mark, TMPDIR=str(self.tmp))
        env.update(self.fault.environment(self.folder))
        try:
            process = subprocess.Popen(
                self.stage.words(self.mode, *options), stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=str(self.folder), env=env,
                start_new_session=True, preexec_fn=self.enter)
            self.stage.pids.add(process.pid)
            self.said = [Reader(process.stdout), Reader(process.stderr)]
            self.wait(process)
            self.out = self.said[0].text()
            self.fault.after(self.folder, self.printed())
            return self.judge(process.returncode)
        finally:
            self.clean()

    def wait(self, process):
        deadline = time.monotonic() + TIMEOUT_S
        while process.poll() is None:
            if time.monotonic() > deadline:
                doing = [" ".join(processes.words_of(pid)) for pid in processes.descendants(process.pid)]
                processes.end(marked(self.mark))
                process.kill()
                process.wait()
                raise AssertionError("still running after %d s, with %s:\n%s" % (
                    TIMEOUT_S, doing, self.printed()))
            self.fault.watch(process)
            time.sleep(kinds.POLL_S)

    def printed(self):
        return self.said[1].text().decode("utf-8", "replace") if self.said else ""

    # --- what came out ---

    def judge(self, status):
        printed, fault = self.printed(), self.fault
        own = [line for line in printed.splitlines()
               if re.match("(giltracer|perf2trace|offgil): (?!wrote )", line)]
        assert not SAN.search(printed), printed
        self.check_target(status, printed)
        if status < 0:
            assert -status in fault.kills, "ended by signal %d\n%s" % (-status, printed)
            return "ended"
        reports = [path for path in self.outputs if path.exists()]
        lost = bool(own)
        for path in reports:
            lost = self.check_report(path) or lost
        assert len(reports) == len(self.outputs) or own or status >= 128 or fault.mutes, \
            "status %d, reports %s, and not a word of why\n%s" % (status, reports, printed)
        if not fault.reached and not isinstance(fault, kinds.Limit):
            assert len(reports) == len(self.outputs), "status %d: %s" % (status, printed)
        if status in (125, 126, 127):
            return "refused"
        if not reports:
            return "no report"
        return "part lost" if lost or len(reports) < len(self.outputs) else "whole"

    def check_target(self, status, printed):
        """Its output and status are its own, whatever befalls those who watch it."""
        if self.mode not in kinds.LAUNCHER:
            assert status in (0, 125) or status > 128 or -status in self.fault.kills, \
                "status %d: %s" % (status, printed)
            return
        out = self.out
        if status == 7:
            assert out == self.stage.expected, "another output: %r" % out
        elif self.fault.hits_target or status < 0:
            assert out in (b"", self.stage.expected), "another output: %r" % out
            assert status < 0 or status > 128 or status == 125, "status %d: %s" % (status, printed)
        else:
            assert status in (125, 126, 127), "status %d: %s%s" % (status, out, printed)
            assert not out, "refused, and it ran: %r" % out
            assert printed or self.fault.mutes, "refused without a word"

    def check_report(self, path):
        """Whether it says that not all is there."""
        assert path.stat().st_size, "an empty %s" % path.name
        if path.suffix == ".html":
            assert path.read_bytes().rstrip().endswith(b"</html>"), "half a page"
        if path.suffix == ".svg":
            assert path.read_bytes().rstrip().endswith(b"</svg>"), "half a picture"
        if path.suffix != ".json":
            return False
        document = harness.read_json(path)
        harness.check_document(document)
        summary = document["giltracer"]
        assert not summary["quality"]["unordered"], summary["quality"]
        lost = bool(summary["lost"] or summary["unseen"] or summary["quality"]["lost_events"])
        labels = {row["label"] for gil in summary["gils"] for row in gil["threads"]}
        if not lost and not self.fault.reached:
            assert {"worker-0", "worker-1", "worker-2"} <= labels, labels
        return lost

    def clean(self):
        for place in ("tmp", "out"):
            if os.path.ismount(str(self.folder / place)):
                subprocess.run(["umount", "-l", str(self.folder / place)], check=False)


# --- what is left ----------------------------------------------------------------------------

def marked(mark):
    return processes.marked(("%s=%s" % (harness.MARK, mark)).encode())


def descriptors(folder):
    """Of any process, on anything below the folder, also when that is deleted."""
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            for fd in os.listdir("/proc/%s/fd" % entry):
                path = os.readlink("/proc/%s/fd/%s" % (entry, fd))
                if path.startswith(str(folder) + "/"):
                    yield "descriptor %s of process %s: %s" % (fd, entry, path)
        except OSError:
            continue


def leftovers(stage, told):
    """Of all runs; what a run said that it kept, or could not remove, is left out."""
    left = ["process %d: %s" % (pid, " ".join(processes.words_of(pid))) for pid in marked(stage.mark)]
    left += ["probe " + line for line in harness.probes()
             if any(harness.probe_is_of(line, pid) for pid in stage.pids)]
    left += ["of run %s (%s): %s" % (place.name, stage.faults[place.name], path)
             for place in stage.tmp.iterdir() if place.is_dir()
             for path in place.iterdir() if str(path) not in told]
    left += ["file %s" % path for run in stage.folder.glob("run-*")
             for path in (run / "out").iterdir() if not re.fullmatch(r"x\.(json|html|svg)", path.name)]
    return left + list(descriptors(stage.folder))


def wait_until_gone(stage, told):
    deadline = time.monotonic() + GONE_S
    left = leftovers(stage, told)
    while left and time.monotonic() < deadline:
        time.sleep(0.2)
        left = leftovers(stage, told)
    return left


# --- many ------------------------------------------------------------------------------------

def plan(options, table):
    """(number, mode, name of the fault or None, seed), for ever or options.runs times. Kinds follow
    each other in a random order, each as often as the others. Not each fault is reached: after
    options.runs there are more of those kinds that were not, so often, until each was options.least
    times, or was tried as often again as it had been."""
    choose = random.Random(options.seed)
    order, planned = [], collections.Counter()
    for number in itertools.count() if options.minutes else range(options.runs):
        name = None
        if choose.random() < options.share:
            order = order or choose.sample(sorted(kinds.KINDS), len(kinds.KINDS))
            name = order.pop()
            planned[name] += 1
        kind = kinds.KINDS[name] if name else kinds.Fault
        yield number, choose.choice(kind.modes), name, choose.randrange(2**32)
    for name in sorted(planned):
        choose = random.Random("%d %s" % (options.seed, name))
        for more in range(planned[name]):
            if table.tried[name] >= options.least:
                break
            number += 1
            yield number, choose.choice(kinds.KINDS[name].modes), name, choose.randrange(2**32)


class Table:
    def __init__(self):
        self.tried, self.survived = collections.Counter(), collections.Counter()
        self.outcomes = collections.defaultdict(collections.Counter)
        self.complaints = []
        self.lock = threading.Lock()

    def add(self, name, outcome, complaint):
        with self.lock:
            self.tried[name] += 1
            self.survived[name] += not complaint
            self.outcomes[name][outcome] += 1
            if complaint:
                self.complaints.append(complaint)
                print(complaint)
                sys.stdout.flush()

    def show(self):
        print("\n%-20s %6s %9s %8s %10s %10s %8s %6s" % (
            "fault", "tried", "survived", "report:", "part lost", "no report", "refused", "ended"))
        for name in sorted(self.tried, key=lambda one: (one == "none", one == "not reached", one)):
            found = self.outcomes[name]
            print("%-20s %6d %9d %8d %10d %10d %8d %6d" % (
                name, self.tried[name], self.survived[name], *(found[one] for one in OUTCOMES)))
        print("report: whole; part lost: a report that says what it lacks; no report: a line says why; "
              "refused: before\nthe program ran; ended: by the signal that was the fault")


def attempt(stage, number, mode, name, seed, table, told):
    fault = kinds.KINDS[name](random.Random(seed), mode) if name else kinds.Fault(None, mode)
    what = complaint = None
    for _ in range(ATTEMPTS if name else 1):
        run = Run(stage, number, mode, fault)
        try:
            what = run.go()
        except Exception as error:
            text = str(error) if isinstance(error, AssertionError) else traceback.format_exc()
            complaint = "run %d, %s, %s: %s: %s" % (number, mode, name, fault, text.strip()[-1500:])
        told.update(re.findall(r"(?:cannot remove|kept in) (\S*/giltracer-\w{6})\b", run.printed()))
        if fault.mutes:  # and what was to be said of them
            told.update(str(path) for path in run.tmp.glob("giltracer-*"))
        if fault.reached or complaint or not fault.weaker():
            break
    if not name:
        table.add("none", what, complaint)
    else:
        table.add(name if fault.reached else "not reached", what, complaint)


def last_run(stage, table):
    """The next run removes what a killed one left."""
    run = Run(stage, 10**6, "probes", kinds.Fault(None, "probes"))
    try:
        run.go()
    except AssertionError as error:
        table.complaints.append("the last run: %s" % error)


def soak(options, stage):
    table, told = Table(), set()
    until = time.monotonic() + 60 * options.minutes if options.minutes else None
    runs = plan(options, table)
    lock = threading.Lock()

    def worker():
        while not until or time.monotonic() < until:
            with lock:
                one = next(runs, None)
            if one is None:
                return
            attempt(stage, *one, table, told)

    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for future in [pool.submit(worker) for _ in range(options.jobs)]:
            future.result()
    last_run(stage, table)
    left = wait_until_gone(stage, told)
    table.show()
    if left:
        print("left behind after %d s:\n%s" % (GONE_S, "\n".join(left[:40])))
    for path in told:  # what was kept is not looked at
        shutil.rmtree(path, ignore_errors=True)
    return table, left


def main():
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=0)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=max(2, os.cpu_count() or 1))
    parser.add_argument("--least", type=int, help="faults that were reached, of each kind; one for "
                        "each 50 runs")
    parser.add_argument("--share", type=float, default=1 / 3, help="of the runs that have a fault")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--only", help="this kind of fault, or these: a,b")
    options = parser.parse_args()
    if options.least is None:
        options.least = options.runs // 50
    reason = harness.why_no_perf()
    if reason:
        raise SystemExit("soak: cannot run here: " + reason)
    if options.only:
        kinds.KINDS = {name: kinds.KINDS[name] for name in options.only.split(",")}
    print("seed %d, %s, %d at once" % (options.seed, "%g minutes" % options.minutes
                                       if options.minutes else "%d runs" % options.runs, options.jobs))
    sys.stdout.flush()
    stage = Stage()
    try:
        table, left = soak(options, stage)
    finally:
        processes.end(marked(stage.mark))
        stage.release()
    faults = len(table.complaints) + len(left)
    print("%d runs, %d with a fault that was reached, %d complaints" % (
        sum(table.tried.values()), sum(table.tried.values()) - table.tried["none"] -
        table.tried["not reached"], faults))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
