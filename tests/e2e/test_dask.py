# SPDX-License-Identifier: MIT
"""giltracer.dask: the workers of a real cluster, as one report."""
import json
import stat
import subprocess

import harness
import pytest
from harness import target

PACKAGE = harness.ROOT / "scripts" / "python"
HOSTILE = "../../<b>x'\n"


@pytest.fixture(autouse=True, scope="module")
def distributed():
    found = subprocess.run([harness.DEBIAN_PYTHON, "-c", "import distributed"],
                           stderr=subprocess.DEVNULL).returncode == 0
    harness.require(None if found else "python3-distributed is not installed")


def run(folder, mode, *words, status=0):
    """Run a mode of the target: what it found, and how it ended."""
    done = harness.Run([harness.DEBIAN_PYTHON, target("clustered"), mode, *words], folder,
                       env={"PYTHONPATH": PACKAGE, "GILTRACER": harness.GILTRACER}).finish()
    assert done.status == status, done
    harness.wait_for(lambda: not done.leftovers(), "something is left: %s" % done.leftovers())
    left = [str(path) for path in folder.rglob("*giltracer*") if path.name != "refusing-giltracer"]
    assert left in ([], [str(done.home / ".cache" / "giltracer")]), left
    return (json.loads(done.out.decode().splitlines()[-1]) if done.out else None), done


def blockers_by_recording(summary):
    """The function that was waited for most, in each recording."""
    found = {}
    for row in sorted(summary["blockers"], key=lambda row: row["waiting_ns"]):
        gil = summary["gils"][row["gil"]]
        found[summary["recordings"]["list"][gil["recording"]]["name"]] = row["function"]
    return found


def check_is_merged(folder, found, name="all.json"):
    document = harness.read_json(folder / name)
    assert document["giltracer"] == found["summary"]
    assert found["left"] == []


@pytest.mark.timing
def test_workers_also_those_that_join(folder):
    found, _ = run(folder, "joining")
    check_is_merged(folder, found)
    names = ["worker-0", "worker-1", "worker-2"]
    assert sorted(found["workers"]) == sorted(found["addresses"]) and found["missing"] == {}
    assert sorted(found["workers"].values()) == names
    assert blockers_by_recording(found["summary"]) == dict.fromkeys(names, "keep")
    # Each worker's process, neither the scheduler's nor the client's.
    assert {gil["pid"] for gil in found["summary"]["gils"]} == set(found["pids"])
    assert len(set(found["pids"])) == 3 and found["summary"]["recordings"]["machines"] == 1
    assert sorted(found["outputs"]) == ["all.html", "all.json"]
    assert (folder / "all.html").stat().st_size > 10000
    assert "GIL-bound: threads of worker-" in found["text"] and "worker-2: " in found["text"]


@pytest.mark.needs_perf
@pytest.mark.timing
def test_workers_of_several_threads(folder):
    found, _ = run(folder, "threads")
    check_is_merged(folder, found, "all.json.gz")
    summary = found["summary"]
    assert blockers_by_recording(summary) == {"worker-0": "keep", "worker-1": "keep"}
    assert summary["run"]["gil_source"] == "uprobes" and summary["sched"] is not None
    assert any("breached: wait > 1%" in line for line in found["messages"]), found["messages"]


def test_a_worker_that_is_killed(folder):
    found, _ = run(folder, "killed")
    check_is_merged(folder, found)
    assert found["works"] == 3
    assert found["missing"] == {found["killed"]: "it left before the block ended",
                                found["joined"]: "it joined, and left before the block ended"}
    assert found["workers"][found["other"]] in blockers_by_recording(found["summary"])
    assert len(found["workers"]) == 2  # the other, and the one that Dask started instead
    warning, = found["warned"]
    for address in (found["killed"], found["joined"]):
        assert address in warning and address in found["text"]


