/* SPDX-License-Identifier: MIT */
#include "common/interrupt.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static const char *name = "";
static int ends[2] = {-1, -1};
static volatile sig_atomic_t first, interrupts, all, reads, has_read;
static int heeded; /* of all: they are not about what is waited for now */

static void put(const char *text)
{
    (void)!write(STDERR_FILENO, text, strlen(text));
}

/* Calls only what a signal handler may call. */
static void on_signal(int number)
{
    int error = errno;

    all = all + 1;
    if (number == SIGINT)
        interrupts = interrupts + 1;
    if (!first) {
        first = number;
        (void)!write(ends[1], "", 1);
    }
    if (all == 1 && reads) {
        put(name);
        put(has_read ? ": the report is being written; Ctrl-C (SIGINT) once more ends without "
                       "it\n"
                     : ": reading ends here, and the report will be of what was read; Ctrl-C "
                       "(SIGINT) once more ends without it\n");
    }
    errno = error;
}

int gt_interrupt_watch(const char *program, struct gt_error *err)
{
    static const int watched[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    struct sigaction action = {.sa_handler = on_signal}, old;

    name = program;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK))
        return gt_error_errno(err, "cannot make a pipe");
    for (size_t i = 0; i < sizeof(watched) / sizeof(watched[0]); i++)
        sigaddset(&action.sa_mask, watched[i]);
    for (size_t i = 0; i < sizeof(watched) / sizeof(watched[0]); i++)
        if (sigaction(watched[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaction(watched[i], &action, NULL);
    return 0;
}

int gt_interrupt_fd(void)
{
    return ends[0];
}

int gt_interrupt_signal(void)
{
    return first;
}

void gt_interrupt_reads(void)
{
    reads = 1;
}

void gt_interrupt_has_read(void)
{
    has_read = 1;
    heeded = all;
}

static bool came(void *context)
{
    (void)context;
    return all > heeded;
}

const struct gt_stop *gt_interrupt_stop(void)
{
    static const struct gt_stop stop = {came, NULL};

    return &stop;
}

bool gt_interrupt_abandoned(void)
{
    return interrupts > (first == SIGINT);
}
