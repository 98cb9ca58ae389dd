/* SPDX-License-Identifier: MIT */
#include "help.h"

#include "cli_options.h"

static const struct gt_option_values values[] = {
    {"SOURCE", "auto uprobes functions futex agent"},
    {"WHEN", "auto always never"},
    {"FILE", NULL},
    {"PATH", NULL},
    {"DIR", NULL},
    {NULL, NULL},
};

static const struct gt_help_section sections[] = {
    {"EXIT STATUS",
     "The program keeps its streams, signals and exit status. giltracer exits with 125 when it "
     "fails before the program runs, 126 when the program cannot be executed, 127 when it is "
     "not found; where the program succeeded, with 3 when a --fail-if is breached, and with 4 "
     "when one cannot be judged."},
    {"NAMES OF OUTPUTS",
     "In names of outputs %p is the program's pid, %h the host, %t the start time, %n the rank "
     "in a parallel job (0: none), %% a percent sign. A report of another command is kept as "
     "NAME.old."},
    {"FILES",
     "Options may stand in pyproject.toml of the working directory, in the table "
     "[tool.giltracer], and in giltracer.toml of $XDG_CONFIG_HOME (else ~/.config), there at "
     "the top, by their long names: state-detect = true, native-freq = 199, fail-if = "
     "[\"wait > 20%\"]. The command line goes before the former, and that before the latter. A "
     "file is read where only root and you can have written it, and does not say what runs, "
     "what is written, or with whose rights: --python, --as-root, -o, --summary, --keep and "
     "the like are refused there. --no-config reads none; the report tells which options came "
     "from where."},
    {"ENVIRONMENT",
     "GILTRACER_PERF names the perf program, GILTRACER_PERF_TIMEOUT how many seconds it may "
     "take to start, to end or to give more text (default 30), TMPDIR where recordings are "
     "kept meanwhile, GILTRACER_PYTHON the interpreter where --python does not, NO_COLOR that "
     "nothing is printed in colours, BROWSER what --open starts. GILTRACER_CGROUP_ROOT is for "
     "tests: a folder with proc/self/cgroup, proc/self/mountinfo and the groups that they "
     "name, to read CPU quotas from instead of the kernel's."},
    {NULL, NULL},
};

const struct gt_program_help gt_giltracer_help = {
    .name = "giltracer",
    .version = GT_VERSION,
    .summary = "show who holds the GIL of a Python program, who waits for it, and on whom",
    .usage = "giltracer [options] script.py|command [args...]\n"
             "giltracer [options] -m module | -c code | -- command [args...]\n"
             "giltracer [options] --pid PID [--duration TIME] | --pid PID --dump\n",
    .description =
        "Runs a Python program and reports who held the GIL, who waited, and on whom.",
    .table = gt_cli_table,
    .values = values,
    .sections = sections,
    .first_screen = "\nIn names of files %p is the program's pid, %h the host, %t the time.\n",
    .see_also = "perf2trace(1), offgil(1), perf(1)",
    .runs_commands = true,
};
