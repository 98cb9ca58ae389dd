/* SPDX-License-Identifier: MIT */
#include "attach/inject.h"

#include "attach/safe_point.h"
#include "base/nstime.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * How the thread is left unharmed:
 *
 * - All of its registers are written below its stack before the one change of them, so it can
 *   restore them by itself at any later moment.
 * - A call that it is blocked in was interrupted by the stop, and the kernel restarts it. The
 *   stub would do that by going back to its instruction; but a signal that comes meanwhile must
 *   end pause() and its like. So signals wait (PTRACE_SETSIGMASK) until the registers of the
 *   interrupted call are put back, with the system call's number in them. Then the kernel
 *   finishes it as if nothing had been: with the signal's EINTR, or by restarting.
 * - Only calls in which a thread has no lock of malloc's and of the loader's are used for
 *   making a thread; elsewhere nothing is called but Py_AddPendingCall, which was made for
 *   signal handlers.
 */

#if defined(__x86_64__)

enum {
    STOP_MS = 50,  /* for it to stop: one that is in the kernel's hands may take long */
    CALL_MS = 40,  /* for the stub: after that it is looked at whether it waits for itself */
    ALL_MS = 2000, /* in all, where it only has no CPU */
    TICK_US = 5000,
    EVENT_STOP = 128, /* PTRACE_EVENT_STOP, which libc's header may lack */
    SYSCALL_STOP = SIGTRAP | 0x80,
};

struct worker {
    const struct gt_injection_request *request;
    struct gt_injection *result;
    int tid;
    int resume;       /* PTRACE_CONT or PTRACE_SYSCALL */
    bool in_stub;     /* signals are its own faults */
    bool mapped;      /* it has a region, … */
    bool filled;      /* … whose contents are there */
    int64_t since_ns; /* when it was told to stop */
    struct user_regs_struct before;
    uint64_t mask;
    unsigned char vectors[GT_STUB_XSAVE_BYTES]; /* as PTRACE_GETREGSET has them */
    size_t vector_bytes;
};

static long trace(int request, int tid, void *address, uintptr_t data)
{
    return ptrace((enum __ptrace_request)request, tid, address, (void *)data);
}

static void on_tick(int number)
{
    (void)number; /* waitpid ends with EINTR */
}

/* --- waiting --- */

static bool is_fault(int number)
{
    return number == SIGSEGV || number == SIGBUS || number == SIGILL || number == SIGFPE ||
           number == SIGTRAP || number == SIGSYS;
}

/* A stop that is none of ours: the signal is the program's. */
static void pass_on(const struct worker *worker, int status)
{
    int number = WSTOPSIG(status), event = status >> 16;

    if (event == EVENT_STOP && number != SIGTRAP)
        trace(PTRACE_LISTEN, worker->tid, NULL, 0);
    else
        trace(worker->resume, worker->tid, NULL,
              event || number == SYSCALL_STOP ? 0 : (uintptr_t)number);
}

static bool is_ours(const struct worker *worker, int status)
{
    if (status >> 16 == EVENT_STOP)
        return WSTOPSIG(status) == SIGTRAP;
    return WSTOPSIG(status) == SYSCALL_STOP || (worker->in_stub && is_fault(WSTOPSIG(status)));
}

/* The status of the thread's next stop; 0: none came in time; -1: it is gone. */
static int next_stop(const struct worker *worker, int64_t until_ns)
{
    int status;

    for (;;) {
        pid_t got = waitpid(worker->tid, &status, __WALL);

        if (got < 0 && errno != EINTR)
            return -1;
        if (got >= 0 && !WIFSTOPPED(status))
            return -1;
        if (got >= 0 && is_ours(worker, status))
            return status;
        if (got >= 0)
            pass_on(worker, status);
        else if (gt_now_ns() > until_ns)
            return 0;
    }
}

/* --- the process's memory --- */

static bool write_memory(int pid, uint64_t address, const void *data, size_t length)
{
    struct iovec local = {(void *)data, length};
    struct iovec remote = {(void *)(uintptr_t)address, length};

    return process_vm_writev(pid, &local, 1, &remote, 1, 0) == (ssize_t)length;
}

static bool poke(int tid, uint64_t address, const unsigned char *data, size_t length)
{
    for (size_t at = 0; at < length; at += sizeof(long)) {
        uintptr_t word;

        memcpy(&word, data + at, sizeof(word));
        if (trace(PTRACE_POKEDATA, tid, (void *)(uintptr_t)(address + at), word))
            return false;
    }
    return true;
}

