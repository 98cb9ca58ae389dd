# SPDX-License-Identifier: MIT
"""What a person sees: the terminal is the program's while it runs, and what giltracer prints then
fits into it."""
import gzip
import random
import re
import subprocess
import time

import harness
import pytest
import terminal
from harness import DEBIAN_PYTHON, GILTRACER, PERF2TRACE, target

DRAWS = """
import curses, time
def draw(screen):
    curses.curs_set(0)
    for step in range(12):
        screen.addstr(3, 4, "[" + "#" * step + "." * (11 - step) + "]")
        screen.refresh()
        time.sleep(0.1)
curses.wrapper(draw)
print("done", end="")
"""
BAR = """
import sys, time
for step in range(25):
    print("\\r%3d%% [%-24s]" % (step * 4, "#" * step), end="", flush=True)
    time.sleep(0.06)
print("\\ndone", end="")
"""
ASKS = """
import pdb
value = 6 * 7
pdb.set_trace()
print("done", end="")
"""
BOUND = """
import threading
def work():
    for _ in range(2_000_000): pass
threads = [threading.Thread(target=work, name="受付-%d-with-quite-a-long-name" % i) for i in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def traced(folder, *words, **more):
    return terminal.run([GILTRACER, "-o", "x.html", *words], folder, **more)


@pytest.mark.parametrize("draws, answers", [
    (DRAWS, []), (BAR, []), (ASKS, [("(Pdb) ", "p value\n"), ("(Pdb) ", "c\n")])],
    ids=["curses", "progress bar", "pdb"])
def test_what_the_program_draws_is_what_it_draws_alone(draws, answers, folder):
    program = folder / "draws.py"
    program.write_text(draws)
    alone = answered([DEBIAN_PYTHON, program], folder, answers)
    assert alone.status == 0 and alone.raw.endswith(b"done"), alone
    assert b"42" in alone.raw or not answers, alone
    got = answered([GILTRACER, "-o", "x.html", "--python", DEBIAN_PYTHON, program], folder, answers)
    assert got.status == 0 and got.raw.startswith(alone.raw), (alone.raw, got.raw)
    assert b"recording" not in got.raw[:len(alone.raw) + 1]


def answered(argv, folder, answers):
    screen = terminal.Terminal()
    process = screen.start(argv, folder)
    for prompt, answer in answers:
        screen.answer(prompt, answer)
    return screen.finish(process)


@pytest.mark.timing
def test_no_row_is_wrapped_where_the_gil_matters(folder):
    program = folder / "bound.py"
    program.write_text(BOUND)
    got = traced(folder, "--state-detect", "-e", "page-faults", program)
    assert got.status == 0 and terminal.width(got.widest()) <= 80, got.widest()
    lines = got.lines()
    verdict = next(i for i, line in enumerate(lines) if "GIL-bound:" in line)
    assert lines[verdict].startswith("GIL-bound:"), got
    assert verdict < lines.index("Summary of threads:") < lines.index("Blockers:"), got
    heads = [line for line in lines if line.startswith("TID ")]
    assert len(heads) >= 2 and "blocked by" in heads[0] and "running%" in "".join(heads), heads
    assert re.search(r"\x1b\[31mGIL-bound\x1b\[0m:", got.raw.decode()), "the verdict has a colour"


def test_columns_align_with_any_name(folder):
    program = folder / "bound.py"
    program.write_text(BOUND)
    lines = traced(folder, program).lines()
    head = next(i for i, line in enumerate(lines) if line.startswith("TID "))
    places = [m.start() for m in re.finditer("-+", lines[head + 1])]
    for line in lines[head + 2:lines.index("", head)]:
        before = next(i for i in range(len(line) + 1) if terminal.width(line[:i]) >= places[-1])
        assert line[before - 2:before] == "  " and line[before] != " ", (places, line)


LONG_NAMES = """
import threading
def acquire_a_connection_from_the_pool_with_retry():
    for _ in range(2_000_000): pass
def serve():
    acquire_a_connection_from_the_pool_with_retry()
def count_and_count_again():
    for _ in range(2_000_000): pass
