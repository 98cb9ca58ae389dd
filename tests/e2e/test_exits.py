# SPDX-License-Identifier: MIT
"""How a program ends is how giltracer ends, and the report is written all the same."""
import os
import pty
import select
import signal
import time

import harness
import pytest
from harness import target, trace

pytestmark = pytest.mark.needs_perf


@pytest.mark.parametrize("arguments, status, number", [
    (["code", "7"], 7, 0),
    (["code", "0"], 0, 0),
    (["code", "255"], 255, 0),
    (["_exit", "4"], 4, 0),
    (["signal", "15"], 143, 15),
    (["signal", "9"], 137, 9),
    (["segv"], 139, 11),
], ids=lambda value: " ".join(value) if isinstance(value, list) else "")
@pytest.mark.timing
def test_exit_status_is_the_programs_own(arguments, status, number, folder):
    traced = trace([target("exits"), *arguments], folder, status=status)
    run = traced.summary["run"]
    assert run["term_signal"] == number
    assert run["exit_status"] in ((status,) if number == 0 else (status, -1, None))
    rows = traced.gil()["threads"]
    assert len(rows) == 2 and all(row["hold_ns"] > 5e6 for row in rows)


def wait_ready(stream):
    assert stream.readline() == b"ready\n"


def started(name, folder, **options):
    output = folder / "report.json"
    run = harness.start(["-o", output, target(name)], folder, **options)
    wait_ready(run.process.stdout)
    return run, output


def finish_with_report(run, output, status):
    run.finish()
    assert run.status == status, run
    assert not run.leftovers()
    document = harness.read_json(output)
    harness.check_document(document)
    assert document["giltracer"]["gils"], run
    return document


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_to_giltracer_alone_reaches_the_target_once(number, folder):
    run, output = started("signals", folder)
    os.kill(run.pid, number)
    finish_with_report(run, output, 0)
    assert b"%s=1" % signal.Signals(number).name.encode() in run.out
    assert run.out.count(b"=0") == 2, run.out


def test_signal_to_the_whole_group_reaches_the_target_once(folder):
    run, output = started("signals", folder)
    os.killpg(run.pid, signal.SIGINT)
    finish_with_report(run, output, 0)
    assert run.out == b"SIGINT=1 SIGTERM=0 SIGHUP=0\n"


def test_interrupted_program_dies_by_the_signal(folder):
    run, output = started("interrupted", folder)
    os.killpg(run.pid, signal.SIGINT)
    document = finish_with_report(run, output, 130)
    assert document["giltracer"]["run"]["term_signal"] == signal.SIGINT
    assert "KeyboardInterrupt" in run.err


def read_until(fd, wanted, seconds=30):
    data = b""
    deadline = time.monotonic() + seconds
    while wanted not in data:
        assert time.monotonic() < deadline, data
        if select.select([fd], [], [], 0.2)[0]:
            try:
                data += os.read(fd, 65536)
            except OSError:
                break
    assert wanted in data, data
    return data


def test_ctrl_c_on_a_terminal(folder):
    """The terminal sends SIGINT to the foreground group: giltracer, its target and perf."""
    output = folder / "report.json"
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(str(folder))
        argv = [str(harness.GILTRACER), "-o", str(output), target("signals")]
        os.execv(argv[0], argv)
    read_until(terminal, b"ready\r\n")
    os.write(terminal, b"\x03")
    seen = read_until(terminal, b"SIGHUP=0\r\n")
    assert b"SIGINT=1 SIGTERM=0" in seen
    seen = read_until(terminal, b"report.json")
    while True:
        try:
            if not os.read(terminal, 65536):
                break
        except OSError:
            break
    assert os.waitpid(pid, 0)[1] == 0
    os.close(terminal)
    harness.check_document(harness.read_json(output))


def has_taken(pid, number):
    """The signal is not pending any more, and the process has gone to sleep after it."""
    with open("/proc/%d/status" % pid) as stream:
        status = dict(line.split(":", 1) for line in stream)
    pending = int(status["SigPnd"], 16) | int(status["ShdPnd"], 16)
    return not pending >> (number - 1) & 1 and status["State"].split()[0] == "S"


def test_second_interrupt_abandons_the_report_not_the_cleaning_up(folder):
    """While perf script hangs and heeds no signal, a second Ctrl-C ends giltracer; nothing of it
    stays but what is said."""
    output, hangs = folder / "report.json", folder / "hangs"
    run = harness.start(["-o", output, target("exits"), "code", "0"], folder,
                        env={"GILTRACER_PERF": harness.FAKE_PERF, "GT_FAKE_PERF": "script-stall",
                             "GT_FAKE_HANGS": hangs})
    harness.wait_for(hangs.exists, "perf script never hung")
    os.kill(run.pid, signal.SIGINT)
    harness.wait_for(lambda: run.process.poll() is not None or has_taken(run.pid, signal.SIGINT),
                     "the interrupt was never looked at")
    assert run.process.poll() is None, "one interrupt is not two"
    os.kill(run.pid, signal.SIGINT)
    run.finish(timeout=20)
    assert run.status == 0, run  # the program's own
    assert "no report" in run.err
    assert not run.leftovers()
    assert not output.exists()
