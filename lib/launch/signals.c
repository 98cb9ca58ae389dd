/* SPDX-License-Identifier: MIT */
#include "launch/signals.h"

#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

static const int watched[GT_SIGNALS_WATCHED] = {SIGINT,  SIGTERM, SIGHUP,    SIGQUIT, SIGUSR1,
                                                SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF};

/* What the kernel sends for a fault of giltracer's own, too. */
static const int faults[] = {SIGABRT, SIGXCPU, SIGXFSZ, SIGSEGV, SIGBUS,
                             SIGFPE,  SIGILL,  SIGSYS,  SIGTRAP};
enum { FAULTS = sizeof(faults) / sizeof(faults[0]) };

/* A signal handler has no context. */
static struct {
    struct gt_signals *signals;
    uint64_t sent; /* bit N-1: somebody sent signal N */
    struct sigaction old[GT_SIGNALS_MAX + 1];
} watch;

static void receive(struct gt_signals *signals, int number, bool group)
{
    if (signals->kept && number == signals->kept) {
        signals->on_kept(signals->kept_context);
        return;
    }
    if (!signals->first)
        signals->first = number;
    if (number == SIGINT)
        signals->interrupts++;
    if (number != SIGUSR1 && number != SIGUSR2)
        signals->endings++;
    if (signals->handler)
        signals->handler(signals->context, number, group);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct gt_signals *signals = handle->data;

    receive(signals, number, gt_sentry_saw(&signals->sentry, number));
}

void gt_signals_take(struct gt_signals *signals, int number)
{
    receive(signals, number, false);
}

static void on_faults(uv_async_t *async)
{
    struct gt_signals *signals = async->data;
    uint64_t sent = __atomic_exchange_n(&watch.sent, 0, __ATOMIC_ACQ_REL);

    for (int i = 0; i < FAULTS; i++)
        if (sent >> (faults[i] - 1) & 1)
            receive(signals, faults[i], gt_sentry_saw(&signals->sentry, faults[i]));
}

/* Runs anywhere: calls only what a signal handler may call. */
static void on_fault(int number, siginfo_t *info, void *context)
{
    bool is_ours = info->si_code > 0 || info->si_pid == getpid();

    (void)context;
    if (!is_ours) {
        __atomic_or_fetch(&watch.sent, UINT64_C(1) << (number - 1), __ATOMIC_ACQ_REL);
        uv_async_send(&watch.signals->faults);
    } else if (number != SIGXFSZ) {
        sigaction(number, &watch.old[number], NULL);
        /* An instruction that failed fails again; what was only sent does not. */
        if (info->si_code <= 0 || number == SIGXCPU)
            raise(number);
    }
}

static void watch_faults(struct gt_signals *signals, uv_loop_t *loop,
                         const struct gt_inherited *inherited)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_RESTART};

    if (uv_async_init(loop, &signals->faults, on_faults))
        return;
    signals->faults.data = signals;
    uv_unref((uv_handle_t *)&signals->faults);
    signals->takes_faults = true;
    watch.signals = signals;
    for (int i = 0; i < FAULTS; i++) {
        sigaction(faults[i], NULL, &watch.old[faults[i]]);
        if (!(inherited->ignored >> (faults[i] - 1) & 1))
            sigaction(faults[i], &action, NULL);
    }
}

static void unwatch_faults(struct gt_signals *signals)
{
    if (!signals->takes_faults)
        return;
    for (int i = 0; i < FAULTS; i++)
        sigaction(faults[i], &watch.old[faults[i]], NULL);
    uv_close((uv_handle_t *)&signals->faults, NULL);
    signals->takes_faults = false;
}

int gt_signals_start(struct gt_signals *signals, uv_loop_t *loop,
                     const struct gt_inherited *inherited, struct gt_error *err)
{
    sigset_t set;
    int rc;

    memset(signals, 0, sizeof(*signals));
    sigemptyset(&set);
    for (int i = 0; i < GT_SIGNALS_WATCHED; i++)
        sigaddset(&set, watched[i]);
    for (int i = 0; i < FAULTS; i++)
        sigaddset(&set, faults[i]);
    rc = gt_sentry_start(&signals->sentry, &set, err);
    if (rc < 0)
        return rc;
    for (int i = 0; i < GT_SIGNALS_WATCHED; i++) {
        uv_signal_t *handle = &signals->handles[signals->handle_count];

        if (inherited->ignored >> (watched[i] - 1) & 1)
            continue;
        uv_signal_init(loop, handle);
        handle->data = signals;
        uv_signal_start(handle, on_signal, watched[i]);
        uv_unref((uv_handle_t *)handle);
        signals->handle_count++;
    }
    watch_faults(signals, loop, inherited);
    return 0;
}

void gt_signals_listen(struct gt_signals *signals, gt_signal_fn handler, void *context)
{
    signals->handler = handler;
    signals->context = context;
}

void gt_signals_keep(struct gt_signals *signals, int number, void (*on_kept)(void *context),
                     void *context)
{
    signals->kept = number;
    signals->on_kept = on_kept;
    signals->kept_context = context;
}

/* Handles that do not keep the loop alive are not looked at by a loop that nothing else does.
 */
void gt_signals_look(struct gt_signals *signals)
{
    uv_handle_t *handle = (uv_handle_t *)&signals->handles[0];

    if (signals->handle_count == 0)
        return;
    uv_ref(handle);
    uv_run(handle->loop, UV_RUN_NOWAIT);
    uv_unref(handle);
}

void gt_signals_stop(struct gt_signals *signals)
{
    unwatch_faults(signals);
    for (int i = 0; i < signals->handle_count; i++)
        uv_close((uv_handle_t *)&signals->handles[i], NULL);
    signals->handle_count = 0;
    gt_sentry_stop(&signals->sentry);
}
