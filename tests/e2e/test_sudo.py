# SPDX-License-Identifier: MIT
"""Under a real sudo: the program is the user's, and so is all that is written; perf alone is root's.

A user, a group and a line for sudo are made for these tests, and removed afterwards.
"""
import grp
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import subprocess
import time
import uuid

import pytest

import harness

pytestmark = [pytest.mark.needs_perf, pytest.mark.needs_root]

NAME = "gtsudo%d" % os.getpid()
RULES = pathlib.Path("/etc/sudoers.d", NAME)
KEPT = "TMPDIR,%s,PYTHONDONTWRITEBYTECODE,BROWSER" % harness.MARK


@pytest.fixture(scope="module")
def caller():
    """A user who may do everything by sudo, and is in a group beside the own one."""
    harness.require(None if shutil.which("sudo") else "sudo is not installed")
    subprocess.run(["groupadd", NAME + "x"], check=True)
    subprocess.run(["useradd", "-m", "-s", "/bin/dash", "-G", NAME + "x", NAME], check=True)
    RULES.write_text("%s ALL=(ALL) NOPASSWD:SETENV: ALL\n" % NAME)
    RULES.chmod(0o440)
    yield pwd.getpwnam(NAME)
    RULES.unlink()
    subprocess.run(["userdel", "-r", NAME], check=True, stderr=subprocess.DEVNULL)
    subprocess.run(["groupdel", NAME + "x"], check=True)


@pytest.fixture
def home(caller, public_folder):
    """A folder of the user's own, which everybody may enter."""
    path = public_folder / "own"
    path.mkdir()
    os.chown(str(path), caller.pw_uid, caller.pw_gid)
    return path


@pytest.fixture
def secret():
    """A file that root alone may read and write."""
    path = pathlib.Path("/root", "%s-%s.json" % (NAME, uuid.uuid4().hex))
    path.write_text('{"schema": 1}')
    path.chmod(0o600)
    yield path
    assert path.read_text() == '{"schema": 1}' and path.stat().st_uid == 0
    path.unlink()


def groups_of(caller):
    return sorted({caller.pw_gid, grp.getgrnam(NAME + "x").gr_gid})


def start(caller, home, *words, program=None, **env):
    """sudo giltracer WORDS, called by the user in the home."""
    umask = os.umask(0)  # for the folders that are made for a run
    try:
        return harness.Run(["sudo", "-n", "--preserve-env=" + KEPT, program or home.parent / "giltracer", *words], home,
                           env=dict(env, VIRTUAL_ENV=None), user=caller.pw_uid, group=caller.pw_gid,
                           extra_groups=groups_of(caller))
    finally:
        os.umask(umask)


def call(caller, home, *words, **more):
    run = start(caller, home, *words, **more).finish()
    assert not run.leftovers(), run
    return run


def target(home, name):
    return home.parent / "targets" / (name + ".py")


def by_sudo_alone(caller, home):
    """What the program finds when sudo runs it itself."""
    run = start(caller, home, target(home, "identity"), program="/usr/bin/python3").finish()
    return json.loads(run.out.decode())


def test_the_program_is_the_users(caller, home):
    run = call(caller, home, "-v", "--keep", "kept", "-o", "x.html", "-o", "x.json", "--summary",
               "s.json", target(home, "identity"), "7")
    found, plain = json.loads(run.out.decode()), by_sudo_alone(caller, home)
    assert run.status == 7, run
    assert found["uids"] == [caller.pw_uid] * 3 and found["gids"] == [caller.pw_gid] * 3
    assert found["groups"] == groups_of(caller)
    assert not any(found["capabilities"].values()) and not found["can_be_root"]
    assert found["descriptors"] == [0, 1, 2]
    own = {"HOME": caller.pw_dir, "USER": NAME, "LOGNAME": NAME, "SHELL": "/bin/dash"}
    assert {name: found["environment"][name] for name in own} == own
    for name in ("PATH", "MAIL", "SUDO_USER"):
        assert found["environment"][name] == plain["environment"][name]
    for name in ("limits", "umask", "cwd", "executable"):
        assert found[name] == plain[name], name
    assert plain["uids"] == [0] * 3, "or this compares nothing"

    for path in [home / name for name in ("x.html", "x.json", "s.json", "kept")] + \
            list((home / "kept").rglob("*")):
        assert (path.stat().st_uid, path.stat().st_gid) == (caller.pw_uid, caller.pw_gid), path
    assert (home / "kept" / "perf.data").stat().st_size > 1000
    document = harness.read_json(home / "x.json")
    harness.check_document(document)
    summary = document["giltracer"]
    assert summary["run"]["user"] == NAME
    assert summary["run"]["gil_source"] == "uprobes" and summary["sources"]["agree"], run
    assert summary["cost"]["gil_measured"], "the gate could not measure"
    labels = [row["label"] for row in summary["gils"][0]["threads"]]
    assert sum("spinner" in label for label in labels) == 2, "the agent has no log: %s" % labels
    assert "user:        %s, who called sudo (uid %d" % (NAME, caller.pw_uid) in run.err
    assert "the program runs as %s, in /usr/bin/python3" % NAME in run.err
    assert "--python names another" in run.err


