# SPDX-License-Identifier: MIT
"""Programs that record themselves (scripts/python/giltracer), and `python -m giltracer`."""
import json
import os
import pathlib
import shutil
import subprocess

import harness
import pytest
from harness import target

PACKAGE = harness.ROOT / "scripts" / "python"
NOBODY = 65534


def some_interpreters():
    """The oldest, the newest, and the distribution's; the rest with --long."""
    found = sorted(harness.interpreters(), key=lambda one: one.version)
    some = {one.name for one in found[:1] + found[-1:]} | {
        one.name for one in found if not one.has_symbols}
    return [pytest.param(one, id=str(one), marks=[] if one.name in some else pytest.mark.long)
            for one in found]


def run(words, folder, python=harness.DEBIAN_PYTHON, env=None, **popen):
    env = dict({"PYTHONPATH": PACKAGE, "GILTRACER": harness.GILTRACER}, **(env or {}))
    done = harness.Run([python, *words], folder, env=env, **popen).finish()
    left = done.leftovers()
    assert not left, (done, left)
    return done


def recorded(mode, folder, *outputs, python=harness.DEBIAN_PYTHON, status=0):
    """Run a mode of the target: what it found."""
    done = run([target("recorded"), mode, *outputs], folder, python)
    assert done.status == status, done
    return json.loads(done.out.decode().splitlines()[-1]) if done.out else done


# --- trace(), start(), stop() --------------------------------------------------------------

@pytest.mark.needs_perf
@pytest.mark.timing
@pytest.mark.parametrize("python", some_interpreters())
def test_a_block(python, folder):
    found = recorded("block", folder, "x.json", "x.html", python=python.path)
    document = harness.read_json(folder / "x.json")
    harness.check_document(document)
    assert document["giltracer"] == found["summary"]
    assert (folder / "x.html").stat().st_size > 10000
    waiter, = [row for row in found["threads"] if row["label"] == "waiter"]
    assert abs(waiter["wait_ns"] - found["held_ns"]) <= found["held_ns"] / 20, found["text"]
    assert found["blockers"] == found["summary"]["blockers"] != []
    assert "GIL-bound" in found["verdict"] and found["verdict"] in found["text"]
    assert "Summary of threads" in found["text"] and "wrote" not in found["text"]
    assert "<td>waiter</td>" in found["html"] and "GIL-bound" in found["html"]
    assert "still being recorded" in found["early"]
    assert found["left"] == []


@pytest.mark.needs_perf
def test_an_exception_has_its_way_and_still_gives_a_report(folder):
    done = run([target("recorded"), "raises", "x.json"], folder)
    assert done.status == 1 and done.err.endswith("KeyError: 'of the program'\n"), done
    assert harness.read_json(folder / "x.json")["giltracer"]["gils"]


@pytest.mark.needs_perf
@pytest.mark.parametrize("python", harness.newest(3, 6) + [
    one for one in harness.interpreters() if one.version[:2] == (3, 6)], ids=str)
def test_a_decorator(python, folder):
    found = recorded("decorated", folder, python=python.path)
    assert found["results"] == ["done", "late"] and found["name"] == "countdown"
    assert found["source"] == "futex"
    assert found["wall_ns"] >= 0.25e9
    assert found["generator"].startswith("TypeError") and "generator" in found["generator"]


@pytest.mark.needs_perf
def test_refusals(folder):
    found = recorded("refusals", folder)
    assert "call start() first" in found["stop"] and "call start() first" in found["twice"]
    assert "recorded already" in found["nested"] and "one recording" in found["nested"]
    assert "recorded already" in found["concurrent"]
    assert found["ended"]
    assert "unknown option --no-such-thing" in found["unknown"]
    assert "ending" in found["ending"] and found["ending"].startswith("TraceError")
    assert "it is this process" in found["pid"] and found["pid"].startswith("TypeError")
    assert found["stream"].startswith("ValueError")


@pytest.mark.needs_perf
def test_forks(folder):
    found = recorded("forks", folder)
    assert found["seen"] == [0, "no child"]
    assert found["verdict"] and found["processes"] >= 1
    # ls has one of its own, of /proc/self/fd.
    assert len(found["listing"]) == len(found["before"]) + 1, found


@pytest.mark.needs_perf
def test_signals_that_are_ignored(folder):
    found = recorded("signals", folder)
    assert found["waits"] and 300e6 <= found["waits"][0], found
    assert all(found["ignored"])


