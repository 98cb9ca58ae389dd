/* SPDX-License-Identifier: MIT */
#include "flight.h"

#include "base/nstime.h"
#include "common/console.h"
#include "flight_kept.h"
#include "flight_names.h"
#include "flight_when.h"
#include "launch/recorders.h"
#include "recording.h"
#include "reports.h"
#include "run_state.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    TICK_MS = 100,
    SETTLE_MS = 150, /* from the moment that a report is to end with until it is made: by then
                        what happened before is written by agents */
    PATIENCE_MS = 4000, /* … and by perf, which says so */
};

struct gt_flight {
    struct gt_run_state *run;
    struct gt_flight_kept *kept;
    uv_timer_t timer;
    bool ticking, over;
    int64_t wanted_ns; /* a report, or a look for --when, is wanted that ends then; 0: none */
    bool asked;        /* a report is: somebody asked */
    bool unanswered;   /* perf does not say that it has written anything of it */
    pid_t writer;      /* a process that writes a report, or looks; 0: none does */
    int64_t writer_until_ns; /* what it writes ends then, … */
    bool writer_looks;       /* … and is written where --when has it so */
    unsigned reports;        /* that were written */
    struct gt_flight_when when;
};

/* --- a report, in a process of its own --- */

/* Of looks that fail one after another, the first one is told of. */
static void say_failed(const struct gt_flight *flight, const char *why)
{
    if (!flight->writer_looks || !flight->when.failed)
        gt_say("no report of the last moments: %s (the recording goes on)", why);
}

/* The newest reports of a run stay. */
static int remove_older(const struct gt_flight *flight, unsigned number, struct gt_error *err)
{
    struct gt_flight_names names;
    int rc;

    if (number <= GT_FLIGHT_REPORTS)
        return 0;
    rc = gt_flight_names_init(&names, flight->run, number - GT_FLIGHT_REPORTS, err);
    if (rc == 0)
        rc = gt_flight_names_remove(&names, flight->run, err);
    gt_flight_names_release(&names);
    return rc;
}

static int write_files(const struct gt_flight *flight, struct gt_error *err)
{
    struct gt_run_state *run = flight->run;
    struct gt_outputs outputs = {
        .names = run->outputs.names, .expands = true, .because = run->info.because};
    unsigned number = flight->reports + 1;
    struct gt_flight_names names;
    int rc = gt_flight_names_init(&names, run, number, err);

    outputs.names.pid = run->result.pid;
    if (rc == 0)
        rc = remove_older(flight, number, err);
    if (rc == 0)
        rc = gt_outputs_open(&outputs, names.paths.items, names.summary, NULL, err);
    if (rc == 0)
        rc = gt_outputs_write_summary(&outputs, run->results.report, run->cli->quiet, err);
    for (size_t i = 0; i < outputs.count && rc == 0; i++)
        rc = gt_outputs_write_file(&outputs, i, run->results.report, run->cli->quiet, err);
    gt_outputs_release(&outputs);
    gt_flight_names_release(&names);
    return rc;
}

/* A look without estimates, which take longest, and are not judged. An enum gt_flight_outcome,
 * or negative. */
static int look(const struct gt_flight *flight, int64_t until_ns, struct gt_buf *why,
                struct gt_error *err)
{
    struct gt_run_state *run = flight->run;
    int rc = gt_results_make(&run->results, gt_ingest_recorded(run->ingest), &run->info, NULL,
                             false, err);

    if (rc == 0)
        rc = gt_flight_when_judge(&flight->when, run->results.report, until_ns, why, err);
    if (rc == GT_FLIGHT_UNJUDGED && !flight->when.told)
        gt_say("--when: %s", why->data);
    gt_results_release(&run->results);
    return rc;
}

/* What perf recorded, in the order in which a session reads it. */
static int read_perf(struct gt_run_state *run, const struct gt_flight_files *files,
                     struct gt_error *err)
{
    int rc = 0;

    for (int i = 0; rc == 0 && i < GT_RECORDED_PARTS; i++)
        if (files->perf[i] >= 0)
            rc = gt_recording_read_perf(run, (enum gt_recorded_part)i, files->perf[i], err);
    return rc;
}

