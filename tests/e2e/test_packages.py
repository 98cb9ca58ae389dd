# SPDX-License-Identifier: MIT
"""Installed, as a wheel, as a Debian package, unpacked: giltracer works where it is put."""
import base64
import csv
import hashlib
import io
import json
import pathlib
import re
import shutil
import subprocess
import zipfile

import harness
import pytest

PACKAGE = harness.ROOT / "scripts" / "package"
MIRROR = "http://deb.debian.org/debian"
SUITES = ["bookworm", "trixie", "sid", "bullseye"]
WAITS = """
import threading
def work():
    for _ in range(3000000): pass
threads = [threading.Thread(target=work, name="w%d" % i) for i in range(2)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def run(*words, **more):
    done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, **more)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-3000:]
    return done.stdout.decode(errors="replace")


def check_report(path):
    """Two threads that compute share one GIL: each waited, and is known by name."""
    document = harness.read_json(path)
    harness.check_document(document)
    (gil,) = document["giltracer"]["gils"]
    for name in ("w0", "w1"):
        row = harness.row_named(gil, name)
        assert row["waits"] > 0 and row["hold_ns"] > 0, harness.describe(document["giltracer"])
    assert any("work" in event["name"] for event in harness.calls(document))


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The build of these tests, installed below a prefix."""
    prefix = tmp_path_factory.mktemp("installed") / "prefix"
    run("cmake", "--install", harness.BUILD, "--prefix", prefix)
    return prefix


def check_documents(folder):
    """Links of the pages lead to what is installed, or, for who changes giltracer, into its sources."""
    pages = [folder / "README.md", *(folder / "scripts/docs").glob("*.md")]
    assert len(pages) > 10, pages
    for page in pages:
        for target in re.findall(r"\]\(([^()#\s]+)[^()\s]*\)", page.read_text()):
            assert re.match(r"https?:|lib/README\.md|\.github/", target) or \
                (page.parent / target).exists(), (page, target)


def test_installed_below_a_prefix(installed, folder):
    (folder / "waits.py").write_text(WAITS)
    run(installed / "bin/giltracer", "--gil-source", "agent", "--python", harness.DEBIAN_PYTHON,
        "-o", "x.json", "waits.py", cwd=str(folder))
    check_report(folder / "x.json")
    for page in ("giltracer.1", "perf2trace.1", "offgil.1"):
        assert (installed / "share/man/man1" / page).read_text().startswith(".TH ")
    assert "complete" in (installed / "share/bash-completion/completions/giltracer").read_text()
    check_documents(installed / "share/doc/giltracer")
    found = run(harness.DEBIAN_PYTHON, "-c", "from giltracer import _program; print(_program.find())",
                env={"PYTHONPATH": str(installed / "share/giltracer/python"), "PATH": "/usr/bin:/bin"})
    assert found.strip() == str(installed / "bin/giltracer")
    assert (installed / "share/giltracer/python/giltracer/dask.py").exists()


def version():
    """Where it is written down."""
    text = (harness.ROOT / "CMakeLists.txt").read_text()
    return re.search(r"^project\(giltracer VERSION (\S+)", text, re.M).group(1)


def test_the_version_is_in_one_place(installed):
    """All else has it from there, and what a document shows of it is not older."""
    for name in ("giltracer", "perf2trace", "offgil"):
        assert run(installed / "bin" / name, "--version") == "%s %s\n" % (name, version())
        manual = (installed / "share/man/man1" / (name + ".1")).read_text()
        assert '"giltracer %s"' % version() in manual.split("\n")[0]
    listed = run("git", "-C", harness.ROOT, "ls-files", "cmd", "lib", "scripts", "README.md")
    for path in listed.splitlines():
        if path.endswith(".png"):
            continue
        text = (harness.ROOT / path).read_text(encoding="utf-8")
        assert path.endswith(".md") or version() not in text, path
        shown = re.findall(r"\bgiltracer[- ](\d+\.\d+\.\d+)", text)
        assert not shown or set(shown) == {version()}, (path, shown)


def test_the_debian_package(folder):
    """Of this build, unpacked: what it holds works, and it names what it needs."""
    run("cpack", "-G", "DEB", "--config", harness.BUILD / "CPackConfig.cmake", "-B", folder)
    (package,) = folder.glob("*.deb")
    assert package.name.startswith("giltracer_%s_" % version()), package
    fields = run("dpkg-deb", "-f", package)
    assert re.search("^Version: %s$" % re.escape(version()), fields, re.M), fields
    for need in ("libc6", "libuv1", "libjansson4", "libbsd0", "zlib1g"):
        assert re.search(r"^Depends:.*\b%s" % need, fields, re.M), fields
    run("dpkg-deb", "-x", package, folder / "root")
    (folder / "waits.py").write_text(WAITS)
    run(folder / "root/usr/bin/giltracer", "--gil-source", "agent", "--python", harness.DEBIAN_PYTHON,
        "-o", "x.json", "waits.py", cwd=str(folder))
    check_report(folder / "x.json")
    check_documents(folder / "root/usr/share/doc/giltracer")


