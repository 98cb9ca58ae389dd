/* SPDX-License-Identifier: MIT */
#include "recording.h"

#include "base/nstime.h"
#include "common/console.h"
#include "common/recordings.h"
#include "conclude.h"
#include "ingest/native_log.h"
#include "launch/clocks.h"
#include "launch/hitplace.h"
#include "launch/perfscript.h"
#include "launch/probes.h"
#include "launch/tools.h"
#include "planning.h"
#include "progress.h"
#include "under_viztracer.h"

#include <stdio.h>

/* --- what the session calls --- */

static int on_data(void *context, const char *data, size_t length)
{
    struct gt_run_state *run = context;

    return run->left_to_agents ? 0
                               : gt_ingest_feed(run->ingest, data, length, &run->report_error);
}

static int on_probes_data(void *context, const char *data, size_t length)
{
    struct gt_run_state *run = context;

    return run->left_to_agents
               ? 0
               : gt_ingest_feed_probes(run->ingest, data, length, &run->report_error);
}

static bool is_readable(void *context, const char *path)
{
    (void)context;
    return gt_recording_is_readable(path);
}

static int on_native_data(void *context, const char *data, size_t length)
{
    struct gt_run_state *run = context;
    struct gt_native_log *log = gt_ingest_native(run->ingest, &run->report_error);

    if (!log)
        return GT_ERR_MEMORY;
    gt_native_log_limit(log, gt_perfscript_most_events(run->native_path));
    return gt_native_log_feed(log, data, length, &run->report_error);
}

static bool probes_too_dear(void *context, const struct gt_gate_report *costs)
{
    struct gt_run_state *run = context;

    if (!gt_meter_too_dear(&run->meter, costs, gt_now_ns()))
        return false;
    gt_planning_say_unseen(run->result.pid);
    return true;
}

/* Before perf records, which then does not see that. */
static int on_attach(void *context, struct gt_error *err)
{
    struct gt_run_state *run = context;
    int rc;

    if (!run->plan.agent)
        return 0;
    rc = gt_late_agent_begin(&run->late, &run->agent, &run->running, &run->python, err);
    if (rc == 0)
        gt_outer_pids_look(&run->pids, &run->running);
    if (rc == 0 || run->plan.gil_source == GT_GIL_AGENT)
        return rc;
    gt_say("functions are not traced: %s", err->message);
    run->agent_noted = true;
    return 0;
}

void gt_recording_end_agent(struct gt_run_state *run)
{
    struct gt_error err;

    if (gt_late_agent_end(&run->late, &run->running, &run->python, &err) < 0)
        gt_say("the agent stays in the process, and records nothing any more: %s", err.message);
}

static void on_begin(void *context, int pid)
{
    struct gt_run_state *run = context;

    run->meter.started_ns = gt_now_ns();
    gt_clocks_boot_id(run->clocks.boot_id);
    gt_clocks_read(&run->clocks.first);
    gt_agent_note_clocks(&run->agent_files, &run->clocks);
    gt_watch_start(&run->watch, pid);
    if (run->metrics)
        gt_metrics_begin(run->metrics, pid, run->result.perf_pid,
                         run->cli->pid || run->cli->delay_ms);
    gt_flight_begin(run->flight);
    gt_control_tell_recording(&run->control);
}

/* What is known of the run by now. */
static void take_result(struct gt_run_state *run)
{
    gt_clocks_read(&run->clocks.last);
    gt_agent_note_clocks(&run->agent_files, &run->clocks);
    gt_watch_end(&run->watch, &run->info);
    run->info.hit_ns = run->result.costs.hit_ns;
    run->info.switch_ns = run->result.costs.switch_ns;
    run->info.exit_status = run->result.exit_status; /* -1 while it runs on */
    run->info.term_signal = run->result.term_signal;
    run->info.root_pid = run->result.pid;
    run->info.started_unix_ns = run->result.started_unix_ns;
    gt_ingest_set_range(run->ingest, run->result.since_ns, run->result.until_ns,
                        run->interval_ns);
}

static void on_end(void *context)
{
    struct gt_run_state *run = context;

    run->late.loaded = run->late.loaded && !run->result.ended_ns;
    if (run->metrics)
        gt_metrics_expect_end(run->metrics);
    if (run->late.loaded)
        gt_outer_pids_look(&run->pids, &run->running);
    gt_recording_end_agent(run);
    gt_flight_end(run->flight, run->result.ended_ns ? run->result.ended_ns : gt_now_ns());
    take_result(run);
}

static void on_follow(void *context, int rc)
{
    struct gt_run_state *run = context;

    gt_conclude(run, rc, run->failure);
}

