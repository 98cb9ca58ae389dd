/* SPDX-License-Identifier: MIT */
#include "agent/measure.h"

#include "agent/python.h"
#include "agent/threads.h"

#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    EVENTS = 256,
    EVENT_RUNS = 9,
    /* As large as a slot. The runs write through all of it, so that each record goes to memory
     * that is in no near cache. It never gets full. */
    SCRATCH_BYTES = GT_WIRE_CHUNK_BYTES,
    /* A run has few calls, so that in most runs the log's pages are there already, as they are
     * later in the program. */
    CALLS = 64,
    OWN_CALLS = 2, /* calls of the functions around the loop */
    CALL_RUNS = 24,
    /* The loop over code is so long that its own calls are a small part of it. */
    CODE_FIRST = 1 << 20, /* beyond the small numbers that CPython keeps */
    CODE_ITEMS = 256,
    CODE_RUNS = 16,
    PS_PER_NS = 1000,
};

static void note_cost(enum gt_wire_cost what, uint64_t ps)
{
    struct gt_wire_note note = {
        .kind = GT_WIRE_NOTE_COST, .id = what, .count = ps, .ticks = gt_agent_ticks()};
    struct gt_agent_thread *self = ps ? gt_agent_enter() : NULL;

    if (!self)
        return;
    gt_agent_note(self, &note, "", 0, "", 0);
    gt_agent_leave(self);
}

/* --- an event --- */

/* A thread whose log is thrown away. */
static struct gt_agent_thread scratch;

/* How long it takes to do as programs do: give the GIL up, make a system call, take the GIL
 * back. NULL: the system calls alone. */
static uint64_t pairs_ns(gt_agent_use *use)
{
    pthread_cond_t cond[2] = {PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER};
    uint64_t start_ns;

    /* One reading of the usage is due, as in a program now and then. */
    scratch.usage.ticks = scratch.asked.quiet_until = 0;
    start_ns = gt_agent_monotonic_ns();
    for (int i = 0; i < EVENTS / 2; i++) {
        if (use)
            use(&cond[0]);
        syscall(SYS_getppid);
        if (use)
            use(&cond[1]);
    }
    return gt_agent_monotonic_ns() - start_ns;
}

/* The third quartile of some runs, not the shortest: a program does more between two events,
 * and so finds less of what they need in its caches. */
static uint64_t typical_ns(gt_agent_use *use)
{
    uint64_t runs_ns[EVENT_RUNS];

    for (int i = 0; i < EVENT_RUNS; i++) {
        uint64_t ns = pairs_ns(use);
        int at = i;

        for (; at > 0 && runs_ns[at - 1] > ns; at--)
            runs_ns[at] = runs_ns[at - 1];
        runs_ns[at] = ns;
    }
    return runs_ns[EVENT_RUNS * 3 / 4];
}

