# SPDX-License-Identifier: MIT
"""Runs a plan, keeps its state in a file, and tells what came out."""
import collections
import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
import traceback

import harness
from truth import check, conditions, plan
from truth.log import Log, milestones

PROGRAMS = harness.TARGETS / "truth" / "programs.py"
EXT_SOURCE = harness.TARGETS / "truth" / "truthext.c"
TIMEOUT_S = 90
DEFAULT_INTERVAL_S = 0.005
REDO = 2  # of a run whose program could not do what it should: conditions, not giltracer


def headers():
    """A folder with Python.h, of any CPython: the object is of the stable ABI."""
    candidates = [sysconfig.get_paths()["include"]]
    for one in harness.interpreters():
        root = pathlib.Path(one.path).resolve().parent.parent
        candidates += sorted(map(str, root.glob("include/python3*")))
    for path in candidates:
        if os.path.exists(os.path.join(path, "Python.h")):
            return path
    raise SystemExit("truth: no Python.h: install python3-dev")


def build_ext(build):
    """truthext, compiled where it is older than its source."""
    built = pathlib.Path(build) / "truth" / "truthext.abi3.so"
    if not built.exists() or built.stat().st_mtime < EXT_SOURCE.stat().st_mtime:
        built.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O2", "-Wall", "-pthread",
                        "-I", headers(), "-o", str(built), str(EXT_SOURCE)], check=True)
    return built


def options_of(entry):
    """giltracer's."""
    words = ["--gil-source", entry.source]
    words += {"functions": ["--python-trace"], "plain": ["--no-python-trace"],
              "states": ["--python-trace", "--state-detect"]}[entry.variant]
    if entry.condition == "hole" and entry.hole == "limit":
        words += ["--max-log-size", "1M"]
    return words


def words_of(entry, ext, log):
    """The program's."""
    words = [str(PROGRAMS), entry.program, "--ext", str(ext), "--log", str(log)]
    if entry.interval:
        words += ["--interval", str(entry.interval)]
    if entry.condition == "crowd":
        words += ["--crowd"]
    if entry.condition == "hole" and entry.hole not in ("tmpfs", "limit"):
        words += ["--hole", entry.hole]
    return words


class Outcome:
    """Of one run: what is kept in the state file."""

    def __init__(self, entry):
        self.entry, self.complaints = entry, []
        self.culprit = self.marked = False
        self.kept_ns, self.seconds, self.argv = 0, 0.0, []

    def as_json(self):
        return {"number": self.entry.number, "culprit": self.culprit, "marked": self.marked,
                "kept_ns": self.kept_ns, "seconds": round(self.seconds, 2),
                "complaints": self.complaints, "argv": self.argv}


def watch(process, log, condition):
    """Until the process ends; the condition ends when the program says so."""
    deadline, over = time.monotonic() + TIMEOUT_S, False
    while process.poll() is None:
        if time.monotonic() > deadline:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return False
        if not over and milestones(log)[1]:
            over = True
            condition.over()
        condition.tick()
        time.sleep(0.02)
    return True


def one(entry, options, folder):
    """Run one entry; everything of it is in `folder`."""
    outcome, began = Outcome(entry), time.monotonic()
    python = plan.interpreter(entry)
    if not python:
        outcome.complaints.append(("wrong", "no CPython %d.%d here" % entry.version))
        return outcome
    log, summary, tmp = folder / "truth.log", folder / "summary.json", folder / "tmp"
    for path in (tmp, folder / "empty"):
        path.mkdir()
        path.chmod(0o777)
    folder.chmod(0o755)
    argv = [str(options.build / "giltracer"), "--python", python.path, *options_of(entry),
            "--summary", str(summary), "-o", str(folder / "x.folded"),
            *(["--keep", str(folder / "kept")] if options.keep else []),
            *words_of(entry, options.ext, log)]
    outcome.argv = argv
    condition = conditions.make(entry, folder)
    try:
        with open(str(folder / "stderr.txt"), "wb") as stderr:
            process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr, cwd=str(folder),
                env=dict(os.environ, TMPDIR=str(tmp), PYTHONDONTWRITEBYTECODE="1",
                         **condition.env),
                start_new_session=True, preexec_fn=condition.enter)
            finished = watch(process, log, condition)
    finally:
        condition.remove()
    outcome.seconds = time.monotonic() - began
    printed = (folder / "stderr.txt").read_text(errors="replace")
    judge(outcome, finished, process.returncode, summary, printed, log)
    return outcome


