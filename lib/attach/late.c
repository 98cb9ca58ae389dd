/* SPDX-License-Identifier: MIT */
#include "attach/late.h"

#include "attach/inject.h"
#include "attach/safe_point.h"
#include "base/buf.h"
#include "base/fs.h"
#include "base/nstime.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>

enum {
    STATUS_BYTES = 1 << 16,
    POLL_NS = 500000,
    REFUSALS = 20,
    ROUND_POLLS = 8,      /* between looks at all threads */
    RESTARTING_MS = 700,  /* until a thread is used whose call ends by that */
    ENTERED_MS = 10000,   /* for the function, once it is called */
    LEAST_LEFT_MS = 1000, /* that a thread lingers, for its region to be written, … */
    FRESH_MS = 100,       /* … and how old that reading may be */
};

/* --- may it be done? --- */

static long status_number(const char *status, const char *name)
{
    const char *line = strstr(status, name);

    return line ? strtol(line + strlen(name), NULL, 10) : 0;
}

static int traced_by(const struct gt_running *running, long tracer, struct gt_error *err)
{
    struct gt_buf comm;
    char path[64];

    gt_buf_init(&comm);
    snprintf(path, sizeof(path), "/proc/%ld/comm", tracer);
    if (gt_fs_read(path, &comm, STATUS_BYTES, NULL) < 0 || !comm.length)
        gt_buf_adds(&comm, "another program");
    gt_error_set(err, GT_ERR_PERMISSION,
                 "process %d is being traced by process %ld (%.*s), as by a debugger, and the "
                 "kernel lets only one do that",
                 running->pid, tracer, (int)strcspn(comm.data, "\n"), comm.data);
    gt_buf_release(&comm);
    return GT_ERR_PERMISSION;
}

static int judge_status(const struct gt_running *running, const char *status, bool insist,
                        struct gt_error *err)
{
    const char *state = strstr(status, "\nState:\t");
    long tracer = status_number(status, "\nTracerPid:\t");
    long filtered = status_number(status, "\nSeccomp:\t");

    if (tracer)
        return traced_by(running, tracer, err);
    if (state && (state[8] == 'T' || state[8] == 't'))
        return gt_error_set(err, GT_ERR_UNSUPPORTED,
                            "process %d is stopped: let it go on (kill -CONT %d)", running->pid,
                            running->pid);
    if (strstr(status, "\nx86_Thread_features:\tshstk"))
        return gt_error_set(
            err, GT_ERR_UNSUPPORTED,
            "process %d has shadow stacks, which lets nothing be loaded into it", running->pid);
    if (filtered == 1 || (filtered && !insist))
        return gt_error_set(err, GT_ERR_UNSUPPORTED,
                            "process %d filters its system calls (seccomp), and might be ended "
                            "for one that the agent makes%s",
                            running->pid,
                            filtered == 1 ? "" : " (--gil-source agent takes that risk)");
    return 0;
}

int gt_late_check(const struct gt_running *running, bool insist, struct gt_error *err)
{
    struct gt_buf status;
    char path[64];
    int rc;

    gt_buf_init(&status);
    snprintf(path, sizeof(path), "/proc/%d/status", running->pid);
    rc = gt_fs_read(path, &status, STATUS_BYTES, err);
    if (rc == 0)
        rc = judge_status(running, status.data, insist, err);
    gt_buf_release(&status);
    return rc;
}

/* --- trying --- */

struct attempt {
    const struct gt_running *running;
    const struct gt_python *python;
    struct gt_place place;
    struct gt_stub_region *region; /* what is to be put in */
    struct gt_late_told *told;
    uint64_t at;     /* the region in the process; 0: there is none yet */
    bool is_pending; /* … and it waits for the main thread */
    int error;       /* why ptrace was refused, … */
    int refusals;    /* … and how often */
    int64_t until_ns;
    struct gt_error *err;
};

