/* SPDX-License-Identifier: MIT */
#include "report/legend.h"

#include "analysis/analysis.h"
#include "analysis/judgement.h"
#include "model/holes.h"
#include "model/sched.h"
#include "model/timeline.h"
#include "report/internal.h"

#define COUNT_OF(list) (sizeof(list) / sizeof((list)[0]))

/* What of a recording a word is about. */
enum {
    ANY = 1 << 0,
    GIL = 1 << 1,
    ALL_HOLDS = 1 << 2,  /* of a GIL those that nobody waited for, too */
    SOME_HOLDS = 1 << 3, /* of none of them */
    LOCKS = 1 << 4,
    STOPS = 1 << 5,
    LOST = 1 << 6,
    UNKNOWN = 1 << 7, /* for some time, since events were lost */
    STATES = 1 << 8,
    COUNTERS = 1 << 9,
    STACKS = 1 << 10,   /* or calls */
    BLOCKERS = 1 << 11, /* somebody waited for a function, or may be seen to in a range */
    LOCK_WAITS = 1 << 12,
};

#define SHARE "Share of its lifetime "

static const struct {
    unsigned of;
    const char *key, *title, *meaning;
    const char *whole;  /* what it is a share of; NULL: it is none */
    const char *colour; /* of its bar; NULL: it has none */
} columns[] = {
    {ANY, "label", "Thread", "Name and thread id; \xe2\x98\x85 is a main thread", NULL, NULL},
    {ANY, "lifetime_ns", "Lifetime", "From its start to its end, as far as recorded", NULL,
     NULL},
    {ALL_HOLDS, "free_ns", "No GIL %", SHARE "without the GIL, not waiting for it", "known_ns",
     "free"},
    {ALL_HOLDS, "hold_ns", "Has GIL %", SHARE "holding the GIL", "known_ns", "hold"},
    {ANY, "wait_ns", "GIL wait %", SHARE "waiting for the GIL", "known_ns", "wait"},
    {UNKNOWN, "unknown_ns", "Unknown %", SHARE "in which events were lost", "lifetime_ns",
     "lost"},
    {LOCKS, "lock_wait_ns", "Lock wait %", SHARE "waiting for locks", "known_ns", "lock"},
    {STOPS, "stopped_ns", "Stopped %", SHARE "stopped by another thread", "known_ns", "stop"},
    {STATES, "running_ns", "Running %", SHARE "on a CPU", "state_life_ns", NULL},
    {STATES, "runnable_ns", "Runnable %", SHARE "ready to run, without a CPU", "state_life_ns",
     NULL},
    {STATES, "sleeping_ns", "Sleeping %", SHARE "asleep or blocked: it gave up its CPU",
     "state_life_ns", NULL},
    {GIL, "wanted_ns", "While wanted %",
     "Share of the time in which anybody wanted the GIL that it waited", "contended_ns", NULL},
    {GIL, "longest_wait_ns", "Longest wait", "Its longest wait for the GIL", NULL, NULL},
    {GIL, "blocked_by", "Blocked by", "Who held the GIL while it waited, share of its waiting",
     NULL, NULL},
    {GIL, "waits", "Waits", "How often it had to wait", NULL, NULL},
    {GIL, "holds", "Holds", "How often it took the GIL", NULL, NULL},
    {GIL, "longest_hold_ns", "Longest hold", "The longest time for which it held the GIL", NULL,
     NULL},
};

static const struct {
    unsigned of;
    const char *key, *title;
} tabs[] = {
    {ANY, "threads", "Threads"},           {BLOCKERS, "blockers", "Blockers"},
    {LOCK_WAITS, "locks", "Locks"},        {ANY, "whatif", "What if"},
    {ANY, "matrix", "Who waits for whom"}, {STACKS, "flame", "Flame graph"},
    {ANY, "waits", "Long waits"},          {ANY, "holds", "Long holds"},
    {COUNTERS, "counters", "Counters"},    {ANY, "compare", "Compare"},
};

static const struct {
    unsigned of, but; /* not where there is this */
    const char *key, *text;
} colours[] = {
    {GIL, 0, "hold", "holds the GIL"},
    {GIL, 0, "wait", "waits for it"},
    {GIL, SOME_HOLDS, "free", "neither"},
    {SOME_HOLDS, 0, "free", "not waiting"},
    {LOCKS, 0, "lock", "waits for a lock"},
    {LOCKS, 0, "unknown", "that nobody is known to have"},
    {STOPS, 0, "stop", "stopped"},
    {LOST, 0, "lost", "events lost"},
    {STATES, 0, "running", "on a CPU"},
    {STATES, 0, "runnable", "ready, no CPU"},
    {STATES, 0, "blocked", "blocked in the kernel"},
    {STATES, 0, "asleep", "asleep"},
};

static const struct {
    unsigned of;
    const char *text;
} guide[] = {
    {GIL, "In a hold a thread has the GIL and runs Python code; in a wait it could run, but "
          "another has the GIL."},
    {ANY,
     "The red curve above the lanes shows how many threads wait: where it is high, the GIL "
     "costs time."},
    {GIL,
     "\u201cBlocked by\u201d names the thread that had the GIL for most of a thread\u2019s "
     "waiting."},
    {GIL,
     "A holder is asked for the GIL after the switch interval (5 ms by default), and keeps "
     "it while it is in C code."},
    {GIL, "Read the verdict first; then click a wait: it tells who had the GIL meanwhile, and "
          "where."},
};

