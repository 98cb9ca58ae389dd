# SPDX-License-Identifier: MIT
"""Limits of a file's length and of open files: the program has its own, dies of none of ours, and
what cannot be recorded under them is told with what is needed."""
import re
import resource
import subprocess

import harness
import pytest
from harness import GILTRACER, PERF2TRACE, giltracer, target

pytestmark = pytest.mark.needs_perf

WORK = """
import resource, threading
def work():
    for i in range(20000): pass
threads = [threading.Thread(target=work) for _ in range(2)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(resource.getrlimit(resource.RLIMIT_FSIZE), resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def limited(which, soft, hard):
    return {"preexec_fn": lambda: resource.setrlimit(which, (soft, hard))}


def traced(words, folder, **more):
    return giltracer(["-o", folder / "x.json", *words, "-c", WORK], folder, **more)


def has_report(folder):
    if not (folder / "x.json").exists():
        return False
    document = harness.read_json(folder / "x.json")
    harness.check_document(document)
    return len(document["giltracer"]["gils"]) == 1


# --- how long a file may be ----------------------------------------------------------------


@pytest.mark.parametrize("words, soft", [
    ([], 0), (["--gil-source", "agent"], 16 << 10), (["--gil-source", "agent"], 1 << 20)])
def test_soft_limit_of_a_file_is_the_programs_alone(words, soft, folder):
    """The program is not ended for our files, which are as long as they must be."""
    run = traced(words, folder, **limited(resource.RLIMIT_FSIZE, soft, resource.RLIM_INFINITY))
    assert run.status == 0 and run.out.startswith(b"(%d, -1)" % soft), run
    assert has_report(folder), run
    assert "ulimit" not in run.err and "damaged" not in run.err, run


@pytest.mark.parametrize("words, length", [
    ([], 4 << 10), ([], 64 << 10), ([], 1 << 20), (["--gil-source", "agent"], 64 << 10)])
def test_hard_limit_of_a_file_does_not_touch_the_program(words, length, folder):
    """A recording may be too long for it; the program does not notice."""
    run = traced(words, folder, **limited(resource.RLIMIT_FSIZE, length, length))
    if run.status == 125:  # before the program ran: the reason, and nothing else
        assert run.out == b"" and "ulimit -f" in run.err, run
        return
    assert run.status == 0 and run.out.startswith(b"(%d, %d)" % (length, length)), run
    assert "ulimit -f" in run.err, run


def test_program_that_exceeds_its_own_limit_ends_as_it_would(folder):
    words = ["sh", "-c", "head -c 100000 /dev/zero > \"$0\"; kill -$(($? - 128)) $$", folder / "out"]
    limits = limited(resource.RLIMIT_FSIZE, 8 << 10, resource.RLIM_INFINITY)
    plain = subprocess.run(list(map(str, words)), stderr=subprocess.DEVNULL, **limits)
    run = giltracer(["-o", folder / "x.json", "--", *words], folder, **limits)
    assert plain.returncode < 0 and run.status == 128 - plain.returncode, run
    assert (folder / "out").stat().st_size == 8 << 10


def test_dispositions_are_those_that_giltracer_was_given(folder):
    """Also what was ignored, as by nohup; that we ignore SIGPIPE and SIGXFSZ is our own business."""
    for ignored in ("", "PIPE XFSZ HUP USR2 INT RTMIN"):
        look = ["sh", "-c", "trap '' %s; exec \"$@\"" % ignored if ignored else "exec \"$@\"", "sh"]
        command = ["grep", "-E", "^Sig(Ign|Blk)", "/proc/self/status"]
        plain = subprocess.run([*look, *command], stdout=subprocess.PIPE, check=True)
        run = harness.Run([*look, GILTRACER, "-q", "--gil-source", "agent", "-o", folder / "x.json", "--", *command],
                          folder).finish()
        assert run.status == 0 and run.out == plain.stdout, (ignored, plain.stdout, run)
        assert not run.leftovers()


@pytest.mark.parametrize("program", [PERF2TRACE, harness.BUILD / "offgil"], ids=["perf2trace", "offgil"])
def test_report_that_would_be_too_long_is_an_error(program, folder):
    text = folder / "text.txt"
    sleep = ("python3 1/1 [000] %d.000000: sched:sched_switch: prev_comm=python3 prev_pid=1 "
             "prev_prio=120 prev_state=S ==> next_comm=x next_pid=0 next_prio=120\n"
             "\t 7f88 function_%d+0x1 (/x)\n\n"
             "swapper 0/0 [000] %d.500000: sched:sched_switch: prev_comm=swapper prev_pid=0 "
             "prev_prio=120 prev_state=R ==> next_comm=python3 next_pid=1 next_prio=120\n\n")
    text.write_text("".join(sleep % (i, i, i) for i in range(1, 100)))
    words = [program, "--state", "S"] if program.name == "offgil" else [program, "-q"]
    run = harness.Run([*words, "-o", folder / ("x.svg" if program.name == "offgil" else "x.html"), text],
                      folder, **limited(resource.RLIMIT_FSIZE, 1000, 1000)).finish()
    assert "File too large" in harness.one_line_error(run, 125)
    assert not list(folder.glob("x.*"))


# --- how many files may be open ------------------------------------------------------------


def open_files(number):
    return limited(resource.RLIMIT_NOFILE, number, number)


def needed(words, number, folder):
    """What the refusal says is needed."""
    run = traced(words, folder, **open_files(number))
    line = harness.one_line_error(run, 125)
    found = re.search(r"only %d files may be open at once, and .* needs (\d+) \(raise ulimit -n\)"
                      % number, line)
    assert found, line
    assert run.out == b""
    return int(found.group(1))


@pytest.mark.parametrize("words", [["--gil-source", "agent"], ["--gil-source", "uprobes"],
                                   ["--gil-source", "futex"], ["--state-detect"]],
                         ids=["agent", "uprobes", "futex", "states"])
def test_what_is_needed_is_told_and_is_enough(words, folder):
    enough = needed(words, 16 if "agent" in words else 30, folder)
    assert needed(words, 8, folder) <= enough
    run = traced(["-q", *words], folder, **open_files(enough))
    assert run.status == 0 and run.err == "" and (folder / "x.json").exists(), run
    assert "futex" in words or has_report(folder), run  # it sees a GIL where threads contend
    assert run.out.endswith(b"(%d, %d)\n" % (enough, enough))


def test_the_agent_records_where_perf_may_not_open_enough(folder):
    enough = needed(["--gil-source", "uprobes"], 30, folder)
    run = traced([], folder, **open_files(enough - 1))
    assert run.status == 0 and has_report(folder), run
    assert "needs %d" % enough in run.err, run


@pytest.mark.parametrize("number", [8, 24])
def test_soft_limit_of_open_files_is_the_programs_alone(number, folder):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    run = traced(["-q"], folder, **limited(resource.RLIMIT_NOFILE, number, hard))
    assert run.status == 0 and run.err == "" and has_report(folder), run
    assert run.out.endswith(b"(%d, %d)\n" % (number, hard)), run


def test_perf2trace_tells_what_it_needs(folder):
    """To run perf; text needs next to nothing."""
    data = folder / "kept" / "perf.data"
    giltracer(["-q", "--keep", data.parent, "--gil-source", "uprobes", "--no-python-trace",
               "-o", folder / "y.json", target("exits"), "code", "0"], folder)
    (folder / "text.txt").write_bytes(harness.perf_script(data))

    def convert(name, number):
        return harness.Run([PERF2TRACE, "-q", "-o", folder / "x.json", name], folder,
                           env={"GILTRACER_PERF": "/usr/bin/perf"}, **open_files(number)).finish()

    line = harness.one_line_error(convert(data, 12), 125)
    enough = int(re.search(r"needs (\d+) \(raise ulimit -n\)", line).group(1))
    for name, number in ((data, enough), (folder / "text.txt", 12)):
        run = convert(name, number)
        assert run.status == 0 and run.err == "" and has_report(folder), run
        (folder / "x.json").unlink()
