# SPDX-License-Identifier: MIT
"""What people type first, who have never seen giltracer: it works, or says what does."""
import os
import re
import subprocess

import harness
import pytest
import terminal
from harness import (DEBIAN_PYTHON, FAKE_BROWSER, GILTRACER, OFFGIL, PERF2TRACE, giltracer,
                     one_line_error, wait_for)

SHOW = "import sys; print(sys.prefix, sys.flags.optimize, sys.flags.dev_mode, sys.argv[1:])\n"
PROGRAMS = [GILTRACER, PERF2TRACE, OFFGIL]


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """A virtual environment of another Python than the first on PATH, with a console script."""
    path = tmp_path_factory.mktemp("environment") / "venv"
    python = next(one for one in harness.interpreters() if one.at_least(3, 8))
    subprocess.run([python.path, "-m", "venv", "--without-pip", str(path)], check=True)
    tool = path / "bin" / "mytool"
    tool.write_text("#!%s/bin/python\n%s" % (path, SHOW))
    long = path / "bin" / "longtool"
    long.write_text("#!/bin/sh\n'''exec' \"%s/bin/python\" \"$0\" \"$@\"\n' '''\n%s" % (path, SHOW))
    for script in (tool, long):
        script.chmod(0o755)
    return path


def tried(words, folder, environment=None, **more):
    path = os.environ["PATH"]
    if environment:
        path = "%s/bin:%s" % (environment, path)
    return giltracer(["-o", folder / "x.json", *words], folder, env={"PATH": path, **more})


@pytest.mark.parametrize("tool", ["mytool", "longtool"])
def test_a_console_script_runs_in_its_environment(tool, environment, folder):
    run = tried([tool, "-O", "b c"], folder, environment)
    assert run.status == 0, run
    assert run.out.decode() == "%s 0 False ['-O', 'b c']\n" % environment
    functions = harness.read_json(folder / "x.json")["giltracer"]["run"]
    assert functions["argv"][0] == str(environment / "bin" / tool)


def test_a_file_here_comes_before_path(environment, folder):
    (folder / "mytool").write_text("print('mine')\n")
    run = tried(["mytool"], folder, environment)
    assert run.status == 0 and run.out == b"mine\n", run


def test_a_folder_that_is_no_program_does_not(environment, folder):
    (folder / "mytool").mkdir()
    run = tried(["mytool"], folder, environment)
    assert run.status == 0 and run.out.decode().startswith(str(environment)), run


def test_another_interpreter_for_a_console_script(environment, folder):
    run = tried(["--python", DEBIAN_PYTHON, "-O", "mytool"], folder, environment)
    assert run.status == 0 and run.out == b"/usr 1 False []\n", run


@pytest.mark.parametrize("words", [["-O", "-X", "dev", "-W", "ignore", "x.py"],
                                   ["python3", "-O", "-X", "dev", "-W", "ignore", "x.py"],
                                   ["-uBXdev", "-O", "x.py"]], ids=" ".join)
def test_options_of_the_interpreter(words, folder):
    (folder / "x.py").write_text(SHOW)
    run = tried(words, folder)
    assert run.status == 0 and run.out.decode().split(" ", 1)[1] == "1 True []\n", run


FLAGS = """import sys
print(sys.flags.optimize, sys.stdout.write_through, sys.flags.dont_write_bytecode, sys.flags.isolated,
      sys.flags.ignore_environment, sys.flags.no_user_site, sys.flags.no_site, sys.flags.dev_mode,
      sys.warnoptions, sys.flags.verbose, sys.flags.quiet)
"""


@pytest.mark.parametrize("words", [["-O"], ["-OO"], ["-u"], ["-B"], ["-I"], ["-E"], ["-s"], ["-S"],
                                   ["-X", "dev"], ["-Xdev"], ["-W", "error"], ["-Werror"]],
                         ids=" ".join)