/* Into code, which cannot be written: by /proc, or where the kernel does not let that, by
 * words. The length is a multiple of a word's. */
static bool write_code(int tid, uint64_t address, const void *data, size_t length)
{
    char path[40];
    bool written;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/mem", tid);
    fd = open(path, O_RDWR | O_CLOEXEC);
    written = fd >= 0 && pwrite(fd, data, length, (off_t)address) == (ssize_t)length;
    if (fd >= 0)
        close(fd);
    return written || poke(tid, address, data, length);
}

/* --- what is to be called --- */

/*
 * CPython 3.6 makes its GIL when the first thread is made. It must be the main thread that does
 * it: while that is blocked, it has to be as if its call had returned. `_PyThreadState_Current`
 * tells whether it gave up what will be the GIL. False: that cannot be done safely.
 */
static bool add_gil(const struct worker *worker, struct gt_stub_region *region, size_t *count)
{
    const struct gt_injection_request *request = worker->request;
    uint64_t current;
    bool has;

    if (!region->create)
        return true;
    if (!request->python->current ||
        !gt_running_read(request->running, request->python->current, &current, 8))
        return false;
    has = current != 0;
    if (has && !request->alone)
        return true; /* somebody else has it, so there is one */
    /* It may be on its way between others, and this thread in the middle of waiting for it. */
    if (!request->alone)
        region->calls[(*count)++] =
            (struct gt_stub_call){.function = request->place->threads_initialized, .skip = 3};
    region->calls[(*count)++].function = region->ensure;
    region->calls[(*count)++].function = region->create;
    region->calls[(*count)++] = (struct gt_stub_call){
        region->release, {has ? 0 : 1}, 0}; /* PyGILState_LOCKED : _UNLOCKED */
    return true;
}

static uint64_t in_code(const struct worker *worker, const unsigned char *label)
{
    return worker->request->place->code + (uint64_t)(label - gt_stub_begin);
}

static bool fill(struct worker *worker, uint64_t at, enum gt_point point)
{
    static struct gt_stub_region region; /* the child's own */
    const uint64_t thread = at + offsetof(struct gt_stub_region, thread);
    uint32_t magic = GT_STUB_MAGIC;
    size_t count = 0;

    region = *worker->request->region;
    region.references = 2;
    region.start = in_code(worker, gt_stub_thread);
    if (point == GT_POINT_BLOCKED) {
        if (!add_gil(worker, &region, &count))
            return false;
        region.create = 0;
        region.calls[count] =
            (struct gt_stub_call){region.pthread_create, {thread, 0, region.start, at}, 0};
    } else {
        region.calls[count] = (struct gt_stub_call){
            worker->request->place->add_pending, {in_code(worker, gt_stub_pending), at}, 0};
    }
    worker->result->region = at;
    worker->filled = write_memory(worker->tid, at, &region, sizeof(region)) &&
                     write_memory(worker->tid, at, &magic, sizeof(magic));
    return worker->filled;
}

/* --- onto the stub, and back --- */

static struct gt_stub_context context_of(const struct worker *worker)
{
    const struct user_regs_struct *regs = &worker->before;
    struct gt_stub_context context = {worker->mask,
                                      regs->eflags,
                                      {regs->rbx, regs->rcx, regs->rdx, regs->rsi, regs->rdi,
                                       regs->rbp, regs->r8, regs->r9, regs->r10, regs->r11,
                                       regs->r12, regs->r13, regs->r14, regs->r15, regs->rax},
                                      regs->rip};

    /* As the kernel would restart it. */
    if (gt_point_interrupted(regs)) {
        context.registers[14] =
            gt_point_restarts_block(regs) ? SYS_restart_syscall : regs->orig_rax;
        context.pc -= 2; /* of its instruction: syscall */
    }
    return context;
}

static bool code_is_there(const struct worker *worker)
{
    unsigned char code[4096];
    size_t length = gt_stub_bytes();

    return length <= sizeof(code) &&
           gt_running_read(worker->request->running, worker->request->place->code, code,
                           length) &&
           memcmp(code, gt_stub_begin, length) == 0;
}

