/* SPDX-License-Identifier: MIT */
#include "flight.h"

#include "agent/wire.h"
#include "agentlog/ring.h"
#include "base/nstime.h"
#include "common/console.h"
#include "flight_names.h"
#include "flight_when.h"
#include "recording.h"
#include "reports.h"
#include "run_state.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    TICK_MS = 100,
    SWEEP_MS = 500,
    SETTLE_MS = 150, /* from the moment that a report is to end with until it is made: by then
                        what happened before is written */
};

/* Room that is given back, in a thread of libuv: meanwhile the end of the program is seen. */
struct punching {
    uv_work_t work;
    int log; /* its own */
    struct gt_ring_holes holes;
    struct gt_flight *flight; /* NULL: that is gone */
};

struct gt_flight {
    struct gt_run_state *run;
    struct gt_ring *ring;
    struct punching *punching; /* NULL: nothing is given back now */
    uv_timer_t timer;
    bool ticking, failed;
    int64_t swept_ns;
    int64_t wanted_ns; /* a report, or a look for --when, is wanted that ends then; 0: none */
    bool asked;        /* a report is: somebody asked */
    pid_t writer;      /* a process that writes a report, or looks; 0: none does */
    int64_t writer_until_ns; /* what it writes ends then, … */
    bool writer_looks;       /* … and is written where --when has it so */
    unsigned reports;        /* that were written */
    struct gt_flight_when when;
};

/* --- the log --- */

static bool maps_log(const struct gt_flight *flight, int32_t pid)
{
    char path[64], line[4096];
    struct stat st;
    unsigned long inode;
    bool found = false;
    FILE *maps;

    snprintf(path, sizeof(path), "/proc/%d/maps", pid);
    if (fstat(flight->run->agent_files.log, &st) || !(maps = fopen(path, "re")))
        return false;
    while (!found && fgets(line, sizeof(line), maps))
        found = sscanf(line, "%*s %*s %*s %*s %lu", &inode) == 1 && inode == st.st_ino;
    fclose(maps);
    return found;
}

/* Are a process's children in the pid namespace that we are in? */
static bool children_are_ours(int32_t pid)
{
    char path[64], theirs[64] = "", ours[64] = "";

    snprintf(path, sizeof(path), "/proc/%d/ns/pid_for_children", pid);
    return readlink(path, theirs, sizeof(theirs) - 1) > 0 &&
           readlink("/proc/self/ns/pid", ours, sizeof(ours) - 1) > 0 &&
           strcmp(theirs, ours) == 0;
}

/* One that ended before we looked was its parent's child. */
static bool is_writer(void *context, int32_t pid, int32_t parent_pid)
{
    const struct gt_flight *flight = context;

    if (gt_agent_is_alive(pid))
        return maps_log(flight, pid);
    return children_are_ours(parent_pid) &&
           (parent_pid == getpid() || maps_log(flight, parent_pid));
}

static uint64_t log_bytes_max(const struct gt_run_state *run)
{
    return run->agent.max_bytes ? strtoull(run->agent.max_bytes, NULL, 10)
                                : GT_WIRE_DEFAULT_BYTES;
}

/* Others write there, too, and a report is made from a copy. */
static uint64_t room_bytes(const char *folder)
{
    struct statvfs fs;

    return statvfs(folder, &fs) ? UINT64_MAX : (uint64_t)fs.f_bavail * fs.f_frsize / 3;
}

/* It is never used twice, and what was taken out takes no room. */
static void lengthen(int log)
{
    off_t length = (off_t)UINT32_MAX * GT_WIRE_CHUNK_BYTES;
    struct stat st;

    if (fstat(log, &st))
        return;
    while (length > st.st_size && ftruncate(log, length))
        length = length / 2 / GT_WIRE_CHUNK_BYTES * GT_WIRE_CHUNK_BYTES;
}

/* Files without a name, for the copy of what is kept. */
static int make_files(const struct gt_run_state *run, struct gt_agentlog_files *files,
                      struct gt_error *err)
{
    int *const both[] = {&files->control, &files->log};
    char path[4096];

    *files = (struct gt_agentlog_files){-1, -1};
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "%s/snapshot", run->folder);
        *both[i] = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (*both[i] < 0)
            return gt_error_errno(err, "cannot make a file for the report in %s", run->folder);
        unlink(path);
    }
    return 0;
}

static void close_files(struct gt_agentlog_files *files)
{
    if (files->control >= 0)
        close(files->control);
    if (files->log >= 0)
        close(files->log);
    *files = (struct gt_agentlog_files){-1, -1};
}

/* What is kept, until then. 0 or negative: `files` are none. */
static int copy_kept(struct gt_flight *flight, struct gt_agentlog_files *files,
                     int64_t until_ns, struct gt_error *err)
{
    int rc = gt_ring_sweep(flight->ring, gt_now_ns(), err);

    flight->swept_ns = gt_now_ns();
    *files = (struct gt_agentlog_files){-1, -1};
    if (rc == 0)
        rc = make_files(flight->run, files, err);
    if (rc == 0)
        rc = gt_ring_copy(flight->ring, files, gt_ring_since_ns(flight->ring, until_ns), err);
    if (rc < 0)
        close_files(files);
    return rc;
}

/* 0: the program began later. */
static int64_t since_of(const struct gt_flight *flight, int64_t until_ns)
{
    int64_t since_ns = gt_ring_since_ns(flight->ring, until_ns);

    return since_ns > flight->run->clocks.first.monotonic_ns ? since_ns : 0;
}

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