def make_wheel(stage, output):
    return pathlib.Path(run(PACKAGE, "wheel", "--stage", stage, "--output", output).strip())


def check_record(wheel):
    """RECORD names every file once, with its size and digest."""
    with zipfile.ZipFile(str(wheel)) as archive:
        (metadata,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        assert "](scripts/" not in archive.read(metadata).decode()
        assert any(name.endswith("/scripts/docs/report.md") for name in archive.namelist())
        assert {"giltracer/dask.py", "giltracer/_dask_worker.py"} <= set(archive.namelist())
        (record,) = [name for name in archive.namelist() if name.endswith(".dist-info/RECORD")]
        rows = {row[0]: row[1:] for row in csv.reader(io.StringIO(archive.read(record).decode()))}
        assert sorted(rows) == sorted(archive.namelist())
        for name, (digest, size) in rows.items():
            content = archive.read(name)
            own = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            assert name == record or (digest, size) == ("sha256=" + own, str(len(content))), name


def check_in_environment(python, wheel, folder):
    """Installed by pip without a network; giltracer, python -m giltracer, import giltracer; gone
    without a trace."""
    venv = folder / "venv"
    run(python.path, "-m", "venv", venv)
    run(venv / "bin/pip", "install", "-q", "--no-index", wheel)
    (folder / "waits.py").write_text(WAITS)
    plain = {"PATH": "/usr/bin:/bin", "HOME": str(folder)}
    run(venv / "bin/giltracer", "--gil-source", "agent", "--python", venv / "bin/python",
        "-o", "x.json", "waits.py", cwd=str(folder), env=plain)
    check_report(folder / "x.json")
    run(venv / "bin/python", "-m", "giltracer", "--gil-source", "agent", "-o", "y.json", "waits.py",
        cwd=str(folder), env=plain)
    check_report(folder / "y.json")
    run(venv / "bin/python", "-c", "import giltracer; giltracer.trace, giltracer.load_ipython_extension")
    run(venv / "bin/pip", "uninstall", "-q", "-y", "giltracer")
    left = [path for path in venv.rglob("*giltracer*") if path.is_file()]
    assert not left, left


def with_pip():
    """pip knows the tag of the wheel since 20.3, which all of these have."""
    return [one for one in harness.interpreters() if one.at_least(3, 7) and one.has_symbols]


@pytest.mark.parametrize("python", with_pip()[-1:], ids=str)
def test_the_wheel(python, installed, folder):
    wheel = make_wheel(installed, folder)
    assert wheel.name.endswith("-py3-none-manylinux_2_31_x86_64.whl"), wheel
    assert make_wheel(installed, folder / "again").read_bytes() == wheel.read_bytes()
    check_record(wheel)
    check_in_environment(python, wheel, folder)


CELLS = ["%load_ext giltracer", "%%giltracer --height 300\nsum(range(1000000))"]


@pytest.mark.needs_perf
@pytest.mark.parametrize("python", with_pip()[-1:], ids=str)
def test_the_wheel_in_a_notebook(python, installed, folder):
    """Where IPython is: in an environment of the distribution's Python, which has it here."""
    wheel = make_wheel(installed, folder)
    run(python.path, "-m", "venv", folder / "pip")
    run(harness.DEBIAN_PYTHON, "-m", "venv", "--without-pip", "--system-site-packages", folder / "venv")
    run(folder / "pip/bin/pip", "--python", folder / "venv", "install", "-q", "--no-index", wheel)
    cells = [{"cell_type": "code", "metadata": {}, "source": text, "outputs": [],
              "execution_count": None} for text in CELLS]
    (folder / "cells.ipynb").write_text(
        json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}))
    out = run(folder / "venv/bin/python", "-m", "IPython", "--colors=NoColor", "cells.ipynb",
              cwd=str(folder), env={"PATH": "/usr/bin:/bin", "HOME": str(folder)})
    assert "Error" not in out and "GIL" in out and "499999500000" in out, out


# --- as they are given away: minutes, and the network --------------------------------------

@pytest.fixture(scope="module")
def portable(tmp_path_factory):
    """Tarball and wheel, built in a folder of Debian 11."""
    output = tmp_path_factory.mktemp("portable")
    made = run(PACKAGE, "tarball", "wheel", "--output", output).split()
    return [pathlib.Path(path) for path in made if path.startswith("/")]