/* The program has ended, or is about to be converted: what its agents wrote is complete. */
static void merge_agentlog(struct gt_run_state *run)
{
    struct gt_agentlog_ends ends = {.killed_ns = run->result.ended_ns,
                                    .since_ns = run->result.since_ns,
                                    .is_alive = gt_agent_is_alive};
    struct gt_error err;
    unsigned parts = 0;

    if (!run->agent_path)
        return;
    if (run->plan.gil_source == GT_GIL_AGENT || run->plan.two_sources)
        parts |= GT_AGENTLOG_GIL;
    if (!run->plan.events.count || run->left_to_agents)
        parts |= GT_AGENTLOG_LIVES;
    if (run->pids.differ) {
        ends.outer = gt_outer_pid;
        ends.context = &run->pids;
    }
    ends.killed_pid = run->result.term_signal ? run->result.pid : 0;
    run->agentlog = gt_agentlog_open_files(&run->agent_files, &ends, &err);
    if (run->agentlog) {
        gt_ingest_set_agentlog(run->ingest, run->agentlog, parts);
        return;
    }
    gt_ingest_lack_agentlog(run->ingest, parts);
    if (err.code != GT_ERR_NOT_FOUND) {
        run->agent_unread = err;
        return;
    }
    if (run->agent_why.code)
        gt_error_set(&err, run->agent_why.code, "the agent was not loaded: %s",
                     run->agent_why.message);
    /* A command that never runs Python has no functions: say nothing unless they were asked
     * for. */
    if (((parts && !run->plan.two_sources) || run->agent.insist) && !run->agent_noted)
        run->agent_missed = err;
}

static void merge_viztracer(struct gt_run_state *run)
{
    if (!run->viztracer_path)
        return;
    run->viztracer = gt_under_viztracer_open(run->viztracer_path);
    if (run->viztracer)
        gt_ingest_set_viztracer(run->ingest, run->viztracer, run->viztracer_path);
}

/* What perf recorded, and until when. If perf died, agents that nobody ran do not go on. */
static void tell_what_is_out(struct gt_run_state *run)
{
    struct gt_session_result *result = &run->result;

    if (result->rest_out && result->perf_died && !run->agentlog) {
        result->rest_out = false;
        result->recorded_ns = result->probes_out_ns;
    }
    gt_ingest_set_probes_out(run->ingest, result->probes_out_ns, result->perf_died);
    if (result->rest_out)
        gt_ingest_set_rest_out(run->ingest, result->rest_lost);
    if (result->probes_out_ns)
        gt_agent_note_probes_out(&run->agent_files, result->probes_out_ns, result->rest_out,
                                 result->rest_lost, result->perf_died);
    gt_ingest_set_target(run->ingest, result->pid,
                         run->plan.events.count && !result->rest_out && !run->left_to_agents
                             ? result->ended_ns
                             : 0);
    gt_ingest_set_text_end(run->ingest, result->recorded_ns,
                           result->ended_ns ? result->ended_ns : result->until_ns);
}

void gt_recording_read_agents(struct gt_run_state *run)
{
    take_result(run);
    merge_agentlog(run);
    tell_what_is_out(run);
}

int gt_recording_read_perf(struct gt_run_state *run, enum gt_recorded_part part, int fd,
                           struct gt_error *err)
{
    int rc =
        gt_recording_read(fd, part == GT_RECORDED_PROBES ? on_probes_data : on_data, run, err);

    if (rc < 0 && run->report_error.code)
        *err = run->report_error;
    return rc;
}

void gt_recording_leave_to_agents(struct gt_run_state *run)
{
    struct gt_session_result *result = &run->result;

    run->left_to_agents = true;
    run->info.gil_source = gt_gil_source_name(GT_GIL_AGENT);
    result->rest_out = result->rest_lost; /* that is not known in any of it */
    result->probes_out_ns = result->rest_lost ? result->since_ns : 0;
    result->perf_died &= result->rest_lost;
}

static void start_removal(struct gt_run_state *run)
{
    if (!run->probes_installed || run->removal_started)
        return;
    run->removal_started = gt_probes_start_removal(run->plan.probes.group, &run->caps,
                                                   &run->loop, &run->removal, NULL) == 0;
}

/* What was recorded beside perf is merged with what it recorded, which comes next; meanwhile
 * the probes are removed. */
