# SPDX-License-Identifier: MIT
"""Options from pyproject.toml and giltracer.toml: which are in force, and that the report says so."""
import os

import harness
from harness import giltracer, one_line_error

PROGRAM = "import sys; print(sys.flags.optimize)\n"


def written(folder, project, users=None):
    (folder / "x.py").write_text(PROGRAM)
    if project is not None:
        (folder / "pyproject.toml").write_text(project)
    if users is not None:
        (folder / "home" / ".config").mkdir(parents=True)
        (folder / "home" / ".config" / "giltracer.toml").write_text(users)


def traced(folder, *words, **more):
    return giltracer(["--gil-source", "agent", "-o", folder / "x.json", "-o", folder / "x.html",
                      *words, "x.py"], folder, **more)


def test_the_report_says_which_options_came_from_where(folder):
    written(folder, "[tool.giltracer]\nmax-depth = 9\n", "max-depth = 3\nall-threads = true\n")
    run = traced(folder)
    assert run.status == 0 and run.out == b"0\n", run
    project, users = folder / "pyproject.toml", folder / "home/.config/giltracer.toml"
    assert harness.read_json(folder / "x.json")["giltracer"]["run"]["config"] == [
        {"file": str(project), "options": ["max-depth"]},
        {"file": str(users), "options": ["all-threads"]}]
    assert "giltracer: max-depth: from %s\n" % project in run.err
    assert "giltracer: all-threads: from %s\n" % users in run.err
    assert "max-depth: %s; all-threads: %s" % (project, users) in (folder / "x.html").read_text()
    run = traced(folder, "--no-config")
    assert "config" not in harness.read_json(folder / "x.json")["giltracer"]["run"]
    assert "from /" not in run.err


def test_options_are_in_force(folder):
    written(folder, '[tool.giltracer]\nfail-if = ["hold >= 0%"]\nquiet = true\n')
    run = traced(folder)
    assert run.status == 3 and "breached: hold >= 0%" in run.err and "wrote" not in run.err, run
    assert traced(folder, "--no-config").status == 0


def test_what_a_file_may_not_say(folder):
    proof = folder / "ran"
    (folder / "evil").write_text("#!/bin/sh\ntouch %s\n" % proof)
    (folder / "evil").chmod(0o755)
    for line in ('python = "%s/evil"' % folder, 'output = "/etc/giltracer.html"', "as-root = true",
                 'import = ["os"]'):
        written(folder, "[tool.giltracer]\n\n%s\n" % line)
        error = one_line_error(traced(folder), 125)
        name = line.split(" ")[0]
        assert "%s/pyproject.toml:3: %s is for the command line alone" % (folder, name) in error
        assert "--no-config" in error
    assert not proof.exists()
    assert traced(folder, "--no-config").status == 0


def test_a_file_that_is_no_toml(folder):
    written(folder, '[project]\nname = "x\n[tool.giltracer]\n')
    error = one_line_error(traced(folder), 125)
    assert "pyproject.toml:2: a string does not end" in error
    written(folder, '[project]\nname = "x\n')  # says nothing of giltracer: not its affair
    assert traced(folder).status == 0


def test_a_file_of_others_is_left_out_and_that_is_said(folder):
    written(folder, "[tool.giltracer]\nmax-depth = 9\n")
    os.chmod(folder / "pyproject.toml", 0o666)
    run = traced(folder)
    assert run.status == 0, run
    assert "pyproject.toml is not read: " in run.err and "--no-config" in run.err
    assert "config" not in harness.read_json(folder / "x.json")["giltracer"]["run"]
    (folder / "pyproject.toml").write_text("[tool.other]\nx = 9\n")
    assert "is not read" not in traced(folder).err


def test_a_link_to_a_file_of_ones_own_is_followed(folder):
    written(folder, None)
    (folder / "dotfiles").mkdir()
    (folder / "dotfiles" / "giltracer.toml").write_text("max-depth = 4\n")
    (folder / "home" / ".config").mkdir(parents=True)
    (folder / "home" / ".config" / "giltracer.toml").symlink_to("../../dotfiles/giltracer.toml")
    traced(folder)
    config = harness.read_json(folder / "x.json")["giltracer"]["run"]["config"]
    assert config[0]["options"] == ["max-depth"]
