/* SPDX-License-Identifier: MIT */
#include "follower.h"

#include "attach/gil.h"
#include "base/nstime.h"
#include "common/console.h"
#include "doctor.h"
#include "launch/probes.h"
#include "launch/rights.h"
#include "launch/tools.h"
#include "metrics/windows.h"
#include "planning.h"

#include <bsd/string.h>
#include <string.h>
#include <sys/stat.h>

enum {
    GRACE_MS = 2000,
    /* perf misses threads that end while it attaches (recorders.h): most programs have a moment
       in which none does. */
    ATTEMPTS_MAX = 10,
};
#define ATTEMPT_NS INT64_C(100000000)
#define RESTART_NS INT64_C(5000000000)
#define LOOK_NS    INT64_C(500000000)

static void enter(struct gt_follower *follower, enum gt_follower_state state)
{
    follower->state = state;
    follower->since_ns = gt_now_ns();
}

/* --- what is recorded --- */

static int find_python(struct gt_follower *follower, int64_t *interval_ns, struct gt_error *err)
{
    int rc;

    gt_rights_raise(); /* sudo gives the right to look at any process */
    rc = gt_running_open(&follower->running, follower->process.pid, err);
    if (rc == 0)
        rc = gt_python_find(&follower->python, &follower->interp, &follower->running, err);
    if (rc == 0)
        *interval_ns = gt_gils_interval_ns(&follower->running, &follower->python,
                                           &follower->interp.gil_enabled);
    gt_rights_lower();
    if (rc == 0 && !gt_process_is_there(&follower->process)) /* the number is another's */
        rc = gt_error_set(err, GT_ERR_NOT_FOUND, "process %d has ended", follower->process.pid);
    return rc;
}

/* perf numbers the names of a further libc's probes, and "GROUP:*" is all of them: those of
 * other libcs are not in this process's way. */
static int install_probes(struct gt_probed_libcs *libcs, const struct gt_plan *plan,
                          struct gt_follow_common *common, struct gt_error *err)
{
    struct stat file;
    int rc;

    if (!plan->probes.count)
        return 0;
    gt_rights_raise();
    rc = stat(plan->probes.probes[0].path, &file);
    gt_rights_lower();
    if (rc)
        return gt_error_errno(err, "cannot find %s", plan->probes.probes[0].path);
    for (size_t i = 0; i < libcs->count; i++)
        if (libcs->list[i].device == file.st_dev && libcs->list[i].inode == file.st_ino)
            return 0;
    if (libcs->count == GT_PROBED_LIBCS_MAX)
        return gt_error_set(
            err, GT_ERR_UNSUPPORTED,
            "its libc would be the %dth that probes are put into (start another "
            "giltracer for it)",
            GT_PROBED_LIBCS_MAX + 1);
    rc = gt_probes_install(&plan->probes, common->caps, common->loop, err);
    if (rc < 0)
        return rc;
    strlcpy(libcs->group, plan->probes.group, sizeof(libcs->group));
    libcs->list[libcs->count].device = file.st_dev;
    libcs->list[libcs->count++].inode = file.st_ino;
    return 0;
}

static int make_plan(struct gt_follower *follower, struct gt_follow_common *common,
                     struct gt_error *err)
{
    struct gt_agent_request agent = common->cli->agent;
    struct gt_strvec words;
    int rc;

    agent.python_trace = false;
    gt_strvec_init(&words);
    rc = gt_running_words(&follower->running, &words, err);
    if (rc == 0)
        rc = gt_planning_make(&follower->plan, common->cli, &agent, false, words.items,
                              common->caps, &follower->interp, err);
    gt_strvec_release(&words);
    if (rc == 0 && common->cli->verbose)
        gt_doctor_show_plan(&follower->plan, common->caps, &follower->interp, common->run_as);
    return rc < 0 ? rc : install_probes(&common->libcs, &follower->plan, common, err);
}

