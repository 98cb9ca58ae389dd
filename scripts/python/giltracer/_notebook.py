# SPDX-License-Identifier: MIT
"""%%giltracer and %giltracer, in notebooks and plain IPython: `%load_ext giltracer`."""
import ast
import html
import inspect
import os
import re
import shlex
import time

from IPython.core.error import UsageError
from IPython.core.magic import (Magics, line_cell_magic, magics_class, needs_local_scope,
                                no_var_expand)
from IPython.display import display

from giltracer import _trace
from giltracer._session import TraceError

FOLDER = "giltracer-results"
DEFAULT_HEIGHT = 600  # of the frame, in CSS pixels
# A notebook holds each frame's whole text: a larger page is only linked to.
FRAME_BYTES = 8 << 20


def _parse(line):
    """(height, giltracer's words) of the line of %%giltracer."""
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise UsageError("%%%%giltracer: %s" % error)
    height, rest = DEFAULT_HEIGHT, []
    while words:
        word = words.pop(0)
        if word.split("=")[0] != "--height":
            rest.append(word)
            continue
        value = word[len("--height="):] if "=" in word else words.pop(0) if words else ""
        if not value.isdigit() or not 0 <= int(value) <= 10000:
            raise UsageError("%%giltracer: --height takes pixels, 0 (no frame) to 10000, not "
                             + repr(value))
        height = int(value)
    return height, rest


def _name_of(shell, source):
    """Have tracebacks show this source as the cell's."""
    try:
        return shell.compile.cache(source, shell.execution_count, raw_code=source)
    except TypeError:  # before IPython 7.22
        return shell.compile.cache(source, shell.execution_count)


def _compile(shell, text, first_line):
    """Code objects, to be executed in turn. Of the cell's last statement, an expression is shown
    as ever."""
    # Transforming takes empty lines away, and lines shall have the cell's numbers.
    first_line += len(text) - len(text.lstrip("\n"))
    source = "\n" * first_line + shell.transform_cell(text)
    name = _name_of(shell, source)
    tree = shell.transform_ast(shell.compile.ast_parse(source, filename=name))
    last = tree.body[-1:] if tree.body and isinstance(tree.body[-1], ast.Expr) else []
    codes = []
    try:
        if last:
            codes.append(shell.compile(ast.Interactive(last), name, "single"))
            del tree.body[-1]
        codes.insert(0, shell.compile(tree, name, "exec"))
        awaits = any(code.co_flags & inspect.CO_COROUTINE for code in codes)
    except SyntaxError as error:
        if not re.search("await|async", str(error)):
            raise
        awaits = True
    if awaits:
        raise UsageError("giltracer: a cell that awaits runs in the notebook's own loop: use "
                         "`with giltracer.trace() as report:` in it")
    return codes


class _Shown:
    """What the user sees of one recording: first that it runs, then what it found."""

    def __init__(self, shell, height):
        self._in_notebook = hasattr(shell, "kernel")
        self._height = height
        self._handle = None

    def begin(self):
        text = "giltracer: recording since " + time.strftime("%H:%M:%S")
        if self._in_notebook:
            self._handle = display({"text/plain": text,
                                    "text/html": "<progress></progress> " + text},
                                   raw=True, display_id=True)
        else:
            print(text, flush=True)

    def tell(self, text, page=None):
        if self._handle is None:
            print(text, flush=True)
            return
        self._handle.update({"text/plain": text,
                             "text/html": page or "<pre>%s</pre>" % html.escape(text)}, raw=True)

    def report(self, report, path, absolute):
        text = "%s\n\nThe whole report: %s" % (report, path)
        self.tell(text, report._repr_html_() + self._page(path, absolute))

    def _page(self, path, absolute):
        """The page as a link, and in a frame. The frame's document is in the notebook itself, so
        that it is shown wherever the notebook is opened; it can run its scripts, and no more."""
        link = '<p><a href="%s" target="_blank">%s</a></p>' % ((html.escape(path),) * 2)
        if self._height == 0:
            return link
        with open(absolute, encoding="utf-8") as stream:
            page = stream.read(FRAME_BYTES + 1)
        if len(page) > FRAME_BYTES:
            return link + "<p>It is too large to be shown here.</p>"
        return ('%s<iframe srcdoc="%s" width="100%%" height="%d" style="border: 0" '
                'sandbox="allow-scripts allow-downloads"></iframe>'
                % (link, html.escape(page), self._height))


def _result_path(shell):
    """A name that no other cell has had."""
    try:
        os.makedirs(FOLDER, exist_ok=True)
    except OSError as error:
        raise UsageError("giltracer: cannot make the folder %s: %s" % (FOLDER, error.strerror))
    stem = "%s/cell-%d-%s" % (FOLDER, shell.execution_count, time.strftime("%Y%m%d-%H%M%S"))
    path, number = stem + ".html", 1
    while os.path.lexists(path):
        number += 1
        path = "%s-%d.html" % (stem, number)
    return path


def _end(report, shown, path, absolute):
    """However the cell ended, its own exception is what the user sees of it."""
    try:
        if not report._ending:  # the cell has not called stop()
            _trace._end(report)
        shown.report(report, path, absolute)
    except (TraceError, OSError) as error:
        shown.tell("giltracer: no report: %s" % error)


def _show_only_the_code(shell, error):
    """Of the traceback, leave out how the code came to run."""
    frames = error.__traceback__.tb_next  # the first is _run's
    try:
        error._render_traceback_ = lambda: shell.InteractiveTB.structured_traceback(
            type(error), error, frames, tb_offset=0)
    except Exception:  # a class may refuse
        pass


def _run(shell, codes, local):
    namespace = shell.user_ns
    try:
        for code in codes:
            if local is None or local is namespace:
                exec(code, namespace)
            else:
                exec(code, namespace, local)
    except Exception as error:
        _show_only_the_code(shell, error)
        raise


@magics_class
class GiltracerMagics(Magics):
    @no_var_expand
    @needs_local_scope
    @line_cell_magic
    def giltracer(self, line, cell=None, local_ns=None):
        """Run code, and show who held the GIL and who waited for it.

        %giltracer STATEMENT
        %%giltracer [--height PIXELS] [OPTIONS OF giltracer]

        The code runs as ever. The report's page is kept in the folder giltracer-results, and shown
        in a frame of that height (default 600; 0: only linked to).
        """
        shell = self.shell
        height, words = (DEFAULT_HEIGHT, []) if cell is None else _parse(line)
        code = line if cell is None else cell
        if not code.strip():
            raise UsageError("giltracer: there is nothing to run: %giltracer STATEMENT, or "
                             "%%giltracer above a cell")
        codes = _compile(shell, code, 0 if cell is None else 1)
        path = _result_path(shell)
        # A cell may change the folder.
        absolute = os.path.abspath(path)
        words.append("--output=" + absolute.replace("%", "%%"))
        shown = _Shown(shell, height)
        shown.begin()
        try:
            report = _trace._begin(words, (path,))
        except TraceError as error:
            shown.tell("")
            raise UsageError("giltracer: the code was not run: %s" % error)
        try:
            _run(shell, codes, local_ns)
        finally:
            _end(report, shown, path, absolute)


def load(shell):
    shell.register_magics(GiltracerMagics)
