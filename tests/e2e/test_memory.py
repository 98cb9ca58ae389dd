# SPDX-License-Identifier: MIT
"""Recordings that name very much: memory and the page are bounded, and what is left out is told."""
import harness
from harness import PERF2TRACE

GIL = 0x7f0000000000


def line(pid, tid, time_us, what):
    return "py %d/%d [000] 1000.%09d: %s\n" % (pid, tid, time_us * 1000, what)


def convert(text, folder, output, limit_kb):
    """perf2trace within so much address space."""
    (folder / "text").write_text(text)
    run = harness.Run(["sh", "-c", 'ulimit -v %d && exec "$@"' % limit_kb, "sh", PERF2TRACE, "-q",
                       "text", "-o", output], folder).finish()
    assert run.status == 0, run
    return folder / output


def test_processes_take_little_memory(folder):
    """20,000 processes, each with a GIL, took 450 MB."""
    text = []
    for i in range(20000):
        for k in range(4):
            text.append(line(1000 + i, 1000 + i, 8 * i + 2 * k, "gil:signal: (1) cond=%#x" % (GIL + 88)))
            text.append(line(1000 + i, 1000 + i, 8 * i + 2 * k + 1, "gil:signal: (1) cond=%#x" % GIL))
    page = convert("".join(text), folder, "x.html", 96 << 10)
    assert page.stat().st_size < 64e6


def test_what_is_beyond_the_limits_is_told(folder):
    threads = 70000
    text = "".join(line(1000, 1000 + i, i, "page-faults: ") for i in range(threads))
    document = harness.read_json(convert(text, folder, "x.json", 256 << 10))
    summary = document["giltracer"]
    assert len(summary["threads"]) <= 65536
    assert summary["left_out"]["events"] == threads - len(summary["threads"])
    assert any("were left out" in sentence for sentence in summary["findings"])
    assert any("more threads" in (piece.get("why") or "") for piece in summary["lost"])