/* From here on the thread finds its way by itself. */
static bool enter(struct worker *worker)
{
    struct gt_stub_context context = context_of(worker);
    struct user_regs_struct regs = worker->before;
    uint64_t all = GT_STUB_MASK;

    if (!code_is_there(worker) &&
        !write_code(worker->tid, worker->request->place->code, gt_stub_begin, gt_stub_bytes()))
        return false;
    regs.rsp -= GT_STUB_RED_ZONE + sizeof(context);
    if (!write_memory(worker->tid, regs.rsp, &context, sizeof(context)))
        return false;
    regs.rip = in_code(worker, gt_stub_entry);
    regs.orig_rax = ~0ull; /* or the kernel would restart the call */
    if (trace(PTRACE_SETREGS, worker->tid, NULL, (uintptr_t)&regs))
        return false;
    worker->in_stub = true;
    worker->resume = PTRACE_SYSCALL;
    trace(PTRACE_SETSIGMASK, worker->tid, (void *)sizeof(all), (uintptr_t)&all);
    return true;
}

static void keep_vectors(struct worker *worker)
{
    struct iovec to = {worker->vectors, sizeof(worker->vectors)};

    if (trace(PTRACE_GETREGSET, worker->tid, (void *)NT_X86_XSTATE, (uintptr_t)&to) == 0)
        worker->vector_bytes = to.iov_len;
}

/* It is stopped somewhere in the stub, or at its end: as it was before. The stub has restored
 * the vector registers, where it came to its end. */
static void put_back(struct worker *worker)
{
    struct iovec from = {worker->vectors, worker->vector_bytes};

    if (worker->result->outcome == GT_INJECTED_ODD && worker->vector_bytes)
        trace(PTRACE_SETREGSET, worker->tid, (void *)NT_X86_XSTATE, (uintptr_t)&from);
    trace(PTRACE_SETSIGMASK, worker->tid, (void *)sizeof(worker->mask),
          (uintptr_t)&worker->mask);
    trace(PTRACE_SETREGS, worker->tid, NULL, (uintptr_t)&worker->before);
}

/* At a stop where the kernel looks at signals and at what is to be restarted when it goes on.
 */
static bool stop_again(struct worker *worker, bool running)
{
    trace(PTRACE_INTERRUPT, worker->tid, NULL, 0);
    if (!running)
        trace(PTRACE_CONT, worker->tid, NULL, 0);
    for (;;) {
        int status = next_stop(worker, gt_now_ns() + STOP_MS * GT_NS_PER_MS);

        if (status <= 0)
            return false;
        if (status >> 16 == EVENT_STOP)
            return true;
        trace(PTRACE_CONT, worker->tid, NULL, 0);
    }
}

/* In a futex wait for all that time, it waits for what it has itself. */
static bool waits_for_itself(const struct worker *worker)
{
    char path[48], text[64] = "";
    ssize_t got;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/syscall", worker->tid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    got = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;
    if (fd >= 0)
        close(fd);
    return got > 0 && strtol(text, NULL, 10) == SYS_futex && text[0] != 'r';
}

static void odd(struct worker *worker, int error)
{
    worker->result->outcome = GT_INJECTED_ODD;
    worker->result->error = error;
}

/* At the stub's end: what came of it. */
static void take_result(struct worker *worker, const struct user_regs_struct *regs,
                        enum gt_point point)
{
    int result = (int)(uint32_t)regs->r15;

    if (worker->mapped && !worker->filled)
        worker->result->outcome = GT_INJECTED_UNSAFE;
    else if (!worker->mapped)
        odd(worker, -result);
    else if (result)
        odd(worker, EAGAIN); /* no thread could be made, or too many calls are pending */
    else
        worker->result->outcome =
            point == GT_POINT_BLOCKED ? GT_INJECTED_THREAD : GT_INJECTED_PENDING;
}

/* Drive it through the stub. It is stopped when this returns, or is gone (false). */
static bool follow(struct worker *worker, enum gt_point point)
{
    const uint64_t mapped = in_code(worker, gt_stub_mapped);
    const uint64_t marked = in_code(worker, gt_stub_marked);
    int64_t begin = gt_now_ns();

    for (;;) {
        struct user_regs_struct regs;
        int status;

        trace(PTRACE_SYSCALL, worker->tid, NULL, 0);
        do {
            status = next_stop(worker, gt_now_ns() + CALL_MS * (int64_t)GT_NS_PER_MS);
        } while (status == 0 && !waits_for_itself(worker) &&
                 gt_now_ns() - begin < ALL_MS * (int64_t)GT_NS_PER_MS);
        if (status < 0)
            return false;
        if (status == 0) {
            odd(worker, EDEADLK);
            return stop_again(worker, true);
        }
        if (trace(PTRACE_GETREGS, worker->tid, NULL, (uintptr_t)&regs))
            return false;
        if (WSTOPSIG(status) != SYSCALL_STOP) {
            odd(worker, EFAULT);
            return true;
        }
        if (regs.rip == marked && regs.rax != (unsigned long long)-ENOSYS) {
            take_result(worker, &regs, point);
            return stop_again(worker, false);
        }
        /* -ENOSYS: the stop at the call's beginning. */
        if (regs.rip == mapped && regs.rax < (unsigned long long)-4096) {
            worker->mapped = true;
            fill(worker, regs.rax, point);
        }
    }
}

