# SPDX-License-Identifier: MIT
"""--metrics: what is counted is what the program does, over many borders of two seconds and as often
as it is scraped; whoever connects gets nothing else; a real Prometheus reads it."""
import collections
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.parse

import harness
import pytest
from harness import Running, giltracer, one_line_error, require, row_named, start, target, wait_for

PROMETHEUS = harness.ROOT / "scripts" / "prometheus"
DOCS = harness.ROOT / "scripts" / "docs" / "metrics.md"
OPEN_METRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z]+="(?:[^"\\\n]|\\[\\"n])*",?)*)\})? (\d+(?:\.\d{9})?)')
LABEL = re.compile(r'([a-z]+)="((?:[^"\\\n]|\\[\\"n])*)"')

pytestmark = pytest.mark.needs_perf

# The GIL is contended all the time, for some seconds; says when it began.
PROGRAM = """
import sys, threading, time
end = time.monotonic() + float(sys.argv[1])
def work():
    while time.monotonic() < end: sum(range(1000))
threads = [threading.Thread(target=work) for _ in range(3)]
[one.start() for one in threads]
[one.join() for one in threads]
raise SystemExit(5)
"""


def read(text):
    """{(name, labels as a sorted tuple): value}; every line has the form that it should."""
    samples = {}
    lines = text.split("\n")
    assert lines[-2:] == ["# EOF", ""], text[-100:]
    for line in lines[:-2]:
        if line.startswith("# "):
            assert re.match(r"# (HELP|TYPE|UNIT) giltracer_[a-z_]+ .", line), line
            continue
        match = SAMPLE.fullmatch(line)
        assert match, line
        name, labels, value = match.groups()
        key = (name, tuple(sorted(LABEL.findall(labels or ""))))
        assert key not in samples, line
        samples[key] = float(value)
    return samples


def total(samples, name, **labels):
    """Of all series of that name with these labels."""
    name = "giltracer_" + name
    found = [value for (called, had), value in samples.items()
             if called == name and set(labels.items()) <= set(had)]
    assert found, (name, labels, sorted(samples))
    return sum(found)


def port_of(run):
    """The port, which giltracer prints as it begins."""
    line = run.process.stderr.readline().decode()
    return int(re.fullmatch(r"giltracer: metrics at http://127\.0\.0\.1:(\d+)/metrics\n",
                            line).group(1))


