/* SPDX-License-Identifier: MIT */
#include "ingest/barriers.h"

#include "base/nstime.h"
#include "base/order.h"
#include "event/event.h"
#include "model/timeline.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- who passed what --- */

static bool is_collective(const struct gt_timeline *timeline,
                          const struct gt_function_info *function)
{
    static const char *const names[] = {"barrier",  "allreduce", "allgather", "allgatherv",
                                        "alltoall", "alltoallv", "alltoallw"};
    const char *name = gt_intern_text(&timeline->names, function->name);
    const char *module = gt_intern_text(&timeline->names, function->file);
    const char *dot = strrchr(name, '.');

    if (!(function->flags & GT_FUNCTION_C) || strcmp(module, "mpi4py.MPI") != 0)
        return false;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcasecmp(dot ? dot + 1 : name, names[i]) == 0)
            return true;
    return false;
}

/* A call whose return was not recorded says nothing. */
static int take_calls(const struct gt_timeline *timeline, uint32_t thread,
                      const bool *collective, struct gt_chunks *passings)
{
    const struct gt_calls *calls = gt_calls_of(timeline, thread);

    for (size_t i = 0; calls && i < calls->spans.count; i++) {
        const struct gt_call_span *span = gt_chunks_at(&calls->spans, i);
        struct gt_passing *passing;

        if (!collective[span->function])
            continue;
        passing = gt_chunks_push(passings);
        if (!passing)
            return -1;
        *passing = (struct gt_passing){span->start_ns, span->end_ns};
    }
    return 0;
}

static bool are_in_order(const struct gt_chunks *passings)
{
    for (size_t i = 1; i < passings->count; i++) {
        const struct gt_passing *before = gt_chunks_at(passings, i - 1);

        if (before->end_ns > ((const struct gt_passing *)gt_chunks_at(passings, i))->start_ns)
            return false;
    }
    return true;
}

int gt_barriers_find(const struct gt_timeline *timeline, struct gt_chunks *passings)
{
    size_t functions = timeline->functions.count;
    bool *collective = calloc(functions + 1, sizeof(*collective));
    uint32_t process = GT_NO_INDEX;
    int rc = collective ? 0 : -1;
    bool any = false, one = true;

    gt_chunks_init(passings, sizeof(struct gt_passing));
    for (size_t i = 0; !rc && i < functions; i++)
        any |= collective[i] = is_collective(timeline, gt_chunks_at(&timeline->functions, i));
    for (uint32_t i = 0; !rc && any && i < timeline->threads.count; i++) {
        size_t before = passings->count;

        rc = take_calls(timeline, i, collective, passings);
        if (passings->count == before)
            continue;
        one &= process == GT_NO_INDEX || process == gt_thread_at(timeline, i)->process;
        process = gt_thread_at(timeline, i)->process;
    }
    if (!one || !are_in_order(passings))
        gt_chunks_truncate(passings, 0);
    free(collective);
    return rc;
}

/* --- what that says of clocks --- */

/* One boot's passings, on the common clock: when the last of its processes entered, and when
 * the first one left. */
struct boot {
    struct gt_passing *passings;
    bool fixed, placed;
    int64_t moved_ns;
};

static const struct gt_passing *passing_at(const struct gt_barred *recording, size_t index)
{
    return gt_chunks_at(recording->passings, index);
}

/* How many calls each recording made that made any; 0: they do not agree. */
static size_t count_of(const struct gt_barred *recordings, size_t count)
{
    size_t calls = 0;

    for (size_t i = 0; i < count; i++) {
        size_t made = recordings[i].passings->count;

        if (made && calls && made != calls)
            return 0;
        calls = made ? made : calls;
    }
    return calls;
}

static int take(struct boot *boot, const struct gt_barred *recording, size_t calls)
{
    bool first = !boot->passings;

    if (first)
        boot->passings = calloc(calls, sizeof(*boot->passings));
    if (!boot->passings)
        return -1;
    for (size_t i = 0; i < calls; i++) {
        int64_t start_ns = gt_clock_map_ns(recording->map, passing_at(recording, i)->start_ns);
        int64_t end_ns = gt_clock_map_ns(recording->map, passing_at(recording, i)->end_ns);
        struct gt_passing *own = &boot->passings[i];

        own->start_ns = first || start_ns > own->start_ns ? start_ns : own->start_ns;
        own->end_ns = first || end_ns < own->end_ns ? end_ns : own->end_ns;
    }
    return 0;
}

