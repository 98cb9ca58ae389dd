/* SPDX-License-Identifier: MIT */
#include "whatif/estimate.h"

#include "analysis/gil_times.h"
#include "analysis/judgement.h"
#include "base/nstime.h"
#include "base/order.h"
#include "whatif/advice.h"
#include "whatif/build.h"
#include "whatif/candidates.h"
#include "whatif/named.h"
#include "whatif/simulator.h"

#include <stdlib.h>
#include <string.h>

enum {
    ERROR_PERCENT = 10,  /* a replay that is farther off is not believed */
    LOST_PERCENT = 2,    /* nor is a recording of which more is lost */
    UNKNOWN_PERCENT = 5, /* of the run's length */
    WORTH_PERCENT = 98,  /* a function that would leave more of the run is of no interest */
    GUESS_PERCENT = 10,  /* two guesses lead to lengths that differ by more: withheld */
    BUSY_PERCENT = 25,   /* of the run, without a CPU though with the GIL: withheld */
    SLOWED_PERCENT = 8,  /* the untraced run is shorter than an estimate by more: withheld */
    ORDER_PERCENT = 45,  /* an event loop's order may matter by more: withheld; else … */
    ORDER_PART = 3,      /* … the loop is taken to gain one part in so many of that */
};

struct asking {
    struct gt_whatif *out;
    const struct gt_timeline *timeline;
    const struct gt_blockers *blockers;
    struct gt_build build;
    bool guesses_jobs; /* the workload does, and the guess fits the recorded run */
    int64_t alone_ns;  /* from the beginning until a second thread had a GIL */
    struct gt_candidates candidates;
    char *const *asked; /* names; NULL: none */
};

/* --- can it be told at all? --- */

static bool ended(const struct gt_timeline *timeline)
{
    uint32_t main = gt_process_at(timeline, gt_gil_at(timeline, 0)->process)->main_thread;

    return main != GT_NO_INDEX && gt_thread_at(timeline, main)->flags & GT_THREAD_SAW_EXIT;
}

/* Nothing can stand in for what is not known of a process. */
static bool has_holes(const struct gt_timeline *timeline, int64_t longest_ns)
{
    for (size_t i = 0; i < timeline->holes.count; i++) {
        const struct gt_hole *hole = gt_hole_at(&timeline->holes, i);

        if (!hole->ended_it && hole->end_ns - hole->start_ns > longest_ns)
            return true;
    }
    return false;
}

/* Nor for what threads did after a loss, until they were seen again. */
static bool is_unknown_after(const struct gt_timeline *timeline)
{
    int64_t unknown_ns = 0, lives_ns = 0;

    for (uint32_t i = 0; i < timeline->gils.count; i++) {
        const struct gt_gil *gil = gt_gil_at(timeline, i);

        lives_ns = gt_add_ns(lives_ns, gt_gil_lives_ns(gil));
        if (gil->unknowns.count)
            unknown_ns =
                gt_add_ns(unknown_ns, gt_gil_lives_ns(gil) - gt_gil_thread_lives_ns(gil));
    }
    return unknown_ns > lives_ns / 100 * LOST_PERCENT;
}

static enum gt_whatif_gap find_gap(const struct gt_timeline *timeline)
{
    size_t members = 0;
    int64_t length_ns = timeline->end_ns - timeline->start_ns;

    if (timeline->gils.count == 0)
        return GT_WHATIF_NO_GIL;
    if (timeline->recordings.count)
        return GT_WHATIF_SEVERAL;
    for (uint32_t i = 0; i < timeline->gils.count; i++) {
        members += gt_gil_at(timeline, i)->members.count;
        if (gt_gil_at(timeline, i)->source == GT_GIL_FROM_FUTEX)
            return GT_WHATIF_FUTEX;
    }
    if (members < 2)
        return GT_WHATIF_ALONE;
    if (timeline->stopped_ns >= 0)
        return GT_WHATIF_STOPPED;
    if (timeline->quality.lost_ns > length_ns / 100 * LOST_PERCENT ||
        is_unknown_after(timeline) || has_holes(timeline, length_ns / 100 * LOST_PERCENT))
        return GT_WHATIF_LOST;
    return ended(timeline) ? GT_WHATIF_OK : GT_WHATIF_PART;
}

/* --- functions to ask about --- */