def ask(port, method="GET", path="/metrics", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer, body


def scrape(port):
    answer, body = ask(port, Accept=OPEN_METRICS)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == \
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    return read(body)


def check_grows(earlier, later):
    for key, value in earlier.items():
        if key[0].endswith("_total"):
            assert later[key] >= value, key


def finish(run, status, *left):
    run.finish()
    assert run.status == status and run.leftovers() == list(left), (run, run.leftovers())
    return run


# --- what is counted -----------------------------------------------------------------------

@pytest.mark.timing
def test_what_is_counted_is_what_the_program_does(folder):
    """`waiter` waits for half of the time, `holder` has the GIL then; and as often as it is
    scraped, no counter becomes less."""
    run = start(["--metrics", ":0", target("attached"), "turns", "7"], folder)
    port = port_of(run)
    scrapes = []
    while run.process.poll() is None and (not scrapes or len(scrapes) < 12):
        scrapes.append(scrape(port))
        time.sleep(0.5)
    for earlier, later in zip(scrapes, scrapes[1:]):
        check_grows(earlier, later)
    recorded = [total(one, "recorded_seconds_total") for one in scrapes]
    assert len(set(recorded)) >= 3, recorded  # it was counted several times
    first = next(one for one in scrapes if total(one, "recorded_seconds_total") >= 2)
    last = scrapes[-1]
    took = total(last, "recorded_seconds_total") - total(first, "recorded_seconds_total")

    def grown(name, **labels):
        return total(last, name, **labels) - total(first, name, **labels)
    assert took >= 2
    assert 0.45 * took <= grown("gil_wait_seconds_total", group="waiter") <= 0.55 * took, last
    assert 0.45 * took <= grown("gil_contended_hold_seconds_total", group="holder") <= 0.55 * took
    assert 0.45 * took <= grown("gil_contended_seconds_total") <= 0.55 * took
    assert 0.09 <= total(last, "gil_longest_wait_seconds", group="waiter") <= 0.2
    assert 4 * took <= grown("gil_waits_total", group="waiter")
    assert total(last, "recording") == 1 and total(last, "lost_events_total") == 0
    processes = {dict(labels).get("process") for _, labels in last}
    assert processes == {None, "attached.py turns 7"}
    assert total(last, "cpu_seconds_total", part="perf") > 0
    assert total(last, "resident_memory_bytes") < 64 << 20
    finish(run, 7)


@pytest.mark.timing
def test_the_sum_is_that_of_an_ordinary_recording(folder):
    """Of one process at one time: two that record it see the same."""
    with Running(harness.DEBIAN_PYTHON, target("attached"), "turns") as process:
        output = folder / "x.json"
        other = start(["--gil-source", "futex", "--pid", process.pid, "--duration", "4s", "-o",
                       output], folder)
        counting = start(["--metrics", folder / "x.prom", "--pid", process.pid, "--duration", "4s"],
                         folder)
        finish(other, 0)
        finish(counting, 0)
    gil = harness.read_json(output)["giltracer"]["gils"][0]
    samples = read((folder / "x.prom").read_text())
    took = total(samples, "recorded_seconds_total")
    assert 3.8 <= took <= 4.3
    for name, field, metric in (("waiter", "wait_ns", "gil_wait_seconds_total"),
                                ("holder", "hold_ns", "gil_contended_hold_seconds_total")):
        row = row_named(gil, name)
        share = row[field] / row["lifetime_ns"]
        assert abs(total(samples, metric, group=name) / took - share) <= 0.05, (name, share, samples)


@pytest.mark.timing
def test_a_process_that_runs_already_goes_on(folder):
    with Running(harness.DEBIAN_PYTHON, target("attached"), "turns") as process:
        run = start(["--metrics", ":0", "--pid", process.pid], folder)
        port = port_of(run)
        wait_for(lambda: total(scrape(port), "recorded_seconds_total") >= 4, "it never counted")
        samples = scrape(port)
        run.process.send_signal(signal.SIGTERM)
        finish(run, 0)
        assert process.process.poll() is None
    took = total(samples, "recorded_seconds_total")
    assert 0.45 * took <= total(samples, "gil_wait_seconds_total", group="waiter",
                                pid=str(process.pid)) <= 0.55 * took


def test_children_are_processes_of_their_own(folder):
    code = ("import os, threading, time\n"
            "def work():\n"
            "    end = time.monotonic() + 2.8\n"
            "    while time.monotonic() < end: sum(range(1000))\n"
            "pid = os.fork()\n"
            "threads = [threading.Thread(target=work) for _ in range(2)]\n"
            "[one.start() for one in threads]\n"
            "[one.join() for one in threads]\n"
            "if pid: os.waitpid(pid, 0)\n")
    (folder / "forks.py").write_text(code)
    run = giltracer(["--metrics", folder / "x.prom", folder / "forks.py"], folder)
    assert run.status == 0, run
    samples = read((folder / "x.prom").read_text())
    waited = collections.Counter()
    for (name, labels), value in samples.items():
        if name == "giltracer_gil_wait_seconds_total":
            waited[dict(labels)["pid"], dict(labels)["process"]] += value
    assert len(waited) == 2 and {name for _, name in waited} == {"forks.py"}, samples
    assert all(value > 0.3 for value in waited.values()), waited


def test_children_that_end_at_once_make_no_series(folder):
    code = ("import os, threading, time\n"
            "def work():\n"
            "    end = time.monotonic() + 0.05\n"
            "    while time.monotonic() < end: sum(range(1000))\n"
            "end = time.monotonic() + 2.5\n"
            "while time.monotonic() < end:\n"
            "    pid = os.fork()\n"
            "    threads = [threading.Thread(target=work) for _ in range(3)]\n"
            "    [one.start() for one in threads]\n"
            "    [one.join() for one in threads]\n"
            "    if not pid: os._exit(0)\n"
            "    os.waitpid(pid, 0)\n")
    run = giltracer(["--metrics", folder / "x.prom", "-c", code], folder)
    assert run.status == 0, run
    samples = read((folder / "x.prom").read_text())
    assert len({dict(labels)["pid"] for _, labels in samples if "pid" in dict(labels)}) <= 3, samples
    assert total(samples, "gil_handovers_total", pid="", process="other") > 10
    assert total(samples, "gil_handovers_total") > total(samples, "gil_handovers_total", pid="")


def test_a_name_may_be_anything(folder):
    names = [b'a"b\\', b"x\ny\x1b[2J", b"\xff\xfe{}=,", b"main", b"other"]
    code = ("import ctypes, threading, time\n"
            "libc = ctypes.PyDLL(None)\n"
            "def work(name):\n"
            "    libc.prctl(15, name, 0, 0, 0)\n"
            "    end = time.monotonic() + 1.2\n"
            "    while time.monotonic() < end: sum(range(1000))\n"
            "threads = [threading.Thread(target=work, args=(name,)) for name in %r]\n"
            "[one.start() for one in threads]\n"
            "[one.join() for one in threads]\n" % names)
    run = giltracer(["--metrics", folder / "x.prom", "-c", code], folder)
    assert run.status == 0, run
    samples = read((folder / "x.prom").read_text())
    groups = {dict(labels).get("group") for _, labels in samples} - {None}
    assert groups >= {'a\\"b\\\\', "x?y?[*J", "??{}=,", "main (thread)", "other (thread)"}, groups
    assert subprocess.run(["promtool", "check", "metrics"], stdout=subprocess.PIPE,
                          input=(folder / "x.prom").read_bytes()).returncode == 0


# --- where it goes -------------------------------------------------------------------------

def test_the_file_is_always_whole(folder):
    """Who reads it at any time finds all of one moment."""
    path = folder / "x.prom"
    run = start(["--metrics", path, "-c", PROGRAM, "4"], folder)
    wait_for(path.exists, "no file came")
    seen = set()
    while run.process.poll() is None:
        seen.add(total(read(path.read_text()), "recorded_seconds_total"))
        time.sleep(0.01)
    finish(run, 5)
    assert len(seen) >= 2, seen
    last = read(path.read_text())
    assert total(last, "gil_wait_seconds_total") > 4 and total(last, "recording") == 0
    assert "metrics at" not in run.err and not list(folder.glob("giltracer.html"))


def test_bad_requests(folder):
    run = start(["--metrics", ":0", "-c", PROGRAM, "5"], folder)
    port = port_of(run)
    assert ask(port, path="/")[0].status == 404
    assert ask(port, path="/metrics/../etc/passwd")[0].status == 404
    answer, _ = ask(port, method="POST")
    assert answer.status == 405 and answer.headers["Allow"] == "GET, HEAD"
    answer, body = ask(port, method="HEAD")
    assert answer.status == 200 and not body and int(answer.headers["Content-Length"]) > 100
    answer, body = ask(port)
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "# TYPE giltracer_gil_waits_total counter\n" in body and read(body)

    def raw(data):
        with socket.create_connection(("127.0.0.1", port), 10) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            while True:
                try:
                    more = connection.recv(65536)
                except ConnectionResetError:
                    more = b""
                if not more:
                    return answer
                answer += more
    assert raw(b"\x16\x03\x01\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    assert raw(b"GET /metrics HTTP/1.1\r\nX: " + 9000 * b"x").startswith(b"HTTP/1.1 431 ")
    assert raw(b"GET /metrics HTTP/1.1\r\n\r\n").endswith(b"# EOF\n")
    assert raw(b"") == b"" and raw(b"GET /met") == b""
    # Those who say nothing take all places, for five seconds; others are served again then.
    silent = [socket.create_connection(("127.0.0.1", port), 10) for _ in range(40)]
    began = time.monotonic()
    silent[0].settimeout(10)
    assert silent[0].recv(1) == b"" and time.monotonic() - began < 8
    [one.close() for one in silent]
    if run.process.poll() is None:
        run.process.terminate()
    run.finish()
    assert not run.leftovers()


def test_what_is_refused(folder):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = "127.0.0.1:%d" % taken.getsockname()[1]
        error = one_line_error(giltracer(["--metrics", where, "-c", "pass"], folder), 125)
        assert "cannot serve metrics at %s: address already in use" % where in error
    proof = folder / "ran"
    for words, wanted in (
            (["--metrics", "example.org:80"], "is no address"),
            (["--metrics", folder / "missing" / "x"], "cannot write"),
            (["--metrics", ":0", "-o", "x.html"], "does not go with -o"),
            (["--metrics", ":0", "--summary", "x"], "does not go with --summary"),
            (["--metrics", ":0", "--state-detect"], "does not go with --state-detect"),
            (["--metrics", ":0", "--gil-source", "agent"], "name --gil-source futex, or none")):
        run = giltracer([*words, "-c", "open(%r, 'w')" % str(proof)], folder)
        assert wanted in one_line_error(run, 125), run
    assert not proof.exists()


# --- when something ends -------------------------------------------------------------------

def perf_of(run):
    children = pathlib.Path("/proc/%d/task/%d/children" % (run.pid, run.pid)).read_text().split()
    (perf,) = [int(pid) for pid in children if " record " in harness.command_of(int(pid))]
    return perf


def test_perf_dies_and_the_program_does_not(folder):
    run = start(["--metrics", ":0", "-c", PROGRAM, "5.5"], folder)
    port = port_of(run)
    wait_for(lambda: total(scrape(port), "recorded_seconds_total") >= 2, "it never counted")
    os.kill(perf_of(run), signal.SIGKILL)
    wait_for(lambda: total(scrape(port), "recording") == 0, "it still records")
    before = scrape(port)
    time.sleep(1)
    after = scrape(port)
    for name in ("recorded_seconds_total", "gil_wait_seconds_total"):
        assert total(before, name) == total(after, name)
    finish(run, 5)
    assert run.err.count("perf record has ended before the program") == 1, run


def test_signals_are_the_programs(folder):
    code = ("import signal, sys, time\n"
            "signal.signal(signal.SIGTERM, lambda *_: sys.exit(9))\n"
            "open('ready', 'w').close()\n"
            "time.sleep(30)\n")
    run = start(["--metrics", ":0", "-c", code], folder)
    port_of(run)
    wait_for((folder / "ready").exists, "it never ran")
    run.process.terminate()
    finish(run, 9)


def test_a_killed_giltracer_leaves_nothing(folder):
    run = start(["--metrics", folder / "x.prom", "-c", PROGRAM, "2"], folder)
    wait_for(lambda: (folder / "x.prom").exists() and
             any(harness.probe_is_of(line, run.pid) for line in harness.probes()), "no probes")
    time.sleep(0.5)
    run.process.kill()
    run.process.communicate()
    wait_for(lambda: not run.leftovers(), "left behind", 30)


# --- Prometheus ----------------------------------------------------------------------------

def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def query(port, expression):
    path = "/api/v1/query?" + urllib.parse.urlencode({"query": expression})
    answer, body = ask(port, path=path)
    return json.loads(body)["data"]["result"] if answer.status == 200 else []


def test_a_prometheus_scrapes_it(folder):
    require(None if shutil.which("prometheus") else "no prometheus: scripts/setup test")
    run = start(["--metrics", ":0", target("attached"), "turns", "14"], folder)
    port, own = port_of(run), free_port()
    (folder / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s, evaluation_interval: 1s}\n"
        "rule_files: ['%s']\n"
        "scrape_configs:\n- job_name: x\n  static_configs: [{targets: ['127.0.0.1:%d']}]\n"
        % (PROMETHEUS / "alerts.yml", port))
    with open(str(folder / "log"), "wb") as log:
        server = subprocess.Popen(
            ["prometheus", "--config.file", str(folder / "prometheus.yml"), "--storage.tsdb.path",
             str(folder / "tsdb"), "--web.listen-address", "127.0.0.1:%d" % own],
            stdout=log, stderr=log)

    def answers(expression):
        try:
            return query(own, expression)
        except OSError:
            return []
    try:
        waited = 'giltracer_gil_wait_seconds_total{group="waiter"} > 1.5'
        wait_for(lambda: answers(waited), "nothing was scraped")
        (one,) = answers(waited)
        assert float(one["value"][1]) < 7 and one["metric"]["process"] == "attached.py turns 14"
        (up,) = answers("up")
        assert up["value"][1] == "1" and up["metric"]["instance"] == "127.0.0.1:%d" % port
        assert answers("giltracer_build_info") and answers("giltracer_recording == 1")
    finally:
        server.terminate()
        server.wait(20)
    run.end_processes()
    run.process.communicate()


# --- what is beside it ---------------------------------------------------------------------

def metrics_of(folder):
    run = giltracer(["--metrics", folder / "x.prom", "-c", PROGRAM, "0.5"], folder)
    assert run.status == 5, run
    return {line.split(" ")[2] for line in (folder / "x.prom").read_text().split("\n")
            if line.startswith("# TYPE ")}


def test_alerts_dashboard_and_documents_name_what_there_is(folder):
    require(None if shutil.which("promtool") else "no promtool: scripts/setup test")
    metrics = metrics_of(folder)
    done = subprocess.run(["promtool", "check", "rules", str(PROMETHEUS / "alerts.yml")],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout.decode()
    dashboard = json.loads((PROMETHEUS / "dashboard.json").read_text())
    shown = " ".join(target["expr"] for panel in dashboard["panels"] for target in panel["targets"])
    alerts = " ".join(re.findall(r"expr: (?:\|\n)?((?:.|\n)*?)\n +(?:for|labels):",
                                 (PROMETHEUS / "alerts.yml").read_text()))
    for text in (shown, alerts):
        named = set(re.findall(r"giltracer_\w+", text))
        assert named and named <= metrics, named - metrics
    own = {name for name in metrics if re.search("process|restart|recording", name)}
    assert len(own) >= 4 and own <= set(re.findall(r"giltracer_\w+", shown)), own
    rows = set(re.findall(r"^\| `(giltracer_\w+)` \|", DOCS.read_text(), re.M))
    assert rows == metrics, rows ^ metrics
