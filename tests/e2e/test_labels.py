# SPDX-License-Identifier: MIT
"""Labels: what each sample of a profile, and each summary, is said to be of."""
import json
import shutil
import socket
import subprocess

import harness
import pytest
from harness import DEBIAN_PYTHON, GILTRACER, OFFGIL, PERF2TRACE, giltracer, one_line_error
from test_profiles import Pprof

OWN = {"host", "pid", "tid", "thread", "thread_group", "command", "rank", "recording"}
NO_RANKS = dict.fromkeys(("OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "MV2_COMM_WORLD_RANK",
                          "SLURM_PROCID"))

# Two processes with a pool each, and a third one that another program starts, with a rank of its
# own. Each says which of its threads are which.
PROGRAM = r"""
import json, os, subprocess, sys, threading
from concurrent.futures import ThreadPoolExecutor

def tell(kind, what="a"):
    with open(sys.argv[1], what) as stream:
        stream.write(json.dumps([os.getpid(), threading.get_native_id(), kind]) + "\n")

def spin(barrier):
    barrier.wait()
    tell("pool")
    end, number = threading.get_native_id() % 7 + 150000, 0
    while number < end:
        number += 1

def work():
    tell("main")
    barrier = threading.Barrier(4)
    with ThreadPoolExecutor(4, "crunch-7") as pool:
        list(pool.map(spin, [barrier] * 4))
    thread = threading.Thread(target=lambda: tell("alone"), name="alone")
    thread.start()
    thread.join()

if len(sys.argv) > 2:
    tell("elsewhere")
    sys.exit()
child = os.fork()
work()
if not child:
    os._exit(0)
os.waitpid(child, 0)
subprocess.run(["sh", "-c", "SLURM_PROCID=9 \"$@\"; true", "sh", sys.executable, __file__,
                sys.argv[1], "again"], check=True)
"""
GROUPS = {"main": "main", "elsewhere": "main", "pool": "crunch-7_*", "alone": "alone"}


def told(folder):
    """{(pid, tid): kind}"""
    lines = [json.loads(line) for line in (folder / "told").read_text().splitlines()]
    return {(pid, tid): kind for pid, tid, kind in lines}


def labels_of(path):
    """{(pid, tid): labels}, the same of all samples of a thread."""
    found = {}
    for _, _, labels in Pprof(path).samples:
        assert found.setdefault((int(labels["pid"]), labels["tid"]), labels) == labels
    return found


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("labels")
    (folder / "x.py").write_text(PROGRAM)
    run = giltracer(["-q", "--gil-source", "agent", "--python", DEBIAN_PYTHON, "--keep", "kept",
                     "--label", "service=checkout", "--label", "zone=größer, als=a", "-o", "x.pb.gz",
                     "-o", "x.json", "-o", "x.html", "x.py", "told"], folder,
                    env=dict(NO_RANKS, SLURM_PROCID="3"))
    assert run.status == 0, run
    return folder, harness.read_json(folder / "x.json")["giltracer"]


def test_each_sample_says_whose_it_is(run):
    folder, summary = run
    truth, found = told(folder), labels_of(folder / "x.pb.gz")
    assert sorted(truth.values()) == (["alone"] * 2 + ["elsewhere"] + ["main"] * 2 + ["pool"] * 8)
    assert set(truth) <= set(found)
    root = summary["run"]["root_pid"]
    assert len({pid for pid, _ in truth}) == 3 and root in {pid for pid, _ in truth}
    for (pid, tid), kind in truth.items():
        labels = found[pid, tid]
        assert labels["thread_group"] == GROUPS[kind], labels
        assert labels["host"] == socket.gethostname()
        assert labels["service"] == "checkout" and labels["zone"] == "größer, als=a"
        # The process that another program started may be any rank: that is not guessed.
        assert labels.get("rank") == (None if kind == "elsewhere" else "3"), labels
        assert set(labels) <= OWN | {"service", "zone"}
    # As the report's own tables put them together.
    kinds = {group["kind"] for gil in summary["gils"] for group in gil.get("groups", [])}
    assert kinds == {"crunch-7_*"}


def test_sums_by_label_are_the_reports(run):
    folder, summary = run
    profile = Pprof(folder / "x.pb.gz")
    pairs = 0
    for gil in summary["gils"]:
        for group in gil.get("groups", []):
            own = [values for _, values, labels in profile.samples
                   if labels["pid"] == str(gil["pid"])
                   and labels["thread_group"] == group["kind"]]
            assert sum(values[0] for values in own) == group["wait_ns"]
            assert sum(values[1] for values in own) == group["hold_ns"]
            pairs += 1
    assert pairs == 2


def test_the_summary_and_the_page_have_them(run):
    folder, summary = run
    assert summary["run"]["labels"] == {"service": "checkout", "zone": "größer, als=a"}
    assert summary["run"]["rank"] == 3
    assert '["Labels","service=checkout, zone=größer, als=a, rank 3"]' in (
        folder / "x.html").read_text()


