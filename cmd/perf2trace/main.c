/* SPDX-License-Identifier: MIT */
/* perf2trace: recordings made before, as reports. */
#include "base/options.h"
#include "cli.h"
#include "comparing.h"
#include "common/checks.h"
#include "common/console.h"
#include "common/exit_status.h"
#include "common/help.h"
#include "common/interrupt.h"
#include "common/outputs.h"
#include "common/results.h"
#include "common/sources.h"
#include "agentlog/agentlog.h"
#include "ingest/ingest.h"
#include "launch/limits.h"
#include "merging.h"
#include "reading.h"
#include "recording.h"
#include "report/stacks_text.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    OPTION_OUTPUT = 1,
    OPTION_VIZTRACER,
    OPTION_AGENT_LOG,
    OPTION_PROBES,
    OPTION_NATIVE,
    OPTION_GIL_SOURCE,
    OPTION_SUMMARY,
    OPTION_LABEL,
    OPTION_KEEP_FRAMES,
    OPTION_KEEP_SHORT_CALLS,
    OPTION_PERFETTO_STATES,
    OPTION_ALL_THREADS,
    OPTION_FAIL_IF,
    OPTION_BASELINE,
    OPTION_WHAT_IF,
    OPTION_QUIET,
    OPTION_COLOR,
    OPTION_VERSION,
    OPTION_HELP
};

static const struct gt_option table[] = {
    {OPTION_OUTPUT, 'o', "output", "FILE", GT_OPTION_COMMON,
     "report: .html, .json or .json.gz; repeatable (giltracer.html)"},
    {OPTION_VIZTRACER, 0, "viztracer", "FILE", GT_OPTION_COMMON,
     "merge VizTracer's JSON of the same run (also .gz)"},
    {OPTION_AGENT_LOG, 0, "agent-log", "DIR", 0,
     "merge an agent's log: DIR/agent of giltracer --keep DIR"},
    {OPTION_PROBES, 0, "probes", "FILE", 0,
     "with --agent-log: merge what probes recorded apart, DIR/probes.data"},
    {OPTION_NATIVE, 0, "native", "FILE", 0,
     "merge native stacks that were recorded apart: DIR/native.data"},
    {OPTION_GIL_SOURCE, 0, "gil-source", "WHICH", 0,
     "with --agent-log: the GIL as seen in the text (default) or by the agent"},
    {OPTION_KEEP_FRAMES, 0, "keep-interpreter-frames", NULL, 0,
     "page: functions and interpreter frames in the stacks of sleeps"},
    {OPTION_KEEP_SHORT_CALLS, 0, "keep-short-calls", NULL, 0,
     "JSON: each call, also where that takes more than 200 MB"},
    {OPTION_PERFETTO_STATES, 0, "perfetto-states", NULL, 0,
     "JSON: states as ph:\"T\" records, for Perfetto"},
    {OPTION_ALL_THREADS, 0, "all-threads", NULL, 0,
     "print every process and thread, not only those that waited most"},
    {OPTION_WHAT_IF, 0, "what-if", "FUNCTION", 0,
     "estimate it without the GIL, and all that it calls; repeatable"},
    {OPTION_FAIL_IF, 0, "fail-if", "EXPR", 0,
     "exit with 3 if it holds: 'wait > 20%'; repeatable, see giltracer --help all"},
    {OPTION_BASELINE, 0, "baseline", "FILE", GT_OPTION_COMMON,
     "compare with an earlier report's JSON; two reports: a page"},
    {OPTION_SUMMARY, 0, "summary", "FILE", GT_OPTION_COMMON,
     "the summary as a line of JSON; appended to .jsonl"},
    {OPTION_LABEL, 0, "label", "KEY=VALUE", GT_OPTION_MANY,
     "in profiles and summary: service=checkout; may repeat"},
    {OPTION_QUIET, 'q', "quiet", NULL, GT_OPTION_COMMON, "print errors only"},
    {OPTION_COLOR, 0, "color", "WHEN", GT_OPTION_NEGATABLE, "auto, always or never"},
    {OPTION_VERSION, 0, "version", NULL, GT_OPTION_COMMON, "print the version"},
    {OPTION_HELP, 'h', "help", NULL, GT_OPTION_COMMON, "print this; --help all: every option"},
    {0, 0, NULL, NULL, 0, NULL},
};

