/* SPDX-License-Identifier: MIT */
#include "launch/recorders.h"

#include "base/nstime.h"
#include "launch/meter.h"
#include "launch/schedstat.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void gt_recorders_init(struct gt_recorders *recorders,
                       const char *const paths[GT_RECORDED_PARTS], gt_recorder_fn on_ready,
                       gt_recorder_fn on_done, void *context)
{
    memset(recorders, 0, sizeof(*recorders));
    for (int i = 0; i < GT_RECORDED_PARTS; i++) {
        recorders->paths[i] = paths[i];
        gt_recorder_init(&recorders->of[i], on_ready, on_done, context);
    }
}

static int start(struct gt_recorders *recorders, enum gt_recorded_part part,
                 const struct gt_plan *plan, const struct gt_caps *caps, uv_loop_t *loop,
                 int pid, bool held, struct gt_error *err)
{
    struct gt_strvec argv;
    int rc;

    recorders->plan = plan;
    if (part == GT_RECORDED_REST && recorders->stream)
        recorders->of[part].stream = *recorders->stream;
    recorders->of[part].without_syslog =
        part != GT_RECORDED_REST || (!plan->stacks && !plan->counters.count);
    if (!gt_plan_events_of(plan, part)->count)
        return 0;
    if (part == GT_RECORDED_NATIVE && plan->native_hz[1])
        snprintf(recorders->of[part].enable_word, sizeof(recorders->of[part].enable_word),
                 "enable native-%u", plan->native_hz[0]);
    gt_strvec_init(&argv);
    if (gt_plan_record_command(plan, caps, part, pid, GT_RECORDER_CONTROL_FD,
                               GT_RECORDER_ACK_FD, &argv))
        rc = gt_error_memory(err);
    else
        rc = gt_recorder_start(&recorders->of[part], caps, loop, argv.items,
                               recorders->paths[part], held, err);
    gt_strvec_release(&argv);
    return rc;
}

int gt_recorders_start(struct gt_recorders *recorders, const struct gt_plan *plan,
                       const struct gt_caps *caps, uv_loop_t *loop, int pid, bool held,
                       struct gt_error *err)
{
    int rc = 0;

    for (int i = 0; rc == 0 && i < GT_RECORDED_PARTS; i++)
        rc = start(recorders, (enum gt_recorded_part)i, plan, caps, loop, pid, held, err);
    return rc;
}

void gt_recorders_enable(struct gt_recorders *recorders)
{
    for (int i = 0; i < GT_RECORDED_PARTS; i++)
        gt_recorder_enable(&recorders->of[i]);
}

bool gt_recorders_give_up_native(struct gt_recorders *recorders)
{
    struct gt_recorder *native = &recorders->of[GT_RECORDED_NATIVE];

    if (!native->spawned || !native->done || native->stopped ||
        recorders->died[GT_RECORDED_NATIVE])
        return false;
    for (int i = 0; i < GT_RECORDED_PARTS; i++)
        if (i != GT_RECORDED_NATIVE && recorders->of[i].spawned && recorders->of[i].done)
            return false;
    recorders->died[GT_RECORDED_NATIVE] = true;
    native->ready = true; /* nobody waits for it */
    return true;
}

/* CPU time that the process has used; 0: not known. */
static int64_t cpu_ns_of(int pid)
{
    struct timespec used;
    clockid_t clock;

    if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &used))
        return 0;
    return (int64_t)used.tv_sec * GT_NS_PER_S + used.tv_nsec;
}

/* Has it used more than 1% since it was told to record, its start left out? */
static bool native_is_dear(struct gt_recorders *recorders, int64_t since_ns, int64_t now_ns)
{
    enum { LEAST_NS = 100000000, PERCENT = 1 };
    int64_t used_ns = cpu_ns_of(recorders->of[GT_RECORDED_NATIVE].child.process.pid);

    if (!recorders->native_looked_ns) {
        recorders->native_looked_ns = recorders->native_step ? now_ns : since_ns;
        recorders->native_used_ns = used_ns;
    }
    used_ns -= recorders->native_used_ns;
    return used_ns > LEAST_NS &&
           used_ns * 100 > (now_ns - recorders->native_looked_ns) * PERCENT;
}

