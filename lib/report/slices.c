/* SPDX-License-Identifier: MIT */
#include "report/slices.h"

#include "base/nstime.h"
#include "report/internal.h"

#include <stdlib.h>
#include <string.h>

/* A page of more rows is drawn before they are decoded. */
enum { ROWS_AT_ONCE = 100000 };

/* Full, in the tables' numbers. A share is rounded up, so that whatever there is shows. */
enum { FULL = 100 };

/* A row of sums per series: nanoseconds of each slice. */
typedef int64_t series[GT_SLICES];

struct slicer {
    const struct gt_timeline *timeline;
    int64_t zero_ns;
    double width_ns; /* of a slice */
    /* The slice in which the span before ended, and its bounds: the next one lies in it, too,
     * as a rule. */
    size_t at;
    int64_t at_from_ns, at_to_ns;
    struct gt_pack *pack;
    struct gt_error *err;
};

uint64_t gt_page_rows(const struct gt_timeline *timeline)
{
    uint64_t rows = timeline->marks.count + timeline->native.count;

    for (uint32_t i = 0; i < timeline->gils.count; i++) {
        const struct gt_gil *gil = gt_gil_at(timeline, i);

        rows += gil->holds.count + gil->waits.count + gil->unknowns.count;
    }
    for (size_t i = 0; i < timeline->locks.count; i++) {
        const struct gt_gil *lock = &gt_lock_at(timeline, i)->as;

        rows += 1 + lock->holds.count + lock->waits.count;
    }
    rows += timeline->stops.count * 2 + timeline->stopped.count;
    for (uint32_t i = 0; i < timeline->scheds.count; i++)
        rows += gt_sched_at(timeline, i)->spans.count;
    for (uint32_t i = 0; i < timeline->calls.count; i++)
        rows += gt_calls_of(timeline, i)->spans.count;
    for (size_t i = 0; i < timeline->counters.count; i++)
        rows += ((struct gt_counter *)gt_chunks_at(&timeline->counters, i))->samples.count;
    return rows;
}

static int64_t bound(const struct slicer *slicer, size_t slice)
{
    return slicer->zero_ns + (int64_t)(slicer->width_ns * (double)slice);
}

static size_t slice_of(const struct slicer *slicer, int64_t time_ns)
{
    double slice = (double)(time_ns - slicer->zero_ns) / slicer->width_ns;

    return slice < 1 ? 0 : slice >= GT_SLICES ? GT_SLICES - 1 : (size_t)slice;
}

static void add_span(struct slicer *slicer, int64_t *sums, int64_t start_ns, int64_t end_ns)
{
    size_t last;

    if (start_ns > slicer->at_from_ns && start_ns < end_ns && end_ns < slicer->at_to_ns) {
        sums[slicer->at] = gt_add_ns(sums[slicer->at], end_ns - start_ns);
        return;
    }
    last = slice_of(slicer, end_ns);
    slicer->at = last;
    slicer->at_from_ns = bound(slicer, last);
    slicer->at_to_ns = bound(slicer, last + 1);
    for (size_t i = slice_of(slicer, start_ns); i <= last; i++) {
        int64_t from_ns = bound(slicer, i), to_ns = bound(slicer, i + 1);

        from_ns = start_ns > from_ns ? start_ns : from_ns;
        to_ns = end_ns < to_ns ? end_ns : to_ns;
        if (to_ns > from_ns)
            sums[i] = gt_add_ns(sums[i], to_ns - from_ns);
    }
}

/* `who`: member + 1; 0: all of them, or waiters. */
static int put_series(const struct slicer *slicer, const char *table, uint32_t gil,
                      uint64_t who, const uint64_t *values)
{
    gt_pack_begin(slicer->pack, table, gil, 2);
    for (size_t i = 0; i < GT_SLICES; i++) {
        int rc;

        gt_pack_put(slicer->pack, 0, who);
        gt_pack_put(slicer->pack, 1, values[i]);
        rc = gt_pack_end_row(slicer->pack, slicer->err);
        if (rc < 0)
            return rc;
    }
    return gt_pack_end(slicer->pack, slicer->err);
}

/* The members that held longest, in the order that the page gives them colours by; `place` of
 * each member becomes its place among them, or their number. Returns how many there are. */
static uint32_t rank(const struct gt_gil *gil, uint32_t ranked[], uint8_t *place)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < gil->members.count; i++) {
        int64_t held_ns = gt_gil_thread_at(gil, i)->hold_ns;
        uint32_t at = count;

        while (at && gt_gil_thread_at(gil, ranked[at - 1])->hold_ns < held_ns)
            at--;
        if (at == GT_SLICES_OWNERS)
            continue;
        count += count < GT_SLICES_OWNERS;
        memmove(&ranked[at + 1], &ranked[at], (count - at - 1) * sizeof(*ranked));
        ranked[at] = i;
    }
    memset(place, (int)count, gil->members.count);
    for (uint32_t i = 0; i < count; i++)
        place[ranked[i]] = (uint8_t)i;
    return count;
}

