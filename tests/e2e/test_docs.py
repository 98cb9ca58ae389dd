# SPDX-License-Identifier: MIT
"""What README.md and scripts/docs tell a reader to type works, and comes out as they show it.

A fenced block says by its language what is done with it:

    console             commands behind `$ `, in one shell on a terminal of 160 columns; what is shown below
                        a command is compared with what it printed. A line `…` stands for any lines.
    sh, python          are run, and succeed
    makefile            is the Makefile of what follows on the page
    toml                is the pyproject.toml of a run
    ipython             the cells of a notebook, in IPython
    text                nothing to run; TEXTS counts them
    LANGUAGE not-run: WHY   cannot be run here; NOT_RUN counts them
    LANGUAGE long           is run with GT_LONG only

All blocks of a page are run in turn, in a folder with the examples and some of tests/targets. Figures
and white space do not count in a comparison: words, their order, and the columns of tables do.
"""
import collections
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess

import harness
import pytest
import terminal

README = harness.ROOT / "README.md"
DOCS = harness.ROOT / "scripts" / "docs"
PAGES = [README, *sorted(DOCS.glob("*.md"))]
TEXTS = {"README.md": 1, "running.md": 1}
NOT_RUN = {"README.md": 1, "install.md": 1, "containers.md": 2, "clusters.md": 3, "ci.md": 1,
           "formats.md": 1, "metrics.md": 2, "servers.md": 3}
RUN = {"console", "sh", "python", "makefile", "toml", "ipython"}
TARGETS = ("server", "hangs", "crowded", "parallel", "processes", "attached")
# What their commands do is tested elsewhere, too; these take longer than CI may.
LONG = {"comparing", "formats", "running"}
PORT = "8000"  # in the pages; the tests take a free one
COLUMNS = 160
LEFT_OUT = "…"
HANGS_S = 300  # a command that takes longer hangs; the slowest one takes some ten seconds
# Options that are other programs', or of scripts/.
OTHERS = {"--signal", "--ns", "--show-task-events", "--format", "--install", "--chdir", "--time",
          "--no-index", "--del",
          # of profilecli, curl and parca-push
          "--url", "--extra-labels", "--json", "--remote-store-address", "--remote-store-insecure",
          "--labels"}

Block = collections.namedtuple("Block", "page line language long why text")


def blocks(page):
    found, lines, begun = [], page.read_text(encoding="utf-8").split("\n"), None
    for number, line in enumerate(lines, 1):
        if begun is None and line.startswith("```"):
            begun = number
            kind = re.fullmatch(r"```([a-z]*)( long)?(?: not-run: (.+))?", line).groups()
        elif begun is not None and line == "```":
            found.append(Block(page.name, begun, *kind, "\n".join(lines[begun:number - 1])))
            begun = None
    assert begun is None, "%s:%d: the block does not end" % (page, begun)
    return found


ALL = [block for page in PAGES for block in blocks(page)]
WITH_COMMANDS = [pytest.param(page, id=page.stem,
                              marks=[pytest.mark.long] if page.stem in LONG else [])
                 for page in PAGES
                 if any(block.language in RUN and not block.why for block in blocks(page))]


def counted(chosen):
    return dict(collections.Counter(block.page for block in ALL if chosen(block)))


def test_every_block_says_what_is_done_with_it():
    for block in ALL:
        assert block.why or block.language in RUN | {"text"}, block
    assert counted(lambda block: block.language == "text") == TEXTS
    assert counted(lambda block: block.why) == NOT_RUN


# --- options -------------------------------------------------------------------------------

def known_options():
    text = "".join(subprocess.run([str(program), "--help", "all"], stdout=subprocess.PIPE,
                                  check=True).stdout.decode()
                   for program in (harness.GILTRACER, harness.PERF2TRACE, harness.OFFGIL))
    found = set()
    for no, name in re.findall(r"--(\[no-\])?([a-z][a-z-]+[a-z])", text):
        found |= {"--" + name} | ({"--no-" + name} if no else set())
    return found | {"--height", "--children"}  # of %%giltracer, and of GILTRACER_AUTO


