/* SPDX-License-Identifier: MIT */
#include "doctor.h"

#include "common/console.h"
#include "launch/caps.h"
#include "launch/elf.h"
#include "launch/interp.h"
#include "launch/probe_sites.h"
#include "launch/tools.h"

#include <stdarg.h>
#include <stdio.h>
#include <uv.h>

static void fact(const char *name, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void fact(const char *name, const char *format, ...)
{
    va_list args;

    printf("%-22s", name);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

static void verdict(const char *name, bool can, const char *why)
{
    fact(name, "%s%s%s", can ? "yes" : "no", can ? "" : ": ", can ? "" : why);
}

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

static bool tell_interpreter(const struct gt_cli *cli, uv_loop_t *loop)
{
    struct gt_probe_set set;
    struct gt_interp interp;
    struct gt_error err;
    bool usable = false;

    gt_interp_init(&interp);
    gt_probe_set_init(&set);
    if (gt_interp_find(&interp, loop, cli->python, &err) < 0) {
        fact("interpreter", "none: %s", err.message);
    } else {
        fact("interpreter", "%s (CPython %d.%d.%d%s)", interp.executable, interp.major,
             interp.minor, interp.micro, interp.gil_enabled ? "" : ", without a GIL");
        fact("libpython", "%s", interp.libpython ? interp.libpython : "linked statically");
        fact("libc", "%s", interp.libc);
        usable = gt_probes_plan_libc(&set, interp.libc, &err) == 0;
        verdict("  for uprobes", usable, err.message);
        verdict("  for functions", gt_probes_plan_functions(&set, &interp, &err) == 0,
                err.message);
    }
    gt_probe_set_release(&set);
    gt_interp_release(&interp);
    return usable;
}

static bool tell_all(const struct gt_cli *cli, const struct gt_run_as *run_as, uv_loop_t *loop)
{
    struct gt_caps caps;
    struct gt_error err;
    bool usable;

    gt_caps_init(&caps);
    if (gt_caps_probe(&caps, loop, &err) < 0) {
        gt_say("%s", err.message);
        usable = false;
    } else {
        tell_machine(&caps);
        verdict("can record", !caps.record_why[0], caps.record_why);
        verdict("can record probes", !caps.trace_why[0], caps.trace_why);
        verdict("can install probes", !caps.install_why[0], caps.install_why);
        fact("probes of --setup", "%s", caps.shared_probes ? "installed" : "none");
        fact("probes of python:*", "%s", caps.installed_probes ? "installed" : "none");
        if (run_as->name)
            fact("programs run as", "%s", run_as->name);
        usable = tell_interpreter(cli, loop) && !caps.record_why[0] && !caps.trace_why[0] &&
                 (!caps.install_why[0] || caps.shared_probes || caps.installed_probes);
        verdict("can see the GIL", usable, "see above");
    }
    gt_caps_release(&caps);
    uv_run(loop, UV_RUN_DEFAULT);
    uv_loop_close(loop);
    return usable;
}

int gt_doctor(const struct gt_cli *cli)
{
    struct gt_run_as run_as = {0};
    struct gt_error err;
    bool usable = false;
    uv_loop_t loop;

    if (gt_run_as_settle(&run_as, cli, &err) < 0)
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