/* perf's events of a thread make each switch of it dearer, how seldom ever they occur. */
static bool switches_are_dear(struct gt_recorders *recorders, struct gt_target *target,
                              int64_t elapsed_ns)
{
    enum { TYPICAL_NS = 1200, PERCENT = 1 };
    int64_t switch_ns = gt_target_costs(target).switch_ns;
    uint64_t seen = gt_switches_of(gt_target_pid(target));

    if (recorders->switches_seen && seen > recorders->switches_seen)
        recorders->switches += seen - recorders->switches_seen;
    recorders->switches_seen = seen;
    return gt_cost_too_dear((double)recorders->switches *
                                (double)(switch_ns > 0 ? switch_ns : TYPICAL_NS),
                            elapsed_ns, PERCENT);
}

/* Sample less often, from now on. */
static void next_step(struct gt_recorders *recorders)
{
    struct gt_recorder *native = &recorders->of[GT_RECORDED_NATIVE];
    unsigned step = recorders->native_step++;
    char word[32];

    snprintf(word, sizeof(word), "disable native-%u", recorders->plan->native_hz[step]);
    gt_perfctl_say(&native->control, word);
    snprintf(word, sizeof(word), "enable native-%u", recorders->plan->native_hz[step + 1]);
    gt_perfctl_say(&native->control, word);
    recorders->native_looked_ns = 0;
}

void gt_recorders_thin_native(struct gt_recorders *recorders, struct gt_target *target,
                              int64_t since_ns, struct gt_strvec *warnings)
{
    bool asked = recorders->plan->native_asked;
    off_t step_bytes = (off_t)(asked ? 256 : 32) << 20;
    struct gt_recorder *native = &recorders->of[GT_RECORDED_NATIVE];
    unsigned step = recorders->native_step;
    int64_t now_ns = gt_now_ns();
    double at_s = (double)(now_ns - since_ns) / GT_NS_PER_S;
    struct stat st;

    if (!native->spawned || native->done || native->stopped || !native->ready)
        return;
    if (!asked && switches_are_dear(recorders, target, now_ns - since_ns)) {
        gt_strvec_pushf(
            warnings,
            "native stacks were not sampled any more from %.1f s on: to record them "
            "made switches of threads dearer, by more than 1%% of the time "
            "(--native-freq N samples to the end)",
            at_s);
        gt_recorder_stop(native);
        return;
    }
    if (step + 1 == GT_NATIVE_STEPS || !recorders->plan->native_hz[step + 1])
        return;
    if (native_is_dear(recorders, since_ns, now_ns)) {
        next_step(recorders);
        gt_strvec_pushf(
            warnings,
            "native stacks took more than 1%% of the time to record: from %.1f s on "
            "there are %u samples per second",
            at_s, recorders->plan->native_hz[step + 1]);
    } else if (!stat(recorders->paths[GT_RECORDED_NATIVE], &st) &&
               st.st_size >= step_bytes * (step + 1)) {
        next_step(recorders);
        if (asked)
            gt_strvec_pushf(warnings,
                            "native stacks have filled %lld MiB: from %.1f s on there are %u "
                            "samples per second",
                            (long long)(step_bytes >> 20) * (step + 1), at_s,
                            recorders->plan->native_hz[step + 1]);
    }
}

bool gt_recorders_any(const struct gt_recorders *recorders)
{
    for (int i = 0; i < GT_RECORDED_PARTS; i++)
        if (recorders->of[i].spawned)
            return true;
    return false;
}

bool gt_recorders_are_ready(const struct gt_recorders *recorders)
{
    bool all = true;

    for (int i = 0; i < GT_RECORDED_PARTS; i++)
        all &= !recorders->of[i].spawned || recorders->of[i].ready;
    return all;
}

