/* SPDX-License-Identifier: MIT */
#include "launch/signals.h"

#include <signal.h>
#include <string.h>

static const int watched[GT_SIGNALS_WATCHED] = {SIGINT,  SIGTERM, SIGHUP,
                                                SIGQUIT, SIGUSR1, SIGUSR2};

static void on_signal(uv_signal_t *handle, int number)
{
    struct gt_signals *signals = handle->data;
    bool group = gt_sentry_saw(&signals->sentry, number);

    if (!signals->first)
        signals->first = number;
    if (number == SIGINT)
        signals->interrupts++;
    if (number != SIGUSR1 && number != SIGUSR2)
        signals->endings++;
    if (signals->handler)
        signals->handler(signals->context, number, group);
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
    return 0;
}

void gt_signals_listen(struct gt_signals *signals, gt_signal_fn handler, void *context)
{
    signals->handler = handler;
    signals->context = context;
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
    for (int i = 0; i < signals->handle_count; i++)
        uv_close((uv_handle_t *)&signals->handles[i], NULL);
    signals->handle_count = 0;
    gt_sentry_stop(&signals->sentry);
}
