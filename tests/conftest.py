# SPDX-License-Identifier: MIT
"""Fixtures and markers of the whole-program tests."""
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import harness  # noqa: E402

pytest_plugins = ["limits", "timing"]

# Whoever starts tests in the background may have these ignored; programs would inherit that.
for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT
                      else signal.SIG_DFL)


def pytest_runtest_setup(item):
    if item.get_closest_marker("needs_perf"):
        harness.require(harness.why_no_perf())
    if item.get_closest_marker("needs_root"):
        harness.require(None if os.geteuid() == 0 else "not root")


def pytest_generate_tests(metafunc):
    if "interpreter" in metafunc.fixturenames:
        every = harness.interpreters()
        metafunc.parametrize("interpreter", every, ids=[one.name for one in every])


def is_of_no_interpreter(item):
    """None that fits is here: pytest would skip what is parametrized with nothing."""
    return any("empty parameter set" in mark.kwargs.get("reason", "")
               for mark in item.iter_markers("skip"))


def pytest_collection_modifyitems(items):
    if not os.environ.get("GT_LONG"):
        items[:] = [item for item in items if not item.get_closest_marker("long")]
    items[:] = [item for item in items if not is_of_no_interpreter(item)]
    if not harness.GILTRACER.exists() or not harness.PERF2TRACE.exists():
        raise pytest.UsageError("no giltracer in %s: build first (scripts/test does)"
                                % harness.BUILD)


def pytest_report_header():
    names = ", ".join(one.name for one in harness.interpreters())
    return ["programs: %s" % harness.BUILD, "interpreters: " + names,
            "perf: " + (harness.why_no_perf() or "usable")]


@pytest.fixture
def folder(tmp_path):
    """A folder of the test's own, removed when it passed."""
    return tmp_path


@pytest.fixture
def free_threaded():
    """A CPython without a GIL."""
    return harness.free_threaded()


@pytest.fixture
def public_folder():
    """A folder that every user may enter, with the programs copied into it."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="gt-public-"))
    path.chmod(0o777)
    for program in (harness.GILTRACER, harness.PERF2TRACE, harness.AGENT,
                    harness.BUILD / "giltracer-gate"):
        shutil.copy(str(program), str(path))
    shutil.copytree(str(harness.TARGETS), str(path / "targets"))
    yield path
    shutil.rmtree(str(path))


@pytest.fixture
def small_disk(tmp_path):
    """A file system of a few hundred KiB."""
    path = tmp_path / "small"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(path)], check=True)
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)
