# SPDX-License-Identifier: MIT
"""Which native function keeps the GIL: samples of the holder's stack, below what Python called."""
import base64
import gzip
import os
import pathlib
import re
import shutil
import subprocess
import zlib

import harness
import pytest
from harness import giltracer, target, trace

CHAIN = ["burn", "deep_outer", "deep_middle", "deep_burn"]
MEASURED = [one for one in harness.interpreters()
            if one.version[:2] in ((3, 8), (3, 11), (3, 13))] or harness.interpreters()[:1]


def build(python, folder, *options):
    folder = pathlib.Path(folder, "module-" + python.name)
    folder.mkdir(exist_ok=True)
    if not harness.build_extension(python.path, harness.TARGETS / "deep.c", folder / "deep.so", options):
        harness.require("%s has no headers, or there is no compiler" % python.path)
    return folder


def blocker(traced, name):
    rows = [row for row in traced.summary["blockers"] if row["function"] == name]
    assert len(rows) == 1, [row["function"] for row in traced.summary["blockers"]]
    return rows[0]


def names(row):
    return [step["function"] for step in row["native"]["way"]]


def frequency(hz):
    return ("--native-freq", str(hz))


@pytest.mark.needs_perf
@pytest.mark.timing
@pytest.mark.parametrize("python", MEASURED, ids=lambda one: one.name)
def test_the_function_three_calls_deeper_is_named(folder, python):
    module = build(python, folder)
    traced = trace([target("deep"), module, "burn", "2"], folder, python, frequency(999))
    row = blocker(traced, "deep.burn")
    native = row["native"]
    assert native["samples"] >= 400, native
    assert names(row)[-4:] == CHAIN, native
    assert native["self"]["function"] == "deep_burn"
    assert native["self"]["library"].endswith("deep.so")
    assert native["way"][-1]["ns"] >= 0.9 * native["ns"], native
    # 2 × 400 ms of CPU time; a machine without time to spare has fewer ticks, and never more.
    assert 0.4e9 < native["ns"] < 0.85e9, native
    line = next(line for line in traced.run.err.splitlines() if "deep_outer" in line)
    assert re.search(r"burn → deep_outer → deep_middle → deep_burn \(deep\.so\) (9\d|100)%", line), line


@pytest.mark.needs_perf
def test_static_functions_of_a_stripped_library_are_places_in_it(folder):
    python = MEASURED[-1]
    module = build(python, folder, "-s",
                   "-DDEEP=static __attribute__((noinline, noclone))")
    traced = trace([target("deep"), module, "burn", "1"], folder, python)
    found = names(blocker(traced, "deep.burn"))
    assert len(found) >= 4 and all(re.match(r"deep\.so\+0x[0-9a-f]+$", name) for name in found[-4:]), found
    table = subprocess.run(["readelf", "--debug-dump=frames", str(module / "deep.so")],
                           stdout=subprocess.PIPE, check=True).stdout.decode()
    begins = {int(match, 16) for match in re.findall(r"FDE .*pc=([0-9a-f]+)\.\.", table)}
    assert {int(name.split("+0x")[1], 16) for name in found[-4:]} <= begins, (found, begins)
    # For people only the last of them: where it led to.
    line = next(line for line in traced.run.err.splitlines() if found[-1] in line)
    assert re.search(r"… → deep\.so\+0x[0-9a-f]+ \d+", line) and line.count("deep.so+") == 1, line