/* `sums`: of each owner, then of all others. */
static int put_owners(const struct slicer *slicer, uint32_t gil, const uint32_t ranked[],
                      uint32_t count, series *sums)
{
    uint64_t shares[GT_SLICES], all[GT_SLICES] = {0};

    for (uint32_t owner = 0; owner <= count; owner++) {
        int rc = 0;

        for (size_t i = 0; i < GT_SLICES; i++) {
            double share = (double)sums[owner][i] / slicer->width_ns * FULL;

            shares[i] = (uint64_t)share + (share > (double)(uint64_t)share);
            all[i] += shares[i];
        }
        if (owner < count)
            rc = put_series(slicer, "slices", gil, (uint64_t)ranked[owner] + 1, shares);
        else if (gt_gil_at(slicer->timeline, gil)->members.count > count)
            rc = put_series(slicer, "slices", gil, 0, all);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int write_gil(struct slicer *slicer, uint32_t index)
{
    const struct gt_gil *gil = gt_gil_at(slicer->timeline, index);
    uint32_t ranked[GT_SLICES_OWNERS + 1], thread = GT_NO_INDEX, member = 0;
    series *sums = calloc(GT_SLICES_OWNERS + 1, sizeof(*sums));
    uint8_t *place = malloc(gil->members.count ? gil->members.count : 1);
    int rc = sums && place ? 0 : gt_error_memory(slicer->err);
    uint32_t count = rc == 0 ? rank(gil, ranked, place) : 0;

    for (size_t i = 0; rc == 0 && i < gil->holds.count; i++) {
        const struct gt_span *span = gt_span_at(&gil->holds, i);

        if (span->thread != thread) {
            thread = span->thread;
            member = gt_hashmap_get(&gil->member_of, thread);
        }
        if (member < gil->members.count) /* a page that was cut has the first ones */
            add_span(slicer, sums[place[member]], span->start_ns, span->end_ns);
    }
    if (rc == 0)
        rc = put_owners(slicer, index, ranked, count, sums);
    free(place);
    free(sums);
    return rc;
}

static int64_t used_ns(const struct gt_gil *gil)
{
    int64_t sum_ns = 0;

    for (uint32_t i = 0; i < gil->members.count; i++) {
        sum_ns = gt_add_ns(sum_ns, gt_gil_thread_at(gil, i)->hold_ns);
        sum_ns = gt_add_ns(sum_ns, gt_gil_thread_at(gil, i)->wait_ns);
    }
    return sum_ns;
}

/* Do fewer than GT_SLICES_GILS come before it? */
static bool is_shown(const struct gt_timeline *timeline, uint32_t index)
{
    int64_t own_ns = used_ns(gt_gil_at(timeline, index));
    unsigned before = 0;

    for (uint32_t i = 0; i < timeline->gils.count && before < GT_SLICES_GILS; i++) {
        int64_t ns = used_ns(gt_gil_at(timeline, i));

        before += ns > own_ns || (ns == own_ns && i < index);
    }
    return before < GT_SLICES_GILS;
}

static void add_waits(struct slicer *slicer, int64_t *sums)
{
    for (uint32_t i = 0; i < slicer->timeline->gils.count; i++) {
        const struct gt_chunks *waits = &gt_gil_at(slicer->timeline, i)->waits;

        for (size_t k = 0; k < waits->count; k++)
            add_span(slicer, sums, gt_span_at(waits, k)->start_ns,
                     gt_span_at(waits, k)->end_ns);
    }
}

static void add_sleeps(struct slicer *slicer, int64_t *sums)
{
    for (uint32_t i = 0; i < slicer->timeline->scheds.count; i++) {
        const struct gt_chunks *spans = &gt_sched_at(slicer->timeline, i)->spans;

        for (size_t k = 0; k < spans->count; k++) {
            const struct gt_state_span *span = gt_chunks_at(spans, k);

            if (span->state == GT_SCHED_SLEEPING_GIL || span->state == GT_SCHED_OFF_CPU_GIL)
                add_span(slicer, sums, span->start_ns, span->end_ns);
        }
    }
}

static int write_waiters(struct slicer *slicer, bool states)
{
    int64_t sums[GT_SLICES] = {0};
    uint64_t values[GT_SLICES];

    if (slicer->timeline->gils.count)
        add_waits(slicer, sums);
    else if (states)
        add_sleeps(slicer, sums);
    for (size_t i = 0; i < GT_SLICES; i++) {
        double value = (double)sums[i] / slicer->width_ns * FULL;

        values[i] = value > 0 && value < 1 ? 1 : (uint64_t)(value + 0.5);
    }
    return put_series(slicer, "waiters", 0, 0, values);
}

int gt_slices_write(const struct gt_report *report, struct gt_pack *pack, struct gt_error *err)
{
    struct slicer slicer = {.timeline = report->timeline,
                            .zero_ns = gt_report_zero_ns(report),
                            .pack = pack,
                            .err = err};
    int64_t length_ns = slicer.timeline->end_ns - slicer.zero_ns;
    int rc = 0;

    if (gt_page_rows(slicer.timeline) <= ROWS_AT_ONCE)
        return 0;
    slicer.width_ns = (double)(length_ns > 0 ? length_ns : 1) / GT_SLICES;
    for (uint32_t i = 0; rc == 0 && i < slicer.timeline->gils.count; i++)
        if (is_shown(slicer.timeline, i))
            rc = write_gil(&slicer, i);
    return rc < 0 ? rc : write_waiters(&slicer, gt_report_shows_states(report));
}

int gt_levels_json(const struct gt_calls *calls, struct gt_buf *text)
{
    size_t *counts = calloc(UINT16_MAX + 1, sizeof(*counts)), levels = 0;
    int failed = !counts || gt_buf_adds(text, ",\"levels\":[");

    for (size_t i = 0; counts && i < calls->spans.count; i++) {
        const struct gt_call_span *span = gt_chunks_at(&calls->spans, i);

        counts[span->depth]++;
        levels = span->depth >= levels ? span->depth + 1U : levels;
    }
    for (size_t i = 0; !failed && i < levels; i++)
        failed = gt_buf_addf(text, "%s%zu", i ? "," : "", counts[i]);
    free(counts);
    return failed || gt_buf_adds(text, "]") ? -1 : 0;
}
