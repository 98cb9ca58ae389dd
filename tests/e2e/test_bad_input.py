# SPDX-License-Identifier: MIT
"""Each thing that can be wrong before the target runs: one clear line, a status, no trace."""
import os
import shutil

import harness
import pytest
from harness import giltracer, one_line_error, target


def refused(arguments, folder, status, *words, **more):
    run = giltracer(["-o", folder / "x.json", *arguments], folder, **more)
    line = one_line_error(run, status)
    for word in words:
        assert word in line, line
    assert not list(folder.glob("x.json*")), "an output of a run that never was"
    return line


def test_no_arguments(folder):
    run = giltracer([], folder)
    assert run.status == 125 and "--help" in run.err and len(run.err.splitlines()) <= 3, run


@pytest.mark.parametrize("arguments, word", [
    (["--nonsense", "x.py"], "--nonsense"),
    (["--gil-source", "magic", "x.py"], "magic"),
    (["--python"], "--python"),
    (["-o"], "-o"),
], ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_usage_errors(arguments, word, folder):
    run = giltracer(arguments, folder)
    assert run.status == 125 and word in run.err and len(run.err.splitlines()) <= 2, run


def test_help_and_version(folder):
    for option in ("--help", "-h"):
        run = giltracer([option], folder)
        assert run.status == 0 and run.err == ""
        text = run.out.decode()
        for word in ("--python", "--gil-source", "-o", "--keep", "--summary", "--version"):
            assert word in text, word
        assert max(len(line) for line in text.splitlines()) <= 100
    run = giltracer(["--version"], folder)
    assert run.status == 0 and run.out.startswith(b"giltracer ")


def test_no_such_script(folder):
    refused([folder / "missing.py"], folder, 127, "missing.py")


def test_script_is_a_folder(folder):
    """A folder without __main__.py is no program."""
    (folder / "sub").mkdir()
    run = giltracer(["-o", folder / "x.json", folder / "sub"], folder)
    assert run.status in (1, 125, 126), run


def test_no_such_command(folder):
    refused(["--", "no-such-command-anywhere"], folder, 127, "no-such-command-anywhere")
    refused(["--", folder / "no-such-file"], folder, 127, "no-such-file")


@pytest.mark.needs_perf
def test_command_that_is_not_executable(folder):
    script = folder / "plain"
    script.write_text("#!/bin/sh\nexit 0\n")
    script.chmod(0o644)
    refused(["--", script], folder, 126, "plain")


@pytest.mark.needs_perf
def test_script_without_hash_bang_runs_as_env_would_run_it(folder):
    script = folder / "bare"
    script.write_text("echo from a shell; exit 4\n")
    script.chmod(0o755)
    run = giltracer(["-q", "-o", folder / "x.json", "--", script], folder)
    assert (run.status, run.out) == (4, b"from a shell\n"), run


def test_no_such_interpreter(folder):
    refused(["--python", folder / "nopython", target("single")], folder, 127, "nopython")


def test_interpreter_that_is_no_python(folder):
    refused(["--python", "/bin/true", target("single")], folder, 125, "/bin/true")


def test_interpreter_that_hangs(folder):
    fake = folder / "python3"
    fake.write_text("#!/bin/sh\nsleep 600\n")
    fake.chmod(0o755)
    refused(["--python", fake, target("single")], folder, 125, "python3")


def test_interpreter_that_talks_nonsense(folder):
    fake = folder / "python3"
    fake.write_text("#!/bin/sh\nhead -c 3000000 /dev/urandom\n")
    fake.chmod(0o755)
    line = refused(["--python", fake, target("single")], folder, 125, "python3")
    assert line.isprintable()


@pytest.mark.parametrize("python", harness.pyenv_pythons("2.7"), ids=lambda path: path.parts[-3])
def test_python_2_is_refused(python, folder):
    refused(["--python", python, target("single")], folder, 125, "Python 2")


def test_other_implementations_are_refused(folder):
    """An interpreter that says what PyPy says of itself."""
    fake = folder / "pypy3"
    real = harness.DEBIAN_PYTHON
    wrapper = ("import sys; sys.implementation.name = 'pypy'; a = sys.argv[1:]\n"
               "code = a[a.index('-c') + 1] if '-c' in a else open(a[-1]).read()\n"
               "sys.argv = ['-c']; exec(code)")
    (folder / "wrap.py").write_text(wrapper)
    fake.write_text('#!/bin/sh\nexec %s %s "$@"\n' % (real, folder / "wrap.py"))
    fake.chmod(0o755)
    refused(["--python", fake, target("single")], folder, 125, "CPython")


def test_no_perf(folder):
    empty = folder / "bin"
    empty.mkdir()
    for name in ("python3", "sh"):
        (empty / name).symlink_to(shutil.which(name, path="/usr/bin:/bin"))
    line = refused(["--gil-source", "uprobes", target("single")], folder, 125, "perf",
                   env={"PATH": empty, "VIRTUAL_ENV": None})
    assert "linux-perf" in line or "install" in line


def test_named_perf_does_not_exist(folder):
    refused(["--gil-source", "uprobes", target("single")], folder, 125, "/nonexistent/perf",
            env={"GILTRACER_PERF": "/nonexistent/perf"})


@pytest.mark.needs_root
@pytest.mark.needs_perf
def test_no_privilege(public_folder):
    """As an ordinary user: the reason and the remedy, and nothing is tried that must fail."""
    argv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--",
            public_folder / "giltracer", "--python", harness.DEBIAN_PYTHON,
            "--gil-source", "uprobes", "-o", public_folder / "x.json",
            public_folder / "targets" / "single.py", "10"]
    home = public_folder / "run"
    home.mkdir(mode=0o777)
    home.chmod(0o777)
    run = harness.Run(argv, home, cwd=str(public_folder))
    run.tmp.chmod(0o777)
    run.finish()
    line = one_line_error(run, 125)
    assert "root" in line or "privilege" in line, line
    assert not run.leftovers() and not (public_folder / "x.json").exists()


