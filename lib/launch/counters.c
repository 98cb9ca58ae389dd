/* SPDX-License-Identifier: MIT */
#include "launch/counters.h"

#include "launch/tools.h"

#include <stdio.h>
#include <string.h>

/* What may follow the colon of an event that is not a tracepoint. */
static const char modifiers[] = "ukhHGpPSDIeWb";

/* Is it an event that the kernel itself raises one by one? Clocks are not. */
static bool is_software(const char *event)
{
    static const char *const names[] = {
        "page-faults",      "faults",           "minor-faults",
        "major-faults",     "context-switches", "cs",
        "cpu-migrations",   "migrations",       "alignment-faults",
        "emulation-faults", "cgroup-switches"};
    size_t length = strcspn(event, "/:");

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strlen(names[i]) == length && memcmp(names[i], event, length) == 0)
            return true;
    return false;
}

bool gt_counter_is_tracepoint(const char *event)
{
    const char *colon = strchr(event, ':');

    return !strchr(event, '/') && colon && strspn(colon + 1, modifiers) != strlen(colon + 1);
}

/* "cycles:u" → "cycles/TERMS/u", "cpu/event=0x3c/u" → "cpu/event=0x3c,TERMS/u". */
static int add_terms(const char *event, const char *terms, struct gt_buf *spec)
{
    const char *slash = strchr(event, '/'), *last = strrchr(event, '/');
    const char *colon = strrchr(event, ':'); /* of modifiers */

    if (gt_counter_is_tracepoint(event) && colon == strchr(event, ':'))
        colon = NULL;
    if (!terms[0] || (slash && slash == last))
        return gt_buf_adds(spec, event);
    if (slash)
        return gt_buf_add(spec, event, (size_t)(last - event)) ||
                       gt_buf_addf(spec, "%s%s%s", last == slash + 1 ? "" : ",", terms, last)
                   ? -1
                   : 0;
    return gt_buf_add(spec, event, colon ? (size_t)(colon - event) : strlen(event)) ||
                   gt_buf_addf(spec, "/%s/%s", terms, colon ? colon + 1 : "")
               ? -1
               : 0;
}

int gt_counter_spec(const char *event, unsigned frequency, bool stacks, struct gt_buf *spec)
{
    bool each = is_software(event) || gt_counter_is_tracepoint(event);
    bool sampled = !each && !strstr(event, "freq=") && !strstr(event, "period=");
    char terms[96] = "";
    size_t length = 0;

    if (sampled)
        length = (size_t)snprintf(terms, sizeof(terms), "freq=%u", frequency);
    if (stacks && !strstr(event, "call-graph="))
        snprintf(terms + length, sizeof(terms) - length, "%scall-graph=dwarf,stack-size=%d",
                 length ? "," : "",
                 each ? GT_COUNTER_STACK_BYTES : GT_COUNTER_SAMPLE_STACK_BYTES);
    return add_terms(event, terms, spec);
}

int gt_counter_shown(const char *event, struct gt_buf *name)
{
    const char *slash = strchr(event, '/');
    const char *given = slash ? strstr(slash, "name=") : NULL;
    const char *colon = strrchr(event, ':');

    if (given)
        return gt_buf_add(name, given + 5, strcspn(given + 5, ",/"));
    if (!slash && colon != strchr(event, ':') &&
        strspn(colon + 1, modifiers) == strlen(colon + 1))
        return gt_buf_add(name, event, (size_t)(colon - event));
    return gt_buf_adds(name, event);
}

/* perf stat tells whether the machine has it: perf record takes another clock for cycles. */
static int check_support(const struct gt_caps *caps, uv_loop_t *loop, const char *event,
                         struct gt_error *err)
{
    char *argv[] = {caps->perf, "stat", "-x,", "-e", (char *)event, "--", "true", NULL};
    struct gt_child child;
    int rc = gt_perf_run(&child, loop, argv, err);

    if (rc < 0)
        return rc;
    /* perf stat prints its figures on stderr. */
    if (!gt_child_succeeded(&child) || strstr(child.err_text.data, "event syntax error"))
        rc = gt_error_set(err, GT_ERR_NOT_FOUND,
                          "perf cannot count the event %s (perf list shows those it knows)",
                          event);
    else if (strstr(child.err_text.data, "<not supported>"))
        rc = gt_error_set(err, GT_ERR_UNSUPPORTED,
                          "this machine cannot count the event %s (virtual machines often lack "
                          "hardware counters)",
                          event);
    gt_child_release(&child);
    return rc;
}

/* Not all that can be counted can be sampled. */
static int check_sampling(const struct gt_caps *caps, uv_loop_t *loop, const char *event,
                          const char *spec, struct gt_error *err)
{
    /* -N and -B: perf would begin a cache in the user's home. */
    char *argv[] = {caps->perf, "record",    "-q", "-N",         "-B", "-c",   "1",
                    "-o",       "/dev/null", "-e", (char *)spec, "--", "true", NULL};
    struct gt_child child;
    int rc = gt_perf_run(&child, loop, argv, err);

    if (rc < 0)
        return rc;
    if (!gt_child_succeeded(&child))
        rc = gt_error_set(err, GT_ERR_UNSUPPORTED,
                          "perf cannot sample the event %s, only count it for a whole program",
                          event);
    gt_child_release(&child);
    return rc;
}

static int check(const struct gt_caps *caps, uv_loop_t *loop, const char *event,
                 unsigned frequency, bool stacks, struct gt_error *err)
{
    bool terms = strchr(event, '/') != NULL;
    struct gt_buf spec;
    int rc;

    if (caps->record_why[0])
        return gt_error_set(err, GT_ERR_UNSUPPORTED, "%s", caps->record_why);
    /* Several events in one -e would be recorded without their frequencies. */
    if (event[0] == '-' || !event[0] || (!terms && strpbrk(event, ",*?[{")))
        return gt_error_set(err, GT_ERR_USAGE, "%s is not one event: give each its own -e",
                            event[0] ? event : "(an empty name)");
    gt_buf_init(&spec);
    rc = gt_counter_spec(event, frequency, stacks, &spec)
             ? gt_error_memory(err)
             : check_support(caps, loop, event, err);
    if (rc == 0)
        rc = check_sampling(caps, loop, event, spec.data, err);
    gt_buf_release(&spec);
    return rc;
}

int gt_counters_check(const struct gt_caps *caps, uv_loop_t *loop, char *const *events,
                      unsigned frequency, bool stacks, struct gt_error *err)
{
    int rc = 0;

    for (; rc == 0 && events && *events; events++)
        rc = check(caps, loop, *events, frequency, stacks, err);
    return rc;
}