/* The report, of the log that run->agent_files are; likewise. */
static int make_report(const struct gt_flight *flight, int64_t until_ns, struct gt_error *err)
{
    struct gt_run_state *run = flight->run;
    struct gt_buf why;
    int rc;

    gt_buf_init(&why);
    gt_recording_read_agents(run);
    *err = run->agent_unread;
    rc = err->code ? err->code : gt_ingest_finish(run->ingest, err);
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

/* Nothing of this comes back to the process that records, but the exit status. */
static _Noreturn void write_report(struct gt_flight *flight,
                                   const struct gt_agentlog_files *files, int64_t until_ns)
{
    struct gt_run_state *run = flight->run;
    struct gt_error err = {0};
    int rc;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    run->agent_files = *files;
    run->result.since_ns = since_of(flight, until_ns);
    run->result.until_ns = until_ns;
    rc = make_report(flight, until_ns, &err);
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
    struct gt_agentlog_files files;
    int rc = copy_kept(flight, &files, until_ns, err);

    if (rc < 0)
        return rc;
    flight->writer = fork_writer();
    if (flight->writer == 0)
        write_report(flight, &files, until_ns);
    if (flight->writer < 0) {
        flight->writer = 0;
        rc = gt_error_errno(err, "cannot make a process that writes it");
    }
    close_files(&files);
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

    flight->writer_until_ns = flight->wanted_ns;
    flight->writer_looks = !flight->asked;
    flight->wanted_ns = 0;
    flight->asked = false;
    if (start_writer(flight, flight->writer_until_ns, &err) == 0)
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

/* --- room that is given back --- */

static void punch(uv_work_t *work)
{
    struct punching *punching = work->data;

    gt_ring_punch(punching->log, &punching->holes);
}

static void on_punched(uv_work_t *work, int status)
{
    struct punching *punching = work->data;

    (void)status;
    if (punching->flight)
        punching->flight->punching = NULL;
    close(punching->log);
    free(punching);
}

/* Where there is no thread for it, it is done here. */
static void give_back(struct gt_flight *flight)
{
    struct gt_ring_holes holes = gt_ring_take_holes(flight->ring);
    struct punching *punching = holes.count ? calloc(1, sizeof(*punching)) : NULL;
    int log = punching ? fcntl(flight->run->agent_files.log, F_DUPFD_CLOEXEC, 0) : -1;

    if (log >= 0) {
        *punching = (struct punching){.log = log, .holes = holes, .flight = flight};
        punching->work.data = punching;
        if (uv_queue_work(&flight->run->loop, &punching->work, punch, on_punched) == 0) {
            flight->punching = punching;
            return;
        }
        close(log);
    }
    free(punching);
    gt_ring_punch(flight->run->agent_files.log, &holes);
}

/* --- the clock --- */

static void sweep(struct gt_flight *flight, int64_t now_ns)
{
    struct gt_error err;

    if (gt_ring_sweep(flight->ring, now_ns, &err) < 0 && !flight->failed) {
        gt_say("%s: older parts of the log are not taken out", err.message);
        flight->failed = true;
    }
    flight->swept_ns = now_ns;
    give_back(flight);
}

/* A report, or a look, that ends now. */
static void want(struct gt_flight *flight, int64_t now_ns)
{
    flight->wanted_ns = now_ns;
    gt_ring_want_clocks(flight->ring);
}

static void on_tick(uv_timer_t *timer)
{
    struct gt_flight *flight = timer->data;
    int64_t now_ns = gt_now_ns();

    if (!flight->punching && (now_ns - flight->swept_ns >= (int64_t)SWEEP_MS * GT_NS_PER_MS ||
                              gt_ring_is_large(flight->ring)))
        sweep(flight, now_ns);
    look_at_writer(flight, WNOHANG);
    if (flight->writer)
        return;
    if (!flight->wanted_ns && gt_flight_when_is_due(&flight->when, now_ns))
        want(flight, now_ns);
    if (flight->wanted_ns && now_ns - flight->wanted_ns >= (int64_t)SETTLE_MS * GT_NS_PER_MS)
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
    struct gt_ring_options options = {
        .files = run->agent_files,
        .keep_ns = (int64_t)run->cli->keep_last_ms * GT_NS_PER_MS,
        .max_bytes = log_bytes_max(run),
        .room_bytes = room_bytes(run->folder),
        .is_writer = is_writer,
        .is_alive = gt_agent_is_alive,
        .context = flight,
    };

    if (!flight)
        return gt_error_memory(err);
    run->flight = flight;
    flight->run = run;
    gt_flight_when_init(&flight->when, run->checks, options.keep_ns);
    lengthen(run->agent_files.log);
    flight->ring = gt_ring_new(&options, err);
    if (!flight->ring)
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

int64_t gt_flight_end(struct gt_flight *flight, int64_t ended_ns)
{
    struct gt_agentlog_files files, *own;
    struct gt_error err;
    int64_t since_ns;

    if (!flight || !flight->ring)
        return 0;
    stop_ticking(flight);
    look_at_writer(flight, 0);
    own = &flight->run->agent_files;
    since_ns = since_of(flight, ended_ns);
    if (copy_kept(flight, &files, ended_ns, &err) == 0) {
        gt_agent_stop_all(own);
        close_files(own);
        *own = files;
    } else {
        gt_say("%s: the report is of what could be read of the log", err.message);
    }
    gt_ring_free(flight->ring);
    flight->ring = NULL;
    return since_ns;
}

void gt_flight_release(struct gt_flight *flight)
{
    if (!flight)
        return;
    stop_ticking(flight);
    look_at_writer(flight, 0);
    if (flight->punching)
        flight->punching->flight = NULL;
    gt_ring_free(flight->ring);
    free(flight);
}