def test_every_option_that_is_named_exists():
    known = known_options() | OTHERS
    for page in PAGES:
        if page.stem == "comparison":
            continue  # other programs' options
        for number, line in enumerate(page.read_text(encoding="utf-8").split("\n"), 1):
            for option in re.findall(r"(?<![\w<!|-])--[a-z][a-z-]+[a-z]", line):
                assert option in known, "%s:%d: %s" % (page.name, number, option)


# --- messages ------------------------------------------------------------------------------

def literals():
    """All texts in the sources, adjacent ones as one."""
    one = r'"(?:[^"\\\n]|\\.)*"'
    for path in [*harness.ROOT.glob("lib/**/*.c"), *harness.ROOT.glob("cmd/**/*.c")]:
        for texts in re.findall(r"(?:%s\s*)+" % one, path.read_text(encoding="utf-8")):
            yield "".join(text[1:-1] for text in re.findall(one, texts))


def test_every_message_that_is_quoted_exists():
    texts, quoted = "\n".join(literals()), 0
    for row in re.findall(r"(?m)^\| (`[^|]*) \|", (DOCS / "troubleshooting.md").read_text()):
        for message in re.findall("`([^`]*…[^`]*|[^`]* [^`]*)`", row):
            for piece in message.split("…"):
                assert piece.strip(" ?.") in texts, message
                quoted += 1
    assert quoted > 20, quoted


# --- comparing -----------------------------------------------------------------------------

def words(text):
    """Without figures, their units, and how lines are broken and columns are filled."""
    text = re.sub(r"(?<!\S)\?(?!\S)", "0 ms", text)  # a figure that is not known
    text = re.sub(r"(?<!\S)[+-]+ *(?=\d)", "", text)
    text = re.sub(r"0x[0-9a-f]+|\d[\d,]*(\.\d+)?", "0", text)
    text = re.sub(r"\b0 (ns|us|µs|ms|s|min|h)\b", "0 t", text)
    text = re.sub(r"\b0 (time|thread|process|event|call|run|acquisition)(e?s)?\b", r"0 \1", text)
    return re.sub(r"\s+", " ", re.sub(r"-{2,}", "--", text)).strip()


def differs(shown, real):
    """None where `real` is what is shown, but for what is left out; else what was not found."""
    parts = [words(part) for part in re.split(r"(?m)^%s$" % LEFT_OUT, shown)]
    real, at = words(real), 0
    for index, part in enumerate(parts):
        found = real.find(part, at)
        if index == len(parts) - 1 and part:
            found = len(real) - len(part) if real.endswith(part) and found >= 0 else -1
        if found < 0 or (index == 0 and part and found > 0):
            return part
        at = found + len(part)
    return None


@pytest.mark.parametrize("shown, real, same", [
    ("a 1.5 s b", "a 27 ms  b\n", True), ("a 1 b", "a 1 c b", False), ("a\n…\nd", "a b c d", True),
    ("…\nd", "a b c d", True), ("a\n…", "a b", True), ("b\n…", "a b", False), ("…\nc", "a c d", False),
    ("1 time, 1 process", "3 times, 2 processes", True), ("a\n…\nb", "b a", False),
    ("TID   wait\n----  ----", "TID  wait\n---  ----", True), ("TID  hold", "TID  wait", False),
    ("a", "", False), ("a", "a a", False), ("…\na", "a b a", True)])
def test_the_comparison(shown, real, same):
    assert (differs(shown, real) is None) == same


# --- running -------------------------------------------------------------------------------

