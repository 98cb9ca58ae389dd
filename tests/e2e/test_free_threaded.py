# SPDX-License-Identifier: MIT
"""CPython without a GIL: functions of threads that run at once, what stops them, how parallel they
are, and when a GIL comes on."""
import collections
import re
import subprocess

import pytest
from harness import TARGETS, Running, build_extension, calls, giltracer, target, trace


def count_calls(document, file):
    """How often each thread called each function of a file."""
    return collections.Counter((event["tid"], event["name"])
                               for event in calls(document, file=file))


def trace_calls(mode, count, folder, python):
    traced = trace([target("parallel"), mode, count], folder, python,
                   ["--gil-source", "agent", "--overhead-budget", "0"])
    counted = count_calls(traced.document, "parallel.py" if mode == "calls" else "<string>")
    workers = [thread["tid"] for thread in traced.summary["threads"]
               if thread["label"].startswith("worker-")]
    assert len(workers) == 4, traced.summary["threads"]
    return traced, counted, workers


def test_functions_of_threads_that_run_at_once_are_traced(folder, free_threaded):
    _, counted, workers = trace_calls("calls", 50000, folder, free_threaded)
    for tid in workers:
        assert counted[tid, "step"] == 50000 and counted[tid, "call"] == 1, counted


def test_functions_that_threads_call_first_at_the_same_time_are_one_each(folder, free_threaded):
    traced, counted, workers = trace_calls("same", 5, folder, free_threaded)
    for tid in workers:
        for number in range(200):
            assert counted[tid, "function_%d" % number] == 5, counted
    seen = {(event["name"], event["args"]["file"]) for event in calls(traced.document)}
    assert len(seen) <= traced.summary["functions"]["count"] <= len(seen) + 10, len(seen)


def trace_switch(folder, python, source):
    assert build_extension(python.path, TARGETS / "gilext.c", folder / "gilext.so")
    return trace([target("parallel"), "switch", "gilext"], folder, python,
                 ["--gil-source", source], env={"PYTHONPATH": folder})


@pytest.mark.parametrize("source", ["agent", pytest.param("auto", marks=pytest.mark.needs_perf)])
def test_an_import_that_switches_the_gil_on_is_named(folder, free_threaded, source):
    traced = trace_switch(folder, free_threaded, source)
    came = traced.summary["parallel"]["gil_came"]
    assert came["module"] == "gilext" and came["function"] == "import_module", came
    (gil,) = traced.summary["gils"]
    assert gil["start_ns"] == came["time_ns"] > 100e6, (came, gil)
    assert sum(row["wait_ns"] for row in gil["threads"]) > 100e6, gil
    assert any("by the import of gilext in import_module" in text
               for text in traced.summary["findings"]), traced.summary["findings"]


def test_the_gil_of_a_moment_is_not_shown(folder, free_threaded):
    traced = trace([target("parallel"), "own", "0.3"], folder, free_threaded,
                   ["--gil-source", "agent"])
    assert traced.summary["parallel"]["gil_came"] is None
    assert traced.summary["parallel"]["verdict"] != "alone"
    assert not any("waited for the GIL" in text for text in traced.summary["findings"])


def test_a_process_without_a_gil_is_looked_at_while_it_runs(folder, free_threaded):
    with Running(free_threaded.path, target("attached"), "idle") as running:
        run = giltracer(["--pid", running.pid, "--dump"], folder)
    assert run.status == 0 and "There is no GIL" in run.err + run.out.decode(), run
    assert "(%s:" % target("attached") in run.err + run.out.decode(), run


def test_a_process_without_a_gil_is_not_said_to_hang_since_none_took_it(folder, free_threaded):
    with Running(free_threaded.path, target("attached"), "turns") as running:
        run = giltracer(["--pid", running.pid, "--duration", "300ms", "--gil-source", "agent",
                         "--no-output"], folder)
    assert run.status == 0 and "Threads without a GIL" in run.err, run
    assert "no thread took or gave" not in run.err, run


def trace_stops(mode, folder, python, options=()):
    traced = trace([target("parallel"), mode, "0.5"], folder, python,
                   ["--gil-source", "agent", *options])
    times, nanoseconds = map(int, traced.run.out.split())
    return traced, times, nanoseconds


def overlapping(stops):
    """Pauses that begin before the last one of the same thread ended."""
    ends = {}
    for start, _, end, thread, _ in stops["list"]:
        if start < ends.get(thread, 0):
            yield start, end, thread
        ends[thread] = end


COLLECTORS = """
import gc, threading
keep = [[number] for number in range(200000)]
ended = threading.Event()
def compute():
    while not ended.is_set():
        for _ in range(1000): pass
worker = threading.Thread(target=compute)
worker.start()
for number in range(8):
    exec("def collect_%d():\\n gc.collect()" % number)
    for _ in range(3): globals()["collect_%d" % number]()
ended.set(); worker.join()
"""


