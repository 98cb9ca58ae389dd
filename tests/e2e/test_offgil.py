# SPDX-License-Identifier: MIT
"""offgil: folded stacks and flame graphs of recorded sleeps."""
import collections
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest

import harness
import recording
from harness import (DEBIAN_PYTHON, OFFGIL, Interpreter, an_interpreter, ask_version, giltracer,
                     target)
from test_profiles import Pprof

pytestmark = pytest.mark.needs_perf

DEBIAN = Interpreter(DEBIAN_PYTHON, ask_version(DEBIAN_PYTHON))


def offgil(*words, data=None):
    run = subprocess.run([str(OFFGIL), *map(str, words)], input=data, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, timeout=90)
    run.status, run.out, run.err = run.returncode, run.stdout, run.stderr.decode()
    return run


def folded(text):
    """{stack: µs}, checked as flamegraph.pl, inferno and speedscope would read it."""
    stacks = collections.OrderedDict()
    for line in text.decode("utf-8").splitlines():
        frames, weight = line.rsplit(" ", 1)
        assert weight.isdigit() and int(weight) > 0, line
        frames = tuple(frames.split(";"))
        assert all(frames) and frames not in stacks, line
        stacks[frames] = int(weight)
    return stacks


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Two recordings with stacks, kept by giltracer; and each report's S(GIL) in µs."""
    found = {}
    for python in (DEBIAN, an_interpreter(3, 11)):
        folder = tmp_path_factory.mktemp("kept")
        run = giltracer(["--python", python.path, "--state-detect", "--no-gil-detect",
                         "--call-graph", "--keep", folder / "keep", "-o", folder / "r.json",
                         target("two_workers")], folder)
        assert run.status == 0, run
        summary = harness.read_json(folder / "r.json")["giltracer"]
        slept = sum(row["states"].get("S(GIL)", {"ns": 0})["ns"] for row in summary["threads"])
        found[python.name] = (folder / "keep" / "perf.data", slept / 1000)
    return found


def test_folded_stacks_weigh_the_sleeps(kept):
    for name, (data, slept_us) in kept.items():
        run = offgil(data)
        assert run.status == 0 and run.err == "", run.err
        stacks = folded(run.out)
        assert abs(sum(stacks.values()) - slept_us) <= 0.01 * slept_us + len(stacks), name
        for frames in stacks:
            assert "timedwait" in " ".join(frames) or "take_gil" in frames, frames
            assert frames[-1].endswith("_[k]"), frames  # the innermost comes last
        if name.startswith("pyenv"):
            assert all("take_gil" in " ".join(frames) for frames in stacks), stacks


def test_other_states_and_threads(kept):
    data, _ = list(kept.values())[0]
    run = offgil("--state", "S", data)
    others = folded(run.out)
    assert run.status == 0 and others
    assert not any("take_gil" in " ".join(frames) for frames in others)
    apart = folded(offgil("--threads", data).out)
    assert len({frames[1] for frames in apart} - {"main"}) >= 2
    assert abs(sum(apart.values()) - sum(folded(offgil(data).out).values())) <= len(apart)
    run = offgil("--state", "D", data)
    assert run.status == 0


def test_flame_graph_is_xml(kept, folder):
    for data, _ in kept.values():
        output = folder / "graph.svg"
        run = offgil(data, "-o", output)
        assert run.status == 0, run.err
        root = ElementTree.parse(str(output)).getroot()
        names = {element.tag.split("}")[1] for element in root.iter()}
        assert root.tag == "{http://www.w3.org/2000/svg}svg" and "script" not in names
        titles = [element.text for element in root.iter() if element.tag.endswith("title")]
        assert any("timedwait" in title for title in titles)
        width = float(root.get("width"))
        for rect in root.iter("{http://www.w3.org/2000/svg}rect"):
            if rect.get("x"):
                assert 0 <= float(rect.get("x")) and \
                    float(rect.get("x")) + float(rect.get("width")) <= width, rect.attrib


def test_text_and_standard_input(kept, folder):
    data, slept_us = list(kept.values())[0]
    text = harness.perf_script(data, "--show-switch-events", "-F",
                               "comm,pid,tid,cpu,time,event,trace,ip,sym,dso")
    one, two = folded(offgil(data).out), folded(offgil(data=text).out)
    assert one == two and sum(one.values()) > 0.9 * slept_us


