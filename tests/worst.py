# SPDX-License-Identifier: MIT
"""When a GIL was waited for most, and while anybody wanted it, computed a second time.

From the spans of a report's trace, by the rules of lib/analysis/worst.h and contended.h, plainly:
sums over all spans for whatever is looked at.
"""
import bisect
import collections

LENGTHS_NS = [10**8, 10**9, 2 * 10**9, 10**10, 6 * 10**10]
MOST_SPANS = 20000  # beyond, a test would take too long

Span = collections.namedtuple("Span", "start end tid")


class Sums:
    """How much of some spans lies before a time: what began before it, less what ended before."""

    def __init__(self, spans):
        self.starts, self.ends = sorted(s.start for s in spans), sorted(s.end for s in spans)
        self.before = [self.running(self.starts), self.running(self.ends)]

    @staticmethod
    def running(times):
        sums = [0]
        for time in times:
            sums.append(sums[-1] + time)
        return sums

    def until(self, time):
        total = 0
        for times, sums, sign in ((self.starts, self.before[0], 1), (self.ends, self.before[1], -1)):
            count = bisect.bisect_left(times, time)
            total += sign * (count * time - sums[count])
        return total

    def within(self, start, end):
        return self.until(end) - self.until(start)

    def worst(self, start, end, length):
        """(how much, when) of the first window with the most."""
        last = end - length
        places = {start, last, *self.starts, *(time - length for time in self.ends)}
        return max((self.within(at, at + length), -at) for at in places if start <= at <= last)


def common(span, other):
    return Span(max(span[0], other[0]), min(span[1], other[1]), span[2])


def union(spans):
    merged = []
    for span in sorted(spans):
        if merged and span.start <= merged[-1].end:
            merged[-1] = merged[-1]._replace(end=max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return merged


def minus(spans, others):
    """What of the spans lies outside of the others."""
    left = []
    for span in spans:
        at = span.start
        for other in union(others):
            if other.start < span.end and other.end > at:
                left.append(span._replace(start=at, end=other.start))
                at = other.end
        left.append(span._replace(start=at))
    return [span for span in left if span.start < span.end]


class Gil:
    """A GIL's row of the summary, with the spans of the trace."""

    def __init__(self, document, index):
        summary = document["giltracer"]
        self.row = summary["gils"][index]
        self.life = (self.row["start_ns"], self.row["end_ns"])
        self.spans = {"GIL hold": [], "GIL wait": [], "GIL unknown": []}
        for event in document["traceEvents"]:
            if event.get("name") in self.spans and event["args"]["gil"] == index:
                self.spans[event["name"]].append(Span(
                    round(event["ts"] * 1000), round((event["ts"] + event["dur"]) * 1000),
                    event["args"]["tid"]))
        self.lives = [Span(max(row["start_ns"], self.life[0]), min(row["end_ns"], self.life[1]),
                           row["tid"]) for row in self.row["threads"]]
        self.lost = union([Span(each["start_ns"], each["end_ns"], None) for each in summary["lost"]
                           if each.get("pid") in (None, self.row["pid"])])
        self.waits, self.holds = self.spans["GIL wait"], self.spans["GIL hold"]
        if self.checkable():
            self.unknown = self.unknown_spans()

    def checkable(self):
        tids = [row["tid"] for row in self.row["threads"]]
        return (len(self.waits) + len(self.holds) < MOST_SPANS and len(set(tids)) == len(tids) and
                len(tids) * len(self.lost) < 10000)

    def unknown_spans(self):
        """Of each thread, what is lost of its life, and what is not known after a loss."""
        spans = []
        for life in self.lives:
            own = [common(each._replace(tid=life.tid), life) for each in self.lost]
            own += [each for each in self.spans["GIL unknown"] if each.tid == life.tid]
            spans += union([each for each in own if each.start < each.end])
        return spans

    def windows(self):
        waits, unknown, lives = Sums(self.waits), Sums(self.unknown), Sums(self.lives)
        both = Sums(self.waits + self.unknown)
        for length in LENGTHS_NS:
            if length >= self.life[1] - self.life[0]:
                return
            most, at = waits.worst(*self.life, length)
            yield {"length_ns": length, "start_ns": -at, "wait_ns": most,
                   "lives_ns": lives.within(-at, -at + length),
                   "unknown_ns": unknown.within(-at, -at + length),
                   "at_most_ns": both.worst(*self.life, length)[0]}

    def stretch(self, windows):
        """The part of the run that is worth most: see the rule."""
        densest = max(windows, key=lambda each: each["wait_ns"]**2 / each["length_ns"])
        waits, unknown = Sums(self.waits), Sums(self.unknown)
        times = sorted({*waits.starts, *waits.ends, *unknown.starts, *unknown.ends})
        worth, best = 0, (0, 0, 0)
        least, since = 0, 0  # the least that was reached, and the last place where
        for i, (start, end) in enumerate(zip(times, times[1:])):
            if worth <= least:
                least, since = worth, i
            gain = (2 * densest["length_ns"] * waits.within(start, end) -
                    densest["wait_ns"] * (end - start))
            worth += max(0, gain) if unknown.within(start, end) else gain
            if worth - least > best[0]:
                best = (worth - least, times[since], end)
        return best[1:]

    def check_contended(self):
        wanted = union(self.waits)
        assert sum(end - start for start, end, _ in wanted) == self.row["contended_ns"]
        for row, life in zip(self.row["threads"], self.lives):
            known = minus([common(each._replace(tid=row["tid"]), life) for each in wanted],
                          [each for each in self.unknown if each.tid == row["tid"]])
            assert sum(max(0, end - start) for start, end, _ in known) == row["contended_ns"], row
            sums = Sums(wanted)
            held = sum(sums.within(start, end) for start, end, tid in self.holds if tid == row["tid"])
            assert held == row["contended_hold_ns"], row


def check(document):
    """All of it is so. Returns the stretches that are told of."""
    summary = document["giltracer"]
    worst = {each["gil"]: each for each in summary["worst"]}
    for index, row in enumerate(summary["gils"]):
        gil = Gil(document, index)
        if not gil.checkable():
            continue
        gil.check_contended()
        found = worst.get(index)
        windows = list(gil.windows()) if gil.waits else []
        assert bool(windows) == bool(found), row
        if not found or summary["quality"]["returns_missing"]:
            continue
        assert found["windows"] == windows, (found["windows"], windows)
        stretch = found["stretch"]
        span = gil.stretch(windows)
        assert (stretch["start_ns"], stretch["end_ns"]) == span, (stretch, span)
        for key, spans in (("wait_ns", gil.waits), ("lives_ns", gil.lives),
                           ("unknown_ns", gil.unknown)):
            assert stretch[key] == Sums(spans).within(*span), (key, stretch)
        assert found["sentence"] is None or found["sentence"] in summary["findings"] or \
            len(summary["gils"]) > 3
    return [each for each in summary["worst"] if each["sentence"]]
