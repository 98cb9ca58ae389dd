/* SPDX-License-Identifier: MIT */
#include "agent/profile_hook.h"

#include "agent/interpreters.h"
#include "agent/names.h"
#include "agent/sync.h"
#include "agent/threads.h"
#include "agent/trace.h"

#include <string.h>

bool gt_agent_profiling;
bool gt_agent_profile_announced;

enum { CALL, EXCEPTION, LINE, RETURN, C_CALL, C_EXCEPTION, C_RETURN };

/* gt_agent_thread.profile.state. LOST: the hook is the target's, or may be. */
enum { UNHOOKED, HOOKED, LOST };

struct layout {
    int version;
    uint8_t use_tracing; /* in PyThreadState, or in what frame_state points to */
    uint8_t frame_state; /* PyThreadState.cframe, 3.10 and 3.11; else 0 */
    uint8_t tracing_bytes;
    uint8_t profile_function;
    uint8_t trace_function;
    uint8_t profile_object;
};

static const struct layout layouts[] = {
    {0x0306, 44, 0, 4, 48, 56, 64}, {0x0307, 48, 0, 4, 56, 64, 72},
    {0x0308, 48, 0, 4, 56, 64, 72}, {0x0309, 48, 0, 4, 56, 64, 72},
    {0x030a, 0, 48, 4, 56, 64, 72}, {0x030b, 0, 56, 1, 64, 72, 80},
};

static const struct layout *layout;
static int tracing_on; /* what PyEval_SetProfile sets use_tracing to */
static bool setting;   /* the agent itself is setting a hook */
static uint32_t life;  /* of the interpreter: its thread states end with it */

/* The code object of a frame: f_code, behind f_frame in 3.11. */
static inline PyObject *code_of(const PyObject *frame)
{
    if (gt_agent_api.version == 0x030b)
        return gt_agent_field(gt_agent_field(frame, 24), 32);
    return gt_agent_field(frame, 32);
}

static void on_python(struct gt_agent_thread *self, const PyObject *frame, int what,
                      const PyObject *arg)
{
    struct gt_agent_function *function = gt_agent_function_of_code(self, code_of(frame));

    if (GT_AGENT_UNLIKELY(!function))
        return;
    if (what == CALL) {
        if (!(function->flags & GT_AGENT_SKIP))
            gt_agent_trace_call(self, function, GT_WIRE_CALL);
        if (GT_AGENT_UNLIKELY(self->name.looks != UINT32_MAX))
            gt_agent_names_look(self);
        return;
    }
    if (!(function->flags & GT_AGENT_SKIP)) {
        if (GT_AGENT_UNLIKELY(function->flags & GT_AGENT_SYNC) && arg)
            gt_agent_sync_return(self, function, NULL, arg);
        gt_agent_trace_return(self, function, arg ? GT_WIRE_RETURN : GT_WIRE_UNWIND);
    }
    if (GT_AGENT_UNLIKELY(function->flags & GT_AGENT_NAMES) &&
        arg == gt_agent_api._Py_NoneStruct)
        gt_agent_names_update(self);
}

static void on_c(struct gt_agent_thread *self, const PyObject *frame, int what, PyObject *arg)
{
    struct gt_agent_function *caller = gt_agent_function_of_code(self, code_of(frame));
    struct gt_agent_function *function;

    if (!arg || !caller || caller->flags & GT_AGENT_SKIP)
        return;
    function = gt_agent_function_of_callable(self, arg);
    if (!function)
        return;
    if (GT_AGENT_UNLIKELY(function->flags & GT_AGENT_SYNC) && what == C_RETURN)
        gt_agent_sync_return(self, function, gt_agent_object_of(arg, NULL), NULL);
    if (what == C_CALL)
        gt_agent_trace_call(self, function, GT_WIRE_CALL);
    else
        gt_agent_trace_return(self, function,
                              what == C_EXCEPTION ? GT_WIRE_UNWIND : GT_WIRE_RETURN);
    /* It returns to the hook that is set then: to this one, if it is still set. */
    if (GT_AGENT_UNLIKELY(function->flags & GT_AGENT_HOOKS) && !gt_agent_profile_announced)
        self->profile.state = what == C_CALL ? LOST : HOOKED;
}

