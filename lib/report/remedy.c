/* SPDX-License-Identifier: MIT */
#include "report/remedy.h"

#include <string.h>
#include <sys/syscall.h>

const char *gt_call_name(uint32_t call)
{
    static const struct {
        long number;
        const char *name;
    } calls[] = {
#ifdef SYS_poll /* aarch64 has the newer forms only */
        {SYS_poll, "poll"},
        {SYS_select, "select"},
        {SYS_epoll_wait, "epoll_wait"},
#endif
        {SYS_ppoll, "poll"},
        {SYS_pselect6, "select"},
        {SYS_epoll_pwait, "epoll_wait"},
        {SYS_nanosleep, "nanosleep"},
        {SYS_clock_nanosleep, "nanosleep"},
        {SYS_futex, "a lock"},
        {SYS_read, "read"},
        {SYS_readv, "read"},
        {SYS_pread64, "read"},
        {SYS_write, "write"},
        {SYS_writev, "write"},
        {SYS_pwrite64, "write"},
        {SYS_recvfrom, "recv"},
        {SYS_recvmsg, "recv"},
        {SYS_sendto, "send"},
        {SYS_sendmsg, "send"},
        {SYS_accept, "accept"},
        {SYS_accept4, "accept"},
        {SYS_connect, "connect"},
        {SYS_wait4, "waitpid"},
        {SYS_waitid, "waitpid"},
        {SYS_flock, "flock"},
        {SYS_fcntl, "fcntl"},
        {SYS_fsync, "fsync"},
        {SYS_fdatasync, "fsync"},
        {SYS_rt_sigtimedwait, "sigwait"},
    };

    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
        if (call && calls[i].number == (long)call - 1)
            return calls[i].name;
    return NULL;
}

/* How the author of an extension releases the GIL. */
static const char *release_with(enum gt_release_with with)
{
    switch (with) {
    case GT_RELEASE_WITH_C_API:
        break;
    case GT_RELEASE_WITH_CYTHON:
        return "Cython's `with nogil`";
    case GT_RELEASE_WITH_PYBIND11:
        return "pybind11's `gil_scoped_release`";
    }
    return "Py_BEGIN_ALLOW_THREADS";
}

/* "numpy" of "numpy.core._multiarray_umath.dot". */
static int add_package(const struct gt_report *report, const struct gt_blocker *row,
                       struct gt_buf *out)
{
    const struct gt_function_info *called =
        gt_chunks_at(&report->timeline->functions, row->doing.function);
    const char *module = gt_intern_text(&report->timeline->names, called->file);
    size_t length = strcspn(module, ".");

    if (length == 0)
        return gt_buf_adds(out, "an installed package");
    return gt_buf_adds(out, "the package ") || gt_buf_add_visible(out, module, length);
}

/* "move the call in load (service.py:7)": what a caller can do about what is not theirs. */
static int say_move(const struct gt_blocker_text *text, struct gt_buf *out)
{
    if (gt_buf_adds(out, "give it less per call, or move the call"))
        return -1;
    if (text->caller.length && gt_buf_addf(out, " in %s", text->caller.data))
        return -1;
    return gt_buf_adds(out, " to another process.");
}

/* A C function, by whose it is. `around`: "the work", "the wait". */
static int say_call(const struct gt_blocker_text *text, const struct gt_report *report,
                    const struct gt_blocker *row, const char *around, struct gt_buf *out)
{
    const char *with = release_with(text->judgement.release_with);

    switch (text->judgement.owner) {
    case GT_OWNER_PYTHON:
        return gt_buf_adds(out, "It is a part of Python: ") || say_move(text, out);
    case GT_OWNER_PACKAGE:
        return gt_buf_adds(out, "It belongs to ") || add_package(report, row, out) ||
               gt_buf_adds(out, ": ") || say_move(text, out);
    case GT_OWNER_PROGRAM:
        return gt_buf_addf(out,
                           "It is of an extension of the program's own: release the GIL "
                           "around %s (%s), or ",
                           around, with) ||
               say_move(text, out);
    case GT_OWNER_UNKNOWN:
        break;
    }
    return gt_buf_addf(out,
                       "If it is of an extension of yours, release the GIL around %s (%s); "
                       "else ",
                       around, with) ||
           say_move(text, out);
}

static int say_slept(const struct gt_blocker *row, struct gt_buf *out)
{
    const char *call = gt_call_name(row->after.call);

    return gt_buf_adds(out, " It slept with the GIL") ||
           (call &&
            gt_buf_addf(out, strcmp(call, "a lock") == 0 ? ", waiting for %s" : ", in %s",
                        call)) ||
           gt_buf_adds(out, ". ");
}

const char *gt_remedy_for_tracing(const struct gt_report *report)
{
    return report->timeline->functions.count ? "" : " (a run with --python-trace tells)";
}

/* Those that are told with no name in them. */
static const char *remedy_text(enum gt_remedy remedy)
{
    switch (remedy) {
    case GT_REMEDY_NONE:
    case GT_REMEDY_WAIT_OF_CALL:
    case GT_REMEDY_WORK_OF_CALL:
    case GT_REMEDY_TRACE:
        break;
    case GT_REMEDY_DEADLOCK_ASLEEP:
        return "The process ended while it did, and others waited: possibly a deadlock, of a "
               "thread that has what it waits for and waits for the GIL. Release the GIL "
               "before waiting for a lock of C's.";
    case GT_REMEDY_WAIT_UNTRACED:
        return "A C function that is not traced waited there: release the GIL around the wait "
               "(ctypes: CDLL instead of PyDLL), or wait elsewhere.";
    case GT_REMEDY_DEADLOCK:
        return " The process ended while it had the GIL and others waited: possibly a "
               "deadlock.";
    case GT_REMEDY_COLLECT_LESS:
        return " The collector walks every container that is alive: gc.freeze() what is there "
               "for good, raise gc.set_threshold(), or collect while nobody waits.";
    case GT_REMEDY_IMPORT_EARLY:
        return " Import it before threads start.";
    case GT_REMEDY_SPLIT_LOOP:
        return " It is a loop in C of many short calls, which never comes back to the "
               "interpreter: cut its input into pieces, or move it to another process.";
    case GT_REMEDY_SMALLER:
        return " One operation, or a C function that is not traced, ran there without "
               "releasing the GIL: make it smaller, or move it to another process.";
    }
    return "";
}

int gt_remedy_say(struct gt_blocker_text *text, const struct gt_report *report,
                  const struct gt_blocker *row)
{
    enum gt_remedy remedy = text->judgement.remedy;
    struct gt_buf *out = &text->sentence;

    if (text->judgement.slept && say_slept(row, out))
        return -1;
    if (gt_buf_adds(out, remedy_text(remedy)))
        return -1;
    if (remedy == GT_REMEDY_TRACE)
        return gt_buf_addf(out, " Which function it was in is not known%s.",
                           gt_remedy_for_tracing(report));
    if (remedy == GT_REMEDY_WAIT_OF_CALL)
        return say_call(text, report, row, "the wait", out);
    if (remedy == GT_REMEDY_WORK_OF_CALL)
        return gt_buf_addf(out, " It does not release the GIL%s. ",
                           row->retakes ? " for a part of what it does" : "") ||
               say_call(text, report, row, "the work", out);
    return 0;
}
