/* SPDX-License-Identifier: MIT */
#include "prepare.h"

#include "attach/gil.h"
#include "base/nstime.h"
#include "common/exit_status.h"
#include "common/run_file.h"
#include "launch/counters.h"
#include "launch/rights.h"
#include "metrics/windows.h"
#include "open_files.h"
#include "planning.h"
#include "recording_dir.h"
#include "target_check.h"
#include "under_viztracer.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* --- what to run --- */

/* Of a process that runs already, functions are traced where nothing else was said. */
static bool wants_late(const struct gt_run_state *run)
{
    return run->cli->pid && run->cli->agent.python_trace &&
           run->cli->gil_source != GT_GIL_FUTEX;
}

/* Functions are traced by default: why they cannot be matters to a user who asked for them, or
 * who can help it. */
static int note_agent(struct gt_run_state *run, struct gt_error *err)
{
    const char *what = NULL;

    if (!run->agent_why.code || !run->interp.executable)
        return 0;
    if (run->plan.gil_source == GT_GIL_AGENT)
        what = "the agent cannot be loaded";
    else if (run->agent.insist || run->agent_why.code == GT_ERR_IO || wants_late(run))
        what = "functions are not traced";
    run->agent_noted = what != NULL;
    return what && gt_strvec_pushf(&run->plan.notes, "%s: %s", what, run->agent_why.message)
               ? gt_error_memory(err)
               : 0;
}

/* The GIL of a process that runs already is seen by perf or by the agent: why by neither. */
static int check_source(const struct gt_run_state *run, int rc, struct gt_error *err)
{
    char why[sizeof(err->message)];

    if (!run->cli->pid || !run->agent_why.code)
        return rc;
    if (rc == 0 && run->plan.gil_source == GT_GIL_AGENT)
        return gt_error_set(err, run->agent_why.code, "%s", run->agent_why.message);
    if (rc == GT_ERR_PERMISSION && run->cli->gil_source == GT_GIL_AUTO) {
        snprintf(why, sizeof(why), "%s", err->message);
        return gt_error_set(err, rc, "%.600s; nor is the agent loaded: %.300s", why,
                            run->agent_why.message);
    }
    return rc;
}

static int make_plan(struct gt_run_state *run, struct gt_error *err)
{
    struct gt_strvec target;
    int rc;

    gt_strvec_init(&target);
    if (run->cli->pid)
        rc = gt_running_words(&run->running, &target, err);
    else
        rc =
            gt_target_command(&run->interp, run->cli, NULL, &target) ? gt_error_memory(err) : 0;
    if (rc == 0)
        rc = gt_planning_make(&run->plan, run->cli, &run->agent, !run->agent_why.code,
                              target.items, &run->caps, &run->interp, err);
    gt_strvec_release(&target);
    return check_source(run, rc, err);
}

/* --- where to keep things --- */

/* Should giltracer die, the folder goes: by the sentry, or by the next run. */
static int claim_folder(struct gt_run_state *run, struct gt_error *err)
{
    int rc = gt_claim_take(&run->claim, run->folder, err);

    if (rc == 0)
        gt_sentry_entrust(&run->signals.sentry, &run->claim);
    return rc;
}

static int make_log(struct gt_run_state *run, struct gt_error *err)
{
    int rc;

    if (!run->cli->pid)
        return gt_agent_folder(run->folder, run->agent.max_bytes, &run->agent_path,
                               &run->agent_files, err);
    rc = gt_late_agent_prepare(&run->late, &run->running, run->folder, run->agent.max_bytes,
                               &run->agent_path, &run->agent_files, err);
    if (rc == 0 || run->plan.gil_source == GT_GIL_AGENT)
        return rc;
    run->plan.agent = false;
    run->agent_noted = true;
    return gt_strvec_pushf(&run->plan.notes, "functions are not traced: %s", err->message)
               ? gt_error_memory(err)
               : 0;
}

