# SPDX-License-Identifier: MIT
"""%giltracer and %%giltracer, in a real kernel and in plain IPython."""
import html
import os
import re
import subprocess
import threading

import harness
import pytest
from attaching import is_recorded, record
from notebooks import HOLDING, environment, execute, lacking

CELLS = {
    "load": "%load_ext giltracer",
    "define": HOLDING,
    "cell": "%%giltracer --height 321 --state-detect\nanswer = work()\nanswer + 1",
    "later": "answer",
    "raises": "%%giltracer --height 0\nwork(1)\n1 / 0\n",
    "statement": "%giltracer other = work(1); text = '{answer} $answer'",
    "other": "other, text",
    "inside": "%%giltracer --height 0\nos.mkdir('inner')\nos.chdir('inner')\n%time here = 5\nprint('said', here)",
    "option": "%%giltracer --no-such\nran = 1",
    "height": "%%giltracer --height tall\nran = 1",
    "awaits": "%%giltracer\nimport asyncio\nawait asyncio.sleep(0)",
    "empty": "%giltracer",
    "nested": "%%giltracer\n%giltracer 1",
    "after": "'ran' in globals()",
}


def why_no_kernel():
    return lacking() or None


@pytest.fixture(scope="module")
def notebook(tmp_path_factory):
    """(folder, outputs by cell) of the executed notebook. Kept as executed.ipynb."""
    harness.require(harness.why_no_perf())
    harness.require(why_no_kernel())
    import nbformat

    folder = tmp_path_factory.mktemp("notebook")
    made = execute(CELLS.values(), folder, harness.GILTRACER)
    nbformat.write(made, str(folder / "executed.ipynb"))
    return folder, {name: cell["outputs"] for name, cell in zip(CELLS, made["cells"])}


def shown(outputs):
    """The one display that a recording makes."""
    found = [one["data"] for one in outputs if one["output_type"] == "display_data"]
    assert len(found) == 1, outputs
    return found[0]


def error_of(outputs):
    errors = [one for one in outputs if one["output_type"] == "error"]
    assert len(errors) <= 1, outputs
    return errors[0] if errors else None


def said(outputs):
    """A refusal is a line on stderr."""
    return "".join(one["text"] for one in outputs if one["output_type"] == "stream")


@pytest.mark.needs_perf
def test_a_cell(notebook):
    folder, outputs = notebook
    assert error_of(outputs["cell"]) is None, outputs["cell"]
    data = shown(outputs["cell"])
    assert "Summary of threads" in data["text/plain"] and "waiter" in data["text/plain"]
    page = data["text/html"]
    assert "<td>waiter</td>" in page and "GIL-bound" in page and "<progress>" not in page
    path = re.search(r'href="(giltracer-results/[^"]+\.html)"', page).group(1)
    kept = (folder / path).read_text()
    frame = re.search(r'<iframe srcdoc="([^"]*)" width="100%" height="321"', page).group(1)
    assert html.unescape(frame) == kept
    results = [one["data"]["text/plain"] for one in outputs["cell"]
               if one["output_type"] == "execute_result"]
    assert results == ["43"], outputs["cell"]
    assert outputs["later"][0]["data"]["text/plain"] == "42"


@pytest.mark.needs_perf
def test_an_exception_is_shown_as_ever_and_gives_a_report(notebook):
    _, outputs = notebook
    error = error_of(outputs["raises"])
    assert error["ename"] == "ZeroDivisionError"
    text = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(error["traceback"]))
    assert re.search(r"> 3 1 / 0", text), text  # the line as the cell has it
    assert "_notebook.py" not in text and "run_cell_magic" not in text, text
    page = shown(outputs["raises"])["text/html"]
    assert "<td>waiter</td>" in page and "<iframe" not in page and "href=" in page


@pytest.mark.needs_perf
def test_a_statement(notebook):
    _, outputs = notebook
    assert "<iframe" in shown(outputs["statement"])["text/html"]
    assert outputs["other"][0]["data"]["text/plain"] == "(42, '{answer} $answer')"


@pytest.mark.needs_perf
def test_magics_inside_and_a_folder_that_changes(notebook):
    _, outputs = notebook
    assert error_of(outputs["inside"]) is None, outputs["inside"]
    assert "said 5" in said(outputs["inside"])
    assert "Summary of threads" in shown(outputs["inside"])["text/plain"]


@pytest.mark.needs_perf
@pytest.mark.parametrize("cell, part", [
    ("option", "unknown option --no-such"), ("height", "--height takes pixels"),
    ("awaits", "with giltracer.trace()"), ("empty", "nothing to run"),
    ("nested", "recorded already")])
def test_refusals(notebook, cell, part):
    _, outputs = notebook
    told = said(outputs[cell]) + "\n".join((error_of(outputs[cell]) or {}).get("traceback", []))
    assert part in told, outputs[cell]
    assert outputs["after"][0]["data"]["text/plain"] == "False"  # refused before the code ran


@pytest.mark.needs_perf
def test_plain_ipython(folder):
    harness.require(why_no_kernel())
    (folder / "plain.ipy").write_text("%load_ext giltracer\n" + HOLDING +
                                      "%giltracer answer = work()\nprint('got', answer, flush=True)\n"
                                      "os._exit(0)\n")
    done = subprocess.run([harness.DEBIAN_PYTHON, "-m", "IPython", "--colors=NoColor", "plain.ipy"],
                          cwd=str(folder), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env=dict(environment(harness.GILTRACER), IPYTHONDIR=str(folder / "ipython")), timeout=60)
    text = done.stdout.decode()
    assert done.returncode == 0 and "got 42" in text, text
    assert "Summary of threads" in text and "waiter" in text and "</" not in text, text
    path = re.search(r"The whole report: (giltracer-results/\S+)", text).group(1)
    assert (folder / path).exists()


@pytest.mark.timing
def test_a_kernel_that_runs_already(folder):
    """From outside, by its pid, while it executes a cell: functions have the cell's name, and the
    kernel answers as before."""
    harness.require(why_no_kernel())
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel(kernel_name="python3", cwd=str(folder))
    try:
        reply = client.execute_interactive(HOLDING + "pid = os.getpid()\n", store_history=True,
                                           timeout=30)
        assert reply["content"]["status"] == "ok", reply
        replies = []
        pid = manager.provisioner.pid
        busy = threading.Thread(target=lambda: replies.append(client.execute_interactive(
            "answer = work(20)", store_history=True, timeout=60)))
        busy.start()
        traced = record(pid, folder, "--gil-source", "agent", "--duration", "1s")
        busy.join()
        after = client.execute_interactive("assert answer == 42", timeout=30)
        assert [one["content"]["status"] for one in replies + [after]] == ["ok", "ok"], replies
        assert not is_recorded(pid)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    first = traced.summary["blockers"][0]
    assert (first["function"], first["file"], first["line"]) == ("work", "Cell [1]", 7), first
    waiter = harness.row_named(traced.gil(), "waiter")
    assert waiter["wait_ns"] > 0.5e9, harness.describe(traced.summary)
