/* SPDX-License-Identifier: MIT */
#include "launch/session.h"

#include "base/nstime.h"
#include "launch/perfscript.h"
#include "launch/recorder.h"
#include "launch/target.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum {
    TICK_MS = 500,
    FIRST_TICK_MS = 50,
    METER_MS = 50, /* between looks at what probes cost */
    GRACE_MS = 2000,
    SIGNAL_QUEUE = 32,
};

enum event {
    EVENT_READY,       /* all that is to record does */
    EVENT_PERF_DONE,   /* a perf record is gone */
    EVENT_TARGET_DONE, /* the target, or the gate, is gone */
    EVENT_SCRIPT_DONE, /* a perf script is gone */
    EVENT_SIGNAL,      /* giltracer got a signal */
    EVENT_TIMEOUT,     /* perf takes too long */
    EVENT_COUNT
};

/* Probes are recorded apart where they may have to be taken out before the end: they stay in
 * the program's way until the perf that recorded them has ended. Read in this order. */
enum recorder_of { PROBES, REST, RECORDERS };

struct session {
    uv_loop_t *loop;
    const struct gt_session_spec *spec;
    struct gt_session_result *result;
    struct gt_error *err; /* never NULL */
    int rc;               /* the first failure */
    unsigned pending;     /* events that came, as bits */

    struct gt_recorder recorders[RECORDERS];
    bool died[RECORDERS]; /* before its time, which the user knows */
    struct gt_child script;
    bool script_spawned;
    enum recorder_of scripted; /* whose recording perf script reads */
    struct gt_target target;
    uv_timer_t deadline, ticker, meter;
    int timers_open;
    enum gt_session_state state;

    uint64_t script_bytes; /* of text that perf script gave */

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
    bool all = true;

