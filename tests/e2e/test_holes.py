# SPDX-License-Identifier: MIT
"""Whatever becomes of an agent's log: a program that changes under it is recorded on, and where that
is impossible, nothing is said of what was not seen. The same program with and without the hole never
differs in what is called known."""
import pathlib
import subprocess

import pytest

import harness
from harness import DEBIAN_PYTHON, GILTRACER, describe, target, trace

AGENT = ["--gil-source", "agent"]
DEBIAN = harness.Interpreter(DEBIAN_PYTHON, harness.ask_version(DEBIAN_PYTHON))
NEW = harness.an_interpreter(3, 12)
FAULTS = ["setuid", "chroot", "removed", "closed", "no-descriptors", "file-size", "everything"]
NEVER = "No thread ever waited"


def truths(run):
    """What each phase printed, in ns."""
    return {name: (int(ready), int(back)) for name, ready, back in
            map(str.split, run.out.decode().splitlines())}


def rows(summary):
    return {row["label"]: row for gil in summary["gils"] for row in gil["threads"]
            if not row["main"]}


def check_wait(row, truth):
    """It may have been woken late: its wait is shorter then. At its start it waited, too, but not
    for as long."""
    ready_ns, back_ns = truth
    assert 0.7 * min(ready_ns, back_ns) < row["longest_wait_ns"] <= back_ns, (row, truth)
    assert row["blocked_by"][0]["label"] == "main" and row["blocked_by"][0]["share"] > 0.9, row


@pytest.mark.needs_root
@pytest.mark.parametrize("fault, functions", [
    *((fault, "--no-python-trace") for fault in ("none", *FAULTS)), ("everything", "--python-trace")])
@pytest.mark.timing
def test_recorded_on(fault, functions, folder):
    python = NEW if NEW and functions == "--python-trace" else DEBIAN
    traced = trace([target("faults_of_logs"), fault], folder, python,
                   [*AGENT, functions, *(["--overhead-budget", "0"] if python.at_least(3, 12) else [])])
    truth, found = truths(traced.run), rows(traced.summary)
    assert set(truth) == {"before", "after", "child"}
    for name in truth:
        check_wait(found[name], truth[name])
        assert found[name]["unknown_ns"] == 0
    assert traced.summary["lost"] == [], traced.summary["lost"]
    assert not traced.summary["quality"]["lost_events"]
    assert [line for line in traced.run.err.splitlines() if line.startswith("giltracer: ")] == [
        line for line in traced.run.err.splitlines() if "giltracer: wrote" in line]