@pytest.mark.long
@pytest.mark.needs_root
def test_two_builds_are_equal(portable, folder):
    again = run(PACKAGE, "tarball", "wheel", "--output", folder).split()
    for one, two in zip(portable, [pathlib.Path(path) for path in again if path.startswith("/")]):
        assert one.name == two.name and one.read_bytes() == two.read_bytes(), one
    debs = [pathlib.Path(run(PACKAGE, "deb", "--output", folder / name).split()[-1])
            for name in "ab"]
    assert debs[0].read_bytes() == debs[1].read_bytes()


@pytest.mark.long
@pytest.mark.needs_root
@pytest.mark.parametrize("python", with_pip(), ids=str)
def test_the_wheel_everywhere(python, portable, folder):
    check_record(portable[1])
    check_in_environment(python, portable[1], folder)


@pytest.mark.long
@pytest.mark.needs_root
@pytest.mark.parametrize("python", [one for one in harness.interpreters()
                                    if one.has_symbols and not one.at_least(3, 7)], ids=str)
def test_an_old_pip_refuses_clearly(python, portable, folder):
    run(python.path, "-m", "venv", folder / "venv")
    done = subprocess.run([str(folder / "venv/bin/pip"), "install", "--no-index", str(portable[1])],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode != 0 and b"is not a supported wheel on this platform" in done.stdout


class Distribution:
    """A fresh folder of a distribution, with Python, a clone of this repository, and its own /proc."""

    def __init__(self, root, suite):
        self.root = root
        run("debootstrap", "--variant=minbase", "--include=python3", suite, root, MIRROR)
        shutil.copy("/etc/resolv.conf", str(root / "etc/resolv.conf"))
        # A mirror's index may be old.
        (root / "etc/apt/apt.conf.d/99old").write_text('Acquire::Check-Valid-Until "false";\n')
        run("git", "clone", "-q", harness.ROOT, root / "clone")
        (root / "waits.py").write_text(WAITS)
        run("mount", "-t", "proc", "proc", root / "proc")

    def remove(self):
        run("umount", "-l", self.root / "proc")
        shutil.rmtree(str(self.root))

    def run(self, *words):
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root",
               "DEBIAN_FRONTEND": "noninteractive"}
        return run("chroot", self.root, *words, env=env)

    def install(self, *packages):
        self.run("apt-get", "update")
        self.run("apt-get", "install", "-y", "--no-install-recommends", *packages)

    def check(self, program):
        """It works where it is, and knows the truth of a program."""
        self.run(program, "--gil-source", "agent", "-o", "/x.json", "/waits.py")
        check_report(self.root / "x.json")
        (self.root / "x.json").unlink()


@pytest.fixture(scope="module", params=SUITES)
def distribution(request, tmp_path_factory):
    harness.require(None if shutil.which("debootstrap") else "debootstrap is not installed")
    one = Distribution(tmp_path_factory.mktemp(request.param) / "root", request.param)
    yield one
    one.remove()


@pytest.mark.long
@pytest.mark.needs_root
def test_the_tarball_on_a_fresh_distribution(distribution, portable):
    run("tar", "-xzf", portable[0], "-C", distribution.root / "opt")
    (unpacked,) = (distribution.root / "opt").iterdir()
    distribution.check("/opt/%s/bin/giltracer" % unpacked.name)
    shutil.rmtree(str(unpacked))


@pytest.mark.long
@pytest.mark.needs_root
def test_quickstart_on_a_fresh_distribution(distribution):
    """The first of README's commands, with nothing installed by hand."""
    told = distribution.run("/clone/scripts/quickstart")
    assert "setup: installing" in told and "Tracing /clone/tests/targets/demo.py" in told, told
    assert (distribution.root / "giltracer.html").exists(), told
    distribution.check("/clone/build/giltracer")


@pytest.mark.long
@pytest.mark.needs_root
def test_packages_on_a_fresh_distribution(distribution, portable):
    """The Debian package that is built there, what was built for it installed by CMake, and the
    wheel."""
    distribution.install(
        "git", "gcc", "libc6-dev", "cmake", "ninja-build", "pkg-config", "libuv1-dev",
        "libjansson-dev", "libbsd-dev", "zlib1g-dev", "file", "dpkg-dev", "python3-venv")
    distribution.run("/clone/scripts/package", "deb", "--output", "/made")
    (package,) = (distribution.root / "made").glob("*.deb")
    distribution.run("apt-get", "install", "-y", "/made/" + package.name)
    distribution.check("/usr/bin/giltracer")
    distribution.run("python3", "-c", "import giltracer")
    distribution.run("apt-get", "remove", "-y", "giltracer")
    assert not (distribution.root / "usr/bin/giltracer").exists()
    distribution.run("cmake", "--install", "/made/deb", "--prefix", "/usr/local")
    distribution.check("/usr/local/bin/giltracer")
    shutil.copy(str(portable[1]), str(distribution.root))
    distribution.run("python3", "-m", "venv", "/venv")
    distribution.run("/venv/bin/pip", "install", "--no-index", "/" + portable[1].name)
    distribution.check("/venv/bin/giltracer")