static int set_gil_source(struct cli *cli, const char *which, struct gt_error *err)
{
    cli->gil_of_agent = strcmp(which, "agent") == 0;
    if (!cli->gil_of_agent && strcmp(which, "text") != 0)
        return gt_error_set(err, GT_ERR_USAGE, "--gil-source takes text or agent, not %s",
                            which);
    return 0;
}

static int apply(void *context, const struct gt_option *option, const char *value, bool on,
                 struct gt_error *err)
{
    struct cli *cli = context;

    (void)on;
    switch (option->id) {
    case OPTION_OUTPUT:
        return gt_strvec_push(&cli->outputs, value) ? gt_error_memory(err) : 0;
    case OPTION_COLOR:
        return gt_color_parse(value, &cli->color, err);
    case OPTION_GIL_SOURCE:
        return set_gil_source(cli, value, err);
    case OPTION_VIZTRACER:
        cli->viztracer = value;
        break;
    case OPTION_AGENT_LOG:
        cli->agent_log = value;
        break;
    case OPTION_PROBES:
        cli->probes = value;
        break;
    case OPTION_NATIVE:
        cli->native = value;
        break;
    case OPTION_LABEL:
        return gt_user_labels_add(&cli->labels, value, err);
    case OPTION_SUMMARY:
        cli->summary = value;
        break;
    case OPTION_KEEP_FRAMES:
        cli->keep_interpreter = true;
        break;
    case OPTION_KEEP_SHORT_CALLS:
        cli->keep_short_calls = true;
        break;
    case OPTION_PERFETTO_STATES:
        cli->perfetto_states = true;
        break;
    case OPTION_WHAT_IF:
        return gt_strvec_push(&cli->what_if, value) ? gt_error_memory(err) : 0;
    case OPTION_ALL_THREADS:
        cli->all_threads = true;
        break;
    case OPTION_FAIL_IF:
        return gt_strvec_push(&cli->fail_if, value) ? gt_error_memory(err) : 0;
    case OPTION_BASELINE:
        cli->baseline = value;
        break;
    case OPTION_QUIET:
        cli->quiet = true;
        break;
    case OPTION_VERSION:
        cli->version = true;
        break;
    case OPTION_HELP:
        cli->help = true;
        break;
    default:
        break;
    }
    return 0;
}

/* The first word may name what to analyse; the others are the input. */
static int take_operand(void *context, const char *word, struct gt_error *err)
{
    static const struct {
        const char *name;
        unsigned detect;
    } kinds[] = {
        {"gil", GT_DETECT_GIL},
        {"sched", GT_DETECT_SCHED},
        {"all", GT_DETECT_GIL | GT_DETECT_SCHED},
    };
    struct cli *cli = context;

    if (cli->operands == 0 && strcmp(word, "stacks") == 0) {
        cli->stacks = true;
        cli->operands++;
        return 0;
    }
    for (size_t i = 0; cli->operands == 0 && i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(word, kinds[i].name) == 0) {
            cli->detect = kinds[i].detect;
            cli->operands++;
            return 0;
        }
    cli->operands++;
    if (!cli->input)
        cli->input = word;
    return gt_strvec_push(&cli->inputs, word) ? gt_error_memory(err) : 0;
}

/* Recordings as giltracer left them, whose parts need no names. */
static bool are_recordings(const struct cli *cli)
{
    return cli->inputs.count > 1 ||
           (cli->input && (recording_is_folder(cli->input) || recording_is_report(cli->input)));
}

static int check_recordings(const struct cli *cli, struct gt_error *err)
{
    if (cli->agent_log || cli->probes || cli->native || cli->viztracer || cli->gil_of_agent)
        return gt_error_set(err, GT_ERR_USAGE,
                            "%s: it says itself what belongs to the recording: "
                            "leave out --agent-log, --probes, --native, --viztracer and "
                            "--gil-source, or name its files one by one",
                            cli->input);
    if (cli->stacks && cli->outputs.count > 1)
        return gt_error_set(err, GT_ERR_USAGE, "stacks are written to one output, not %zu",
                            cli->outputs.count);
    if (recording_is_report(cli->input) && (cli->stacks || cli->what_if.count))
        return gt_error_set(err, GT_ERR_USAGE,
                            "%s takes a recording: %s is a report, which holds less",
                            cli->stacks ? "stacks" : "--what-if", cli->input);
    if (cli->inputs.count > 1 && (cli->stacks || cli->what_if.count))
        return gt_error_set(err, GT_ERR_USAGE, "%s is of one recording: name one, not %zu",
                            cli->stacks ? "stacks" : "--what-if", cli->inputs.count);
    return 0;
}