def test_each_option_of_the_interpreter(words, folder):
    """What it does untraced; what it does not do to giltracer, whose own letters mean what they did."""
    (folder / "x.py").write_text(FLAGS)
    python = harness.an_interpreter(3, 8).path
    unset = {"PYTHONUNBUFFERED": "", "PYTHONDONTWRITEBYTECODE": ""}
    alone, without = [subprocess.run([python, *more, "x.py"], cwd=str(folder), stdout=subprocess.PIPE,
                                     env=dict(os.environ, **unset), check=True).stdout
                      for more in (words, [])]
    assert alone != without
    for own in (["--python", python, *words], [*words, "--python", python], [python, *words]):
        run = tried(["-q", "--gil-source", "agent", *own, "x.py"], folder, **unset)
        assert run.status == 0 and run.out == alone and run.err == "", run


def test_options_of_the_interpreter_are_not_a_commands(folder):
    line = one_line_error(tried(["-O", "--", "ls"], folder), 125)
    assert "-O" in line and "command" in line


def test_what_was_meant(folder):
    line = one_line_error(tried(["ls", "-l"], folder), 126)
    assert "did you mean giltracer -- ls?" in line
    line = one_line_error(tried(["no_such_thing"], folder), 127)
    assert "giltracer -m no_such_thing" in line
    line = one_line_error(tried(["--state-detct", "x.py"], folder), 125)
    assert "did you mean --state-detect?" in line
    line = one_line_error(tried(["--nonsensical", "x.py"], folder), 125)
    assert "did you mean" not in line


@pytest.mark.needs_root
def test_where_there_is_no_place_for_tracefs(folder):
    """A root without /sys, as debootstrap leaves it: the agent sees the GIL, and doctor says why."""
    (folder / "x.py").write_text("print(1)\n")
    there = ["unshare", "-m", "sh", "-c", "mount -t tmpfs none /sys && exec \"$@\"", "sh", GILTRACER,
             "--python", DEBIAN_PYTHON]
    run = harness.Run([*there, "-o", folder / "x.json", "x.py"], folder).finish()
    assert run.status == 0 and run.out == b"1\n", run
    assert harness.read_json(folder / "x.json")["giltracer"]["run"]["gil_source"] == "agent"
    told = harness.Run([*there, "--doctor"], folder).finish()
    assert told.status == 0 and b"no /sys/kernel/tracing to mount it on" in told.out, told


def test_lengths_of_time_as_reports_write_them(folder):
    (folder / "x.py").write_text("print(1)\n")
    run = tried(["--min-duration", "50.5µs", "--fail-if", "longest_wait > 1 µs", "x.py"], folder)
    assert run.status == 0 and run.out == b"1\n", run


TESTS = "def test_one(): pass\ndef test_two(): print('words')\n"


@pytest.mark.parametrize("words, alone", [
    (["mytool", "-O", "b c"], ["mytool", "-O", "b c"]),
    (["longtool"], ["longtool"]),
    (["x.py", "-v"], [DEBIAN_PYTHON, "x.py", "-v"]),
    (["-O", "x.py"], [DEBIAN_PYTHON, "-O", "x.py"]),
    (["python3", "-OO", "x.py"], ["python3", "-OO", "x.py"]),
    (["-m", "x", "1"], [DEBIAN_PYTHON, "-m", "x", "1"]),
    (["-c", SHOW, "1"], [DEBIAN_PYTHON, "-c", SHOW, "1"]),
    (["--", "sh", "-c", "mytool; exec longtool"], ["sh", "-c", "mytool; exec longtool"]),
    (["pytest", "-p", "no:cacheprovider", "test_x.py"], ["pytest", "-p", "no:cacheprovider", "test_x.py"]),
], ids=lambda words: " ".join(words).split("\n")[0])
def test_first_tries_on_a_terminal(words, alone, environment, folder):
    """The program's terminal holds what it holds untraced; below it is what giltracer tells."""
    (folder / "x.py").write_text(SHOW)
    (folder / "test_x.py").write_text(TESTS)
    env = dict(PATH="/usr/bin:/bin:%s/bin" % environment, PYTHONDONTWRITEBYTECODE="1")
    if "python3" not in words and words[0] != "pytest":
        env["PATH"] = "%s/bin:/usr/bin:/bin" % environment
    want = terminal.run(alone, folder, **env)
    own = ["--python", DEBIAN_PYTHON] if alone[0] == DEBIAN_PYTHON else []
    got = terminal.run([GILTRACER, "-o", "x.html", *own, *words], folder, **env)
    assert want.status == got.status == 0 and want.text.strip(), (want, got)
    shown = unpadded(got.raw)
    assert shown.startswith(unpadded(want.raw)), (want.raw, got.raw)
    assert b"giltracer: wrote " in shown[len(unpadded(want.raw)):], got


