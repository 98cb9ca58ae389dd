/* SPDX-License-Identifier: MIT */
#include "follow.h"

#include "base/nstime.h"
#include "common/console.h"
#include "common/exit_status.h"
#include "follower.h"
#include "launch/probes.h"
#include "launch/signals.h"
#include "launch/tools.h"
#include "matching.h"
#include "open_files.h"
#include "process_labels.h"

#include <stdlib.h>
#include <string.h>

enum {
    TICK_MS = 100,
    FOLLOWED_MAX = GT_METRICS_PROCESSES_MAX, /* more would have no series of their own */
    NEW_MAX = 8,                             /* perfs that are started in a second */
};
#define LOOK_NS INT64_C(1000000000)

_Static_assert((int)GT_CLI_PIDS_MAX == (int)FOLLOWED_MAX, "each pid has a follower");

struct follow {
    uv_loop_t loop;
    struct gt_signals signals;
    struct gt_caps caps;
    uv_timer_t timer;
    bool timer_open;
    struct gt_follow_common common;
    struct gt_matching matching;
    struct gt_follower followers[FOLLOWED_MAX];
    unsigned left_out[GT_MATCHING_ROUNDS]; /* since there are too many: by pid */
    unsigned started;                      /* in this look */
    int64_t begin_ns, end_ns, next_look_ns;
    bool told_left_out, told_refused;
};

bool gt_follow_is_asked(const struct gt_cli *cli)
{
    return cli->metrics && (cli->match || cli->pid);
}

/* --- which processes --- */

static const struct gt_follower *follower_of(const struct follow *follow, int pid)
{
    for (int i = 0; i < FOLLOWED_MAX; i++)
        if (follow->followers[i].state != GT_FOLLOWER_FREE &&
            follow->followers[i].process.pid == pid)
            return &follow->followers[i];
    return NULL;
}

/* Did it begin as a descendant of a followed one, with nobody between them who is older than
 * the recording? Then perf has gone over to it. */
static bool is_inherited(const struct follow *follow, struct gt_process_stat process)
{
    enum { DEPTH_MAX = 64 };
    uint64_t oldest = process.start;

    for (int i = 0; i < DEPTH_MAX && process.parent > 1; i++) {
        const struct gt_follower *follower = follower_of(follow, process.parent);

        if (follower && follower->state == GT_FOLLOWER_RECORDING &&
            oldest > follower->begun_ticks)
            return true;
        if (!gt_process_look(process.parent, &process))
            return false;
        if (process.start < oldest)
            oldest = process.start;
    }
    return false;
}

/* Is it recorded already? Fork records tell of those whose parents have ended. */
static bool is_followed(const struct follow *follow, const struct gt_process_stat *process)
{
    const struct gt_follower *own = follower_of(follow, process->pid);

    if ((own && own->process.start == process->start) || is_inherited(follow, *process))
        return true;
    for (int i = 0; i < FOLLOWED_MAX; i++)
        if (follow->followers[i].state == GT_FOLLOWER_RECORDING &&
            gt_counting_has(&follow->followers[i].counting, process->pid))
            return true;
    return false;
}

static struct gt_follower *free_follower(struct follow *follow)
{
    for (int i = 0; i < FOLLOWED_MAX; i++)
        if (follow->followers[i].state == GT_FOLLOWER_FREE)
            return &follow->followers[i];
    return NULL;
}

static void leave_out(struct follow *follow, int pid)
{
    follow->left_out[pid % GT_MATCHING_ROUNDS]++;
    if (follow->told_left_out)
        return;
    follow->told_left_out = true;
    gt_say("more than %d processes match: the rest is not followed until others end "
           "(giltracer_unfollowed_processes tells how many; this line is not repeated)",
           FOLLOWED_MAX);
}

static bool found(void *context, const struct gt_process_stat *process, const char *label)
{
    struct follow *follow = context;
    struct gt_follower *follower;
    struct gt_error err;
    int rc;

    if (follow->signals.first || is_followed(follow, process))
        return true;
    follower = free_follower(follow);
    if (!follower) {
        leave_out(follow, process->pid);
        return true;
    }
    if (follow->started == NEW_MAX)
        return false;
    rc = gt_follower_start(follower, &follow->common, process, label, &err);
    follow->started += rc == 0;
    if (rc == 0 || rc == GT_ERR_NOT_FOUND || follow->signals.first || follow->told_refused)
        return true;
    follow->told_refused = true;
    gt_say("a process that matches is not followed: %s (this is told of the first one only)",
           err.message);
    return true;
}

