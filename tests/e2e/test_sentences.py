# SPDX-License-Identifier: MIT
"""Sentences that were false once: of what was not seen, and of who was meant."""
import os
import pathlib
import re
import shutil
import subprocess

import harness
import pytest
from harness import giltracer, target, trace

pytestmark = [pytest.mark.needs_perf, pytest.mark.needs_root]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A root with the distribution's Python, whose libc is another file at the same path."""
    folder = tmp_path_factory.mktemp("root")
    python = os.path.realpath(harness.DEBIAN_PYTHON)
    listed = subprocess.run(["ldd", python], stdout=subprocess.PIPE, check=True).stdout.decode()
    for path in [python, *re.findall(r"(/\S+) \(0x", listed)]:
        copy = folder / path.lstrip("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, str(copy))
    code = "import os; print(os.path.dirname(os.__file__))"
    library = pathlib.Path(subprocess.run([python, "-c", code], stdout=subprocess.PIPE,
                                          check=True).stdout.decode().strip())
    for module in [*library.glob("*.py"), *library.glob("encodings/*.py"),
                   *library.glob("collections/*.py"), *library.glob("re/*.py")]:
        copy = folder / str(module).lstrip("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(str(module), str(copy))
    shutil.copy(target("two_workers"), str(folder / "two_workers.py"))
    return folder, python


@pytest.mark.parametrize("source", ["futex", "uprobes"])
def test_another_root_is_not_seen(source, root, folder):
    """Its threads wait all the time. Beside it, a Python of this root, where no thread does."""
    there = "chroot %s %s -SEI /two_workers.py 0.3" % root
    for command in (there, "%s -c 'pass'; %s" % (root[1], there)):
        traced = trace(["--", "sh", "-c", command], folder,
                       options=["--gil-source", source, "--no-python-trace"])
        findings = " ".join(traced.summary["findings"])
        (unseen,) = traced.summary["unseen"]
        assert "ever waited" not in findings and "not GIL-bound" not in findings, findings
        assert "libc.so.6) is not the file that has the probes" in findings
        assert unseen["process"] == os.path.basename(root[1])
        assert "(pid %d) was not seen" % unseen["pid"] in findings


def test_where_all_is_seen_nothing_is_missed(folder):
    for source in ("futex", "uprobes"):
        traced = trace(["-c", "import sys"], folder, harness.an_interpreter(3, 7),
                       ["--gil-source", source, "--no-python-trace"])
        assert traced.summary["unseen"] == []
        assert traced.summary["findings"][0].startswith("No thread ever waited for the GIL")


@pytest.mark.parametrize("python", [one for one in harness.interpreters()
                                    if not one.at_least(3, 7)], ids=str)
def test_python_3_6_has_no_gil_at_first(python, folder):
    traced = trace(["-c", "import sys"], folder, python, ["--no-python-trace"])
    assert traced.summary["findings"][0] == \
        "No GIL was seen: CPython 3.6 has none until it starts a second thread."


@pytest.mark.parametrize("how", ["exec", ""])
def test_an_empty_beginning_is_explained(how, folder):
    python = harness.an_interpreter(3, 7).path
    shell = "sleep 1; %s %s -c pass; true" % (how, python)
    traced = trace(["--", "sh", "-c", shell], folder, options=["-o", folder / "x.html"])
    (told,) = [each for each in traced.summary["findings"] if "No program with a GIL" in each]
    assert re.fullmatch(r"No program with a GIL was seen in the first 1\.\d\d s "
                        r"\(\d\d% of the run\): python.* \(pid \d+\) came then\.", told), told
    assert told in (folder / "x.html").read_text()
    alone = trace(["-c", "pass"], folder, harness.an_interpreter(3, 7)).summary["findings"]
    assert not [each for each in alone if "No program with a GIL" in each]


def test_shares_of_a_part_are_not_of_the_run(folder):
    python = harness.an_interpreter(3, 7).path
    shell = "sleep 1; exec %s -c 'import time; time.sleep(3)'" % python
    traced = trace(["--", "sh", "-c", shell], folder, options=["--duration", "2s"])
    (told,) = [each for each in traced.summary["findings"] if "No program with a GIL" in each]
    assert re.search(r"first 1\.\d\d s \(\d\d% of what was recorded\)", told), told


EXECS = """
import os, threading
thread = threading.Thread(target=sum, args=(range(1000),))
thread.start(); thread.join()
for _ in range(2):
    child = os.fork()
    if child == 0:
        thread = threading.Thread(target=sum, args=(range(1000),))
        thread.start(); thread.join()
        os.execv("/bin/true", ["true"])
    os.waitpid(child, 0)
"""


@pytest.mark.parametrize("source", ["uprobes", "agent"])
def test_a_child_that_executes_true_is_not_called_so(source, folder):
    program = folder / "program.py"
    program.write_text(EXECS)
    python = harness.an_interpreter(3, 7)
    traced = trace([program], folder, python, ["--gil-source", source])
    assert len(traced.summary["gils"]) == 3
    for gil in traced.summary["gils"]:
        assert gil["process"].startswith("python"), gil
    titles = re.findall(r"^(?!Blockers)(.*) \(pid \d+\), GIL 0:$", traced.run.err, re.M)
    assert len(titles) == 3 and not [title for title in titles if "true" in title]


def test_blanks_around_names(folder):
    """Kernel's names with blanks at both ends; text pads them, too."""
    program = folder / "program.py"
    program.write_text("""
import ctypes, threading
def work(name):
    ctypes.CDLL(None).prctl(15, name)
    for _ in range(300000): pass
names = [b" left", b"right ", b"  both  ", b"   "]
threads = [threading.Thread(target=work, args=(name,)) for name in names]
for thread in threads: thread.start()
for thread in threads: thread.join()
""")
    traced = trace([program], folder, harness.an_interpreter(3, 10), ["--no-python-trace"])
    labels = {row["label"] for row in traced.gil()["threads"] if not row["main"]}
    assert {"left", "right", "both"} < labels and len(labels) == 4, labels
    run = giltracer(["--fail-if", 'thread("right").hold > 1000%', "-o", folder / "y.json", program],
                    folder)
    assert run.status == 0, run