static struct gt_tag tag_of(const struct gt_candidate *candidate, size_t index)
{
    return (struct gt_tag){
        .tag = (uint16_t)(index + 1),
        .kept_share = candidate->asked_hold_ns > 0
                          ? (float)candidate->kept_hold_ns / (float)candidate->asked_hold_ns
                          : 0,
    };
}

static int64_t alone_of(const struct gt_timeline *timeline)
{
    int64_t first_ns = INT64_MAX, second_ns = INT64_MAX;

    for (uint32_t i = 0; i < timeline->gils.count; i++) {
        const struct gt_gil *gil = gt_gil_at(timeline, i);

        for (uint32_t m = 0; m < gil->members.count; m++) {
            int64_t start_ns =
                gt_thread_at(timeline, gt_gil_thread_at(gil, m)->thread)->start_ns;

            if (start_ns < first_ns) {
                second_ns = first_ns;
                first_ns = start_ns;
            } else if (start_ns < second_ns) {
                second_ns = start_ns;
            }
        }
    }
    return second_ns == INT64_MAX ? 0 : second_ns - timeline->start_ns;
}

static int build_workload(struct asking *asking, struct gt_error *err)
{
    struct gt_tag *tags = calloc(asking->timeline->functions.count + 1, sizeof(*tags));
    int rc;

    if (!tags)
        return gt_error_memory(err);
    for (uint32_t f = 0; f < asking->timeline->functions.count; f++)
        for (size_t i = 0; i < asking->candidates.count; i++)
            if (gt_candidate_is_same(asking->timeline, asking->candidates.list[i].function, f))
                tags[f] = tag_of(&asking->candidates.list[i], i);
    rc = gt_build_init(&asking->build, asking->timeline, asking->blockers, tags, NULL,
                       asking->out->cores, err);
    free(tags);
    return rc;
}

enum { NAMED = 1 }; /* its tag */

/* Another workload, in which only the function of that name has a tag: one may call another. 1,
 * 0: nobody was seen in it, or negative. */
static int build_named(struct asking *asking, const char *name, struct gt_build *build,
                       struct gt_error *err)
{
    struct gt_tag *tags = calloc(asking->timeline->functions.count + 1, sizeof(*tags));
    struct gt_chunks native;
    bool seen = false;
    int rc = 0;

    gt_chunks_init(&native, sizeof(struct gt_nonyielding_span));
    for (uint32_t f = 0; tags && f < asking->timeline->functions.count; f++)
        if (gt_named_is(asking->timeline, f, name)) {
            tags[f] = (struct gt_tag){.tag = NAMED, .whole = true};
            seen = true;
        }
    if (!tags || gt_named_spans(asking->timeline, name, NAMED, &native))
        rc = gt_error_memory(err);
    seen |= native.count > 0;
    if (rc == 0 && seen)
        rc = gt_build_init(build, asking->timeline, asking->blockers, tags, &native,
                           asking->out->cores, err);
    gt_chunks_release(&native);
    free(tags);
    return rc ? rc : seen;
}

/* --- asking --- */

/* What a replay finds. */
struct found {
    int64_t wall_ns; /* length of the run; -1: not known */
    uint32_t crowd;  /* with that many cores, more would not help */
    enum gt_withheld withheld;
};

static int replay(struct asking *asking, const struct gt_sim_rules *rules, struct found *found,
                  struct gt_error *err)
{
    struct gt_sim_result result;
    int rc = gt_simulate(&asking->build.workload, rules, &result, err);

    if (rc < 0)
        return rc;
    *found = (struct found){.wall_ns = gt_add_ns(result.end_ns, asking->build.after_ns),
                            .crowd = result.crowd};
    if (result.stuck)
        *found = (struct found){.wall_ns = -1, .withheld = GT_WITHHELD_STUCK};
    return 0;
}

/* Are these two lengths of the run far apart? The time before a second thread had a GIL does
 * not count: it is the same in both. */
static bool is_far(const struct asking *asking, int64_t one_ns, int64_t two_ns, int percent)
{
    int64_t least_ns = one_ns < two_ns ? one_ns : two_ns;
    int64_t most_ns = one_ns < two_ns ? two_ns : one_ns;

    return most_ns - least_ns > (most_ns - asking->alone_ns) / 100 * percent;
}

/* Does the run take as long if the guess is right? Else withhold what was found. Of two lengths
 * that are close the longer one is kept: it promises less. */
