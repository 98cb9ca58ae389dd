# SPDX-License-Identifier: MIT
"""--pid --dump: who has the GIL of a program that hangs, who waits, where, and whether for ever."""
import os
import re
import signal
import subprocess
import time

import harness
import pytest
from harness import giltracer, one_line_error, target

# What hangs.py does: who has the GIL (None: nobody), what it waits for, with whom it is in a
# deadlock, and in which function it stands.
HANGS = {
    "asleep": ("holder", "is in clock_nanosleep", None),
    "reading": ("holder", "is in read", None),
    "spinning": ("holder", "runs", None),
    "idle": (None, "", None),
    "mutex": ("holder", r"waits for a mutex of C's that thread \d+ \(waiter\) has", "waiter"),
    "dead": ("holder", "waits for a mutex of C's, and no thread that lives has it", None),
    "chain": ("holder", r"waits for a mutex of C's that thread \d+ \(middle\) has", "waiter"),
    "timed": ("holder", "waits for a lock, a condition or a thread", None),
    "join": ("holder", r"waits for the end of thread \d+ \(holder\)", "holder"),
    "crossed": (None, "", None),
}


def hang_in(python, mode):
    return harness.Running(python, target("hangs"), mode, stdin=subprocess.DEVNULL)


def dump(pid, folder):
    """What it says, as its first part and a dictionary of threads: tid → (name, lines)."""
    began = time.monotonic()
    run = giltracer(["--pid", pid, "--dump"], folder)
    assert run.status == 0 and run.err == "", run
    assert time.monotonic() - began < 5, run
    head, *parts = run.out.decode().split("\n\n")
    threads = {}
    for part in parts:
        tid, name = re.match(r"thread (\d+) \((.*?)\) ", part).groups()
        threads[int(tid)] = (name, part)
    return head, threads


def dump_of_hang(hang, holder, folder):
    """ "ready" comes before the last step, which nobody can tell of: until then whoever has the GIL
    may have it, but when it has come to the hang, holder has it in each."""
    last = []

    def is_there():
        last[:] = dump(hang.pid, folder)
        return ("(%s) has the GIL" % holder if holder else "Nobody has the GIL") in last[0]
    harness.wait_for(is_there, "it did not come to the hang")
    time.sleep(0.05)
    return dump(hang.pid, folder)


def tid_named(threads, name):
    return [tid for tid, (its, _) in threads.items() if its == name]


def cases():
    found = sorted((one for one in harness.interpreters() if one.at_least(3, 7)),
                   key=lambda one: one.version)
    always = {one.name for one in found[-1:]} | {
        one.name for one in found if not one.has_symbols}
    return [pytest.param(one, mode, id="%s-%s" % (one, mode),
                         marks=[] if one.name in always else pytest.mark.long)
            for one in found for mode in HANGS]


@pytest.mark.parametrize("python, mode", cases())
def test_hangs(python, mode, folder):
    holder, does, deadlock = HANGS[mode]
    with hang_in(python.path, mode) as hang:
        head, threads = dump_of_hang(hang, holder, folder)
        assert hang.process.poll() is None
    text = "\n\n".join([head, *(part for _, part in threads.values())])
    if holder is None:
        assert "Nobody has the GIL" in head, text
        assert "waits for the GIL" not in text and "Deadlock" not in text, text
        return
    match = re.search(r"^thread (\d+) \(holder\) has the GIL, and %s; (\d+) threads? waits? for"
                      % does, head, re.M)
    assert match, text
    # Of two threads of this name, the joined one was made last.
    assert int(match.group(1)) == min(tid_named(threads, "holder")), text
    waiting = [tid for tid, (_, part) in threads.items() if " waits for the GIL" in
               part.splitlines()[0]]
    assert len(waiting) == int(match.group(2)) >= 1, text
    assert int(match.group(1)) not in waiting, text
    assert ("Deadlock: " in head) == (deadlock is not None), text
    if deadlock:
        assert re.search(r"Deadlock: .*thread \d+ \(%s\), which waits for the GIL" % deadlock
                         if mode != "mutex" else
                         r"Deadlock: .*thread \d+ \(waiter\) has, which waits for the GIL",
                         head), text
    stack = threads[int(match.group(1))][1]
    assert re.search(r"^    (%s|match|work|<lambda>).* \(.*hangs\.py:\d+\)$" % mode, stack, re.M), \
        text


@pytest.mark.parametrize("python", harness.newest(3, 7), ids=str)
def test_lines_are_those_that_run(python, folder):
    source = open(target("hangs")).read().splitlines()
    with hang_in(python.path, "asleep") as hang:
        _, threads = dump_of_hang(hang, "holder", folder)
    holder, = tid_named(threads, "holder")
    line = int(re.search(r"<lambda>.*hangs\.py:(\d+)\)", threads[holder][1]).group(1))
    assert "keeps.sleep(1000)" in source[line - 1]
    main = threads[hang.pid][1]
    assert [int(number) for number in re.findall(r"hangs\.py:(\d+)\)", main)][-1] in (
        len(source) - 1, len(source)), main