static int check_comparison(const struct cli *cli, struct gt_error *err)
{
    if (cli->viztracer || cli->agent_log || cli->probes || cli->native || cli->summary ||
        cli->stacks || cli->what_if.count || cli->fail_if.count || cli->labels.count)
        return gt_error_set(err, GT_ERR_USAGE,
                            "%s is a report, which is compared with another one: options on "
                            "recordings, --summary, --label, --what-if and --fail-if have no "
                            "use there",
                            cli->input);
    return gt_comparing_check(&cli->outputs, err);
}

/* Is a pipe or a file connected there? Then it is the input without being named. */
static bool is_fed(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISREG(st.st_mode));
}

static int parse(struct cli *cli, char *const *argv, struct gt_error *err)
{
    int rc = gt_options_parse_all(table, argv, apply, take_operand, cli, err);
    bool alone;

    if (rc < 0 || cli->version || cli->help)
        return rc;
    cli->compares =
        cli->baseline && cli->inputs.count == 1 && gt_comparing_is_report(cli->input);
    if (cli->compares)
        return check_comparison(cli, err);
    if (!cli->detect)
        cli->detect = GT_DETECT_GIL | GT_DETECT_SCHED;
    cli->of_giltracer = are_recordings(cli);
    if (cli->of_giltracer)
        return check_recordings(cli, err);
    alone = !cli->input && (cli->viztracer || cli->agent_log) && !is_fed(STDIN_FILENO);
    if (cli->probes && (!cli->agent_log || !cli->input))
        return gt_error_set(err, GT_ERR_USAGE,
                            "--probes is merged with perf.data and an agent's log of the same "
                            "run: name both (perf2trace DIR/perf.data --agent-log DIR/agent "
                            "--probes DIR/probes.data)");
    if (cli->stacks && (!cli->native || cli->outputs.count > 1))
        return gt_error_set(
            err, GT_ERR_USAGE,
            "stacks are those of native samples, in one output: perf2trace stacks "
            "--native DIR/native.data --agent-log DIR/agent DIR/perf.data");
    cli->gil_of_agent |= cli->probes != NULL;
    if (cli->gil_of_agent && !cli->agent_log)
        return gt_error_set(err, GT_ERR_USAGE,
                            "--gil-source agent takes the GIL from an agent's log: add "
                            "--agent-log DIR");
    if (!cli->input && !alone && isatty(STDIN_FILENO))
        return gt_error_set(err, GT_ERR_USAGE,
                            "no input: name perf.data, a file of perf script text, or pipe "
                            "perf script into this (--help tells more)");
    if (!cli->input && !alone)
        cli->input = "-";
    cli->gil_of_agent |= alone;
    return 0;
}

static const struct gt_option_values values[] = {
    {"WHICH", "text agent"}, {"WHEN", "auto always never"},
    {"EXPR", NULL},          {"FILE", NULL},
    {"DIR", NULL},           {NULL, NULL},
};
static const struct gt_help_section sections[] = {{NULL, NULL}};
static const struct gt_program_help help = {
    .name = "perf2trace",
    .version = GT_VERSION,
    .summary = "make a report on the GIL of a Python program from a recording of perf",
    .usage = "perf2trace [options] [gil|sched|all] [FILE]\n"
             "perf2trace [options] [gil|sched|all] DIR...\n"
             "perf2trace [options] stacks --native FILE [FILE]\n"
             "perf2trace --baseline before.json after.json -o diff.html\n",
    .description = "Makes a report of perf.data, or of saved or piped perf script text (also "
                   ".gz); of an agent's log or VizTracer's JSON also alone. Of DIR, a "
                   "folder of giltracer --keep or an agent's log, it takes all parts; a "
                   "report (.json, .json.gz) is read, too. Several "
                   "come onto one timeline, also of several machines, by the clocks that they "
                   "keep. `stacks` prints "
                   "samples of native stacks as perf script does, with the Python functions in "
                   "them. --baseline makes a page of what differs between two reports (JSON, "
                   "or pages).",
    .table = table,
    .values = values,
    .sections = sections,
    .first_screen = "",
    .see_also = "giltracer(1), offgil(1), perf-script(1)",
};