static void inject(struct worker *worker)
{
    const struct gt_injection_request *request = worker->request;
    enum gt_point point;
    bool mended, entered, stopped;

    if (trace(PTRACE_GETREGS, worker->tid, NULL, (uintptr_t)&worker->before) ||
        trace(PTRACE_GETSIGMASK, worker->tid, (void *)sizeof(worker->mask),
              (uintptr_t)&worker->mask))
        return;
    mended = gt_point_mend(request->running, request->ends, &worker->before);
    point = gt_point_of(request->running, worker->tid, request->inner_tid,
                        request->place->restorer, &worker->before);
    entered = point != GT_POINT_NONE && (point != GT_POINT_RUNNING || request->pending);
    if (entered) {
        keep_vectors(worker);
        entered = enter(worker);
    }
    if (!entered && mended)
        trace(PTRACE_SETREGS, worker->tid, NULL, (uintptr_t)&worker->before);
    if (!entered)
        return;
    worker->result->outcome = GT_INJECTED_GONE;
    stopped = follow(worker, point);
    if (stopped)
        put_back(worker);
}

static bool seize(const struct worker *worker)
{
    if (trace(PTRACE_SEIZE, worker->tid, NULL, PTRACE_O_TRACESYSGOOD) == 0)
        return true;
    worker->result->outcome = errno == ESRCH ? GT_INJECTED_GONE : GT_INJECTED_TRACED;
    worker->result->error = errno;
    return false;
}

static void work(struct worker *worker)
{
    int status;

    if (!seize(worker))
        return;
    worker->since_ns = gt_now_ns();
    trace(PTRACE_INTERRUPT, worker->tid, NULL, 0);
    status = next_stop(worker, gt_now_ns() + STOP_MS * GT_NS_PER_MS);
    if (status > 0)
        inject(worker);
    else if (status < 0)
        worker->result->outcome = GT_INJECTED_GONE;
    trace(PTRACE_DETACH, worker->tid, NULL, 0);
    worker->result->stopped_ns = gt_now_ns() - worker->since_ns;
}

/* All signals are blocked but the timer's. */
static void run_child(const struct gt_injection_request *request, int fd)
{
    struct gt_injection result = {.outcome = GT_INJECTED_UNSAFE};
    struct worker worker = {
        .request = request, .result = &result, .tid = request->tid, .resume = PTRACE_CONT};
    struct itimerval timer = {{0, TICK_US}, {0, TICK_US}};
    struct sigaction action = {.sa_handler = on_tick};
    sigset_t alarm;

    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    sigaction(SIGALRM, &action, NULL);
    sigprocmask(SIG_UNBLOCK, &alarm, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
    setpriority(PRIO_PROCESS, 0, -10); /* the thread waits for us; where we may */
    work(&worker);
    (void)!write(fd, &result, sizeof(result));
    _exit(0);
}

int gt_inject(struct gt_injection *injection, const struct gt_injection_request *request,
              struct gt_error *err)
{
    sigset_t all, before;
    int ends[2];
    ssize_t got;
    pid_t child;

    *injection = (struct gt_injection){.outcome = GT_INJECTED_ODD, .error = ECHILD};
    if (pipe2(ends, O_CLOEXEC))
        return gt_error_errno(err, "cannot make a pipe");
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    child = fork();
    if (child == 0)
        run_child(request, ends[1]);
    sigprocmask(SIG_SETMASK, &before, NULL);
    close(ends[1]);
    do
        got = child > 0 ? read(ends[0], injection, sizeof(*injection)) : 0;
    while (got < 0 && errno == EINTR);
    close(ends[0]);
    if (child < 0)
        return gt_error_errno(err, "cannot start a helper process");
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
    if (got != (ssize_t)sizeof(*injection)) /* it was killed */
        *injection = (struct gt_injection){.outcome = GT_INJECTED_ODD, .error = ECHILD};
    return 0;
}

#else

int gt_inject(struct gt_injection *injection, const struct gt_injection_request *request,
              struct gt_error *err)
{
    (void)request;
    *injection = (struct gt_injection){.outcome = GT_INJECTED_UNSAFE};
    return gt_error_set(err, GT_ERR_UNSUPPORTED, "there is no code for this architecture");
}

#endif
