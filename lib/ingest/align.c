/* SPDX-License-Identifier: MIT */
#include "ingest/align.h"

#include "base/nstime.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Linux corrects a clock's rate by 500 ppm at most (adjtimex(2)): a wall clock that moved
 * further was set. */
#define RATE_MOST 500e-6

/* Recordings of one run are not a year apart. */
#define APART_MOST_NS (366 * INT64_C(86400) * GT_NS_PER_S)

/* One boot of one machine: the wall clock by its monotonic clock. */
struct boot {
    const char *name; /* of a recording in it */
    struct gt_clock_anchor first, last;
    double rate; /* the wall clock goes faster by that part */
    int64_t set_ns;
};

struct boots {
    struct boot *list;
    uint32_t count;
    uint32_t *of; /* by recording */
};

static bool is_taken(const struct gt_clock_anchor *anchor)
{
    return anchor->monotonic_ns > 0 && anchor->monotonic_ns < GT_TIME_MOST_NS &&
           anchor->realtime_ns > 0 && anchor->realtime_ns < INT64_MAX / 2 &&
           anchor->within_ns >= 0 && anchor->within_ns < GT_TIME_MOST_NS;
}

static void take_anchor(struct boot *boot, const struct gt_clock_anchor *anchor)
{
    if (!is_taken(anchor))
        return;
    if (!is_taken(&boot->first) || anchor->monotonic_ns < boot->first.monotonic_ns)
        boot->first = *anchor;
    if (!is_taken(&boot->last) || anchor->monotonic_ns > boot->last.monotonic_ns)
        boot->last = *anchor;
}

/* The rate between its anchors, unless the wall clock was set between them. */
static void find_rate(struct boot *boot)
{
    int64_t length_ns = boot->last.monotonic_ns - boot->first.monotonic_ns;
    int64_t change_ns = boot->last.realtime_ns - boot->first.realtime_ns - length_ns;
    int64_t within_ns = boot->first.within_ns + boot->last.within_ns;

    if (llabs(change_ns) > (int64_t)(RATE_MOST * (double)length_ns) + within_ns)
        boot->set_ns = llabs(change_ns);
    else if (llabs(change_ns) > within_ns)
        boot->rate = (double)change_ns / (double)length_ns;
}

/* How wrong its wall clock may be; whether that is known is another question. */
static int64_t error_of(const struct boot *boot)
{
    int64_t within_ns = boot->first.within_ns > boot->last.within_ns ? boot->first.within_ns
                                                                     : boot->last.within_ns;
    int64_t wrong_ns =
        boot->first.error_ns > boot->last.error_ns ? boot->first.error_ns : boot->last.error_ns;

    return gt_add_ns(gt_add_ns(within_ns, boot->set_ns), wrong_ns > 0 ? wrong_ns : 0);
}

static int no_clocks(const char *name, struct gt_error *err)
{
    return gt_error_set(err, GT_ERR_FORMAT,
                        "%s keeps no reading of the wall clock, so it cannot be put beside "
                        "recordings of other machines or boots (record it anew, with this "
                        "giltracer, and name the folder of --keep)",
                        name);
}

static int check_times(const struct boot *boots, uint32_t count, struct gt_error *err)
{
    const struct boot *first = &boots[0], *last = &boots[0];

    for (uint32_t i = 1; i < count; i++) {
        first = boots[i].first.realtime_ns < first->first.realtime_ns ? &boots[i] : first;
        last = boots[i].first.realtime_ns > last->first.realtime_ns ? &boots[i] : last;
    }
    if (last->first.realtime_ns - first->first.realtime_ns <= APART_MOST_NS)
        return 0;
    return gt_error_set(err, GT_ERR_FORMAT,
                        "by their wall clocks, %s was recorded %.1f years after %s: one of the "
                        "clocks was wrong, or they belong to different runs (name recordings "
                        "of one time)",
                        last->name,
                        (double)(last->first.realtime_ns - first->first.realtime_ns) / 1e9 /
                            86400 / 365.25,
                        first->name);
}