static void look(struct follow *follow)
{
    struct gt_error err;

    follow->left_out[follow->matching.round] = 0;
    follow->started = 0;
    if (gt_matching_look(&follow->matching, found, follow, &err) < 0 && !follow->signals.first)
        gt_say("%s", err.message);
}

/* --pid: all of them, or none. */
static int start_named(struct follow *follow, struct gt_error *err)
{
    const struct gt_cli *cli = follow->common.cli;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < cli->pid_count; i++) {
        const struct gt_process_names names = {.pid = cli->pids[i], .name = "", .command = ""};
        struct gt_process_stat process;
        char label[GT_METRICS_LABEL_SIZE];

        gt_process_label(NULL, &names, label, sizeof(label));
        if (!gt_process_look(cli->pids[i], &process))
            rc = gt_error_set(err, GT_ERR_NOT_FOUND, "there is no process %d", cli->pids[i]);
        else
            rc =
                gt_follower_start(&follow->followers[i], &follow->common, &process, label, err);
    }
    return rc;
}

/* --- the loop --- */

static unsigned count(const struct follow *follow, enum gt_follower_state state)
{
    unsigned count = 0;

    for (int i = 0; i < FOLLOWED_MAX; i++)
        count += follow->followers[i].state == state;
    return count;
}

static bool is_any_left(const struct follow *follow)
{
    return count(follow, GT_FOLLOWER_FREE) < FOLLOWED_MAX;
}

static void act(struct follow *follow)
{
    struct gt_metrics_followed followed = {.restarts = 0};

    for (int i = 0; i < FOLLOWED_MAX; i++)
        gt_follower_act(&follow->followers[i], &follow->common);
    followed.now = count(follow, GT_FOLLOWER_RECORDING);
    followed.dead = count(follow, GT_FOLLOWER_DEAD);
    followed.left_out = followed.dead;
    for (int i = 0; i < GT_MATCHING_ROUNDS; i++)
        followed.left_out += follow->left_out[i];
    followed.restarts = follow->common.restarts;
    gt_metrics_follow(follow->common.metrics, &followed);
}

static void on_tick(uv_timer_t *timer)
{
    (void)timer; /* that the loop goes round */
}

static void on_signal(void *context, int number, bool group)
{
    struct follow *follow = context;

    (void)number;
    (void)group;
    gt_child_interrupt(&follow->loop);
}

static bool is_over(const struct follow *follow)
{
    return follow->signals.first || (follow->end_ns && gt_now_ns() >= follow->end_ns);
}

static int record(struct follow *follow, struct gt_error *err)
{
    const struct gt_cli *cli = follow->common.cli;
    bool begun = false;
    int rc = 0;

    while (rc == 0 && !is_over(follow)) {
        int64_t now_ns = gt_now_ns();

        if (!begun && now_ns >= follow->begin_ns) {
            begun = true;
            rc = start_named(follow, err);
        }
        if (begun && cli->match && now_ns >= follow->next_look_ns) {
            follow->next_look_ns = now_ns + LOOK_NS;
            look(follow);
        }
        act(follow);
        if (begun && cli->duration_ms && !follow->end_ns &&
            (cli->match || !count(follow, GT_FOLLOWER_STARTING)))
            follow->end_ns = gt_now_ns() + (int64_t)cli->duration_ms * 1000000;
        if (begun && !cli->match && !is_any_left(follow))
            break;
        uv_run(&follow->loop, UV_RUN_ONCE);
    }
    return rc;
}

/* A second signal ends perf at once. */
static void end_all(struct follow *follow)
{
    bool killed = false;

    for (int i = 0; i < FOLLOWED_MAX; i++)
        gt_follower_end(&follow->followers[i]);
    while (is_any_left(follow)) {
        for (int i = 0; !killed && follow->signals.endings > 1 && i < FOLLOWED_MAX; i++)
            gt_follower_kill(&follow->followers[i]);
        killed = follow->signals.endings > 1;
        uv_run(&follow->loop, UV_RUN_ONCE);
        act(follow);
    }
}