def test_states_stacks_and_counters(caller, home):
    run = call(caller, home, "-q", "--state-detect", "--call-graph", "-e", "page-faults", "-o", "x.json",
               target(home, "two_workers"), "0.2")
    assert run.status == 0 and run.err == "", run
    summary = harness.read_json(home / "x.json")["giltracer"]
    assert summary["sched"]["reasons"] and summary["sched"]["distinct_stacks"] > 1
    assert summary["counters"][0]["name"] == "page-faults"


def test_the_page_is_opened_by_the_user(caller, home):
    """Root's browser could write anywhere."""
    browser = shutil.copy(str(harness.FAKE_BROWSER), str(home.parent))
    run = call(caller, home, "--open", "-o", "x.html", "-c", "pass", BROWSER=browser)
    harness.wait_for((home / "opened.json").exists, "nothing was opened: %s" % run)
    found = harness.read_json(home / "opened.json")
    assert run.status == 0 and found["arguments"] == [os.path.realpath(home / "x.html")], run
    assert found["uids"] == [caller.pw_uid] * 3 and found["gids"] == [caller.pw_gid] * 3, found
    assert found["groups"] == groups_of(caller) and not any(found["capabilities"]), found
    assert found["home"] == caller.pw_dir and sorted(found["descriptors"]) == ["0", "1", "2"], found


def test_as_root(caller, home):
    run = call(caller, home, "-v", "--as-root", "-o", "x.json", target(home, "identity"))
    found = json.loads(run.out.decode())
    assert run.status == 0 and found["uids"] == [0] * 3, run
    assert found["environment"] == dict(by_sudo_alone(caller, home)["environment"],
                                        SUDO_COMMAND=found["environment"]["SUDO_COMMAND"])
    assert (home / "x.json").stat().st_uid == 0
    assert harness.read_json(home / "x.json")["giltracer"]["run"]["user"] == "root"
    assert "user:        root (--as-root)" in run.err


def test_in_a_root_shell_the_program_is_roots(caller, home):
    script = "%s -v -o x.json %s\n" % (home.parent / "giltracer", target(home, "identity"))
    done = subprocess.run(["sudo", "-n", "/bin/bash"], input=script.encode(), cwd=str(home),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, user=caller.pw_uid,
                          group=caller.pw_gid, extra_groups=groups_of(caller))
    assert json.loads(done.stdout.decode())["uids"] == [0] * 3, done
    assert "in a shell that sudo started" in done.stderr.decode()
    assert harness.read_json(home / "x.json")["giltracer"]["run"]["user"] == "root"


def test_a_shell_that_sudo_ran_for_giltracer(caller, home):
    run = call(caller, home, "-c", "%s -q -o x.json %s" % (home.parent / "giltracer",
                                                           target(home, "identity")),
               program="/bin/sh")
    assert json.loads(run.out.decode())["uids"] == [caller.pw_uid] * 3, run


def test_what_is_linked_to_roots_files(caller, home, secret):
    """With root's rights each of these would be written, or read."""
    for name in ("out.json", "sum.json", "base.json"):
        (home / name).symlink_to(secret)
    (home / "kept").mkdir()
    for name in ("perf.data", "probes.data", "agent"):
        (home / "kept" / name).symlink_to(secret)
    for path in (home / "kept", *(home / "kept").iterdir()):
        os.chown(str(path), caller.pw_uid, caller.pw_gid, follow_symlinks=False)
    program = target(home, "single")
    refused = (["-o", secret], ["--summary", secret], ["--summary", "/root/new.json"],
               ["--baseline", "base.json"], ["--keep", "/root/" + NAME], ["--keep", "kept"])
    for options in refused:
        run = call(caller, home, *options, program)
        line = harness.one_line_error(run, 125)
        told = "all files are opened as %s, who called sudo" % NAME in line
        assert told == ("ermission" in line), line
        assert "ermission" in line or "not a folder that is yours" in line, run
    assert not os.path.exists("/root/new.json") and not os.path.exists("/root/" + NAME)
    run = call(caller, home, "-q", "-o", "out.json", "--summary", "sum.json", program)
    assert run.status in (0, 125), run  # `secret` says what matters