def unpadded(raw):
    """Without how long it took, and what is laid out around that."""
    return re.sub(rb"=+", b"=", re.sub(rb"\d+\.\d+s", b"", raw))


def opened(folder):
    """What the fake browser found."""
    wait_for((folder / "opened.json").exists, "nothing was opened")
    return harness.read_json(folder / "opened.json")


def test_open_shows_the_page(folder):
    run = giltracer(["--open", "-o", "x.json", "-o", "x-%p.html", "-c", "import os; print(os.getpid())"],
                    folder, env={"BROWSER": "%s %%s" % FAKE_BROWSER})
    assert run.status == 0, run
    want = os.path.realpath(folder / ("x-%s.html" % run.out.decode().strip()))
    found = opened(folder)
    assert found["arguments"] == [want] and found["whole"], found


def test_open_leaves_the_terminal_to_who_sits_there(folder):
    """It is not waited for, and neither writes to the terminal nor is ended with it."""
    (folder / "stay").touch()
    name = "$(id) 'a\" b.html"
    got = terminal.run([GILTRACER, "--open", "-o", name, "-c", "print('out'); raise SystemExit(3)"],
                       folder, BROWSER="there-is-none:%s" % FAKE_BROWSER)
    found = opened(folder)
    assert got.status == 3 and got.lines()[0] == "out", got
    assert "cannot show" not in got.text, got
    assert found["arguments"] == [os.path.realpath(folder / name)], found
    assert set(found["descriptors"].values()) == {"/dev/null"}, found
    assert sorted(found["descriptors"]) == ["0", "1", "2"], found
    assert not found["terminal"] and found["blocked"] == 0 and found["whole"], found
    os.kill(found["pid"], 0)  # it is there after giltracer has gone, and its terminal with it
    (folder / "stay").unlink()
    wait_for(lambda: not os.path.exists("/proc/%d" % found["pid"]), "the browser stayed")


def test_open_without_a_browser_of_ones_own(folder):
    """What the desktop opens pages with."""
    (folder / "xdg-open").symlink_to(FAKE_BROWSER)
    run = giltracer(["--open", "-q", "-o", "x.html", "-c", "pass"], folder,
                    env={"BROWSER": None, "PATH": "%s:%s" % (folder, os.environ["PATH"])})
    assert run.status == 0 and run.err == "", run
    assert opened(folder)["arguments"] == [os.path.realpath(folder / "x.html")]


def test_open_says_what_is_missing(folder):
    line = one_line_error(giltracer(["--open", "-o", "x.json", "-c", "pass"], folder), 125)
    assert ".html" in line
    nothing = folder / "empty"
    nothing.mkdir()
    run = giltracer(["--open", "--python", DEBIAN_PYTHON, "-o", "x.html", "-c", "pass"], folder,
                    env={"PATH": str(nothing), "BROWSER": "none"})
    assert run.status == 0 and "cannot show the page" in run.err, run


# --- help ----------------------------------------------------------------------------------

