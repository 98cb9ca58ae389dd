/* SPDX-License-Identifier: MIT */
#include "launch/session.h"

#include "base/nstime.h"
#include "launch/conversion.h"
#include "launch/recorders.h"
#include "launch/target.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum {
    TICK_MS = 500,
    FIRST_TICK_MS = 50,
    METER_MS = 50, /* between looks at what probes cost */
    GRACE_MS = 2000,
    SIGNAL_QUEUE = 32,
};

enum event {
    EVENT_SIGNAL,      /* giltracer got a signal: first, since it may be why the target ended */
    EVENT_READY,       /* all that is to record does */
    EVENT_PERF_DONE,   /* a perf record is gone */
    EVENT_TARGET_DONE, /* the target, or the gate, is gone */
    EVENT_SCRIPT_DONE, /* a part of the recording was read */
    EVENT_TIMEOUT,     /* perf takes too long */
    EVENT_DELAYED,     /* the recording shall begin */
    EVENT_OVER,        /* and end */
    EVENT_COUNT
};

struct session {
    uv_loop_t *loop;
    const struct gt_session_spec *spec;
    struct gt_session_result *result;
    struct gt_error *err; /* never NULL */
    int rc;               /* the first failure */
    unsigned pending;     /* events that came, as bits */

    struct gt_recorders recorders;
    int64_t opened_ns; /* when the recording began */
    struct gt_conversion conversion;
    struct gt_target target;
    uv_timer_t deadline, ticker, meter, range;
    int timers_open;
    enum gt_session_state state;

    struct {
        int number;
        bool group;
    } signals[SIGNAL_QUEUE];
    int signal_count;
};

typedef enum gt_session_state (*action_fn)(struct session *session);

/* Callbacks only note what happened; gt_session_run acts on it, outside of them. */
static void post(struct session *session, enum event event)
{
    session->pending |= 1u << event;
}

static void on_ready(void *context, struct gt_recorder *recorder)
{
    struct session *session = context;

    (void)recorder;
    if (gt_recorders_are_ready(&session->recorders))
        post(session, EVENT_READY);
}

static void on_perf_done(void *context, struct gt_recorder *recorder)
{
    (void)recorder;
    post(context, EVENT_PERF_DONE);
}

static void on_target_done(void *context, struct gt_child *child)
{
    (void)child;
    post(context, EVENT_TARGET_DONE);
}

static void on_script_done(void *context)
{
    post(context, EVENT_SCRIPT_DONE);
}

static void on_deadline(uv_timer_t *timer)
{
    post(timer->data, EVENT_TIMEOUT);
}

static void on_delayed(uv_timer_t *timer)
{
    post(timer->data, EVENT_DELAYED);
}

static void on_over(uv_timer_t *timer)
{
    post(timer->data, EVENT_OVER);
}

static void on_tick(uv_timer_t *timer)
{
    struct session *session = timer->data;

    if (session->state == GT_SESSION_RUNNING)
        gt_recorders_thin_native(&session->recorders, &session->target, session->opened_ns,
                                 &session->result->warnings);
    session->spec->on_tick(session->spec->context, session->state);
}

/* The agent's events stay. An event of perf, even one that never occurs, makes each switch of a
 * thread dearer by a microsecond: what nobody asked for goes with the probes. */
static void on_meter(uv_timer_t *timer)
{
    struct session *session = timer->data;
    struct gt_recorder *probes = &session->recorders.of[GT_RECORDED_PROBES];
    struct gt_gate_report costs = gt_target_costs(&session->target);

    if (session->state != GT_SESSION_RUNNING || probes->done || probes->stopped) {
        uv_timer_stop(timer);
    } else if (session->spec->probes_too_dear(session->spec->context, &costs)) {
        session->result->probes_out_ns = gt_now_ns();
        gt_recorder_stop(probes);
        session->result->rest_out = !gt_plan_rest_is_wanted(session->spec->plan);
        if (session->result->rest_out)
            gt_recorder_stop(&session->recorders.of[GT_RECORDED_REST]);
    }
}

static void on_timer_closed(uv_handle_t *handle)
{
    ((struct session *)handle->data)->timers_open--;
}

