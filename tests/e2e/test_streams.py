# SPDX-License-Identifier: MIT
"""The target cannot tell that it is traced, and its streams are its own."""
import json
import os
import resource
import signal
import subprocess

import harness
import pytest
from harness import target

pytestmark = pytest.mark.needs_perf
PYTHON = harness.DEBIAN_PYTHON


def traced(arguments, folder, options=("-q",), **more):
    output = folder / "report.json"
    run = harness.giltracer(["--python", PYTHON, *options, "-o", output, *arguments], folder, **more)
    assert output.exists(), run
    return run


def plain(arguments, folder, **more):
    return harness.Run([PYTHON, *arguments], folder, **more).finish(more.pop("data", None))


@pytest.mark.parametrize("what", ["binary", "large"])
def test_bytes_arrive_as_they_were_written(what, folder):
    expected = plain([target("streams"), what], folder)
    got = traced([target("streams"), what], folder)
    assert got.out == expected.out and len(got.out) > 4000
    assert got.err == expected.err
    assert got.status == expected.status == 0


def test_our_lines_come_after_the_targets_on_stderr(folder):
    expected = plain([target("streams"), "binary"], folder)
    got = traced([target("streams"), "binary"], folder, options=())
    assert got.out == expected.out
    assert got.err.startswith(expected.err)
    assert "Summary of threads" in got.err


def test_order_of_writes_is_kept(folder):
    arguments = [target("streams"), "interleaved"]
    expected = plain(arguments, folder, stderr=subprocess.STDOUT)
    got = traced(arguments, folder, stderr=subprocess.STDOUT)
    assert got.out == expected.out and got.out.startswith(b"out 0\nerr 0\nout 1\n")


def test_stdin_is_the_targets(folder):
    data = bytes(range(256)) * 5000
    got = traced([target("streams"), "cat"], folder, data=data, stdin=subprocess.PIPE)
    assert got.out == data


def test_broken_pipe_is_the_targets_affair(folder):
    """`giltracer … | head -1` ends as `python … | head -1` does."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    got = traced([target("streams"), "large"], folder, stdout=write_end)
    os.close(write_end)
    assert got.status == 1 and "BrokenPipeError" in got.err


# Starts a program with a descriptor as number 3, and none before it.
WITH_ONE_DESCRIPTOR = """import os, sys
fd = int(sys.argv[1])
if fd != 3:
    os.dup2(fd, 3)
    os.close(fd)
for fd in range(3):
    os.close(fd)
os.execv(sys.argv[2], sys.argv[2:])
"""


def test_closed_standard_descriptors_stay_closed(folder):
    """Whoever starts us without stdin, stdout and stderr: the target has none either."""
    report = folder / "fds"
    fd = os.open(str(report), os.O_WRONLY | os.O_CREAT, 0o600)
    os.set_inheritable(fd, True)
    for argv in ([PYTHON, target("streams"), "closed"],
                 [str(harness.GILTRACER), "-q", "--python", PYTHON, "-o",
                  str(folder / "report.json"), target("streams"), "closed"]):
        os.ftruncate(fd, 0)
        os.lseek(fd, 0, os.SEEK_SET)
        run = harness.Run([PYTHON, "-c", WITH_ONE_DESCRIPTOR, str(fd), *argv], folder,
                          pass_fds=(fd,), stdin=None, stdout=None, stderr=None).finish()
        assert run.status == 0 and not run.leftovers()
        assert report.read_text() == "closed closed closed", argv
    os.close(fd)
    assert (folder / "report.json").exists()


def unusual_start():
    """A state that a shell with nohup and ulimit would give."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2, signal.SIGWINCH])
    resource.setrlimit(resource.RLIMIT_NOFILE, (300, 300))
    os.umask(0o027)
    os.nice(3)