static int start_counting(struct gt_follower *follower, struct gt_follow_common *common,
                          int64_t interval_ns, struct gt_error *err)
{
    struct gt_windows_options options = {
        .single_gil = follower->interp.major == 3 && follower->interp.minor < 12,
        .probed = &follower->plan.probed,
        .realtime_ns = gt_realtime_ns() - gt_now_ns(),
        .interval_ns = interval_ns,
    };

    if (gt_runtime_find(&follower->runtime, &follower->interp, NULL) == 0) {
        options.runtime = &follower->runtime;
        follower->runtime.path = follower->python.file->path; /* as perf names it */
    }
    return gt_metrics_count(common->metrics, &follower->counting, &options, err);
}

/* --- perf --- */

/* What it calls is looked at by gt_follower_act. */
static void ignore(void *context, struct gt_recorder *recorder)
{
    (void)context;
    (void)recorder;
}

static int start_perf(struct gt_follower *follower, struct gt_follow_common *common,
                      struct gt_error *err)
{
    struct gt_strvec argv;
    int rc;

    follower->recorder.stream = follower->counting.stream;
    follower->recorder.without_syslog = true;
    gt_strvec_init(&argv);
    if (gt_plan_record_command(&follower->plan, common->caps, GT_RECORDED_REST,
                               follower->process.pid, GT_RECORDER_CONTROL_FD,
                               GT_RECORDER_ACK_FD, &argv))
        rc = gt_error_memory(err);
    else
        rc = gt_recorder_start(&follower->recorder, common->caps, common->loop, argv.items,
                               NULL, false, err);
    gt_strvec_release(&argv);
    return rc;
}

static void close_all(struct gt_follower *follower, struct gt_follow_common *common)
{
    if (!follower->open)
        return;
    gt_recorder_release(&follower->recorder, common->loop);
    gt_metrics_drop(common->metrics, &follower->counting);
    gt_plan_release(&follower->plan);
    gt_interp_release(&follower->interp);
    gt_running_release(&follower->running);
    follower->open = false;
}

static int open_all(struct gt_follower *follower, struct gt_follow_common *common,
                    struct gt_error *err)
{
    int64_t interval_ns = 0;
    int rc;

    follower->open = true;
    follower->running = (struct gt_running){.pidfd = -1};
    follower->python = (struct gt_python){0};
    follower->runtime = (struct gt_runtime){0};
    gt_interp_init(&follower->interp);
    gt_plan_init(&follower->plan);
    gt_recorder_init(&follower->recorder, ignore, ignore, follower);
    rc = find_python(follower, &interval_ns, err);
    if (rc == 0)
        rc = make_plan(follower, common, err);
    if (rc == 0)
        rc = start_counting(follower, common, interval_ns, err);
    if (rc == 0)
        rc = start_perf(follower, common, err);
    if (rc < 0)
        close_all(follower, common);
    return rc;
}

int gt_follower_start(struct gt_follower *follower, struct gt_follow_common *common,
                      const struct gt_process_stat *process, const char *label,
                      struct gt_error *err)
{
    int rc;

    *follower = (struct gt_follower){.process = *process};
    strlcpy(follower->label, label, sizeof(follower->label));
    rc = open_all(follower, common, err);
    enter(follower, rc < 0 ? GT_FOLLOWER_FREE : GT_FOLLOWER_STARTING);
    return rc;
}

/* --- what happens to it --- */

static void begin(struct gt_follower *follower, struct gt_follow_common *common)
{
    gt_counting_begin(&follower->counting, follower->process.pid, follower->recorder.child.pid,
                      true);
    follower->begun_ticks = gt_process_ticks();
    follower->attempts = 0;
    enter(follower, GT_FOLLOWER_RECORDING);
    if (common->cli->verbose)
        gt_say("process %d (%s) is recorded", follower->process.pid, follower->label);
}

static void tell_death(const struct gt_follower *follower, struct gt_follow_common *common)
{
    char complaint[256];

    if (common->told_death)
        return;
    common->told_death = true;
    gt_recorder_complaint(&follower->recorder, complaint, sizeof(complaint));
    gt_say(
        "perf record of process %d (%s) has ended before it%s%s: it is started again, at most "
        "every 5 s, and what happens meanwhile is not counted (giltracer_perf_restarts_total "
        "counts, this line is not repeated)",
        follower->process.pid, follower->label, complaint[0] ? ": " : "", complaint);
}