def test_what_stops_are_left_out_of_the_table_is_told(folder, free_threaded):
    traced = trace(["-c", COLLECTORS], folder, free_threaded, ["--gil-source", "agent"])
    rows = len(traced.summary["stops"]["rows"])
    assert rows >= 8 and "Stops of all threads:" in traced.run.err, traced.run
    assert "… and %d more, in the report.\n" % (rows - 5) in traced.run.err, traced.run.err


@pytest.mark.timing
def test_what_the_collector_stopped_is_what_the_program_measured(folder, free_threaded):
    traced, times, nanoseconds = trace_stops("collect", folder, free_threaded,
                                             ["-o", folder / "x.html"])
    stops = traced.summary["stops"]
    (row,) = [row for row in stops["rows"]
              if row["function"].startswith("gc.collect") and row["caller"] == "collect"]
    assert row["kind"] == "gc" and row["count"] >= times, stops
    assert abs(row["total_ns"] - nanoseconds) <= 0.1 * nanoseconds, (row, nanoseconds)
    assert not list(overlapping(stops)), stops["list"]
    workers = [thread for thread in traced.summary["threads"]
               if thread["label"].startswith("worker-")]
    assert sum(thread["stopped_ns"] for thread in workers) == stops["lost_ns"], stops
    spans = [event for event in traced.document["traceEvents"] if event.get("cat") == "stop"]
    stopped = [event for event in spans if event["name"] == "stopped"]
    asked = [event for event in spans if event["name"] == "stops all threads"]
    assert abs(sum(event["dur"] for event in stopped) - stops["lost_ns"] / 1000) < len(stopped)
    threads = [f"{thread['label']} ({thread['tid']})" for thread in traced.summary["threads"]]
    assert len(asked) == stops["count"] == len(stops["list"])
    assert {event["args"]["by"] for event in stopped} == {threads[one[3]] for one in stops["list"]}
    assert 'data-table="stops"' in (folder / "x.html").read_text()
    assert sum(event["args"]["threads"] for event in asked) == len(stopped)
    assert any("one thread stopped all others" in text for text in traced.summary["findings"])


@pytest.mark.timing
def test_changes_of_a_type_stop_all_threads(folder, free_threaded):
    traced, times, _ = trace_stops("types", folder, free_threaded)
    rows = {row["function"]: row for row in traced.summary["stops"]["rows"]}
    # sys.monitoring, with which functions are traced, stops all a few times, too.
    assert times and 50 * times <= rows["change"]["count"] <= 50 * times + 10, (times, rows)
    assert not list(overlapping(traced.summary["stops"])), traced.summary["stops"]["list"]
    assert rows["change"]["kind"] == "python" and rows["change"]["line"], rows


@pytest.mark.timing
def test_a_condition_tells_how_long_threads_were_stopped(folder, free_threaded):
    run = giltracer(["--python", free_threaded.path, "--gil-source", "agent", "--no-output",
                     "--fail-if", "stopped > 1%", target("parallel"), "collect", "0.5"], folder)
    assert run.status == 3 and "stopped" in run.err, run
    run = giltracer(["--python", free_threaded.path, "--gil-source", "agent", "--no-output",
                     "--fail-if", "stopped > 50%", target("parallel"), "own", "0.2"], folder)
    assert run.status == 0 and "stopped%" in run.err, run


@pytest.mark.timing
def test_threads_with_lists_of_their_own_wait_for_no_lock(folder, free_threaded):
    traced, _, _ = trace_stops("own", folder, free_threaded)
    lives_ns = sum(thread["end_ns"] - thread["start_ns"] for thread in traced.summary["threads"])
    assert traced.summary["parallel"]["locked_ns"] <= 0.005 * lives_ns, traced.summary["parallel"]


@pytest.mark.parametrize("kind", ["list", "dict"])
@pytest.mark.timing
def test_who_had_an_object_of_all_threads_is_known(kind, folder, free_threaded):
    traced = trace([target("parallel"), kind, "0.4"], folder, free_threaded,
                   ["--gil-source", "agent", "--fail-if", 'lock("%s") > 0.00001%%' % kind],
                   status=3)
    row = traced.summary["locks"]["rows"][0]
    assert row["function"] == "fill_" + kind and row["line"] and row["type"] == kind, row
    assert "fill_%s (%s)" % (kind, kind) in traced.run.err or not traced.summary["locks"]["matter"]
    assert row["wait_ns"] > 0 and row["unknown_ns"] <= 0.1 * row["wait_ns"], row
    assert row["charged_ns"] + row["handover_ns"] + row["unknown_ns"] == row["wait_ns"], row
    assert row["holders"][0]["function"].split(".")[0] in (kind, "fill_" + kind), row["holders"]


