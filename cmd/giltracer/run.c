/* SPDX-License-Identifier: MIT */
#include "run.h"

#include "agentlog/agentlog.h"
#include "base/fs.h"
#include "base/nstime.h"
#include "checks.h"
#include "common/console.h"
#include "common/exit_status.h"
#include "common/sources.h"
#include "doctor.h"
#include "ingest/ingest.h"
#include "launch/caps.h"
#include "launch/counters.h"
#include "launch/hitplace.h"
#include "launch/interp.h"
#include "launch/meter.h"
#include "launch/plan.h"
#include "launch/probes.h"
#include "launch/runtime.h"
#include "launch/session.h"
#include "launch/signals.h"
#include "reports.h"
#include "planning.h"
#include "recording_dir.h"
#include "target_check.h"
#include "under_viztracer.h"
#include "watch.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

enum { PERF_TIMEOUT_MS = 30000 };

struct run {
    const struct gt_cli *cli;
    const struct gt_inherited *inherited;
    uv_loop_t loop;
    struct gt_signals signals;
    struct gt_caps caps;
    struct gt_interp interp;
    struct gt_plan plan;
    struct gt_outputs outputs;
    struct gt_session_result result;
    struct gt_run_info info;
    struct gt_runtime runtime;
    struct gt_watch watch;
    struct gt_checks *checks;
    bool last; /* of --repeat */
    bool reported;
    struct gt_ingest *ingest;
    struct gt_results results;
    struct gt_error report_error; /* why feeding failed */
    char version[64];
    char host[HOST_NAME_MAX + 1];
    char *folder;      /* ours alone, to be removed; NULL with --keep */
    char *data_path;   /* of perf.data */
    char *probes_path; /* of what perf recorded of probes alone */
    struct gt_meter meter;
    char *agent_path; /* the agent's log folder; NULL: no agent */
    struct gt_agentlog_files agent_files;
    struct gt_agentlog *agentlog;
    char *viztracer_path; /* where VizTracer writes; NULL: it is not used */
    struct gt_viztracer *viztracer;
    struct gt_agent_request agent; /* the command line's, less what is not possible */
    struct gt_error agent_why;     /* why it cannot be loaded; code 0: it can */
    bool agent_noted;              /* the user knows */
    struct gt_error agent_missed;  /* why there is no log; code 0: nothing to say */
    bool signals_started, probes_installed, removal_started;
    struct gt_child removal;
    int64_t started_ns;
    uint64_t text_bytes;
};

/* --- what to run --- */

/* Functions are traced by default: why they cannot be matters only to a user who asked for
 * them. */
static int note_agent(struct run *run, struct gt_error *err)
{
    const char *what = NULL;

    if (!run->agent_why.code || !run->interp.executable)
        return 0;
    if (run->plan.gil_source == GT_GIL_AGENT)
        what = "the agent cannot be loaded";
    else if (run->agent.insist)
        what = "functions are not traced";
    run->agent_noted = what != NULL;
    return what && gt_strvec_pushf(&run->plan.notes, "%s: %s", what, run->agent_why.message)
               ? gt_error_memory(err)
               : 0;
}

static int make_plan(struct run *run, struct gt_error *err)
{
    struct gt_strvec target;
    int rc;

    gt_strvec_init(&target);
    if (gt_target_command(&run->interp, run->cli, NULL, &target))
        rc = gt_error_memory(err);
    else
        rc = gt_planning_make(&run->plan, run->cli, &run->agent, !run->agent_why.code,
                              target.items, &run->caps, &run->interp, err);
    gt_strvec_release(&target);
    return rc;
}

/* --- where to keep things --- */

