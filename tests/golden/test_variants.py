# SPDX-License-Identifier: MIT
"""One recording in every form that the text of `perf script` has had: one result.

Each variant rewrites the lines of the `contention` case. Unless it says otherwise, the summary of
the rewritten text must be the original's to the nanosecond.
"""
import functools
import gzip
import pathlib
import random
import re

import harness
import pytest

CASE = pathlib.Path(__file__).parent / "cases" / "contention" / "input.gz"
LINE = re.compile(r"^\s*(?P<comm>.*?)\s+(?P<pid>\d+)/(?P<tid>\d+)\s+\[(?P<cpu>\d+)\]\s+"
                  r"(?P<s>\d+)\.(?P<f>\d{9}):\s+(?P<rest>.*)$")


@functools.lru_cache(None)
def lines():
    return gzip.decompress(CASE.read_bytes()).decode().rstrip("\n").split("\n")


def rewrite(form, only=None):
    """Format every line anew: form(**fields of the line)."""
    new = []
    for line in lines():
        fields = LINE.match(line).groupdict()
        if only and not only(fields["rest"]):
            continue
        fields["time"] = "%s.%s" % (fields["s"], fields["f"])
        made = form(**fields)
        new += made if isinstance(made, list) else [made]
    return "\n".join(new) + "\n"


def libc_only(rest):
    return not rest.startswith("python:")


def functions_only(rest):
    return not rest.startswith("gil:")


STANDARD = "%(comm)16s %(pid)5s/%(tid)-5s [%(cpu)s] %(time)s: %(rest)s"


def standard(**fields):
    return STANDARD % fields


def comm(name):
    def form(**fields):
        fields["comm"] = name
        return standard(**fields)
    return form


def stacks(**fields):
    made = [standard(**fields)]
    if not fields["rest"].startswith("PERF_RECORD"):
        made += ["\tffffffff82265488 __schedule+0x628 ([kernel.kallsyms])",
                 "\t    7f46234a66a0 pthread_cond_timedwait@@GLIBC_2.3.2+0x0 (/usr/lib/libc.so.6)",
                 "\t          4f1ad2 [unknown] (/opt/my app 1:2 [3]/bin/python3.11)",
                 "\t               0 gil:signal: (7f46234a5e20) cond=0x7f4623b4e6c8 ([unknown])", ""]
    return made


def frame_at_the_end(**fields):
    if fields["rest"].startswith("gil:"):
        fields["rest"] += "     7f46234a5e20 pthread_cond_signal@@GLIBC_2.3.2+0x0 (/usr/lib/libc.so.6)"
    return standard(**fields)


def period(**fields):
    if not fields["rest"].startswith("PERF_RECORD"):
        fields["rest"] = "         1 " + fields["rest"]
    return standard(**fields)


def other_events(**fields):
    """Events of no meaning to the GIL between those that have one."""
    extra = ["1 page-faults:  ffffffff8177539a elf_load+0x28a ([kernel.kallsyms])",
             "10101010 cycles:uppp:  7f09488dab70 _start+0x0 (/usr/lib/ld-linux-x86-64.so.2)",
             "sched:sched_switch: prev_comm=python3.11 prev_pid=12744 prev_prio=120 prev_state=D|K "
             "==> next_comm=a ==> b=1 next_pid=9 next_prio=120",
             "sched:sched_switch: python3.11:12744 [120] S ==> my wrk 1:2 [3]:6870 [120]",
             "signal:signal_generate: sig=17 errno=0 code=1 comm=x pid=1 grp=1 res=0",
             "signal:signal_deliver: sig=17 errno=0 code=1 sa_handler=0x5a3b cond=0x7f4623b4e6c8",
             "sched:sched_stat_runtime: comm=gil:signal: pid=1 runtime=5 [ns] vruntime=7 [ns]",
             "syscalls:sys_enter_futex: uaddr: 0x7f4623b4e6f0, op: 0x00000089, val: 0x00000000",
             "PERF_RECORD_SWITCH OUT preempt", "PERF_RECORD_SWITCH IN         ",
             "PERF_RECORD_MMAP2 12744/12744: [0x7f46(0x1000) @ 0 08:01 5 6]: r-xp /a b/libc.so.6",
             "PERF_RECORD_NAMESPACES 12744/12744 - nr_namespaces: 7"]
    return [standard(**fields)] + [standard(**dict(fields, rest=rest)) for rest in extra]


