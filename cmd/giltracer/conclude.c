/* SPDX-License-Identifier: MIT */
#include "conclude.h"

#include "common/console.h"
#include "common/run_file.h"
#include "common/sources.h"
#include "dump.h"
#include "recording.h"
#include "reports.h"

static int make_report(struct gt_run_state *run, struct gt_error *err)
{
    int rc = gt_ingest_finish(run->ingest, err);

    if (rc == 0)
        rc = gt_reports_prepare(&run->results, run->ingest, &run->info, run->cli, err);
    return rc == 0 ? gt_checks_take(run->checks, run->results.report, err) : rc;
}

static void say_no_report(struct gt_run_state *run, const char *why)
{
    gt_say("no report: %s (the recording is kept in %s, for perf2trace)", why,
           gt_recording_keep(run));
}

/* The report says why it is not of all that was recorded. */
static void take_cut(struct gt_run_state *run)
{
    struct gt_error *cut = &run->result.cut;

    if (run->report_error.code == GT_ERR_FORMAT) {
        gt_error_set(cut, GT_ERR_FORMAT, "the recording: %s", run->report_error.message);
        gt_say("%s", cut->message);
    }
    if (run->agent_unread.code) {
        if (!cut->code)
            gt_error_set(cut, run->agent_unread.code, "nothing of the agent's log: %s",
                         run->agent_unread.message);
        gt_say(
            "nothing of the agent's log could be read: %s; the report is of all the rest (the "
            "recording is kept in %s, for perf2trace)",
            run->agent_unread.message, gt_recording_keep(run));
    }
    if (cut->code && gt_ingest_set_cut(run->ingest, cut->message) < 0)
        gt_say(
            "out of memory: the report does not say that it is not of all that was recorded");
}

/* Did the user, who was told how, abandon the report after the session, too? */
static bool is_abandoned(struct gt_run_state *run)
{
    gt_signals_look(&run->signals);
    run->result.abandoned |=
        run->result.late_signal && run->signals.interrupts > run->interrupts_heeded;
    return run->result.abandoned;
}

static void write_report(struct gt_run_state *run)
{
    struct gt_error err;

    if (run->agent_missed.code)
        gt_say("%s", run->agent_missed.message);
    gt_sources_say_warnings(run->agentlog);
    if (make_report(run, &err) < 0) {
        say_no_report(run, err.message);
        return;
    }
    if (is_abandoned(run)) {
        gt_say("no report: interrupted");
        return;
    }
    run->reported = true;
    run->endings_heeded = run->signals.endings;
    if (run->last)
        gt_reports_write(run);
}

/* A process that hangs makes no events: say how it stands. */
static void show_hang(const struct gt_run_state *run)
{
    const struct gt_recorded *recorded = gt_ingest_recorded(run->ingest);
    struct gt_buf text;

    if (!run->cli->pid || run->result.ended_ns || !run->reported ||
        !(recorded->detect & GT_DETECT_GIL) || recorded->timeline->quality.gil_events ||
        recorded->timeline->no_gil)
        return;
    gt_buf_init(&text);
    if (gt_dump_text(&text, &run->running, &run->python, NULL) == 0) {
        gt_say("no thread took or gave the GIL meanwhile; this is how the process stands:");
        gt_say_text(&text);
    }
    gt_buf_release(&text);
}

/* For who reads the recording later. */
static void keep_facts(const struct gt_run_state *run)
{
    struct gt_error err;

    if ((run->cli->keep || run->kept) && run->run_path && run->result.target_ran &&
        gt_run_file_write(run->run_path, &run->info,
                          run->agentlog != NULL || run->agent_unread.code, &err) < 0)
        gt_say("%s", err.message);
}

void gt_conclude(struct gt_run_state *run, int rc, const struct gt_error *err)
{
    const struct gt_session_result *result = &run->result;

    if (run->concluded || run->metrics)
        return;
    run->concluded = true;
    run->interrupts_heeded = run->signals.interrupts;
    gt_say_all(&result->warnings);
    if (result->exec_errno)
        return;
    take_cut(run);
    if (rc < 0)
        say_no_report(run, err->message);
    else if (result->abandoned)
        gt_say("no report: interrupted");
    else
        write_report(run);
    keep_facts(run);
    show_hang(run);
    if (run->last)
        gt_checks_say(run->checks, run->reported ? run->results.report : NULL);
}