def judge(outcome, finished, status, summary, printed, log_path):
    entry = outcome.entry
    if not finished:
        outcome.complaints.append(("wrong", "still running after %d s" % TIMEOUT_S))
        return
    if status == 0 and entry.condition == "hole" and "giltracer: no report: " in printed:
        return  # nothing said, nothing false
    if status != 0 or not summary.exists():
        outcome.complaints.append(("wrong", "status %d: %s" % (
            status, (printed.strip().splitlines() or ["?"])[-1])))
        return
    interval_ns = int(1e9 * (entry.interval or DEFAULT_INTERVAL_S))
    try:
        log = Log(log_path, interval_ns)
        document = json.loads(summary.read_text())
        checker = check.Checker(entry, document, printed, log)
        outcome.complaints += checker.all()
        outcome.culprit, outcome.kept_ns = checker.culprit, log.kept_ns()
        outcome.marked = any(checker.is_allowed(row) for row in checker.marked)
    except Exception:  # what cannot even be read is a complaint like others
        outcome.complaints.append(("wrong", traceback.format_exc().strip()[-600:]))


# --- state, and what is kept of failures -----------------------------------------------------

class State:
    """A line of JSON per run that is done; the first says which plan it is."""

    def __init__(self, path, header):
        self.path, self.done = path, {}
        if path.exists():
            lines = path.read_text().splitlines()
            if lines and json.loads(lines[0]) == header:
                for line in lines[1:]:
                    try:
                        result = json.loads(line)
                    except ValueError:
                        continue  # cut off by an interruption
                    self.done[result["number"]] = result
            else:
                path.rename(str(path) + ".old")
        if not self.done:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(header) + "\n")

    def add(self, result):
        self.done[result["number"]] = result
        with open(str(self.path), "a") as stream:
            stream.write(json.dumps(result) + "\n")


def describe(entry):
    return "%s, %s%s, %s, %s, %d.%d%s" % (
        entry.program, entry.condition,
        " (%s)" % entry.hole if entry.condition == "hole" else "", entry.source, entry.variant,
        *entry.version, ", interval %g" % entry.interval if entry.interval else "")


def kept_folder(options, entry):
    return options.state.parent / "failures" / ("%s-%04d" % (options.state.stem, entry.number))


def run_one(entry, options):
    """One entry, and its folder kept when something is wrong with it."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="gt-truth-"))
    try:
        try:
            outcome = one(entry, options, folder)
        except Exception:  # the others are to run, however this one failed
            outcome = Outcome(entry)
            outcome.complaints.append(("wrong", traceback.format_exc().strip()[-600:]))
        if outcome.complaints or options.keep:
            (folder / "entry.json").write_text(json.dumps(
                {"entry": entry._asdict(), "seed": options.seed, "runs": options.runs,
                 **outcome.as_json()}, indent=1))
            kept = kept_folder(options, entry)
            shutil.rmtree(str(kept), ignore_errors=True)
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(str(folder), str(kept), ignore=shutil.ignore_patterns("tmp"))
        return outcome
    finally:
        shutil.rmtree(str(folder), ignore_errors=True)


def plan_of(options):
    entries = plan.make(options.runs, options.seed)
    digest = hashlib.sha256(repr(entries).encode()).hexdigest()[:16]
    return entries, {"runs": options.runs, "seed": options.seed, "plan": digest}


def prepared(options):
    """Fill in what the functions here need besides the user's options."""
    reason = None if os.geteuid() == 0 else "not root"
    reason = reason or harness.why_no_perf()
    if reason:
        raise SystemExit("truth: cannot run here: " + reason)
    options.ext = build_ext(options.build)
    options.state = pathlib.Path(options.state or options.build / "truth" / (
        "%d-%d.jsonl" % (options.seed, options.runs))).resolve()
    return options


def main(options):
    """True when nothing was wrong."""
    prepared(options)
    entries, header = plan_of(options)
    if options.only:
        entries = [entries[int(word)] for word in options.only.split(",")]
        results = {}
    else:
        state = State(options.state, header)
        results = state.done
        least, (one, two, levels) = plan.least_pair(entries)
        print("%d runs, %d of them done; the rarest pair (%s %s, %s %s) is there %d times" % (
            len(entries), len(results), one, levels[0], two, levels[1], least))
    began = time.monotonic()
    for entry in entries:
        if entry.number in results:
            continue
        if options.minutes and time.monotonic() - began > 60 * options.minutes:
            break
        outcome = run_one(entry, options)
        result = outcome.as_json()
        if options.only:
            results[entry.number] = result
        else:
            state.add(result)
        for kind, words in dict(reversed(outcome.complaints)).items():  # the first of each kind
            print("%4d %s: %s: %s" % (entry.number, describe(entry), kind, words[:300]))
        sys.stdout.flush()
    table(entries, results)
    if not options.only and len(results) == len(entries):
        print("failures are kept in %s; scripts/bench truth --runs %d --seed %d --only N [--keep] "
              "repeats one" % (kept_folder(options, entries[0]).parent, options.runs,
                               options.seed))
    return all(not result["complaints"] for result in results.values())