def task_gone(**fields):
    """A line of a task that was gone when perf looked: no name, no number."""
    gone = "%16s %5s/%-5s [%s] %s: sched:sched_switch: prev_comm=x prev_pid=12749 prev_prio=120 " \
           "prev_state=X ==> next_comm=y next_pid=1 next_prio=120" % (
               ":-1", "-1", "-1", fields["cpu"], fields["time"])
    if "RECORD_EXIT" in fields["rest"]:
        fields.update(comm=":-1", pid="-1", tid="-1")
    return [standard(**fields), gone]


# name -> text; the result is the original's
SAME = {
    "as it is": lambda: "\n".join(lines()) + "\n",
    "no newline at the end": lambda: "\n".join(lines()),
    "libc probes only": lambda: rewrite(standard, libc_only),
    "no comm": lambda: rewrite(lambda **f: "%(pid)5s/%(tid)-5s [%(cpu)s] %(time)s: %(rest)s" % f),
    "no cpu": lambda: rewrite(lambda **f: "%(comm)16s %(pid)5s/%(tid)-5s %(time)s: %(rest)s" % f),
    "default fields": lambda: rewrite(
        lambda **f: "%(comm)16s %(tid)5s [%(cpu)s] %(time)s: %(rest)20s" % f),
    "unknown cpu": lambda: rewrite(
        lambda **f: "%(comm)16s %(pid)5s/%(tid)-5s [-01] %(time)s: %(rest)s" % f),
    "many cpus": lambda: rewrite(
        lambda **f: "%(comm)16s %(pid)5s/%(tid)-5s [1%(cpu)s] %(time)s: %(rest)s" % f),
    "wide columns": lambda: rewrite(
        lambda **f: "%(comm)16s %(pid)10s/%(tid)-10s [%(cpu)s]  %(time)20s:  %(rest)60s" % f),
    "comm is a number": lambda: rewrite(comm(":12345")),
    "comm with spaces and brackets": lambda: rewrite(comm("my wrk 1:2 [3]")),
    "comm like the line itself": lambda: rewrite(comm("1/1 [0] 1.5: a:")),
    "comm like a switch": lambda: rewrite(comm("x ==> y=1")),
    "comm is empty": lambda: rewrite(comm("")),
    "comm is markup": lambda: rewrite(comm("</script>")),
    "comm is not UTF-8": lambda: rewrite(comm("\udcff\udcfe\udc80 1/2")),
    "comm with a newline": lambda: rewrite(comm("new\nline 1/1 [0]")),
    "stacks between": lambda: rewrite(stacks),
    "a frame at the end": lambda: rewrite(frame_at_the_end),
    "periods": lambda: rewrite(period),
    "other events between": lambda: rewrite(other_events),
    "gone tasks": lambda: rewrite(task_gone),
    "group of a run": lambda: re.sub("gil:(signal|wait)", r"gt_1a2b_c3_d4:\1", rewrite(standard)),
    "numbered names": lambda: re.sub("gil:(signal|wait):", r"gil:\1_12:", rewrite(standard)),
    "perf's default names": lambda: re.sub(
        "gil:(signal|wait):", lambda m: "probe_libc:pthread_cond_%s:" % (
            {"signal": "signal", "wait": "timedwait"}[m.group(1)]), rewrite(standard)),
}