static int try_guess(struct asking *asking, const struct gt_sim_rules *rules,
                     enum gt_withheld why, struct found *found, struct gt_error *err)
{
    struct found other = {0};
    int rc = found->wall_ns < 0 ? 0 : replay(asking, rules, &other, err);

    if (rc == 0 && found->wall_ns >= 0 &&
        (other.wall_ns < 0 || is_far(asking, found->wall_ns, other.wall_ns, GUESS_PERCENT))) {
        found->wall_ns = -1;
        found->withheld = why;
    } else if (rc == 0 && found->wall_ns >= 0 && other.wall_ns > found->wall_ns) {
        found->wall_ns = other.wall_ns;
    }
    return rc;
}

/* An event loop does what comes first. The replay does everything in the recorded order, which
 * may take longer; a loop that never waited would take less. What the loop would really do lies
 * in between. */
static int try_order(struct asking *asking, const struct gt_sim_rules *rules,
                     struct found *found, struct gt_error *err)
{
    struct found bound = {0};
    int rc = found->wall_ns < 0 ? 0 : replay(asking, rules, &bound, err);

    if (rc < 0 || found->wall_ns < 0 || bound.wall_ns < 0)
        return rc;
    if (is_far(asking, found->wall_ns, bound.wall_ns, ORDER_PERCENT)) {
        found->wall_ns = -1;
        found->withheld = GT_WITHHELD_STUCK;
    } else if (bound.wall_ns < found->wall_ns) {
        found->wall_ns -= (found->wall_ns - bound.wall_ns) / ORDER_PART;
    }
    return 0;
}

/* The same, but withhold what depends on a guess. */
static int replay_all(struct asking *asking, const struct gt_sim_rules *rules,
                      struct found *found, struct gt_error *err)
{
    struct gt_sim_rules by_clock = *rules, shared = *rules, bound = *rules;
    int rc = replay(asking, rules, found, err);

    by_clock.by_clock = shared.jobs_are_shared = bound.loops_do_not_wait = true;
    if (rc == 0 && asking->build.guesses_clocks)
        rc = try_guess(asking, &by_clock, GT_WITHHELD_CLOCK, found, err);
    if (rc == 0 && asking->guesses_jobs)
        rc = try_guess(asking, &shared, GT_WITHHELD_JOBS, found, err);
    if (rc == 0 && asking->build.guesses_order &&
        (rules->no_gil || rules->released_tag || rules->released_all))
        rc = try_order(asking, &bound, found, err);
    if (rc == 0 && asking->build.misses_clocks && found->wall_ns >= 0 &&
        rules->cores >= asking->out->cores &&
        is_far(asking, found->wall_ns, asking->out->replayed_ns, GUESS_PERCENT)) {
        found->wall_ns = -1;
        found->withheld = GT_WITHHELD_UNSEEN;
    }
    return rc;
}

/* Tracing may slow Python code itself. A run that is mostly Python code would be shorter by as
 * much without it, so nothing is estimated of it. Of the recorded run that is known, and told
 * with what recording cost. */
static void withhold_slowed(const struct gt_whatif *whatif, enum gt_estimate_kind kind,
                            struct found *found)
{
    if (kind == GT_ESTIMATE_RECORDED || found->wall_ns < 0 ||
        whatif->slowed_ns <= found->wall_ns / 100 * SLOWED_PERCENT)
        return;
    found->wall_ns = -1;
    found->withheld = GT_WITHHELD_SLOWED;
}

/* Who had the GIL had to share the CPUs with other programs. How these would share them with
 * threads that run at once is not known. */
static void withhold_busy(const struct gt_whatif *whatif, enum gt_estimate_kind kind,
                          struct found *found)
{
    if (kind != GT_ESTIMATE_NO_GIL || found->wall_ns < 0 ||
        whatif->no_cpu_ns <= whatif->recorded_ns / 100 * BUSY_PERCENT)
        return;
    found->wall_ns = -1;
    found->withheld = GT_WITHHELD_BUSY;
}

/* The replay is taken to be off by the same factor under all rules. */
static int64_t scale(const struct gt_whatif *whatif, int64_t wall_ns)
{
    if (wall_ns < 0 || whatif->replayed_ns <= 0)
        return -1;
    return gt_ns_of((double)wall_ns * (double)whatif->recorded_ns /
                    (double)whatif->replayed_ns);
}