/* A file of the recording; an older one goes. 0 or negative. */
static int name_data(struct gt_run_state *run, const char *name, char **path,
                     struct gt_error *err)
{
    if (asprintf(path, "%s/%s", run->folder, name) < 0) {
        *path = NULL;
        return gt_error_memory(err);
    }
    if (unlink(*path) && errno != ENOENT)
        return gt_error_errno(err, "cannot remove %s", *path);
    return 0;
}

static int make_folder(struct gt_run_state *run, struct gt_error *err)
{
    int rc;

    gt_claim_sweep(); /* first of all, since it makes room */
    rc = gt_recording_dir_make(run->cli->keep, run->cli->keep_last_ms > 0, &run->folder, err);
    if (rc == 0 && !run->cli->keep)
        rc = claim_folder(run, err);
    if (rc == 0)
        rc = name_data(run, GT_PERF_FILE, &run->data_path, err);
    if (rc == 0)
        rc = name_data(run, GT_PROBES_FILE, &run->probes_path, err);
    if (rc == 0)
        rc = name_data(run, GT_NATIVE_FILE, &run->native_path, err);
    if (rc == 0)
        rc = name_data(run, GT_RUN_FILE, &run->run_path, err);
    return rc == 0 && run->plan.agent ? make_log(run, err) : rc;
}

/* The folder is known: put VizTracer before the target, and tell it where to write. */
static int use_viztracer(struct gt_run_state *run, struct gt_error *err)
{
    if (asprintf(&run->viztracer_path, "%s/viztracer.json", run->folder) < 0) {
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

/* Signals end a wait for who reads an output. The program gets those that come while it runs.
 */
static bool is_interrupted(void *context)
{
    struct gt_run_state *run = context;

    gt_signals_look(&run->signals);
    return run->signals.endings > run->endings_heeded;
}

static int open_outputs(struct gt_run_state *run, struct gt_error *err)
{
    const struct gt_stop stop = {is_interrupted, run};
    bool no_rank = false;
    int rc = gt_outputs_expand(&run->outputs, gt_cli_outputs(run->cli), run->cli->summary,
                               &no_rank, err);

    if (rc == 0 && no_rank &&
        gt_strvec_push(&run->plan.notes, "%n is 0: no variable of the environment tells a rank "
                                         "(OMPI_COMM_WORLD_RANK, PMI_RANK, SLURM_PROCID, …)"))
        rc = gt_error_memory(err);
    if (rc < 0)
        return rc;
    return gt_outputs_open(&run->outputs, gt_cli_outputs(run->cli), run->cli->summary, &stop,
                           err);
}

/* Of the program: it has this environment, or that in which it was started. */
static const char *find_rank(struct gt_run_state *run)
{
    bool found;

    if (!run->cli->pid)
        return run->outputs.names.has_rank ? run->outputs.names.rank : NULL;
    gt_rights_raise(); /* as to find out which Python it is */
    found = gt_names_rank_of(run->cli->pid, run->rank);
    gt_rights_lower();
    return found ? run->rank : NULL;
}

static int start_metrics(struct gt_run_state *run, const struct gt_ingest_options *ingest,
                         struct gt_error *err)
{
    const struct gt_windows_options options = {
        .single_gil = ingest->single_gil,
        .runtime = ingest->runtime,
        .probed = ingest->probed,
        .realtime_ns = ingest->realtime_ns,
        .interval_ns = run->interval_ns,
    };

    run->metrics = gt_metrics_start(&run->loop, run->cli->metrics, run->cli->quiet, err);
    return run->metrics ? gt_metrics_record(run->metrics, &options, err) : GT_ERR_IO;
}

static int start_ingest(struct gt_run_state *run, struct gt_error *err)
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
        .no_gil = !interp->gil_enabled,
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
        .user = run->run_as->name,
        .labels = run->cli->labels.list,
        .rank = find_rank(run),
        .config = run->cli->config.used,
        .exit_status = -1,
        .started_unix_ns = -1,
        .switch_ns = -1,
        .budget_percent = (unsigned)strtoul(run->agent.budget, NULL, 10),
        .buffer_bytes = gt_plan_buffer_bytes(&run->plan, &run->caps),
        .buffer_most = run->plan.buffer_most,
        .agent_instead = !run->agent_why.code && !run->plan.two_sources &&
                         run->plan.gil_source != GT_GIL_AGENT &&
                         run->plan.gil_source != GT_GIL_NONE,
        .root_pid = -1,
        .gil_enabled = interp->gil_enabled,
        .cpus = gt_caps_cpus(),
        .clocks = &run->clocks,
    };
    /* Without it, the GIL's futex calls are recognised by their pattern alone. */
    if (run->plan.futex && gt_runtime_find(&run->runtime, interp, NULL) == 0) {
        options.runtime = &run->runtime;
        if (run->cli->pid) /* perf names the file as the process maps it */
            run->runtime.path = run->python.file->path;
    }
    run->ingest = gt_ingest_new(&options, err);
    if (!run->ingest)
        return err ? err->code : GT_ERR_MEMORY;
    return run->cli->metrics ? start_metrics(run, &options, err) : 0;
}