/* The report, of these files; likewise. */
static int make_report(const struct gt_flight *flight, const struct gt_flight_files *files,
                       int64_t until_ns, struct gt_error *err)
{
    struct gt_run_state *run = flight->run;
    struct gt_buf why;
    int rc;

    gt_buf_init(&why);
    gt_recording_read_agents(run);
    *err = run->agent_unread;
    rc = err->code ? err->code : read_perf(run, files, err);
    if (rc == 0)
        rc = gt_ingest_finish(run->ingest, err);
    if (rc == 0 && flight->writer_looks)
        rc = look(flight, until_ns, &why, err);
    run->info.because = flight->writer_looks ? why.data : NULL;
    if (rc == GT_FLIGHT_WROTE)
        rc = gt_reports_prepare(&run->results, run->ingest, &run->info, run->cli, err);
    if (rc == GT_FLIGHT_WROTE)
        rc = write_files(flight, err);
    gt_buf_release(&why);
    return rc;
}

/* Where perf ended before all that is kept, agents alone have recorded it; false: nothing has.
 */
static bool perf_has_any(struct gt_run_state *run)
{
    struct gt_session_result *result = &run->result;

    if (result->rest_out && result->probes_out_ns <= result->since_ns)
        gt_recording_leave_to_agents(run);
    if (!result->recorded_ns || result->recorded_ns > result->since_ns)
        return true;
    result->recorded_ns = result->since_ns;
    return false;
}

/* Nothing of this comes back to the process that records, but the exit status. */
static _Noreturn void write_report(struct gt_flight *flight,
                                   const struct gt_flight_files *files, int64_t until_ns)
{
    struct gt_run_state *run = flight->run;
    struct gt_error err = {0};
    int rc;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    run->agent_files = files->agent;
    run->result.since_ns = gt_flight_kept_since_ns(flight->kept, until_ns);
    run->result.until_ns = until_ns;
    rc = perf_has_any(run)
             ? make_report(flight, files, until_ns, &err)
             : gt_error_set(&err, GT_ERR_CHILD, "perf record ended before they began");
    if (rc < 0)
        say_failed(flight, err.message);
    _exit(rc < 0 ? GT_FLIGHT_FAILED : rc);
}

/* The signals that giltracer gets are not this process's. */
static pid_t fork_writer(void)
{
    sigset_t all, before;
    pid_t child;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    child = fork();
    if (child)
        sigprocmask(SIG_SETMASK, &before, NULL);
    return child;
}

static int start_writer(struct gt_flight *flight, int64_t until_ns, struct gt_error *err)
{
    struct gt_flight_files files;
    int rc = gt_flight_kept_copy(flight->kept, &files, until_ns, err);

    if (rc < 0)
        return rc;
    flight->writer = fork_writer();
    if (flight->writer == 0)
        write_report(flight, &files, until_ns);
    if (flight->writer < 0) {
        flight->writer = 0;
        rc = gt_error_errno(err, "cannot make a process that writes it");
    }
    gt_flight_files_close(&files);
    return rc;
}

static void take_outcome(struct gt_flight *flight, enum gt_flight_outcome outcome)
{
    if (outcome == GT_FLIGHT_WROTE)
        flight->reports++;
    if (flight->writer_looks)
        gt_flight_when_take(&flight->when, outcome, flight->writer_until_ns, gt_now_ns());
}

/* What was wanted: it ends with flight->wanted_ns. */
static void start_report(struct gt_flight *flight)
{
    struct gt_error err;

    if (flight->run->late.loaded)
        gt_outer_pids_look(&flight->run->pids, &flight->run->running);
    flight->writer_until_ns = flight->wanted_ns;
    flight->writer_looks = !flight->asked;
    flight->wanted_ns = 0;
    flight->asked = false;
    if (flight->unanswered)
        gt_error_set(&err, GT_ERR_CHILD, "perf record does not answer");
    else if (start_writer(flight, flight->writer_until_ns, &err) == 0)
        return;
    say_failed(flight, err.message);
    take_outcome(flight, GT_FLIGHT_FAILED);
}

static void look_at_writer(struct gt_flight *flight, int options)
{
    int status = 0;
    char why[64];
    pid_t got;

    if (!flight->writer)
        return;
    do
        got = waitpid(flight->writer, &status, options);
    while (got < 0 && errno == EINTR);
    if (got == 0)
        return;
    flight->writer = 0;
    if (got > 0 && WIFSIGNALED(status)) {
        snprintf(why, sizeof(why), "signal %d ended what wrote it", WTERMSIG(status));
        say_failed(flight, why);
    }
    take_outcome(flight, got > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : GT_FLIGHT_FAILED);
}