static unsigned losses(const struct gt_report *report)
{
    const struct gt_chunks *holes = &report->timeline->holes;
    unsigned of = report->timeline->lost.count ? LOST | UNKNOWN : 0;

    for (uint32_t i = 0; i < holes->count; i++) {
        const struct gt_hole *hole = gt_hole_at(holes, i);

        if (hole->gil)
            of |= LOST | (hole->end_ns > hole->start_ns ? UNKNOWN : 0);
    }
    return of;
}

static bool has_states(const struct gt_report *report)
{
    for (uint32_t i = 0; i < report->timeline->scheds.count; i++)
        if (gt_sched_at(report->timeline, i)->spans.count)
            return gt_report_shows_states(report);
    return false;
}

static bool has_blockers(const struct gt_report *report)
{
    const struct gt_timeline *timeline = report->timeline;

    for (uint32_t i = 0; i < timeline->gils.count; i++) {
        const struct gt_blockers *blockers = &report->analysis->blockers[i];

        if (timeline->functions.count && gt_gil_at(timeline, i)->waits.count)
            return true;
        for (uint32_t k = 0; k < blockers->rows.count; k++) {
            const struct gt_blocker *row = gt_blocker_at(blockers, k);

            if (row->waiting_ns || gt_blocker_is_requeuer(row))
                return true;
        }
    }
    return false;
}

static unsigned recorded(const struct gt_report *report, bool flames)
{
    const struct gt_timeline *timeline = report->timeline;
    unsigned of = ANY | losses(report);

    for (uint32_t i = 0; i < timeline->gils.count; i++)
        of |= GIL |
              (gt_gil_at(timeline, i)->source == GT_GIL_FROM_FUTEX ? SOME_HOLDS : ALL_HOLDS);
    of |= timeline->locks.count ? LOCKS : 0;
    of |= timeline->stops.count ? STOPS : 0;
    of |= has_states(report) ? STATES : 0;
    of |= timeline->counters.count ? COUNTERS : 0;
    of |= flames || timeline->functions.count ? STACKS : 0;
    of |= has_blockers(report) ? BLOCKERS : 0;
    of |= report->analysis->locks.rows.count ? LOCK_WAITS : 0;
    return of;
}

/* `["a","b"]`, after `separator`, of the texts before the first NULL. */
static int add_texts(const char *separator, const char *const *texts, struct gt_buf *json)
{
    int rc = gt_buf_addf(json, "%s[", separator);

    for (int i = 0; rc == 0 && texts[i]; i++)
        rc = gt_buf_addf(json, "%s\"%s\"", i ? "," : "", texts[i]);
    return rc || gt_buf_adds(json, "]") ? -1 : 0;
}

static int add_tabs(unsigned of, struct gt_buf *json)
{
    const char *separator = "\"tabs\":[";

    for (size_t i = 0; i < COUNT_OF(tabs); i++) {
        const char *const texts[] = {tabs[i].key, tabs[i].title, NULL};

        if (!(tabs[i].of & of))
            continue;
        if (add_texts(separator, texts, json))
            return -1;
        separator = ",";
    }
    return gt_buf_adds(json, "],\n");
}

static int add_columns(unsigned of, struct gt_buf *json)
{
    const char *separator = "\"columns\":[";

    for (size_t i = 0; i < COUNT_OF(columns); i++) {
        const char *const texts[] = {columns[i].key,   columns[i].title,  columns[i].meaning,
                                     columns[i].whole, columns[i].colour, NULL};

        if (!(columns[i].of & of))
            continue;
        if (add_texts(separator, texts, json))
            return -1;
        separator = ",\n";
    }
    return gt_buf_adds(json, "],\n");
}

static int add_legend(unsigned of, struct gt_buf *json)
{
    const char *separator = "";

    if (gt_buf_adds(json, "\"legend\":["))
        return -1;
    for (size_t i = 0; i < COUNT_OF(colours); i++) {
        const char *const texts[] = {colours[i].key, colours[i].text, NULL};

        if (!(colours[i].of & of) || colours[i].but & of)
            continue;
        if (add_texts(separator, texts, json))
            return -1;
        separator = ",";
    }
    return gt_buf_adds(json, "],\n");
}

static int add_guide(unsigned of, struct gt_buf *json)
{
    const char *separator = "\"guide\":[";

    for (size_t i = 0; i < COUNT_OF(guide); i++) {
        if (!(guide[i].of & of))
            continue;
        if (gt_buf_addf(json, "%s\"%s\"", separator, guide[i].text))
            return -1;
        separator = ",\n";
    }
    return gt_buf_adds(json, "],\n");
}

int gt_legend_json(const struct gt_report *report, bool flames, struct gt_buf *json)
{
    unsigned of = recorded(report, flames);

    return add_tabs(of, json) || add_columns(of, json) || add_legend(of, json) ||
                   add_guide(of, json)
               ? -1
               : 0;
}
