/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include "cli_options.h"
#include "common/outputs.h"
#include "flight.h"
#include "metrics.h"
#include "report/metrics.h"

#include <bsd/stdlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { DEFAULT_FREQUENCY = 999, MAX_FREQUENCY = 100000 };

#define MAX_TIME_MS    UINT64_C(360000000)
#define DEFAULT_BUDGET "15" /* percent */

static void with_lists(struct gt_cli *cli, void (*call)(struct gt_strvec *list))
{
    struct gt_strvec *const lists[] = {&cli->words,      &cli->outputs, &cli->counters,
                                       &cli->fail_if,    &cli->what_if, &cli->when,
                                       &cli->interpreter};

    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        call(lists[i]);
}

void gt_cli_init(struct gt_cli *cli)
{
    memset(cli, 0, sizeof(*cli));
    with_lists(cli, gt_strvec_init);
    cli->repeat = 1;
    gt_buf_init(&cli->include);
    gt_buf_init(&cli->exclude);
    cli->agent = (struct gt_agent_request){
        .python_trace = true, .c_calls = true, .budget = DEFAULT_BUDGET};
    cli->frequency = DEFAULT_FREQUENCY;
    cli->native = true;
    cli->gil_detect = true;
    gt_config_init(&cli->config);
}

void gt_cli_release(struct gt_cli *cli)
{
    with_lists(cli, gt_strvec_release);
    gt_user_labels_release(&cli->labels);
    gt_buf_release(&cli->include);
    gt_buf_release(&cli->exclude);
    gt_config_release(&cli->config);
}

static int set_target(struct gt_cli *cli, enum gt_target_kind kind, const char *word,
                      struct gt_error *err)
{
    cli->target = kind;
    return word && gt_strvec_push(&cli->words, word) ? gt_error_memory(err) : 0;
}

static int set_frequency(unsigned *frequency, const char *option, const char *text,
                         struct gt_error *err)
{
    const char *why;
    long long value = strtonum(text, 1, MAX_FREQUENCY, &why);

    if (why)
        return gt_error_set(err, GT_ERR_USAGE, "%s takes samples per second, 1 to %d, not %s",
                            option, MAX_FREQUENCY, text);
    *frequency = (unsigned)value;
    return 0;
}

static int set_repeat(struct gt_cli *cli, const char *text, struct gt_error *err)
{
    const char *why;
    long long value = strtonum(text, 1, GT_METRIC_RUNS_MAX, &why);

    if (why)
        return gt_error_set(err, GT_ERR_USAGE,
                            "--repeat takes a number of runs, 1 to %d, not %s",
                            GT_METRIC_RUNS_MAX, text);
    cli->repeat = (unsigned)value;
    return 0;
}

static int bad_value(const char *option, const char *want, const char *value,
                     struct gt_error *err)
{
    return gt_error_set(err, GT_ERR_USAGE, "%s takes %s, not %s", option, want, value);
}

/* A count with an optional unit, as decimal text of the base unit. */
static int set_scaled(char *text, size_t size, const char *option, const char *want,
                      const char *value, const char *const *units, const double *scales,
                      struct gt_error *err)
{
    char *end;
    double number = strtod(value, &end);

    if (end == value || !(number >= 0) || number > 1e15)
        return bad_value(option, want, value, err);
    for (size_t i = 0; units[i]; i++)
        if (strcasecmp(end, units[i]) == 0) {
            snprintf(text, size, "%.0f", number * scales[i]);
            return 0;
        }
    return bad_value(option, want, value, err);
}

static int set_duration(struct gt_cli *cli, const char *value, struct gt_error *err)
{
    static const char *const units[] = {"", "us", "µs", "ns", "ms", "s", NULL};
    static const double scales[] = {1e3, 1e3, 1e3, 1, 1e6, 1e9};

    cli->agent.min_ns = cli->min_ns;
    return set_scaled(cli->min_ns, sizeof(cli->min_ns), "--min-duration",
                      "a time such as 50us or 1ms", value, units, scales, err);
}