static int refused(const struct attempt *attempt)
{
    const int pid = attempt->running->pid;
    struct gt_buf scope;
    int level = 0;

    if (gt_late_check(attempt->running, true, attempt->err) < 0)
        return attempt->err ? attempt->err->code : GT_ERR_PERMISSION;
    gt_buf_init(&scope);
    if (gt_fs_read("/proc/sys/kernel/yama/ptrace_scope", &scope, STATUS_BYTES, NULL) == 0)
        level = (int)strtol(scope.data, NULL, 10);
    gt_buf_release(&scope);
    if (level)
        return gt_error_set(attempt->err, GT_ERR_PERMISSION,
                            "process %d may not be traced: kernel.yama.ptrace_scope is %d (%s)",
                            pid, level,
                            level < 3 ? "run giltracer as root, or set it to 0"
                                      : "nobody may trace until a restart of the machine");
    return gt_error_set(attempt->err, GT_ERR_PERMISSION,
                        "process %d may not be traced: %s (run giltracer as its user, or as "
                        "root)",
                        pid, strerror(attempt->error));
}

/* 1: done; 0: go on; negative: give up. */
static int take_injection(struct attempt *attempt, const struct gt_injection *injection)
{
    struct gt_late_told *told = attempt->told;

    if (injection->stopped_ns) {
        told->stops++;
        if (injection->stopped_ns > told->stopped_ns)
            told->stopped_ns = injection->stopped_ns;
    }
    switch (injection->outcome) {
    case GT_INJECTED_THREAD:
    case GT_INJECTED_PENDING:
        attempt->at = injection->region;
        attempt->is_pending = injection->outcome == GT_INJECTED_PENDING;
        return 1;
    case GT_INJECTED_TRACED: /* for a moment: by another giltracer */
        attempt->error = injection->error;
        return ++attempt->refusals < REFUSALS ? 0 : refused(attempt);
    case GT_INJECTED_ODD:
        return gt_error_set(attempt->err, GT_ERR_CHILD,
                            "the agent cannot be loaded into process %d: %s",
                            attempt->running->pid, strerror(injection->error));
    default:
        return 0;
    }
}

static int try_thread(struct attempt *attempt, const struct gt_running_thread *thread,
                      bool alone, bool pending, bool ends)
{
    const struct gt_injection_request request = {
        .running = attempt->running,
        .python = attempt->python,
        .place = &attempt->place,
        .region = attempt->region,
        .tid = thread->tid,
        .inner_tid = thread->inner_tid,
        .alone = alone,
        .pending = pending,
        .ends = ends,
    };
    struct gt_injection injection;
    int rc = gt_inject(&injection, &request, attempt->err);

    return rc < 0 ? rc : take_injection(attempt, &injection);
}

/* Before 3.7 the main thread alone can make a GIL where there is none yet. */
static bool may_use(const struct attempt *attempt, const struct gt_running_thread *thread)
{
    return attempt->python->minor > 6 || thread->tid == attempt->running->pid;
}

/* Those that are blocked in calls of which that becomes. */
static int try_blocked(struct attempt *attempt, const struct gt_chunks *threads,
                       enum gt_wait wanted)
{
    int rc = 0;

    for (size_t i = 0; i < threads->count && rc == 0; i++) {
        const struct gt_running_thread *thread = gt_chunks_at(threads, i);

        if (thread->state == 'S' && may_use(attempt, thread) &&
            gt_point_wait(attempt->running, thread) == wanted &&
            gt_now_ns() < attempt->until_ns)
            rc =
                try_thread(attempt, thread, threads->count == 1, false, wanted == GT_WAIT_ENDS);
    }
    return rc;
}

/* First those that are blocked; then, if none will do, the main thread if it runs. A call that
 * would end is used only where nothing else comes for a while. */
static int try_all(struct attempt *attempt, const struct gt_chunks *threads)
{
    const int64_t left_ns = attempt->until_ns - gt_now_ns();
    int rc = try_blocked(attempt, threads, GT_WAIT_RESTARTS);

    for (size_t i = 0; i < threads->count && rc == 0 && !attempt->at; i++) {
        const struct gt_running_thread *thread = gt_chunks_at(threads, i);

        if (thread->tid == attempt->running->pid && thread->state == 'R')
            rc = try_thread(attempt, thread, threads->count == 1, true, false);
    }
    if (rc == 0 && left_ns < (GT_LATE_WAIT_MS - RESTARTING_MS) * (int64_t)GT_NS_PER_MS)
        rc = try_blocked(attempt, threads, GT_WAIT_ENDS);
    return rc;
}