def test_a_program_that_replaces_its_recording(caller, home, secret):
    """The folder is the program's user's: what is written there must not reach anything of root."""
    program = home / "replaces.py"
    program.write_text(
        "import os, pathlib, threading\n"
        "folder = pathlib.Path(os.environ['GILTRACER_AGENT_DIR']).parent\n"
        "for path in sorted(folder.rglob('*'), reverse=True):\n"
        "    path.rmdir() if path.is_dir() else path.unlink()\n"
        "for name in ('perf.data', 'probes.data', 'agent', 'viztracer.json'):\n"
        "    (folder / name).symlink_to(%r)\n"
        "threading.Thread(target=sum, args=(range(300000),)).start()\n" % str(secret))
    run = call(caller, home, "-o", "x.json", "--summary", "s.json", program)
    for kept in re.findall(r"kept in (\S*/giltracer-\w{6})\b", run.err):  # sudo drops TMPDIR
        shutil.rmtree(kept)
    assert run.status == 0, run
    assert str(secret) not in run.err or "ermission" in run.err, run


def test_the_interpreter_is_asked_as_the_user(caller, home):
    """--python names a program, and -m viztracer a module, that the user may have made."""
    liar = home / "python3"
    liar.write_text("#!/bin/sh\nid -ru >>%s/asked; id -u >>%s/asked; exec /usr/bin/python3 \"$@\"\n"
                    % (home, home))
    liar.chmod(0o755)
    run = call(caller, home, "-q", "-o", "x.json", "--python", liar, target(home, "single"))
    assert run.status == 0, run
    asked = (home / "asked").read_text().split()
    assert len(asked) >= 4 and set(asked) == {str(caller.pw_uid)}, asked


def test_perf_alone_is_roots(caller, home):
    """What installs and records; what reads the recording, which the program could have written, is
    not."""
    perf = home / "perf"
    perf.write_text("#!/bin/sh\necho $1 $(id -ru) $(id -u) $(id -g) $HOME >>%s/asked\nexec perf \"$@\"\n"
                    % home)
    perf.chmod(0o755)
    (home / "asked").touch(0o666)
    (home / "asked").chmod(0o666)
    run = call(caller, home, "GILTRACER_PERF=%s" % perf, home.parent / "giltracer", "-q", "-o", "x.json",
               "-e", "page-faults", target(home, "single"), program="/usr/bin/env")
    assert run.status == 0, run
    asked = {}
    for word, *who in map(str.split, (home / "asked").read_text().splitlines()):
        asked.setdefault(word, set()).add(" ".join(who))
    root = {"0 0 0 " + pwd.getpwuid(0).pw_dir}
    user = {"%d %d %d %s" % (caller.pw_uid, caller.pw_uid, caller.pw_gid, caller.pw_dir)}
    assert asked == {"version": root, "stat": root, "probe": root, "record": root, "script": user}


def test_signals_reach_the_program(caller, home):
    run = start(caller, home, "-q", "-o", "x.json", "-c",
                "import os, signal, time\nos.write(1, b'%d\\n' % os.getppid())\ntime.sleep(60)")
    giltracer = int(run.process.stdout.readline())
    os.kill(giltracer, signal.SIGTERM)
    run.finish()
    assert run.status == 128 + signal.SIGTERM and not run.leftovers(), run
    assert (home / "x.json").stat().st_uid == caller.pw_uid


@pytest.mark.parametrize("of", ["own", "another's"])
def test_the_last_moments(caller, home, of):
    """perf's file is the user's as all files are, and parts of it are taken out; reports are, too."""
    words = ["--keep-last", "1s", "--gil-source", "uprobes", "--no-python-trace", "-o", "x.json"]
    phases = [target(home, "phases"), "0.2"]
    program = subprocess.Popen(["/usr/bin/python3", *phases], user="nobody", stdout=subprocess.PIPE)
    try:
        run = start(caller, home, *words, *(["--pid", program.pid] if of != "own" else phases))
        lines = run.process.stdout if of == "own" else program.stdout
        began, seen = time.monotonic(), b""
        for number in (1, 2):
            while time.monotonic() < began + 5 * number or not seen:
                seen = lines.readline()
            found = subprocess.run(["pgrep", "-x", "giltracer", "-P", str(run.pid)], capture_output=True,
                                   text=True, check=True).stdout.split()
            asked = call(caller, home, "--snapshot", found[0])
            assert asked.status == 0, asked
            path = home / ("x-%d.json" % number)
            harness.wait_for(path.exists, "no report %d" % number)
            document = harness.read_json(path)
            harness.check_document(document)
            assert document["giltracer"]["gils"] and path.stat().st_uid == caller.pw_uid
            assert 0.8e9 < document["giltracer"]["run"]["wall_ns"] <= 1e9
        os.kill(int(found[0]), signal.SIGTERM)
        run.finish()
    finally:
        program.kill()
        program.wait()
    assert run.status == (0 if of != "own" else 128 + signal.SIGTERM) and not run.leftovers(), run
    assert (home / "x.json").stat().st_uid == caller.pw_uid