static void on_recorded(void *context)
{
    struct gt_run_state *run = context;

    gt_metrics_finish(run->metrics);
    gt_flight_end_perf(run->flight);
    gt_ingest_limit_text(run->ingest, gt_perfscript_most_events(run->data_path));
    gt_ingest_limit_probes(run->ingest, gt_perfscript_most_events(run->probes_path));
    if (run->result.target_ran) {
        if (run->result.until_ns && !run->result.ended_ns)
            gt_agent_stop_all(&run->agent_files);
        merge_agentlog(run);
        tell_what_is_out(run);
        merge_viztracer(run);
    }
    start_removal(run);
}

static void on_tick(void *context, enum gt_session_state state)
{
    struct gt_run_state *run = context;

    if (state == GT_SESSION_RUNNING)
        gt_watch_look(&run->watch);
    if (!run->cli->quiet)
        gt_progress_show(run, state);
}

static void on_late_signal(void *context, enum gt_session_state state)
{
    (void)context;
    if (state == GT_SESSION_CONVERTING)
        gt_say(
            "reading ends here, and the report will be of what was read; Ctrl-C (SIGINT) once "
            "more ends without it");
    else
        gt_say(
            "perf record has not ended yet; Ctrl-C (SIGINT) once more ends without a report");
}

/* --- from installing the probes to removing them --- */

int gt_recording_install(struct gt_run_state *run, struct gt_error *err)
{
    int rc;

    if (run->caps.tracefs && !run->caps.install_why[0])
        gt_probes_sweep(&run->caps, &run->loop);
    if (!run->plan.probes.count)
        return 0;
    rc = gt_probes_install(&run->plan.probes, &run->caps, &run->loop, err);
    run->probes_installed = rc == 0;
    return rc;
}

int gt_recording_run(struct gt_run_state *run, struct gt_error *err)
{
    struct gt_hit_place hit;
    struct gt_session_spec spec = {
        /* What is not recorded at the gate cannot be measured there. */
        .hit = run->cli->delay_ms ? NULL : &hit,
        .attach_pid = run->cli->pid,
        .attach_pidfd = run->running.pidfd,
        .delay_ms = run->cli->delay_ms,
        .duration_ms = run->cli->duration_ms,
        .caps = &run->caps,
        .plan = &run->plan,
        .inherited = run->inherited,
        .signals = &run->signals,
        .paths = {[GT_RECORDED_PROBES] = run->probes_path,
                  [GT_RECORDED_NATIVE] = run->native_path,
                  [GT_RECORDED_REST] = run->data_path},
        .stream = gt_metrics_stream(run->metrics),
        .probes_too_dear = run->plan.two_sources ? probes_too_dear : NULL,
        .perf_timeout_ms = gt_perf_timeout_ms(),
        .on_data = {[GT_RECORDED_PROBES] = on_probes_data,
                    [GT_RECORDED_NATIVE] = on_native_data,
                    [GT_RECORDED_REST] = on_data},
        .is_readable = is_readable,
        .on_attach = run->cli->pid ? on_attach : NULL,
        .on_begin = on_begin,
        .on_end = on_end,
        .on_follow = on_follow,
        .on_recorded = on_recorded,
        .on_tick = on_tick,
        .on_late_signal = on_late_signal,
        .context = run,
    };
    int rc;

    run->failure = err;
    if (run->plan.two_sources)
        run->meter = (struct gt_meter){
            .probes_path = run->probes_path,
            .rest_path = gt_plan_rest_is_wanted(&run->plan) ? NULL : run->data_path,
            .percent = run->info.budget_percent,
            .control_fd = run->agent_files.control};
    gt_hit_place_find(&hit, &run->plan, run->interp.libc);
    run->started_ns = gt_now_ns();
    rc = gt_session_run(&run->loop, &spec, &run->result, err);
    gt_metrics_finish(run->metrics); /* it failed */
    if (rc < 0 && run->report_error.code && run->report_error.code != GT_ERR_FORMAT)
        *err = run->report_error;
    return rc;
}

void gt_recording_remove_probes(struct gt_run_state *run)
{
    bool removed = false;

    if (!run->probes_installed)
        return;
    start_removal(run);
    if (run->removal_started) {
        while (!run->removal.done)
            uv_run(&run->loop, UV_RUN_ONCE);
        removed = gt_child_succeeded(&run->removal);
        gt_child_release(&run->removal);
    }
    if (!removed)
        gt_say("the probes could not be removed: run perf probe -d '%s:*' as root",
               run->plan.probes.group);
    run->probes_installed = false;
}

const char *gt_recording_keep(struct gt_run_state *run)
{
    if (run->claim.folder >= 0) {
        gt_sentry_entrust(&run->signals.sentry, NULL);
        gt_claim_give_up(&run->claim);
    }
    run->kept = true;
    return run->folder;
}
