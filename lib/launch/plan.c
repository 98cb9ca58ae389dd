/* SPDX-License-Identifier: MIT */
#include "launch/plan.h"

#include "launch/buffer.h"
#include "launch/counters.h"
#include "launch/owner.h"

#include <stdio.h>
#include <string.h>
#include <sys/param.h>

static const char *const source_names[] = {
    [GT_GIL_AUTO] = "auto",           [GT_GIL_NONE] = NULL,     [GT_GIL_UPROBES] = "uprobes",
    [GT_GIL_FUNCTIONS] = "functions", [GT_GIL_FUTEX] = "futex", [GT_GIL_AGENT] = "agent",
};

enum {
    /* Four times what comes between two of the 20 flushes in a second at 99 samples, and no
     * more than an ordinary user may lock beside another perf (buffer.c). */
    NATIVE_BUFFER_BYTES = 128 * 1024,
};

enum { SOURCE_COUNT = sizeof(source_names) / sizeof(source_names[0]) };
_Static_assert(SOURCE_COUNT == GT_GIL_AGENT + 1, "each source has a name here");

const char *gt_gil_source_name(enum gt_gil_source source)
{
    return source_names[source];
}

int gt_gil_source_parse(const char *name, enum gt_gil_source *source, struct gt_error *err)
{
    for (int i = 0; i < SOURCE_COUNT; i++)
        if (source_names[i] && strcmp(source_names[i], name) == 0) {
            *source = (enum gt_gil_source)i;
            return 0;
        }
    return gt_error_set(
        err, GT_ERR_USAGE,
        "no GIL source is called %s (there are auto, uprobes, functions, futex, agent)", name);
}

void gt_plan_init(struct gt_plan *plan)
{
    memset(plan, 0, sizeof(*plan));
    gt_probe_set_init(&plan->probes);
    gt_strvec_init(&plan->events);
    gt_strvec_init(&plan->probe_events);
    gt_strvec_init(&plan->native_events);
    gt_strvec_init(&plan->counters);
    gt_strvec_init(&plan->env);
    gt_strvec_init(&plan->target);
    gt_strvec_init(&plan->notes);
}

void gt_plan_release(struct gt_plan *plan)
{
    gt_probe_set_release(&plan->probes);
    gt_strvec_release(&plan->events);
    gt_strvec_release(&plan->probe_events);
    gt_strvec_release(&plan->native_events);
    gt_strvec_release(&plan->counters);
    gt_strvec_release(&plan->env);
    gt_strvec_release(&plan->target);
    gt_strvec_release(&plan->notes);
    gt_plan_init(plan);
}

static int use_installed(struct gt_plan *plan, const struct gt_caps *caps, struct gt_error *err)
{
    const char *name = caps->installed.data;

    plan->gil_source = GT_GIL_FUNCTIONS;
    plan->installed_probes = true;
    while (*name) {
        size_t length = strcspn(name, "\n");

        if (gt_strvec_pushf(&plan->events, "%.*s", (int)length, name))
            return gt_error_memory(err);
        name += length + (name[length] == '\n');
    }
    return gt_strvec_push(&plan->notes, "using the probes python:take_gil and python:drop_gil "
                                        "that are installed already")
               ? gt_error_memory(err)
               : 0;
}

/*
 * Unless probes alone were asked for, the agent sees the same calls: the two are compared, and
 * the agent serves alone from where probes cost too much. What probes were recorded until then
 * stays only in a recording of their own.
 */
static void add_second_source(struct gt_plan *plan, const struct gt_plan_request *request)
{
    if (request->gil_source != GT_GIL_AUTO || !request->agent_possible || request->delayed ||
        request->attach_pid)
        return; /* where one begins later than the other, they cannot be compared */
    plan->agent = true;
    plan->two_sources = true;
}

static int use_shared(struct gt_plan *plan, const struct gt_plan_request *request,
                      struct gt_error *err)
{
    plan->gil_source = GT_GIL_UPROBES;
    plan->installed_probes = true;
    add_second_source(plan, request);
    return gt_strvec_push(plan->two_sources ? &plan->probe_events : &plan->events,
                          GT_SHARED_GROUP ":*")
               ? gt_error_memory(err)
               : 0;
}

