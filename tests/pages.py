# SPDX-License-Identifier: MIT
"""`scripts/bench page`: pages of real recordings, in Chromium with a cold profile and no network."""
import json
import pathlib
import statistics
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
TARGETS = HERE / "targets"
MS_DRAWN, MS_ANSWER, MS_FRAME, MB_TAB = 500, 100, 33, 400

# How each is recorded.
RECORDINGS = {
    "1 M GIL events": ["--gil-source", "uprobes", TARGETS / "gilloop.py", "520000"],
    "many modules": ["--gil-source", "agent", "-c",
                     "import asyncio, concurrent.futures, email.mime.text, http.server, sqlite3, "
                     "unittest.mock, xml.dom.minidom, json, decimal, fractions\n"
                     "for i in range(3000): json.loads(json.dumps({str(k): [k] * 9 for k in "
                     "range(40)}, indent=1)); str(fractions.Fraction(i, 7) ** 5)"],
    "12 M calls": ["--gil-source", "agent", "--overhead-budget", "0", "--max-log-size", "4G",
                   TARGETS / "shortcalls.py", "12000000"],
}


def page(options, folder, table):
    for name, words in RECORDINGS.items():
        html = folder / "page.html"
        subprocess.run([str(word) for word in (options.build / "giltracer", "-q", "--python",
                                               options.python, "-o", html, *words)],
                       stdout=subprocess.DEVNULL, check=True)
        done = subprocess.run(["node", str(HERE / "browser" / "measure.js"), str(html),
                               str(options.rounds)], stdout=subprocess.PIPE, check=True)
        rounds = json.loads(done.stdout)
        median = {key: statistics.median(each[key] for each in rounds) for key in rounds[0]}
        table.row("page of %s, %.1f MB: first drawing" % (name, html.stat().st_size / 1e6),
                  "%.0f ms" % median["drawn"], "<= %d ms" % MS_DRAWN, median["drawn"] <= MS_DRAWN)
        table.row("  its overview is the finished page's", "%d of %d" % (
            sum(each["same"] for each in rounds), len(rounds)), "all",
            all(each["same"] for each in rounds))
        table.row("  answer to a key pressed then", "%.0f ms" % median["answer"],
                  "<= %d ms" % MS_ANSWER, median["answer"] <= MS_ANSWER)
        table.row("  95th percentile of frames, first 5 s", "%.1f ms" % median["frames"],
                  "<= %d ms" % MS_FRAME, median["frames"] <= MS_FRAME)
        memory = max(each["memory"] for each in rounds)
        table.row("  the tab's memory", "%.0f MB" % (memory / 1e6), "<= %d MB" % MB_TAB,
                  memory <= MB_TAB * 1e6)
        table.row("  decoded after", "%.2f s" % (median["ready"] / 1e3))
