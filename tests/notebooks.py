# SPDX-License-Identifier: MIT
"""Notebooks, executed by a real kernel. `notebooks.py FOLDER` makes FOLDER/notebook.html of one, with
its outputs as they are: as in JupyterLab, their HTML stands in the page itself."""
import html
import importlib.util
import os
import pathlib
import sys

PACKAGE = pathlib.Path(__file__).resolve().parent.parent / "scripts" / "python"

HOLDING = """
import ctypes, os, threading, time
libc = ctypes.PyDLL(None)
def waiter():
    libc.prctl(15, b"waiter", 0, 0, 0)
    while True:
        time.sleep(0.001)
def work(times=3):
    for _ in range(times):
        libc.usleep(100000)
        time.sleep(0.01)
    return 6 * 7
threading.Thread(target=waiter, daemon=True).start()
"""

SHOWN = ["%load_ext giltracer", HOLDING, "%%giltracer --height 500\nwork()"]


def lacking():
    """What there is no kernel without; "" where all is there."""
    names = [name for name in ("ipykernel", "nbclient", "nbformat")
             if importlib.util.find_spec(name) is None]
    return "%s: not installed for %s" % (", ".join(names), sys.executable) if names else ""


def environment(giltracer):
    return dict(os.environ, PYTHONPATH=str(PACKAGE), GILTRACER=str(giltracer),
                PYTHONDONTWRITEBYTECODE="1")


def execute(cells, folder, giltracer):
    """The executed notebook, also where cells raise."""
    import nbformat
    from nbclient import NotebookClient

    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in cells])
    old = dict(os.environ)
    os.environ.update(environment(giltracer))
    try:
        NotebookClient(made, timeout=60, kernel_name="python3", allow_errors=True,
                       resources={"metadata": {"path": str(folder)}}).execute()
    finally:
        os.environ.clear()
        os.environ.update(old)
    return made


def shown(output):
    """An output's best form."""
    data = output.get("data", {})
    text = data.get("text/plain") or output.get("text") or "\n".join(output.get("traceback", []))
    return data.get("text/html") or "<pre>%s</pre>" % html.escape(text)


def page(made):
    cells = ["<pre class=source>%s</pre>%s" % (
        html.escape(cell["source"]),
        "".join("<div class=output>%s</div>" % shown(one) for one in cell["outputs"]))
        for cell in made["cells"]]
    return ("<!doctype html><html lang=en><meta charset=utf-8><title>A notebook</title>"
            "<style>body { font-family: sans-serif; margin: 1em 4em }"
            ".source { background: #f5f5f5; border: 1px solid #ddd; padding: 0.5em }</style>"
            "<body>%s</body></html>\n" % "\n".join(cells))


if __name__ == "__main__":
    if lacking():
        sys.exit(lacking())
    folder = pathlib.Path(sys.argv[1])
    (folder / "notebook.html").write_text(
        page(execute(SHOWN, folder, os.environ["GILTRACER"])), encoding="utf-8")
