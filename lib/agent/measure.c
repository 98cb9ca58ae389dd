#include "agent/measure.h"

#include "agent/log.h"
#include "agent/python.h"
#include "agent/trace.h"
#include "agent/usage.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    EVENTS = 256,
    EVENT_RUNS = 9,
    EVENT_BYTES = EVENTS * sizeof(struct gt_wire_record),
    SCRATCH_BYTES = 4 * EVENT_BYTES, /* never full, whatever an event puts in */
    /* Few calls in a run, so that most runs find the log's pages there, as later ones do. */
    CALLS = 64,
    OWN_CALLS = 2, /* of what makes these calls */
    CALL_RUNS = 24,
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

/* A thread whose log is memory of nobody's. */
static struct gt_agent_thread scratch;

static uint64_t copied_ps;

/* As programs do it: give the GIL up, make a system call, take it back. NULL: only the system
 * calls. */
static uint64_t pairs_ns(gt_agent_use *use)
{
    struct gt_agent_stream *to = &scratch.streams[GT_WIRE_STREAM_GIL];
    pthread_cond_t cond[2] = {PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER};
    uint64_t start_ns;

    to->next = to->slot;
    scratch.usage_ticks = 0; /* one reading is due, as it is every so often */
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

/* The lower quartile of some runs: the dearer ones were disturbed. */
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
    return runs_ns[EVENT_RUNS / 4];
}

/* Per event, or per call: each has 16 bytes in a slot, which is copied to a file when it is
 * full. */
static uint64_t copy_ps(const void *slot)
{
    int fd = open(gt_agent.dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    uint64_t ns = 0, start_ns;

    if (fd < 0)
        return 0;
    for (int i = 0; i < 2; i++) { /* the first one is for practice */
        start_ns = gt_agent_monotonic_ns();
        if (pwrite(fd, slot, SCRATCH_BYTES, (off_t)i * SCRATCH_BYTES) != SCRATCH_BYTES)
            start_ns = UINT64_MAX;
        ns = gt_agent_monotonic_ns();
        ns = ns > start_ns ? ns - start_ns : 0;
    }
    close(fd);
    return ns * PS_PER_NS / (SCRATCH_BYTES / sizeof(struct gt_wire_record));
}

void gt_agent_measure_event(gt_agent_use *use)
{
    struct gt_agent_stream *to = &scratch.streams[GT_WIRE_STREAM_GIL];
    struct gt_agent_thread *self = gt_agent_self;
    bool due = gt_agent_start_due;
    int error = errno;
    void *memory =
        mmap(NULL, SCRATCH_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint64_t with_ns, without_ns;

    if (memory != MAP_FAILED) {
        to->slot = memory;
        to->end = to->slot + SCRATCH_BYTES;
        scratch.signals = UINT32_MAX / 2; /* it has looked for its name for long */
        gt_agent_start_due = false;
        gt_agent_self = &scratch;
        with_ns = typical_ns(use);
        without_ns = typical_ns(NULL);
        gt_agent_self = self;
        gt_agent_start_due = due;
        copied_ps = copy_ps(memory);
        munmap(memory, SCRATCH_BYTES);
        note_cost(GT_WIRE_COST_EVENT,
                  with_ns > without_ns ? (with_ns - without_ns) * PS_PER_NS / EVENTS + copied_ps
                                       : 0);
    }
    errno = error;
}

/* --- a call --- */

static const char source[] =
    "(lambda call: lambda items: [call(item) for item in items])(lambda item: item)";

bool gt_agent_measuring;

static PyObject *loop, *items; /* NULL: nothing is measured */
static uint64_t untraced_ns;

static void forget(void)
{
    if (loop)
        gt_agent_api.Py_DecRef(loop);
    if (items)
        gt_agent_api.Py_DecRef(items);
    loop = items = NULL;
}

static void prepare(void)
{
    const struct gt_agent_api *api = &gt_agent_api;
    PyObject *builtins = api->PyImport_ImportModule("builtins");
    PyObject *code = builtins ? api->PyObject_CallMethod(builtins, "compile", "sss", source,
                                                         GT_WIRE_OWN_FILE, "eval")
                              : NULL;

    loop = code ? api->PyObject_CallMethod(builtins, "eval", "O{}", code) : NULL;
    items = loop ? api->PyObject_CallMethod(builtins, "range", "i", (int)CALLS) : NULL;
    if (code)
        api->Py_DecRef(code);
    if (builtins)
        api->Py_DecRef(builtins);
    api->PyErr_Clear();
    if (!items)
        forget();
}

/* The shortest of some runs: the others were disturbed. False: an exception came. */
static bool run(uint64_t *shortest_ns)
{
    const struct gt_agent_api *api = &gt_agent_api;

    *shortest_ns = UINT64_MAX;
    for (int i = 0; i < CALL_RUNS; i++) {
        uint64_t start_ns = gt_agent_monotonic_ns(), ns;
        PyObject *result = api->PyObject_CallMethod(loop, "__call__", "O", items);

        ns = gt_agent_monotonic_ns() - start_ns;
        if (!result)
            return false;
        api->Py_DecRef(result);
        *shortest_ns = ns < *shortest_ns ? ns : *shortest_ns;
    }
    return true;
}

bool gt_agent_measure_before(void)
{
    bool done;

    prepare();
    done = !loop || run(&untraced_ns);
    if (!done)
        forget();
    gt_agent_measuring = done;
    return done;
}

bool gt_agent_measure_after(void)
{
    uint64_t traced_ns = 0;
    bool done = !loop || run(&traced_ns);

    gt_agent_measuring = false;
    forget();
    if (done && traced_ns > untraced_ns)
        note_cost(GT_WIRE_COST_CALL,
                  (traced_ns - untraced_ns) * PS_PER_NS / (CALLS + OWN_CALLS) + copied_ps);
    return done;
}