def convert(text, folder, *arguments, status=0):
    output = folder / "x.json"
    if output.exists():
        output.unlink()
    run = harness.Run([harness.PERF2TRACE, *(arguments or ["gil"]), "-o", output], folder,
                      stdin=harness.subprocess.PIPE)
    run.finish(text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape"))
    assert run.status == status, run
    if status:
        assert not output.exists()
        return run
    document = harness.read_json(output)
    harness.check_document(document)
    return document["giltracer"]


FIGURES = ("tid", "pid", "main", "start_ns", "end_ns", "lifetime_ns", "hold_ns", "wait_ns", "free_ns",
           "unknown_ns", "holds", "waits", "longest_wait_ns", "longest_hold_ns")


def figures(summary):
    """The summary's GILs without names: what the form of the text must not change."""
    rows = []
    for gil in summary["gils"]:
        for row in gil["threads"]:
            figure = {key: row[key] for key in FIGURES}
            figure.update(gil=(gil["pid"], gil["address"], gil["source"]),
                          blocked=[(b["tid"], b["ns"]) for b in row["blocked_by"]])
            rows.append(figure)
    return rows


@pytest.mark.parametrize("name", sorted(SAME))
def test_form_does_not_matter(name, folder):
    original = convert("\n".join(lines()) + "\n", folder)
    variant = convert(SAME[name](), folder)
    assert figures(variant) == figures(original)
    assert len(figures(original)) == 4
    if "newline" not in name or name.startswith("no"):
        assert variant["quality"]["unparsed_lines"] == 0, variant["quality"]
    assert variant["quality"]["lost_events"] == 0


def test_microseconds(folder):
    """Older perf, or without --ns: as exact as that can be."""
    original = figures(convert("\n".join(lines()) + "\n", folder))
    text = rewrite(lambda **f: STANDARD % dict(f, time="%s.%s" % (f["s"], f["f"][:6])))
    for want, got in zip(original, figures(convert(text, folder))):
        assert (want["tid"], want["holds"], want["waits"]) == (got["tid"], got["holds"], got["waits"])
        for field in ("hold_ns", "wait_ns", "lifetime_ns", "free_ns"):
            assert abs(want[field] - got[field]) <= 1000 * (want["holds"] + want["waits"] + 2)


def test_both_sources_tell_the_same_story(folder):
    """The recording has both kinds of probes; each alone gives the same picture.

    The waits that function probes see begin earlier: the probe's own cost, and the time when
    the thread has entered take_gil and lost its CPU before it came to wait.
    """
    cond = figures(convert(rewrite(standard, libc_only), folder))
    functions = figures(convert(rewrite(standard, functions_only), folder))
    assert [row["tid"] for row in cond] == [row["tid"] for row in functions]
    for want, got in zip(cond, functions):
        assert got["gil"][2] == "functions"
        assert abs(want["holds"] - got["holds"]) <= 1
        assert abs(want["hold_ns"] - got["hold_ns"]) <= 40000 * want["holds"] + 100000
        assert -100000 <= got["wait_ns"] - want["wait_ns"] <= 0.12 * want["lifetime_ns"]


def test_functions_alone_match_the_oracle(folder):
    text = rewrite(standard, functions_only)
    harness.check_against_oracle(convert(text, folder), text.encode(), slack_ns=0)


@pytest.mark.parametrize("pattern, name", [
    (r"python:take_gil__return", "python:take_gil_1__return"),
    (r"python:(take|drop)_gil:", r"python:\1_gil_1:"),
    (r"python:take_gil__return", "probe_libpython3:take_gil__return_2"),
    (r"python:(take|drop)_gil", r"probe_python3:\1_gil"),
])
def test_names_that_perf_gives_to_function_probes(pattern, name, folder):
    plain = rewrite(standard, functions_only)
    renamed = re.sub(pattern, name, plain)
    assert renamed != plain
    assert figures(convert(renamed, folder)) == figures(convert(plain, folder))


def test_calls_recorded_twice_count_once(folder):
    """`perf probe -f` on an existing probe: each hit arrives under two names."""
    original = figures(convert(rewrite(standard, libc_only), folder))

    def twice(**fields):
        line = standard(**fields)
        return [line, line.replace("gil:signal:", "gil:signal_1:").replace(
            "gil:wait:", "gil:wait_1:")] if "gil:" in line else line
    summary = convert(rewrite(twice, libc_only), folder)
    assert figures(summary) == original
    assert summary["quality"]["duplicates"] > 0


def test_takes_without_return_are_tolerated(folder):
    """An optimised clone whose return has no probe: no hold of its own is lost for long."""
    dropped = [0]

    def half(**fields):
        if "take_gil__return" in fields["rest"]:
            dropped[0] += 1
            if dropped[0] % 2:
                return []
        return standard(**fields)
    summary = convert(rewrite(half, functions_only), folder)
    assert summary["quality"]["returns_missing"] > 10
    assert summary["quality"]["overlaps"] == 0


def test_waiting_is_not_known_without_returns(folder):
    """Not one return is recorded: what is said of waiting is the least that it was."""
    whole = convert(rewrite(standard, functions_only), folder)

    def never(**fields):
        return [] if "take_gil__return" in fields["rest"] else standard(**fields)
    summary = convert(rewrite(never, functions_only), folder)
    findings = " ".join(summary["findings"])
    assert summary["quality"]["returns_missing"] > 50 and not summary["quality"]["overlaps"]
    assert whole["quality"]["returns_missing"] == 0
    assert "Not known whether GIL-bound, since returns of take_gil are missing" in findings \
        or findings.startswith("GIL-bound")
    assert "waited for the GIL at least" in findings
    assert "%d of %d returns of take_gil are missing" % (
        (summary["quality"]["returns_missing"],) * 2) in findings
    for one, two in zip(summary["gils"][0]["threads"], whole["gils"][0]["threads"]):
        # A wait that a missing release would have ended is that of the one before.
        assert 0.5 * two["wait_ns"] <= one["wait_ns"] <= two["wait_ns"] + 1e6, (one, two)


@pytest.mark.parametrize("missing", [1, 2])
def test_no_wait_was_seen_is_not_that_there_was_none(missing, folder):
    """One thread: of two returns of take_gil, one or both are missing."""
    text = ""
    for i in range(2):
        for at, event in ((0, "take_gil: (5)"), (50, "take_gil__return: (5 <- 6)"),
                          (90, "drop_gil: (7)")):
            if "return" not in event or i >= missing:
                text += "%16s %5d [003] 3220.%06d000: python:%s\n" % (
                    "viztracer", 5533, i * 200 + at, event)
    output = folder / "x.json"
    run = harness.Run([harness.PERF2TRACE, "gil", "-o", output], folder,
                      stdin=harness.subprocess.PIPE).finish(text.encode())
    findings = harness.read_json(output)["giltracer"]["findings"]
    assert findings[0] == "Not known whether threads waited for the GIL: returns of take_gil are " \
        "missing."
    assert findings[1].startswith("%d of 2 returns of take_gil are missing" % missing)
    assert "still waited" not in run.err and "ever waited" not in run.err
    row = next(line for line in run.err.split("\n") if line.startswith("5533"))
    assert row.split()[3] == "-"


def test_releases_without_take_are_tolerated(folder):
    seen = [0]

    def some(**fields):
        seen[0] += fields["rest"].endswith("e720")
        gone = fields["rest"].endswith("e720") and seen[0] % 8 == 0
        return [] if gone else standard(**fields)
    summary = convert(rewrite(some, libc_only), folder)
    # A second release by the same thread looks like the first one recorded twice.
    quality = summary["quality"]
    # and one by a thread that waits like glibc passing a signal on.
    told = quality["unmatched_releases"] + quality["duplicates"] + quality["passed_signals"]
    assert told == seen[0] // 8 > 5
    assert summary["quality"]["overlaps"] == 0


def test_garbage_between_is_counted_and_skipped(folder):
    original = figures(convert("\n".join(lines()) + "\n", folder))
    rng = random.Random(5)
    garbage = ["\x00\x01\x02", "A" * 3000000, "%n%s%s", "python3.11 12744", "[000] 12.5:", ": : :",
               "".join(chr(rng.randrange(32, 127)) for _ in range(200)),
               "x 1/1 [000] 99999999999999999999.999999999: gil:signal: (0) cond=0x1",
               "x 99999999999/99999999999 [000] 1325.720000000: gil:signal: (0) cond=0x1",
               "# captured on: Sun Nov 22", "Warning:", "-1/-1", "\udcff" * 100]
    text, count = [], 0
    for i, line in enumerate(lines()):
        text.append(line)
        if i % 7 == 0:
            text.append(garbage[count % len(garbage)])
            count += 1
    summary = convert("\n".join(text) + "\n", folder)
    assert figures(summary) == original
    assert summary["quality"]["unparsed_lines"] > count / 2


def test_lost_events_are_marked_not_guessed(folder):
    """A loss in the middle: no figure grows by it, and the time is unknown."""
    original = convert("\n".join(lines()) + "\n", folder)
    middle = len(lines()) // 4
    fields = LINE.match(lines()[middle]).groupdict()
    fields.update(time="%s.%s" % (fields["s"], fields["f"]), rest="PERF_RECORD_LOST lost 16")
    # Everything between the line before and the loss is gone.
    text = lines()[:middle - 20] + [STANDARD % fields] + lines()[middle:]
    summary = convert("\n".join(text) + "\n", folder)
    assert summary["quality"]["lost_events"] == 16 and summary["lost"]
    assert summary["quality"]["overlaps"] == 0
    for want, got in zip(figures(original), figures(summary)):
        assert got["hold_ns"] <= want["hold_ns"] and got["wait_ns"] <= want["wait_ns"]
    assert sum(row["unknown_ns"] for row in figures(summary)) > 0


@pytest.mark.parametrize("text", [b"", b"\n\n", b"hello world\nthis is a letter\n", b"\x00" * 5000,
                                  b"{\"traceEvents\": []}\n", b"A" * 5000000],
                         ids=["empty", "blank", "prose", "zeros", "json", "one long line"])
def test_text_that_is_not_perf_scripts_is_refused(text, folder):
    run = convert(text, folder, status=125)
    line = harness.one_line_error(run, 125)
    assert "perf script" in line


def test_cut_anywhere_it_is_read_until_there(folder):
    """A text that ends in the middle of a line, at any place, is no reason to fail."""
    whole = ("\n".join(lines()) + "\n").encode()
    for length in range(len(whole) // 2, len(whole) // 2 + 120, 7):
        summary = convert(whole[:length], folder)
        assert summary["gils"], length