    (void)recorder;
    for (int i = 0; i < RECORDERS; i++)
        all &= !session->recorders[i].spawned || session->recorders[i].ready;
    if (all)
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

static int on_script_data(void *context, const char *data, size_t length)
{
    struct session *session = context;

    session->script_bytes += length;
    return session->scripted == PROBES
               ? session->spec->on_probes_data(session->spec->context, data, length)
               : session->spec->on_data(session->spec->context, data, length);
}

static void on_script_done(void *context, struct gt_child *child)
{
    (void)child;
    post(context, EVENT_SCRIPT_DONE);
}

static void on_deadline(uv_timer_t *timer)
{
    post(timer->data, EVENT_TIMEOUT);
}

static void on_tick(uv_timer_t *timer)
{
    struct session *session = timer->data;

    session->spec->on_tick(session->spec->context, session->state);
}

/* What is left of a program's probes when they cost too much: the agent's events. An event of
 * perf, even one that never occurs, makes each switch of a thread dearer by a microsecond:
 * what nobody asked for goes with the probes. */
static void on_meter(uv_timer_t *timer)
{
    struct session *session = timer->data;
    struct gt_recorder *probes = &session->recorders[PROBES];
    struct gt_gate_report costs = gt_target_costs(&session->target);

    if (session->state != GT_SESSION_RUNNING || probes->done || probes->stopped) {
        uv_timer_stop(timer);
    } else if (session->spec->probes_too_dear(session->spec->context, &costs)) {
        session->result->probes_out_ns = gt_now_ns();
        gt_recorder_stop(probes);
        session->result->rest_out = !gt_plan_rest_is_wanted(session->spec->plan);
        if (session->result->rest_out)
            gt_recorder_stop(&session->recorders[REST]);
    }
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct session *session = handle->data;

    session->timers_open--;
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

static void warn(struct session *session, const char *text)
{
    gt_strvec_push(&session->result->warnings, text);
}

static void start_deadline(struct session *session)
{
    uv_timer_start(&session->deadline, on_deadline, session->spec->perf_timeout_ms, 0);
}

/* --- starting the children --- */

static bool all_done(const struct session *session)
{
    return session->recorders[PROBES].done && session->recorders[REST].done;
}

static bool any_spawned(const struct session *session)
{
    return session->recorders[PROBES].spawned || session->recorders[REST].spawned;
}

static const char *path_of(const struct session *session, enum recorder_of which)
{
    return which == PROBES ? session->spec->probes_path : session->spec->data_path;
}

static int start_recorder(struct session *session, enum recorder_of which)
{
    const struct gt_plan *plan = session->spec->plan;
    struct gt_strvec argv;
    int rc;

    if (!(which == PROBES ? plan->probe_events : plan->events).count)
        return 0;
    gt_strvec_init(&argv);
    if (gt_plan_record_command(plan, session->spec->caps, which == PROBES,
                               session->target.child.pid, GT_RECORDER_CONTROL_FD,
                               GT_RECORDER_ACK_FD, &argv))
        rc = gt_error_memory(session->err);
    else
        rc = gt_recorder_start(&session->recorders[which], session->spec->caps, session->loop,
                               argv.items, path_of(session, which), session->err);
    gt_strvec_release(&argv);
    return rc;
}

static int start_script(struct session *session)
{
    const struct gt_plan *plan = session->spec->plan;
    bool rest = session->scripted == REST;
    struct gt_perfscript script = {
        .data_path = path_of(session, session->scripted),
        .stacks = rest && plan->stacks,
        .counters = rest && plan->counters.count > 0,
        .mappings = rest && (plan->futex || gt_probed_is_known(&plan->probed)),
        .on_data = on_script_data,
        .on_done = on_script_done,
        .context = session,
    };
    int rc;

    session->script_spawned = false;
    rc = gt_perfscript_start(&script, session->spec->caps, session->loop, &session->script,
                             session->err);
    session->script_spawned = rc == 0;
    return rc;
}

/* --- actions: what an event means in a state --- */

static enum gt_session_state ignore(struct session *session)
{
    return session->state;
}

static enum gt_session_state check_aborted(struct session *session)
{
    bool over = all_done(session) && (!session->target.spawned || session->target.child.done);

    return over ? GT_SESSION_DONE : GT_SESSION_ABORTING;
}

static void kill_recorders(struct session *session)
{
    for (int i = 0; i < RECORDERS; i++)
        gt_recorder_kill(&session->recorders[i], GRACE_MS);
}

/* End the children. The gate ends when its pipe closes. A target that runs is not ended here:
 * this is not called then. */
static enum gt_session_state abort_all(struct session *session)
{
    uv_timer_stop(&session->deadline);
    gt_target_give_up(&session->target);
    kill_recorders(session);
    if (session->target.spawned)
        gt_child_stop(&session->target.child, GRACE_MS);
    return check_aborted(session);
}

static enum gt_session_state open_gate(struct session *session)
{
    struct timespec now;

    uv_timer_stop(&session->deadline);
    if (session->spec->on_gate)
        session->spec->on_gate(session->spec->context, session->target.child.pid);
    if (session->spec->on_tick)
        uv_timer_start(&session->ticker, on_tick, FIRST_TICK_MS, TICK_MS);
    if (session->spec->probes_too_dear && session->recorders[PROBES].spawned)
        uv_timer_start(&session->meter, on_meter, METER_MS, METER_MS);
    clock_gettime(CLOCK_REALTIME, &now);
    session->result->started_unix_ns = now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
    session->result->target_ran = gt_target_let_go(&session->target);
    return GT_SESSION_RUNNING;
}

static enum gt_session_state perf_failed_early(struct session *session)
{
    const struct gt_recorder *first = &session->recorders[PROBES];
    char complaint[512];

    if (!first->spawned || !first->done)
        first = &session->recorders[REST];
    gt_recorder_complaint(first, complaint, sizeof(complaint));
    fail_with(session, gt_error_set(session->err, GT_ERR_CHILD,
                                    "perf record could not start%s%s (giltracer --doctor tells "
                                    "what this machine can do)",
                                    complaint[0] ? ": " : "", complaint));
    return abort_all(session);
}

static enum gt_session_state perf_stalled(struct session *session)
{
    fail_with(session,
              gt_error_set(session->err, GT_ERR_CHILD,
                           "perf record did not get ready within %llu s (try again on "
                           "a less busy machine, or set GILTRACER_PERF_TIMEOUT to more "
                           "seconds)",
                           (unsigned long long)session->spec->perf_timeout_ms / 1000));
    return abort_all(session);
}

static enum gt_session_state cancel(struct session *session)
{
    session->result->cancelled = session->spec->signals->first;
    fail_with(session, gt_error_set(session->err, GT_ERR_CANCELLED,
                                    "stopped by a signal before the program ran"));
    return abort_all(session);
}

/* The gate ended before it was opened: a signal to the whole group, or someone killed it. */
static enum gt_session_state gate_ended(struct session *session)
{
    session->result->cancelled = session->target.child.term_signal;
    fail_with(session, gt_error_set(session->err, GT_ERR_CANCELLED,
                                    "the program's process ended before it could start"));
    return abort_all(session);
}

static enum gt_session_state forward_signals(struct session *session)
{
    for (int i = 0; i < session->signal_count; i++)
        if (!session->signals[i].group && session->target.child.pid)
            kill(session->target.child.pid, session->signals[i].number);
    return session->state;
}

static void warn_of_death(struct session *session, enum recorder_of which)
{
    const struct gt_recorder *recorder = &session->recorders[which];
    char complaint[256], text[512];

    session->died[which] = true;
    gt_recorder_complaint(recorder, complaint, sizeof(complaint));
    snprintf(text, sizeof(text),
             "perf record ended while the program ran%s%s: what came later is not recorded%s",
             complaint[0] ? " - " : "", complaint,
             strstr(complaint, "No space") ? " (set TMPDIR to a folder with more room)" : "");
    warn(session, text);
}

static enum gt_session_state check_recorders(struct session *session)
{
    for (int i = 0; i < RECORDERS; i++)
        if (session->recorders[i].spawned && session->recorders[i].done && !session->died[i] &&
            !gt_recorder_ended_well(&session->recorders[i]))
            warn_of_death(session, (enum recorder_of)i);
    return session->state;
}

static void note_target(struct session *session)
{
    const struct gt_child *target = &session->target.child;

    session->result->ended_ns = gt_now_ns();
    session->result->term_signal = target->term_signal;
    session->result->exit_status = target->term_signal ? -1 : target->exit_status;
    session->result->costs = gt_target_costs(&session->target);
    session->result->exec_errno = gt_target_exec_error(&session->target);
    if (session->spec->on_target_end)
        session->spec->on_target_end(session->spec->context);
}

static bool has_data(const struct session *session, enum recorder_of which)
{
    struct stat st;

    return session->recorders[which].spawned && stat(path_of(session, which), &st) == 0 &&
           st.st_size > 0;
}

static enum gt_session_state wrote_nothing(struct session *session)
{
    char complaint[256];

    gt_child_complaint(&session->recorders[REST].child, complaint, sizeof(complaint));
    fail_with(session, gt_error_set(session->err, GT_ERR_CHILD, "perf record wrote nothing%s%s",
                                    complaint[0] ? ": " : "", complaint));
    return GT_SESSION_DONE;
}

static enum gt_session_state convert_next(struct session *session)
{
    int rc;

    if (session->scripted == REST && session->recorders[REST].spawned &&
        !has_data(session, REST))
        return wrote_nothing(session);
    rc = start_script(session);
    fail_with(session, rc);
    return rc < 0 ? GT_SESSION_DONE : GT_SESSION_CONVERTING;
}

static enum gt_session_state convert(struct session *session)
{
    uv_timer_stop(&session->deadline);
    if (session->spec->on_recorded)
        session->spec->on_recorded(session->spec->context);
    if (session->result->exec_errno || session->result->abandoned)
        return GT_SESSION_DONE;
    if (!any_spawned(session)) {
        session->result->recorded = true;
        return GT_SESSION_DONE;
    }
    session->scripted = has_data(session, PROBES) ? PROBES : REST;
    return convert_next(session);
}

static enum gt_session_state target_ended(struct session *session)
{
    note_target(session);
    if (all_done(session))
        return convert(session);
    start_deadline(session);
    for (int i = 0; i < RECORDERS; i++)
        gt_recorder_stop(&session->recorders[i]);
    return GT_SESSION_FLUSHING;
}

static enum gt_session_state perf_flushed(struct session *session)
{
    check_recorders(session);
    return all_done(session) ? convert(session) : session->state;
}

static enum gt_session_state perf_stalls_at_end(struct session *session)
{
    warn(session, "perf record did not end when asked: the end of the run may be missing from "
                  "the report");
    kill_recorders(session);
    return session->state;
}

/* The program has ended: a second SIGINT means that nobody waits for the report any more.
 * TERM and HUP let it be finished. */
static bool gives_up(struct session *session)
{
    for (int i = 0; i < session->signal_count; i++)
        if (session->signals[i].number == SIGINT && session->spec->signals->interrupts >= 2)
            session->result->abandoned = true;
    return session->result->abandoned;
}

static enum gt_session_state maybe_give_up_flushing(struct session *session)
{
    if (gives_up(session))
        kill_recorders(session);
    return session->state;
}

static enum gt_session_state maybe_give_up_converting(struct session *session)
{
    if (gives_up(session))
        gt_child_stop(&session->script, 0);
    return session->state;
}

static enum gt_session_state converted(struct session *session)
{
    struct gt_error why;

    if (session->result->abandoned)
        return GT_SESSION_DONE;
    if (session->script.data_error) { /* on_data has told why */
        fail_with(session, session->script.data_error);
        return GT_SESSION_DONE;
    }
    if (gt_perfscript_judge(&session->script, "the recording", &why) == 0)
        session->result->recorded |= session->scripted == REST;
    else if (session->script_bytes > 0 || session->scripted == PROBES)
        warn(session, why.message);
    else
        fail_with(session, gt_error_set(session->err, why.code, "%s", why.message));
    if (session->scripted == REST)
        return GT_SESSION_DONE;
    gt_child_release(&session->script);
    session->scripted = REST;
    session->script_bytes = 0;
    return convert_next(session);
}

_Static_assert(EVENT_READY == 0 && EVENT_TIMEOUT == 5 && EVENT_COUNT == 6,
               "each row below has one action per event, in their order");

static const action_fn actions[GT_SESSION_STATES][EVENT_COUNT] = {
    /* READY, PERF_DONE, TARGET_DONE, SCRIPT_DONE, SIGNAL, TIMEOUT */
    [GT_SESSION_STARTING] = {open_gate, perf_failed_early, gate_ended, ignore, cancel,
                             perf_stalled},
    [GT_SESSION_RUNNING] = {ignore, check_recorders, target_ended, ignore, forward_signals,
                            ignore},
    [GT_SESSION_FLUSHING] = {ignore, perf_flushed, ignore, ignore, maybe_give_up_flushing,
                             perf_stalls_at_end},
    [GT_SESSION_CONVERTING] = {ignore, ignore, ignore, converted, maybe_give_up_converting,
                               ignore},
    [GT_SESSION_ABORTING] = {ignore, check_aborted, check_aborted, ignore, ignore, ignore},
    [GT_SESSION_DONE] = {ignore, ignore, ignore, ignore, ignore, ignore},
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

/* The agent alone records: the gate opens at once, and nothing is converted. */
static void without_perf(struct session *session)
{
    post(session, EVENT_READY);
}

static void init_timers(struct session *session)
{
    uv_timer_init(session->loop, &session->deadline);
    uv_timer_init(session->loop, &session->ticker);
    uv_timer_init(session->loop, &session->meter);
    session->deadline.data = session->ticker.data = session->meter.data = session;
    session->timers_open = 3;
}

static void close_all(struct session *session)
{
    gt_signals_listen(session->spec->signals, NULL, NULL);
    uv_close((uv_handle_t *)&session->deadline, on_timer_closed);
    uv_close((uv_handle_t *)&session->ticker, on_timer_closed);
    uv_close((uv_handle_t *)&session->meter, on_timer_closed);
    while (session->timers_open)
        uv_run(session->loop, UV_RUN_ONCE);
    for (int i = 0; i < RECORDERS; i++)
        gt_recorder_release(&session->recorders[i], session->loop);
    gt_target_release(&session->target);
    if (session->script_spawned)
        gt_child_release(&session->script);
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
        .state = GT_SESSION_STARTING,
    };

    init_timers(&session);
    for (int i = 0; i < RECORDERS; i++)
        gt_recorder_init(&session.recorders[i], on_ready, on_perf_done, &session);
    gt_signals_listen(spec->signals, on_signal, &session);
    gt_target_init(&session.target);
    fail_with(&session, gt_target_start(&session.target, loop, spec->plan->target.items,
                                        spec->plan->env.count ? spec->plan->env.items : NULL,
                                        spec->inherited, spec->hit, on_target_done, &session,
                                        session.err));
    result->pid = session.target.spawned ? session.target.child.pid : 0;
    for (int i = 0; session.rc == 0 && i < RECORDERS; i++)
        fail_with(&session, start_recorder(&session, (enum recorder_of)i));
    if (session.rc < 0)
        session.state = abort_all(&session);
    else if (any_spawned(&session))
        start_deadline(&session);
    else
        without_perf(&session);
    while (session.state != GT_SESSION_DONE) {
        uv_run(loop, session.pending ? UV_RUN_NOWAIT : UV_RUN_ONCE);
        dispatch(&session);
    }
    close_all(&session);
    return session.rc;
}