@pytest.fixture
def small_disk(tmp_path):
    """2 MB, full or not."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m,mode=700", "none", str(disk)], check=True)
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def check_hole(summary, text, pid, truth):
    """Known is what came before; of all that came later nothing is said."""
    found = rows(summary)
    (gil,) = [gil for gil in summary["gils"] if gil["pid"] == pid]
    check_wait(found["before"], truth["before"])
    assert found["before"]["unknown_ns"] == 0  # it ended before
    assert found.get("after", {"wait_ns": 0})["wait_ns"] == 0
    assert "child" not in found
    (main,) = [row for row in gil["threads"] if row["main"]]
    assert main["unknown_ns"] > 0.2 * main["lifetime_ns"], describe(summary)
    assert gil["unknown_ns"] == main["unknown_ns"]
    assert NEVER not in text
    assert "unknown%" in text


@pytest.mark.needs_root
@pytest.mark.timing
def test_full_disk(small_disk, folder):
    run = start([*AGENT, "--no-native", "--no-python-trace", "--summary", folder / "s.json", "-o",
                 folder / "x.html", target("faults_of_logs"), "fill"], folder, small_disk)
    summary, truth = harness.read_json(folder / "s.json"), truths(run)
    root = summary["run"]["root_pid"]
    check_hole(summary, run.err, root, truth)
    (own, child) = sorted(summary["lost"], key=lambda lost: lost["start_ns"])
    assert own["pid"] == root and child["pid"] != root
    for lost in (own, child):
        assert "No space left" in lost["why"] and lost["end_ns"] > lost["start_ns"]
    lines = [line for line in run.err.splitlines() if "No space left" in line]
    assert len(lines) == 2 and str(root) in lines[0] and str(child["pid"]) in lines[1], run
    holes = harness.read_json(folder / "s.json")["lost"]
    assert all(span["end_ns"] <= own["start_ns"] for span in waits_of(summary)), holes


def waits_of(summary):
    return [{"end_ns": row["end_ns"]} for row in summary["gils"][0]["threads"]
            if row["label"] == "before"]


def start(argv, folder, disk, status=0):
    run = harness.Run([GILTRACER, *argv], folder, env={"TMPDIR": disk}).finish()
    assert run.status == status, run
    assert not list(pathlib.Path(str(disk)).iterdir()), run
    return run


# What the known part of the program decides, whatever the rest was; and what it does not.
PASSED = ["wait > 99%", "wait < 1us", "thread(\"before\").wait > 99%"]
BREACHED = ["longest_wait > 50ms", "wait > 1us", "thread(\"before\").longest_wait > 50ms"]
UNJUDGED = ["wait > 30%", "longest_wait > 300ms", "thread(\"after\").wait > 1%",
            "blocker(\"nobody\") > 20%"]


def fail_if(conditions):
    return [word for condition in conditions for word in ("--fail-if", condition)]


@pytest.mark.needs_root
@pytest.mark.parametrize("conditions, status", [
    (PASSED, 0), (UNJUDGED, 4), (PASSED + UNJUDGED + BREACHED, 3)], ids=str)
@pytest.mark.timing
def test_conditions_where_part_is_unknown(conditions, status, small_disk, folder):
    run = start([*AGENT, "--no-python-trace", "-o", folder / "x.pb.gz", *fail_if(conditions),
                 target("faults_of_logs"), "fill"], folder, small_disk, status)
    for condition in conditions:
        lines = [line for line in run.err.splitlines() if ": %s: " % condition in line]
        assert len(lines) == (condition not in PASSED), (condition, run)
        assert condition not in UNJUDGED or "cannot be judged" in lines[0], run
        assert condition not in BREACHED or "breached" in lines[0], run


@pytest.mark.timing
def test_conditions_where_all_is_known(folder):
    for conditions, status in ((["longest_wait > 50ms"], 3),
                               (["wait > 99%", "thread(\"nobody\").wait > 1%"], 0)):
        run = harness.giltracer([*AGENT, "-o", folder / "x.pb.gz", *fail_if(conditions),
                                 target("faults_of_logs"), "none"], folder)
        assert run.status == status, run


def test_program_that_failed_keeps_its_status(folder):
    run = harness.giltracer([*AGENT, "-o", folder / "x.json", "--fail-if", "wait > 1%", "--",
                             "/bin/sh", "-c", "exit 6"], folder)
    assert run.status == 6, run


def test_nothing_recorded_cannot_be_judged(folder):
    run = harness.giltracer([*AGENT, "-o", folder / "x.json", "--fail-if", "wait > 1%", "--",
                             "/bin/sh", "-c", "unset LD_PRELOAD; exec %s -c pass" % DEBIAN_PYTHON],
                            folder)
    assert run.status == 4 and "cannot be judged" in run.err, run


@pytest.mark.timing
def test_size_limit(folder):
    summary = folder / "s.json"
    run = harness.giltracer([*AGENT, "--no-python-trace", "--max-log-size", "1M", "--summary",
                             summary, "-o", folder / "x.pb.gz", target("faults_of_logs"), "fill"],
                            folder)
    document = harness.read_json(summary)
    assert run.status == 0, run
    check_hole(document, run.err, document["run"]["root_pid"], truths(run))
    assert len([line for line in run.err.splitlines() if "--max-log-size" in line]) == 1, run


KILLED = """
import os, signal, threading, time
def spin():
    until = time.monotonic() + 0.3
    while time.monotonic() < until: pass
def idle():
    os.stat("/")
    os.write(writer, b"x")
    time.sleep(60)
reader, writer = os.pipe()
child = os.fork()
if child == 0:
    WHAT
    os._exit(0)
for _ in range(IDLE):
    os.read(reader, 1)
