/* SPDX-License-Identifier: MIT */
#include "dump.h"

#include "attach/dump.h"
#include "attach/frames.h"
#include "base/strvec.h"
#include "common/console.h"
#include "common/exit_status.h"
#include "launch/rights.h"

#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

static const struct {
    long number;
    const char *name;
} calls[] = {
    {SYS_read, "read"},
    {SYS_write, "write"},
    {SYS_futex, "futex"},
    {SYS_nanosleep, "nanosleep"},
    {SYS_clock_nanosleep, "clock_nanosleep"},
    {SYS_ppoll, "ppoll"},
    {SYS_pselect6, "pselect6"},
    {SYS_epoll_pwait, "epoll_pwait"},
    {SYS_accept, "accept"},
    {SYS_accept4, "accept4"},
    {SYS_connect, "connect"},
    {SYS_recvfrom, "recvfrom"},
    {SYS_recvmsg, "recvmsg"},
    {SYS_sendto, "sendto"},
    {SYS_sendmsg, "sendmsg"},
    {SYS_wait4, "wait4"},
    {SYS_waitid, "waitid"},
    {SYS_flock, "flock"},
    {SYS_fcntl, "fcntl"},
    {SYS_fsync, "fsync"},
    {SYS_pread64, "pread64"},
    {SYS_pwrite64, "pwrite64"},
    {SYS_readv, "readv"},
    {SYS_writev, "writev"},
    {SYS_rt_sigtimedwait, "rt_sigtimedwait"},
    {SYS_rt_sigsuspend, "rt_sigsuspend"},
    {SYS_semtimedop, "semtimedop"},
    {SYS_msgrcv, "msgrcv"},
#ifdef SYS_poll /* older calls, which not every machine has */
    {SYS_poll, "poll"},
    {SYS_select, "select"},
    {SYS_epoll_wait, "epoll_wait"},
    {SYS_pause, "pause"},
#endif
};

static const char *call_name(long number)
{
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
        if (calls[i].number == number)
            return calls[i].name;
    return NULL;
}

/* "thread 123 (worker)" */
static int add_thread(struct gt_buf *text, const struct gt_dump_thread *thread)
{
    return gt_buf_addf(text, "thread %d (", thread->seen.tid) ||
                   gt_buf_add_visible(text, thread->seen.comm, strlen(thread->seen.comm)) ||
                   gt_buf_adds(text, ")")
               ? -1
               : 0;
}

/* "runs", "is in read", "is stopped" */
static int add_state(struct gt_buf *text, const struct gt_running_thread *seen)
{
    const char *name = call_name(seen->call);

    if (seen->state == 'T')
        return gt_buf_adds(text, "is stopped by a signal");
    if (seen->state == 't')
        return gt_buf_adds(text, "is stopped by a debugger");
    if (seen->state == 'X' || seen->state == 'Z')
        return gt_buf_adds(text, "has ended");
    if (seen->call == -2 && seen->state != 'R')
        return gt_buf_adds(text, "sleeps, and in which system call cannot be read");
    if (seen->call < 0 || seen->state == 'R')
        return gt_buf_adds(text, "runs");
    if (!name)
        return gt_buf_addf(text, "is in system call %ld", seen->call);
    return gt_buf_addf(text, "is in %s", name);
}

static int add_wait(struct gt_buf *text, const struct gt_dump *dump,
                    const struct gt_dump_thread *thread)
{
    const struct gt_dump_thread *other = gt_dump_thread_of(dump, thread->on_tid);

    switch (thread->wait) {
    case GT_DUMP_NO_WAIT:
        return add_state(text, &thread->seen);
    case GT_DUMP_GIL:
        return gt_buf_adds(text, "waits for the GIL");
    case GT_DUMP_SWITCHED:
        return gt_buf_adds(text, "has given up the GIL, and waits until another thread has it");
    case GT_DUMP_FUTEX:
        return gt_buf_adds(text, "waits for a lock, a condition or a thread");
    case GT_DUMP_MUTEX:
    case GT_DUMP_JOIN:
        break;
    }
    if (gt_buf_adds(text, thread->wait == GT_DUMP_MUTEX ? "waits for a mutex of C's"
                                                        : "waits for the end of "))
        return -1;
    if (thread->wait == GT_DUMP_MUTEX && !other)
        return gt_buf_adds(text, ", and no thread that lives has it");
    return (thread->wait == GT_DUMP_MUTEX && gt_buf_adds(text, " that ")) ||
                   add_thread(text, other) ||
                   (thread->wait == GT_DUMP_MUTEX && gt_buf_adds(text, " has"))
               ? -1
               : 0;
}

