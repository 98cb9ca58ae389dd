/* SPDX-License-Identifier: MIT */
/* giltracer's options: their numbers, and the table that --help, the manual page, completions
 * and parsing share. To add one: a number here, a row in cli_options.c, a case in cli.c.
 * GT_OPTION_CONFIG is for those that a file in a folder that was only copied may set: not what
 * runs, what is written, and with whose rights. */
#ifndef GILTRACER_CLI_OPTIONS_H
#define GILTRACER_CLI_OPTIONS_H

#include "base/options.h"

enum {
    OPTION_OUTPUT = 1,
    OPTION_PYTHON,
    OPTION_AS_ROOT,
    OPTION_PID,
    OPTION_MATCH,
    OPTION_DUMP,
    OPTION_CONTROL_FD,
    OPTION_DELAY,
    OPTION_DURATION,
    OPTION_KEEP_LAST,
    OPTION_WHEN,
    OPTION_SNAPSHOT,
    OPTION_GIL_DETECT,
    OPTION_GIL_SOURCE,
    OPTION_STATE_DETECT,
    OPTION_CALL_GRAPH,
    OPTION_KEEP_FRAMES,
    OPTION_EVENT,
    OPTION_FREQUENCY,
    OPTION_NATIVE,
    OPTION_NATIVE_FREQUENCY,
    OPTION_BUFFER,
    OPTION_KEEP_SHORT_CALLS,
    OPTION_PERFETTO_STATES,
    OPTION_ALL_THREADS,
    OPTION_PYTHON_TRACE,
    OPTION_C_CALLS,
    OPTION_MAX_DEPTH,
    OPTION_MIN_DURATION,
    OPTION_INCLUDE,
    OPTION_EXCLUDE,
    OPTION_BUDGET,
    OPTION_IMPORT,
    OPTION_MAX_LOG,
    OPTION_VIZTRACER,
    OPTION_KEEP,
    OPTION_SUMMARY,
    OPTION_LABEL,
    OPTION_METRICS,
    OPTION_WHAT_IF,
    OPTION_FAIL_IF,
    OPTION_BASELINE,
    OPTION_REPEAT,
    OPTION_QUIET,
    OPTION_VERBOSE,
    OPTION_COLOR,
    OPTION_DOCTOR,
    OPTION_SETUP,
    OPTION_TEARDOWN,
    OPTION_VERSION,
    OPTION_HELP,
    OPTION_INTERPRETER, /* of all letters that go to it */
    OPTION_OPEN,
    OPTION_MODULE,
    OPTION_CODE,
    OPTION_COMMAND,
    OPTION_NO_CONFIG,
    OPTIONS_END
};

extern const struct gt_option gt_cli_table[];

#endif