static int estimate(struct asking *asking, struct gt_sim_rules rules,
                    struct gt_estimate estimate, struct gt_error *err)
{
    struct gt_whatif *out = asking->out;
    struct gt_estimate *added = gt_chunks_push(&out->estimates);
    struct found found = {.wall_ns = -1, .crowd = UINT32_MAX};

    if (!added)
        return gt_error_memory(err);
    for (uint32_t i = 0; i < out->core_counts; i++) {
        rules.cores = out->core_count[i];
        if (i == 0 || found.crowd > out->core_count[i - 1]) {
            int rc = replay_all(asking, &rules, &found, err);

            if (rc < 0)
                return rc;
            withhold_slowed(out, estimate.kind, &found);
            withhold_busy(out, estimate.kind, &found);
        }
        estimate.by_cores_ns[i] = scale(out, found.wall_ns);
        if (rules.cores == out->cores) {
            estimate.wall_ns = estimate.by_cores_ns[i];
            estimate.withheld = found.withheld;
        }
    }
    *added = estimate;
    return 0;
}

/* Nobody was seen in it. */
static int withhold_unseen(struct gt_whatif *whatif, struct gt_estimate estimate,
                           struct gt_error *err)
{
    struct gt_estimate *added = gt_chunks_push(&whatif->estimates);

    if (!added)
        return gt_error_memory(err);
    estimate.wall_ns = -1;
    for (uint32_t i = 0; i < GT_WHATIF_CORES; i++)
        estimate.by_cores_ns[i] = -1;
    estimate.withheld = GT_WITHHELD_UNSEEN_FUNCTION;
    *added = estimate;
    return 0;
}

/* With as many cores as were asked about. */
static int64_t shortest_ns(const struct gt_whatif *whatif, size_t index)
{
    return gt_estimate_at(whatif, index)->by_cores_ns[whatif->core_counts - 1];
}

/* A function that was not seen to keep the GIL is of no interest where the run would not be
 * shorter if it released it. */
static int ask_of_functions(struct asking *asking, struct gt_error *err)
{
    struct gt_whatif *out = asking->out;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < asking->candidates.count; i++) {
        const struct gt_candidate *candidate = &asking->candidates.list[i];
        size_t index = out->estimates.count;

        rc = estimate(asking, (struct gt_sim_rules){.released_tag = (uint16_t)(i + 1)},
                      (struct gt_estimate){.kind = GT_ESTIMATE_FUNCTION,
                                           .gil = candidate->gil,
                                           .gils = candidate->gils,
                                           .row = candidate->row},
                      err);
        if (rc == 0 && !candidate->kept && shortest_ns(out, index) >= 0 &&
            shortest_ns(out, index) > shortest_ns(out, 0) / 100 * WORTH_PERCENT)
            gt_chunks_truncate(&out->estimates, index);
    }
    return rc;
}

/* Those that are asked about by name, whatever comes of it. */
static int ask_of_named(struct asking *asking, struct gt_error *err)
{
    struct gt_build build = asking->build;
    int rc = 0;

    for (char *const *name = asking->asked; rc >= 0 && name && *name; name++) {
        struct gt_estimate one = {.kind = GT_ESTIMATE_FUNCTION, .asked = *name, .gils = 1};

        rc = build_named(asking, *name, &asking->build, err);
        if (rc > 0) {
            rc = estimate(asking, (struct gt_sim_rules){.released_tag = NAMED}, one, err);
            gt_build_release(&asking->build);
        } else if (rc == 0) {
            rc = withhold_unseen(asking->out, one, err);
        }
        asking->build = build;
    }
    return rc;
}

static int ask_all(struct asking *asking, struct gt_error *err)
{
    int rc = estimate(asking, (struct gt_sim_rules){0},
                      (struct gt_estimate){.kind = GT_ESTIMATE_RECORDED}, err);

    if (rc == 0)
        rc = ask_of_functions(asking, err);
    if (rc == 0 && asking->out->estimates.count > 2)
        rc = estimate(asking, (struct gt_sim_rules){.released_all = true},
                      (struct gt_estimate){.kind = GT_ESTIMATE_FUNCTIONS}, err);
    if (rc == 0)
        rc = ask_of_named(asking, err);
    return rc ? rc
              : estimate(asking, (struct gt_sim_rules){.no_gil = true},
                         (struct gt_estimate){.kind = GT_ESTIMATE_NO_GIL}, err);
}

