# SPDX-License-Identifier: MIT
"""What the machine did to the program (a real quota of cgroup v1, one of v2 in a folder, affinity),
and what recording did to it."""
import os
import pathlib
import subprocess
import uuid

import pytest

import harness
from harness import giltracer, read_json, target, trace

V2_MOUNT = "35 24 0:30 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
BUSY = """
import sys, threading, time
def spin():
    end = time.thread_time() + %s
    while time.thread_time() < end:
        for _ in range(1000): pass
threads = [threading.Thread(target=spin) for _ in range(2)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def cpu_hierarchy():
    """Where the cpu controller of cgroup v1 is mounted, or None."""
    with open("/proc/self/mountinfo") as stream:
        for line in stream:
            left, right = line.split(" - ")
            kind, _, options = right.split(None, 2)
            if kind == "cgroup" and "cpu" in options.strip().split(","):
                return pathlib.Path(left.split()[4])
    return None


@pytest.fixture
def quota_group(tmp_path):
    """A function: the tasks file of a new group within a group of this quota."""
    mount, own = cpu_hierarchy(), None
    if mount is None and os.geteuid() == 0:
        own = tmp_path / "cpu"
        own.mkdir()
        if subprocess.run(["mount", "-t", "cgroup", "-o", "cpu", "cpu", str(own)]).returncode == 0:
            mount = own
    if mount is None or os.geteuid() != 0:
        harness.require("cgroup v1 has no cpu controller here, or not root")
    outer = mount / ("gt-test-" + uuid.uuid4().hex[:8])
    (outer / "inner").mkdir(parents=True)

    def make(percent):
        (outer / "cpu.cfs_period_us").write_text("100000")
        (outer / "cpu.cfs_quota_us").write_text(str(percent * 1000))
        return outer / "inner"
    yield make
    (outer / "inner").rmdir()
    outer.rmdir()
    if own:
        subprocess.run(["umount", str(own)], check=True)


def stat_of(group):
    """(nr_throttled, throttled_time) of the group with the quota."""
    words = (group.parent / "cpu.stat").read_text().split()
    numbers = dict(zip(words[::2], map(int, words[1::2])))
    return numbers["nr_throttled"], numbers["throttled_time"]


def enter(group):
    return lambda: (group / "cgroup.procs").write_text(str(os.getpid()))


def within(group, argv, folder, **more):
    """Trace in the group; the report's machine, and what the kernel counted meanwhile."""
    before = stat_of(group)
    traced = trace(argv, folder, preexec_fn=enter(group), **more)
    after = stat_of(group)
    return traced, [two - one for one, two in zip(before, after)]


@pytest.mark.parametrize("source", ["uprobes", "agent"])
@pytest.mark.timing
def test_a_quota_and_its_throttling_are_told(folder, quota_group, source):
    if source == "uprobes":
        harness.require(harness.why_no_perf())
    traced, (times, ns) = within(quota_group(20), ["-c", BUSY % 0.1], folder,
                                 options=["--gil-source", source])
    machine = traced.summary["machine"]
    assert machine["cgroup_version"] == 1 and not machine["usable_cpus_changed"], machine
    assert machine["usable_cpus"] == pytest.approx(0.2)
    (quota,) = machine["quotas"]
    assert quota["cgroup"].endswith(quota_group(20).parent.name), quota
    assert quota["quota_cpus"] == pytest.approx(0.2) and not quota["changed"]
    # The kernel counts giltracer's own start and report, too.
    assert 3 <= quota["throttled"] <= times, (quota, times)
    assert 0 < quota["throttled_ns"] <= ns, (quota, ns)
    # 0.2 s of CPU time at a fifth of a CPU: a second, of which four fifths in ready threads.
    assert machine["ready_ns"] > 300e6, machine
    sentence = "The program was throttled %d times, " % quota["throttled"]
    assert sentence in traced.run.err, traced.run
    assert "by a CPU quota of 20% of one CPU (cgroup /" in traced.run.err
    assert "machine's doing" in traced.run.err, traced.run


@pytest.mark.timing
def test_under_a_quota_no_interval_and_no_process_is_advised(folder, quota_group):
    """Another process has no more of the quota, and who is stopped gives nothing up."""
    traced, _ = within(quota_group(20), [target("convoy")], folder,
                       options=["--gil-source", "agent"])
    assert "machine's doing" in traced.run.err, traced.run
    told = [load["convoy"] for load in traced.summary["load"] if load["convoy"]]
    assert not [each for each in told if "interval" in each or "process" in each], told


