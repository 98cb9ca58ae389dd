/* SPDX-License-Identifier: MIT */
#include "launch/gatekeeper.h"

#include "launch/become.h"
#include "launch/hitcost.h"
#include "launch/switchcost.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/param.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum { SIGNALS = 64, CLOSED = -1 /* GT_GATE_CLOSED */ };

static int number_of(const char *text)
{
    return (int)strtol(text, NULL, 10);
}

/* Wait for the one byte that opens the gate. End of file: giltracer gave up, or is gone. */
static bool wait_to_go(int fd)
{
    char byte;
    ssize_t got;

    do
        got = read(fd, &byte, 1);
    while (got < 0 && errno == EINTR);
    close(fd);
    return got == 1;
}

static void set_soft_limit(int resource, const char *text)
{
    struct rlimit limit;

    if (getrlimit(resource, &limit))
        return;
    limit.rlim_cur = MIN((rlim_t)strtoull(text, NULL, 10), limit.rlim_max);
    setrlimit(resource, &limit);
}

static void restore(char **argv)
{
    uint64_t ignored = strtoull(argv[3], NULL, 16), blocked = strtoull(argv[4], NULL, 16);
    sigset_t set;

    for (int fd = 0; fd < 3; fd++) {
        int flags = number_of(argv[5 + fd]);

        if (flags == CLOSED)
            close(fd);
        else
            fcntl(fd, F_SETFL, flags);
    }
    set_soft_limit(RLIMIT_NOFILE, argv[13]);
    set_soft_limit(RLIMIT_FSIZE, argv[14]);
    sigemptyset(&set);
    for (int number = 1; number <= SIGNALS; number++) {
        signal(number, ignored >> (number - 1) & 1 ? SIG_IGN : SIG_DFL);
        if (blocked >> (number - 1) & 1)
            sigaddset(&set, number);
    }
    sigprocmask(SIG_SETMASK, &set, NULL);
}

/* What happens here is the gate's, not the target's: it is told by the name. */
static struct gt_gate_report measure(char **argv, int64_t quiet_ns)
{
    struct gt_gate_report told = {.hit_ns = -1, .switch_ns = -1};
    enum gt_hit_function function = (enum gt_hit_function)number_of(argv[8]);

    if (function == GT_HIT_SIGNAL || function == GT_HIT_TIMEDWAIT) {
        prctl(PR_SET_NAME, argv[0]);
        told.hit_ns = gt_hit_cost_ns(argv[10], strtoull(argv[9], NULL, 16), function);
    }
    if (quiet_ns >= 0) {
        int64_t recorded_ns = gt_sleep_cpu_ns();

        told.switch_ns = recorded_ns > quiet_ns ? recorded_ns - quiet_ns : 0;
    }
    return told;
}

static int fail(int report, int number, int status)
{
    (void)!write(report, &number, sizeof(number));
    return status;
}

int gt_gatekeeper_main(char **argv)
{
    int go = number_of(argv[1]), report = number_of(argv[2]), number = 0;
    struct gt_gate_report told = {.hit_ns = -1, .switch_ns = -1};
    int64_t quiet_ns = -1;

    signal(SIGPIPE, SIG_IGN); /* giltracer may be gone when this reports to it */
    fcntl(report, F_SETFD, FD_CLOEXEC);
    if (number_of(argv[11]))
        quiet_ns = gt_sleep_cpu_ns(); /* perf waits as well, or is about to start */
    if (!wait_to_go(go))
        return 125;
    /* Before the measuring, which executes code of the libc that the user's Python maps. */
    if (argv[12][0])
        number = gt_become(argv[12]);
    if (number == 0)
        told = measure(argv, quiet_ns);
    (void)!write(report, &told, sizeof(told));
    if (number)
        return fail(report, -number, 125);
    restore(argv);
    execvp(argv[GT_GATE_FIXED_ARGS], argv + GT_GATE_FIXED_ARGS);
    return fail(report, errno, errno == ENOENT ? 127 : 126);
}