bool gt_recorders_are_done(const struct gt_recorders *recorders)
{
    bool all = true;

    for (int i = 0; i < GT_RECORDED_PARTS; i++)
        all &= recorders->of[i].done;
    return all;
}

bool gt_recorders_has_data(const struct gt_recorders *recorders, enum gt_recorded_part part)
{
    struct stat st;

    return recorders->of[part].spawned && stat(recorders->paths[part], &st) == 0 &&
           st.st_size > 0;
}

int64_t gt_recorders_written_ns(const struct gt_recorders *recorders)
{
    int64_t earliest_ns = INT64_MAX;

    for (int i = 0; i < GT_RECORDED_PARTS; i++) {
        const struct gt_recorder *recorder = &recorders->of[i];

        if (recorder->spawned && !recorder->done && recorder->control.written_ns < earliest_ns)
            earliest_ns = recorder->control.written_ns;
    }
    return earliest_ns;
}

void gt_recorders_stop(struct gt_recorders *recorders)
{
    for (int i = 0; i < GT_RECORDED_PARTS; i++)
        gt_recorder_stop(&recorders->of[i]);
}

void gt_recorders_kill(struct gt_recorders *recorders, uint64_t grace_ms)
{
    for (int i = 0; i < GT_RECORDED_PARTS; i++)
        gt_recorder_kill(&recorders->of[i], grace_ms);
}

/* Did some end since threads did, and none for another reason? */
static bool missed_threads(const struct gt_recorders *recorders)
{
    bool any = false;

    for (int i = 0; i < GT_RECORDED_PARTS; i++) {
        const struct gt_recorder *recorder = &recorders->of[i];
        char complaint[256];

        if (!recorder->spawned || !recorder->done)
            continue;
        gt_recorder_complaint(recorder, complaint, sizeof(complaint));
        if (complaint[0] && !strstr(complaint, "Ignored open failure"))
            return false;
        any = true;
    }
    return any;
}

enum gt_retry gt_recorders_retry(struct gt_recorders *recorders, uv_loop_t *loop)
{
    enum { ATTEMPTS_MAX = 20, GRACE_MS = 2000 };

    if (!recorders->retrying) {
        if (recorders->attempts == ATTEMPTS_MAX || !missed_threads(recorders))
            return GT_RETRY_NO;
        recorders->attempts++;
        recorders->retrying = true;
        gt_recorders_kill(recorders, GRACE_MS);
    }
    if (!gt_recorders_are_done(recorders))
        return GT_RETRY_WAIT;
    for (int i = 0; i < GT_RECORDED_PARTS; i++) {
        struct gt_recorder *recorder = &recorders->of[i];

        gt_recorder_release(recorder, loop);
        gt_recorder_init(recorder, recorder->on_ready, recorder->on_done, recorder->context);
        recorders->died[i] = false;
    }
    recorders->retrying = false;
    return GT_RETRY_NOW;
}

void gt_recorders_complaint(const struct gt_recorders *recorders, char *text, size_t size)
{
    const struct gt_recorder *first = &recorders->of[GT_RECORDED_PROBES];

    if (!first->spawned || !first->done)
        first = &recorders->of[GT_RECORDED_REST];
    gt_recorder_complaint(first, text, size);
}

bool gt_recorders_died(struct gt_recorders *recorders, enum gt_recorded_part part)
{
    const struct gt_recorder *recorder = &recorders->of[part];

    if (!recorder->spawned || !recorder->done || recorders->died[part] ||
        gt_recorder_ended_well(recorder))
        return false;
    recorders->died[part] = true;
    return true;
}

void gt_recorders_release(struct gt_recorders *recorders, uv_loop_t *loop)
{
    for (int i = 0; i < GT_RECORDED_PARTS; i++)
        gt_recorder_release(&recorders->of[i], loop);
}