@pytest.mark.needs_root
@pytest.mark.needs_perf
def test_no_tracefs(folder):
    """A machine, as containers are, where tracefs is not to be seen and cannot be mounted."""
    hide = ("for d in /sys/kernel/tracing /sys/kernel/debug; do "
            "umount -l $d 2>/dev/null; mount -t tmpfs -o ro none $d; done; "
            'exec setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin -- "$@"')
    run = harness.Run(["unshare", "-m", "sh", "-c", hide, "sh", harness.GILTRACER, "--python",
                       harness.DEBIAN_PYTHON, "--gil-source", "uprobes", "-o", folder / "x.json",
                       target("single"), "10"], folder).finish()
    line = one_line_error(run, 125)
    assert "trac" in line and not run.leftovers()


@pytest.mark.needs_perf
def test_free_threaded_or_unusual_locale(folder):
    """Whatever the locale, perf is read in C."""
    output = folder / "x.json"
    run = giltracer(["-o", output, target("two_workers"), "0.2"], folder,
                    env={"LC_ALL": "de_DE.UTF-8", "LANG": "de_DE.UTF-8", "PERF_PAGER": "/bin/false",
                         "PAGER": "/bin/false"})
    assert run.status == 0, run
    harness.check_document(harness.read_json(output))
    assert len(harness.read_json(output)["giltracer"]["gils"]) == 1


@pytest.mark.needs_perf
def test_configuration_of_perf_does_not_leak_in(folder):
    (folder / "home").mkdir()
    (folder / "home" / ".perfconfig").write_text(
        "[core]\n\tproc-map-timeout = 1\n[record]\n\tbuild-id = cache\n[annotate]\n\tnonsense\n")
    output = folder / "x.json"
    run = giltracer(["-o", output, target("two_workers"), "0.2"], folder)
    assert run.status == 0, run
    assert len(harness.read_json(output)["giltracer"]["gils"]) == 1


@pytest.mark.needs_root
def test_another_users_folder_is_not_recorded_into(folder):
    """Its owner may have put a link there, to a file that only root may write."""
    kept, precious, proof = folder / "kept", folder / "precious", folder / "ran"
    precious.write_text("precious")
    kept.mkdir()
    (kept / "perf.data").symlink_to(precious)
    os.chown(str(kept), 65534, 65534)
    refused(["--keep", kept, "-c", "open(%r, 'w')" % str(proof)], folder, 125, str(kept), "another user")
    assert precious.read_text() == "precious" and not proof.exists()
    link, own = folder / "link", folder / "own"
    own.mkdir()
    link.symlink_to(own)
    os.lchown(str(link), 65534, 65534)
    refused(["--keep", link, "-c", "open(%r, 'w')" % str(proof)], folder, 125, "another user")
    assert not list(own.iterdir()) and not proof.exists()