/* --- all of it --- */

static int find_python(struct gt_run_state *run, int *status, struct gt_error *err)
{
    int rc;

    if (!run->cli->pid)
        return gt_target_find_interpreter(&run->interp, &run->loop, run->cli, status, err);
    gt_rights_raise(); /* sudo gives the right to look at any process */
    rc = gt_running_open(&run->running, run->cli->pid, err);
    if (rc == 0)
        rc = gt_python_find(&run->python, &run->interp, &run->running, err);
    if (rc == 0)
        run->interval_ns =
            gt_gils_interval_ns(&run->running, &run->python, &run->interp.gil_enabled);
    gt_rights_lower();
    return rc;
}

/* Cheapest first. */
int gt_prepare(struct gt_run_state *run, int *status, struct gt_error *err)
{
    const struct gt_cli *cli = run->cli;
    int rc = 0;

    if (cli->target == GT_TARGET_SCRIPT)
        rc = gt_target_check(cli->words.items[0], status, err);
    if (rc < 0)
        return rc;
    *status = GT_EXIT_OURS;
    rc = gt_outputs_check(gt_cli_outputs(cli), err);
    if (rc == 0)
        rc = gt_caps_probe(&run->caps, &run->loop, err);
    if (rc == 0)
        gt_open_files_judge(cli, run->inherited, &run->caps);
    if (rc == 0)
        rc = find_python(run, status, err);
    if (rc < 0)
        return rc;
    *status = GT_EXIT_OURS;
    rc = gt_counters_check(&run->caps, &run->loop, cli->counters.items, cli->frequency,
                           cli->call_graph, err);
    if (rc == 0 && cli->viztracer)
        rc = gt_under_viztracer_check(&run->interp, &run->loop, err);
    if (rc == 0)
        gt_planning_agent(&run->agent, &run->agent_why, run->cli, &run->interp,
                          cli->pid ? &run->running : NULL);
    if (rc == 0)
        rc = make_plan(run, err);
    if (rc == 0)
        rc = note_agent(run, err);
    if (rc == 0 && gt_run_as_note(run->run_as, cli, &run->interp, &run->plan.notes))
        rc = gt_error_memory(err);
    if (rc == 0)
        rc = open_outputs(run, err);
    if (rc == 0)
        rc = make_folder(run, err);
    if (rc == 0 && cli->keep_last_ms)
        rc = gt_flight_prepare(run, err);
    if (rc == 0 && cli->viztracer)
        rc = use_viztracer(run, err);
    if (rc == 0 && run->plan.agent && !cli->pid)
        rc = gt_agent_environment(&run->agent, run->agent_path, &run->plan.env, err);
    if (rc == 0)
        rc = start_ingest(run, err);
    return rc;
}