def environment_of(argv, folder, extra_fd):
    """What environment.py finds out, started by a shell as in daily life."""
    shell = ["/bin/sh", "-c", '"$@" <"$0" >out.json 2>err.txt; exit $?', "/dev/null", *argv]
    run = harness.Run(shell, folder, stdin=None, stdout=None, stderr=None,
                      preexec_fn=unusual_start, pass_fds=(extra_fd,),
                      env={"GT_WORD": "ä b\nc"}).finish()
    assert run.status == 0, (folder / "err.txt").read_text()
    assert not run.leftovers()
    found = json.loads((folder / "out.json").read_text())
    for name in list(found["environ"]):
        if name in (harness.MARK, "TMPDIR", "_", "LD_PRELOAD") or \
                name.startswith("GILTRACER_AGENT_"):
            del found["environ"][name]
    return found


def test_target_finds_itself_as_without_us(folder):
    fd = os.open("/dev/zero", os.O_RDONLY)
    os.set_inheritable(fd, True)
    script = [target("environment"), "--help", "-o", "x", "", "a b", "\udcff"]
    expected = environment_of([PYTHON, *script], folder, fd)
    got = environment_of([str(harness.GILTRACER), "-q", "--python", PYTHON, "-o",
                          str(folder / "report.json"), *script], folder, fd)
    os.close(fd)
    assert str(fd) in got["descriptors"]
    for key, value in expected.items():
        assert got[key] == value, key


@pytest.mark.parametrize("arguments", [
    ["-m", "timeit", "-n", "1", "-r", "1"],
    ["-c", "import sys; print(sys.argv, __name__)", "-o", "x.html", "--help"],
    ["--", PYTHON, "-c", "import sys; print(sys.argv)", "one", "-q"],
    ["--", "/bin/echo", "-n", "not Python"],
    ["--", "/bin/sh", "-c", "%s -c 'print(1)'; exit 3" % PYTHON],
], ids=["-m", "-c", "-- python", "-- echo", "-- sh"])
def test_ways_to_name_the_target(arguments, folder):
    expected = harness.Run(arguments[1:] if arguments[0] == "--" else [PYTHON, *arguments],
                           folder).finish()
    output = folder / "report.json"
    got = harness.giltracer(["-q", "--python", PYTHON, "-o", output, *arguments], folder)
    assert got.status == expected.status, got
    if "timeit" not in arguments:
        assert (got.out, got.err) == (expected.out, expected.err)
    document = harness.read_json(output)
    harness.check_document(document)
    assert bool(document["giltracer"]["gils"]) == ("/bin/echo" not in arguments)


def test_command_with_hash_bang_is_resolved(folder):
    script = folder / "tool"
    script.write_text("#!%s\nimport threading\nprint(threading.active_count())\n" % PYTHON)
    script.chmod(0o755)
    output = folder / "report.json"
    got = harness.giltracer(["-o", output, "--", script, "x"], folder)
    assert got.status == 0 and got.out == b"1\n"
    summary = harness.read_json(output)["giltracer"]
    assert os.path.realpath(summary["run"]["interpreter"]) == os.path.realpath(PYTHON)
    assert len(summary["gils"]) == 1


def test_interpreter_comes_from_the_virtual_environment(folder):
    venv = folder / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").symlink_to(os.path.realpath(PYTHON))
    (venv / "pyvenv.cfg").write_text("home = /usr/bin\n")
    output = folder / "report.json"
    got = harness.giltracer(["-q", "-o", output, "-c", "import sys; print(sys.prefix)"], folder,
                            env={"VIRTUAL_ENV": venv})
    assert got.out.decode().strip() == str(venv)
    assert harness.read_json(output)["giltracer"]["gils"]


def test_shim_is_seen_through(folder):
    """A shell script that starts the interpreter, as pyenv's shims do."""
    python = harness.an_interpreter(3, 7)
    shim = folder / "python3"
    shim.write_text('#!/bin/sh\nexec "%s" "$@"\n' % python.path)
    shim.chmod(0o755)
    traced_run = harness.trace([target("two_workers"), "0.2"], folder,
                               env={"PATH": "%s:%s" % (folder, os.environ["PATH"]),
                                    "VIRTUAL_ENV": None})
    assert len(traced_run.gil()["threads"]) == 3
    assert os.path.realpath(traced_run.summary["run"]["interpreter"]).startswith(
        os.path.dirname(os.path.realpath(python.path)))