/*
 * Waits for locks, where no agent tells of them: but for sem_init, nothing but contention comes
 * to these probes (probe_sites.h). With a libc that is not understood the GIL is seen alone.
 */
static int plan_locks(struct gt_plan *plan, const struct gt_interp *interp,
                      struct gt_error *err)
{
    size_t count = plan->probes.count;
    int rc = plan->agent ? 0 : gt_probes_plan_locks(&plan->probes, interp, NULL);

    if (rc == 0 || rc == GT_ERR_MEMORY)
        return rc == 0 ? 0 : gt_error_memory(err);
    gt_probes_cut(&plan->probes, count);
    return 0;
}

static int push_event(struct gt_plan *plan, const char *event, struct gt_error *err)
{
    return gt_strvec_push(&plan->events, event) ? gt_error_memory(err) : 0;
}

static int push_futex_events(struct gt_plan *plan, struct gt_error *err)
{
    int rc = push_event(plan, "syscalls:sys_enter_futex", err);

    return rc < 0 ? rc : push_event(plan, "syscalls:sys_exit_futex", err);
}

/* Deadlines, where the source itself does not tell them. Without them the switch interval is
 * not known. */
static void plan_deadlines(struct gt_plan *plan, const struct gt_interp *interp)
{
    gt_probes_plan_wait(&plan->probes, interp->libc, NULL);
}

/*
 * With probes in libc that only contention reaches. The tracepoints of the futex system call
 * tell the same, but once they are enabled every system call takes the kernel's slow path (37
 * ns each, which slows a loop that does little else by 10%). They are used where no probes can
 * be installed, and with a libc that is not understood.
 */
static int use_futex(struct gt_plan *plan, const struct gt_caps *caps,
                     const struct gt_interp *interp, bool installable, struct gt_error *err)
{
    int rc;

    if (caps->trace_why[0])
        return gt_error_set(err, GT_ERR_PERMISSION, "cannot see the GIL: %s", caps->trace_why);
    plan->gil_source = GT_GIL_FUTEX;
    plan->futex = true;
    if (installable) {
        rc = gt_probes_plan_contended(&plan->probes, interp->libc, err);
        if (rc != GT_ERR_NOT_FOUND && rc != GT_ERR_UNSUPPORTED)
            return rc;
        gt_probes_forget(&plan->probes);
        plan_deadlines(plan, interp);
    }
    return push_futex_events(plan, err);
}

/* Does perf see the GIL? Then it also records what holders did after the GIL was requested. */
static bool judges_holders(const struct gt_plan *plan)
{
    return plan->gil_source != GT_GIL_NONE && plan->gil_source != GT_GIL_AGENT;
}

/*
 * Thread states. Without GIL probes, futex calls tell which sleeps are for the GIL: they cost
 * nothing without contention, and unlike stacks they cannot fail to unwind. With --call-graph
 * sched_switch carries stacks, 2 KiB of each: enough to see who called the wait (PERF.md).
 */
static int choose_states(struct gt_plan *plan, const struct gt_plan_request *request,
                         const struct gt_caps *caps, struct gt_error *err)
{
    /* Lives are in perf's own records. Each tracepoint takes 40 ms where perf ends: the kernel
     * waits until no CPU is in it. */
    static const char *const events[] = {"sched:sched_wakeup", "sched:sched_wakeup_new"};
    int rc;

    if (!request->state_detect && !judges_holders(plan))
        return 0;
    plan->states = true;
    plan->show_states = request->state_detect;
    if (caps->trace_why[0] && !plan->show_states)
        return 0;
    if (caps->trace_why[0])
        return gt_strvec_pushf(&plan->notes,
                               "states come from switch records alone (running, preempted, off "
                               "the CPU): %s",
                               caps->trace_why)
                   ? gt_error_memory(err)
                   : 0;
    plan->stacks = request->call_graph && request->state_detect;
    if (!request->gil_detect && !plan->stacks) {
        plan->futex = true;
        rc = push_futex_events(plan, err);
        if (rc < 0)
            return rc;
    }
    rc = push_event(plan,
                    plan->stacks ? "sched:sched_switch/call-graph=dwarf,stack-size=2048/"
                                 : "sched:sched_switch",
                    err);
    for (size_t i = 0; rc == 0 && i < sizeof(events) / sizeof(events[0]); i++)
        rc = push_event(plan, events[i], err);
    return rc;
}