static int try_round(struct attempt *attempt)
{
    struct gt_chunks threads;
    int rc;

    gt_chunks_init(&threads, sizeof(struct gt_running_thread));
    rc = gt_running_threads(attempt->running, &threads, attempt->err);
    if (rc == 0 && !threads.count)
        rc = gt_error_set(attempt->err, GT_ERR_NOT_FOUND, "process %d has ended",
                          attempt->running->pid);
    if (rc == 0)
        rc = try_all(attempt, &threads);
    gt_chunks_release(&threads);
    return rc;
}

/* --- what comes of it --- */

static void pause_ns(int64_t ns)
{
    nanosleep(&(struct timespec){ns / GT_NS_PER_S, ns % GT_NS_PER_S}, NULL);
}

/* What is in front of the path. False: the region is not there (any more). */
static bool read_head(const struct attempt *attempt, uint64_t at, struct gt_stub_region *head)
{
    return gt_running_read(attempt->running, at, head, offsetof(struct gt_stub_region, path)) &&
           head->magic == GT_STUB_MAGIC;
}

static void write_word(const struct attempt *attempt, uint64_t at, uint32_t value)
{
    struct iovec local = {&value, sizeof(value)};
    struct iovec remote = {(void *)(uintptr_t)at, sizeof(value)};

    (void)!process_vm_writev(attempt->running->pid, &local, 1, &remote, 1, 0);
}

/*
 * Set a word of the region. Nothing may be written where the region was, since that may be the
 * program's by now: its thread lingers for as long as it says, after its last state.
 */
static void tell(const struct attempt *attempt, uint64_t at, size_t word)
{
    struct gt_stub_region head;
    int64_t read_ns;

    do {
        read_ns = gt_now_ns();
        if (!read_head(attempt, at, &head) ||
            (head.state >= GT_STUB_CALLED && head.left_ms < LEAST_LEFT_MS))
            return;
    } while (gt_now_ns() - read_ns > FRESH_MS * GT_NS_PER_MS);
    write_word(attempt, at + word, 1);
}

/* Let the thread of the region end, or the pending call do nothing. */
static void cancel(const struct attempt *attempt, uint64_t at)
{
    tell(attempt, at, offsetof(struct gt_stub_region, cancelled));
}

static int no_point(const struct attempt *attempt)
{
    return gt_error_set(attempt->err, GT_ERR_NOT_FOUND,
                        "no thread of process %d came to a point within %d s where the agent "
                        "can be loaded",
                        attempt->running->pid, GT_LATE_WAIT_MS / 1000);
}

static int not_loaded(const struct attempt *attempt)
{
    char message[GT_STUB_MESSAGE] = "";

    gt_running_read(attempt->running, attempt->at + offsetof(struct gt_stub_region, message),
                    message, sizeof(message) - 1);
    for (char *at = message; *at; at++)
        if (*at == '\n' || *at == '\033')
            *at = ' ';
    return gt_error_set(attempt->err, GT_ERR_CHILD, "process %d cannot load the agent%s%s",
                        attempt->running->pid, message[0] ? ": " : "", message);
}

static int lost(const struct attempt *attempt)
{
    return gt_error_set(attempt->err, GT_ERR_CHILD,
                        "process %d did not say whether it loaded the agent: it ended, or the "
                        "machine is very busy",
                        attempt->running->pid);
}

/* Of the region at `attempt->at`: 1: it is over; 0: not yet; negative: it failed. */
static int look(struct attempt *attempt, int64_t *entered_ns)
{
    struct gt_stub_region head;

    if (!read_head(attempt, attempt->at, &head))
        return lost(attempt);
    if (head.state == GT_STUB_CALLED) {
        attempt->told->result = head.result;
        return 1;
    }
    if (head.state == GT_STUB_FAILED)
        return not_loaded(attempt);
    if (head.state == GT_STUB_DROPPED && !head.result) { /* just when it was withdrawn */
        cancel(attempt, attempt->at);
        attempt->at = 0;
        *entered_ns = 0;
        return 0;
    }
    if (head.state == GT_STUB_DROPPED)
        return gt_error_set(attempt->err, GT_ERR_CHILD, "process %d cannot make a thread: %s",
                            attempt->running->pid, strerror(head.result));
    if (head.state == GT_STUB_ENTERED && !*entered_ns)
        *entered_ns = gt_now_ns();
    if (head.state >= GT_STUB_BEGAN)
        attempt->is_pending = false;
    return 0;
}