@pytest.mark.timing
def test_one_who_moves_into_a_group_is_found_there(folder, quota_group):
    group = quota_group(20)
    code = "open(%r, 'w').write('0')\n" % str(group / "cgroup.procs") + BUSY % 0.2
    machine = trace(["-c", code], folder, options=["--gil-source", "agent"]).summary["machine"]
    assert machine["usable_cpus_changed"], machine
    assert machine["usable_cpus"] == pytest.approx(0.2)
    assert machine["quotas"][0]["throttled"] >= 3, machine


def test_a_calm_program_is_told_nothing(folder, quota_group):
    """150% of one CPU is no bound to a program that sleeps."""
    traced, (times, _) = within(quota_group(150), ["-c", "import time; time.sleep(0.3)"], folder,
                                options=["--gil-source", "agent"])
    machine = traced.summary["machine"]
    assert machine["quotas"][0]["quota_cpus"] == pytest.approx(1.5)
    assert machine["usable_cpus"] == min(1.5, len(os.sched_getaffinity(0)))
    assert machine["quotas"][0]["throttled"] <= times
    if times == 0:
        assert "throttled" not in traced.run.err, traced.run
    crowded = machine["ready_ns"] >= traced.summary["run"]["wall_ns"] / 10
    assert ("had no CPU" in traced.run.err) == crowded, traced.run


@pytest.mark.parametrize("source", ["uprobes", "agent"])
def test_version_2_in_a_folder(folder, source):
    """The program itself plays the kernel, and counts while it runs."""
    if source == "uprobes":
        harness.require(harness.why_no_perf())
    root = folder / "root"
    pod = root / "sys/fs/cgroup/pod"
    (pod / "app").mkdir(parents=True)
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text("0::/pod/app\n")
    (root / "proc/self/mountinfo").write_text(V2_MOUNT)
    (pod / "cpu.max").write_text("20000 100000\n")
    (pod / "app/cpu.max").write_text("max 100000\n")
    stat = "usage_usec 1\nnr_periods 9\nnr_throttled %d\nthrottled_usec %d\n"
    (pod / "cpu.stat").write_text(stat % (2, 7))
    code = "open(%r, 'w').write(%r)" % (str(pod / "cpu.stat"), stat % (40, 1200007))
    traced = trace(["-c", code], folder, options=["--gil-source", source],
                   env={"GILTRACER_CGROUP_ROOT": str(root)})
    machine = traced.summary["machine"]
    assert machine["cgroup_version"] == 2
    assert machine["quotas"] == [{"cgroup": "/pod", "quota_cpus": 0.2, "changed": False,
                                  "throttled": 38, "throttled_ns": 1200000000}]
    assert ("The program was throttled 38 times, 1.20 s in all%s, by a CPU quota of 20%% of one CPU "
            "(cgroup /pod)." % (" (summed over CPUs)" if os.cpu_count() > 1 else "")
            ) in traced.run.err, traced.run


def test_affinity_is_told_where_it_matters(folder):
    cpu = min(os.sched_getaffinity(0))
    traced = trace(["-c", BUSY % 0.2], folder, options=["--gil-source", "agent"],
                   preexec_fn=lambda: os.sched_setaffinity(0, {cpu}))
    machine = traced.summary["machine"]
    assert machine["allowed_cpus"] == 1 and machine["usable_cpus"] == 1, machine
    assert machine["cpus"] == os.cpu_count()
    assert not machine["usable_cpus_changed"]


@pytest.mark.timing
def test_crowds_are_told(folder):
    """Four busy processes beside two busy threads: that they had no CPU is said, and how long."""
    others = [subprocess.Popen([harness.DEBIAN_PYTHON, "-c", "while True: pass"])
              for _ in range(2 * os.cpu_count())]
    try:
        traced = trace(["-c", BUSY % 1.2], folder, options=["--gil-source", "agent"])
    finally:
        for other in others:
            other.kill()
            other.wait()
    machine = traced.summary["machine"]
    assert machine["ready_ns"] > 200e6, machine
    assert "Threads were ready to run and had no CPU for " in traced.run.err, traced.run


