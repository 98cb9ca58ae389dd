/* SPDX-License-Identifier: MIT */
#include "run.h"

#include "base/fs.h"
#include "common/console.h"
#include "common/exit_status.h"
#include "conclude.h"
#include "doctor.h"
#include "launch/roots.h"
#include "launch/tools.h"
#include "open_files.h"
#include "prepare.h"
#include "recording.h"
#include "run_state.h"
#include "target_check.h"
#include "viztracer/viztracer.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

/* The session is over: say what there is to say, and return the exit status. */
static int conclude(struct gt_run_state *run, int rc, const struct gt_error *err)
{
    const struct gt_session_result *result = &run->result;

    if (!result->target_ran && !result->exec_errno) {
        gt_say_all(&result->warnings);
        gt_say("%s", err->message);
        return result->cancelled ? GT_EXIT_SIGNAL + result->cancelled : GT_EXIT_OURS;
    }
    gt_conclude(run, rc, err);
    if (result->exec_errno)
        return gt_target_say_exec_failed(run->plan.target.items[0], result->exec_errno);
    if (result->term_signal)
        return GT_EXIT_SIGNAL + result->term_signal;
    /* The exit status of a process that was only watched is not ours. */
    if (result->exit_status && !run->cli->pid)
        return result->exit_status;
    if (run->cli->pid && !run->reported && !run->metrics)
        return GT_EXIT_OURS;
    return gt_checks_status(run->checks);
}

/* Before the program runs nothing is worth waiting for any more. */
static void on_early_signal(void *context, int number, bool group)
{
    struct gt_run_state *run = context;

    (void)number;
    (void)group;
    gt_child_interrupt(&run->loop);
}

static int run_all(struct gt_run_state *run)
{
    struct gt_error err = {0};
    int status = GT_EXIT_OURS;
    int rc = gt_signals_start(&run->signals, &run->loop, run->inherited, &err);

    run->signals_started = rc == 0;
    gt_signals_listen(&run->signals, on_early_signal, run);
    if (rc == 0)
        rc = gt_control_start(&run->control, run->cli->control_fd, &run->loop, &run->signals,
                              &err);
    if (rc == 0)
        rc = gt_prepare(run, &status, &err);
    if (rc == 0) {
        if (!run->cli->quiet)
            gt_say_all(&run->plan.notes);
        if (run->cli->verbose)
            gt_doctor_show_plan(&run->plan, &run->caps, &run->interp, run->run_as);
        rc = gt_recording_install(run, &err);
    }
    gt_signals_look(&run->signals);
    if (run->signals.first) {
        gt_say("stopped by a signal before the program ran");
        return GT_EXIT_SIGNAL + run->signals.first;
    }
    if (rc < 0) {
        gt_run_as_refuse(run->run_as, &err);
        return status;
    }
    rc = gt_recording_run(run, &err);
    gt_recording_remove_probes(run);
    return conclude(run, rc, &err);
}

/* Of a folder that is kept. */
static void remove_roots(const char *path)
{
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (folder < 0)
        return;
    gt_roots_remove(folder);
    close(folder);
}

static void remove_folder(struct gt_run_state *run)
{
    struct gt_error err;
    int rc = 0;

    if (run->folder)
        remove_roots(run->folder);
    if (run->claim.folder >= 0)
        rc = gt_claim_remove(&run->claim, &err);
    else if (run->folder && !run->cli->keep && !run->kept) /* it could not be claimed */
        rc = gt_fs_remove_tree(run->folder, &err);
    if (rc < 0)
        gt_say("%s", err.message);
}

static void release(struct gt_run_state *run)
{
    gt_recording_remove_probes(run);
    gt_recording_end_agent(run);
    gt_metrics_stop(run->metrics);
    gt_flight_release(run->flight);
    gt_late_agent_release(&run->late);
    gt_outer_pids_release(&run->pids);
    gt_outputs_release(&run->outputs);
    gt_results_release(&run->results);
    gt_ingest_free(run->ingest);
    gt_agentlog_free(run->agentlog);
    gt_viztracer_free(run->viztracer);
    remove_folder(run);
    free(run->folder);
    free(run->data_path);
    free(run->probes_path);
    free(run->native_path);
    free(run->run_path);
    gt_agent_close(&run->agent_files, run->cli->keep || run->kept);
    free(run->agent_path);
    free(run->viztracer_path);
    gt_watch_release(&run->watch);
    gt_session_result_release(&run->result);
    gt_plan_release(&run->plan);
    gt_interp_release(&run->interp);
    gt_running_release(&run->running);
    gt_caps_release(&run->caps);
    gt_control_stop(&run->control);
    if (run->signals_started)
        gt_signals_stop(&run->signals);
    uv_run(&run->loop, UV_RUN_DEFAULT);
    uv_loop_close(&run->loop);
}

int gt_run_once(const struct gt_cli *cli, const struct gt_inherited *inherited,
                const struct gt_run_as *run_as, struct gt_checks *checks, bool last)
{
    struct gt_run_state *run = calloc(1, sizeof(*run));
    struct gt_error err;
    int status = run ? gt_open_files_check(cli, inherited, &err) : gt_error_memory(&err);

    if (status == 0)
        status = gt_loop_init(&run->loop, &err);
    if (status < 0) {
        free(run);
        gt_say("%s", err.message);
        return GT_EXIT_OURS;
    }
    run->cli = cli;
    run->inherited = inherited;
    run->run_as = run_as;
    run->checks = checks;
    run->last = last;
    run->running.pidfd = -1;
    gt_outer_pids_init(&run->pids);
    gt_late_agent_init(&run->late, run->cli->control_fd);
    run->agent_files = (struct gt_agentlog_files){-1, -1};
    gt_claim_init(&run->claim);
    gt_caps_init(&run->caps);
    gt_interp_init(&run->interp);
    gt_plan_init(&run->plan);
    gt_session_result_init(&run->result);
    status = run_all(run);
    gt_progress_clear();
    release(run);
    free(run);
    return status;
}