static int make_folder(struct run *run, struct gt_error *err)
{
    int rc = gt_recording_dir_make(run->cli->keep, &run->folder, err);
    const char *folder = run->folder ? run->folder : run->cli->keep;

    if (rc == 0 && asprintf(&run->data_path, "%s/perf.data", folder) < 0) {
        run->data_path = NULL;
        rc = gt_error_memory(err);
    }
    if (rc == 0 && asprintf(&run->probes_path, "%s/probes.data", folder) < 0) {
        run->probes_path = NULL;
        rc = gt_error_memory(err);
    }
    if (rc == 0 && unlink(run->probes_path) && errno != ENOENT) /* an older one */
        rc = gt_error_errno(err, "cannot remove %s", run->probes_path);
    return rc == 0 && run->plan.agent
               ? gt_agent_folder(folder, &run->agent_path, &run->agent_files, err)
               : rc;
}

/* The folder is known: put VizTracer before the target, and tell it where to write. */
static int use_viztracer(struct run *run, struct gt_error *err)
{
    char folder[PATH_MAX];

    if (!realpath(run->cli->keep ? run->cli->keep : run->folder, folder))
        return gt_error_errno(err, "cannot resolve the folder of the recording");
    if (asprintf(&run->viztracer_path, "%s/viztracer.json", folder) < 0) {
        run->viztracer_path = NULL;
        return gt_error_memory(err);
    }
    gt_strvec_release(&run->plan.target);
    gt_strvec_init(&run->plan.target);
    if (unlink(run->viztracer_path) && errno != ENOENT) /* an older one is not this run's */
        return gt_error_errno(err, "cannot remove %s", run->viztracer_path);
    if (gt_target_command(&run->interp, run->cli, run->viztracer_path, &run->plan.target))
        return gt_error_memory(err);
    return 0;
}

static int start_report(struct run *run, struct gt_error *err)
{
    struct gt_run_info *info = &run->info;
    const struct gt_interp *interp = &run->interp;
    struct gt_ingest_options options = {
        .detect = (run->plan.show_states ? GT_DETECT_SCHED : 0) |
                  (run->plan.gil_source != GT_GIL_NONE ? GT_DETECT_GIL : 0),
        .counters = run->plan.counters.items,
        .probed = &run->plan.probed,
        .realtime_ns = gt_realtime_ns() - gt_now_ns(),
        .single_gil = interp->major == 3 && interp->minor < 12,
    };

    if (interp->major)
        snprintf(run->version, sizeof(run->version), "CPython %d.%d.%d", interp->major,
                 interp->minor, interp->micro);
    if (gethostname(run->host, sizeof(run->host) - 1))
        run->host[0] = '\0';
    *info = (struct gt_run_info){
        .argv = run->plan.target.items,
        .interpreter = interp->executable,
        .version = interp->major ? run->version : NULL,
        .gil_source = gt_gil_source_name(run->plan.gil_source),
        .host = run->host[0] ? run->host : NULL,
        .exit_status = -1,
        .started_unix_ns = -1,
        .switch_ns = -1,
        .budget_percent = (unsigned)strtoul(run->agent.budget, NULL, 10),
        .root_pid = -1,
        .gil_enabled = interp->gil_enabled,
        .cpus = gt_caps_cpus(),
    };
    /* Without it, the GIL's futex calls are recognised by their pattern alone. */
    if (run->plan.futex && gt_runtime_find(&run->runtime, interp, NULL) == 0)
        options.runtime = &run->runtime;
    run->ingest = gt_ingest_new(&options, err);
    return run->ingest ? 0 : (err ? err->code : GT_ERR_MEMORY);
}

/* --- the session's callbacks --- */

static int on_data(void *context, const char *data, size_t length)
{
    struct run *run = context;

    run->text_bytes += length;
    return gt_ingest_feed(run->ingest, data, length, &run->report_error);
}

static int on_probes_data(void *context, const char *data, size_t length)
{
    struct run *run = context;

    run->text_bytes += length;
    return gt_ingest_feed_probes(run->ingest, data, length, &run->report_error);
}

static bool probes_too_dear(void *context, int64_t hit_ns)
{
    struct run *run = context;

    if (!gt_meter_too_dear(&run->meter, hit_ns, gt_now_ns()))
        return false;
    gt_planning_say_unseen(run->result.pid);
    return true;
}

