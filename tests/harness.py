# SPDX-License-Identifier: MIT
"""What the whole-program tests stand on: running the programs, and checking what came out.

Every run gets a temporary folder, a home and a mark in its environment of its own; `leftovers`
tells what of it is still there afterwards. Tests compare with the truth of the target program
(tests/targets) or with the oracle (tests/oracle.py), never with an earlier output.
"""
import functools
import gzip
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import uuid

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
BUILD = pathlib.Path(os.environ.get("GT_BUILD", ROOT / "build")).resolve()
GILTRACER = BUILD / "giltracer"
PERF2TRACE = BUILD / "perf2trace"
OFFGIL = BUILD / "offgil"
AGENT = BUILD / "libgiltracer-agent.so"
FAULTS = BUILD / "libgt-faults.so"
TARGETS = HERE / "targets"
FAKE_PERF = HERE / "fake" / "perf"
FAKE_BROWSER = HERE / "fake" / "browser"
DEBIAN_PYTHON = "/usr/bin/python3"
TRACEFS = ("/sys/kernel/tracing", "/sys/kernel/debug/tracing")
TIMEOUT_S = 90
MARK = "GT_TEST_RUN"

# Under sudo, too, all programs are root's, but for the tests of sudo.
for name in ("SUDO_UID", "SUDO_GID", "SUDO_USER", "SUDO_COMMAND"):
    os.environ.pop(name, None)

sys.path.insert(0, str(HERE))
import oracle  # noqa: E402
import processes  # noqa: E402
import told  # noqa: E402
import worst  # noqa: E402


# --- the machine ---------------------------------------------------------------------------

class Interpreter:
    """A CPython to trace: where it is, what it is."""

    def __init__(self, path, version):
        self.path, self.version = str(path), version
        where = "pyenv" if "/versions/" in self.path else "debian"
        self.name = "%s-%d.%d.%d" % ((where,) + version)
        self.has_symbols = where == "pyenv"  # distributions strip theirs

    def at_least(self, *version):
        return self.version >= version

    def __str__(self):
        return self.name


def ask_version(path):
    code = "import sys; print(sys.implementation.name, '%d %d %d' % sys.version_info[:3])"
    try:
        done = subprocess.run([str(path), "-c", code], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, timeout=20)
        name, *numbers = done.stdout.decode().split()
        return tuple(map(int, numbers)) if name == "cpython" else None
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None  # Python 2 has no sys.implementation