/* Does the plan record it already, for a purpose of its own? */
static bool is_planned(const struct gt_plan *plan, const char *event)
{
    size_t length = strlen(event);

    for (size_t i = 0; i < plan->events.count; i++) {
        const char *planned = plan->events.items[i];

        if (strncmp(planned, event, length) == 0 &&
            (!planned[length] || planned[length] == '/'))
            return true;
    }
    return false;
}

static int add_counter(struct gt_plan *plan, const char *event,
                       const struct gt_plan_request *request)
{
    struct gt_buf text;
    int failed;

    gt_buf_init(&text);
    failed = gt_counter_shown(event, &text) || gt_strvec_push(&plan->counters, text.data);
    gt_buf_reset(&text);
    if (!failed && !is_planned(plan, event))
        failed = gt_counter_spec(event, request->frequency, request->call_graph, &text) ||
                 gt_strvec_push(&plan->events, text.data);
    gt_buf_release(&text);
    plan->not_inlined |= request->call_graph && !gt_counter_is_tracepoint(event);
    return failed ? -1 : 0;
}

static int use_agent(struct gt_plan *plan)
{
    plan->gil_source = GT_GIL_AGENT;
    plan->agent = true;
    return 0;
}

static const char *why_not(const struct gt_caps *caps)
{
    return caps->record_why[0]  ? caps->record_why
           : caps->trace_why[0] ? caps->trace_why
                                : caps->install_why;
}

/* A build without a GIL calls take_gil, too: it returns at once, as if it had taken one. */
static int refuse_functions(struct gt_error *err)
{
    return gt_error_set(err, GT_ERR_UNSUPPORTED,
                        "cannot see the GIL by --gil-source functions: this Python is a "
                        "free-threaded build, which calls take_gil without a GIL, too; "
                        "auto, uprobes and agent can");
}

static int choose_source(struct gt_plan *plan, const struct gt_plan_request *request,
                         const struct gt_caps *caps, const struct gt_interp *interp,
                         struct gt_error *err)
{
    bool installable = !caps->record_why[0] && !caps->install_why[0] && !caps->trace_why[0];
    int rc;

    if (!request->gil_detect)
        return 0;
    if (request->gil_source == GT_GIL_FUTEX)
        return use_futex(plan, caps, interp, installable, err);
    if (request->gil_source == GT_GIL_AGENT)
        return use_agent(plan);
    if (request->gil_source == GT_GIL_FUNCTIONS && !interp->gil_enabled)
        return refuse_functions(err);
    if (!installable && !caps->trace_why[0]) {
        if (request->gil_source != GT_GIL_FUNCTIONS && caps->shared_probes)
            return use_shared(plan, request, err);
        if (request->gil_source != GT_GIL_UPROBES && caps->installed_probes &&
            interp->gil_enabled)
            return use_installed(plan, caps, err);
    }
    if (!installable && request->gil_source == GT_GIL_AUTO &&
        (!request->attach_pid || request->agent_possible)) {
        if (gt_strvec_pushf(&plan->notes, "the GIL is seen by an agent inside the program: %s",
                            why_not(caps)))
            return gt_error_memory(err);
        return use_agent(plan);
    }
    if (!installable)
        return gt_error_set(err, GT_ERR_PERMISSION, "cannot see the GIL%s: %s%s",
                            request->attach_pid ? " of a process that runs already" : "",
                            why_not(caps),
                            request->attach_pid || !request->agent_possible
                                ? ""
                                : "; --gil-source agent needs no privilege");
    if (request->gil_source == GT_GIL_FUNCTIONS) {
        rc = gt_probes_plan_functions(&plan->probes, interp, err);
        plan->gil_source = GT_GIL_FUNCTIONS;
        if (rc == 0)
            plan_deadlines(plan, interp);
        return rc;
    }
    plan->gil_source = GT_GIL_UPROBES;
    add_second_source(plan, request);
    rc = gt_probes_plan_libc(&plan->probes, interp->libc, err);
    return rc < 0 ? rc : plan_locks(plan, interp, err);
}

