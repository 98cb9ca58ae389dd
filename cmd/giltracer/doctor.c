/* SPDX-License-Identifier: MIT */
#include "doctor.h"

#include "base/width.h"
#include "common/console.h"
#include "launch/caps.h"
#include "launch/interp.h"
#include "launch/probe_sites.h"
#include "planning.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <uv.h>

enum { VALUES_AT = 22 }; /* the column */

/* Columns of the terminal that standard output is; else so many that no line is broken. */
static size_t width_of_output(void)
{
    struct winsize size;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > VALUES_AT)
        return size.ws_col;
    return SIZE_MAX;
}

static void say_at(size_t column, const char *text)
{
    struct gt_buf lines;

    gt_buf_init(&lines);
    if (gt_text_add_indented(&lines, text, column, width_of_output()) == 0)
        puts(lines.length ? lines.data : "");
    gt_buf_release(&lines);
}

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...)
{
    char text[2048];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    gt_text_make_visible(text);
    say_at(0, text);
}

static void fact(const char *name, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void fact(const char *name, const char *format, ...)
{
    char value[2048];
    va_list args;

    va_start(args, format);
    vsnprintf(value, sizeof(value), format, args);
    va_end(args);
    gt_text_make_visible(value);
    printf("%-*s", VALUES_AT, name);
    say_at(VALUES_AT, value);
}

static void verdict(const char *name, bool can, const char *why)
{
    fact(name, "%s%s%s", can ? "yes" : "no", can ? "" : ": ", can ? "" : why);
}

/* --- what will be used, and what it shows --- */

static const char *shows(const struct gt_plan *plan)
{
    switch (plan->gil_source) {
    case GT_GIL_UPROBES:
        return plan->two_sources
                   ? "uprobes on libc and the agent, which are compared: each take, wait and "
                     "release of the GIL, exactly, and who had a CPU meanwhile"
               : plan->probed.locks
                   ? "uprobes on libc: each take, wait and release of the GIL, exactly, and "
                     "who "
                     "waits for which lock"
                   : "uprobes on libc: each take, wait and release of the GIL, exactly";
    case GT_GIL_AGENT:
        return "the agent inside the program: each take, wait and release of the GIL, exactly";
    case GT_GIL_FUNCTIONS:
        return "uprobes on take_gil and drop_gil: each take, wait and release of the GIL";
    case GT_GIL_FUTEX:
        return "futex calls: who waits and on whom; no holds that nobody waited for";
    default:
        return "nothing";
    }
}

static void tell_more(const struct gt_caps *caps, const struct gt_plan *plan)
{
    bool privileged = !caps->record_why[0] && !caps->trace_why[0] && !caps->install_why[0];

    if (privileged && plan->agent)
        return;
    puts("\nWhat more could be had:");
    if (!plan->agent)
        say_at(0, "- functions: a Python that the agent can be loaded into (--python PATH)");
    if (!caps->perf)
        say("- states, counters, processes that run already, contention at almost no cost: %s",
            caps->record_why);
    else if (!privileged)
        say_at(0, "- why threads sleep (--state-detect), processes that run already (--pid), "
                  "contention at almost no cost (--gil-source futex): sudo giltracer "
                  "script.py, or once, as root: giltracer --setup GROUP");
}

/* What `giltracer script.py` will do. */
static bool tell_use(const struct gt_cli *cli, const struct gt_caps *caps,
                     const struct gt_interp *interp)
{
    char script[] = "script.py", *target[] = {script, NULL};
    struct gt_agent_request agent;
    struct gt_error why = {0}, err;
    struct gt_plan plan;
    bool usable;

    gt_plan_init(&plan);
    gt_planning_agent(&agent, &why, cli, interp, NULL);
    usable = gt_planning_make(&plan, cli, &agent, !why.code, target, caps, interp, &err) == 0 &&
             plan.gil_source != GT_GIL_NONE && (plan.gil_source != GT_GIL_AGENT || !why.code);
    if (usable) {
        say("giltracer script.py sees the GIL by %s.", shows(&plan));
        say("It names functions: %s%s.", agent.python_trace ? "yes" : "no, ",
            agent.python_trace ? ""
            : why.code         ? why.message
                               : "they are not asked for");
    } else {
        say("giltracer script.py cannot see the GIL here: %s.",
            plan.gil_source == GT_GIL_AGENT && why.code ? why.message : err.message);
    }
    putchar('\n');
    fact("agent", "%s%s", why.code ? "no: " : "yes, no privilege needed",
         why.code ? why.message : "");
    tell_more(caps, &plan);
    putchar('\n');
    gt_plan_release(&plan);
    return usable;
}

/* --- facts --- */

static void tell_machine(const struct gt_caps *caps)
{
    fact("perf", "%s%s%s%s", caps->perf ? caps->perf : "none",
         caps->perf_version[0] ? " (" : "", caps->perf_version,
         caps->perf_version[0] ? ")" : "");
    fact("tracefs", "%s", caps->tracefs ? caps->tracefs : "not mounted, or not readable");
    fact("perf_event_paranoid", "%d", caps->perf_event_paranoid);
    fact("privilege", "%s",
         caps->sys_admin ? "CAP_SYS_ADMIN"
         : caps->perfmon ? "CAP_PERFMON"
                         : "none");
    fact("CPUs", "%d", caps->cpu_count);
}

static void tell_interpreter(const struct gt_interp *interp)
{
    struct gt_probe_set set;
    struct gt_error err;

    gt_probe_set_init(&set);
    fact("interpreter", "%s (CPython %d.%d.%d%s)", interp->executable, interp->major,
         interp->minor, interp->micro, interp->gil_enabled ? "" : ", without a GIL");
    fact("libpython", "%s", interp->libpython ? interp->libpython : "linked statically");
    fact("libc", "%s", interp->libc);
    verdict("  for uprobes", gt_probes_plan_libc(&set, interp->libc, &err) == 0, err.message);
    verdict("  for locks", gt_probes_plan_locks(&set, interp, &err) == 0, err.message);
    verdict("  for functions", gt_probes_plan_functions(&set, interp, &err) == 0, err.message);
    gt_probe_set_release(&set);
}

static void tell_caps(const struct gt_caps *caps, const struct gt_run_as *run_as)
{
    tell_machine(caps);
    verdict("can record", !caps->record_why[0], caps->record_why);
    verdict("can record probes", !caps->trace_why[0], caps->trace_why);
    verdict("can install probes", !caps->install_why[0], caps->install_why);
    fact("probes of --setup", "%s", caps->shared_probes ? "installed" : "none");
    fact("probes of python:*", "%s", caps->installed_probes ? "installed" : "none");
    if (run_as->name)
        fact("programs run as", "%s", run_as->name);
}

static bool tell_all(const struct gt_cli *cli, const struct gt_run_as *run_as, uv_loop_t *loop)
{
    struct gt_interp interp;
    struct gt_caps caps;
    struct gt_error err;
    bool usable = false;

    gt_caps_init(&caps);
    gt_interp_init(&interp);
    if (gt_caps_probe(&caps, loop, &err) < 0) {
        gt_say("%s", err.message);
    } else if (gt_interp_find(&interp, loop, cli->python, &err) < 0) {
        tell_caps(&caps, run_as);
        fact("interpreter", "none: %s", err.message);
    } else {
        usable = tell_use(cli, &caps, &interp);
        tell_caps(&caps, run_as);
        tell_interpreter(&interp);
    }
    verdict("can see the GIL", usable, "see above");
    gt_interp_release(&interp);
    gt_caps_release(&caps);
    uv_run(loop, UV_RUN_DEFAULT);
    uv_loop_close(loop);
    return usable;
}

int gt_doctor(struct gt_cli *cli)
{
    struct gt_run_as run_as = {0};
    struct gt_error err;
    bool usable = false;
    uv_loop_t loop;

    if (gt_run_as_settle(&run_as, cli, &err) < 0 || gt_config_apply(cli, &err) < 0)
        gt_say("%s", err.message);
    else if (uv_loop_init(&loop) == 0)
        usable = tell_all(cli, &run_as, &loop);
    gt_run_as_release(&run_as);
    return usable ? 0 : 1;
}

void gt_doctor_show_plan(const struct gt_plan *plan, const struct gt_caps *caps,
                         const struct gt_interp *interp, const struct gt_run_as *run_as)
{
    struct gt_buf text;

    gt_buf_init(&text);
    if (gt_plan_print(plan, caps, interp, &text) == 0 && gt_run_as_print(run_as, &text) == 0)
        gt_say_text(&text);
    gt_buf_release(&text);
}