/* perf is gone. */
static void perf_ended(struct gt_follower *follower, struct gt_follow_common *common)
{
    bool recorded = follower->state != GT_FOLLOWER_STARTING;
    bool over =
        follower->state == GT_FOLLOWER_ENDING || !gt_process_is_there(&follower->process);

    if (over)
        gt_counting_expect_end(&follower->counting);
    gt_counting_finish(&follower->counting);
    follower->attempts += !recorded;
    if (!over && (recorded || follower->attempts >= ATTEMPTS_MAX))
        tell_death(follower, common);
    close_all(follower, common);
    enter(follower, over ? GT_FOLLOWER_FREE : GT_FOLLOWER_DEAD);
    if (over && common->cli->verbose)
        gt_say("process %d (%s) is recorded no more", follower->process.pid, follower->label);
}

static void look_starting(struct gt_follower *follower, struct gt_follow_common *common)
{
    int64_t late_ns = (int64_t)gt_perf_timeout_ms() * 1000000;

    if (follower->recorder.ready)
        begin(follower, common);
    else if (gt_now_ns() - follower->since_ns > late_ns)
        gt_recorder_kill(&follower->recorder, GRACE_MS);
}

/* Its children may go on: they are recorded as long as it is, as with one --pid. */
static void look_recording(struct gt_follower *follower)
{
    if (follower->counting.ended) /* what perf writes cannot be read */
        gt_recorder_kill(&follower->recorder, GRACE_MS);
    if (gt_now_ns() - follower->since_ns < LOOK_NS)
        return;
    follower->since_ns = gt_now_ns();
    if (!gt_process_is_there(&follower->process))
        gt_follower_end(follower);
}

static void look_dead(struct gt_follower *follower, struct gt_follow_common *common)
{
    bool again = follower->attempts > 0 && follower->attempts < ATTEMPTS_MAX;
    struct gt_error err;
    int rc;

    if (gt_now_ns() - follower->since_ns < (again ? ATTEMPT_NS : RESTART_NS))
        return;
    if (!gt_process_is_there(&follower->process)) {
        enter(follower, GT_FOLLOWER_FREE);
        return;
    }
    common->restarts += !again;
    rc = open_all(follower, common, &err);
    if (rc == 0)
        enter(follower, GT_FOLLOWER_STARTING);
    else if (rc == GT_ERR_UNSUPPORTED) /* it has executed something else */
        enter(follower, GT_FOLLOWER_FREE);
    else
        enter(follower, GT_FOLLOWER_DEAD);
}

void gt_follower_act(struct gt_follower *follower, struct gt_follow_common *common)
{
    if (follower->state == GT_FOLLOWER_FREE)
        return;
    if (follower->state == GT_FOLLOWER_DEAD)
        look_dead(follower, common);
    else if (follower->recorder.done)
        perf_ended(follower, common);
    else if (follower->state == GT_FOLLOWER_STARTING)
        look_starting(follower, common);
    else if (follower->state == GT_FOLLOWER_RECORDING)
        look_recording(follower);
    else if (gt_now_ns() - follower->since_ns > (int64_t)gt_perf_timeout_ms() * 1000000)
        gt_recorder_kill(&follower->recorder, GRACE_MS);
}

void gt_follower_end(struct gt_follower *follower)
{
    if (follower->state == GT_FOLLOWER_DEAD)
        follower->state = GT_FOLLOWER_FREE;
    if (follower->state == GT_FOLLOWER_FREE || follower->state == GT_FOLLOWER_ENDING)
        return;
    gt_counting_expect_end(&follower->counting);
    gt_recorder_stop(&follower->recorder);
    enter(follower, GT_FOLLOWER_ENDING);
}

void gt_follower_kill(struct gt_follower *follower)
{
    if (follower->open)
        gt_recorder_kill(&follower->recorder, GRACE_MS);
}