@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.name)
def test_help_fits_24_lines_of_80(program, folder):
    got = terminal.run([program, "--help"], folder)
    assert got.status == 0 and len(got.lines()) <= 23, got
    assert terminal.width(got.widest()) <= 80
    if program is GILTRACER:
        assert "--pid" in got.text and "%p" in got.text and "--help all" in got.text
    every = terminal.run([program, "--help", "all"], folder)
    assert every.status == 0 and terminal.width(every.widest()) <= 80
    assert options_of(got.text) <= options_of(every.text)


def options_of(text):
    found = set(re.findall(r"^ +(?:-\w, )?--(?:\[no-\])?([a-z][a-z-]+)", text, re.M))
    return found | set(re.findall(r"^ +-(\w)\b", text, re.M))


def form(program, which):
    return subprocess.run([str(program), "--help", which], stdout=subprocess.PIPE,
                          check=True).stdout.decode()


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.name)
def test_every_option_is_in_manual_and_completions(program):
    options = options_of(form(program, "all"))
    assert len(options) > 5
    manual = form(program, "man").replace("\\-", "-")
    bash, zsh, fish = (form(program, shell) for shell in ("bash", "zsh", "fish"))
    for option in options:
        dashed = "-" + option if len(option) == 1 else "--" + option
        assert re.search(r"^\.B .*%s\b" % dashed.replace("--", "--(?:\\[no-\\])?"), manual, re.M), option
        assert re.search(r"compgen -W '.*%s " % dashed, bash), option
        assert "'*%s" % dashed in zsh, option
        assert " -%s %s " % ("s" if len(option) == 1 else "l", option) in fish, option


def complete(*words):
    """What bash offers for the last of these words."""
    script = ("%s\nCOMP_WORDS=(%s); COMP_CWORD=%d; _giltracer; printf '%%s\\n' \"${COMPREPLY[@]}\""
              % (form(GILTRACER, "bash"), " ".join("'%s'" % word for word in words), len(words) - 1))
    done = subprocess.run(["bash", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout.decode().split()


def test_bash_completes():
    assert complete("giltracer", "--sta") == ["--state-detect"]
    assert complete("giltracer", "--gil-source", "ag") == ["agent"]
    assert complete("giltracer", "-o", "x.html", "--no-py") == ["--no-python-trace"]
    assert complete("giltracer", "-m", "pytest", "--sta") == [], "the program's own words"
    assert complete("giltracer", "x.py", "--sta") == []
    assert "python3" in complete("giltracer", "python3")


# --- doctor --------------------------------------------------------------------------------

def test_doctor_fits_and_begins_with_what_will_be_used(folder):
    got = terminal.run([GILTRACER, "--python", DEBIAN_PYTHON, "--doctor"], folder)
    assert got.status == 0 and terminal.width(got.widest()) <= 80, got
    assert got.text.startswith("giltracer script.py sees the GIL by "), got
    assert re.search("^agent +yes, no privilege needed$", got.text, re.M), got


@pytest.mark.needs_root
def test_doctor_fits_for_an_ordinary_user(public_folder):
    got = terminal.run(["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups",
                        public_folder / "giltracer", "--python", DEBIAN_PYTHON, "--doctor"],
                       public_folder, HOME=str(public_folder))
    assert got.status == 0 and terminal.width(got.widest()) <= 80, got
    assert "What more could be had:" in got.text, got


@pytest.mark.needs_root
def test_doctor_and_refusal_for_an_ordinary_user(public_folder):
    def run(*words):
        return harness.Run([public_folder / "giltracer", "--python", DEBIAN_PYTHON, *words],
                           public_folder, user="nobody", group="nogroup").finish()
    told = run("--doctor")
    text = told.out.decode()
    assert told.status == 0 and "by the agent inside the program" in text, told
    assert "yes, no privilege needed" in text and "giltracer --setup GROUP" in text, text
    line = one_line_error(run("--gil-source", "uprobes", "-o", "x.json", "-c", "pass"), 125)
    assert "--gil-source agent needs no privilege" in line
