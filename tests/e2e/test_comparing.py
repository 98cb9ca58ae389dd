# SPDX-License-Identifier: MIT
"""Two reports compared: perf2trace --baseline before.json after.json -o diff.html."""
import gzip
import json
import re

import harness
import pytest
from harness import PERF2TRACE, giltracer, one_line_error, target


def compared(before, after, folder, *words):
    return harness.Run([PERF2TRACE, "--baseline", before, after, *words], folder).finish()


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """Of two runs each: a C function that keeps the GIL for half a second in all, and one that
    releases it."""
    folder = tmp_path_factory.mktemp("reports")
    for kind in ("hold", "release"):
        run = giltracer(["--gil-source", "agent", "-q", "--repeat", "2", "-o",
                         folder / (kind + ".json"), "--summary", folder / (kind + ".summary"),
                         "-o", folder / (kind + ".html"),
                         target("culprits"), kind], folder)
        assert run.status == 0, run
    return folder


def lists_of(text):
    """Title → lines."""
    found, title = {}, None
    for line in text.splitlines():
        if line.endswith(":") and not line.startswith(" "):
            title = line[:-1]
            found[title] = []
        elif line.startswith("  ") and title:
            found[title].append(line.strip())
    return found


def test_what_changed_is_told(reports, folder):
    run = compared(reports / "hold.json", reports / "release.json", folder, "-o", "diff.html")
    assert run.status == 0 and "wrote diff.html" in run.err, run
    assert run.err.startswith("Threads waited for the GIL less: "), run
    lists = lists_of(run.err)
    changed = "\n".join(lists["What changed"])
    assert re.search(r"^wanter waited for the GIL: \d\d.*less", changed, re.M), run
    assert re.search(r"^hold was waited for: \d+\.\d ms before", changed, re.M), run
    assert any("commands differ" in line for line in lists["To be borne in mind"]), run
    page = (folder / "diff.html").read_text()
    for section in ("verdict", "timelines", "flames", "threads", "functions", "runs"):
        assert '<section id="%s">' % section in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")


def test_a_report_does_not_differ_from_itself(reports, folder):
    run = compared(reports / "hold.json", reports / "hold.json", folder)
    assert run.status == 0, run
    assert lists_of(run.err)["What changed"] == ["nothing"], run
    assert len(lists_of(run.err)["What did not change, or within the noise"]) > 3, run
    page = (folder / "giltracer-diff.html").read_text()
    assert 'class="grown-' not in page.split("A box is a function")[0].split("<section", 3)[3]


def test_summaries_and_gzip_are_read(reports, folder):
    (folder / "after.json.gz").write_bytes(gzip.compress((reports / "release.summary").read_bytes()))
    run = compared(reports / "hold.summary", "after.json.gz", folder, "-q", "-o", "diff.html")
    assert run.status == 0 and not run.err, run
    assert "not summaries" in (folder / "diff.html").read_text()


def test_pages_are_read(reports, folder):
    """As their summaries, whatever they hold beside."""
    told = {}
    for kind in ("summary", "html"):
        run = compared(reports / ("hold." + kind), reports / ("release." + kind), folder)
        assert run.status == 0, run
        told[kind] = lists_of(run.err)
    assert told["html"] == told["summary"] and told["html"]["What changed"], told
    (folder / "no.html").write_text("<!DOCTYPE html>\n<html>id=\"summary-data\"> </html>")
    run = compared("no.html", reports / "hold.html", folder, "-o", "no-diff.html")
    assert "no.html" in one_line_error(run, 125) and not (folder / "no-diff.html").exists()


def test_single_runs_do_not_claim_a_change(reports, folder):
    for kind in ("hold", "release"):
        document = json.loads((reports / (kind + ".json")).read_text())
        document["giltracer"]["metrics"]["runs"] = 1
        (folder / (kind + ".json")).write_text(json.dumps(document))
    run = compared("hold.json", "release.json", folder, "-o", "diff.html")
    assert "What changed" not in run.err and "noise is not known" in run.err, run


def test_a_report_that_is_there_is_kept(reports, folder):
    giltracer(["--gil-source", "agent", "-q", "-o", "x.html", "-c", "pass"], folder)
    report = (folder / "x.html").read_bytes()
    for _ in range(2):
        run = compared(reports / "hold.json", reports / "release.json", folder, "-o", "x.html")
        assert run.status == 0, run
    assert (folder / "x.html.old").read_bytes() == report


@pytest.mark.parametrize("words, word", [
    (["{}/hold.json", "{}/release.json", "-o", "x.json"], "end in .html"),
    (["nowhere.json", "{}/hold.json"], "cannot open nowhere.json"),
    (["{}/hold.json", "nowhere.json"], "nowhere.json"),
    (["perf.data", "{}/hold.json"], "perf.data is not JSON"),
    (["{}/hold.json", "other.json"], "other.json is not a report"),
    (["{}/hold.json", "{}/release.json", "--native", "x"], "options on recordings"),
])
def test_what_cannot_be_compared(words, word, reports, folder):
    (folder / "perf.data").write_bytes(b"PERFILE2" + bytes(100))
    (folder / "other.json").write_text('{"a": [1]}')
    run = harness.Run([PERF2TRACE, "--baseline", *(each.format(reports) for each in words)],
                      folder).finish()
    assert word in one_line_error(run, 125)
    assert not list(folder.glob("*.html")) and not list(folder.glob("*.tmp"))
