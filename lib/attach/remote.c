/* SPDX-License-Identifier: MIT */
#include "attach/remote.h"

#include "attach/frames.h"
#include "attach/gil.h"
#include "attach/layout.h"
#include "base/buf.h"
#include "base/nstime.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define SCRIPT "attach.py"
#define ANSWER "attach.answer"

enum {
    PLEASE_STOP = 1 << 5, /* _PY_EVAL_PLEASE_STOP_BIT (pycore_ceval.h, 3.14 and 3.15) */
    POLL_NS = 1000000,
    ROUND_POLLS = 10,  /* between looks at all threads */
    OTHERS_MS = 100,   /* after which others than the main thread are asked */
    CALLED_MS = 10000, /* for the function, once a thread has the script */
    LINGER_NS = 100000000,
    ANSWER_BYTES = 1000,
};

struct attempt {
    const struct gt_running *running;
    const struct gt_python *python;
    struct gt_layout layout;
    struct gt_chunks asked; /* struct gt_thread_state_at: those with the script's path */
    struct gt_chunks first; /* int: the threads that there were at first */
    char path[PATH_MAX];    /* of the script, as the process names it */
    int folder;
    struct gt_error *err;
};

/* --- the script --- */

/* A literal of Python's for bytes. */
static int add_bytes(struct gt_buf *to, const char *text)
{
    int failed = gt_buf_adds(to, "b'");

    for (; *text; text++)
        failed |= isalnum((unsigned char)*text) && (unsigned char)*text < 128
                      ? gt_buf_addf(to, "%c", *text)
                      : gt_buf_addf(to, "\\x%02x", (unsigned char)*text);
    return failed | gt_buf_adds(to, "'");
}

static int write_variable(struct gt_buf *to, const char *name, const char *text)
{
    return gt_buf_adds(to, name) | gt_buf_adds(to, " = ") | add_bytes(to, text) |
           gt_buf_adds(to, "\n");
}

/* The agent's PyInit calls the function, answers, and raises ImportError. */
static int compose(struct gt_buf *to, const struct gt_late_call *call, const char *answer)
{
    return gt_buf_adds(to, "import _imp, sys\n") |
           write_variable(to, "giltracer_symbol", call->symbol) |
           write_variable(to, "giltracer_settings", call->settings) |
           write_variable(to, "giltracer_answer", answer) | gt_buf_adds(to, "_path = ") |
           add_bytes(to, call->path) |
           gt_buf_adds(
               to, ".decode(sys.getfilesystemencoding(), 'surrogateescape')\n"
                   "try:\n"
                   "    _imp.create_dynamic(type(sys.implementation)(\n"
                   "        name='giltracer_agent', origin=_path))\n"
                   "except ImportError as _error:\n"
                   "    if not str(_error).startswith('giltracer '):\n"
                   "        try:\n"
                   "            with open(giltracer_answer, 'x', errors='replace') as _file:\n"
                   "                _file.write(str(_error))\n"
                   "        except OSError:\n" /* another thread was first */
                   "            pass\n");
}

