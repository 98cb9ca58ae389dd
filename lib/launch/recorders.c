/* SPDX-License-Identifier: MIT */
#include "launch/recorders.h"

#include <string.h>
#include <sys/stat.h>

void gt_recorders_init(struct gt_recorders *recorders, const char *probes_path,
                       const char *data_path, gt_recorder_fn on_ready, gt_recorder_fn on_done,
                       void *context)
{
    memset(recorders, 0, sizeof(*recorders));
    recorders->paths[GT_RECORDED_PROBES] = probes_path;
    recorders->paths[GT_RECORDED_REST] = data_path;
    for (int i = 0; i < GT_RECORDED_PARTS; i++)
        gt_recorder_init(&recorders->of[i], on_ready, on_done, context);
}

static int start(struct gt_recorders *recorders, enum gt_recorded_part part,
                 const struct gt_plan *plan, const struct gt_caps *caps, uv_loop_t *loop,
                 int pid, bool held, struct gt_error *err)
{
    bool probes = part == GT_RECORDED_PROBES;
    struct gt_strvec argv;
    int rc;

    if (!(probes ? plan->probe_events : plan->events).count)
        return 0;
    gt_strvec_init(&argv);
    if (gt_plan_record_command(plan, caps, probes, pid, GT_RECORDER_CONTROL_FD,
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

bool gt_recorders_any(const struct gt_recorders *recorders)
{
    return recorders->of[GT_RECORDED_PROBES].spawned || recorders->of[GT_RECORDED_REST].spawned;
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
    return recorders->of[GT_RECORDED_PROBES].done && recorders->of[GT_RECORDED_REST].done;
}

bool gt_recorders_has_data(const struct gt_recorders *recorders, enum gt_recorded_part part)
{
    struct stat st;

    return recorders->of[part].spawned && stat(recorders->paths[part], &st) == 0 &&
           st.st_size > 0;
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

bool gt_recorders_missed_threads(struct gt_recorders *recorders, uv_loop_t *loop)
{
    char complaint[256];

    gt_recorders_complaint(recorders, complaint, sizeof(complaint));
    if ((complaint[0] && !strstr(complaint, "Ignored open failure")) ||
        !gt_recorders_are_done(recorders))
        return false;
    for (int i = 0; i < GT_RECORDED_PARTS; i++) {
        struct gt_recorder *recorder = &recorders->of[i];

        gt_recorder_release(recorder, loop);
        gt_recorder_init(recorder, recorder->on_ready, recorder->on_done, recorder->context);
    }
    return true;
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