class Reader:
    """Somebody who types what a page shows. python3 is the newest one here whose functions have
    names. A command whose output is shown in parts, here and there, is run once."""
    seen = {}

    def __init__(self, folder, port):
        self.folder, self.port = folder, port
        (folder / "home").mkdir()
        (folder / "bin").mkdir()
        (folder / "bin" / "python3").symlink_to(harness.newest(3, 8, symbols=True)[0].path)
        self.env = dict(HOME=str(folder / "home"), PYTHONDONTWRITEBYTECODE="1",
                        PATH="%s:%s:/usr/bin:%s" % (folder / "bin", harness.BUILD, os.environ["PATH"]),
                        PYTHONPATH=str(harness.ROOT / "scripts" / "python"),
                        IPYTHONDIR=str(folder / "ipython"))
        for example in (DOCS / "examples").iterdir():
            shutil.copy(str(example), str(folder))
        for name in TARGETS:
            shutil.copy(harness.target(name), str(folder))
        shutil.copy(str(harness.ROOT / "scripts" / "giltracer.mk"), str(folder))
        self.cells = []

    def read(self, block):
        if block.why or block.language == "text" or (block.long and not os.environ.get("GT_LONG")):
            return
        text = block.text.replace(PORT, self.port)
        getattr(self, block.language)(block, text)

    def run(self, block, *argv):
        process = subprocess.Popen([str(word) for word in argv], cwd=str(self.folder),
                                   env=dict(os.environ, **self.env), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, start_new_session=True)
        try:
            out = process.communicate(timeout=HANGS_S)[0].decode(errors="replace")
        finally:
            end_group(process.pid)
        assert process.returncode == 0, "%s:%d:\n%s" % (block.page, block.line, out)
        return out

    def sh(self, block, text):
        self.run(block, "bash", "-e", "-o", "pipefail", "-c", text)

    def python(self, block, text):
        self.run(block, harness.DEBIAN_PYTHON, "-c", text)

    def makefile(self, _block, text):
        (self.folder / "Makefile").write_text(text + "\n")

    def toml(self, block, text):
        (self.folder / "pyproject.toml").write_text(text)
        out = self.run(block, "giltracer", "--no-output", "-c", "pass")
        assert "pyproject.toml" in out, out
        (self.folder / "pyproject.toml").unlink()

    def ipython(self, _block, text):
        self.cells.append({"cell_type": "code", "metadata": {}, "source": text, "outputs": [],
                           "execution_count": None})

    def finish(self, page):
        if not self.cells:
            return
        notebook = {"cells": self.cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
        (self.folder / "cells.ipynb").write_text(json.dumps(notebook))
        out = self.run(Block(page.name, 0, "ipython", None, None, ""), harness.DEBIAN_PYTHON, "-m",
                       "IPython", "--colors=NoColor", "cells.ipynb")
        magics = sum("%giltracer" in cell["source"] for cell in self.cells)
        assert out.count("Summary of threads") == magics and "Error" not in out, out

    def console(self, block, text):
        typed = []  # [command, what is shown below it]
        for line in text.split("\n"):
            if line.startswith("$ "):
                typed.append([line[2:], ""])
            else:
                typed[-1][1] += line + "\n"
        commands = tuple(command for command, _ in typed)
        if commands not in self.seen:
            self.seen[commands] = self.type(commands)
        results = self.seen.pop(commands)
        for (command, shown), (status, printed) in zip(typed, results):
            where = "%s:%d: %s\n" % (block.page, block.line, command)
            assert status == ("124" if command.startswith("timeout") else "0"), where + printed
            missing = differs(shown, printed) if shown.strip() else None
            assert missing is None, "%snot printed: %s\nbut:\n%s" % (where, missing, printed)
        self.seen[commands] = results  # of a repeat, another run is compared

    def type(self, commands):
        """(status, what it printed) of each, in one shell on one terminal."""
        script = "trap 'kill $(jobs -p) 2>/dev/null' EXIT\n"
        for command in commands:
            script += "%s\nstatus=$?; printf '\\036%%d\\036' $status; (exit $status)\n" % command
        screen = terminal.Terminal(COLUMNS)
        process = screen.start(["bash", "-c", script], self.folder, **self.env)
        try:
            got = screen.finish(process, HANGS_S)
        finally:
            end_group(process.pid)
        printed = [terminal.Shown(0, part.encode()).lines() for part in got.text.split("\036")[:-1]]
        assert len(printed) == 2 * len(commands), got
        return [("".join(status), "\n".join(lines)) for lines, status in
                zip(printed[0::2], printed[1::2])]


def end_group(pid):
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


@pytest.mark.needs_perf
@pytest.mark.timing
@pytest.mark.parametrize("page", WITH_COMMANDS)
def test_what_a_page_says(page, folder):
    reader = Reader(folder, free_port())
    if "python3.13t" in page.read_text():
        (folder / "bin" / "python3.13t").symlink_to(harness.free_threaded().path)
    for block in blocks(page):
        reader.read(block)
    reader.finish(page)