/* A file of the folder's owner. */
static int write_script(const struct attempt *attempt, const struct gt_buf *text)
{
    int fd = openat(attempt->folder, SCRIPT,
                    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    struct stat st;
    bool done;

    if (fd < 0)
        return gt_error_errno(attempt->err, "cannot write the script for process %d",
                              attempt->running->pid);
    done = fstat(attempt->folder, &st) == 0 &&
           (st.st_uid == geteuid() || fchown(fd, st.st_uid, st.st_gid) == 0) &&
           write(fd, text->data, text->length) == (ssize_t)text->length;
    if (close(fd) || !done)
        return gt_error_errno(attempt->err, "cannot write the script for process %d",
                              attempt->running->pid);
    return 0;
}

static int prepare(struct attempt *attempt, const struct gt_late_call *call, const char *inside)
{
    char answer[PATH_MAX];
    struct gt_buf text;
    int rc = 0;

    gt_buf_init(&text);
    if (snprintf(attempt->path, PATH_MAX, "%s/" SCRIPT, inside) >=
            (int)attempt->layout.script_size ||
        snprintf(answer, sizeof(answer), "%s/" ANSWER, inside) >= (int)sizeof(answer))
        rc = gt_error_set(attempt->err, GT_ERR_UNSUPPORTED,
                          "the path of the script is too long for process %d: %s",
                          attempt->running->pid, inside);
    else if (compose(&text, call, answer))
        rc = gt_error_memory(attempt->err);
    if (rc == 0)
        rc = write_script(attempt, &text);
    gt_buf_release(&text);
    return rc;
}

/* --- asking --- */

static bool write_memory(const struct gt_running *running, uint64_t address, const void *data,
                         size_t length)
{
    struct iovec local = {(void *)data, length};
    struct iovec remote = {(void *)(uintptr_t)address, length};

    return process_vm_writev(running->pid, &local, 1, &remote, 1, 0) == (ssize_t)length;
}

/*
 * Have the thread look at what it is asked for. Others set bits of the same word at any time,
 * by atomic operations, which cannot be done from here; so as little as possible is written, as
 * soon after it is read as possible: one byte. What might be lost in that microsecond is a
 * request for the GIL, which is made again, or a signal's, as by CPython's own sys.remote_exec.
 */
static bool wake(const struct attempt *attempt, uint64_t state)
{
    uint64_t at = state + attempt->layout.eval_breaker;
    uint8_t low;

    if (!gt_running_read(attempt->running, at, &low, 1))
        return false;
    low |= PLEASE_STOP;
    return write_memory(attempt->running, at, &low, 1);
}

/* False: it may not be written. */
static bool ask(struct attempt *attempt, const struct gt_thread_state_at *thread)
{
    const struct gt_layout *layout = &attempt->layout;
    const uint64_t support = thread->state + layout->remote_support;
    const int32_t yes = 1;
    struct gt_thread_state_at *asked = gt_chunks_push(&attempt->asked);

    if (!asked)
        return false;
    *asked = *thread;
    return write_memory(attempt->running, support + layout->script_path, attempt->path,
                        strlen(attempt->path) + 1) &&
           write_memory(attempt->running, support + layout->pending, &yes, sizeof(yes)) &&
           wake(attempt, thread->state);
}

static bool is_asked(const struct attempt *attempt, uint64_t state)
{
    for (size_t i = 0; i < attempt->asked.count; i++)
        if (((const struct gt_thread_state_at *)gt_chunks_at(&attempt->asked, i))->state ==
            state)
            return true;
    return false;
}

/* The GIL's next user is one that runs, or waits for it. */
static bool is_awake(const struct gt_running_thread *thread, const struct gt_chunks *gils)
{
    if (thread->state == 'R')
        return true;
    for (size_t i = 0; i < gils->count; i++)
        if (gt_gil_word_of(gt_chunks_at(gils, i), thread) != GT_GIL_NO_WORD)
            return true;
    return false;
}

static const struct gt_running_thread *thread_at(const struct gt_chunks *threads, int tid)
{
    for (size_t i = 0; i < threads->count; i++) {
        const struct gt_running_thread *thread = gt_chunks_at(threads, i);

        if (thread->tid == tid)
            return thread;
    }
    return NULL;
}

/* The first interpreter that there was, the last of the list. */
static uint64_t main_interpreter(const struct attempt *attempt)
{
    uint64_t at = gt_layout_first(&attempt->layout, attempt->running), next = at;

    for (int i = 0; next && i < 1024; i++) {
        at = next;
        if (!gt_running_read(attempt->running, at + attempt->layout.is_next, &next,
                             sizeof(next)))
            return 0;
    }
    return at;
}

static bool was_there(const struct attempt *attempt, int tid)
{
    for (size_t i = 0; i < attempt->first.count; i++)
        if (*(const int *)gt_chunks_at(&attempt->first, i) == tid)
            return true;
    return false;
}

/*
 * The state of a thread is freed when it ends, and what is written to it then spoils other
 * data. The main thread's never is. So others are asked only if it does not come, and only
 * those that have been there for a while: not one that ends after each request that a server
 * gets.
 */
static bool may_be_asked(const struct attempt *attempt, int tid, bool others)
{
    return tid == attempt->running->pid || (others && was_there(attempt, tid));
}

static bool note_first(struct attempt *attempt, const struct gt_chunks *states)
{
    for (size_t i = 0; i < states->count; i++) {
        int *tid = gt_chunks_push(&attempt->first);

        if (!tid)
            return false;
        *tid = ((const struct gt_thread_state_at *)gt_chunks_at(states, i))->tid;
    }
    return true;
}

/* Ask those that may be asked and have not been. How many are awake; negative: it failed. */
static int ask_some(struct attempt *attempt, bool others, const struct gt_chunks *states,
                    const struct gt_chunks *threads, const struct gt_chunks *gils)
{
    uint64_t interpreter = main_interpreter(attempt), of;
    int awake = 0;

    if (!others && !attempt->first.count && !note_first(attempt, states))
        return gt_error_memory(attempt->err);
    for (size_t i = 0; i < states->count; i++) {
        const struct gt_thread_state_at *state = gt_chunks_at(states, i);
        const struct gt_running_thread *thread = thread_at(threads, state->tid);

        awake += thread && is_awake(thread, gils);
        if (!thread || is_asked(attempt, state->state) ||
            !may_be_asked(attempt, state->tid, others) ||
            !gt_running_read(attempt->running, state->state + attempt->layout.ts_interp, &of,
                             sizeof(of)) ||
            of != interpreter)
            continue;
        if (!ask(attempt, state))
            return gt_error_errno(attempt->err, "process %d may not be written",
                                  attempt->running->pid);
    }
    return awake;
}

static int look_and_ask(struct attempt *attempt, bool others)
{
    struct gt_chunks threads, gils, states;
    int rc;

    gt_chunks_init(&threads, sizeof(struct gt_running_thread));
    gt_chunks_init(&gils, sizeof(struct gt_gil_now));
    gt_chunks_init(&states, sizeof(struct gt_thread_state_at));
    rc = gt_running_threads(attempt->running, &threads, attempt->err);
    if (rc == 0 && !threads.count)
        rc = gt_error_set(attempt->err, GT_ERR_NOT_FOUND, "process %d has ended",
                          attempt->running->pid);
    if (rc == 0)
        rc = gt_gils_find(&gils, attempt->running, attempt->python, &attempt->layout, &threads,
                          attempt->err);
    if (rc == 0)
        rc = gt_frames_states(&states, attempt->running, attempt->python, &attempt->layout,
                              &threads, attempt->err);
    if (rc == 0)
        rc = ask_some(attempt, others, &states, &threads, &gils);
    gt_chunks_release(&threads);
    gt_chunks_release(&gils);
    gt_chunks_release(&states);
    return rc;
}

/* --- the answer --- */

/* 1: it is there; 0: not yet, `claimed` when a thread has the script; negative: it says why the
 * library could not be loaded. */
static int look(struct attempt *attempt, struct gt_late_told *told, bool *claimed)
{
    int fd = openat(attempt->folder, ANSWER, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    char text[ANSWER_BYTES + 1];
    ssize_t length;
    char *end;

    if (fd < 0)
        return 0;
    *claimed = true;
    length = read(fd, text, ANSWER_BYTES);
    close(fd);
    if (length <= 0)
        return 0;
    text[length] = '\0';
    told->result = (int)strtol(text, &end, 10);
    if (end != text && *end == '\n')
        return 1;
    for (char *at = text; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 127)
            *at = ' ';
    return gt_error_set(attempt->err, GT_ERR_CHILD, "process %d cannot load the agent: %s",
                        attempt->running->pid, text);
}

/* False: a thread has just begun with the script. */
static bool claim(const struct attempt *attempt)
{
    int fd = openat(attempt->folder, ANSWER,
                    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static bool names_script(const struct attempt *attempt, uint64_t support)
{
    char path[PATH_MAX];
    size_t length = strlen(attempt->path) + 1;

    return gt_running_read(attempt->running, support + attempt->layout.script_path, path,
                           length) &&
           memcmp(path, attempt->path, length) == 0;
}

/* Take back what no thread has come to yet. How many have read the path, and may be about to
 * open the script; all but one will do nothing, as there is an answer. */
static size_t withdraw(struct attempt *attempt)
{
    const int32_t no = 0;
    size_t taken = 0;

    for (size_t i = 0; i < attempt->asked.count; i++) {
        struct gt_thread_state_at *thread = gt_chunks_at(&attempt->asked, i);
        uint64_t support = thread->state + attempt->layout.remote_support;
        int32_t pending;

        if (!thread->state || !names_script(attempt, support) ||
            !gt_running_read(attempt->running, support + attempt->layout.pending, &pending,
                             sizeof(pending)))
            continue;
        taken += !pending;
        if (pending == 1 &&
            write_memory(attempt->running, support + attempt->layout.pending, &no, sizeof(no)))
            thread->state = 0; /* not asked any more */
    }
    return taken;
}

static int give_up(const struct attempt *attempt, bool blocked)
{
    return gt_error_set(attempt->err, GT_ERR_NOT_FOUND,
                        blocked
                            ? "all threads of process %d are blocked, so that none loads the "
                              "agent of itself"
                            : "no thread of process %d came to a safe point within 2 s",
                        attempt->running->pid);
}

/* Have all threads been asked for long, and none was awake? */
static bool are_blocked(int64_t now_ns, int64_t start_ns, int64_t awake_ns)
{
    const int64_t asked_ns = start_ns + OTHERS_MS * (int64_t)GT_NS_PER_MS;

    return now_ns - (awake_ns > asked_ns ? awake_ns : asked_ns) >
           GT_REMOTE_BLOCKED_MS * (int64_t)GT_NS_PER_MS;
}

static int wait_for_answer(struct attempt *attempt, struct gt_late_told *told)
{
    const int64_t start_ns = gt_now_ns();
    int64_t awake_ns = start_ns, claimed_ns = 0;
    bool claimed = false;

    for (unsigned polls = 0;; polls++) {
        int64_t now_ns = gt_now_ns();
        int rc = look(attempt, told, &claimed);

        if (rc)
            return rc < 0 ? rc : 0;
        if (claimed && !claimed_ns) {
            claimed_ns = now_ns;
            withdraw(attempt);
        }
        if (!claimed && polls % ROUND_POLLS == 0) {
            rc = look_and_ask(attempt, now_ns - start_ns > OTHERS_MS * (int64_t)GT_NS_PER_MS);
            if (rc < 0)
                return rc;
            awake_ns = rc > 0 ? now_ns : awake_ns;
        }
        if (claimed && now_ns - claimed_ns > CALLED_MS * (int64_t)GT_NS_PER_MS)
            return give_up(attempt, false);
        if (!claimed &&
            (now_ns - start_ns > GT_LATE_WAIT_MS * (int64_t)GT_NS_PER_MS ||
             are_blocked(now_ns, start_ns, awake_ns)) &&
            claim(attempt))
            return give_up(attempt, are_blocked(now_ns, start_ns, awake_ns));
        nanosleep(&(struct timespec){0, POLL_NS}, NULL);
    }
}

/* --- all of it --- */

/* It is 0 where it is switched off. */
static int check(struct attempt *attempt)
{
    const struct gt_layout *layout = &attempt->layout;
    uint64_t interpreter;
    int32_t enabled = 0;

    if (!gt_layout_find(&attempt->layout, attempt->running, attempt->python) ||
        !layout->script_size)
        return gt_error_set(attempt->err, GT_ERR_UNSUPPORTED,
                            "Python %d.%d of process %d has no remote debugging",
                            attempt->python->major, attempt->python->minor,
                            attempt->running->pid);
    interpreter = main_interpreter(attempt);
    if (!interpreter || !gt_running_read(attempt->running, interpreter + layout->remote_enabled,
                                         &enabled, sizeof(enabled)))
        return gt_error_set(attempt->err, GT_ERR_UNSUPPORTED,
                            "the interpreter of process %d cannot be read",
                            attempt->running->pid);
    if (enabled == 1)
        return 0;
    return gt_error_set(
        attempt->err, GT_ERR_UNSUPPORTED,
        "remote debugging is switched off in process %d "
        "(PYTHON_DISABLE_REMOTE_DEBUG, -X disable-remote-debug, or its Python was "
        "built without it)",
        attempt->running->pid);
}

int gt_remote_do(struct gt_late_told *told, const struct gt_late_call *call, int folder,
                 const char *inside, const struct gt_running *running,
                 const struct gt_python *python, struct gt_error *err)
{
    struct attempt attempt = {
        .running = running, .python = python, .folder = folder, .err = err};
    int rc = check(&attempt);

    *told = (struct gt_late_told){0};
    if (rc < 0)
        return rc;
    gt_chunks_init(&attempt.asked, sizeof(struct gt_thread_state_at));
    gt_chunks_init(&attempt.first, sizeof(int));
    rc = prepare(&attempt, call, inside);
    if (rc == 0)
        rc = wait_for_answer(&attempt, told);
    if (withdraw(&attempt) > (rc == 0 ? 1 : 0))
        nanosleep(&(struct timespec){0, LINGER_NS}, NULL);
    unlinkat(folder, SCRIPT, 0);
    unlinkat(folder, ANSWER, 0);
    gt_chunks_release(&attempt.asked);
    gt_chunks_release(&attempt.first);
    return rc;
}