static void on_signal(void *context, int number, bool group)
{
    struct session *session = context;

    if (session->signal_count < SIGNAL_QUEUE) {
        session->signals[session->signal_count].number = number;
        session->signals[session->signal_count].group = group;
        session->signal_count++;
    }
    post(session, EVENT_SIGNAL);
}

static void fail_with(struct session *session, int rc)
{
    if (session->rc == 0)
        session->rc = rc;
}

static void start_deadline(struct session *session)
{
    uv_timer_start(&session->deadline, on_deadline, session->spec->perf_timeout_ms, 0);
}

static enum gt_session_state ignore(struct session *session)
{
    return session->state;
}

static enum gt_session_state check_aborted(struct session *session)
{
    bool over = gt_recorders_are_done(&session->recorders) &&
                (!session->target.spawned || session->target.child.done);

    return over ? GT_SESSION_DONE : GT_SESSION_ABORTING;
}

/* End the children. The gate ends when its pipe closes; no target runs by then. */
static enum gt_session_state abort_all(struct session *session)
{
    uv_timer_stop(&session->deadline);
    gt_target_give_up(&session->target);
    gt_recorders_kill(&session->recorders, GRACE_MS);
    if (session->target.spawned)
        gt_child_stop(&session->target.child, GRACE_MS);
    return check_aborted(session);
}

static enum gt_session_state fail(struct session *session, int rc)
{
    fail_with(session, rc);
    return abort_all(session);
}

/* No probe is needed where agents go on alone. */
static void take_death(struct session *session, enum gt_recorded_part part)
{
    if (gt_session_result_take_death(session->result, &session->recorders.of[part],
                                     session->spec->plan, part, session->opened_ns))
        gt_recorder_stop(&session->recorders.of[GT_RECORDED_PROBES]);
}

static void begin(struct session *session)
{
    const struct gt_session_spec *spec = session->spec;

    uv_timer_stop(&session->deadline);
    if (session->recorders.died[GT_RECORDED_NATIVE])
        take_death(session, GT_RECORDED_NATIVE);
    if (spec->attach_pid || spec->delay_ms)
        session->result->since_ns = gt_now_ns();
    session->opened_ns = gt_now_ns();
    session->result->perf_pid = session->recorders.of[GT_RECORDED_REST].child.pid;
    session->result->started_unix_ns = gt_realtime_ns();
    if (spec->on_begin)
        spec->on_begin(spec->context, gt_target_pid(&session->target));
    if (spec->on_tick)
        uv_timer_start(&session->ticker, on_tick, FIRST_TICK_MS, TICK_MS);
    if (spec->probes_too_dear && session->recorders.of[GT_RECORDED_PROBES].spawned)
        uv_timer_start(&session->meter, on_meter, METER_MS, METER_MS);
    if (spec->duration_ms)
        uv_timer_start(&session->range, on_over, spec->duration_ms, 0);
}

/* perf is there; with a delay, it does not record yet. */
static enum gt_session_state open_gate(struct session *session)
{
    bool delayed = session->spec->delay_ms && !session->spec->attach_pid;

    uv_timer_stop(&session->deadline);
    if (delayed)
        uv_timer_start(&session->range, on_delayed, session->spec->delay_ms, 0);
    else
        begin(session);
    session->result->target_ran = gt_target_let_go(&session->target);
    return GT_SESSION_RUNNING;
}

/* The delay is over while the target runs: perf shall record. */
static enum gt_session_state record_now(struct session *session)
{
    if (gt_recorders_any(&session->recorders))
        gt_recorders_enable(&session->recorders);
    else
        post(session, EVENT_READY);
    return session->state;
}

static enum gt_session_state recording_began(struct session *session)
{
    if (!session->result->since_ns)
        begin(session);
    return session->state;
}

static enum gt_session_state start_recorders(struct session *session)
{
    const struct gt_session_spec *spec = session->spec;
    bool first = spec->on_attach && !session->recorders.attempts;
    int rc = first ? spec->on_attach(spec->context, session->err) : 0;