static void on_gate(void *context, int pid)
{
    struct run *run = context;

    run->meter.started_ns = gt_now_ns();
    gt_watch_start(&run->watch, pid);
}

static void on_target_end(void *context)
{
    struct run *run = context;

    gt_watch_end(&run->watch, &run->info);
    run->info.hit_ns = run->result.costs.hit_ns;
    run->info.switch_ns = run->result.costs.switch_ns;
    run->info.exit_status = run->result.exit_status;
    run->info.term_signal = run->result.term_signal;
    run->info.root_pid = run->result.pid;
    run->info.started_unix_ns = run->result.started_unix_ns;
    gt_ingest_set_target(run->ingest, run->result.pid,
                         run->plan.events.count ? run->result.ended_ns : 0);
}

/* The program has ended, or is about to be converted: what its agents wrote is complete. */
static void merge_agentlog(struct run *run)
{
    struct gt_agentlog_ends ends = {.killed_ns = run->result.ended_ns,
                                    .is_alive = gt_agent_is_alive};
    struct gt_error err;
    unsigned parts = 0;

    if (!run->agent_path || run->agentlog)
        return;
    if (run->plan.gil_source == GT_GIL_AGENT || run->plan.two_sources)
        parts |= GT_AGENTLOG_GIL;
    if (!run->plan.events.count)
        parts |= GT_AGENTLOG_LIVES;
    ends.killed_pid = run->result.term_signal ? run->result.pid : 0;
    run->agentlog = gt_agentlog_open_files(&run->agent_files, &ends, &err);
    if (run->agentlog) {
        gt_ingest_set_agentlog(run->ingest, run->agentlog, parts);
        return;
    }
    gt_ingest_lack_agentlog(run->ingest, parts);
    if (run->agent_why.code)
        gt_error_set(&err, run->agent_why.code, "the agent was not loaded: %s",
                     run->agent_why.message);
    /* A command that never runs Python has no functions: say nothing unless they were asked
     * for. */
    if (((parts && !run->plan.two_sources) || run->agent.insist) && !run->agent_noted)
        run->agent_missed = err;
}

static void merge_viztracer(struct run *run)
{
    if (!run->viztracer_path || run->viztracer)
        return;
    run->viztracer = gt_under_viztracer_open(run->viztracer_path);
    if (run->viztracer)
        gt_ingest_set_viztracer(run->ingest, run->viztracer, run->viztracer_path);
}

static void start_removal(void *context)
{
    struct run *run = context;

    if (run->result.target_ran) {
        gt_ingest_set_probes_out(run->ingest, run->result.probes_out_ns);
        merge_agentlog(run);
        merge_viztracer(run);
    }
    if (!run->probes_installed || run->removal_started)
        return;
    run->removal_started = gt_probes_start_removal(run->plan.probes.group, &run->caps,
                                                   &run->loop, &run->removal, NULL) == 0;
}

static void on_tick(void *context, enum gt_session_state state)
{
    struct run *run = context;
    char elapsed[32];
    struct stat st;

    if (state == GT_SESSION_RUNNING)
        gt_watch_look(&run->watch);
    if (run->cli->quiet || !gt_console_is_terminal())
        return;
    gt_duration_text(gt_now_ns() - run->started_ns, elapsed, sizeof(elapsed));
    if (state == GT_SESSION_RUNNING)
        gt_progress("giltracer: recording, %s, %.1f MB", elapsed,
                    stat(run->data_path, &st) ? 0.0 : (double)st.st_size / 1e6);
    else if (state == GT_SESSION_CONVERTING)
        gt_progress("giltracer: reading the recording, %.0f MB of text",
                    (double)run->text_bytes / 1e6);
}

/* --- the run, step by step --- */

static uint64_t perf_timeout_ms(void)
{
    const char *text = getenv("GILTRACER_PERF_TIMEOUT");
    long seconds = text ? strtol(text, NULL, 10) : 0;

    return seconds > 0 && seconds <= 3600 ? (uint64_t)seconds * 1000 : PERF_TIMEOUT_MS;
}