static int write_report(const struct cli *cli, const struct gt_report *report,
                        struct gt_outputs *outputs, struct gt_error *err)
{
    int rc;

    if (gt_interrupt_abandoned())
        return abandon(err);
    if (!cli->quiet)
        gt_outputs_print_table(report, cli->color, true);
    rc = gt_outputs_write_summary(outputs, report, cli->quiet, err);
    for (size_t i = 0; i < outputs->count && rc == 0; i++)
        rc = gt_interrupt_abandoned()
                 ? gt_error_set(err, GT_ERR_CANCELLED,
                                "interrupted: not every report was written")
                 : gt_outputs_write_file(outputs, i, report, cli->quiet, err);
    return rc;
}

static int write_all(const struct cli *cli, const struct gt_recorded *recorded,
                     const struct gt_run_info *info, struct gt_outputs *outputs,
                     struct gt_checks *checks, struct gt_error *err)
{
    const struct gt_report_options options = {
        .what_if = cli->what_if.items,
        .perfetto_states = cli->perfetto_states,
        .all_threads = cli->all_threads,
        .keep_short_calls = cli->keep_short_calls,
        .keep_interpreter_frames = cli->keep_interpreter,
    };
    bool estimates =
        gt_outputs_show_estimates(gt_outputs_paths(&cli->outputs), cli->summary, cli->quiet);
    bool compares = cli->of_giltracer || cli->fail_if.count || cli->baseline;
    struct gt_results results = {0};
    int rc = gt_results_make(&results, recorded, info, &options, estimates, err);

    if (rc == 0 && compares)
        rc = gt_checks_take(checks, results.report, err);
    if (rc == 0)
        rc = write_report(cli, results.report, outputs, err);
    if (rc == 0)
        gt_checks_say(checks, results.report);
    gt_results_release(&results);
    return rc;
}

/* One recording; NULL where it is none whose parts giltracer named. */
static int convert(const struct cli *cli, const struct recording *recording,
                   struct gt_outputs *outputs, struct gt_checks *checks, struct gt_error *err)
{
    const struct gt_run_info unknown = {.exit_status = -1,
                                        .started_unix_ns = -1,
                                        .root_pid = -1,
                                        .gil_enabled = true,
                                        .labels = cli->labels.list};
    const struct gt_ingest_options options =
        recording ? recording_options(recording, cli->detect)
                  : (struct gt_ingest_options){.detect = cli->detect};
    struct gt_sources sources = {0};
    struct gt_ingest *ingest = gt_ingest_new(&options, err);
    int rc = ingest ? read_and_say(cli, ingest, &sources, err) : err->code;

    if (rc == 0)
        rc = write_all(cli, gt_ingest_recorded(ingest),
                       recording ? &recording->file.info : &unknown, outputs, checks, err);
    gt_ingest_free(ingest);
    gt_sources_release(&sources);
    return rc;
}

static int convert_folder(const struct cli *cli, struct gt_outputs *outputs,
                          struct gt_checks *checks, struct gt_error *err)
{
    struct recording recording = {0};
    struct cli named = *cli;
    int rc = recording_find(&recording, cli->input, err);

    recording_use(&recording, &named);
    if (rc == 0)
        rc = recording_label(&recording, &cli->labels, err);
    if (rc == 0)
        rc = convert(&named, &recording, outputs, checks, err);
    recording_release(&recording);
    return rc;
}

static int convert_several(const struct cli *cli, struct gt_outputs *outputs,
                           struct gt_checks *checks, struct gt_error *err)
{
    struct merging merging = {0};
    int rc = merging_read(&merging, cli, err);

    if (rc == 0)
        rc = write_all(cli, merging.recorded, &merging.info, outputs, checks, err);
    merging_release(&merging);
    return rc;
}