static int expire(struct attempt *attempt, int64_t entered_ns)
{
    if (entered_ns && gt_now_ns() - entered_ns < ENTERED_MS * (int64_t)GT_NS_PER_MS)
        return 0;
    if (!entered_ns && gt_now_ns() < attempt->until_ns)
        return 0;
    return no_point(attempt);
}

/* A thread that could be made later is held. The function is called once: by that one only if
 * the pending call, which it takes the place of, will not do it any more. */
static void choose(struct attempt *attempt, uint64_t pending)
{
    const uint64_t held = attempt->at;
    struct gt_stub_region head;

    tell(attempt, pending, offsetof(struct gt_stub_region, withdrawn));
    if (read_head(attempt, pending, &head) &&
        (head.state == GT_STUB_ENTERED || head.state == GT_STUB_CALLED)) {
        attempt->at = pending;
        cancel(attempt, held);
        return;
    }
    write_word(attempt, held + offsetof(struct gt_stub_region, held), 0);
    attempt->told->pending = false;
    cancel(attempt, pending);
}

/* A pending call is asked for once: it may come late, but other threads may be blocked before.
 */
static int try_again(struct attempt *attempt)
{
    uint64_t before = attempt->at;
    int rc;

    attempt->region->held = before != 0;
    rc = try_round(attempt);
    if (rc > 0 && before)
        choose(attempt, before);
    else if (rc > 0)
        attempt->told->pending = attempt->is_pending;
    return rc < 0 ? rc : 0;
}

static int attempt_until(struct attempt *attempt)
{
    int64_t entered_ns = 0;

    for (unsigned polls = 0;; polls++) {
        int rc = 0;

        if ((!attempt->at || attempt->is_pending) && polls % ROUND_POLLS == 0)
            rc = try_again(attempt);
        if (rc == 0 && attempt->at)
            rc = look(attempt, &entered_ns);
        if (rc == 0)
            rc = expire(attempt, entered_ns);
        if (rc && attempt->at)
            cancel(attempt, attempt->at);
        if (rc)
            return rc < 0 ? rc : 0;
        pause_ns(POLL_NS);
    }
}

static bool copy(char *to, size_t size, const char *text)
{
    int length = snprintf(to, size, "%s", text);

    return length >= 0 && (size_t)length < size;
}

static int fill_region(struct attempt *attempt, const struct gt_late_call *call)
{
    *attempt->region = attempt->place.pattern;
    attempt->region->in_memory = call->in_memory;
    if (copy(attempt->region->path, GT_STUB_PATH, call->path) &&
        copy(attempt->region->symbol, GT_STUB_SYMBOL, call->symbol) &&
        copy(attempt->region->settings, GT_STUB_SETTINGS, call->settings))
        return 0;
    return gt_error_set(attempt->err, GT_ERR_UNSUPPORTED,
                        "the agent's settings are longer than %d bytes (give fewer --include "
                        "and --exclude)",
                        GT_STUB_SETTINGS - 1);
}

int gt_late_do(struct gt_late_told *told, const struct gt_late_call *call,
               const struct gt_running *running, const struct gt_python *python,
               struct gt_error *err)
{
    struct attempt attempt = {
        .running = running,
        .python = python,
        .region = malloc(sizeof(*attempt.region)),
        .told = told,
        .until_ns = gt_now_ns() + GT_LATE_WAIT_MS * (int64_t)GT_NS_PER_MS,
        .err = err,
    };
    int rc = attempt.region ? 0 : gt_error_memory(err);

    *told = (struct gt_late_told){0};
    if (rc == 0)
        rc = gt_place_find(&attempt.place, running, python, err);
    if (rc == 0)
        rc = fill_region(&attempt, call);
    if (rc == 0)
        rc = attempt_until(&attempt);
    free(attempt.region);
    return rc;
}