/* --- from start to end --- */

static int start(struct follow *follow, const struct gt_inherited *inherited,
                 struct gt_error *err)
{
    const struct gt_cli *cli = follow->common.cli;
    const char *why;
    int rc = gt_caps_probe(&follow->caps, &follow->loop, err);

    if (rc < 0)
        return rc;
    gt_open_files_judge(cli, inherited, &follow->caps);
    why = follow->caps.record_why[0] ? follow->caps.record_why : follow->caps.trace_why;
    if (why[0])
        return gt_error_set(err, GT_ERR_PERMISSION, "cannot see the GIL: %s", why);
    if (follow->caps.tracefs && !follow->caps.install_why[0])
        gt_probes_sweep(&follow->caps, &follow->loop);
    if (cli->match)
        rc = gt_matching_init(&follow->matching, cli->match, err);
    if (rc < 0)
        return rc;
    follow->common.metrics = gt_metrics_start(&follow->loop, cli->metrics, cli->quiet, err);
    if (!follow->common.metrics)
        return GT_ERR_IO;
    follow->begin_ns = gt_now_ns() + (int64_t)cli->delay_ms * 1000000;
    uv_timer_start(&follow->timer, on_tick, TICK_MS, TICK_MS);
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    ((struct follow *)handle->data)->timer_open = false;
}

static void release(struct follow *follow)
{
    const char *group = follow->common.libcs.group;

    if (group[0] && !gt_probes_remove(group, &follow->caps, &follow->loop))
        gt_say("the probes could not be removed: run perf probe -d '%s:*' as root", group);
    gt_metrics_stop(follow->common.metrics);
    gt_matching_release(&follow->matching);
    uv_close((uv_handle_t *)&follow->timer, on_closed);
    while (follow->timer_open)
        uv_run(&follow->loop, UV_RUN_ONCE);
    gt_caps_release(&follow->caps);
    gt_signals_stop(&follow->signals);
    uv_run(&follow->loop, UV_RUN_DEFAULT);
}

static int run(struct follow *follow, const struct gt_inherited *inherited,
               const struct gt_run_as *run_as)
{
    struct gt_error err = {0};
    int rc = gt_signals_start(&follow->signals, &follow->loop, inherited, &err);

    if (rc < 0) {
        gt_say("%s", err.message);
        return GT_EXIT_OURS;
    }
    gt_signals_listen(&follow->signals, on_signal, follow);
    uv_timer_init(&follow->loop, &follow->timer);
    follow->timer.data = follow;
    follow->timer_open = true;
    rc = start(follow, inherited, &err);
    if (rc == 0) {
        rc = record(follow, &err);
        end_all(follow);
        gt_metrics_finish(follow->common.metrics);
    }
    if (rc < 0 && follow->signals.first)
        gt_say("stopped by a signal before anything was recorded");
    else if (rc < 0)
        gt_run_as_refuse(run_as, &err);
    release(follow);
    if (rc < 0 && follow->signals.first)
        return GT_EXIT_SIGNAL + follow->signals.first;
    return rc < 0 ? GT_EXIT_OURS : 0;
}

int gt_follow(const struct gt_cli *cli, const struct gt_inherited *inherited,
              const struct gt_run_as *run_as)
{
    struct follow *follow = calloc(1, sizeof(*follow));
    struct gt_error err;
    int status = GT_EXIT_OURS;

    if (!follow) {
        gt_error_memory(&err);
        gt_say("%s", err.message);
    } else if (gt_loop_init(&follow->loop, &err) < 0) {
        gt_say("%s", err.message);
    } else {
        follow->common.loop = &follow->loop;
        follow->common.cli = cli;
        follow->common.run_as = run_as;
        follow->common.caps = &follow->caps;
        gt_caps_init(&follow->caps);
        status = run(follow, inherited, run_as);
        uv_loop_close(&follow->loop);
    }
    free(follow);
    return status;
}