os.kill(child, signal.SIGKILL)
os.waitpid(child, 0)
print(child)
"""


@pytest.mark.parametrize("threads", [False, True])
def test_killed_child(threads, folder):
    what = ("threading.Thread(target=idle, daemon=True).start(); spin(); idle()" if threads
            else "idle()")
    traced = trace(["-c", KILLED.replace("WHAT", what).replace("IDLE", "2" if threads else "1")], folder, DEBIAN, AGENT)
    child = int(traced.run.out)
    (lost,) = traced.summary["lost"]
    assert lost["pid"] == child and "its end was not recorded" in lost["why"]
    assert NEVER not in traced.run.err, traced.run
    assert str(child) in traced.run.err
    for gil in traced.summary["gils"]:
        for row in gil["threads"]:
            assert gil["pid"] == child or row["unknown_ns"] == 0, row


@pytest.mark.timing
def test_killed_program_is_known_to_its_end(folder):
    """What it wrote outlives it: it kept the GIL until it died."""
    script = ("import ctypes, os, signal, threading, time\n"
              "def late():\n"
              "    time.sleep(0.5)\n"
              "    os.kill(os.getppid(), signal.SIGKILL)\n"
              "    os._exit(0)\n"
              "if os.fork() == 0: late()\n"
              "ctypes.PyDLL(None).sleep(20)\n")
    traced = trace(["-c", script], folder, DEBIAN, AGENT, status=128 + 9)
    (gil,) = [one for one in traced.summary["gils"]
              if one["pid"] == traced.summary["run"]["root_pid"]]
    (main,) = gil["threads"]
    assert 0.4e9 < main["longest_hold_ns"] < 2e9 and main["unknown_ns"] == 0, main
    assert traced.summary["lost"] == []


def test_who_goes_on_is_no_hole(folder):
    script = ("import os, time\n"
              "parent, (reader, writer) = os.getpid(), os.pipe()\n"
              "if os.fork() == 0:\n"
              "    os.close(0); os.close(1); os.close(2); os.setsid(); os.write(writer, b'x')\n"
              "    while os.getppid() == parent: time.sleep(0.01)\n"
              "    time.sleep(3)\n"  # longer than the report takes
              "    os._exit(0)\n"
              "os.read(reader, 1)\n")
    run = harness.giltracer([*AGENT, "--python", DEBIAN.path, "-o", folder / "x.json", "-c", script],
                            folder, leftovers=False)
    assert run.status == 0 and harness.read_json(folder / "x.json")["giltracer"]["lost"] == []
    assert "not recorded" not in run.err, run


def test_another_program_is_no_hole(folder):
    for program in ("'/bin/true'", "sys.executable, '-c', 'pass'"):
        script = "import os, sys; os.execl(%s, %s)" % (program.split(",")[0], program)
        traced = trace(["-c", script], folder, DEBIAN, AGENT)
        assert traced.summary["lost"] == [], traced.summary["lost"]


@pytest.mark.needs_perf
@pytest.mark.timing
def test_perf_that_ends_early(folder):
    """From then on nothing is known, of anybody."""
    script = ("import os, signal, threading, time\n"
              "def spin(until):\n"
              "    while time.monotonic() < until: pass\n"
              "until = time.monotonic() + 1\n"
              "thread = threading.Thread(target=spin, args=(until,), name='spinner')\n"
              "thread.start()\n"
              "time.sleep(0.4)\n"
              "parent = os.getppid()\n"
              "for pid in open('/proc/%d/task/%d/children' % (parent, parent)).read().split():\n"
              "    if open('/proc/%s/comm' % pid).read().startswith('perf'):\n"
              "        os.kill(int(pid), signal.SIGTERM)\n"
              "ended = time.monotonic_ns()\n"
              "thread.join()\n"
              "print(ended)\n")
    traced = trace(["-c", script], folder, DEBIAN, ["--gil-source", "uprobes", "--no-python-trace"])
    (lost,) = traced.summary["lost"]
    since_ns = traced.summary["run"]["start_ns"] + lost["start_ns"] - int(traced.run.out)
    assert abs(since_ns) < 0.1e9 and "pid" not in lost
    assert lost["end_ns"] - lost["start_ns"] > 0.4e9
    for row in traced.gil()["threads"]:
        assert row["unknown_ns"] > 0.3e9, row
    assert "before the program: what came later is not known" in traced.run.err
    assert NEVER not in traced.run.err


@pytest.mark.needs_root
@pytest.mark.timing
def test_kernels_that_cannot_make_room_in_memory(folder):
    """Before Linux 5.14 what may not open its log any more is unknown from there on."""
    source, library = folder / "old.c", folder / "old.so"
    source.write_text("#include <errno.h>\n#include <sys/syscall.h>\n#include <unistd.h>\n"
                      "int madvise(void *at, unsigned long size, int advice) {\n"
                      "    if (advice == 23) { errno = EINVAL; return -1; }\n"
                      "    return (int)syscall(SYS_madvise, at, size, advice);\n}\n")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    traced = trace([target("faults_of_logs"), "setuid"], folder, DEBIAN,
                   [*AGENT, "--no-python-trace"], env={"LD_PRELOAD": library})
    found, truth = rows(traced.summary), truths(traced.run)
    check_wait(found["before"], truth["before"])
    assert "after" not in found or found["after"]["wait_ns"] == 0
    assert traced.summary["lost"] and "Permission denied" in traced.summary["lost"][0]["why"]
    assert NEVER not in traced.run.err


@pytest.mark.needs_root
def test_another_program_of_another_user(folder):
    """It cannot be followed: that is said once, of that process."""
    script = ("import os; os.setuid(65534)\n"
              "os.execv(%r, ['python3', '-c', 'pass'])" % DEBIAN_PYTHON)
    traced = trace(["-c", script], folder, DEBIAN, AGENT)
    (lost,) = traced.summary["lost"]
    assert lost["pid"] == traced.summary["run"]["root_pid"] and "Permission" in lost["why"], lost
    assert NEVER not in traced.run.err
    assert len([line for line in traced.run.err.splitlines() if "Permission" in line]) == 1