    if (rc == 0)
        rc = gt_recorders_start(&session->recorders, spec->plan, spec->caps, session->loop,
                                gt_target_pid(&session->target),
                                spec->delay_ms && !spec->attach_pid, session->err);
    if (rc < 0)
        return fail(session, rc);
    if (gt_recorders_any(&session->recorders))
        start_deadline(session);
    else
        post(session, EVENT_READY); /* the agent alone records: nothing is to be waited for */
    return GT_SESSION_STARTING;
}

static enum gt_session_state perf_failed_early(struct session *session)
{
    enum gt_retry retry = session->spec->attach_pid && !session->target.done
                              ? gt_recorders_retry(&session->recorders, session->loop)
                              : GT_RETRY_NO;
    char complaint[512];

    if (retry != GT_RETRY_NO)
        return retry == GT_RETRY_NOW ? start_recorders(session) : session->state;
    if (gt_recorders_give_up_native(&session->recorders)) {
        on_ready(session, NULL);
        return session->state;
    }
    gt_recorders_complaint(&session->recorders, complaint, sizeof(complaint));
    return fail(session,
                gt_error_set(session->err, GT_ERR_CHILD,
                             "perf record could not start%s%s (giltracer --doctor tells "
                             "what this machine can do)",
                             complaint[0] ? ": " : "", complaint));
}

static enum gt_session_state perf_stalled(struct session *session)
{
    return fail(
        session,
        gt_error_set(session->err, GT_ERR_CHILD,
                     "perf record did not get ready within %llu s (try again on a "
                     "less busy machine, or set GILTRACER_PERF_TIMEOUT to more seconds)",
                     (unsigned long long)session->spec->perf_timeout_ms / 1000));
}

static enum gt_session_state cancel(struct session *session)
{
    session->result->cancelled = session->spec->signals->first;
    return fail(
        session,
        gt_error_set(session->err, GT_ERR_CANCELLED, "stopped by a signal before %s",
                     session->spec->attach_pid ? "recording began" : "the program ran"));
}

/* The gate ended before it was opened: a signal to the whole group, or someone killed it. */
static enum gt_session_state gate_ended(struct session *session)
{
    if (session->spec->attach_pid)
        return fail(session, gt_error_set(session->err, GT_ERR_NOT_FOUND,
                                          "process %d ended before it could be recorded",
                                          session->spec->attach_pid));
    session->result->cancelled = session->target.child.term_signal;
    return fail(session, gt_error_set(session->err, GT_ERR_CANCELLED,
                                      "the program's process ended before it could start"));
}

static void forward_signals(struct session *session)
{
    int pid = session->spec->attach_pid ? 0 : gt_target_pid(&session->target);

    for (int i = 0; i < session->signal_count; i++)
        if (!session->signals[i].group && pid)
            kill(pid, session->signals[i].number);
}

static enum gt_session_state check_recorders(struct session *session)
{
    for (int i = 0; i < GT_RECORDED_PARTS; i++)
        if (gt_recorders_died(&session->recorders, (enum gt_recorded_part)i))
            take_death(session, (enum gt_recorded_part)i);
    return session->state;
}

static void note_target(struct session *session)
{
    const struct gt_child *target = &session->target.child;

    session->result->ended_ns = gt_now_ns();
    if (session->spec->attach_pid)
        return;
    session->result->term_signal = target->term_signal;
    session->result->exit_status = target->term_signal ? -1 : target->exit_status;
    session->result->exec_errno = gt_target_exec_error(&session->target);
}

/* Nothing is left to do but to wait for a launched target that runs on. */
static enum gt_session_state leave(struct session *session)
{
    if (session->spec->attach_pid || session->target.done)
        return GT_SESSION_DONE;
    if (session->spec->on_follow)
        session->spec->on_follow(session->spec->context, session->rc);
    return GT_SESSION_FOLLOWING;
}

static enum gt_session_state convert_next(struct session *session)
{
    int rc = gt_conversion_next(&session->conversion, session->loop, session->err);

    fail_with(session, rc < 0 ? rc : 0);
    return rc > 0 ? GT_SESSION_CONVERTING : leave(session);
}

static enum gt_session_state convert(struct session *session)
{
    uv_timer_stop(&session->deadline);
    if (session->spec->on_recorded)
        session->spec->on_recorded(session->spec->context);
    if (session->rc < 0 || session->result->exec_errno || session->result->abandoned ||
        session->spec->stream)
        return leave(session);
    return gt_recorders_any(&session->recorders) ? convert_next(session) : leave(session);
}

