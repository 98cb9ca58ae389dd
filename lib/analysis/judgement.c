/* SPDX-License-Identifier: MIT */
#include "analysis/judgement.h"

#include "base/nstime.h"

/*
 * One stretch that went on for long is enough. Of short ones there must be more, and most that
 * were asked: an interrupt, a page that is made, or a hypervisor keeps a thread for some
 * milliseconds now and then. And what they do must take longer than the switch interval: the
 * length of a call is known; of an operation inside a Python function, what is left of it after
 * a request. A row may stand for more than one thing, a thread's for all that it did: then a
 * part of the requests is enough, where together they were long.
 */
bool gt_blocker_keeps(const struct gt_blocker *blocker)
{
    enum {
        CULPRIT_NS = 100000000,
        LONG_NS = 50000000,
        RATHER_LONG_NS = 30000000,
        MANY_NS = 20000000,
        TENTHS = 9,
        PART = 8,
    };
    int64_t interval_ns = blocker->interval_ns, longest_ns = blocker->longest_work_ns;
    int64_t work_ns = gt_add_ns(blocker->after.run_ns, blocker->after.sleep_ns);
    bool of_c =
        blocker->doing.kind != GT_DOING_PYTHON && blocker->doing.kind != GT_DOING_UNKNOWN;

    if (!blocker->kept)
        return false;
    if (!blocker->after.known)
        return blocker->kept_hold_ns >= blocker->waited_hold_ns / 2;
    if (longest_ns >= CULPRIT_NS)
        return true;
    if (gt_blocker_releases_mostly(blocker))
        return false;
    if (longest_ns >= LONG_NS && longest_ns >= interval_ns)
        return true;
    if (blocker->kept >= 2 && longest_ns >= RATHER_LONG_NS &&
        longest_ns >= interval_ns / 10 * TENTHS && work_ns >= CULPRIT_NS &&
        blocker->kept * PART >= blocker->requested)
        return true;
    if (blocker->kept < 2 || blocker->kept * 2 < blocker->requested)
        return false;
    return (of_c ? blocker->longest_held_ns : longest_ns) >= interval_ns / 10 * TENTHS ||
           (longest_ns >= MANY_NS && work_ns >= LONG_NS);
}

bool gt_blocker_releases_mostly(const struct gt_blocker *blocker)
{
    return blocker->retakes > 0 && blocker->away_ns > blocker->total_hold_ns;
}

bool gt_blocker_is_requeuer(const struct gt_blocker *blocker)
{
    enum { OFTEN = 50 };

    return blocker->contended >= OFTEN && blocker->retake_wait_ns > blocker->away_ns;
}

/* --- why it kept the GIL, and what helps --- */

static enum gt_cause cause_of(const struct gt_blocker *row)
{
    if (!gt_blocker_keeps(row))
        return GT_CAUSE_NONE;
    switch (row->doing.kind) {
    case GT_DOING_GC:
        return GT_CAUSE_GC;
    case GT_DOING_IMPORT:
        return GT_CAUSE_IMPORT;
    case GT_DOING_C:
        return row->kept_in_loops * 2 > row->kept ? GT_CAUSE_LOOP : GT_CAUSE_CALL;
    default:
        return GT_CAUSE_OPERATION;
    }
}

static bool slept(const struct gt_blocker *row)
{
    return row->after.known && row->after.sleep_ns > row->after.run_ns;
}

static enum gt_remedy remedy_of(const struct gt_blocker *row, enum gt_cause cause)
{
    if (cause == GT_CAUSE_NONE)
        return GT_REMEDY_NONE;
    if (slept(row) && row->deadlock)
        return GT_REMEDY_DEADLOCK_ASLEEP;
    if (slept(row))
        return row->doing.kind == GT_DOING_C ? GT_REMEDY_WAIT_OF_CALL : GT_REMEDY_WAIT_UNTRACED;
    if (row->deadlock)
        return GT_REMEDY_DEADLOCK;
    if (row->doing.kind == GT_DOING_UNKNOWN)
        return GT_REMEDY_TRACE;
    switch (cause) {
    case GT_CAUSE_GC:
        return GT_REMEDY_COLLECT_LESS;
    case GT_CAUSE_IMPORT:
        return GT_REMEDY_IMPORT_EARLY;
    case GT_CAUSE_LOOP:
        return GT_REMEDY_SPLIT_LOOP;
    case GT_CAUSE_CALL:
        return GT_REMEDY_WORK_OF_CALL;
    default:
        return GT_REMEDY_SMALLER;
    }
}