void gt_agent_measure_event(gt_agent_use *use)
{
    struct gt_agent_stream *to = &scratch.log.streams[GT_WIRE_STREAM_GIL];
    struct gt_agent_thread *self = gt_agent_self;
    int error = errno;
    void *memory = mmap(NULL, SCRATCH_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    uint64_t with_ns, without_ns;

    if (memory != MAP_FAILED) {
        to->slot = to->next = memory;
        to->end = to->slot + SCRATCH_BYTES;
        scratch.name.signals = UINT32_MAX; /* it does not look for its name any more */
        gt_agent_self = &scratch;
        with_ns = typical_ns(use);
        without_ns = typical_ns(NULL);
        gt_agent_self = self;
        munmap(memory, SCRATCH_BYTES);
        if (with_ns > without_ns)
            note_cost(GT_WIRE_COST_EVENT, (with_ns - without_ns) * PS_PER_NS / EVENTS);
    }
    errno = error;
}

/* --- a call --- */

/* A loop that calls a function of Python, one that calls none, and one that calls a function of
 * C. Each has a call instruction of its own, since monitoring.c switches these off one by one.
 */
static const char source[] = "((lambda call: lambda items: [call(item) for item in items])"
                             "(lambda item: item),"
                             " lambda items: [item * item % 7 for item in items],"
                             " lambda make: lambda items: [make(item) for item in items])";

enum { PYTHON, CODE, C, KINDS };

bool gt_agent_measuring;

static PyObject *loops[KINDS], *items, *code_items; /* NULL: nothing is measured */
static uint64_t untraced_ns[KINDS];

static void drop(PyObject **object)
{
    if (*object)
        gt_agent_api.Py_DecRef(*object);
    *object = NULL;
}

static void forget(void)
{
    for (int i = 0; i < KINDS; i++)
        drop(&loops[i]);
    drop(&items);
    drop(&code_items);
}

static PyObject *do_nothing(PyObject *self, PyObject *item)
{
    (void)self;
    gt_agent_api.Py_IncRef(item);
    return item;
}

static PyObject *function_of_c(void)
{
    static struct gt_agent_method method = {"do_nothing", (void *)do_nothing, GT_AGENT_O, NULL};
    PyObject *module = gt_agent_api.PyUnicode_FromString(GT_WIRE_OWN_FILE);
    PyObject *function = module ? gt_agent_api.PyCFunction_NewEx(&method, NULL, module) : NULL;

    drop(&module);
    return function;
}

static void prepare(void)
{
    const struct gt_agent_api *api = &gt_agent_api;
    PyObject *builtins = api->PyImport_ImportModule("builtins"), *function = function_of_c();
    PyObject *code = NULL, *pair = NULL;

    if (builtins && function)
        code = api->PyObject_CallMethod(builtins, "compile", "sss", source, GT_WIRE_OWN_FILE,
                                        "eval");
    if (code)
        pair = api->PyObject_CallMethod(builtins, "eval", "O{}", code);
    if (pair && api->PyTuple_Size(pair) == KINDS) {
        for (int i = PYTHON; i <= CODE; i++) {
            loops[i] = api->PyTuple_GetItem(pair, i); /* borrowed */
            api->Py_IncRef(loops[i]);
        }
        loops[C] =
            api->PyObject_CallMethod(api->PyTuple_GetItem(pair, C), "__call__", "O", function);
    }
    if (loops[C])
        items = api->PyObject_CallMethod(builtins, "range", "i", (int)CALLS);
    if (items)
        code_items = api->PyObject_CallMethod(builtins, "range", "ii", (int)CODE_FIRST,
                                              (int)(CODE_FIRST + CODE_ITEMS));
    drop(&pair);
    drop(&code);
    drop(&function);
    drop(&builtins);
    api->PyErr_Clear();
    if (!code_items)
        forget();
}

/* The shortest of some runs, since the others were disturbed. False: an exception was raised.
 */
static bool run(int kind, uint64_t *shortest_ns)
{
    const struct gt_agent_api *api = &gt_agent_api;
    PyObject *argument = kind == CODE ? code_items : items;
    int runs = kind == CODE ? CODE_RUNS : CALL_RUNS;

    *shortest_ns = UINT64_MAX;
    for (int i = 0; i < runs; i++) {
        uint64_t start_ns = gt_agent_monotonic_ns(), ns;
        PyObject *result = api->PyObject_CallMethod(loops[kind], "__call__", "O", argument);

        ns = gt_agent_monotonic_ns() - start_ns;
        if (!result)
            return false;
        api->Py_DecRef(result);
        *shortest_ns = ns < *shortest_ns ? ns : *shortest_ns;
    }
    return true;
}

static bool run_all(uint64_t shortest_ns[KINDS])
{
    for (int i = 0; items && i < KINDS; i++)
        if (!run(i, &shortest_ns[i]))
            return false;
    return true;
}

bool gt_agent_measure_before(void)
{
    bool done;

    prepare();
    done = run_all(untraced_ns);
    if (!done)
        forget();
    gt_agent_measuring = done;
    return done;
}

/* By how much it took longer than untraced. */
static uint64_t more_ns(const uint64_t traced_ns[KINDS], int kind)
{
    return traced_ns[kind] > untraced_ns[kind] ? traced_ns[kind] - untraced_ns[kind] : 0;
}

/* The loop over code makes a few calls as well: what they cost is not the code's. */
static uint64_t code_permille(const uint64_t traced_ns[KINDS])
{
    uint64_t calls_ns = more_ns(traced_ns, PYTHON) * OWN_CALLS / (CALLS + OWN_CALLS);
    uint64_t code_ns = more_ns(traced_ns, CODE);

    return code_ns > calls_ns && untraced_ns[CODE]
               ? (code_ns - calls_ns) * 1000 / untraced_ns[CODE]
               : 0;
}

bool gt_agent_measure_after(void)
{
    uint64_t traced_ns[KINDS] = {0};
    bool done = run_all(traced_ns), measured = items != NULL;

    gt_agent_measuring = false;
    forget();
    if (!done || !measured)
        return done;
    if (more_ns(traced_ns, PYTHON))
        note_cost(GT_WIRE_COST_CALL,
                  more_ns(traced_ns, PYTHON) * PS_PER_NS / (CALLS + OWN_CALLS));
    if (more_ns(traced_ns, C))
        note_cost(GT_WIRE_COST_C_CALL, more_ns(traced_ns, C) * PS_PER_NS / (CALLS + OWN_CALLS));
    if (gt_agent_api.version <
        0x030c) /* sys.monitoring changes only the code that it watches */
        note_cost(GT_WIRE_COST_CODE, code_permille(traced_ns));
    return true;
}
