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
    WHOLE_HOLDS = 1 << 13, /* GILs, and all holds of each */
};

#define SHARE "Share of its lifetime "

/* What the page shows of it. */
struct word {
    unsigned of;          /* where there is one of these */
    const char *texts[6]; /* up to the first NULL */
};

/* Key, title, meaning; what it is a share of, if any; the colour of its bar, if any. */
static const struct word columns[] = {
    {ANY, {"label", "Thread", "Name and thread id; \xe2\x98\x85 is a main thread"}},
    {ANY, {"lifetime_ns", "Lifetime", "From its start to its end, as far as recorded"}},
    {ALL_HOLDS,
     {"free_ns", "No GIL %", SHARE "without the GIL, not waiting for it", "known_ns", "free"}},
    {ALL_HOLDS, {"hold_ns", "Has GIL %", SHARE "holding the GIL", "known_ns", "hold"}},
    {ANY, {"wait_ns", "GIL wait %", SHARE "waiting for the GIL", "known_ns", "wait"}},
    {UNKNOWN,
     {"unknown_ns", "Unknown %", SHARE "in which events were lost", "lifetime_ns", "lost"}},
    {LOCKS, {"lock_wait_ns", "Lock wait %", SHARE "waiting for locks", "known_ns", "lock"}},
    {STOPS, {"stopped_ns", "Stopped %", SHARE "stopped by another thread", "known_ns", "stop"}},
    {STATES, {"running_ns", "Running %", SHARE "on a CPU", "state_life_ns"}},
    {STATES,
     {"runnable_ns", "Runnable %", SHARE "ready to run, without a CPU", "state_life_ns"}},
    {STATES,
     {"sleeping_ns", "Sleeping %", SHARE "asleep or blocked: it gave up its CPU",
      "state_life_ns"}},
    {GIL,
     {"wanted_ns", "While wanted %",
      "Share of the time in which anybody wanted the GIL that it waited", "contended_ns"}},
    {GIL, {"longest_wait_ns", "Longest wait", "Its longest wait for the GIL"}},
    {GIL,
     {"blocked_by", "Blocked by", "Who held the GIL while it waited, share of its waiting"}},
    {GIL, {"waits", "Waits", "How often it had to wait"}},
    {GIL, {"holds", "Holds", "How often it took the GIL"}},
    {GIL, {"longest_hold_ns", "Longest hold", "The longest time for which it held the GIL"}},
};

/* Key, title. */
static const struct word tabs[] = {
    {ANY, {"threads", "Threads"}},           {BLOCKERS, {"blockers", "Blockers"}},
    {LOCK_WAITS, {"locks", "Locks"}},        {ANY, {"whatif", "What if"}},
    {ANY, {"matrix", "Who waits for whom"}}, {STACKS, {"flame", "Flame graph"}},
    {ANY, {"waits", "Long waits"}},          {ANY, {"holds", "Long holds"}},
    {COUNTERS, {"counters", "Counters"}},    {ANY, {"compare", "Compare"}},
};

/* Key, text. */
static const struct word colours[] = {
    {GIL, {"hold", "holds the GIL"}},
    {GIL, {"wait", "waits for it"}},
    {WHOLE_HOLDS, {"free", "neither"}},
    {SOME_HOLDS, {"free", "not waiting"}},
    {LOCKS, {"lock", "waits for a lock"}},
    {LOCKS, {"unknown", "that nobody is known to have"}},
    {STOPS, {"stop", "stopped"}},
    {LOST, {"lost", "events lost"}},
    {STATES, {"running", "on a CPU"}},
    {STATES, {"runnable", "ready, no CPU"}},
    {STATES, {"blocked", "blocked in the kernel"}},
    {STATES, {"asleep", "asleep"}},
};

/* A sentence for new readers. */
static const struct word guide[] = {
    {GIL,
     {"In a hold a thread has the GIL and runs Python code; in a wait it could run, but "
      "another has the GIL."}},
    {ANY,
     {"The red curve above the lanes shows how many threads wait: where it is high, the GIL "
      "costs time."}},
    {GIL,
     {"\u201cBlocked by\u201d names the thread that had the GIL for most of a thread\u2019s "
      "waiting."}},
    {GIL,
     {"A holder is asked for the GIL after the switch interval (5 ms by default), and keeps "
      "it while it is in C code."}},
    {GIL,
     {"Read the verdict first; then click a wait: it tells who had the GIL meanwhile, and "
      "where."}},
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
    of |= (of & (GIL | SOME_HOLDS)) == GIL ? WHOLE_HOLDS : 0;
    of |= timeline->locks.count ? LOCKS : 0;
    of |= timeline->stops.count ? STOPS : 0;
    of |= has_states(report) ? STATES : 0;
    of |= timeline->counters.count ? COUNTERS : 0;
    of |= flames || timeline->functions.count ? STACKS : 0;
    of |= has_blockers(report) ? BLOCKERS : 0;
    of |= report->analysis->locks.rows.count ? LOCK_WAITS : 0;
    return of;
}

/* `"a"`, or `["a","b"]` of several. */
static int add_texts(const char *const *texts, struct gt_buf *json)
{
    int rc = gt_buf_addf(json, "%s\"%s\"", texts[1] ? "[" : "", texts[0]);

    for (int i = 1; rc == 0 && texts[i]; i++)
        rc = gt_buf_addf(json, ",\"%s\"", texts[i]);
    return rc || (texts[1] && gt_buf_adds(json, "]")) ? -1 : 0;
}

static int add_words(const char *name, const struct word *words, size_t count, unsigned of,
                     struct gt_buf *json)
{
    const char *separator = "";

    if (gt_buf_addf(json, "\"%s\":[", name))
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (!(words[i].of & of))
            continue;
        if (gt_buf_adds(json, separator) || add_texts(words[i].texts, json))
            return -1;
        separator = ",\n";
    }
    return gt_buf_adds(json, "],\n");
}

int gt_legend_json(const struct gt_report *report, bool flames, struct gt_buf *json)
{
    unsigned of = recorded(report, flames);

    return add_words("tabs", tabs, COUNT_OF(tabs), of, json) ||
                   add_words("columns", columns, COUNT_OF(columns), of, json) ||
                   add_words("legend", colours, COUNT_OF(colours), of, json) ||
                   add_words("guide", guide, COUNT_OF(guide), of, json)
               ? -1
               : 0;
}