@pytest.mark.needs_perf
def test_names_are_no_markup(folder):
    found = recorded("hostile", folder)
    assert "<b>&\"x</b>" in found["labels"]
    assert "&lt;b&gt;&amp;&quot;x&lt;/b&gt;" in found["html"] and "<b>&" not in found["html"]


@pytest.mark.needs_perf
def test_a_giltracer_that_is_killed(folder):
    done = harness.Run([harness.DEBIAN_PYTHON, target("recorded"), "killed"], folder,
                       env={"PYTHONPATH": PACKAGE, "GILTRACER": harness.GILTRACER}).finish()
    assert done.status == 0, done
    found = json.loads(done.out.decode().splitlines()[-1])
    assert found["said"].startswith("TraceError") and found["passed"] and found["again"]
    assert "RuntimeWarning: no report" in done.err
    harness.wait_for(lambda: not done.leftovers(), "something is left behind: %s"
                     % done.leftovers())


@pytest.mark.needs_perf
def test_the_end_of_the_program_ends_the_recording(folder):
    done = run([target("recorded"), "at_exit", "x.json"], folder)
    assert done.status == 0 and done.out == b"end\n" and done.err == "", done
    assert harness.read_json(folder / "x.json")["giltracer"]["gils"]


def as_nobody(public_folder, code):
    shutil.copytree(str(PACKAGE / "giltracer"), str(public_folder / "giltracer-package" / "giltracer"))
    done = subprocess.run(
        ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups",
         harness.DEBIAN_PYTHON, "-c", code], cwd=str(public_folder), stdout=subprocess.PIPE,
        env=dict(os.environ, PYTHONPATH=str(public_folder / "giltracer-package"), HOME="/tmp",
                 GILTRACER=str(public_folder / "giltracer")))
    return done.stdout.decode()


@pytest.mark.needs_root
def test_without_the_right_to_record(public_folder):
    """Nor with an agent that could do without."""
    (public_folder / harness.AGENT.name).unlink()
    said = as_nobody(public_folder, "import giltracer\n"
                     "try:\n    with giltracer.trace():\n        print('ran')\n"
                     "except giltracer.TraceError as error:\n    print(error)\n")
    for part in ("python -m giltracer", "as root", "giltracer --setup", "the agent"):
        assert part in said, said
    assert "ran" not in said.split()


@pytest.mark.needs_root
def test_an_ordinary_user_records_by_the_agent(public_folder):
    said = as_nobody(public_folder, "import giltracer\n"
                     "def work():\n    return sum(range(1000))\n"
                     "with giltracer.trace('x.json') as report:\n    work()\n"
                     "print(report.summary['run']['gil_source'], 'ran')\n")
    assert said == "agent ran\n"
    document = harness.read_json(public_folder / "x.json")
    harness.check_document(document)
    assert list(harness.calls(document, "work"))


def test_the_program_loads_the_agent_itself(folder):
    """Without ptrace, which is not for a program that filters its system calls: it might be ended."""
    done = run(["-c", """
import ctypes, giltracer
libc = ctypes.CDLL(None)
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
allow = ctypes.create_string_buffer(bytes([6, 0, 0, 0, 0, 0, 0xff, 0x7f]))
program = Program(1, ctypes.addressof(allow))
assert libc.prctl(38, 1, 0, 0, 0) == 0                      # PR_SET_NO_NEW_PRIVS
assert libc.prctl(22, 2, ctypes.byref(program), 0, 0) == 0  # PR_SET_SECCOMP, a filter
def work():
    return sum(range(1000))
for name in ("x.json", "y.json"):
    with giltracer.trace(name, gil_source="agent"):
        work()
"""], folder)
    assert done.status == 0 and done.err == "", done
    for name in ("x.json", "y.json"):
        document = harness.read_json(folder / name)
        harness.check_document(document)
        assert list(harness.calls(document, "work"))
        shown = json.dumps(document["traceEvents"])
        assert "_session.py" not in shown and "trace.__enter__" not in shown


def test_no_giltracer(folder):
    shutil.copytree(str(PACKAGE), str(folder / "package"))
    code = "import giltracer; giltracer.start()"
    env = {"PYTHONPATH": folder / "package", "GILTRACER": "1", "PATH": "/nowhere"}
    done = run(["-c", code], folder, env=env)
    assert done.status == 1 and "put it on PATH" in done.err, done
    done = run(["-m", "giltracer", "--version"], folder, env=env)
    assert "put it on PATH" in harness.one_line_error(done, 125)