def test_hostile_names_stay_names(folder):
    """A thread, a symbol and a file that try to be markup, frames and terminal codes."""
    frames = "\n".join(["\t%16x <script>alert(1)</script>;x;+0x1 (/lib/a\"b<&>.so)" % 1,
                        "\t%16x take_gil+0x2 (/bin/python3)" % 2])
    lines = []
    for i in range(1, 4):
        lines.append("  a;<b>\x1b[31m&  7/8     [000] 10.00000%d000: sched:sched_switch: "
                     "prev_comm=x prev_pid=8 prev_prio=120 prev_state=S ==> next_comm=y "
                     "next_pid=0 next_prio=120\n%s\n" % (2 * i, frames))
        lines.append("  a;<b>\x1b[31m&  7/8     [000] 10.00000%d000: PERF_RECORD_SWITCH IN"
                     % (2 * i + 1))
    text = ("\n".join(lines) + "\n").encode()
    stacks = folded(offgil(data=text).out)
    assert stacks and all(len(frames) == 3 for frames in stacks), stacks
    assert b"\x1b" not in offgil(data=text).out
    output = folder / "graph.svg"
    assert offgil("-o", output, data=text).status == 0
    root = ElementTree.parse(str(output)).getroot()
    tags = {element.tag.split("}")[1] for element in root.iter()}
    assert tags <= {"svg", "style", "rect", "text", "title", "g"}, tags


def refused(run):
    assert run.status == 125 and run.out == b"", run.err
    lines = run.err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("offgil: "), run.err
    return lines[0]


def test_bad_input(kept, folder):
    data, _ = list(kept.values())[0]
    assert "S(GIL)" in refused(offgil("--state", "asleep", data))
    assert "--call-graph" in refused(offgil(blind(folder, sched=True)))
    assert "--state-detect" in refused(offgil(blind(folder, sched=False)))
    assert "missing" in refused(offgil(folder / "missing"))
    refused(offgil(data=b"no perf script text\n" * 3))
    refused(offgil(data, "-o", "/nonexistent/x.svg"))


def blind(folder, sched):
    run = recording.record(folder, DEBIAN, ["-c", "import time; time.sleep(0.1)"], probes=False,
                           sched=sched)
    return run.path


TOUCH = """
import hashlib, mmap, threading
PAGES = 4000

def touch():
    memory = mmap.mmap(-1, PAGES * 4096)
    for page in range(PAGES):
        memory[page * 4096] = 1

def digest(memory):
    hashlib.sha256(memory).digest()

touch()
digest(mmap.mmap(-1, PAGES * 4096))
"""


def test_where_events_happen_and_whether_with_the_gil(folder):
    """Pages that are touched for the first time: by Python code, and without the GIL by OpenSSL."""
    program = folder / "touch.py"
    program.write_text(TOUCH)
    run = giltracer(["--python", DEBIAN.path, "-e", "page-faults", "--call-graph", "--keep", "kept", "-o",
                     "x.json", str(program)], folder)
    assert run.status == 0, run
    words = ["--event", "page-faults", "--agent-log", folder / "kept" / "agent", folder / "kept" / "perf.data"]
    shares = {}
    for which in ("all", "held", "free"):
        done = offgil(*([] if which == "all" else ["--gil", which]), *words)
        assert done.status == 0, done.err
        stacks = folded(done.out)
        shares[which] = {name: sum(count for frames, count in stacks.items() if name in frames)
                         for name in ("touch", "digest")}
        shares[which]["sum"] = sum(stacks.values())
    (counter,) = harness.read_json(folder / "x.json")["giltracer"]["counters"]
    assert counter["name"] == "page-faults"
    assert sum(row["total"] for row in counter["threads"]) == shares["all"]["sum"]
    assert shares["held"]["sum"] + shares["free"]["sum"] == shares["all"]["sum"]
    assert 4000 <= shares["held"]["touch"] < 4200 and shares["free"]["touch"] < 40, shares
    assert shares["free"]["digest"] > 900 and shares["held"]["digest"] < 100, shares
    output = folder / "faults.svg"
    assert offgil("-o", output, *words).status == 0
    assert "page-faults" in output.read_text()
    assert offgil("-o", folder / "faults.pb.gz", *words).status == 0
    profile = Pprof(folder / "faults.pb.gz")
    assert profile.types == [("page-faults", "count")]
    assert {tuple(reversed(stack)): values[0] for stack, values, _ in profile.samples} == \
        dict(folded(offgil(*words).out))
    again = offgil("--event", "cycles", folder / "kept" / "perf.data")
    assert "holds no event cycles" in refused(again)