/* --- the GIL --- */

static unsigned waiters_of(const struct gt_dump *dump, size_t gil)
{
    unsigned count = 0;

    for (size_t i = 0; i < dump->threads.count; i++) {
        const struct gt_dump_thread *thread = gt_chunks_at(&dump->threads, i);

        count += thread->wait == GT_DUMP_GIL && thread->gil == gil;
    }
    return count;
}

static int add_deadlock(struct gt_buf *text, const struct gt_dump *dump, size_t gil,
                        const struct gt_dump_thread *holder)
{
    const struct gt_dump_thread *waiter = gt_dump_deadlock(dump, gil);

    if (!waiter)
        return 0;
    if (waiter == holder)
        return gt_buf_adds(text, "Deadlock: it waits for the GIL that it has itself.\n");
    if (gt_buf_adds(text, "Deadlock: it ") || add_wait(text, dump, holder))
        return -1;
    if (holder->on_tid == waiter->seen.tid)
        return gt_buf_adds(text, ", which waits for the GIL.\n");
    return gt_buf_adds(text, ", which waits for others, and they for ") ||
                   add_thread(text, waiter) || gt_buf_adds(text, ", which waits for the GIL.\n")
               ? -1
               : 0;
}

static int add_holder(struct gt_buf *text, const struct gt_dump *dump, size_t index)
{
    const struct gt_gil_now *gil = gt_chunks_at(&dump->gils, index);
    const struct gt_dump_thread *holder = gt_dump_thread_of(dump, gil->holder_tid);
    unsigned waiters = waiters_of(dump, index);
    int failed;

    if (gil->known == GT_GIL_FREE)
        return gt_buf_addf(text, "Nobody has the GIL%s.\n",
                           dump->moves ? " at this moment" : "");
    if (gil->known == GT_GIL_UNKNOWN || !holder)
        return gt_buf_addf(text, "Who has the GIL is not known: it %s.\n",
                           dump->moves ? "goes from thread to thread too fast"
                                       : "cannot be read without doubt");
    failed = add_thread(text, holder) | gt_buf_adds(text, " has the GIL, and ") |
             add_wait(text, dump, holder);
    if (waiters)
        failed |= gt_buf_addf(text, "; %u thread%s for the GIL", waiters,
                              waiters == 1 ? " waits" : "s wait");
    return failed | gt_buf_adds(text, ".\n") | add_deadlock(text, dump, index, holder);
}

static bool is_enabled(const struct gt_chunks *gils)
{
    for (size_t i = 0; i < gils->count; i++)
        if (((const struct gt_gil_now *)gt_chunks_at(gils, i))->enabled)
            return true;
    return false;
}

static int add_gils(struct gt_buf *text, const struct gt_dump *dump,
                    const struct gt_python *python)
{
    int failed = 0;

    if (python->free_threaded && !is_enabled(&dump->gils))
        return gt_buf_adds(text, "There is no GIL: this is a free-threaded build, and nothing "
                                 "switched it on.\n");
    if (!dump->gils.count)
        return gt_buf_adds(text, "Who has the GIL is not known: it was not found in the "
                                 "process's memory.\n");
    for (size_t i = 0; i < dump->gils.count; i++) {
        if (dump->gils.count > 1)
            failed |= gt_buf_addf(text, "Interpreter %zu: ", i);
        failed |= add_holder(text, dump, i);
    }
    if (dump->others)
        failed |= gt_buf_adds(text, "This is the main interpreter's GIL; there are other "
                                    "interpreters, and whether these have their own is not "
                                    "known.\n");
    if (dump->moves)
        failed |= gt_buf_adds(text, "The GIL changed hands while this was read: the program "
                                    "does not hang, --duration tells more.\n");
    return failed;
}