static int on_profile(PyObject *object, PyObject *frame, int what, PyObject *arg)
{
    struct gt_agent_thread *self = gt_agent_enter();

    (void)object;
    if (GT_AGENT_UNLIKELY(!self))
        return 0;
    if (what == CALL || what == RETURN)
        on_python(self, frame, what, arg);
    else if (what == C_CALL || what == C_RETURN || what == C_EXCEPTION)
        on_c(self, frame, what, arg);
    gt_agent_leave(self);
    return 0;
}

/* Where `use_tracing` of a thread is. */
static char *tracing_of(char *state)
{
    char *holder = layout->frame_state ? gt_agent_field(state, layout->frame_state) : state;

    return holder ? holder + layout->use_tracing : NULL;
}

static bool is_hooked(const char *state)
{
    return gt_agent_field(state, layout->profile_function) == (void *)on_profile;
}

/* False when the thread has no frames yet: it is tried again at its next use of the GIL. */
static bool hook(char *state)
{
    char *tracing = tracing_of(state);
    void *function = (void *)on_profile;

    if (!tracing)
        return false;
    memcpy(state + layout->profile_function, &function, sizeof(function));
    memcpy(tracing, &tracing_on, layout->tracing_bytes); /* little-endian, or of int's size */
    return true;
}

static int tracing_value(const char *tracing)
{
    int value = 0;

    memcpy(&value, tracing, layout->tracing_bytes);
    return value;
}

static void lose(struct gt_agent_thread *self, uint64_t ticks)
{
    gt_agent_close_calls(self, ticks);
    self->profile.state = LOST;
    if (!self->profile.told)
        gt_agent_message(self, "the target sets the profile hook itself (sys.setprofile): "
                               "functions of that thread are not traced meanwhile");
    self->profile.told = true;
}

/* The time of the newest call or return in the slot. */
static uint64_t last_call_ticks(const struct gt_agent_thread *self)
{
    const struct gt_agent_stream *calls = &self->log.streams[GT_WIRE_STREAM_CALLS];
    uint64_t word;

    if (!calls->slot || calls->next == calls->slot)
        return gt_agent_ticks();
    memcpy(&word, calls->next - sizeof(word), sizeof(word));
    if (GT_WIRE_CALL_KIND(word) == GT_WIRE_BASE)
        return word & GT_WIRE_BASE_TICKS;
    return self->log.calls_base << GT_WIRE_TICK_BITS | (word & GT_WIRE_TICK_MASK);
}

/* About to be deleted: PyThreadState_Clear takes the functions away, and leaves `use_tracing`
 * as it was. */
static bool is_cleared(char *state)
{
    const char *tracing = tracing_of(state);

    return !gt_agent_field(state, layout->profile_function) &&
           !gt_agent_field(state, layout->trace_function) && tracing && tracing_value(tracing);
}

/* The thread has another thread state now, or none. */
static void change_owner(struct gt_agent_thread *self, void *state)
{
    if (self->profile.state == LOST)
        lose(self, last_call_ticks(self));
    self->profile.state = UNHOOKED;
    self->profile.owner = state;
    self->profile.life = life;
}

/*
 * A native thread may get a new thread state at every PyGILState_Ensure, often at the address
 * of the last one. So this looks at each use of the GIL: at the last release in a thread state,
 * the state is deleted already, or cleared.
 */