def test_a_process_of_another_user(caller, home):
    """It runs as who it is; what is written is the caller's."""
    program = subprocess.Popen(["/usr/bin/python3", target(home, "two_workers"), "5"], user="nobody")
    try:
        run = call(caller, home, "-v", "--duration", "500ms", "-o", "x.json", "--pid", program.pid)
    finally:
        program.kill()
        program.wait()
    assert run.status == 0, run
    document = harness.read_json(home / "x.json")
    harness.check_document(document)
    assert document["giltracer"]["gils"] and "user" not in document["giltracer"]["run"]
    assert (home / "x.json").stat().st_uid == caller.pw_uid
    assert "files:       of %s, who called sudo" % NAME in run.err
    assert "the program runs as" not in run.err


def test_metrics_of_anybodys_processes(caller, home):
    """Root's is found by what it is called; the file is the user's."""
    (home / "attached-by-root.py").write_text(target(home, "attached").read_text())
    with harness.Running("/usr/bin/python3", home / "attached-by-root.py", "turns"):
        run = call(caller, home, "--metrics", "x.prom", "--match", "attached-by-*", "--duration", "5s")
    assert run.status == 0 and run.err == "", run
    path = home / "x.prom"
    assert path.stat().st_uid == caller.pw_uid
    waited = [float(line.split()[-1]) for line in path.read_text().split("\n")
              if line.startswith("giltracer_gil_wait_seconds_total{") and 'group="waiter"' in line]
    assert len(waited) == 1 and waited[0] > 0.2, path.read_text()


def test_a_killed_giltracer_leaves_nothing(caller, home):
    """The probes are root's to remove, the folder is the user's, and the program goes on."""
    run = start(caller, home, "-q", "-o", "x.json", "-c",
                "import os, time\nos.write(1, b'%d\\n' % os.getppid())\ntime.sleep(2)")
    giltracer = int(run.process.stdout.readline())
    assert any(harness.probe_is_of(line, giltracer) for line in harness.probes())
    os.kill(giltracer, signal.SIGKILL)
    run.finish()
    harness.wait_for(lambda: not run.leftovers(), "something is left: %s" % run.leftovers(), 10)
    assert not any(harness.probe_is_of(line, giltracer) for line in harness.probes())
    assert not (home / "x.json").exists()


@pytest.mark.parametrize("uid, gid, user, words", [
    ("x", "1", None, "SUDO_UID is 'x'"),
    ("1", None, None, "SUDO_GID is not set"),
    ("1", "1", "bin", "SUDO_USER is bin"),
    ("3999999999", "1", None, "no such user"),
])
def test_what_sudo_would_not_say(folder, uid, gid, user, words):
    env = {"SUDO_UID": uid, "SUDO_GID": gid, "SUDO_USER": user, "VIRTUAL_ENV": None}
    run = harness.giltracer(["-o", "x.json", "-c", "pass"], folder, env=env)
    line = harness.one_line_error(run, 125)
    assert words in line and "--as-root" in line
    run = harness.giltracer(["-q", "--as-root", "-o", "x.json", "-c", "pass"], folder, env=env)
    assert run.status == 0, run


def test_doctor_says_who(caller, home):
    run = call(caller, home, "--doctor")
    assert run.status == 0, run
    assert "programs run as       %s\n" % NAME in run.out.decode()
    assert "can see the GIL       yes" in run.out.decode()


def test_options_in_files_are_the_callers(caller, home):
    project = home / "pyproject.toml"
    project.write_text("[tool.giltracer]\nmax-depth = 9\n")
    os.chown(str(project), caller.pw_uid, caller.pw_gid)
    words = ("--gil-source", "agent", "-o", "x.json", "-c", "pass")
    run = call(caller, home, *words)
    assert run.status == 0, run
    assert json.loads((home / "x.json").read_text())["giltracer"]["run"]["config"] == [
        {"file": str(project), "options": ["max-depth"]}]
    run = call(caller, home, "--as-root", *words)  # whose file it is not
    assert run.status == 0 and "%s is not read: " % project in run.err, run
    assert "config" not in json.loads((home / "x.json").read_text())["giltracer"]["run"]