def test_recorded_text_knows_no_machine(folder):
    """perf2trace cannot know it, and says nothing."""
    kept = folder / "kept"
    giltracer(["-o", folder / "x.json", "--gil-source", "agent", "--keep", kept,
               target("single")], folder)
    subprocess.run([str(harness.PERF2TRACE), "--agent-log", str(kept / "agent"), "-o",
                    str(folder / "y.json")], check=True, stderr=subprocess.DEVNULL)
    machine = read_json(folder / "y.json")["giltracer"]["machine"]
    assert machine["cpus"] is None and machine["quotas"] is None and machine["steal_ns"] is None


# --- what recording cost -------------------------------------------------------------------

def costs(folder, kind, count, *options):
    """(summary, CPU time that it took more than untraced, in ns), of tests/targets/costs.py."""
    python = harness.an_interpreter(3, 8)
    words = [target("costs"), kind, str(count)]

    def cpu_of(out):
        return int(out.split()[0])
    plain = min(cpu_of(subprocess.run([python.path, *words], stdout=subprocess.PIPE,
                                      check=True).stdout) for _ in range(2))
    traced = trace(words, folder, python, list(options))
    return traced, cpu_of(traced.run.out) - plain


@pytest.mark.needs_perf
@pytest.mark.timing
def test_hits_are_measured_and_are_none_of_the_programs(folder):
    kept = folder / "kept"
    options = ["--gil-source", "uprobes", "--no-python-trace", "--no-native", "--keep", kept]
    traced, more_ns = costs(folder, "give_up", 100000, *options)
    cost = traced.summary["cost"]
    assert cost["gil_measured"] and cost["gil_events"] >= 200000, cost
    assert 0.5 * more_ns < cost["cpu_ns"] < 1.5 * more_ns, (cost, more_ns)
    assert cost["cheaper"] == "--gil-source agent"
    assert "is of the traced run; --gil-source agent records for less" in traced.run.err, traced.run
    # The gate's own hits are in the recording, and in no report.
    text = harness.kept_text(kept)
    gates = [line for line in text.splitlines() if b"giltracer-gate " in line
             and b":signal" in line]
    assert len(gates) >= 100, len(gates)
    (thread,) = traced.summary["threads"]
    assert thread["main"] and not traced.summary["quality"]["dropped_gils"], traced.summary
    subprocess.run([str(harness.PERF2TRACE), str(kept / "perf.data"), "-o",
                    str(folder / "again.json")], check=True, stderr=subprocess.DEVNULL)
    again = read_json(folder / "again.json")["giltracer"]
    assert [row["holds"] for row in again["gils"][0]["threads"]] == \
        [row["holds"] for row in traced.gil()["threads"]]
    assert again["cost"]["gil_events"] == cost["gil_events"]


@pytest.mark.parametrize("kind, count", [("give_up", 200000), ("call", 500000)])
@pytest.mark.timing
def test_the_agent_measures_itself(folder, kind, count):
    traced, more_ns = costs(folder, kind, count, "--gil-source", "agent", "--overhead-budget",
                            "0")
    cost = traced.summary["cost"]
    assert cost["gil_measured"] and cost["calls_measured"], cost
    assert 5 < cost["gil_event_ns"] < 1000 and 10 < cost["call_ns"] < 5000, cost
    assert 0.4 * more_ns < cost["cpu_ns"] < 2 * more_ns, (cost, more_ns)
    assert not [call for call in harness.calls(traced.document) if "<giltracer>" in
                call["args"]["file"]]


@pytest.mark.needs_perf
@pytest.mark.timing
def test_a_program_that_computes_is_told_nothing(folder):
    traced, _ = costs(folder, "compute", 3000000)
    assert traced.summary["cost"]["cpu_ns"] < 0.02 * traced.summary["run"]["wall_ns"]
    assert "Recording itself" not in traced.run.err, traced.run


@pytest.mark.needs_perf
def test_where_the_libc_cannot_be_called_the_run_goes_on(folder):
    """Without probes there is nothing to measure, and nothing is said to be."""
    traced = trace([target("costs"), "give_up", "1000"], folder,
                   options=["--no-gil-detect", "--state-detect", "--no-python-trace"])
    assert not traced.summary["cost"]["gil_measured"]