/* What has the same boot id is of one boot; what has none is of its own. */
static void find_boots(struct boots *boots, struct gt_aligned *recordings, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *id = recordings[i].clocks.boot_id;
        size_t same = 0;

        while (same < i && (!id[0] || strcmp(recordings[same].clocks.boot_id, id) != 0))
            same++;
        boots->of[i] = same < i ? boots->of[same] : boots->count++;
        recordings[i].boot = boots->of[i];
        if (same == i)
            boots->list[boots->of[i]].name = recordings[i].name;
        take_anchor(&boots->list[boots->of[i]], &recordings[i].clocks.first);
        take_anchor(&boots->list[boots->of[i]], &recordings[i].clocks.last);
    }
}

static int find_rates(struct boots *boots, struct gt_error *err)
{
    for (uint32_t i = 0; i < boots->count; i++) {
        if (!is_taken(&boots->list[i].first))
            return no_clocks(boots->list[i].name, err);
        find_rate(&boots->list[i]);
    }
    return check_times(boots->list, boots->count, err);
}

static void sum_up(struct gt_alignment *alignment, const struct boots *boots)
{
    int64_t worst_ns = 0, second_ns = 0;

    for (uint32_t i = 0; i < boots->count; i++) {
        const struct boot *boot = &boots->list[i];
        int64_t error_ns = error_of(boot);

        if (error_ns > worst_ns) {
            second_ns = worst_ns;
            worst_ns = error_ns;
        } else if (error_ns > second_ns) {
            second_ns = error_ns;
        }
        alignment->unknown += boot->first.error_ns < 0 || boot->last.error_ns < 0;
        if (fabs(boot->rate) * 1e6 > alignment->drift_ppm)
            alignment->drift_ppm = fabs(boot->rate) * 1e6;
        if (boot->set_ns > alignment->set_ns)
            alignment->set_ns = boot->set_ns;
    }
    alignment->error_ns = gt_add_ns(worst_ns, second_ns);
}

/* The common clock is the wall clock, less what makes it the monotonic one of the machine whose
 * recording is the earliest: so no time is below 0. */
static void make_maps(struct gt_aligned *recordings, size_t count, const struct boots *boots)
{
    const struct boot *earliest = &boots->list[0];

    for (uint32_t i = 1; i < boots->count; i++)
        if (boots->list[i].first.realtime_ns < earliest->first.realtime_ns)
            earliest = &boots->list[i];
    for (size_t i = 0; i < count; i++) {
        const struct boot *boot = &boots->list[boots->of[i]];

        recordings[i].map = (struct gt_clock_map){
            .from_ns = boot->first.monotonic_ns,
            .to_ns = boot->first.realtime_ns -
                     (earliest->first.realtime_ns - earliest->first.monotonic_ns),
            .rate = boot->rate,
        };
    }
}

int gt_align(struct gt_aligned *recordings, size_t count, struct gt_alignment *alignment,
             struct gt_error *err)
{
    struct boots boots = {.list = calloc(count + 1, sizeof(*boots.list)),
                          .of = calloc(count + 1, sizeof(*boots.of))};
    int rc = boots.list && boots.of ? 0 : gt_error_memory(err);

    *alignment = (struct gt_alignment){0};
    for (size_t i = 0; i < count; i++)
        recordings[i].map = (struct gt_clock_map){0};
    if (rc == 0)
        find_boots(&boots, recordings, count);
    alignment->machines = boots.count;
    if (rc == 0 && boots.count > 1)
        rc = find_rates(&boots, err);
    if (rc == 0 && boots.count > 1) {
        make_maps(recordings, count, &boots);
        sum_up(alignment, &boots);
    }
    free(boots.list);
    free(boots.of);
    return rc;
}