# --- small operations, again and again -------------------------------------------------------

SMALL = [("small", 9000), ("multiply", 12000), ("multiply", 14000), ("multiply", 25000)]
SMALL_ROUNDS = 40


def traced(words, options, python, source, interval_ns=int(1e9 * DEFAULT_INTERVAL_S)):
    """(summary, log) of a program, with functions traced."""
    with tempfile.TemporaryDirectory(prefix="gt-truth-") as name:
        folder = pathlib.Path(name)
        log, summary = folder / "truth.log", folder / "summary.json"
        argv = [options.build / "giltracer", "-q", "--python", python.path, "--gil-source", source,
                "--python-trace", "--summary", summary, "-o", folder / "x.folded", PROGRAMS,
                *words, "--ext", options.ext, "--log", log]
        subprocess.run(list(map(str, argv)), stdin=subprocess.DEVNULL, cwd=name, check=True,
                       timeout=TIMEOUT_S, env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1"))
        return json.loads(summary.read_text()), Log(log, interval_ns)


def small(options, table):
    """How many small operations are found to keep the GIL: nine tenths at least of those that
    surely outlasted a request by a millisecond."""
    prepared(options)
    newest = {one.version[:2]: one for one in harness.interpreters()}
    for name, size in SMALL:
        for source in plan.SOURCES:
            for python in (newest[min(newest)], newest[max(newest)]):
                summary, log = traced([name, "--size", str(size), "--beat", "1000", "--rounds",
                                       str(SMALL_ROUNDS)], options, python, source)
                outlasted = sum(one.cpu >= check.MS for one in log.kept)
                function, _ = plan.allowed(name)
                found = sum(row["kept"] for row in summary["blockers"] if row["kept_cause"] and
                            function.fullmatch(row["function"]))
                kind = "ctypes call" if name == "small" else "a @ b"
                table.row("%s of %g ms, %s, %s" % (kind, size / 1e3, source, python.name),
                          "%d of %d" % (found, len(log.kept)), ">= %d" % (0.9 * outlasted),
                          found >= int(0.9 * outlasted))


# --- the table -------------------------------------------------------------------------------

class Count:
    def __init__(self):
        self.runs = self.culprits = self.marked = 0
        self.kinds = collections.Counter()

    def add(self, result):
        self.runs += 1
        self.culprits += result["culprit"]
        self.marked += result["culprit"] and result["marked"]
        self.kinds.update({kind for kind, _ in result["complaints"]})

    def __str__(self):
        return "%4d %8d %7d %7d %10d %14d %8d %6d" % (
            self.runs, self.culprits, self.marked, self.kinds["missed"],
            self.kinds["false-mark"], self.kinds["false-sentence"], self.kinds["promise"],
            self.kinds["wrong"])


HEAD = "%4s %8s %7s %7s %10s %14s %8s %6s" % ("runs", "culprits", "marked", "missed", "false mark",
                                             "false sentence", "promises", "wrong")


def rows(title, entries, results, key):
    counts = collections.OrderedDict()
    for entry in entries:
        if entry.number in results:
            counts.setdefault(key(entry), Count()).add(results[entry.number])
    print("\n%-28s %s" % (title, HEAD))
    for name in sorted(counts):
        print("%-28s %s" % (name, counts[name]))


def cells(entries, results):
    """program x condition: runs / marked of culprits / failures."""
    print("\n%-15s %s" % ("program", " ".join("%-12s" % name for name in plan.CONDITIONS)))
    for program in plan.PROGRAMS:
        line = []
        for condition in plan.CONDITIONS:
            found = [results[entry.number] for entry in entries if entry.number in results and
                     (entry.program, entry.condition) == (program, condition)]
            culprits = [one for one in found if one["culprit"]]
            failed = sum(bool(one["complaints"]) for one in found)
            line.append("%-12s" % ("%d %d/%d%s" % (
                len(found), sum(one["marked"] for one in culprits), len(culprits),
                " %d!" % failed if failed else "")))
        print("%-15s %s" % (program, " ".join(line)))
    print("(runs, culprits marked / there, runs that failed!)")


def table(entries, results):
    cells(entries, results)
    rows("program", entries, results, lambda one: one.program)
    rows("condition", entries, results,
         lambda one: one.condition + (" (%s)" % one.hole if one.condition == "hole" else ""))
    rows("source", entries, results, lambda one: "%s, %s" % (one.source, one.variant))
    rows("interpreter", entries, results, lambda one: "%d.%02d" % one.version)
    rows("switch interval", entries, results, lambda one: "%g" % (one.interval or
                                                               DEFAULT_INTERVAL_S))
    rows("", entries, results, lambda one: "all")