def perf2trace(folder, *words, status=0):
    done = subprocess.run([str(PERF2TRACE), "-q", *map(str, words)], cwd=folder, timeout=90,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == status, done.stderr
    return done.stderr.decode()


def test_a_recording_keeps_them(run):
    folder, _ = run
    perf2trace(folder, "kept", "-o", "again.pb.gz")
    assert labels_of(folder / "again.pb.gz") == labels_of(folder / "x.pb.gz")
    perf2trace(folder, "kept", "--label", "zone=b", "--label", "more=1", "-o", "more.pb.gz",
               "--summary", "more.json")
    for labels in labels_of(folder / "more.pb.gz").values():
        assert (labels["service"], labels["zone"], labels["more"]) == ("checkout", "b", "1")
    assert json.loads((folder / "more.json").read_text())["run"]["labels"] == {
        "zone": "b", "more": "1", "service": "checkout"}


def test_what_a_recording_makes_up_is_left_out(run, tmp_path):
    folder, _ = run
    shutil.copytree(folder / "kept", tmp_path / "kept")
    path = tmp_path / "kept" / "run.json"
    document = json.loads(path.read_text())
    document["run"].update(rank="../3", labels={
        "service": "a", "pid": "1", "thread_group": "all", "a b": "x", "esc": "\x1b[2J", "n": 5})
    path.write_text(json.dumps(document))
    perf2trace(tmp_path, "kept", "-o", "x.pb.gz", "--summary", "x.json")
    truth = told(folder)
    for (pid, tid), labels in labels_of(tmp_path / "x.pb.gz").items():
        assert labels["service"] == "a" and set(labels) <= OWN - {"rank"} | {"service"}
        assert (pid, tid) not in truth or labels["thread_group"] == GROUPS[truth[pid, tid]]
    summary = json.loads((tmp_path / "x.json").read_text())
    assert summary["run"]["labels"] == {"service": "a"} and "rank" not in summary["run"]


def test_of_several_recordings_each_keeps_its_own(run, tmp_path):
    folder, first = run
    (tmp_path / "x.py").write_text(PROGRAM)
    again = giltracer(["-q", "--gil-source", "agent", "--python", DEBIAN_PYTHON, "--label",
                       "service=checkout", "--label", "zone=b", "-o", "other.json", "x.py", "told"],
                      tmp_path, env=dict(NO_RANKS, PMI_RANK="0"))
    assert again.status == 0, again
    perf2trace(tmp_path, folder / "kept", "other.json", "--label", "run=7", "-o", "all.pb.gz", "-o",
               "all.json")
    summary = harness.read_json(tmp_path / "all.json")["giltracer"]
    assert summary["run"]["labels"] == {"run": "7", "service": "checkout"}
    assert "rank" not in summary["run"]
    assert [(one["name"], one["rank"], one["labels"]["zone"])
            for one in summary["recordings"]["list"]] == [("kept", 3, "größer, als=a"),
                                                          ("other", 0, "b")]
    found = labels_of(tmp_path / "all.pb.gz")
    for where, name, rank, zone in ((folder, "kept", "3", "größer, als=a"),
                                    (tmp_path, "other", "0", "b")):
        for thread, kind in told(where).items():
            labels = found[thread]
            assert (labels["recording"], labels["zone"], labels["run"]) == (name, zone, "7")
            assert labels.get("rank") == (None if kind == "elsewhere" else rank), labels


def test_without_a_launcher_there_is_no_rank(folder):
    (folder / "x.py").write_text("print(sum(range(1000)))\n")
    run = giltracer(["-q", "--gil-source", "agent", "-o", "x.pb.gz", "--summary", "x.json", "x.py"],
                    folder, env=NO_RANKS)
    assert run.status == 0, run
    found = labels_of(folder / "x.pb.gz")
    assert found and all(set(labels) == OWN - {"rank", "recording"} for labels in found.values())
    asked = json.loads((folder / "x.json").read_text())["run"]
    assert "rank" not in asked and "labels" not in asked


def test_a_running_process_has_the_rank_that_it_was_started_with(folder):
    (folder / "x.py").write_text("import threading, time\nend = time.monotonic() + 60\n"
                                 "def spin():\n"
                                 "    while time.monotonic() < end: sum(range(1000))\n"
                                 "threading.Thread(target=spin, name='w-1', daemon=True).start()\n"
                                 "print(flush=True)\nspin()\n")
    with subprocess.Popen([DEBIAN_PYTHON, "x.py"], cwd=folder, stdout=subprocess.PIPE,
                          env={"PMI_RANK": "x", "SLURM_PROCID": "12"}) as process:
        try:
            process.stdout.readline()
            run = giltracer(["-q", "--pid", process.pid, "--gil-source", "agent", "--duration", "1s",
                             "-o", "x.pb.gz"], folder, env=dict(NO_RANKS, SLURM_PROCID="4"))
        finally:
            process.kill()
    assert run.status == 0, run
    found = labels_of(folder / "x.pb.gz")
    assert {labels["thread_group"] for labels in found.values()} == {"main", "w-*"}
    assert {labels["rank"] for labels in found.values()} == {"12"}
    assert {labels["pid"] for labels in found.values()} == {str(process.pid)}


@pytest.mark.parametrize("label, why", [
    ("service", "KEY=VALUE"), ("9=x", "begins with no digit"), ("a.b=x", "letters, digits and _"),
    ("pid=1", "profiles have a label pid already"), ("thread_group=x", "choose another key"),
    ("rank=1", "choose another key"), ("a=", "no value"), ("a=\x1b[2J", "control characters"),
    (b"a=\xff", "UTF-8"), ("k" * 64 + "=x", "63 bytes"), ("a=" + "x" * 256, "255 bytes")])
@pytest.mark.parametrize("program", [GILTRACER, PERF2TRACE, OFFGIL], ids=lambda path: path.name)
def test_what_is_no_label_is_refused(program, label, why, folder):
    words = [program, "--label", label, "-o", "x.pb.gz", "x.py"]
    (folder / "x.py").write_text("open('ran', 'w')\n")
    done = subprocess.run(words, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60)
    done.status, done.err = done.returncode, done.stderr.decode()
    error = one_line_error(done, 125)
    assert "--label" in error and why in error and "\x1b" not in error
    assert not (folder / "ran").exists() and not (folder / "x.pb.gz").exists()


def test_labels_are_given_once_and_are_not_many(folder):
    (folder / "x.py").write_text("open('ran', 'w')\n")
    many = [word for number in range(17) for word in ("--label", "k%d=x" % number)]
    assert "16 labels at most" in one_line_error(giltracer([*many, "x.py"], folder), 125)
    twice = giltracer(["--label", "a=1", "--label", "a=2", "x.py"], folder)
    assert "given twice" in one_line_error(twice, 125)
    assert not (folder / "ran").exists()


def test_folded_stacks_have_no_place_for_labels(folder):
    (folder / "x").write_text("")
    done = subprocess.run([OFFGIL, "--label", "a=1", "x"], cwd=folder, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60)
    done.status, done.err = done.returncode, done.stderr.decode()
    assert "-o FILE.pb.gz" in one_line_error(done, 125)


def test_labels_from_a_file(folder):
    (folder / "x.py").write_text("print(sum(range(1000)))\n")
    (folder / "pyproject.toml").write_text(
        '[tool.giltracer]\nlabel = ["service=checkout", "zone=a"]\n')
    words = ["-q", "--gil-source", "agent", "--no-output", "--summary", "x.json"]

    def labels(*more):
        run = giltracer([*words, *more, "x.py"], folder)
        assert run.status == 0, run
        return json.loads((folder / "x.json").read_text())["run"].get("labels")

    assert labels() == {"service": "checkout", "zone": "a"}
    assert labels("--label", "service=basket") == {"service": "basket"}
    assert labels("--no-config") is None
    (folder / "pyproject.toml").write_text('[tool.giltracer]\n\nlabel = "tid=1"\n')
    error = one_line_error(giltracer([*words, "x.py"], folder), 125)
    assert "pyproject.toml:3: --label tid" in error and "--no-config" in error


@pytest.mark.needs_perf
def test_offgil_says_the_same(folder):
    (folder / "x.py").write_text(PROGRAM)
    run = giltracer(["-q", "--python", DEBIAN_PYTHON, "--state-detect", "--call-graph", "--keep",
                     "kept", "--label", "service=checkout", "--no-output", "x.py", "told"], folder,
                    env=dict(NO_RANKS, SLURM_PROCID="3"))
    assert run.status == 0, run
    words = ["--agent-log", "kept/agent", "kept/perf.data", "--state", "S"]
    for more in (["-o", "x.pb.gz", "--label", "zone=a"], ["-o", "x.folded"]):
        done = subprocess.run([OFFGIL, *words, *more], cwd=folder, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=90)
        assert done.returncode == 0 and done.stderr == b"", done
    truth, found = told(folder), labels_of(folder / "x.pb.gz")
    root = json.loads((folder / "kept/run.json").read_text())["run"]["root_pid"]
    seen = [kind for thread, kind in truth.items() if thread in found]
    assert seen.count("main") == 2 and seen.count("pool") >= 4, (truth, found)
    for (pid, tid), labels in found.items():
        kind = truth.get((pid, tid))
        assert labels["service"] == "checkout" and labels["zone"] == "a"
        assert labels["host"] == socket.gethostname()
        # Sleeps tell nothing of GILs, by which it is known that Python forks.
        assert labels.get("rank") == ("3" if pid == root else None), labels
        if kind:
            assert labels["thread_group"] == GROUPS[kind], labels
    # Labels keep threads apart, and change no sum.
    lines = (folder / "x.folded").read_text().splitlines()
    total_us = sum(int(line.rsplit(" ", 1)[1]) for line in lines)
    total_ns = sum(values[0] for _, values, _ in Pprof(folder / "x.pb.gz").samples)
    assert 0 <= total_us - total_ns / 1000 <= len(lines)
