/* SPDX-License-Identifier: MIT */
#include "help.h"

#include "base/options.h"
#include "cli.h"

int gt_help_text(struct gt_buf *text)
{
    static const char head[] =
        "usage: giltracer [options] script.py [args...]\n"
        "       giltracer [options] -m module [args...] | -c code [args...] | -- command ...\n"
        "       giltracer [options] --pid PID [--duration TIME] | --pid PID --dump\n"
        "\n"
        "Runs a Python program and reports who held the GIL, who waited for it, and on whom.\n";
    static const char tail[] =
        "\n"
        "The program keeps its streams, signals and exit status. giltracer exits with 125 "
        "when\n"
        "it fails before the program runs, 126 when the program cannot be executed, 127 when "
        "it\n"
        "is not found.\n"
        "\n"
        "In names of outputs %p is the program's pid, %h the host, %t the start time, %n the "
        "rank\n"
        "in a parallel job (0: none), %% a percent sign. A report of another command is kept "
        "as\n"
        "NAME.old.\n"
        "\n"
        "Environment: GILTRACER_PERF names the perf program, GILTRACER_PERF_TIMEOUT how many "
        "seconds\n"
        "it may take to start, to end or to give more text (default 30), TMPDIR where "
        "recordings are\n"
        "kept meanwhile, GILTRACER_PYTHON the interpreter where --python does not.\n"
        "GILTRACER_CGROUP_ROOT is for tests: a folder with proc/self/cgroup,\n"
        "proc/self/mountinfo and the groups that they name, to read CPU quotas from instead of "
        "the\n"
        "kernel's.\n";

    if (gt_buf_adds(text, head) || gt_options_help(gt_cli_table, text) ||
        gt_buf_adds(text, tail))
        return -1;
    return 0;
}