/*
 * When the kernel switches between two tasks that inherited the same events, it swaps their
 * events instead of scheduling them. A uprobe's event still names the task that it was made
 * for: when the other one ends, the breakpoints are removed from the wrong process, and its
 * hits are lost from then on without any message (6.18; seen in most programs that fork). One
 * event with PERF_SAMPLE_READ (perf's modifier S) makes the kernel keep each task's own events.
 */
static const char keep_events_apart[] = "dummy:uS";

static int choose_events(struct gt_plan *plan, const struct gt_caps *caps, struct gt_error *err)
{
    struct gt_strvec *events = plan->two_sources ? &plan->probe_events : &plan->events;
    int failed = 0;

    /* All events of the group, since perf may have numbered their names. */
    if (plan->probes.count)
        failed = gt_strvec_pushf(events, "%s:*", plan->probes.group);
    if ((plan->probes.count || plan->installed_probes) && caps->sample_read)
        failed |= gt_strvec_push(events, keep_events_apart);
    /* Without probes, the lives of threads are still recorded; perf needs an event for that. */
    if (!plan->events.count && (!plan->agent || plan->states || plan->two_sources))
        failed |= gt_strvec_push(&plan->events, "dummy:u");
    return failed ? gt_error_memory(err) : 0;
}

/*
 * Samples of the stacks of whoever runs, by a clock and in user mode: an ordinary user may have
 * them. They have a perf of their own, which can fail, or end, and take nothing else with it.
 * The stack's innermost part is enough: what matters is inside the call that Python made. Of
 * several frequencies one is enabled at a time (recorders.h).
 */
static int choose_native(struct gt_plan *plan, const struct gt_plan_request *request,
                         const struct gt_caps *caps, struct gt_error *err)
{
    /* Before perf 5.12 nobody can tell it which of its events to record. */
    bool by_name = caps->perf_major > 5 || (caps->perf_major == 5 && caps->perf_minor >= 12);
    unsigned hz = request->native_frequency;

    if (!hz || plan->gil_source == GT_GIL_NONE || caps->record_why[0])
        return 0;
    plan->native_asked = request->native_asked;
    for (int i = 0; i < (by_name ? GT_NATIVE_STEPS : 1) && hz; i++, hz /= 4) {
        plan->native_hz[i] = hz;
        if (gt_strvec_pushf(&plan->native_events,
                            "cpu-clock/call-graph=dwarf,stack-size=%d,freq=%u,name=native-%u/u",
                            GT_NATIVE_STACK_BYTES, hz, hz))
            return gt_error_memory(err);
    }
    return 0;
}

/* Is each use of the GIL recorded, or the stack of each sleep, or event? */
static bool is_heavy(const struct gt_plan *plan, bool probes)
{
    bool by_probes = plan->gil_source == GT_GIL_UPROBES || plan->gil_source == GT_GIL_FUNCTIONS;

    return probes || plan->stacks || plan->counter_stacks || (by_probes && !plan->two_sources);
}

static int choose_buffers(struct gt_plan *plan, const struct gt_plan_request *request,
                          const struct gt_caps *caps, struct gt_error *err)
{
    struct gt_buffer_request wanted = {.bytes = request->buffer_bytes,
                                       .heavy = is_heavy(plan, false),
                                       .recorders = plan->probe_events.count ? 2 : 1};
    int rc = gt_buffer_choose(&wanted, caps, &plan->buffer_bytes, err);

    wanted.heavy = is_heavy(plan, true);
    if (rc == 0)
        rc = gt_buffer_choose(&wanted, caps, &plan->probe_buffer_bytes, err);
    plan->buffer_most = gt_buffer_most(caps, wanted.recorders);
    return rc;
}

static int note_interpreter(struct gt_plan *plan, const struct gt_interp *interp,
                            struct gt_error *err)
{
    if (interp->gil_enabled || plan->gil_source == GT_GIL_NONE)
        return 0;
    return gt_strvec_push(&plan->notes,
                          "this Python is a free-threaded build: the report tells how parallel "
                          "its threads ran, and of a GIL should an import switch one on")
               ? gt_error_memory(err)
               : 0;
}