/* --- threads --- */

static int add_frames(struct gt_buf *text, const struct gt_dump *dump,
                      const struct gt_running *running, const struct gt_dump_thread *thread)
{
    struct gt_python_frame frame;
    struct gt_frames_walk walk;
    int failed = 0, count = 0;

    if (!thread->state)
        return gt_buf_adds(text, "    no Python frames are known\n");
    gt_buf_init(&frame.name);
    gt_buf_init(&frame.file);
    gt_frames_start(&walk, running, &dump->layout, thread->state);
    for (; !failed && gt_frames_next(&walk, &frame); count++) {
        failed = gt_buf_adds(text, "    ") | gt_buf_adds(text, frame.name.data) |
                 gt_buf_adds(text, " (") | gt_buf_adds(text, frame.file.data);
        failed |=
            frame.line ? gt_buf_addf(text, ":%d)\n", frame.line) : gt_buf_adds(text, ")\n");
    }
    if (!count)
        failed |= gt_buf_adds(text, "    no Python frames\n");
    gt_buf_release(&frame.name);
    gt_buf_release(&frame.file);
    return failed;
}

static int add_threads(struct gt_buf *text, const struct gt_dump *dump,
                       const struct gt_running *running)
{
    int failed = 0;

    for (size_t i = 0; !failed && i < dump->threads.count; i++) {
        const struct gt_dump_thread *thread = gt_chunks_at(&dump->threads, i);

        failed = gt_buf_adds(text, "\n") | add_thread(text, thread) | gt_buf_adds(text, " ") |
                 add_wait(text, dump, thread) | gt_buf_adds(text, "\n") |
                 add_frames(text, dump, running, thread);
    }
    return failed;
}

/* --- all of it --- */

static int add_head(struct gt_buf *text, const struct gt_running *running,
                    const struct gt_python *python, struct gt_error *err)
{
    struct gt_strvec words;
    int rc, failed;

    gt_strvec_init(&words);
    rc = gt_running_words(running, &words, err);
    failed = gt_buf_addf(text, "Process %d:", running->pid);
    for (size_t i = 0; i < words.count; i++)
        failed |= gt_buf_adds(text, " ") |
                  gt_buf_add_visible(text, words.items[i], strlen(words.items[i]));
    failed |=
        gt_buf_addf(text, " (CPython %d.%d.%d)\n", python->major, python->minor, python->micro);
    gt_strvec_release(&words);
    return rc < 0 ? rc : failed ? gt_error_memory(err) : 0;
}

int gt_dump_text(struct gt_buf *text, const struct gt_running *running,
                 const struct gt_python *python, struct gt_error *err)
{
    struct gt_dump dump;
    int rc;

    gt_rights_raise();
    rc = gt_dump_take(&dump, running, python, err);
    if (rc == 0)
        rc = add_head(text, running, python, err);
    if (rc == 0 && (add_gils(text, &dump, python) || add_threads(text, &dump, running)))
        rc = gt_error_memory(err);
    gt_rights_lower();
    gt_dump_release(&dump);
    return rc;
}

int gt_dump_print(const struct gt_cli *cli)
{
    struct gt_running running;
    struct gt_python python;
    struct gt_interp interp;
    struct gt_error err;
    struct gt_buf text;
    int rc;

    gt_interp_init(&interp);
    gt_buf_init(&text);
    gt_rights_raise();
    rc = gt_running_open(&running, cli->pid, &err);
    if (rc == 0)
        rc = gt_python_find(&python, &interp, &running, &err);
    gt_rights_lower();
    if (rc == 0)
        rc = gt_dump_text(&text, &running, &python, &err);
    if (rc < 0)
        gt_say("%s", err.message);
    else
        fputs(text.data, stdout);
    gt_running_release(&running);
    gt_interp_release(&interp);
    gt_buf_release(&text);
    return rc < 0 ? GT_EXIT_OURS : 0;
}