static int write_stacks(const struct cli *cli, struct gt_error *err)
{
    const struct gt_ingest_options options = {.detect = cli->detect};
    struct gt_sources sources = {0};
    struct gt_ingest *ingest = NULL;
    struct gt_output output;
    int rc = gt_output_open_until(&output, cli->outputs.count ? cli->outputs.items[0] : "-",
                                  gt_interrupt_stop(), err);

    if (rc < 0)
        return rc;
    gt_interrupt_reads();
    ingest = gt_ingest_new(&options, err);
    rc = ingest ? read_and_say(cli, ingest, &sources, err) : err->code;
    if (rc == 0)
        rc = gt_stacks_text_write(gt_ingest_recorded(ingest)->timeline, cli->keep_interpreter,
                                  &output, err);
    if (rc == 0)
        rc = gt_output_commit(&output, err);
    gt_ingest_free(ingest);
    gt_sources_release(&sources);
    gt_output_abandon(&output);
    return rc;
}

static int write_stacks_of(const struct cli *cli, struct gt_error *err)
{
    struct recording recording = {0};
    struct cli named = *cli;
    int rc = cli->of_giltracer ? recording_find(&recording, cli->input, err) : 0;

    if (cli->of_giltracer)
        recording_use(&recording, &named);
    if (rc == 0 && !named.native)
        rc = gt_error_set(
            err, GT_ERR_NOT_FOUND,
            "%s holds no samples of native stacks (record it without --no-native)", cli->input);
    if (rc == 0)
        rc = write_stacks(&named, err);
    recording_release(&recording);
    return rc;
}

/* The outputs are opened before the input is read: a bad path is found early. */
static int run(const struct cli *cli, struct gt_checks *checks, struct gt_error *err)
{
    struct gt_outputs outputs = {0};
    int rc = gt_outputs_open(&outputs, gt_outputs_paths(&cli->outputs), cli->summary,
                             gt_interrupt_stop(), err);

    if (rc == 0) {
        gt_interrupt_reads();
        if (!cli->of_giltracer)
            rc = convert(cli, NULL, &outputs, checks, err);
        else if (cli->inputs.count == 1 && recording_is_folder(cli->input))
            rc = convert_folder(cli, &outputs, checks, err);
        else
            rc = convert_several(cli, &outputs, checks, err);
    }
    gt_outputs_release(&outputs);
    return rc;
}

static int compare(const struct cli *cli, struct gt_error *err)
{
    return gt_comparing_run(cli->baseline, cli->input, &cli->outputs, cli->quiet, err);
}

static int run_and_check(const struct cli *cli, int *status, struct gt_error *err)
{
    const struct gt_checks_asked asked = {.fail_if = cli->fail_if.items,
                                          .baseline = cli->baseline,
                                          .runs = 1,
                                          .quiet = cli->quiet};
    struct gt_checks checks;
    int rc = gt_checks_init(&checks, &asked, err);

    if (rc < 0) {
        gt_checks_refuse("perf2trace", err);
        err->code = 0; /* it was said */
    } else {
        rc = run(cli, &checks, err);
    }
    *status = gt_checks_status(&checks);
    gt_checks_release(&checks);
    return rc;
}

int main(int argc, char **argv)
{
    struct cli cli = {.color = GT_COLOR_AUTO};
    struct gt_error err = {0};
    int rc, status = 0;

    (void)argc;
    gt_console_init("perf2trace");
    gt_limits_raise_open_files();
    gt_limits_raise_file_bytes();
    rc = gt_interrupt_watch("perf2trace", &err);
    if (rc >= 0)
        rc = parse(&cli, argv, &err);
    if (cli.quiet || (cli.stacks && isatty(STDOUT_FILENO))) /* these come as it is read */
        gt_progress_never();
    if (rc >= 0 && cli.help)
        rc = gt_help_print(&help, cli.operands && !cli.input ? "all" : cli.input, &err);
    else if (rc >= 0 && cli.version)
        puts("perf2trace " GT_VERSION);
    else if (rc >= 0)
        rc = cli.compares ? compare(&cli, &err)
             : cli.stacks ? write_stacks_of(&cli, &err)
                          : run_and_check(&cli, &status, &err);
    if (rc < 0 && err.code)
        gt_say("%s", err.message);
    gt_strvec_release(&cli.outputs);
    gt_strvec_release(&cli.what_if);
    gt_strvec_release(&cli.fail_if);
    gt_strvec_release(&cli.inputs);
    gt_user_labels_release(&cli.labels);
    if (gt_interrupt_signal())
        return GT_EXIT_SIGNAL + gt_interrupt_signal();
    return rc < 0 ? GT_EXIT_OURS : status;
}