threads = [threading.Thread(target=work) for work in (serve, serve, count_and_count_again)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def blockers(folder, columns):
    """Where its columns begin, how wide the table is, and its rows."""
    lines = terminal.run([PERF2TRACE, "x.json", "-o", "again.json"], folder, columns=columns).lines()
    at = next(i for i in range(lines.index("Blockers:"), len(lines)) if lines[i].startswith("---"))
    starts = [match.start() for match in re.finditer("-+", lines[at])]
    return starts, len(lines[at]), lines[at + 1:lines.index("", at)]


def test_names_of_blockers_have_the_room_that_there_is(folder):
    program = folder / "service.py"
    program.write_text(LONG_NAMES)
    harness.giltracer(["-o", folder / "x.json", program], folder)
    name, place = "acquire_a_connection_from_the_pool_with_retry", "service.py:3 (serve)"
    _, whole, rows = blockers(folder, 300)
    assert any(name in row and row.rstrip().endswith(place) for row in rows), rows
    for columns in (80, 90, 100, 110, 120, 140, 160, 200):
        (*_, function, where), used, rows = blockers(folder, columns)
        assert used <= columns and all(terminal.width(row) <= columns for row in rows), rows
        cut = any("…" in row for row in rows)
        assert not cut or used == columns, (columns, used, rows)
        assert columns < whole or not cut, (columns, whole, rows)
        row = next(row for row in rows if "with_retry" in row)
        assert where - function >= 20 and row[where:].startswith("service.py:3"), (columns, rows)
        assert cut or name in row, (columns, rows)


def test_three_lines_are_enough_where_it_does_not(folder):
    got = traced(folder, "-c", "print('out')")
    assert got.status == 0, got
    out, *own = got.lines()
    assert out == "out" and len(own) == 3 and "not GIL-bound" in own[0], got
    assert own[-1].startswith("giltracer: wrote "), got
    loud = traced(folder, "--verbose", "-o", "y.html", "-c", "print('out')")
    assert "Summary of threads:" in loud.text, loud


def test_no_color(folder):
    got = traced(folder, "-c", "pass", NO_COLOR="1")
    assert got.status == 0 and not re.search(rb"\x1b\[\d*m", got.raw), got.raw
    assert re.search(rb"\x1b\[32mNo thread", traced(folder, "-c", "pass").raw)


def watched(pid, folder, screen):
    return screen.finish(screen.start([GILTRACER, "-o", "x.html", "--gil-source", "uprobes",
                                       "--duration", "1s", "--pid", pid], folder))


def test_progress_is_shown_where_the_program_is_elsewhere(folder):
    harness.require(harness.why_no_perf())
    with harness.Running(DEBIAN_PYTHON, target("attached"), "work", "2") as program:
        got = watched(program.pid, folder, terminal.Terminal())
    assert got.status == 0, got
    assert re.search(r"recording, \d of 1 s, [\d.]+ MB", got.text), got.text


def test_progress_is_not_shown_on_the_terminal_of_another_process(folder):
    harness.require(harness.why_no_perf())
    screen = terminal.Terminal()
    process = screen.start([DEBIAN_PYTHON, "-c", "import time; time.sleep(30)"], folder)
    other = None
    try:
        time.sleep(0.3)
        argv = [str(GILTRACER), "-o", str(folder / "x.html"), "--gil-source", "uprobes",
                "--duration", "1s", "--pid", str(process.pid)]
        other = subprocess.run(argv, stdin=screen.slave, stdout=screen.slave, stderr=screen.slave,
                               cwd=str(folder))
    finally:
        process.kill()
        got = screen.finish(process)
    assert other.returncode == 0, got
    assert "recording," not in got.text, got.text


def test_reading_has_an_end(folder):
    """Percent of the recording, and never less than before."""
    harness.require(harness.why_no_perf())
    got = traced(folder, "--gil-source", "uprobes", "--no-python-trace", target("gilloop"), "200000",
                 GILTRACER_PERF="/usr/bin/perf")
    found = [int(each) for each in re.findall(r"reading the recording, (\d+)%", got.text)]
    assert found == sorted(found) and all(each <= 100 for each in found), found
    assert found, got.text


@pytest.mark.parametrize("name", ["long.txt", "long.txt.gz"])
def test_perf2trace_tells_how_far_it_is(name, folder):
    """Some MB of text, of one thread that takes and gives the GIL."""
    chance = random.Random(1)
    with (gzip.open if name.endswith(".gz") else open)(str(folder / name), "wt") as text:
        text.writelines("python3 7/7 [000] %d.%09d: gil:signal: (0) cond=0x%x\n"
                        % (1 + i // 100_000, i % 100_000 * 10_000 + chance.randrange(10_000),
                           0x1000 + 88 * (i % 2 == 0)) for i in range(600_000))
    assert (folder / name).stat().st_size > 2 << 20
    for words, told in [([], True), (["-q"], False)]:
        got = terminal.run([PERF2TRACE, *words, name, "-o", "x.json"], folder)
        found = [int(each) for each in
                 re.findall(r"perf2trace: reading the recording, (\d+)%", got.text)]
        assert got.status == 0 and bool(found) == told, got
        assert found == sorted(found) and all(each <= 100 for each in found), found
        assert "reading" not in "".join(got.lines()), got


def test_perf2trace_fits_too(folder):
    harness.require(harness.why_no_perf())
    program = folder / "bound.py"
    program.write_text(BOUND)
    harness.giltracer(["--keep", folder / "kept", "-o", folder / "x.json", program], folder)
    got = terminal.run([PERF2TRACE, folder / "kept" / "perf.data", "--agent-log",
                        folder / "kept" / "agent", "-o", folder / "y.html"], folder)
    assert got.status == 0 and terminal.width(got.widest()) <= 80, got