/* Of the recording. */
static int set_time(uint64_t *ms, const char *option, const char *value, struct gt_error *err)
{
    static const char *const units[] = {"", "s", "ms", "m", "min", "h", NULL};
    static const double scales[] = {1e3, 1e3, 1, 6e4, 6e4, 3.6e6};
    char text[24];
    int rc = set_scaled(text, sizeof(text), option, "a time such as 500ms, 5s or 2m", value,
                        units, scales, err);

    if (rc < 0)
        return rc;
    *ms = strtoull(text, NULL, 10);
    if (*ms == 0 || *ms > MAX_TIME_MS)
        return bad_value(option, "a time from 1ms to 100h", value, err);
    return 0;
}

static int add_pid(struct gt_cli *cli, const char *value, struct gt_error *err)
{
    const char *why;
    long long pid = strtonum(value, 1, INT32_MAX, &why);

    if (why)
        return bad_value("--pid", "the number of a process", value, err);
    for (size_t i = 0; i < cli->pid_count; i++)
        if (cli->pids[i] == (int)pid)
            return 0;
    if (cli->pid_count == GT_CLI_PIDS_MAX)
        return gt_error_set(err, GT_ERR_USAGE,
                            "--pid takes %d processes (start another giltracer for more)",
                            GT_CLI_PIDS_MAX);
    cli->pids[cli->pid_count++] = (int)pid;
    cli->pid = cli->pids[0];
    return 0;
}

/* "12", or "12,34". */
static int add_pids(struct gt_cli *cli, const char *value, struct gt_error *err)
{
    char *words = strdup(value), *rest = words;
    int rc = words ? 0 : gt_error_memory(err);

    while (rc == 0 && rest)
        rc = add_pid(cli, strsep(&rest, ","), err);
    free(words);
    return rc;
}

static int set_number(int *number, const char *option, const char *want, int least,
                      const char *value, struct gt_error *err)
{
    const char *why;
    long long given = strtonum(value, least, INT32_MAX, &why);

    if (why)
        return bad_value(option, want, value, err);
    *number = (int)given;
    return 0;
}

static int set_output(struct gt_cli *cli, const char *value, bool on, struct gt_error *err)
{
    cli->no_output = !on;
    return on && gt_strvec_push(&cli->outputs, value) ? gt_error_memory(err) : 0;
}

static int add_interpreter_option(struct gt_cli *cli, const struct gt_option *option,
                                  const char *value, struct gt_error *err)
{
    if (gt_strvec_pushf(&cli->interpreter, "-%c", option->letter) ||
        (value && gt_strvec_push(&cli->interpreter, value)))
        return gt_error_memory(err);
    return 0;
}

char *const *gt_cli_outputs(const struct gt_cli *cli)
{
    static char *const none[] = {NULL};

    return cli->no_output ? none : gt_outputs_paths(&cli->outputs);
}

const char *gt_cli_page(const struct gt_cli *cli)
{
    char *const *paths = gt_cli_outputs(cli);
    enum gt_report_format format;

    for (; *paths; paths++)
        if (gt_report_format_of(*paths, &format, NULL) == 0 && format == GT_FORMAT_HTML)
            return *paths;
    return NULL;
}

static int set_size(char *text, size_t size, const char *option, const char *want,
                    const char *value, struct gt_error *err)
{
    static const char *const units[] = {"", "b", "k", "kb", "m", "mb", "g", "gb", NULL};
    static const double scales[] = {1, 1, 1024, 1024, 1 << 20, 1 << 20, 1 << 30, 1 << 30};

    return set_scaled(text, size, option, want, value, units, scales, err);
}

static int set_buffer(struct gt_cli *cli, const char *value, struct gt_error *err)
{
    static const char want[] = "a size such as 32M, of at most 1024G";
    int rc = set_size(cli->buffer, sizeof(cli->buffer), "--buffer", want, value, err);

    if (rc == 0 && (strtoull(cli->buffer, NULL, 10) == 0 ||
                    strtoull(cli->buffer, NULL, 10) > UINT64_C(1) << 40))
        rc = bad_value("--buffer", want, value, err);
    return rc;
}

static int set_count(char *text, size_t size, const char **wanted, const char *option,
                     const char *value, long long most, struct gt_error *err)
{
    const char *why;
    long long number = strtonum(value, 0, most, &why);

    if (why)
        return bad_value(option, "a number", value, err);
    snprintf(text, size, "%lld", number);
    *wanted = text;
    return 0;
}