def pyenv_pythons(version=""):
    """Paths of what pyenv offers, oldest first."""
    try:
        root = subprocess.run(["pyenv", "root"], stdout=subprocess.PIPE, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return []
    versions = pathlib.Path(root.stdout.decode().strip(), "versions")
    return sorted(versions.glob(version + "*/bin/python"),
                  key=lambda p: [int(n) for n in re.findall(r"\d+", p.parts[-3])])


@functools.lru_cache(None)
def interpreters():
    """Every CPython from 3.6 up that pyenv offers, and the distribution's own."""
    candidates = [*pyenv_pythons(), pathlib.Path(DEBIAN_PYTHON)]
    found = [Interpreter(path, ask_version(path)) for path in candidates if ask_version(path)]
    return [one for one in found if one.at_least(3, 6)]


@functools.lru_cache(None)
def free_threaded(version="3.13"):
    """A CPython without a GIL, which tests/pythons/free-threaded builds where it is not there yet:
    that takes minutes, once."""
    done = subprocess.run([str(HERE / "pythons" / "free-threaded"), version],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    path = done.stdout.decode().strip()
    complaint = done.stderr.decode(errors="replace").strip()
    require(None if done.returncode == 0 and path else complaint or "no free-threaded CPython")
    return Interpreter(path, ask_version(path))


@functools.lru_cache(None)
def unstable():
    """A root with Debian unstable's Python 3.14 and 3.15, which tests/pythons/unstable makes where it
    is not there yet: that takes a minute or two, once. Needs root."""
    done = subprocess.run([str(HERE / "pythons" / "unstable")], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)
    path = done.stdout.decode().strip()
    complaint = done.stderr.decode(errors="replace").strip()
    require(None if done.returncode == 0 and path else complaint or "no root of Debian unstable")
    return pathlib.Path(path)


def include_folder(python):
    """Where this interpreter's headers are, by its path; None where there are none."""
    code = "import sysconfig; print(sysconfig.get_paths()['include'])"
    include = subprocess.run([python, "-c", code], check=True, stdout=subprocess.PIPE).stdout
    include = pathlib.Path(include.decode().strip())
    return include if (include / "Python.h").exists() else None


def build_extension(python, source, path, options=()):
    """Make an extension module for this interpreter's path, of C, C++ (pybind11) or Cython. False: it
    has no headers, or there is no compiler."""
    include = include_folder(python)
    if not include:
        return False
    compiler = ["cc"]
    if source.suffix == ".cpp":
        compiler = ["c++", "-std=c++17", "-fvisibility=hidden"]
    if source.suffix == ".pyx":
        made = path.with_suffix(".c")
        if subprocess.run(["cython3", str(source), "-o", str(made)]).returncode != 0:
            return False
        source = made
    return subprocess.run([*compiler, "-O2", "-shared", "-fPIC", "-I", str(include), *options, "-o",
                           str(path), str(source)]).returncode == 0


@functools.lru_cache(None)
def build_holding(python, folder):
    """The module of tests/targets/holding.c for this interpreter's path, made in the folder."""
    return build_extension(python, TARGETS / "holding.c", pathlib.Path(folder, "holding.so"))


def newest(*at_least, symbols=False):
    """The newest interpreter that is at least this version, as a list to parametrize a test with:
    empty where there is none. With symbols: one whose take_gil can be probed."""
    fitting = [one for one in interpreters() if one.at_least(*at_least)
               and (one.has_symbols or not symbols)]
    return sorted(fitting, key=lambda one: one.version)[-1:]


def an_interpreter(*at_least):
    """The newest interpreter that is at least this version, or None."""
    return next(iter(newest(*at_least)), None)


@functools.lru_cache(None)
def why_no_perf():
    """None when uprobes can be installed and recorded here, else the reason in words."""
    if not shutil.which("perf"):
        return "perf is not installed"
    if os.geteuid() != 0:
        return "not root: uprobes cannot be installed"
    probe = subprocess.run(["perf", "probe", "-l"], stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    if probe.returncode != 0:
        return "perf probe -l: " + probe.stdout.decode(errors="replace").strip()
    if not any(os.path.exists(path + "/uprobe_events") for path in TRACEFS):
        return "the kernel has no uprobe_events"
    return None


def require(reason):
    """End the test when there is a reason why it cannot run on this machine: skipped, but failed
    under CI. Nothing else skips: a test of some interpreters is parametrized with those that fit."""
    import pytest  # not needed by who only looks for interpreters

    if reason and os.environ.get("CI") == "true":
        pytest.fail("cannot run in CI: " + reason)
    if reason:
        pytest.skip(reason)


def wait_for(condition, complaint, seconds=20):
    """Wait until the condition holds; fail with the complaint when it does not within that time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, complaint
        time.sleep(0.01)


# --- running -------------------------------------------------------------------------------

class Running:
    """A program that runs already, and does not know of giltracer."""

    def __init__(self, *words, **popen):
        popen.setdefault("start_new_session", True)
        popen.setdefault("stdin", subprocess.PIPE)
        self.process = subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE,
                                        **popen)
        assert self.process.stdout.readline() == b"ready\n"
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.process.kill()
        self.process.communicate()


class Run:
    """One run of a program: its ends, and what it left."""

    def __init__(self, argv, folder, env=None, **popen):
        self.argv = [str(word) for word in argv]
        self.folder = pathlib.Path(folder)
        self.tmp = self.folder / ("tmp-" + uuid.uuid4().hex[:8])
        self.home = self.folder / "home"
        self.tmp.mkdir()
        self.home.mkdir(exist_ok=True)
        self.mark = uuid.uuid4().hex
        self.env = dict(os.environ, TMPDIR=str(self.tmp), HOME=str(self.home),
                        PYTHONDONTWRITEBYTECODE="1", **{MARK: self.mark})
        for name, value in (env or {}).items():
            if value is None:
                self.env.pop(name, None)
            else:
                self.env[name] = str(value)
        popen.setdefault("stdin", subprocess.DEVNULL)
        popen.setdefault("stdout", subprocess.PIPE)
        popen.setdefault("stderr", subprocess.PIPE)
        popen.setdefault("cwd", str(self.folder))
        popen.setdefault("start_new_session", True)
        self.process = subprocess.Popen(self.argv, env=self.env, **popen)
        self.pid = self.process.pid
        self.status = self.out = self.err = None

    def finish(self, data=None, timeout=TIMEOUT_S):
        try:
            out, err = self.process.communicate(data, timeout)
        except subprocess.TimeoutExpired:
            self.end_processes()
            out, err = self.process.communicate(timeout=20)
            raise AssertionError("still running after %d s: %s\n%s" %
                                 (timeout, self.argv, (err or b"").decode(errors="replace")))
        self.out, self.err = out, (err or b"").decode("utf-8", "replace")
        code = self.process.returncode
        self.status = 128 - code if code < 0 else code
        return self

    def processes(self):
        """Pids that carry this run's mark and still live."""
        return list(processes.marked(self.mark.encode()))

    def has_opened_an_output(self):
        """In the run's folder: a file without a name, or with one that ends in .tmp."""
        paths = []
        for name in os.listdir("/proc/%d/fd" % self.pid):
            try:
                paths.append(os.readlink("/proc/%d/fd/%s" % (self.pid, name)))
            except OSError:
                pass
        return any(path.startswith("%s/" % self.folder) and path.endswith((" (deleted)", ".tmp"))
                   for path in paths)

    def end_processes(self):
        processes.end(self.processes())

    def leftovers(self):
        """What a run must not leave: processes, probe groups, temporary files, perf's cache."""
        deadline = time.monotonic() + 2
        while self.processes() and time.monotonic() < deadline:
            time.sleep(0.02)
        left = ["process %d: %s" % (pid, command_of(pid)) for pid in self.processes()]
        left += ["probe " + line for line in probes() if probe_is_of(line, self.pid)]
        left += ["temporary " + str(path) for path in self.tmp.iterdir()
                 if "kept in %s," % path not in (self.err or "")]
        left += ["temporary " + str(path) for path in self.folder.glob("*.tmp")]
        left += ["perf's cache " + str(path) for path in self.home.glob(".debug")]
        return left

    def __repr__(self):
        return "status %s of %s\n%s" % (self.status, " ".join(self.argv), self.err)


def command_of(pid):
    try:
        return pathlib.Path("/proc/%d/cmdline" % pid).read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return "gone"


def probes():
    """The installed uprobes, as the kernel lists them."""
    for path in TRACEFS:
        try:
            return pathlib.Path(path, "uprobe_events").read_text().splitlines()
        except OSError:
            pass
    return []


def base36(number):
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    text = ""
    while number:
        number, digit = divmod(number, 36)
        text = digits[digit] + text
    return text or "0"


def probe_is_of(line, pid):
    """Does this uprobe belong to a giltracer of that pid? (lib/launch/probes.h)"""
    return bool(re.search(r":gt_[0-9a-z]+_%s_[0-9a-z]+/" % base36(pid), line))


def start(argv, folder, **options):
    return Run([GILTRACER, *argv], folder, **options)


def giltracer(argv, folder, data=None, timeout=TIMEOUT_S, leftovers=True, **options):
    """Run giltracer to its end; nothing may be left behind."""
    run = start(argv, folder, **options).finish(data, timeout)
    if leftovers:
        left = run.leftovers()
        if left:
            run.end_processes()
        assert not left, "left behind by %r:\n%s" % (run, "\n".join(left))
    return run


class Traced:
    """A run with its report read."""

    def __init__(self, run, document):
        self.run, self.document = run, document
        self.summary = document["giltracer"]

    def gil(self):
        """The only GIL there is."""
        assert len(self.summary["gils"]) == 1, describe(self.summary)
        return self.summary["gils"][0]


def trace(argv, folder, python=None, options=(), status=0, **more):
    """Trace a target to JSON, check the run and the report, and give both back."""
    output = pathlib.Path(folder) / ("report-%s.json" % uuid.uuid4().hex[:8])
    words = ["--python", python.path] if python else []
    run = giltracer([*words, "-o", output, *options, *argv], folder, **more)
    assert run.status == status, run
    assert output.exists(), run
    document = read_json(output)
    check_document(document)
    return Traced(run, document)


def target(name):
    return str(TARGETS / (name + ".py"))


def read_json(path):
    opener = gzip.open if str(path).endswith(".gz") else open
    with opener(str(path), "rb") as stream:
        return json.loads(stream.read().decode("utf-8"))


# --- checking ------------------------------------------------------------------------------

def one_line_error(run, *statuses):
    """The run was refused with one clear line of giltracer's own, and this exit status."""
    assert run.status in statuses, run
    lines = [line for line in run.err.splitlines() if line.strip()]
    own = [line for line in lines if line.startswith(("giltracer:", "perf2trace:", "offgil:"))]
    assert len(own) == 1 and len(lines) == 1, run
    assert 20 < len(own[0]) < 700, run
    return own[0]


def describe(summary):
    lines = []
    for gil in summary["gils"]:
        lines.append("pid %(pid)s GIL %(number)s %(source)s" % gil)
        for row in gil["threads"]:
            lines.append("  %-8d %-16s life %7.1f ms hold %5.1f%% wait %5.1f%%" % (
                row["tid"], row["label"], row["lifetime_ns"] / 1e6,
                100 * share(row, "hold_ns"), 100 * share(row, "wait_ns")))
    return "\n".join(lines + [json.dumps(summary["quality"])])


def share(row, field):
    return row[field] / max(row["lifetime_ns"], 1)


def row_named(gil, name):
    rows = [row for row in gil["threads"] if row["label"] == name]
    assert len(rows) == 1, (name, [row["label"] for row in gil["threads"]])
    return rows[0]


def calls(document, name=None, file=""):
    """Spans of functions; with a name, of that one; with a file, of that path's part."""
    for event in document["traceEvents"]:
        if event.get("ph") == "X" and event.get("cat") in ("python", "c"):
            if (name is None or event["name"] == name) and file in event["args"]["file"]:
                yield event


def gil_spans(document, name=None):
    for event in document["traceEvents"]:
        if event.get("ph") == "X" and event.get("cat") == "gil":
            if name is None or event["name"] == name:
                yield event


def nanoseconds(microseconds):
    return round(microseconds * 1000)


def check_document(document, cut=False):
    """Everything that must hold for any report, whatever ran. Of a recording that was cut, which
    its reader says, the CPUs end at different times: one thread's release may be missing, and the
    next one's acquisition not."""
    summary = document["giltracer"]
    check_summary(summary, cut)
    spans = {}
    for event in gil_spans(document):
        assert event["name"] in ("GIL hold", "GIL wait"), event
        start_ns = nanoseconds(event["ts"])
        end_ns = nanoseconds(event["ts"] + event["dur"])
        assert start_ns >= 0 and end_ns >= start_ns, event
        key = (event["args"]["gil"], event["name"])
        spans.setdefault(key, []).append((start_ns, end_ns, event["args"]["tid"]))
    for index, gil in enumerate(summary["gils"]):
        assert gil["index"] == index
        holds = sorted(spans.get((index, "GIL hold"), []))
        for one, two in zip(holds, holds[1:]):
            assert two[0] >= one[1] - 1, "two holders at once: %s %s" % (one, two)
        check_sums(gil, holds, spans.get((index, "GIL wait"), []))
    for event in document["traceEvents"]:
        if event["ph"] != "M":
            assert 0 < event["pid"] < 2**32 and 0 < event.get("tid", 1) < 2**32, event
            assert "tid" in event or event["ph"] == "C", event  # counters are a process's
    check_nesting(document)
    worst.check(document)
    told.check(summary)


def check_nesting(document):
    """Spans of a track follow each other or nest, by the doubles that readers add up."""
    tracks = {}
    for event in document["traceEvents"]:
        if event["ph"] == "X":
            tracks.setdefault((event["pid"], event["tid"]), []).append(
                (event["ts"], event["ts"] + event["dur"]))
    for track, spans in tracks.items():
        around = []
        for start, end in sorted(spans, key=lambda span: (span[0], -span[1])):
            while around and around[-1] <= start:
                around.pop()
            assert not around or end <= around[-1], (track, start, end, around[-1])
            around.append(end)


def check_sums(gil, holds, waits):
    """The spans add up to the summary's figures, thread by thread, to the rounding of ts."""
    for spans, total, count in ((holds, "hold_ns", "holds"), (waits, "wait_ns", "waits")):
        for row in gil["threads"]:
            own = [end - begin for begin, end, tid in spans if tid == row["tid"]]
            assert len(own) == row[count], (row, len(own))
            assert abs(sum(own) - row[total]) <= 2 * len(own) + 2, (row, total, sum(own))
            longest = "longest_" + total
            assert abs(max(own, default=0) - row[longest]) <= 2, (row, longest)
        assert len(spans) == sum(row[count] for row in gil["threads"])
        assert gil[total] == sum(row[total] for row in gil["threads"])


def check_summary(summary, cut=False):
    assert summary["schema"] == 1
    lossless = summary["quality"]["lost_events"] == 0 and not cut
    if lossless:
        assert summary["quality"]["overlaps"] == 0, describe(summary)
    assert summary["quality"]["accounting_errors"] == 0, describe(summary)
    for lost in summary["lost"]:
        assert 0 <= lost["start_ns"] <= lost["end_ns"], lost
    for gil in summary["gils"]:
        for row in gil["threads"]:
            parts = [row[name] for name in ("hold_ns", "wait_ns", "free_ns", "unknown_ns")]
            assert all(part >= 0 for part in parts), row
            # An exec begins a new GIL in the middle of its thread's life.
            life = min(row["end_ns"], gil["end_ns"]) - max(row["start_ns"], gil["start_ns"])
            assert sum(parts) == row["lifetime_ns"] == life, (row, gil["start_ns"], gil["end_ns"])
            if lossless:
                assert row["unknown_ns"] == 0, row
            blamed = [blocker["ns"] for blocker in row["blocked_by"] if blocker["tid"]]
            nobody = sum(blocker["ns"] for blocker in row["blocked_by"] if not blocker["tid"])
            assert blamed == sorted(blamed, reverse=True), row
            assert sum(blamed) + nobody == row["wait_ns"], row


def check_against_oracle(summary, text, slack_ns=1000):
    """The report's holds and waits are the oracle's, GIL by GIL and thread by thread."""
    expected, recording = oracle.gils(text.decode("utf-8", "surrogateescape"))
    reported = {(gil["pid"], gil["address"] and int(str(gil["address"]), 0)): gil
                for gil in summary["gils"]}
    wanted = {(gil.pid, gil.address): gil for gil in expected}
    assert set(reported) == set(wanted), describe(summary)
    for key, gil in wanted.items():
        assert not oracle.holders_overlap(gil.holds)
        rows = {row["tid"]: row for row in reported[key]["threads"]}
        table = gil.per_thread()
        assert set(rows) == set(table), (key, describe(summary))
        for tid, want in table.items():
            row = rows[tid]
            life = gil.lifetime(recording, tid)
            context = (tid, dict(want), row, life)
            # perf ends with the program; who outlives that is in the agent's log for a moment more.
            more_ns = 0 if row["saw_exit"] else min(max(0, row["lifetime_ns"] - life), 10**6)
            assert -slack_ns <= row["hold_ns"] - want["hold"] <= more_ns + slack_ns, context
            assert -slack_ns <= row["wait_ns"] - want["wait"] <= more_ns + slack_ns, context
            assert row["holds"] == want["holds"] and row["waits"] == want["waits"], context
            assert -slack_ns <= row["longest_wait_ns"] - want["longest_wait"] <= more_ns + slack_ns, \
                context
            assert abs(row["lifetime_ns"] - life) <= more_ns + slack_ns, context


def perf_script(data, *options):
    """The text of a recording, with all that the oracle wants to know."""
    argv = ["perf", "script", "-i", str(data), "--ns", "--show-task-events",
            "--show-lost-events", "-F", "comm,pid,tid,cpu,time,event,trace", *options]
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          stdin=subprocess.DEVNULL, env=dict(os.environ, LC_ALL="C"))
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout


def kept_text(folder):
    """The text of the only recording below the folder that --keep named."""
    found = [path for path in pathlib.Path(folder).rglob("*")
             if path.is_file() and path.read_bytes()[:7] == b"PERFILE"]
    assert len(found) == 1, (found, list(pathlib.Path(folder).rglob("*")))
    return perf_script(found[0])