void gt_agent_profile_thread(struct gt_agent_thread *self)
{
    char *state = gt_agent_api.PyGILState_GetThisThreadState();

    if (GT_AGENT_UNLIKELY(state != self->profile.owner || self->profile.life != life))
        change_owner(self, state);
    if (!state)
        return;
    if (GT_AGENT_LIKELY(is_hooked(state))) {
        self->profile.state = HOOKED;
        return;
    }
    if (!gt_agent_interpreter_is_traced(gt_agent_interpreter_of(state)))
        return;
    if (gt_agent_field(state, layout->profile_function)) {
        lose(self, last_call_ticks(self));
    } else if (is_cleared(state)) {
        change_owner(self, state);
    } else {
        /* Did the program take it away? Audit events would have told. */
        if (self->profile.state != UNHOOKED && !gt_agent_profile_announced)
            lose(self, last_call_ticks(self));
        self->profile.state = hook(state) ? HOOKED : UNHOOKED;
    }
}

/* A pending call: is the main thread's hook free again? It may even run inside of the target's
 * PyEval_SetProfile, when that calls audit hooks; so only by plain stores here, too. */
static int look_again(void *unused)
{
    char *state = gt_agent_api.thread_state();

    (void)unused;
    if (state && !gt_agent_field(state, layout->profile_function))
        hook(state);
    return 0;
}

void gt_agent_profile_changes(void *state)
{
    struct gt_agent_thread *self = setting ? NULL : gt_agent_enter();

    if (!self)
        return;
    if (is_hooked(state))
        lose(self, gt_agent_ticks());
    if (self->listed.tid == gt_agent.pid)
        gt_agent_api.Py_AddPendingCall(
            look_again, NULL); /* if its queue is full: at the next use of the GIL */
    gt_agent_leave(self);
}

void gt_agent_profile_end(void)
{
    gt_agent_profiling = false;
    layout = NULL;
    life++;
}

static void unhook(char *state)
{
    char *tracing = tracing_of(state);
    void *none = NULL;

    memcpy(state + layout->profile_function, &none, sizeof(none));
    if (tracing && !gt_agent_field(state, layout->trace_function))
        memset(tracing, 0, layout->tracing_bytes);
}

/* Other threads may be making or deleting thread states of theirs only with the GIL. */
void gt_agent_profile_stop(void)
{
    const struct gt_agent_api *api = &gt_agent_api;
    void *interpreter = gt_agent_interpreter_of(api->thread_state());
    char *state = layout ? api->PyInterpreterState_ThreadHead(interpreter) : NULL;

    for (; state; state = api->PyThreadState_Next(state))
        if (is_hooked(state))
            unhook(state);
    gt_agent_profile_end();
}

/* The first time: does PyEval_SetProfile write where the layout says? */
static bool layout_is_right(char *state)
{
    const char *tracing = tracing_of(state);
    int before = tracing ? tracing_value(tracing) : 0; /* a trace function may be set */

    setting = true;
    gt_agent_api.PyEval_SetProfile(on_profile, NULL);
    setting = false;
    if (!tracing)
        return false;
    tracing_on = tracing_value(tracing);
    return tracing_on && (!before || before == tracing_on) && is_hooked(state) &&
           !gt_agent_field(state, layout->profile_object);
}

static const struct layout *find_layout(void)
{
    for (unsigned i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++)
        if (layouts[i].version == gt_agent_api.version)
            return &layouts[i];
    return NULL;
}

bool gt_agent_profile_start(void)
{
    char *state = gt_agent_api.thread_state();
    bool first = !layout;

    layout = find_layout();
    if (!layout || !state)
        return false;
    if (gt_agent_field(state, layout->profile_function)) {
        if (first)
            gt_agent_say("the target has set a profile hook of its own before tracing could "
                         "begin: its functions are not traced");
        return gt_agent_profiling;
    }
    if (!first) { /* of a sub-interpreter */
        if (gt_agent_profiling)
            hook(state);
        return gt_agent_profiling;
    }
    gt_agent_profiling = layout_is_right(state);
    gt_agent_not_simple();
    if (!gt_agent_profiling)
        gt_agent_say("this interpreter's thread state is laid out in an unknown way: functions "
                     "are traced in the main thread only");
    return gt_agent_profiling;
}