static int add_glob(struct gt_buf *globs, const char **wanted, const char *glob,
                    struct gt_error *err)
{
    if ((globs->length && gt_buf_adds(globs, "\n")) || gt_buf_adds(globs, glob))
        return gt_error_memory(err);
    *wanted = globs->data;
    return 0;
}

/* Options of the function trace: 1 when it was one, 0 when not, negative on error. */
static int apply_agent(struct gt_cli *cli, int id, const char *value, bool on,
                       struct gt_error *err)
{
    struct gt_agent_request *agent = &cli->agent;
    int rc = 0;

    switch (id) {
    case OPTION_PYTHON_TRACE:
        agent->python_trace = on;
        agent->insist = on;
        break;
    case OPTION_C_CALLS:
        agent->c_calls = on;
        break;
    case OPTION_IMPORT:
        agent->imports = value;
        break;
    case OPTION_MAX_DEPTH:
        rc = set_count(cli->max_depth, sizeof(cli->max_depth), &agent->max_depth, "--max-depth",
                       value, 1000000, err);
        break;
    case OPTION_BUDGET:
        rc = set_count(cli->budget, sizeof(cli->budget), &agent->budget, "--overhead-budget",
                       value, 10000, err);
        break;
    case OPTION_MIN_DURATION:
        rc = set_duration(cli, value, err);
        break;
    case OPTION_MAX_LOG:
        agent->max_bytes = cli->max_log;
        rc = set_size(cli->max_log, sizeof(cli->max_log), "--max-log-size",
                      "a size such as 500M or 2G", value, err);
        break;
    case OPTION_INCLUDE:
        rc = add_glob(&cli->include, &agent->include, value, err);
        break;
    case OPTION_EXCLUDE:
        rc = add_glob(&cli->exclude, &agent->exclude, value, err);
        break;
    default:
        return 0;
    }
    return rc < 0 ? rc : 1;
}

/* What to record, likewise. */
static int apply_recording(struct gt_cli *cli, int id, const char *value, bool on,
                           struct gt_error *err)
{
    int rc = 0;

    switch (id) {
    case OPTION_PID:
        rc = add_pids(cli, value, err);
        break;
    case OPTION_MATCH:
        cli->match = value;
        break;
    case OPTION_DUMP:
        cli->dump = true;
        break;
    case OPTION_CONTROL_FD:
        rc = set_number(&cli->control_fd, "--control-fd",
                        "the number of a descriptor, 3 or more", 3, value, err);
        break;
    case OPTION_DELAY:
        rc = set_time(&cli->delay_ms, "--delay", value, err);
        break;
    case OPTION_DURATION:
        rc = set_time(&cli->duration_ms, "--duration", value, err);
        break;
    case OPTION_KEEP_LAST:
        rc = set_time(&cli->keep_last_ms, "--keep-last", value, err);
        break;
    case OPTION_GIL_DETECT:
        cli->gil_detect = on;
        break;
    case OPTION_GIL_SOURCE:
        rc = gt_gil_source_parse(value, &cli->gil_source, err);
        break;
    case OPTION_STATE_DETECT:
        cli->state_detect = on;
        break;
    case OPTION_CALL_GRAPH:
        cli->call_graph = on;
        break;
    case OPTION_KEEP_FRAMES:
        cli->keep_interpreter = on;
        break;
    case OPTION_KEEP_SHORT_CALLS:
        cli->keep_short_calls = on;
        break;
    case OPTION_FREQUENCY:
        rc = set_frequency(&cli->frequency, "-F", value, err);
        break;
    case OPTION_NATIVE:
        cli->native = on;
        break;
    case OPTION_NATIVE_FREQUENCY:
        rc = set_frequency(&cli->native_frequency, "--native-freq", value, err);
        break;
    case OPTION_BUFFER:
        rc = set_buffer(cli, value, err);
        break;
    default:
        return 0;
    }
    return rc < 0 ? rc : 1;
}