@pytest.mark.timing
def test_who_had_a_lock_of_threading_is_known(folder, free_threaded):
    traced = trace([target("locks"), "condition"], folder, free_threaded,
                   ["--gil-source", "agent"])
    row = max(traced.summary["locks"]["rows"], key=lambda row: row["wait_ns"])
    assert row["unknown_ns"] <= 0.1 * row["wait_ns"] and row["wait_ns"] > 100e6, row
    assert row["holders"][0]["caller"] == "notify", row["holders"]


def test_what_a_thread_does_for_its_own_locks_is_no_wait(folder, free_threaded):
    """Critical sections within each other: it spins and is about to park, and gives the lock."""
    traced = trace([target("parallel"), "read", "2000"], folder, free_threaded,
                   ["--gil-source", "agent", "--no-python-trace"])
    spins = traced.summary["parallel"]["spins"]
    assert 2000 <= spins["own_posts"] <= spins["count"] / 40 + 100 and spins["ns"] > 0, spins
    assert sum(thread.get("lock_wait_ns", 0) for thread in traced.summary["threads"]) == 0
    text, = (text for text in traced.summary["findings"] if "sched_yield" in text)
    assert text.endswith("(CPython's critical sections within each other)."), text


def outcomes(text):
    """What became of each test of a run of unittest."""
    return dict(re.findall(r"^(\w+ \([\w.]+\)) \.\.\. (?:.*\b)?(ok|FAIL|ERROR|skipped)\b", text, re.M))


@pytest.mark.long
@pytest.mark.parametrize("name", ["test_thread", "test_threading", "test_importlib.test_locks",
                                  "test_free_threading"])
def test_cpythons_own_tests_end_as_without_the_agent(folder, free_threaded, name):
    words = ["-m", "unittest", "-v", "test." + name]
    plain = subprocess.run([free_threaded.path, *words], stdin=subprocess.DEVNULL, cwd=str(folder),
                           stderr=subprocess.PIPE, stdout=subprocess.PIPE, timeout=1800)
    run = giltracer(["-q", "--no-output", "--gil-source", "agent", "--overhead-budget", "0",
                     "--python", free_threaded.path, *words], folder, timeout=1800)
    expected = outcomes(plain.stderr.decode(errors="replace"))
    assert len(expected) > 5, plain.stderr[-2000:]
    assert outcomes(run.err) == expected and run.status == plain.returncode, run


def test_functions_do_not_tell_whether_there_is_a_gil(folder, free_threaded):
    run = giltracer(["--gil-source", "functions", "--python", free_threaded.path, "-c", "pass"],
                    folder)
    assert run.status == 125 and "calls take_gil without a GIL" in run.err, run


IMPORTERS = """
import sys, threading
sys.path.insert(0, sys.argv[1])
started = threading.Barrier(4)
def load():
    started.wait()
    import slow_to_import
threads = [threading.Thread(target=load, name="importer-%d" % i) for i in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
import _testcapi, _ctypes, _decimal, _sqlite3, _elementtree
"""


@pytest.mark.parametrize("source", ["agent", pytest.param("auto", marks=pytest.mark.needs_perf)])
def test_nothing_is_said_of_the_gil_that_imports_switch_on_and_off(source, folder, free_threaded):
    (folder / "slow_to_import.py").write_text("import time, _json, _struct\ntime.sleep(0.5)\n")
    (folder / "x.py").write_text(IMPORTERS)
    traced = trace([folder / "x.py", folder], folder, free_threaded, ["--gil-source", source])
    findings = traced.summary["findings"]
    assert not any("the GIL" in text or "counterpart" in text for text in findings), findings
    assert "Blockers:" not in traced.run.err and "Summary of threads" not in traced.run.err
    # One verdict, and that the lock is the import's.
    assert sum("ock-bound" in text for text in findings) == 1, findings
    assert any("of the import system taken in load" in text for text in findings), findings
    assert any(text.startswith("One thread imports a module") for text in findings), findings
    (row, *_) = traced.summary["locks"]["rows"]
    assert row["imports"] and row["waits"] >= 3 and row["wait_ns"] > 1e9, row


def test_processes_without_a_gil_are_not_told_as_if_they_had_one(folder, free_threaded):
    code = ("import subprocess, sys, threading\n"
            "def run(): subprocess.run([sys.executable, '-c', 'import _ctypes'])\n"
            "threads = [threading.Thread(target=run) for _ in range(2)]\n"
            "for thread in threads: thread.start()\n"
            "for thread in threads: thread.join()\n")
    traced = trace(["-c", code], folder, free_threaded, ["--gil-source", "agent"])
    table = traced.run.err.split("Processes:\n\n")[1].split("\n\n")[0].splitlines()[2:]
    assert len(table) == 3, table
    for row in table:
        assert re.search(r"^\d+ +\d+ +- +- +- +- +no GIL ", row), row
    threads = {row.split()[1] for row in table}
    assert threads == {"1", "3"}, table