/* Without perf, the agent records the GIL and functions, but nothing else. */
static bool needs_perf(const struct gt_plan_request *request)
{
    if (request->state_detect || (request->counters && request->counters[0]))
        return true;
    return request->gil_detect && request->gil_source != GT_GIL_AUTO &&
           request->gil_source != GT_GIL_AGENT;
}

int gt_plan_make(struct gt_plan *plan, const struct gt_plan_request *request,
                 const struct gt_caps *caps, const struct gt_interp *interp,
                 struct gt_error *err)
{
    int rc;

    plan->gil_source = GT_GIL_NONE;
    plan->probes.inside_pid = interp->inside_pid;
    plan->agent = request->agent;
    plan->late = request->attach_pid != 0;
    if (caps->record_why[0] && needs_perf(request))
        return gt_error_set(err, GT_ERR_UNSUPPORTED, "%s", caps->record_why);
    if (gt_strvec_push_all(&plan->target, request->target))
        return gt_error_memory(err);
    rc = gt_owner_self(plan->probes.group, sizeof(plan->probes.group), err);
    if (rc == 0)
        rc = choose_source(plan, request, caps, interp, err);
    if (rc == 0)
        gt_probed_find(&plan->probed, &plan->probes, interp);
    if (rc == 0)
        rc = choose_states(plan, request, caps, err);
    plan->probed.any_glibc = plan->futex && !plan->probes.count;
    for (size_t i = 0; rc == 0 && request->counters && request->counters[i]; i++)
        if (add_counter(plan, request->counters[i], request))
            rc = gt_error_memory(err);
    plan->counter_stacks = request->call_graph && plan->counters.count > 0;
    if (rc == 0)
        rc = choose_events(plan, caps, err);
    if (rc == 0)
        rc = choose_native(plan, request, caps, err);
    if (rc == 0)
        rc = note_interpreter(plan, interp, err);
    return rc < 0 ? rc : choose_buffers(plan, request, caps, err);
}

uint64_t gt_plan_buffer_bytes(const struct gt_plan *plan, const struct gt_caps *caps)
{
    uint64_t rest = plan->buffer_bytes ? plan->buffer_bytes : gt_buffer_of_perf(caps);
    uint64_t probes = plan->probe_events.count ? plan->probe_buffer_bytes : 0;

    return plan->events.count ? MAX(rest, probes) : 0;
}

bool gt_plan_rest_is_wanted(const struct gt_plan *plan)
{
    return plan->show_states || plan->counters.count > 0;
}

const struct gt_strvec *gt_plan_events_of(const struct gt_plan *plan,
                                          enum gt_recorded_part part)
{
    switch (part) {
    case GT_RECORDED_PROBES:
        return &plan->probe_events;
    case GT_RECORDED_NATIVE:
        return &plan->native_events;
    default:
        return &plan->events;
    }
}

int gt_plan_record_command(const struct gt_plan *plan, const struct gt_caps *caps,
                           enum gt_recorded_part part, int pid, int control, int ack,
                           struct gt_strvec *argv)
{
    const struct gt_strvec *events = gt_plan_events_of(plan, part);
    bool rest = part == GT_RECORDED_REST;
    uint64_t buffer = part == GT_RECORDED_PROBES   ? plan->probe_buffer_bytes
                      : part == GT_RECORDED_NATIVE ? NATIVE_BUFFER_BYTES
                                                   : plan->buffer_bytes;
    /* -N and -B: no copies of binaries, no second pass over the data; nothing here needs
     * build ids. */
    char *const fixed[] = {
        "record", "-N", "-B", "--no-bpf-event", "-k", "CLOCK_MONOTONIC", "-c", "1",
        "-D",     "-1", NULL};
    int failed = gt_strvec_push(argv, caps->perf) | gt_strvec_push_all(argv, fixed) |
                 gt_strvec_push(argv, "--control") |
                 gt_strvec_pushf(argv, "fd:%d,%d", control, ack);

