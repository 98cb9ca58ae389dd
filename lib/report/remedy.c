#include "report/remedy.h"

#include <string.h>
#include <sys/syscall.h>

const char *gt_system_call_name(uint32_t number)
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
        if (calls[i].number == (long)number)
            return calls[i].name;
    return NULL;
}

static uint32_t flags_of(const struct gt_report *report, const struct gt_blocker *row)
{
    const struct gt_chunks *functions = &report->timeline->functions;

    return row->doing.function < functions->count
               ? ((const struct gt_function_info *)gt_chunks_at(functions, row->doing.function))
                     ->flags
               : 0;
}

/* How the author of an extension releases the GIL. */
static const char *way_of(uint32_t flags)
{
    return flags & GT_FUNCTION_BY_CYTHON     ? "Cython's `with nogil`"
           : flags & GT_FUNCTION_BY_PYBIND11 ? "pybind11's `gil_scoped_release`"
                                             : "Py_BEGIN_ALLOW_THREADS";
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
    uint32_t flags = flags_of(report, row);

    if (flags & GT_FUNCTION_OF_PYTHON)
        return gt_buf_adds(out, "It is a part of Python: ") || say_move(text, out);
    if (flags & GT_FUNCTION_OF_PACKAGE)
        return gt_buf_adds(out, "It belongs to ") || add_package(report, row, out) ||
               gt_buf_adds(out, ": ") || say_move(text, out);
    if (flags & GT_FUNCTION_OF_PROGRAM)
        return gt_buf_addf(out,
                           "It is of an extension of the program's own: release the GIL "
                           "around %s (%s), or ",
                           around, way_of(flags)) ||
               say_move(text, out);
    return gt_buf_addf(out,
                       "If it is of an extension of yours, release the GIL around %s (%s); "
                       "else ",
                       around, way_of(flags)) ||
           say_move(text, out);
}

static int say_slept(const struct gt_blocker_text *text, const struct gt_report *report,
                     const struct gt_blocker *row, struct gt_buf *out)
{
    const char *call = row->after.call ? gt_system_call_name(row->after.call - 1) : NULL;

    if (gt_buf_adds(out, " It slept with the GIL") ||
        (call && gt_buf_addf(out, strcmp(call, "a lock") == 0 ? ", waiting for %s" : ", in %s",
                             call)) ||
        gt_buf_adds(out, ". "))
        return -1;
    if (row->deadlock)
        return gt_buf_adds(out,
                           "The process ended while it did, and others waited: possibly a "
                           "deadlock, of a thread that has what it waits for and waits for "
                           "the GIL. Release the GIL before waiting for a lock of C's.");
    if (row->doing.kind == GT_DOING_C)
        return say_call(text, report, row, "the wait", out);
    return gt_buf_adds(out,
                       "A C function that is not traced waited there: release the GIL around "
                       "the wait (ctypes: CDLL instead of PyDLL), or wait elsewhere.");
}

int gt_remedy_say(struct gt_blocker_text *text, const struct gt_report *report,
                  const struct gt_blocker *row)
{
    struct gt_buf *out = &text->sentence;

    if (row->after.known && row->after.sleep_ns > row->after.run_ns)
        return say_slept(text, report, row, out);
    if (row->deadlock)
        return gt_buf_adds(out, " The process ended while it had the GIL and others waited: "
                                "possibly a deadlock.");
    if (row->doing.kind == GT_DOING_UNKNOWN)
        return gt_buf_adds(out,
                           " Which function it was in is not known (--python-trace tells).");
    if (strcmp(text->cause, "gc") == 0)
        return gt_buf_adds(out,
                           " The collector walks every container that is alive: gc.freeze() "
                           "what is there for good, raise gc.set_threshold(), or collect "
                           "while nobody waits.");
    if (strcmp(text->cause, "import") == 0)
        return gt_buf_adds(out, " Import it before threads start.");
    if (strcmp(text->cause, "loop") == 0)
        return gt_buf_adds(out,
                           " It is a loop in C of many short calls, which never comes back "
                           "to the interpreter: cut its input into pieces, or move it to "
                           "another process.");
    if (strcmp(text->cause, "call") == 0)
        return gt_buf_adds(out, " It does not release the GIL. ") ||
               say_call(text, report, row, "the work", out);
    return gt_buf_adds(out,
                       " One operation, or a C function that is not traced, ran there without "
                       "releasing the GIL: make it smaller, or move it to another process.");
}
