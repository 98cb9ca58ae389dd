# SPDX-License-Identifier: MIT
"""What an ordinary user can record once root has prepared the machine.

These change the machine for a moment: kernel.perf_event_paranoid, who may read tracefs.
"""
import os
import pathlib
import subprocess
import uuid

import pytest

import harness
from harness import describe, share

pytestmark = [pytest.mark.needs_perf, pytest.mark.needs_root]

PARANOID = pathlib.Path("/proc/sys/kernel/perf_event_paranoid")
NOTES = pathlib.Path("/run/giltracer")
TRACING = "/sys/kernel/tracing"
NOBODY = 65534
# pyenv's versions live in root's home, where nobody else may go: in a mount namespace they may.
AS_NOBODY = ('mkdir "$0" && mount --bind /root/.pyenv "$0" && mount -t tmpfs -o mode=755 none '
             '/root && mkdir /root/.pyenv && mount --move "$0" /root/.pyenv; '
             'exec setpriv --reuid=65534 --regid=65534 --clear-groups -- "$@"')


def record_as_nobody(public_folder, python, *options):
    run = harness.Run(["unshare", "-m", "/bin/sh", "-c", AS_NOBODY, str(public_folder / uuid.uuid4().hex),
                       str(public_folder / "giltracer"), "--python", python.path, *options, "-o",
                       str(public_folder / "x.json"),
                       str(public_folder / "targets" / "two_workers.py"), "0.3"],
                      public_folder, env={"VIRTUAL_ENV": None, "HOME": str(public_folder)})
    run.tmp.chmod(0o777)
    run.finish()
    assert run.status == 0 and not run.leftovers(), run
    document = harness.read_json(public_folder / "x.json")
    harness.check_document(document)
    summary = document["giltracer"]
    (gil,) = summary["gils"]
    workers = [row for row in gil["threads"] if not row["main"]]
    assert len(workers) == 2 and all(share(row, "hold_ns") > 0.2 and share(row, "wait_ns") > 0.2
                                     for row in workers), describe(summary)
    return run, summary


def machine():
    """What --setup changes, but for probes."""
    tracing = os.stat(TRACING)
    return PARANOID.read_text(), tracing.st_gid, tracing.st_mode, NOTES.exists()


@pytest.fixture
def prepared(public_folder):
    """giltracer --setup for nobody's group; undone afterwards."""
    before = machine()
    subprocess.run([str(harness.GILTRACER), "--setup", "nogroup"], check=True)
    yield public_folder
    subprocess.run([str(harness.GILTRACER), "--teardown"], check=True)
    assert machine() == before
    assert not any(":giltracer/" in line for line in harness.probes())


@pytest.fixture(params=harness.newest(3, 6, symbols=True), ids=str)
def administered(request, public_folder):
    """An administrator's own probes, with the names that perf gives, and recording for all."""
    python = request.param
    done = subprocess.run([python.path, "-c",
                           "import re; print(*re.findall(r'/\\S*libpython3\\S*', "
                           "open('/proc/self/maps').read())[:1])"], stdout=subprocess.PIPE, check=True)
    binary = done.stdout.decode().strip() or python.path
    before, tracing = PARANOID.read_text(), os.stat(TRACING)
    subprocess.run(["perf", "probe", "-q", "-x", binary, "-a", "python:take_gil=take_gil", "-a",
                    "python:take_gil=take_gil%return", "-a", "python:drop_gil=drop_gil"], check=True)
    PARANOID.write_text("-1")
    subprocess.run(["mount", "-o", "remount,gid=%d,mode=750" % NOBODY, TRACING], check=True)
    yield public_folder, python
    subprocess.run(["mount", "-o", "remount,gid=%d,mode=%o" % (tracing.st_gid,
                                                               tracing.st_mode & 0o777), TRACING],
                   check=True)
    PARANOID.write_text(before)
    subprocess.run(["perf", "probe", "-q", "-d", "python:*"], check=True)


@pytest.mark.timing
def test_a_group_that_root_has_set_up(prepared):
    run, summary = record_as_nobody(prepared, harness.an_interpreter(3, 7))
    assert summary["run"]["gil_source"] == "uprobes", run
    assert any(":giltracer/" in line for line in harness.probes()), "not ours to remove"


@pytest.mark.timing
def test_probes_that_an_administrator_installed(administered):
    folder, python = administered
    run, summary = record_as_nobody(folder, python)
    assert summary["run"]["gil_source"] == "functions", run
    assert "installed already" in run.err
    assert sum(":python/" in line for line in harness.probes()) >= 3, "not ours to remove"


def test_a_setup_that_fails_changes_nothing():
    """Also of what an administrator has chosen: tracefs may belong to a group already."""
    subprocess.run(["mount", "-o", "remount,gid=1,mode=710", TRACING], check=True)
    before = machine()
    try:
        done = subprocess.run([str(harness.GILTRACER), "--setup", "nogroup", "--python", "/no/python"],
                              stderr=subprocess.PIPE)
        assert done.returncode == 125 and b"/no/python" in done.stderr
        assert machine() == before
        subprocess.run([str(harness.GILTRACER), "--setup", "nogroup"], check=True)
        assert machine() != before
        subprocess.run([str(harness.GILTRACER), "--teardown"], check=True)
        assert machine() == before
    finally:
        subprocess.run(["mount", "-o", "remount,gid=0,mode=700", TRACING], check=True)