/* By how much the one clock may be moved against the other: from and until. */
static void bound(const struct boot *boot, const struct boot *other, size_t calls,
                  int64_t *from_ns, int64_t *until_ns)
{
    for (size_t i = 0; i < calls; i++) {
        int64_t least_ns = other->passings[i].start_ns - boot->passings[i].end_ns;
        int64_t most_ns = other->passings[i].end_ns - boot->passings[i].start_ns;

        *from_ns = least_ns > *from_ns ? least_ns : *from_ns;
        *until_ns = most_ns < *until_ns ? most_ns : *until_ns;
    }
}

/* Give the boot its place among those that have theirs. False: calls contradict each other. */
static bool place(const struct boot *boots, size_t boot_count, struct boot *boot, size_t calls)
{
    int64_t from_ns = INT64_MIN, until_ns = INT64_MAX;

    for (size_t i = 0; i < boot_count; i++)
        if (boots[i].placed)
            bound(boot, &boots[i], calls, &from_ns, &until_ns);
    boot->placed = true;
    if (from_ns == INT64_MIN || (from_ns <= 0 && until_ns >= 0))
        return true; /* the first one, or it agrees */
    if (from_ns > until_ns || boot->fixed)
        return false;
    boot->moved_ns = from_ns + (until_ns - from_ns) / 2;
    for (size_t i = 0; i < calls; i++) {
        boot->passings[i].start_ns += boot->moved_ns;
        boot->passings[i].end_ns += boot->moved_ns;
    }
    return true;
}

/* How far any two may be apart, where they have their places now. */
static int64_t error_of(const struct boot *boots, size_t boot_count, size_t calls)
{
    int64_t worst_ns = 0;

    for (size_t i = 0; i < boot_count; i++)
        for (size_t j = 0; boots[i].placed && j < i; j++) {
            int64_t from_ns = INT64_MIN, until_ns = INT64_MAX;

            if (!boots[j].placed)
                continue;
            bound(&boots[i], &boots[j], calls, &from_ns, &until_ns);
            worst_ns = -from_ns > worst_ns ? -from_ns : worst_ns;
            worst_ns = until_ns > worst_ns ? until_ns : worst_ns;
        }
    return worst_ns;
}

/* Those first that cannot be moved. False: calls contradict each other. */
static bool place_all(struct boot *boots, size_t boot_count, size_t calls,
                      struct gt_alignment *alignment)
{
    for (int fixed = 1; fixed >= 0; fixed--)
        for (size_t i = 0; i < boot_count; i++)
            if (boots[i].passings && boots[i].fixed == (fixed == 1) &&
                !place(boots, boot_count, &boots[i], calls))
                return false;
    alignment->barriers = calls;
    alignment->barriers_error_ns = error_of(boots, boot_count, calls);
    return true;
}

static void move(struct gt_barred *recordings, size_t count, const struct boot *boots,
                 struct gt_alignment *alignment)
{
    for (size_t i = 0; i < count; i++) {
        const struct boot *boot = &boots[recordings[i].boot];

        recordings[i].map->to_ns += boot->moved_ns;
        alignment->barriers_all &= boot->passings != NULL;
        if (llabs(boot->moved_ns) > alignment->moved_ns)
            alignment->moved_ns = llabs(boot->moved_ns);
    }
}

int gt_barriers_align(struct gt_barred *recordings, size_t count,
                      struct gt_alignment *alignment)
{
    size_t calls = count_of(recordings, count), boot_count = 0, with = 0;
    struct boot *boots;
    int rc = 0;

    for (size_t i = 0; i < count; i++)
        boot_count = recordings[i].boot >= boot_count ? recordings[i].boot + 1 : boot_count;
    boots = calloc(boot_count + 1, sizeof(*boots));
    if (!boots)
        return -1;
    for (size_t i = 0; !rc && calls && i < count; i++) {
        boots[recordings[i].boot].fixed |= recordings[i].fixed;
        if (recordings[i].passings->count)
            rc = take(&boots[recordings[i].boot], &recordings[i], calls);
    }
    for (size_t i = 0; i < boot_count; i++)
        with += boots[i].passings != NULL;
    if (!rc && with > 1 && place_all(boots, boot_count, calls, alignment)) {
        alignment->barriers_all = true;
        move(recordings, count, boots, alignment);
    }
    for (size_t i = 0; i < boot_count; i++)
        free(boots[i].passings);
    free(boots);
    return rc;
}