/* Everything that can fail before the target runs, cheapest first. */
static int prepare(struct run *run, int *status, struct gt_error *err)
{
    const struct gt_cli *cli = run->cli;
    int rc = 0;

    if (cli->target == GT_TARGET_SCRIPT)
        rc = gt_target_check(cli->words.items[0], status, err);
    if (rc < 0)
        return rc;
    *status = GT_EXIT_OURS;
    rc = gt_outputs_check(gt_outputs_paths(&cli->outputs), err);
    if (rc == 0)
        rc = gt_caps_probe(&run->caps, &run->loop, err);
    if (rc == 0)
        rc = gt_target_find_interpreter(&run->interp, &run->loop, cli, status, err);
    if (rc < 0)
        return rc;
    *status = GT_EXIT_OURS;
    rc = gt_counters_check(&run->caps, &run->loop, cli->counters.items, cli->frequency, err);
    if (rc == 0 && cli->viztracer)
        rc = gt_under_viztracer_check(&run->interp, &run->loop, err);
    if (rc == 0)
        gt_planning_agent(&run->agent, &run->agent_why, run->cli, &run->interp);
    if (rc == 0)
        rc = make_plan(run, err);
    if (rc == 0)
        rc = note_agent(run, err);
    if (rc == 0)
        rc = gt_outputs_open(&run->outputs, gt_outputs_paths(&cli->outputs), cli->summary, err);
    if (rc == 0)
        rc = make_folder(run, err);
    if (rc == 0 && cli->viztracer)
        rc = use_viztracer(run, err);
    if (rc == 0 && run->plan.agent)
        rc = gt_agent_environment(&run->agent, run->agent_path, &run->plan.env, err);
    if (rc == 0)
        rc = start_report(run, err);
    return rc;
}

static int install(struct run *run, struct gt_error *err)
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

static int record(struct run *run, struct gt_error *err)
{
    struct gt_hit_place hit;
    struct gt_session_spec spec = {
        .hit = &hit,
        .caps = &run->caps,
        .plan = &run->plan,
        .inherited = run->inherited,
        .signals = &run->signals,
        .data_path = run->data_path,
        .probes_path = run->probes_path,
        .on_probes_data = on_probes_data,
        .probes_too_dear = run->plan.two_sources ? probes_too_dear : NULL,
        .perf_timeout_ms = perf_timeout_ms(),
        .on_data = on_data,
        .on_gate = on_gate,
        .on_target_end = on_target_end,
        .on_recorded = start_removal,
        .on_tick = on_tick,
        .context = run,
    };
    int rc;

    if (run->plan.two_sources)
        run->meter = (struct gt_meter){.probes_path = run->probes_path,
                                       .percent = run->info.budget_percent,
                                       .control_fd = run->agent_files.control};
    gt_hit_place_find(&hit, &run->plan, run->interp.libc);
    run->started_ns = gt_now_ns();
    rc = gt_session_run(&run->loop, &spec, &run->result, err);
    if (rc < 0 && run->report_error.code)
        *err = run->report_error;
    return rc;
}

/* Remove the probes and wait until that is done. Every way out passes here. */
static void remove_probes(struct run *run)
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

static int make_report(struct run *run, struct gt_error *err)
{
    int rc = gt_ingest_finish(run->ingest, err);

    if (rc == 0)
        rc = gt_reports_prepare(&run->results, run->ingest, &run->info, run->cli, err);
    return rc == 0 ? gt_checks_take(run->checks, run->results.report, err) : rc;
}

static void write_report(struct run *run)
{
    struct gt_error err;

    if (run->agent_missed.code)
        gt_say("%s", run->agent_missed.message);
    gt_sources_say_warnings(run->agentlog);
    if (make_report(run, &err) < 0) {
        gt_say("no report: %s", err.message);
        return;
    }
    run->reported = true;
    if (run->last)
        gt_reports_write(&run->outputs, &run->results, run->cli, &run->signals, &run->loop);
}