/* 1, 2, 4, 8 and the recorded number, in order. */
static void choose_cores(struct gt_whatif *whatif)
{
    double cores = whatif->cores;

    for (uint32_t count = 1; count <= 8; count *= 2) {
        if (cores < count && (count == 1 || cores > count / 2))
            whatif->core_count[whatif->core_counts++] = cores;
        whatif->core_count[whatif->core_counts++] = count;
    }
    if (cores > 8)
        whatif->core_count[whatif->core_counts++] = cores;
}

static int ask(struct asking *asking, struct gt_error *err)
{
    struct gt_whatif *out = asking->out;
    struct gt_sim_rules rules = {.cores = out->cores};
    struct found found, shared;
    int rc = gt_candidates_find(&asking->candidates, asking->timeline, asking->blockers)
                 ? gt_error_memory(err)
                 : build_workload(asking, err);

    if (rc < 0)
        return rc;
    out->grain_ns = asking->build.grain_ns;
    asking->alone_ns = alone_of(asking->timeline);
    rc = replay(asking, &rules, &found, err);
    if (rc == 0 && asking->build.guesses_jobs) {
        rules.jobs_are_shared = true;
        rc = replay(asking, &rules, &shared, err);
        asking->guesses_jobs = rc == 0 && shared.wall_ns >= 0 &&
                               !is_far(asking, found.wall_ns, shared.wall_ns, GUESS_PERCENT);
    }
    if (rc == 0) {
        out->replayed_ns = found.wall_ns;
        if (asking->build.unknown_ns > out->recorded_ns / 100 * UNKNOWN_PERCENT)
            out->gap = GT_WHATIF_UNKNOWN;
        else if (out->replayed_ns < 0)
            out->gap = GT_WHATIF_STUCK;
        else if (gt_whatif_error(out) * 100 > ERROR_PERCENT ||
                 gt_whatif_error(out) * 100 < -ERROR_PERCENT)
            out->gap = GT_WHATIF_UNFAITHFUL;
        else
            rc = ask_all(asking, err);
    }
    gt_build_release(&asking->build);
    return rc;
}

/* The agent knows the process's own affinity, too. */
static double cores_of(const struct gt_recorded *recorded, double usable_cpus)
{
    if (recorded->agent_cpus && (usable_cpus <= 0 || recorded->agent_cpus < usable_cpus))
        usable_cpus = recorded->agent_cpus;
    return usable_cpus > 0 ? usable_cpus : recorded->timeline->cpu_count;
}

int gt_whatif_init(struct gt_whatif *whatif, const struct gt_recorded *recorded,
                   const struct gt_analysis *analysis, char *const *asked, double usable_cpus,
                   struct gt_error *err)
{
    const struct gt_timeline *timeline = recorded->timeline;
    struct asking asking = {
        .out = whatif, .timeline = timeline, .blockers = analysis->blockers, .asked = asked};
    bool changed = usable_cpus < 0;
    double cores = changed ? timeline->cpu_count : cores_of(recorded, usable_cpus);
    int rc;

    *whatif = (struct gt_whatif){
        .gap = find_gap(timeline),
        .cores = cores > 0 ? cores : 1,
        .recorded_ns = timeline->end_ns - timeline->start_ns,
        .replayed_ns = -1,
        .slowed_ns = analysis->cost.code_ns > 0 ? analysis->cost.total_ns : 0,
        .no_cpu_ns = analysis->interference.ready_holding_ns,
        .lost_ns = timeline->quality.lost_ns,
    };
    gt_chunks_init(&whatif->estimates, sizeof(struct gt_estimate));
    choose_cores(whatif);
    if (whatif->gap == GT_WHATIF_OK && changed)
        whatif->gap = GT_WHATIF_CPUS;
    if (whatif->gap != GT_WHATIF_OK)
        return 0;
    rc = ask(&asking, err);
    if (rc < 0)
        gt_whatif_release(whatif);
    else
        gt_whatif_advise(whatif, analysis->cost.total_ns);
    return rc;
}

void gt_whatif_release(struct gt_whatif *whatif)
{
    gt_chunks_release(&whatif->estimates);
}

double gt_whatif_error(const struct gt_whatif *whatif)
{
    if (whatif->recorded_ns <= 0)
        return 0;
    return (double)whatif->replayed_ns / (double)whatif->recorded_ns - 1;
}