static enum gt_session_state end_recording(struct session *session)
{
    uv_timer_stop(&session->range);
    session->result->costs = gt_target_costs(&session->target);
    if (session->spec->on_end)
        session->spec->on_end(session->spec->context);
    if (gt_recorders_are_done(&session->recorders))
        return convert(session);
    start_deadline(session);
    gt_recorders_stop(&session->recorders);
    return GT_SESSION_FLUSHING;
}

static enum gt_session_state target_ended(struct session *session)
{
    note_target(session);
    if (session->spec->delay_ms && !session->result->since_ns)
        fail_with(session, gt_error_set(session->err, GT_ERR_NOT_FOUND,
                                        "the program ended before --delay was over"));
    return end_recording(session);
}

/* The recording is over, and its target has ended now. */
static enum gt_session_state target_ended_later(struct session *session)
{
    note_target(session);
    return session->state == GT_SESSION_FOLLOWING ? GT_SESSION_DONE : session->state;
}

/* While the target runs on. */
static enum gt_session_state duration_over(struct session *session)
{
    session->result->until_ns = gt_now_ns();
    return end_recording(session);
}

/* A signal is the target's, unless that runs without us: then it ends the recording. */
static enum gt_session_state signalled(struct session *session)
{
    if (session->spec->attach_pid)
        return duration_over(session);
    forward_signals(session);
    return session->state;
}

static enum gt_session_state perf_flushed(struct session *session)
{
    check_recorders(session);
    return gt_recorders_are_done(&session->recorders) ? convert(session) : session->state;
}

static enum gt_session_state perf_stalls_at_end(struct session *session)
{
    gt_strvec_push(&session->result->warnings,
                   "perf record did not end when asked: the end of the run may be missing from "
                   "the report");
    gt_recorders_kill(&session->recorders, GRACE_MS);
    return session->state;
}

/* The recording is over. SIGINT, and SIGTERM where it is read, end that; a SIGINT after the
 * user was told so means that nobody waits for the report any more. While the target that we
 * started runs on, signals are its own. */
static enum gt_session_state late_signals(struct session *session)
{
    struct gt_session_result *result = session->result;
    bool reading = session->state == GT_SESSION_CONVERTING;
    bool ours = session->spec->attach_pid || result->ended_ns;

    for (int i = 0; ours && i < session->signal_count; i++) {
        int number = session->signals[i].number;

        if (number == SIGINT && result->late_signal) {
            result->abandoned = true;
        } else if (number == SIGINT || (number == SIGTERM && reading)) {
            if (!result->late_signal && session->spec->on_late_signal)
                session->spec->on_late_signal(session->spec->context, session->state);
            if (reading)
                gt_conversion_interrupt(&session->conversion);
            result->late_signal = number;
        }
    }
    forward_signals(session);
    if (result->abandoned && reading)
        gt_conversion_stop(&session->conversion);
    else if (result->abandoned)
        gt_recorders_kill(&session->recorders, GRACE_MS);
    return session->state;
}

static enum gt_session_state converted(struct session *session)
{
    int rc;

    if (session->result->abandoned)
        return leave(session);
    rc = gt_conversion_judge(&session->conversion, &session->result->warnings,
                             &session->result->cut, session->err);
    fail_with(session, rc);
    return rc < 0 ? leave(session) : convert_next(session);
}

_Static_assert(EVENT_SIGNAL == 0 && EVENT_READY == 1 && EVENT_OVER == 7 && EVENT_COUNT == 8,
               "each row below has one action per event, in their order");

