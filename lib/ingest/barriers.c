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
    struct gt_passing *passings; /* NULL: it made none */
    bool fixed;
    int64_t moved_ns;
};

enum { BOOTS_MAX = 1024 };     /* the web of them is as large as its square */
#define FAR_NS (INT64_MAX / 4) /* as good as no limit; two of them can be added */

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

static int64_t difference_ns(int64_t ns, int64_t other_ns)
{
    int64_t difference;

    if (__builtin_sub_overflow(ns, other_ns, &difference))
        return ns > other_ns ? FAR_NS : -FAR_NS;
    return difference > FAR_NS ? FAR_NS : difference < -FAR_NS ? -FAR_NS : difference;
}

/* How much further than the other the one may be moved: it must have entered each call when the
 * other leaves it. */
static int64_t most_ns(const struct boot *boot, const struct boot *other, size_t calls)
{
    int64_t least_ns = boot->fixed && other->fixed ? 0 : FAR_NS;

    for (size_t i = 0; i < calls; i++) {
        int64_t room_ns = difference_ns(other->passings[i].end_ns, boot->passings[i].start_ns);

        least_ns = room_ns < least_ns ? room_ns : least_ns;
    }
    return least_ns;
}

/* The same of all pairs, `most[i * count + j]`, by way of others, too (Floyd and Warshall):
 * then whoever is placed within the limits to those that are leaves room for the rest. False:
 * calls contradict each other. */
static bool limit(struct boot *const *boots, size_t count, size_t calls, int64_t *most)
{
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count; j++)
            most[i * count + j] = i == j ? 0 : most_ns(boots[i], boots[j], calls);
    for (size_t via = 0; via < count; via++)
        for (size_t i = 0; i < count; i++)
            for (size_t j = 0; j < count; j++) {
                int64_t way_ns = most[i * count + via] + most[via * count + j];

                way_ns = way_ns < -FAR_NS ? -FAR_NS : way_ns;
                if (way_ns < most[i * count + j])
                    most[i * count + j] = way_ns;
            }
    for (size_t i = 0; i < count; i++)
        if (most[i * count + i] < 0)
            return false;
    return true;
}

/* Give each its place: where it is, if it may stay there, else in the middle of what it may.
 * Those come first that cannot be moved. */
static void place(struct boot *const *boots, size_t count, const int64_t *most)
{
    for (size_t i = 0; i < count; i++) {
        int64_t from_ns = -FAR_NS, until_ns = FAR_NS;

        for (size_t j = 0; j < i; j++) {
            int64_t least = boots[j]->moved_ns - most[j * count + i];
            int64_t furthest = boots[j]->moved_ns + most[i * count + j];

            from_ns = least > from_ns ? least : from_ns;
            until_ns = furthest < until_ns ? furthest : until_ns;
        }
        if (from_ns > 0 || until_ns < 0)
            boots[i]->moved_ns = from_ns + (until_ns - from_ns) / 2;
    }
}

/* How far any two may be apart, where they have their places now. */
static int64_t error_of(struct boot *const *boots, size_t count, const int64_t *most)
{
    int64_t worst_ns = 0;

    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count; j++) {
            int64_t room_ns = most[i * count + j] - (boots[i]->moved_ns - boots[j]->moved_ns);

            worst_ns = room_ns > worst_ns ? room_ns : worst_ns;
        }
    return worst_ns;
}

/* Those that made calls, the ones first that cannot be moved. How many. */
static size_t list_boots(struct boot *boots, size_t count, struct boot **list)
{
    size_t listed = 0;

    for (int fixed = 1; fixed >= 0; fixed--)
        for (size_t i = 0; i < count; i++)
            if (boots[i].passings && boots[i].fixed == (fixed == 1))
                list[listed++] = &boots[i];
    return listed;
}

/* 1: they have their places; 0: nothing is known of them; -1: no memory. */
static int place_all(struct boot *boots, size_t boot_count, size_t calls,
                     struct gt_alignment *alignment)
{
    struct boot **list = malloc((boot_count + 1) * sizeof(*list));
    size_t count = list ? list_boots(boots, boot_count, list) : 0;
    int64_t *most = NULL;
    int rc = list ? 0 : -1;

    if (count > 1 && count <= BOOTS_MAX) {
        most = malloc(count * count * sizeof(*most));
        rc = !most ? -1 : limit(list, count, calls, most);
    }
    if (rc == 1) {
        place(list, count, most);
        alignment->barriers = calls;
        alignment->barriers_error_ns = error_of(list, count, most);
    }
    free(most);
    free(list);
    return rc;
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
    size_t calls = count_of(recordings, count), boot_count = 0;
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
    if (!rc && calls)
        rc = place_all(boots, boot_count, calls, alignment);
    if (rc == 1) {
        alignment->barriers_all = true;
        move(recordings, count, boots, alignment);
    }
    for (size_t i = 0; i < boot_count; i++)
        free(boots[i].passings);
    free(boots);
    return rc < 0 ? rc : 0;
}