def test_workers_that_cannot_be_recorded_work_on(folder):
    refusing = folder / "refusing-giltracer"
    refusing.write_text("#!/bin/sh\necho 'giltracer: it <may> not' >&2\nexit 125\n")
    refusing.chmod(refusing.stat().st_mode | stat.S_IXUSR)
    found, _ = run(folder, "others", str(refusing), HOSTILE)
    check_is_merged(folder, found)
    why = {found["names"][address]: reason for address, reason in found["missing"].items()}
    assert sorted(why) == ["bare", "bare, too", "refusing"]
    for name in ("bare", "bare, too"):
        assert "No module named 'giltracer'" in why[name] and "install it on the workers" in why[name]
    assert why["refusing"] == "it <may> not"
    assert len(found["pids"]) == 4  # all worked
    assert "it &lt;may&gt; not" in found["html"] and "<may>" not in found["html"]
    warning, = found["warned"]
    assert all(address in warning for address in found["missing"])
    name, = found["workers"].values()
    assert name == "_..__b_x__", name
    assert list(blockers_by_recording(found["summary"])) == [name]
    assert not [path for path in folder.rglob("*") if "<b>" in path.name]


@pytest.mark.timing
def test_limits_and_an_exception(folder):
    found, done = run(folder, "limits", status=1)
    # A report that is cut short is left out; of the other one there is a report.
    assert harness.read_json(folder / "damaged.json")["giltracer"] == found["summary"]
    why, = found["missing"].values()
    assert "its report cannot be read" in why and "worker-0.json.gz" in why, why
    assert list(found["workers"].values()) == ["worker-1"] and found["left"] == []
    assert blockers_by_recording(found["summary"]) == {"worker-1": "keep"}
    assert "It was read from a report" in found["text"]
    assert found["large"].startswith("TraceError: no worker has a report: its report has")
    # An exception has its way, and still there is a report.
    assert done.err.rstrip().endswith("KeyError: 'of the program'"), done
    summary = harness.read_json(folder / "all.json")["giltracer"]
    assert blockers_by_recording(summary) == {"worker-0": "keep", "worker-1": "keep"}


def test_workers_in_one_process_and_refusals(folder):
    found, _ = run(folder, "in_process")
    check_is_merged(folder, found)
    assert sorted(found["workers"]) == sorted(found["addresses"]) and len(found["workers"]) == 2
    assert set(found["workers"].values()) == {"worker-0+worker-1"} and found["missing"] == {}
    assert len({gil["pid"] for gil in found["summary"]["gils"]}) == 1
    assert "being traced already, by this process" in found["nested"]
    assert "being traced already: since" in found["other"]
    assert "client.unregister_worker_plugin('giltracer-" in found["other"]
    assert "no worker can be traced" in found["recorded"] and "recorded already" in found["recorded"]
    assert "nothing stays behind" in found["option"] and found["pid"].startswith("TypeError")
    assert "Dask's Client, not str" in found["client"]
    assert "unknown option --no-such-thing" in found["unknown"]
    assert found["condition"].startswith("TraceError") and "nonsense" in found["condition"]
    assert "cannot write nowhere/x.html" in found["output"] and "x.docx" in found["ending"]
    assert found["again"] == "it was recorded"


def test_a_cluster_that_is_closed_meanwhile(folder):
    found, _ = run(folder, "closed")
    assert "no report" in found["no_summary"] and found["error"] in found["no_summary"]
    assert not (folder / "all.json").exists()
    assert "the client was closed meanwhile" in found["warned"][0]


def imports(code, folder, path):
    return harness.Run([harness.DEBIAN_PYTHON, "-c", code], folder,
                       env={"PYTHONPATH": "%s:%s" % (path, PACKAGE)}).finish()


def test_without_dask(folder):
    (folder / "none").mkdir()
    (folder / "none" / "distributed.py").write_text("raise ImportError('not here')\n")
    done = imports("import giltracer; giltracer.trace; print('fine')", folder, folder / "none")
    assert done.status == 0 and done.out == b"fine\n", done
    done = imports("import giltracer.dask", folder, folder / "none")
    assert done.status == 1 and "pip install distributed" in done.err, done
    assert "python3-distributed" in done.err and "not here" in done.err