/* What to write. */
static void apply_writing(struct gt_cli *cli, int id, const char *value, bool on)
{
    switch (id) {
    case OPTION_PERFETTO_STATES:
        cli->perfetto_states = on;
        break;
    case OPTION_ALL_THREADS:
        cli->all_threads = on;
        break;
    case OPTION_KEEP:
        cli->keep = value;
        break;
    case OPTION_SUMMARY:
        cli->summary = value;
        break;
    case OPTION_METRICS:
        cli->metrics = value;
        break;
    case OPTION_OPEN:
        cli->open = true;
        break;
    case OPTION_QUIET:
        cli->quiet = on;
        break;
    case OPTION_VERBOSE:
        cli->verbose = on;
        break;
    default:
        break;
    }
}

int gt_cli_set(struct gt_cli *cli, const struct gt_option *option, const char *value, bool on,
               struct gt_error *err)
{
    int rc = apply_agent(cli, option->id, value, on, err);

    if (rc == 0)
        rc = apply_recording(cli, option->id, value, on, err);
    if (rc)
        return rc < 0 ? rc : 0;
    switch (option->id) {
    case OPTION_MODULE:
        return set_target(cli, GT_TARGET_MODULE, value, err);
    case OPTION_CODE:
        return set_target(cli, GT_TARGET_CODE, value, err);
    case OPTION_COMMAND:
        return set_target(cli, GT_TARGET_COMMAND, NULL, err);
    case OPTION_OUTPUT:
        return set_output(cli, value, on, err);
    case OPTION_INTERPRETER:
        return add_interpreter_option(cli, option, value, err);
    case OPTION_COLOR:
        return gt_color_parse(value, &cli->color, err);
    case OPTION_LABEL:
        return gt_user_labels_add(&cli->labels, value, err);
    case OPTION_EVENT:
        return gt_strvec_push(&cli->counters, value) ? gt_error_memory(err) : 0;
    case OPTION_WHEN:
        return gt_strvec_push(&cli->when, value) ? gt_error_memory(err) : 0;
    case OPTION_WHAT_IF:
        return gt_strvec_push(&cli->what_if, value) ? gt_error_memory(err) : 0;
    case OPTION_FAIL_IF:
        return gt_strvec_push(&cli->fail_if, value) ? gt_error_memory(err) : 0;
    case OPTION_REPEAT:
        return set_repeat(cli, value, err);
    case OPTION_BASELINE:
        cli->baseline = value;
        break;
    case OPTION_VIZTRACER:
        cli->viztracer = true;
        break;
    case OPTION_PYTHON:
        cli->python = value;
        break;
    case OPTION_AS_ROOT:
        cli->as_root = true;
        break;
    case OPTION_SETUP:
        cli->setup_group = value;
        cli->mode = GT_MODE_SETUP;
        break;
    case OPTION_TEARDOWN:
        cli->mode = GT_MODE_TEARDOWN;
        break;
    case OPTION_SNAPSHOT:
        cli->mode = GT_MODE_SNAPSHOT;
        return set_number(&cli->snapshot_pid, "--snapshot", "the number of a process", 1, value,
                          err);
    case OPTION_NO_CONFIG:
        cli->no_config = true;
        break;
    case OPTION_DOCTOR:
        cli->mode = GT_MODE_DOCTOR;
        break;
    case OPTION_VERSION:
        cli->mode = GT_MODE_VERSION;
        break;
    case OPTION_HELP:
        cli->mode = GT_MODE_HELP;
        break;
    default:
        apply_writing(cli, option->id, value, on);
        break;
    }
    return 0;
}

static int apply(void *context, const struct gt_option *option, const char *value, bool on,
                 struct gt_error *err)
{
    struct gt_cli *cli = context;

    cli->given[option->id] = true;
    return gt_cli_set(cli, option, value, on, err);
}

int gt_cli_check_command(const struct gt_cli *cli, struct gt_error *err)
{
    if (cli->viztracer)
        return gt_error_set(err, GT_ERR_USAGE,
                            "--viztracer runs a script, -m MODULE or -c CODE, not a command "
                            "(call viztracer in it, and merge with perf2trace --viztracer)");
    if (cli->interpreter.count)
        return gt_error_set(err, GT_ERR_USAGE,
                            "%s is for the interpreter of a script, -m MODULE or -c CODE, not "
                            "for a command: put it behind python there",
                            cli->interpreter.items[0]);
    return 0;
}

