# SPDX-License-Identifier: MIT
"""Whether every mark and sentence of a report is true of what the program's log says."""
import re

from truth import plan
from truth.log import KEEP, MS

TRUE_NS = 100 * MS  # after requests: from here on, a culprit must be marked
KEEPS = re.compile(r"^(.*?) (?:kept the GIL|slept with the GIL|does not release)")
GIVES_WAY = re.compile(r"gives? the GIL up when asked")
TOLD = re.compile(r"At least one of them waited during ([0-9.]+)% of the run")
INTERVAL = 0.02  # of a deadline
THROTTLED = 90 * MS  # once, by a quota of 20%: at most so long is not seen of a wait that it delays


class Checker:
    """One run: `complaints` are (kind, words): false-mark, false-sentence, missed, wrong."""

    def __init__(self, entry, summary, printed, log):
        self.entry, self.summary, self.printed, self.log = entry, summary, printed, log
        self.functions, self.threads = plan.allowed(entry.program)
        self.labels = self.keepers()
        self.complaints = []
        self.hole = entry.condition == "hole"
        self.beat = log.beat()
        self.sentences = list(summary["findings"])
        self.sentences += [row["sentence"] for row in summary["blockers"]
                           if row.get("sentence") and row["sentence"] not in summary["findings"]]
        self.culprit = log.kept_ns() >= TRUE_NS
        self.marked = [row for row in summary["blockers"] if row["kept_cause"]]

    def complain(self, kind, words, *values):
        self.complaints.append((kind, words % values))

    def keepers(self):
        """What the report calls the threads that kept it: not all sources know their names."""
        if self.entry.program not in plan.CULPRITS:
            return set()
        tids = {record.tid for record in self.log.of(KEEP)}
        labels = {row["label"] for row in self.summary["threads"] if row["tid"] in tids}
        return labels | {"%s (%d)" % (label, tid) for label in labels for tid in tids}

    def is_allowed(self, row):
        if row["kind"] == "native":
            return row["function"] in self.labels
        return bool(self.functions.fullmatch(row["function"]))

    def name_allowed(self, name):
        return name in self.labels or bool(self.functions.fullmatch(name))

    def all(self):
        for check in (self.marks, self.missed, self.sentences_name, self.no_wait, self.bound,
                      self.waiting, self.figures, self.what_if, self.interval, self.cost,
                      self.table, self.deadlock, self.machine,
                      self.holder, self.told_interval):
            check()
        return self.complaints

    def marks(self):
        for row in self.marked:
            if not self.is_allowed(row):
                self.complain("false-mark", "%s is marked %s: kept %d times, %.1f ms, longest %.1f ms%s",
                              row["function"], row["kept_cause"], row["kept"],
                              row["kept_ns"] / MS, row["longest_kept_ns"] / MS, parts(row))

    def unknown_share(self):
        """What is unknown of the lives of the threads that matter, at most."""
        tids = {record.tid for record in self.log.of(KEEP)} | {self.beat[0] if self.beat else 0}
        rows = [row for gil in self.summary["gils"] for row in gil["threads"]
                if row["tid"] in tids]
        return max((row["unknown_ns"] / max(row["lifetime_ns"], 1) for row in rows), default=1)

    def missed(self):
        if not self.culprit or any(self.is_allowed(row) for row in self.marked):
            return
        if self.hole and self.unknown_share() > 0.05:
            return
        rows = [row for row in self.summary["blockers"] if self.is_allowed(row)]
        self.complain("missed", "kept it %.0f ms after requests (%d times), no mark; rows: %s",
                      self.log.kept_ns() / MS, len(self.log.kept),
                      "; ".join("%s waiting %.0f ms kept %d, %.0f ms%s" % (
                          row["function"], row["waiting_ns"] / MS, row["kept"],
                          row["kept_ns"] / MS, parts(row)) for row in rows[:3]) or "none")

    def sentences_name(self):
        """Who is said to keep it, or to give it up when asked."""
        for sentence in self.sentences:
            found = KEEPS.match(sentence)
            if found and not self.name_allowed(found.group(1)):
                self.complain("false-sentence", "%s", sentence)
        if not self.culprit:
            return
        # Of other work of the same function it may be true: of what was waited for most it is not.
        rows = [row for row in self.summary["blockers"] if self.is_allowed(row)]
        top = max(rows, key=lambda row: row["waiting_ns"], default=None)
        if top and GIVES_WAY.search(top["sentence"] or "") and \
                top["waiting_ns"] > 0.5 * self.log.kept_ns():
            self.complain("false-sentence", "of a culprit: %s", top["sentence"])

    def no_wait(self):
        longest = self.log.longest_wait()
        for sentence in self.sentences:
            if "No thread ever waited" in sentence and longest > 2 * MS:
                self.complain("false-sentence", "%s One waited %.1f ms.", sentence, longest / MS)

    def bound(self):
        """At least one thread waited during so much of the run: the beat alone did already."""
        gils = [gil for gil in self.summary["gils"] if gil["pid"] == self.log.pid]
        if not self.beat or len(gils) != 1:
            return
        life = max(gils[0]["end_ns"] - gils[0]["start_ns"], 1)
        unknown = max((row["unknown_ns"] for row in gils[0]["threads"]), default=0)
        if self.entry.condition == "quota20" and \
                any("just before the wait began" in sentence for sentence in self.sentences):
            unknown += THROTTLED
        share = 100.0 * (0.95 * self.beat[3] - unknown) / life
        for sentence in self.sentences:
            found = TOLD.search(sentence)
            if found and "(pid %d)" % self.log.pid in sentence and \
                    float(found.group(1)) < share - 2:
                self.complain("false-sentence", "true: at least %.1f%%. %s", share, sentence)
            if sentence.startswith("Not GIL-bound") and share > 12:
                self.complain("false-sentence", "true: at least %.1f%%. %s", share, sentence)

    def waiting(self):
        """How long the thread waited whose waits are all known."""
        if not self.beat:
            return
        tid, window, most, least = self.beat
        rows = [row for gil in self.summary["gils"] for row in gil["threads"]
                if row["tid"] == tid and gil["pid"] == self.log.pid]
        if len(rows) != 1:
            if least > 50 * MS and not self.hole:
                self.complain("wrong", "thread beat has %d rows", len(rows))
            return
        row = rows[0]
        outside = max(0, row["lifetime_ns"] - window)
        # The futex source finds out when a wait has ended by what the thread does next.
        more = 1.05 if self.entry.source == "futex" else 1.01
        if row["wait_ns"] > more * most + outside + 2 * MS:
            self.complain("wrong", "beat waited at most %.1f ms, said: %.1f",
                          (most + outside) / MS, row["wait_ns"] / MS)
        # Who has the mutex of the GIL may lose its CPU: a wait for that is not seen.
        slack = {"calm": 5 * MS, "quota20": 170 * MS}.get(self.entry.condition, 40 * MS)
        if row["wait_ns"] + row["unknown_ns"] < 0.95 * least - slack:
            self.complain("wrong", "beat waited at least %.1f ms, said: %.1f and %.1f unknown",
                          least / MS, row["wait_ns"] / MS, row["unknown_ns"] / MS)

    def figures(self):
        """What is said of the culprit after the request, against what its log allows."""
        whole = sum(one.whole_wall for one in self.log.kept)
        ready = None
        if all(one.whole_ready is not None for one in self.log.kept):
            ready = sum(one.whole_ready for one in self.log.kept)
        for row in self.marked:
            if not self.is_allowed(row) or row.get("kept_known") is False or not self.log.kept:
                continue
            slack = 20 * MS + 0.05 * whole  # the same function may do a little before and after
            if row["kept_ns"] > whole + slack:
                self.complain("wrong", "%s kept it %.0f ms at most, said: %.0f", row["function"],
                              whole / MS, row["kept_ns"] / MS)
            if ready is not None and row.get("kept_ready_ns", 0) > ready + slack:
                self.complain("wrong", "%s had no CPU for %.0f ms at most, said: %.0f",
                              row["function"], ready / MS, row["kept_ready_ns"] / MS)
            asleep = row.get("kept_asleep_ns")
            sleeper = self.entry.program in plan.SLEEPERS
            if asleep is not None and row.get("kept_known") and not sleeper and asleep > slack:
                self.complain("wrong", "%s never slept, said: %.0f ms", row["function"],
                              asleep / MS)
            if sleeper and row.get("kept_known") and asleep is not None and \
                    asleep < 0.5 * (row["kept_ns"] - row.get("kept_ready_ns", 0)) - slack:
                self.complain("wrong", "%s slept all the time, said: %.0f of %.0f ms",
                              row["function"], asleep / MS, row["kept_ns"] / MS)

    def what_if(self):
        for estimate in self.summary["potential"]["estimates"]:
            name = estimate.get("function")
            if estimate["if"] == "function" and not self.name_allowed(name or ""):
                self.complain("false-mark", "what-if: %s", estimate.get("sentence") or name)
            if estimate["if"] == "functions" and not plan.CULPRITS.get(self.entry.program):
                self.complain("false-mark", "what-if: %s", estimate.get("sentence"))
            if estimate["if"] == "no-gil" and estimate["wall_ns"] is not None and \
                    self.ready_holding() > 0.26 * self.summary["potential"]["recorded_ns"]:
                self.complain("promise", "%s, where threads with the GIL had no CPU for %.0f ms",
                              estimate.get("sentence"), self.ready_holding() / MS)
        if self.entry.program in plan.MAY_GAIN:
            return
        # One thread does all the work, or a clock says when it is done: nothing to gain.
        recorded = self.summary["potential"]["recorded_ns"]
        for estimate in self.summary["potential"]["estimates"]:
            wall = estimate["wall_ns"]  # null: withheld
            # Of a crowd that wakes up at once each thread waits for those before it.
            if estimate["if"] == "no-gil" and self.entry.condition == "crowd":
                continue
            if estimate["if"] != "recorded" and wall is not None and wall < 0.9 * recorded:
                self.complain("promise", "%.0f ms instead of %.0f: %s", wall / MS,
                              recorded / MS, estimate.get("sentence") or estimate["if"])

    def ready_holding(self):
        return sum(row.get("ready_holding_ns") or 0 for gil in self.summary["gils"]
                   for row in gil["threads"])

    def holder(self):
        """One thread kept the GIL, and one waited. A quota may stop another while it has the GIL:
        then most of the waiting need not be for the one that keeps it."""
        kept = sum(one.wall for one in self.log.kept)
        if not self.culprit or self.hole or self.entry.condition == "crowd" or \
                self.beat[3] < 100 * MS or kept < 0.6 * self.beat[3]:
            return
        for sentence in self.sentences:
            name, found, _ = sentence.partition(" held the GIL for ")
            if found and not any(sentence.startswith(label) for label in self.labels):
                self.complain("false-sentence", "not the keeper: %s", sentence)

    def told_interval(self):
        """Who set the switch interval, and to what."""
        for sentence in self.sentences:
            found = re.search(r"sys\.setswitchinterval\(([0-9.e-]+)\)", sentence)
            if found and "this program set" in sentence and (
                    not self.entry.interval or
                    abs(float(found.group(1)) - self.entry.interval) > 0.02 * self.entry.interval):
                self.complain("false-sentence", "%s", sentence)

    def interval(self):
        true_ns = self.log.interval_ns
        for gil, load in zip(self.summary["gils"], self.summary["load"]):
            if gil["pid"] != self.log.pid or load.get("switch_interval_source") != "deadlines":
                continue
            # The default may have held for the start, before the program set its own.
            if abs(load["switch_interval_ns"] - true_ns) > INTERVAL * true_ns:
                self.complain("wrong", "the switch interval is %.2f ms, said: %.3f", true_ns / MS,
                              load["switch_interval_ns"] / MS)

    def cost(self):
        """Recording cannot have cost more than all that the program used and waited, for the GIL or,
        where CPUs were shared, for a CPU."""
        total = self.summary["cost"]["total_ns"]
        waits = sum(gil["wait_ns"] for gil in self.summary["gils"])
        ready = self.summary["machine"]["ready_ns"] or 0
        if total is not None and self.log.cpu_ns and total > 1.1 * self.log.cpu_ns + waits + ready:
            self.complain("false-sentence", "cost %.0f ms of %.0f ms CPU, %.0f ms of waiting and %.0f ms "
                          "without a CPU", total / MS, self.log.cpu_ns / MS, waits / MS, ready / MS)

    def table(self):
        """The terminal says what the summary says."""
        printed = len(re.findall(r"(?m)  does not release", self.printed))
        if printed > len(self.marked):
            self.complain("wrong", "%d marks printed, %d in the summary", printed,
                          len(self.marked))

    def deadlock(self):
        for sentence in self.sentences:
            if "deadlock" in sentence:
                self.complain("false-sentence", "%s", sentence)
            if re.search(r"sets? the profile hook|sys\.setprofile", sentence):
                self.complain("false-sentence", "%s", sentence)


    def machine(self):
        """The quota that there was, and no other."""
        machine = self.summary["machine"]
        for sentence in self.sentences:
            if "throttled" in sentence and not self.entry.condition.startswith("quota"):
                self.complain("false-sentence", "%s", sentence)
        quotas = machine["quotas"] or []
        if not self.entry.condition.startswith("quota"):
            if quotas:
                self.complain("wrong", "there was no quota, said: %s", quotas)
            return
        cpus = int(self.entry.condition[len("quota"):]) / 100
        if [round(one["quota_cpus"], 3) for one in quotas] != [cpus] or \
                machine["cgroup_version"] != 1 + self.entry.version2:
            self.complain("wrong", "a quota of %.1f CPUs, said: %s (version %s)", cpus, quotas,
                          machine["cgroup_version"])
        elif machine["usable_cpus"] > cpus + 0.001:
            self.complain("wrong", "at most %.1f CPUs can be used, said: %s", cpus,
                          machine["usable_cpus"])


def parts(row):
    """Of a blocker: what its thread did after the request, where the report knows."""
    names = ("cpu", "ready", "asleep", "stopped", "paging")
    known = [(name, row.get("kept_%s_ns" % name)) for name in names]
    text = ", ".join("%s %.1f" % (name, ns / MS) for name, ns in known if ns)
    return " (%s)" % text if text else ""
