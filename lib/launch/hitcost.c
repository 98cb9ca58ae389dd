/* SPDX-License-Identifier: MIT */
#include "launch/hitcost.h"

#include "base/order.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/*
 * The gate is static, and has no libc with probes. So it maps the function's pages of the
 * target's libc, where the kernel puts the probe as well, and calls the function there: it hits
 * the same instruction, recorded by the same perf. The libc is not relocated, and need not be:
 * to signal a condition variable that nobody waits for, and to wait until an invalid time, take
 * a few instructions (glibc 2.25 to 2.43: nptl/pthread_cond_signal.c, pthread_cond_wait.c). If
 * another libc does more, a signal ends the attempt.
 */

enum {
    CODE_BYTES = 16384, /* from the function's page on */
    HITS = 300,
    MEMORY_BYTES = 32768,
    LINE_BYTES = 64,
    PLAUSIBLE_NS = 1000000,
    FAULTS = 5,
};

static const int faults[FAULTS] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP};

typedef int signal_fn(pthread_cond_t *);
typedef int timedwait_fn(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);

static sigjmp_buf out;

static void on_fault(int number)
{
    siglongjmp(out, number);
}

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* One call. */
static void hit(const void *code, enum gt_hit_function function)
{
    pthread_cond_t cond;
    pthread_mutex_t mutex;
    const struct timespec never = {.tv_sec = 0, .tv_nsec = -1};

    memset(&cond, 0, sizeof(cond));
    memset(&mutex, 0, sizeof(mutex));
    if (function == GT_HIT_SIGNAL)
        ((signal_fn *)(uintptr_t)code)(&cond);
    else
        ((timedwait_fn *)(uintptr_t)code)(&cond, &mutex, &never);
}

/* Between two hits a program does other things, so that at the next hit not all code and data,
 * of its own and of the kernel, are in the nearest caches. */
static void do_something_else(void)
{
    static volatile unsigned char memory[MEMORY_BYTES];

    syscall(SYS_getppid);
    for (size_t i = 0; i < MEMORY_BYTES; i += LINE_BYTES)
        memory[i]++;
}

static int64_t time_ns(const void *code, enum gt_hit_function function)
{
    int64_t start_ns = now_ns();

    if (code)
        hit(code, function);
    return now_ns() - start_ns;
}

/*
 * The third quartile. Not the mean, since a hit during which the CPU was lost says nothing. Not
 * the median, which is 15% less than what a hit costs a loop that takes and drops the GIL while
 * perf reads the events.
 */
static int64_t typical_ns(const void *code, enum gt_hit_function function)
{
    static int64_t times_ns[HITS];

    for (int i = 0; i < HITS; i++) {
        do_something_else();
        times_ns[i] = time_ns(code, function);
    }
    qsort(times_ns, HITS, sizeof(times_ns[0]), gt_order_of_ns);
    return times_ns[HITS * 3 / 4];
}

static int64_t measure(const void *code, enum gt_hit_function function)
{
    int64_t clocks_ns = typical_ns(NULL, function), hit_ns = typical_ns(code, function);

    if (hit_ns < clocks_ns || hit_ns >= PLAUSIBLE_NS)
        return -1;
    return (hit_ns - clocks_ns) / (function == GT_HIT_TIMEDWAIT ? 2 : 1);
}

/*
 * Map the code above every address at which a program's libraries can be. perf keeps the
 * mapping across exec, and its unwinder takes the lowest mapping of a file for the only one.
 */
static void *map_code(int fd, uint64_t page)
{
    static const uintptr_t places[] = {0x7fffe0000000, 0x7ffd80000000, 0xffffe0000000,
                                       0xfffd80000000};

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        void *wanted = (void *)places[i];
        void *code = mmap(wanted, CODE_BYTES, PROT_READ | PROT_EXEC,
                          MAP_PRIVATE | MAP_FIXED_NOREPLACE, fd, (off_t)page);

        if (code == wanted)
            return code;
        if (code != MAP_FAILED) /* a kernel before 4.17 takes the address for a hint */
            munmap(code, CODE_BYTES);
    }
    return MAP_FAILED;
}

/* -1 where the code faults. */
static int64_t measure_guarded(const void *code, enum gt_hit_function function)
{
    struct sigaction action = {.sa_handler = on_fault, .sa_flags = SA_NODEFER}, old[FAULTS];
    volatile int64_t cost_ns = -1;
    sigset_t wanted, blocked;

    sigemptyset(&wanted);
    for (int i = 0; i < FAULTS; i++) {
        sigaddset(&wanted, faults[i]);
        sigaction(faults[i], &action, &old[i]);
    }
    sigprocmask(SIG_UNBLOCK, &wanted, &blocked);
    if (sigsetjmp(out, 1) == 0)
        cost_ns = measure(code, function);
    sigprocmask(SIG_SETMASK, &blocked, NULL);
    for (int i = 0; i < FAULTS; i++)
        sigaction(faults[i], &old[i], NULL);
    return cost_ns;
}

int64_t gt_hit_cost_ns(const char *path, uint64_t offset, enum gt_hit_function function)
{
    uint64_t page = offset & ~(uint64_t)(sysconf(_SC_PAGESIZE) - 1);
    int fd = function == GT_HIT_NONE ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    int64_t cost_ns;
    void *code;

    if (fd < 0)
        return -1;
    code = map_code(fd, page);
    close(fd);
    if (code == MAP_FAILED)
        return -1;
    cost_ns = measure_guarded((const char *)code + (offset - page), function);
    munmap(code, CODE_BYTES);
    return cost_ns;
}