/* What is for programs that giltracer starts. */
static int check_process(struct gt_cli *cli, struct gt_error *err)
{
    const char *option = cli->match ? "--match" : "--pid", *what = NULL;

    if (cli->words.count)
        return gt_error_set(err, GT_ERR_USAGE,
                            "%s records a process that runs: name no program beside it",
                            option);
    if (!cli->metrics && (cli->match || cli->pid_count > 1))
        return gt_error_set(err, GT_ERR_USAGE,
                            "%s goes with --metrics only: a report is of one process, with its "
                            "children",
                            cli->match ? "--match" : "more than one --pid");
    if (cli->match && (cli->pid || !cli->match[0]))
        return gt_error_set(err, GT_ERR_USAGE,
                            cli->pid ? "--match finds processes by what they are called: name "
                                       "no --pid beside it"
                                     : "--match: name a program, or a pattern: 'worker-*'");
    if (cli->python)
        what = "--python";
    else if (cli->interpreter.count)
        what = cli->interpreter.items[0];
    else if (cli->viztracer)
        what = "--viztracer";
    else if (cli->repeat > 1)
        what = "--repeat";
    else if (cli->agent.imports)
        what = "--import";
    if (what)
        return gt_error_set(err, GT_ERR_USAGE,
                            "%s is for programs that giltracer starts, not for %s", what,
                            option);
    if (cli->dump && (cli->delay_ms || cli->duration_ms))
        return gt_error_set(err, GT_ERR_USAGE,
                            "--dump tells of this moment: it takes no --delay or --duration");
    cli->target = GT_TARGET_PROCESS;
    return 0;
}

/* Whoever starts giltracer names it so, without looking at the options; the program does not
 * see it. */
static void take_default_python(struct gt_cli *cli)
{
    if (!cli->python)
        cli->python = getenv("GILTRACER_PYTHON");
    unsetenv("GILTRACER_PYTHON");
}

int gt_cli_parse(struct gt_cli *cli, char *const *argv, struct gt_error *err)
{
    int at = gt_options_parse(gt_cli_table, argv, apply, cli, err);

    if (at < 0)
        return at;
    if (!cli->pid && !cli->match)
        take_default_python(cli);
    if (cli->mode == GT_MODE_HELP)
        cli->help_on = argv[at];
    if (cli->mode != GT_MODE_RUN)
        return 0;
    if (cli->target == GT_TARGET_NONE && argv[at])
        cli->target = GT_TARGET_SCRIPT;
    return gt_strvec_push_all(&cli->words, argv + at) ? gt_error_memory(err) : 0;
}

int gt_cli_check(struct gt_cli *cli, struct gt_error *err)
{
    if (cli->mode != GT_MODE_RUN)
        return 0;
    if (cli->call_graph && !cli->state_detect && !cli->counters.count)
        return gt_error_set(err, GT_ERR_USAGE,
                            "--call-graph keeps the stacks of sleeps and of events: add "
                            "--state-detect, or -e EVENT");
    if (cli->keep_interpreter && !cli->call_graph)
        return gt_error_set(
            err, GT_ERR_USAGE,
            "--keep-interpreter-frames is about the stacks of sleeps and events: "
            "add --call-graph, and --state-detect or -e EVENT");
    if ((cli->metrics && gt_metrics_check_options(cli, err) < 0) ||
        gt_flight_check_options(cli, err) < 0)
        return err ? err->code : GT_ERR_USAGE;
    if (cli->pid || cli->match)
        return check_process(cli, err);
    if (cli->control_fd)
        return gt_error_set(err, GT_ERR_USAGE,
                            "--control-fd is for a process that runs: add --pid");
    if (cli->dump)
        return gt_error_set(err, GT_ERR_USAGE,
                            "--dump is about a process that runs: add --pid");
    if (cli->open && !gt_cli_page(cli))
        return gt_error_set(err, GT_ERR_USAGE,
                            "--open shows a page: let -o name one that ends in .html");
    if (cli->target == GT_TARGET_COMMAND && gt_cli_check_command(cli, err) < 0)
        return err ? err->code : GT_ERR_USAGE;
    if (!cli->words.count)
        return gt_error_set(err, GT_ERR_USAGE,
                            "nothing to run: name a script, -m MODULE, -c CODE or -- COMMAND "
                            "(--help tells more)");
    return 0;
}