static uint32_t flags_of(const struct gt_timeline *timeline, const struct gt_blocker *row)
{
    const struct gt_chunks *functions = &timeline->functions;
    const struct gt_function_info *function;

    if (row->doing.function >= functions->count)
        return 0;
    function = gt_chunks_at(functions, row->doing.function);
    return function->flags;
}

static uint64_t calls_of(const struct gt_timeline *timeline, const struct gt_blocker *row)
{
    const struct gt_function_info *function;

    if (row->doing.function >= timeline->functions.count)
        return UINT64_MAX;
    function = gt_chunks_at(&timeline->functions, row->doing.function);
    return function->calls + function->untraced_calls;
}

static enum gt_owner owner_of(uint32_t flags)
{
    if (flags & GT_FUNCTION_OF_PYTHON)
        return GT_OWNER_PYTHON;
    if (flags & GT_FUNCTION_OF_PACKAGE)
        return GT_OWNER_PACKAGE;
    return flags & GT_FUNCTION_OF_PROGRAM ? GT_OWNER_PROGRAM : GT_OWNER_UNKNOWN;
}

static enum gt_release_with release_with_of(uint32_t flags)
{
    if (flags & GT_FUNCTION_BY_CYTHON)
        return GT_RELEASE_WITH_CYTHON;
    return flags & GT_FUNCTION_BY_PYBIND11 ? GT_RELEASE_WITH_PYBIND11 : GT_RELEASE_WITH_C_API;
}

/* --- of what else it is charged --- */

/* Python code looks for requests by itself. */
static enum gt_charge charge_of_python(const struct gt_blocker *row)
{
    if (row->requested == 0)
        return GT_CHARGE_NOT_ASKED;
    if ((row->kept + row->unclear) * 2 <= row->requested)
        return GT_CHARGE_GAVE_UP;
    return row->kept > row->unclear ? GT_CHARGE_GAVE_UP_LATE : GT_CHARGE_NOT_RECORDED;
}

static enum gt_charge charge_of(const struct gt_blocker *row)
{
    switch (row->doing.kind) {
    case GT_DOING_UNKNOWN:
        return GT_CHARGE_NO_FUNCTION;
    case GT_DOING_PYTHON:
    case GT_DOING_IMPORT:
        return charge_of_python(row);
    default:
        return GT_CHARGE_WAITED_FOR;
    }
}

/* A part of what it did after the request that is smaller hardly matters. */
static bool counts(const struct gt_after *after, int64_t ns)
{
    enum { PART = 10 };

    return after->known && ns >= after->total_ns / PART;
}

struct gt_judgement gt_judge_blocker(const struct gt_timeline *timeline,
                                     const struct gt_blocker *row)
{
    const struct gt_after *after = &row->after;
    uint32_t flags = flags_of(timeline, row);
    struct gt_judgement judgement = {
        .cause = cause_of(row),
        .owner = owner_of(flags),
        .release_with = release_with_of(flags),
        .ready_counts = counts(after, after->ready_ns),
        .stopped_counts = counts(after, after->stopped_ns),
        .paging_counts = counts(after, after->paging_ns),
        .slept = slept(row),
        .releases = gt_blocker_releases_mostly(row) && row->waiting_ns,
        .requeues = gt_blocker_is_requeuer(row),
        .fewer_calls_help = row->retakes / 2 <= calls_of(timeline, row),
        .rest_unknown = row->unclear || (row->kept && !after->known),
    };

    judgement.remedy = remedy_of(row, judgement.cause);
    if (!judgement.cause && !judgement.releases && !judgement.requeues && row->waiting_ns)
        judgement.charge = charge_of(row);
    return judgement;
}

/* --- what is worth a line --- */

size_t gt_blockers_notable(const struct gt_blockers *blockers, int64_t wait_ns)
{
    enum { SHARE = 200 };
    size_t count = 0;

    for (; count < blockers->rows.count; count++) {
        int64_t ns = gt_blocker_at(blockers, count)->waiting_ns;

        if (ns == 0 || ns < wait_ns / SHARE)
            break;
    }
    return count;
}

bool gt_gap_is_notable(int64_t ns, int64_t wait_ns)
{
    enum { SHARE = 1000 };

    return ns > (wait_ns - 1) / SHARE;
}