/* --- the clock --- */

/* A report, or a look, that ends now. */
static void want(struct gt_flight *flight, int64_t now_ns)
{
    flight->wanted_ns = now_ns;
    gt_flight_kept_expect_copy(flight->kept);
}

/* Is all written that was recorded until what is wanted is to end? If perf does not answer, it
 * ends where that is known. */
static bool is_settled(struct gt_flight *flight, int64_t now_ns)
{
    const struct gt_recorders *recorders = flight->run->result.recorders;
    int64_t written_ns = recorders ? gt_recorders_written_ns(recorders) : INT64_MAX;
    int64_t waited_ns = now_ns - flight->wanted_ns;

    flight->unanswered = false;
    if (waited_ns < (int64_t)SETTLE_MS * GT_NS_PER_MS)
        return false;
    if (written_ns >= flight->wanted_ns)
        return true;
    if (waited_ns < (int64_t)PATIENCE_MS * GT_NS_PER_MS)
        return false;
    flight->unanswered = written_ns <= now_ns - gt_flight_keep_ns(flight->run);
    if (!flight->unanswered)
        flight->wanted_ns = written_ns;
    return true;
}

static void on_tick(uv_timer_t *timer)
{
    struct gt_flight *flight = timer->data;
    int64_t now_ns = gt_now_ns();

    gt_flight_kept_sweep(flight->kept, now_ns);
    look_at_writer(flight, WNOHANG);
    if (flight->writer)
        return;
    if (!flight->wanted_ns && gt_flight_when_is_due(&flight->when, now_ns))
        want(flight, now_ns);
    if (flight->wanted_ns && is_settled(flight, now_ns))
        start_report(flight);
}

/* While a report is written, or about to be, others who ask get one together. A look that was
 * about to be comes after it. */
static void on_asked(void *context)
{
    struct gt_flight *flight = context;

    if (!flight->ticking || flight->asked)
        return;
    flight->asked = true;
    want(flight, gt_now_ns());
}

int gt_flight_prepare(struct gt_run_state *run, struct gt_error *err)
{
    struct gt_flight *flight = calloc(1, sizeof(*flight));

    if (!flight)
        return gt_error_memory(err);
    run->flight = flight;
    flight->run = run;
    gt_flight_when_init(&flight->when, run->checks, gt_flight_keep_ns(run));
    flight->kept = gt_flight_kept_new(run, err);
    if (!flight->kept)
        return err ? err->code : GT_ERR_IO;
    gt_signals_keep(&run->signals, SIGUSR2, on_asked, flight);
    return 0;
}

void gt_flight_begin(struct gt_flight *flight)
{
    if (!flight)
        return;
    uv_timer_init(&flight->run->loop, &flight->timer);
    flight->timer.data = flight;
    flight->ticking = true;
    gt_flight_kept_begin(flight->kept);
    gt_flight_when_begin(&flight->when, gt_now_ns());
    uv_timer_start(&flight->timer, on_tick, TICK_MS, TICK_MS);
    uv_unref((uv_handle_t *)&flight->timer);
}

static void stop_ticking(struct gt_flight *flight)
{
    if (flight->ticking)
        uv_close((uv_handle_t *)&flight->timer, NULL);
    flight->ticking = false;
    gt_signals_keep(&flight->run->signals, 0, NULL, NULL);
}

void gt_flight_end(struct gt_flight *flight, int64_t ended_ns)
{
    struct gt_run_state *run;

    if (!flight || flight->over)
        return;
    run = flight->run;
    flight->over = true;
    stop_ticking(flight);
    look_at_writer(flight, 0);
    run->result.since_ns = gt_flight_kept_since_ns(flight->kept, ended_ns);
    gt_flight_kept_end_agents(flight->kept, ended_ns);
}

void gt_flight_end_perf(struct gt_flight *flight)
{
    if (!flight)
        return;
    perf_has_any(flight->run);
    gt_flight_kept_end_perf(flight->kept);
}

void gt_flight_release(struct gt_flight *flight)
{
    if (!flight)
        return;
    stop_ticking(flight);
    look_at_writer(flight, 0);
    gt_flight_kept_free(flight->kept);
    free(flight);
}