    if (buffer)
        failed |= gt_strvec_push(argv, "-m") |
                  gt_strvec_pushf(argv, "%lluK", (unsigned long long)buffer / 1024);
    if (plan->states && rest)
        failed |= gt_strvec_push(argv, "--switch-events");
    /* For all events: otherwise perf script 5.10 fails because some lack it. */
    failed |= gt_strvec_push(argv, "--sample-cpu");
    if (plan->counters.count && rest)
        failed |= gt_strvec_push(argv, "-P");
    /* -d records where data is mapped, too: perf's unwinder looks for the lowest mapping of a
     * library, which is not the executable one. */
    if (((plan->stacks || plan->counter_stacks) && rest) || part == GT_RECORDED_NATIVE)
        failed |= gt_strvec_push(argv, "-d");
    for (size_t i = 0; i < events->count; i++)
        failed |= gt_strvec_push(argv, "-e") | gt_strvec_push(argv, events->items[i]);
    /* In the form that it has for pipes: what perf has written can be read, whatever ends it.
     */
    failed |= gt_strvec_push(argv, "-o") | gt_strvec_push(argv, "-") |
              gt_strvec_push(argv, "-p") | gt_strvec_pushf(argv, "%d", pid);
    return failed ? -1 : 0;
}

static int print_words(struct gt_buf *text, const char *label, char *const *words)
{
    int failed = gt_buf_adds(text, label);

    for (; words && *words; words++)
        failed |= gt_buf_addf(text, " %s", *words);
    return failed | gt_buf_adds(text, "\n");
}

static int print_buffers(const struct gt_plan *plan, const struct gt_caps *caps,
                         struct gt_buf *text)
{
    uint64_t rest = plan->buffer_bytes ? plan->buffer_bytes : gt_buffer_of_perf(caps);
    char size[32];
    int failed;

    if (!plan->events.count)
        return 0;
    failed =
        gt_buf_addf(text, "buffer:      %s per CPU%s", gt_buffer_text(rest, size, sizeof(size)),
                    plan->buffer_bytes ? "" : " (perf's own choice)");
    if (plan->probe_events.count && plan->probe_buffer_bytes)
        failed |= gt_buf_addf(text, ", %s for probes",
                              gt_buffer_text(plan->probe_buffer_bytes, size, sizeof(size)));
    return failed | gt_buf_adds(text, "\n");
}

int gt_plan_print(const struct gt_plan *plan, const struct gt_caps *caps,
                  const struct gt_interp *interp, struct gt_buf *text)
{
    const char *source = gt_gil_source_name(plan->gil_source);
    int failed = print_words(text, "target:     ", plan->target.items);

    if (interp->executable)
        failed |=
            gt_buf_addf(text, "interpreter: %s (%s %d.%d.%d)\n", interp->executable,
                        interp->implementation, interp->major, interp->minor, interp->micro);
    if (interp->libpython)
        failed |= gt_buf_addf(text, "libpython:   %s\n", interp->libpython);
    failed |= gt_buf_addf(text, "libc:        %s\n", interp->libc) |
              gt_buf_addf(text, "perf:        %s (%s)\n", caps->perf ? caps->perf : "none",
                          caps->perf_version) |
              gt_buf_addf(text, "GIL source:  %s%s\n", source ? source : "none",
                          plan->two_sources ? " and agent" : "") |
              print_buffers(plan, caps, text);
    for (size_t i = 0; i < plan->probes.count; i++) {
        const struct gt_probe *probe = &plan->probes.probes[i];

        failed |=
            gt_buf_addf(text, "probe:       %s:%s in %s at 0x%llx%s\n", plan->probes.group,
                        probe->event, probe->path, (unsigned long long)probe->offset,
                        probe->on_return ? " on return" : "");
    }
    failed |= print_words(text, "events:     ", plan->events.items);
    if (plan->probe_events.count)
        failed |= print_words(text, "apart:      ", plan->probe_events.items);
    if (plan->native_events.count)
        failed |= print_words(text, "native:     ", plan->native_events.items);
    if (plan->agent)
        failed |=
            gt_buf_addf(text, "agent:       %s\n", plan->late ? "loaded late" : "preloaded");
    if (plan->states)
        failed |= gt_buf_addf(text, "states:      switch records%s\n",
                              plan->stacks ? ", stacks of sleeps" : "");
    return failed ? -1 : 0;
}