def test_a_stopped_process(folder):
    with hang_in(harness.DEBIAN_PYTHON, "asleep") as hang:
        dump_of_hang(hang, "holder", folder)
        os.kill(hang.pid, signal.SIGSTOP)
        head, threads = dump(hang.pid, folder)
        os.kill(hang.pid, signal.SIGCONT)
    assert re.search(r"thread \d+ \(holder\) has the GIL, and is stopped by a signal", head), head
    assert all("stopped" in part or "waits for the GIL" in part
               for _, part in threads.values()), threads


def test_a_program_that_moves_is_not_called_a_deadlock(folder):
    """Threads take turns as fast as they can; whatever is said of the holder, it is no deadlock,
    and the program goes on."""
    code = ("import threading, time\n"
            "def work():\n"
            "    while True: time.sleep(0)\n"
            "[threading.Thread(target=work, daemon=True).start() for i in range(4)]\n"
            "print('ready', flush=True)\n"
            "time.sleep(60)\n")
    process = subprocess.Popen([harness.DEBIAN_PYTHON, "-c", code], stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"ready\n"
        for _ in range(10):
            head, threads = dump(process.pid, folder)
            assert "Deadlock" not in head and len(threads) == 5, head
            assert "The GIL changed hands" in head, head
    finally:
        process.kill()
        process.communicate()


def test_names_that_are_not_ascii(folder):
    script = folder / "größe_é.py"
    script.write_text("import time\ndef warte_länger_日本():\n    print('ready', flush=True)\n"
                      "    time.sleep(60)\nwarte_länger_日本()\n", encoding="utf-8")
    for python in harness.newest(3, 7) + [harness.Interpreter(harness.DEBIAN_PYTHON, (3, 7, 0))]:
        process = subprocess.Popen([python.path, str(script)], stdout=subprocess.PIPE,
                                   env=dict(os.environ, PYTHONUTF8="1"))
        try:
            assert process.stdout.readline() == b"ready\n"
            time.sleep(0.1)
            _, threads = dump(process.pid, folder)
        finally:
            process.kill()
            process.communicate()
        part = threads[process.pid][1]
        assert "warte_länger_日本 (" in part and "größe_é.py:4)" in part, part


@pytest.mark.parametrize("python", [one for one in harness.interpreters()
                                    if (3, 12) <= one.version < (3, 13)], ids=str)
def test_other_interpreters(python, folder):
    """Whose GIL it is that is told of."""
    code = ("import time, _xxsubinterpreters as interpreters\n"
            "one = interpreters.create()\n"
            "print('ready', flush=True)\n"
            "time.sleep(60)\n")
    process = subprocess.Popen([python.path, "-c", code], stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"ready\n"
        time.sleep(0.1)
        head, _ = dump(process.pid, folder)
    finally:
        process.kill()
        process.communicate()
    assert "Nobody has the GIL" in head and "This is the main interpreter's GIL" in head, head


def test_refusals_are_those_of_recording(folder):
    other = subprocess.Popen(["sleep", "60"])
    try:
        line = one_line_error(giltracer(["--pid", other.pid, "--dump"], folder), 125)
    finally:
        other.kill()
        other.wait()
    assert "does not run Python" in line


@pytest.mark.needs_perf
def test_a_recording_of_a_hang_tells_how_it_stands(folder):
    with hang_in(harness.DEBIAN_PYTHON, "idle") as hang:
        run = giltracer(["--pid", hang.pid, "--duration", "300ms", "-o", folder / "x.json"], folder)
    assert run.status == 0, run
    assert "no thread took or gave the GIL meanwhile" in run.err, run
    assert "Nobody has the GIL" in run.err and "hangs.py:" in run.err, run


WORDS = {True: "named", None: "not known", False: "wrong"}


def is_right(head, threads, holder):
    """Of one dump: True, None where who has the GIL is not known, False."""
    if "Who has the GIL is not known" in head:
        return None
    if holder is None:
        return "Nobody has the GIL" in head
    named = re.search(r"^thread (\d+) \((.*?)\) has the GIL", head, re.M)
    return bool(named) and named.group(2) == holder and int(named.group(1)) == min(
        tid_named(threads, holder))


def count_of_dumps(hang, mode, folder, times=10):
    """Of a program that has come to its hang: how often it was told right, wrong, and not."""
    holder, _, deadlock = HANGS[mode]
    dump_of_hang(hang, holder, folder)
    counts, took = dict.fromkeys(WORDS.values(), 0), []
    for _ in range(times):
        began = time.monotonic()
        head, threads = dump(hang.pid, folder)
        took.append(time.monotonic() - began)
        counts[WORDS[is_right(head, threads, holder)]] += 1
        assert "Deadlock" not in head or deadlock, head
    assert sorted(took)[times // 2] < 1, took
    return counts


@pytest.mark.long
@pytest.mark.parametrize("python", sorted((one for one in harness.interpreters()
                                           if one.at_least(3, 7)), key=lambda one: one.version),
                         ids=str)
def test_how_often_it_is_not_known(python, folder):
    """Never a wrong one, of ten looks at each of the ten hangs. How often none is named is printed."""
    counts = {}
    for mode in HANGS:
        with hang_in(python.path, mode) as hang:
            counts[mode] = count_of_dumps(hang, mode, folder)
    print(python, counts)
    assert not any(one["wrong"] for one in counts.values()), counts
