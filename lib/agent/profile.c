/*
 * Functions through the profile hook, CPython before 3.12.
 *
 * The hook belongs to a thread and PyEval_SetProfile sets that of the calling one only. Other
 * threads get theirs when they use the GIL: whoever signals the GIL's condition variables owns
 * it, so that thread's own state can be written, by plain stores and without running anything.
 * That needs the layout of PyThreadState, which these versions will never change any more; it
 * is nevertheless checked against what PyEval_SetProfile does in the main thread.
 */
#include "agent/trace.h"

#include <string.h>

bool gt_agent_profiling;

enum { CALL, EXCEPTION, LINE, RETURN, C_CALL, C_EXCEPTION, C_RETURN };

/* What becomes of a thread, in profile_state. */
enum { UNHOOKED, HOOKED, TAKEN };

enum { LOOK_EVERY = 64 }; /* uses of the GIL between looks whether the hook is still ours */

struct layout {
    int version;
    uint8_t use_tracing; /* in PyThreadState, or in what frame_state points to */
    uint8_t frame_state; /* PyThreadState.cframe, 3.10 and 3.11; else 0 */
    uint8_t tracing_bytes;
    uint8_t profile_function;
    uint8_t profile_object;
};

static const struct layout layouts[] = {
    {0x0306, 44, 0, 4, 48, 64}, {0x0307, 48, 0, 4, 56, 72}, {0x0308, 48, 0, 4, 56, 72},
    {0x0309, 48, 0, 4, 56, 72}, {0x030a, 0, 48, 4, 56, 72}, {0x030b, 0, 56, 1, 64, 80},
};

static int tracing_on; /* what PyEval_SetProfile sets use_tracing to */

static const struct layout *layout;

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
        if (GT_AGENT_UNLIKELY(self->looks_for_name != UINT32_MAX))
            gt_agent_names_look(self);
        return;
    }
    if (!(function->flags & GT_AGENT_SKIP))
        gt_agent_trace_return(self, function, arg ? GT_WIRE_RETURN : GT_WIRE_UNWIND);
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
    if (what == C_CALL)
        gt_agent_trace_call(self, function, GT_WIRE_CALL);
    else
        gt_agent_trace_return(self, function,
                              what == C_EXCEPTION ? GT_WIRE_UNWIND : GT_WIRE_RETURN);
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

static void hook(char *state)
{
    char *tracing = tracing_of(state);
    void *function = (void *)on_profile;

    if (!tracing)
        return; /* it has no frames yet: next time */
    memcpy(state + layout->profile_function, &function, sizeof(function));
    memcpy(tracing, &tracing_on, layout->tracing_bytes); /* little-endian, or of int's size */
}

/* Did PyEval_SetProfile write where the layout says? Learns tracing_on. */
static bool layout_is_right(const char *state, const char *tracing, bool before)
{
    if (!tracing)
        return false;
    tracing_on = 0;
    memcpy(&tracing_on, tracing, layout->tracing_bytes);
    return before ? !tracing_on
                  : tracing_on && is_hooked(state) &&
                        !gt_agent_field(state, layout->profile_object);
}

void gt_agent_profile_thread(struct gt_agent_thread *self)
{
    char *state;
    void *theirs;

    if (self->profile_state != UNHOOKED && ++self->profile_uses % LOOK_EVERY)
        return;
    state = gt_agent_api.PyGILState_GetThisThreadState();
    if (!state || is_hooked(state))
        return;
    theirs = gt_agent_field(state, layout->profile_function);
    if (!theirs) {
        hook(state);
        self->profile_state = HOOKED;
    } else if (self->profile_state != TAKEN) {
        gt_agent_message(self, "the target has set a profile hook of its own (sys.setprofile): "
                               "functions of that thread are not traced meanwhile");
        self->profile_state = TAKEN;
    }
}

int gt_agent_profile_start(struct gt_agent_thread *self)
{
    char *state = gt_agent_api.PyGILState_GetThisThreadState();
    bool right;

    for (unsigned i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++)
        if (layouts[i].version == gt_agent_api.version)
            layout = &layouts[i];
    if (!layout || !state)
        return -1;
    if (gt_agent_field(state, layout->profile_function)) {
        gt_agent_message(self,
                         "the target has set a profile hook of its own before tracing could "
                         "begin: its functions are not traced");
        return -1;
    }
    right = layout_is_right(state, tracing_of(state), true);
    gt_agent_api.PyEval_SetProfile(on_profile, NULL);
    if (!right || !layout_is_right(state, tracing_of(state), false)) {
        gt_agent_message(self, "this interpreter's thread state is laid out in an unknown way: "
                               "functions are traced in the main thread only");
        return 0;
    }
    self->profile_state = HOOKED;
    gt_agent_profiling = true;
    return 0;
}