/* The session is over: say what there is to say, and return the exit status. */
static int conclude(struct run *run, int rc, const struct gt_error *err)
{
    const struct gt_session_result *result = &run->result;

    gt_say_all(&result->warnings);
    if (result->exec_errno)
        return gt_target_say_exec_failed(run->plan.target.items[0], result->exec_errno);
    if (!result->target_ran) {
        gt_say("%s", err->message);
        return result->cancelled ? GT_EXIT_SIGNAL + result->cancelled : GT_EXIT_OURS;
    }
    if (rc < 0)
        gt_say("no report: %s", err->message);
    else if (result->abandoned)
        gt_say("no report: interrupted");
    else
        write_report(run);
    if (run->last)
        gt_checks_say(run->checks, run->reported ? run->results.report : NULL);
    if (result->term_signal || result->exit_status)
        return result->term_signal ? GT_EXIT_SIGNAL + result->term_signal : result->exit_status;
    return gt_checks_status(run->checks);
}

static int run_all(struct run *run)
{
    struct gt_error err = {0};
    int status = GT_EXIT_OURS;
    int rc = gt_signals_start(&run->signals, &run->loop, run->inherited, &err);

    run->signals_started = rc == 0;
    if (rc == 0)
        rc = prepare(run, &status, &err);
    if (rc == 0) {
        if (!run->cli->quiet)
            gt_say_all(&run->plan.notes);
        if (run->cli->verbose)
            gt_doctor_show_plan(&run->plan, &run->caps, &run->interp);
        rc = install(run, &err);
    }
    if (rc < 0) {
        gt_say("%s", err.message);
        return status;
    }
    if (run->signals.first) {
        gt_say("stopped by a signal before the program ran");
        return GT_EXIT_SIGNAL + run->signals.first;
    }
    rc = record(run, &err);
    remove_probes(run);
    return conclude(run, rc, &err);
}

static void release(struct run *run)
{
    struct gt_error err;

    remove_probes(run);
    gt_outputs_release(&run->outputs);
    gt_results_release(&run->results);
    gt_ingest_free(run->ingest);
    gt_agentlog_free(run->agentlog);
    gt_viztracer_free(run->viztracer);
    if (run->folder && gt_fs_remove_tree(run->folder, &err) < 0)
        gt_say("%s", err.message);
    free(run->folder);
    free(run->data_path);
    free(run->probes_path);
    gt_agent_close(&run->agent_files, run->cli->keep);
    free(run->agent_path);
    free(run->viztracer_path);
    gt_watch_release(&run->watch);
    gt_session_result_release(&run->result);
    gt_plan_release(&run->plan);
    gt_interp_release(&run->interp);
    gt_caps_release(&run->caps);
    if (run->signals_started)
        gt_signals_stop(&run->signals);
    uv_run(&run->loop, UV_RUN_DEFAULT);
    uv_loop_close(&run->loop);
}

static int run_once(const struct gt_cli *cli, const struct gt_inherited *inherited,
                    struct gt_checks *checks, bool last)
{
    struct run *run = calloc(1, sizeof(*run));
    int status;

    if (!run || uv_loop_init(&run->loop)) {
        free(run);
        gt_say("out of memory");
        return GT_EXIT_OURS;
    }
    run->cli = cli;
    run->inherited = inherited;
    run->checks = checks;
    run->last = last;
    run->agent_files = (struct gt_agentlog_files){-1, -1};
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

int gt_run(const struct gt_cli *cli, const struct gt_inherited *inherited)
{
    struct gt_checks checks;
    struct gt_error err;
    int status = 0;

    if (gt_checks_init(&checks, cli, &err) < 0) {
        gt_checks_refuse(&err);
        status = GT_EXIT_OURS;
    }
    for (unsigned i = 1; status == 0 && i <= cli->repeat; i++) {
        status = run_once(cli, inherited, &checks, i == cli->repeat);
        if (status && i < cli->repeat)
            gt_say("run %u of %u ended with status %d: no report", i, cli->repeat, status);
    }
    gt_checks_release(&checks);
    return status;
}