# --- python -m giltracer -------------------------------------------------------------------

SELF = "import os, sys; print(sys.executable, sorted(n for n in os.environ if 'GILTRACER_P' in n)); sys.exit(9)"


@pytest.mark.parametrize("python", some_interpreters())
def test_the_launcher(python, folder):
    done = run(["-m", "giltracer", "--gil-source", "agent", "-o", "x.json", "-c", SELF], folder,
               python.path)
    assert done.status == 9, done
    # A distribution's /usr/bin/python3 is a link.
    assert done.out.decode().endswith(" []\n"), done
    assert os.path.realpath(done.out.decode().split()[0]) == os.path.realpath(python.path)
    summary = harness.read_json(folder / "x.json")["giltracer"]
    assert summary["run"]["version"] == "CPython %d.%d.%d" % python.version


def test_the_launcher_with_another_interpreter(folder):
    other = harness.interpreters()[0]
    done = run(["-m", "giltracer", "--gil-source", "agent", "--python", other.path, "-o", "x.json",
                "-c", SELF], folder)
    assert done.status == 9, done
    assert os.path.realpath(done.out.decode().split()[0]) == os.path.realpath(other.path)


def test_what_this_interpreter_can_do(folder):
    other = harness.interpreters()[0]
    done = run(["-m", "giltracer", "--doctor"], folder, other.path)
    assert os.path.realpath(other.path) in done.out.decode() + done.err, done


# --- giltracer.auto ------------------------------------------------------------------------

CHILD = ("import giltracer.auto, os, subprocess, sys\n"
         "if len(sys.argv) == 1:\n"
         "    subprocess.check_call([sys.executable, __file__, 'child'])\n"
         "sum(range(100000))\n"
         "print('ran', sys.argv[1:], flush=True)\n"
         "sys.exit(4)\n").replace("check_call", "call")


def auto(folder, options, **more):
    (folder / "program.py").write_text(CHILD)
    env = {"GILTRACER_AUTO": options, "GILTRACER_OPTIONS": "-o wrong.json"}
    done = run(["program.py"], folder, env=dict(env, **more))
    assert done.status == 4 and done.out == b"ran ['child']\nran []\n", done
    assert not (folder / "wrong.json").exists()
    return done


@pytest.mark.needs_perf
def test_auto_records_the_whole_run_and_not_its_children(folder):
    done = auto(folder, "-o 'a report.json' --state-detect")
    summary = harness.read_json(folder / "a report.json")["giltracer"]
    assert summary["sched"] is not None
    assert done.err.count("Summary of threads") >= 1 and done.err.count("giltracer: wrote") == 1
    assert auto(folder, "-q -o x.json").err == ""


@pytest.mark.parametrize("options, said", [("", ""), (None, ""), ("--no-such", "unknown option"),
                                           ("'", "No closing quotation")])
def test_auto_that_records_nothing(options, said, folder):
    done = auto(folder, options)
    assert said in done.err and bool(done.err) == bool(said), done
    assert done.err.count("\n") == bool(said)
    assert {path.name for path in folder.iterdir() if path.is_file()} == {"program.py"}


def test_what_is_of_make_switches_nothing_on(folder):
    done = run(["-c", "import giltracer.auto, giltracer; print('ran')"], folder,
               env={"GILTRACER": "1", "GILTRACER_OPTIONS": "--state-detect", "GILTRACER_AUTO": None})
    assert done.status == 0 and done.out == b"ran\n" and done.err == "", done
    assert not list(folder.glob("giltracer*"))


# --- what the package stands on ------------------------------------------------------------

@pytest.mark.parametrize("words, part", [
    (["--control-fd", "3", "-c", "1"], "add --pid"),
    (["--control-fd", "1", "--pid", "1"], "3 or more"),
    (["--control-fd", "77", "--pid", "1"], "stream socket"),
], ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_options_of_the_package(words, part, folder):
    assert part in harness.one_line_error(harness.giltracer(words, folder), 125)


def test_no_output(folder):
    done = harness.giltracer(["--gil-source", "agent", "--no-output", "-c", "1"], folder)
    assert done.status == 0 and "Summary of threads" in done.err, done
    assert not list(folder.glob("giltracer*"))