CALLING = """
import threading, time
def key(item):
    pass
def call():
    for _ in range(20):
        list(map(key, range(50000)))
threads = [threading.Thread(target=call) for _ in range(2)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


@pytest.mark.needs_perf
def test_what_records_is_not_what_holds(folder):
    """Samples of the agent's own code, called for each of a million calls: JSON has them as they are,
    where they are the most."""
    seen = 0
    for number in range(2):
        (folder / str(number)).mkdir()
        traced = trace(["-c", CALLING], folder / str(number), MEASURED[0], frequency(999))
        natives = [row["native"] for row in traced.summary["blockers"] if row["native"]]
        seen += any("libgiltracer-agent" in (step["library"] or "") for native in natives
                    for step in native["way"] + [native["self"]] if step)
        assert "libgiltracer-agent" not in traced.run.err, traced.run.err
    assert seen, natives


@pytest.mark.needs_perf
@pytest.mark.timing
def test_ctypes_sleep_and_what_was_kept(folder):
    """What ctypes calls is named; who sleeps was seen asleep; perf2trace finds the same again."""
    python = MEASURED[-1]
    module = build(python, folder)
    kept = folder / "kept"
    traced = trace([target("deep"), module, "ctypes,nap", "1"], folder, python, ("--keep", str(kept)))
    rows = [row for row in traced.summary["blockers"] if names(row)[-3:] == CHAIN[1:]]
    assert len(rows) == 1 and names(rows[0]) == CHAIN[1:], traced.summary["blockers"]
    asleep = blocker(traced, "deep.nap")["native"]
    assert asleep["samples"] <= 1, asleep
    check_nap(blocker(traced, "deep.nap"), 1)
    subprocess.run([str(harness.PERF2TRACE), str(kept / "perf.data"), "--agent-log", str(kept / "agent"),
                    "--probes", str(kept / "probes.data"), "--native", str(kept / "native.data"),
                    "-o", str(folder / "again.json")], check=True, cwd=str(folder), stderr=subprocess.PIPE)
    again = harness.read_json(folder / "again.json")["giltracer"]["blockers"]
    for key in ("native", "asleep"):
        assert [row[key] for row in again] == [row[key] for row in traced.summary["blockers"]]
    check_flames(kept)
    check_text(kept)


def folded(kept, *options):
    """Stacks → µs of CPU time, of what offgil says of threads that ran."""
    out = subprocess.run([str(harness.BUILD / "offgil"), "--native", str(kept / "native.data"),
                          "--agent-log", str(kept / "agent"), *options, str(kept / "perf.data")],
                         check=True, stdout=subprocess.PIPE).stdout.decode()
    lines = [line.rsplit(" ", 1) for line in out.splitlines()]
    return {stack: int(value) for stack, value in lines}


def check_flames(kept):
    """Python functions and native ones in one graph, and only those who have the GIL in another."""
    deep = re.compile(r"by_ctypes;(.*;)?deep_outer;deep_middle;deep_burn$")
    every, held, free = folded(kept), folded(kept, "--gil", "held"), folded(kept, "--gil", "free")
    both = {stack: held.get(stack, 0) + free.get(stack, 0) for stack in every}
    assert all(abs(every[stack] - both[stack]) <= 2 for stack in every), (every, both)
    assert sum(ns for stack, ns in held.items() if deep.search(stack)) > 0, held
    assert not any(deep.search(stack) for stack in free), free
    assert not any("_PyEval_EvalFrameDefault" in stack for stack in every if "by_ctypes" in stack), every


NAP = ["nap", "deep_nap"]


def check_nap(row, times):
    """Asleep in poll."""
    asleep = row["asleep"]
    names = [step["function"] for step in asleep["way"]]
    assert names[-3:-1] == NAP and re.match(r"_*poll", names[-1]), asleep
    assert [pathlib.Path(step["library"]).name for step in asleep["way"]][-3:] == ["deep.so"] * 2 + ["libc.so.6"]
    assert asleep["call"] == "poll" and asleep["samples"] == times, asleep


@pytest.mark.needs_perf
@pytest.mark.timing
@pytest.mark.parametrize("python", MEASURED, ids=lambda one: one.name)
def test_where_a_holder_sleeps_and_how_long(python, folder):
    traced = trace([target("deep"), build(python, folder), "nap", "3"], folder, python)
    row = blocker(traced, "deep.nap")
    check_nap(row, 3)
    # 300 ms each time, of which 5 ms, or more on a busy machine, passed before it was asked.
    assert row["kept"] == 3 and row["asleep"]["ns"] < 1.05 * 3 * 0.3e9, row
    assert abs(row["asleep"]["ns"] + row["kept_ready_ns"] - row["kept_ns"]) < 0.05 * row["kept_ns"], row
    line = next(line for line in traced.run.err.splitlines() if "deep_nap" in line)
    assert re.search(r"asleep \d+\.\d ms: nap → deep_nap \(deep\.so\) → _*poll \(libc\.so\.6\)$", line), line
    assert "no native sample" not in traced.run.err, traced.run


@pytest.mark.timing
def test_where_a_holder_sleeps_needs_no_perf_and_no_symbols(folder):
    """Names of static functions are gone, and the address in their library is there."""
    python = MEASURED[-1]
    module = build(python, folder, "-s", "-DDEEP=static __attribute__((noinline, noclone))")
    traced = trace([target("deep"), module, "nap", "1"], folder, python, ("--gil-source", "agent"),
                   env={"GILTRACER_PERF": "/nonexistent"})
    asleep = blocker(traced, "deep.nap")["asleep"]
    assert [re.sub(r"0x[0-9a-f]+$", "", step["function"]) for step in asleep["way"][-3:-1]] == ["deep.so+"] * 2
    assert all(step["build_id"] for step in asleep["way"][-3:-1]), asleep


def check_text(kept):
    """perf2trace stacks: samples as perf prints them, each with its Python functions in it."""
    text = subprocess.run([str(harness.PERF2TRACE), "stacks", "--native", str(kept / "native.data"),
                           "--agent-log", str(kept / "agent"), str(kept / "perf.data")],
                          check=True, stdout=subprocess.PIPE).stdout.decode()
    samples = [sample.splitlines() for sample in text.split("\n\n") if sample]
    head, frame = re.compile(r"\S.* \d+/\d+ \d+\.\d{9}: +(\d+) cpu-clock:u: $"), re.compile(r"\t +[0-9a-f]+ .+ \(.+\)$")
    assert all(head.match(sample[0]) and all(map(frame.match, sample[1:])) for sample in samples), text
    deep = [sample for sample in samples if sample[1:] and sample[1].split()[1] == "deep_burn"]
    for sample in deep:
        names = [line.split()[1] for line in sample[1:]]
        assert names[:3] == CHAIN[:0:-1] and "_PyEval_EvalFrameDefault" not in names, sample
        assert "by_ctypes" in names or "deep.burn" in names, sample
    folded_us = sum(us for stack, us in folded(kept).items() if stack.endswith(";deep_burn"))
    text_us = sum(int(head.match(sample[0]).group(1)) for sample in deep) / 1000
    assert deep and abs(folded_us - text_us) <= 1 + len(deep), (folded_us, text_us)


STRANGER = r"""
#include <time.h>
__attribute__((noinline)) long gt_stranger_burns(long n) { return n > 0 ? time(0) + n : 0; }
int main(void) { time_t end = time(0) + 60; while (gt_stranger_burns(1) < end); }
"""


def contents(path):
    """All bytes of an output, unpacked."""
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    for packed in re.findall(rb"[A-Za-z0-9+/]{100,}={0,2}", data):
        try:
            data += zlib.decompress(base64.b64decode(packed + b"==="), 47)
        except (ValueError, zlib.error):
            pass
    return data


@pytest.mark.needs_perf
def test_reports_hold_nothing_of_the_stacks_but_names(folder):
    """No text of the stack, which --keep has; no address of the kernel; no frame of other processes."""
    python = MEASURED[-1]
    module = build(python, folder)
    secret = bytes(ord("A") + (i * 7 + 3) % 26 for i in range(32))
    (folder / "stranger.c").write_text(STRANGER)
    subprocess.run(["cc", "-O1", "stranger.c", "-o", "stranger"], cwd=str(folder), check=True)
    outputs = [folder / name for name in ("r.json", "r.html", "r.folded", "r.pb.gz", "summary.json")]
    words = [word for path in outputs[:4] for word in ("-o", str(path))]
    stranger = subprocess.Popen([str(folder / "stranger")])
    try:
        run = giltracer(["--python", python.path, *words, "--summary", outputs[4], "--keep", "kept",
                         target("deep"), module, "secret", "1"], folder)
    finally:
        stranger.kill()
        stranger.wait()
    assert run.status == 0 and "deep_secret" in run.err, run
    assert secret in (folder / "kept" / "native.data").read_bytes()
    flame = subprocess.run([str(harness.OFFGIL), "--native", "kept/native.data", "kept/perf.data"],
                           cwd=str(folder), check=True, stdout=subprocess.PIPE).stdout
    assert b"deep_secret" in flame and b"deep_secret" in contents(outputs[0])
    holds = re.findall(rb";deep\.secret;secret;deep_secret;\[GIL hold\] (\d+)\n", contents(outputs[2]))
    assert len(holds) == 1 and 0.2e6 < int(holds[0]) < 0.45e6, contents(outputs[2])
    assert b"deep_secret" in contents(outputs[3])
    for text in [run.err.encode(), flame, *map(contents, outputs)]:
        assert secret not in text and secret[:16] not in text
        assert b"gt_stranger_burns" not in text and b"[kernel" not in text
        assert not re.search(rb"ffffffff[89a-f][0-9a-f]{7}", text)


@pytest.mark.needs_perf
@pytest.mark.parametrize("options", [("--no-native",), ("--gil-source", "futex")], ids=["no", "futex"])
def test_none_are_recorded_where_none_are_wanted(folder, options):
    python = MEASURED[-1]
    module = build(python, folder)
    kept = folder / "kept"
    traced = trace([target("deep"), module, "burn", "1"], folder, python,
                   (*options, "--keep", str(kept)))
    assert traced.summary["blockers"] and not (kept / "native.data").exists()
    assert all("native" not in row for row in traced.summary["blockers"])


@pytest.mark.needs_root
@pytest.mark.needs_perf
def test_an_ordinary_user_at_paranoid_2(public_folder):
    """cpu-clock:u needs no right at all."""
    paranoid = pathlib.Path("/proc/sys/kernel/perf_event_paranoid")
    python = harness.Interpreter(pathlib.Path(harness.DEBIAN_PYTHON),
                                 harness.ask_version(harness.DEBIAN_PYTHON))
    module = build(python, public_folder)
    for path in [*public_folder.glob("**/*")]:
        path.chmod(0o755)
    program = public_folder / "deep.py"
    program.write_text(pathlib.Path(target("deep")).read_text())
    program.chmod(0o644)
    before = paranoid.read_text()
    try:
        if int(before) < 2:
            paranoid.write_text("2")
        run = subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
                              str(public_folder / "giltracer"), "--python", harness.DEBIAN_PYTHON,
                              "-o", "x.json", str(program), str(module), "burn", "1"],
                             cwd=str(public_folder), stderr=subprocess.PIPE, stdout=subprocess.PIPE,
                             env=dict(os.environ, HOME=str(public_folder), TMPDIR="/tmp"))
    finally:
        paranoid.write_text(before)
    assert run.returncode == 0, run
    summary = harness.read_json(public_folder / "x.json")["giltracer"]
    row = next(row for row in summary["blockers"] if row["function"] == "deep.burn")
    assert names(row)[-4:] == CHAIN, row["native"]


@pytest.mark.needs_perf
def test_a_perf_of_native_stacks_that_fails_takes_nothing_with_it(folder):
    """Of all that perf records, that alone is refused."""
    perf = folder / "perf"
    perf.write_text('#!/bin/sh\ncase "$*" in *record*cpu-clock/call-graph*) echo refused >&2; exit 1;; esac\n'
                    'exec /usr/bin/env perf "$@"\n')
    perf.chmod(0o755)
    run = giltracer(["-o", "x.json", "-c", "pass"], folder, env={"GILTRACER_PERF": str(perf)})
    assert run.status == 0 and "native stacks are not recorded: refused" in run.err, run
    assert harness.read_json(folder / "x.json")["giltracer"]["gils"]


@pytest.mark.needs_perf
def test_perf_is_asked_for_stacks_only_where_there_are_some(folder):
    real, log = shutil.which("perf"), folder / "log"
    perf = folder / "bin" / "perf"
    perf.parent.mkdir()
    perf.write_text('#!/bin/sh\necho "$*" >> %s\nexec %s "$@"\n' % (log, real))
    perf.chmod(0o755)
    path = "%s:%s" % (perf.parent, os.environ["PATH"])
    for hz, program, times in ((1, "pass", 0), (999, "sum(range(10 ** 7))", 1)):
        log.write_text("")
        run = giltracer(["-o", "x.json", "--native-freq", hz, "-c", program], folder, env={"PATH": path})
        assert run.status == 0, run
        asked = [line for line in log.read_text().splitlines() if line.startswith("script")]
        assert len(asked) == times, asked
        assert harness.read_json(folder / "x.json")["giltracer"]["gils"]


@pytest.mark.needs_perf
def test_what_takes_too_much_is_sampled_less_often(folder):
    """20,000 samples a second: after 32 MiB, or when perf has used 1% of the time, a quarter of it."""
    python = MEASURED[-1]
    module = build(python, folder)
    traced = trace([target("deep"), module, "burn", "10"], folder, python, frequency(20000))
    native = blocker(traced, "deep.burn")["native"]
    assert native["self"]["function"] == "deep_burn", native
    assert native["ns"] > 1.5 * native["samples"] * 1e9 / 20000, native


@pytest.mark.needs_perf
@pytest.mark.timing
@pytest.mark.parametrize("options, ends", [((), True), (frequency(49), False)])
def test_they_end_where_they_make_many_switches_dearer(folder, options, ends):
    """Two threads that wake each other, some 100,000 times in a second: an event of perf, even
    one that never occurs, adds a microsecond to each. Who asks for samples gets them to the end."""
    program = folder / "turns.py"
    program.write_text("""if True:
        import os, threading, time
        a, b = os.pipe(), os.pipe()
        end = time.monotonic() + 6

        def turns(of, to):
            while time.monotonic() < end:
                os.write(to, b"x")
                os.read(of, 1)
            os.write(to, b"x")

        thread = threading.Thread(target=turns, args=(a[0], b[1]))
        thread.start()
        turns(b[0], a[1])
        thread.join()
    """)
    run = giltracer(["--gil-source", "agent", "--no-python-trace", *options, "-o", "x.json", str(program)],
                    folder)
    assert run.status == 0, run
    assert ("native stacks were not sampled any more" in run.err) == ends, run
