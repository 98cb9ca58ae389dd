# SPDX-License-Identifier: MIT
"""Names of outputs that tell of the run, and reports that are there already."""
import os
import re
import socket
import subprocess

import harness
import pytest
from harness import giltracer, one_line_error

AGENT = ("--gil-source", "agent")
NO_RANK = {name: None for name in ("OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK",
                                   "MV2_COMM_WORLD_RANK", "SLURM_PROCID")}


def run(folder, *words, env=None, status=0, **more):
    done = giltracer([*AGENT, *words], folder, env=dict(NO_RANK, **(env or {})), **more)
    assert done.status == status, done
    return done


def names(folder, *endings):
    return sorted(path.name for path in folder.iterdir() if path.name.endswith(endings))


def test_names(folder):
    done = run(folder, "-o", "a-%p.json", "-o", "b-%h-%t.html", "-o", "100%%.folded", "--summary",
               "s-%n-%p.json", "-c", "import os; print(os.getpid())", env={"PMI_RANK": "12"})
    pid = int(done.out)
    found = names(folder, ".json", ".html", ".folded")
    assert len(found) == 4, found
    assert "a-%d.json" % pid in found and "s-12-%d.json" % pid in found and "100%.folded" in found
    page, = names(folder, ".html")
    assert re.fullmatch(r"b-%s-\d{8}-\d{6}\.html" % re.escape(socket.gethostname()), page), found
    assert "wrote a-%d.json" % pid in done.err and "rank" not in done.err
    assert harness.read_json(folder / ("a-%d.json" % pid))["giltracer"]["run"]["root_pid"] == pid


def test_no_rank_is_0_and_said(folder):
    done = run(folder, "-o", "x-%n.json", "-c", "1", env={"SLURM_PROCID": "../5"})
    assert "%n is 0" in done.err and names(folder, ".json") == ["x-0.json"], done


@pytest.mark.parametrize("words, part", [
    (["-o", "x-%q.json"], "%q is not known"), (["--summary", "x%"], "is not known"),
    (["-o", "%p/x.json"], "not in a folder's"), (["-o", "no-folder/x-%p.json"], "no-folder")],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_names_that_are_refused_before_the_program_runs(words, part, folder):
    done = giltracer([*AGENT, *words, "-c", "print('ran')"], folder)
    assert part in one_line_error(done, 125)
    assert done.out == b"" and names(folder, ".json") == []


@pytest.mark.needs_root
def test_a_hosts_name_is_no_path(folder):
    code = "import os, socket, sys; socket.sethostname('../../up'); os.execv(sys.argv[1], sys.argv[1:])"
    words = ["unshare", "--uts", harness.DEBIAN_PYTHON, "-c", code, harness.GILTRACER, *AGENT, "-o",
             "%h.json", "-c", "1"]
    done = harness.Run(words, folder).finish()
    assert done.status == 0 and len(names(folder, ".json")) == 1, done
    assert "/" not in names(folder, ".json")[0] and "up" in names(folder, ".json")[0]


@pytest.mark.needs_perf
def test_of_a_process_that_runs(folder):
    with subprocess.Popen([harness.DEBIAN_PYTHON, "-c", "import time; time.sleep(60)"]) as process:
        try:
            harness.wait_for(lambda: b"sleep" in open("/proc/%d/cmdline" % process.pid, "rb").read(),
                             "it did not start")
            done = giltracer(["--pid", process.pid, "--duration", "200ms", "-o", "x-%p.json"], folder)
        finally:
            process.kill()
    assert done.status == 0 and names(folder, ".json") == ["x-%d.json" % process.pid], done


@pytest.mark.parametrize("name", ["x.html", "x.json", "x.json.gz", "summary"])
def test_what_another_command_left_is_kept(name, folder):
    words = ["--summary", name, "--no-output"] if name == "summary" else ["-o", name]
    run(folder, *words, "-c", "first = '],\"interpreter\":<'")
    first = (folder / name).read_bytes()
    done = run(folder, *words, "-c", "first = '],\"interpreter\":<'")
    assert names(folder, ".old") == [] and "kept" not in done.err, done
    again = (folder / name).read_bytes()
    assert again != first  # of the same command: replaced
    done = run(folder, *words, "-c", "second = 2")
    assert "kept the report of another command as %s.old" % name in done.err, done
    assert (folder / (name + ".old")).read_bytes() == again
    assert (folder / name).read_bytes() not in (first, again)


@pytest.mark.parametrize("content", [b"", b"mine", b"\x1f\x8b broken", b"[" * 3000000,
                                     b'{"generator":"giltracer 0.1.0","run":{"argv":["x"'],
                         ids=["empty", "other", "broken gzip", "large", "cut"])
def test_what_is_no_report_is_replaced(content, folder):
    (folder / "x.json").write_bytes(content)
    run(folder, "-o", "x.json", "-c", "1")
    assert names(folder, ".json", ".old") == ["x.json"]
    assert harness.read_json(folder / "x.json")["giltracer"]


def test_links_are_replaced_and_not_read(folder):
    run(folder, "-o", "other.json", "-c", "1")
    (folder / "x.json").symlink_to("other.json")
    run(folder, "-o", "x.json", "-c", "2")
    assert names(folder, ".old") == [] and not os.path.islink(str(folder / "x.json"))