static const action_fn actions[GT_SESSION_STATES][EVENT_COUNT] = {
    /* SIGNAL, READY, PERF_DONE, TARGET_DONE, SCRIPT_DONE, TIMEOUT, DELAYED, OVER */
    [GT_SESSION_STARTING] = {cancel, open_gate, perf_failed_early, gate_ended, ignore,
                             perf_stalled, start_recorders, ignore},
    [GT_SESSION_RUNNING] = {signalled, recording_began, check_recorders, target_ended, ignore,
                            ignore, record_now, duration_over},
    [GT_SESSION_FLUSHING] = {late_signals, ignore, perf_flushed, target_ended_later, ignore,
                             perf_stalls_at_end, ignore, ignore},
    [GT_SESSION_CONVERTING] = {late_signals, ignore, ignore, target_ended_later, converted,
                               ignore, ignore, ignore},
    [GT_SESSION_FOLLOWING] = {late_signals, ignore, ignore, target_ended_later, ignore, ignore,
                              ignore, ignore},
    [GT_SESSION_ABORTING] = {ignore, ignore, check_aborted, check_aborted, ignore, ignore,
                             ignore, ignore},
    [GT_SESSION_DONE] = {ignore, ignore, ignore, ignore, ignore, ignore, ignore, ignore},
};

static void dispatch(struct session *session)
{
    for (int event = 0; event < EVENT_COUNT; event++) {
        if (!(session->pending & 1u << event))
            continue;
        session->pending &= ~(1u << event);
        session->state = actions[session->state][event](session);
        if (event == EVENT_SIGNAL)
            session->signal_count = 0;
    }
}

static void init_timers(struct session *session)
{
    uv_timer_init(session->loop, &session->deadline);
    uv_timer_init(session->loop, &session->ticker);
    uv_timer_init(session->loop, &session->meter);
    uv_timer_init(session->loop, &session->range);
    session->deadline.data = session->ticker.data = session;
    session->meter.data = session->range.data = session;
    session->timers_open = 4;
}

static void close_all(struct session *session)
{
    gt_signals_listen(session->spec->signals, NULL, NULL);
    uv_close((uv_handle_t *)&session->deadline, on_timer_closed);
    uv_close((uv_handle_t *)&session->ticker, on_timer_closed);
    uv_close((uv_handle_t *)&session->meter, on_timer_closed);
    uv_close((uv_handle_t *)&session->range, on_timer_closed);
    while (session->timers_open)
        uv_run(session->loop, UV_RUN_ONCE);
    gt_recorders_release(&session->recorders, session->loop);
    gt_target_release(&session->target, session->loop);
    gt_conversion_release(&session->conversion);
}

static int start_target(struct session *session)
{
    const struct gt_session_spec *spec = session->spec;

    if (spec->attach_pid)
        return gt_target_attach(&session->target, session->loop, spec->attach_pid,
                                spec->attach_pidfd, on_target_done, session, session->err);
    return gt_target_start(&session->target, session->loop, spec->plan->target.items,
                           spec->plan->env.count ? spec->plan->env.items : NULL,
                           spec->inherited, spec->hit, on_target_done, session, session->err);
}

static enum gt_session_state start(struct session *session)
{
    const struct gt_session_spec *spec = session->spec;
    int rc = start_target(session);

    if (rc < 0)
        return fail(session, rc);
    session->result->pid = gt_target_pid(&session->target);
    if (!spec->attach_pid || !spec->delay_ms)
        return start_recorders(session);
    uv_timer_start(&session->range, on_delayed, spec->delay_ms, 0);
    return GT_SESSION_STARTING;
}

int gt_session_run(uv_loop_t *loop, const struct gt_session_spec *spec,
                   struct gt_session_result *result, struct gt_error *err)
{
    struct gt_error unwanted;
    struct session session = {
        .loop = loop,
        .spec = spec,
        .result = result,
        .err = err ? err : &unwanted,
        .conversion = {.plan = spec->plan,
                       .caps = spec->caps,
                       .recorders = &session.recorders,
                       .on_data = spec->on_data,
                       .is_readable = spec->is_readable,
                       .data_context = spec->context,
                       .on_done = on_script_done,
                       .context = &session},
    };

    init_timers(&session);
    gt_recorders_init(&session.recorders, spec->paths, on_ready, on_perf_done, &session);
    session.recorders.stream = spec->stream;
    result->recorders = &session.recorders;
    gt_signals_listen(spec->signals, on_signal, &session);
    gt_target_init(&session.target);
    session.state = start(&session);
    while (session.state != GT_SESSION_DONE) {
        uv_run(loop, session.pending ? UV_RUN_NOWAIT : UV_RUN_ONCE);
        dispatch(&session);
    }
    result->recorders = NULL;
    close_all(&session);
    return session.rc;
}
