/* SPDX-License-Identifier: MIT */
/* perf2trace: recordings made before, as reports. */
#include "base/options.h"
#include "base/strvec.h"
#include "common/console.h"
#include "common/exit_status.h"
#include "common/interrupt.h"
#include "common/outputs.h"
#include "common/results.h"
#include "common/sources.h"
#include "agentlog/agentlog.h"
#include "ingest/ingest.h"
#include "launch/limits.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    OPTION_OUTPUT = 1,
    OPTION_VIZTRACER,
    OPTION_AGENT_LOG,
    OPTION_PROBES,
    OPTION_GIL_SOURCE,
    OPTION_SUMMARY,
    OPTION_KEEP_FRAMES,
    OPTION_PERFETTO_STATES,
    OPTION_QUIET,
    OPTION_COLOR,
    OPTION_VERSION,
    OPTION_HELP
};

static const struct gt_option table[] = {
    {OPTION_OUTPUT, 'o', "output", "FILE", 0,
     "report: .html, .json or .json.gz; repeatable (giltracer.html)"},
    {OPTION_VIZTRACER, 0, "viztracer", "FILE", 0,
     "merge VizTracer's JSON of the same run (.json, .json.gz)"},
    {OPTION_AGENT_LOG, 0, "agent-log", "DIR", 0,
     "merge an agent's log: DIR/agent of giltracer --keep DIR"},
    {OPTION_PROBES, 0, "probes", "FILE", 0,
     "with --agent-log: merge what probes recorded apart, DIR/probes.data"},
    {OPTION_GIL_SOURCE, 0, "gil-source", "WHICH", 0,
     "with --agent-log: the GIL as seen in the text (default) or by the agent"},
    {OPTION_KEEP_FRAMES, 0, "keep-interpreter-frames", NULL, 0,
     "page: functions and interpreter frames in the stacks of sleeps"},
    {OPTION_PERFETTO_STATES, 0, "perfetto-states", NULL, 0,
     "JSON: states as ph:\"T\" records, for Perfetto"},
    {OPTION_SUMMARY, 0, "summary", "FILE", 0, "write the summary as JSON"},
    {OPTION_QUIET, 'q', "quiet", NULL, 0, "print errors only"},
    {OPTION_COLOR, 0, "color", "WHEN", GT_OPTION_NEGATABLE, "auto, always or never"},
    {OPTION_VERSION, 0, "version", NULL, 0, "print the version"},
    {OPTION_HELP, 'h', "help", NULL, 0, "print this"},
    {0, 0, NULL, NULL, 0, NULL},
};

struct cli {
    struct gt_strvec outputs;
    const char *summary;
    const char *input; /* path or "-"; NULL: none */
    const char *viztracer, *agent_log, *probes;
    bool gil_of_agent;
    unsigned detect; /* enum gt_report_detect; 0: not given */
    int operands;
    enum gt_color color;
    bool keep_interpreter, perfetto_states, quiet, version, help;
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
    case OPTION_SUMMARY:
        cli->summary = value;
        break;
    case OPTION_KEEP_FRAMES:
        cli->keep_interpreter = true;
        break;
    case OPTION_PERFETTO_STATES:
        cli->perfetto_states = true;
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

/* The first word may name what to analyse; the other is the input. */
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

    for (size_t i = 0; cli->operands == 0 && i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(word, kinds[i].name) == 0) {
            cli->detect = kinds[i].detect;
            cli->operands++;
            return 0;
        }
    cli->operands++;
    if (cli->input)
        return gt_error_set(err, GT_ERR_USAGE, "one input at a time: %s and %s were given",
                            cli->input, word);
    cli->input = word;
    return 0;
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
    alone = !cli->input && (cli->viztracer || cli->agent_log) && !is_fed(STDIN_FILENO);
    if (cli->probes && (!cli->agent_log || !cli->input))
        return gt_error_set(err, GT_ERR_USAGE,
                            "--probes is merged with perf.data and an agent's log of the same "
                            "run: name both (perf2trace DIR/perf.data --agent-log DIR/agent "
                            "--probes DIR/probes.data)");
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
    if (!cli->detect)
        cli->detect = GT_DETECT_GIL | GT_DETECT_SCHED;
    return 0;
}

static void print_help(void)
{
    struct gt_buf text;

    gt_buf_init(&text);
    gt_options_help(table, &text);
    printf(
        "usage: perf2trace [options] [gil|sched|all] [FILE]\n\n"
        "Makes a report of perf.data, or of saved or piped perf script text (also .gz); of an\n"
        "agent's log or VizTracer's JSON also alone.\n\n%s",
        text.data);
    gt_buf_release(&text);
}

/* What giltracer did to its recordings while the program ran. */
static void use_note(struct gt_ingest *ingest, const struct gt_agentlog_quality *log)
{
    gt_ingest_set_probes_out(ingest, log->probes_out_ns, log->perf_died);
    if (log->probes_out_ns && log->rest_out)
        gt_ingest_set_rest_out(ingest);
}

static int open_sources(const struct cli *cli, struct gt_ingest *ingest,
                        struct gt_sources *sources, struct gt_error *err)
{
    unsigned parts = (cli->input ? 0u : (unsigned)GT_AGENTLOG_LIVES) |
                     (cli->gil_of_agent ? (unsigned)GT_AGENTLOG_GIL : 0u);
    int rc = 0;

    if (cli->agent_log)
        rc = gt_sources_add_agentlog(sources, cli->agent_log, parts, ingest, err);
    gt_sources_say_warnings(sources->agentlog);
    if (rc == 0 && cli->agent_log && cli->input)
        use_note(ingest, gt_agentlog_quality(sources->agentlog));
    if (rc == 0 && cli->viztracer)
        rc = gt_sources_add_viztracer(sources, cli->viztracer, !cli->input, ingest, err);
    return rc;
}

static int abandon(struct gt_error *err)
{
    return gt_error_set(err, GT_ERR_CANCELLED, "no report: interrupted");
}

/* Read all sources into one recording. `damage`: what is wrong with the text that was read. */
static int read_all(const struct cli *cli, struct gt_ingest *ingest, struct gt_sources *sources,
                    struct gt_error *damage, struct gt_error *err)
{
    struct gt_error why = {0};
    int rc = open_sources(cli, ingest, sources, err);

    if (rc == 0 && cli->probes)
        rc = gt_sources_read_probes(cli->probes, ingest, damage, err);
    if (rc == 0 && cli->input)
        rc = gt_sources_read(cli->input, ingest, damage, err);
    if (rc < 0)
        return rc;
    gt_interrupt_has_read();
    if (gt_interrupt_abandoned())
        return abandon(err);
    rc = gt_ingest_finish(ingest, &why);
    if (rc < 0 && cli->input && why.message[0])
        gt_error_set(err, why.code, "%s: %s", gt_sources_input_name(cli->input), why.message);
    else if (rc < 0)
        *err = why;
    return rc;
}

static int write_report(const struct cli *cli, const struct gt_report *report,
                        struct gt_outputs *outputs, struct gt_error *err)
{
    int rc;

    if (gt_interrupt_abandoned())
        return abandon(err);
    if (!cli->quiet)
        gt_outputs_print_table(report, cli->color);
    rc = gt_outputs_write_summary(outputs, report, cli->quiet, err);
    for (size_t i = 0; i < outputs->count && rc == 0; i++)
        rc = gt_interrupt_abandoned()
                 ? gt_error_set(err, GT_ERR_CANCELLED,
                                "interrupted: not every report was written")
                 : gt_outputs_write_file(outputs, i, report, cli->quiet, err);
    return rc;
}

static int write_all(const struct cli *cli, const struct gt_recorded *recorded,
                     struct gt_outputs *outputs, struct gt_error *err)
{
    const struct gt_run_info unknown = {
        .exit_status = -1, .started_unix_ns = -1, .root_pid = -1, .gil_enabled = true};
    const struct gt_report_options options = {
        .perfetto_states = cli->perfetto_states,
        .keep_interpreter_frames = cli->keep_interpreter,
    };
    bool estimates =
        gt_outputs_show_estimates(gt_outputs_paths(&cli->outputs), cli->summary, cli->quiet);
    struct gt_results results = {0};
    int rc = gt_results_make(&results, recorded, &unknown, &options, estimates, err);

    if (rc == 0)
        rc = write_report(cli, results.report, outputs, err);
    gt_results_release(&results);
    return rc;
}

static int convert(const struct cli *cli, struct gt_ingest *ingest, struct gt_outputs *outputs,
                   struct gt_sources *sources, struct gt_error *err)
{
    struct gt_error damage = {0};
    int rc = read_all(cli, ingest, sources, &damage, err);

    if (rc < 0 && rc != GT_ERR_CANCELLED && damage.code)
        *err = damage; /* it says more than "nothing was understood" */
    if (rc < 0)
        return rc;
    if (damage.code)
        gt_say("%s", damage.message);
    return write_all(cli, gt_ingest_recorded(ingest), outputs, err);
}

/* The outputs are opened before the input is read: a bad path is found early. */
static int run(const struct cli *cli, struct gt_error *err)
{
    const struct gt_ingest_options options = {.detect = cli->detect};
    struct gt_outputs outputs = {0};
    struct gt_sources sources = {0};
    struct gt_ingest *ingest = NULL;
    int rc = gt_outputs_open(&outputs, gt_outputs_paths(&cli->outputs), cli->summary,
                             gt_interrupt_stop(), err);

    if (rc == 0) {
        gt_interrupt_reads();
        ingest = gt_ingest_new(&options, err);
        rc = ingest ? convert(cli, ingest, &outputs, &sources, err) : err->code;
    }
    gt_ingest_free(ingest);
    gt_sources_release(&sources);
    gt_outputs_release(&outputs);
    return rc;
}

int main(int argc, char **argv)
{
    struct cli cli = {.color = GT_COLOR_AUTO};
    struct gt_error err = {0};
    int rc;

    (void)argc;
    gt_console_init("perf2trace");
    gt_limits_raise_open_files();
    gt_limits_raise_file_bytes();
    rc = gt_interrupt_watch("perf2trace", &err);
    if (rc >= 0)
        rc = parse(&cli, argv, &err);
    if (rc >= 0 && cli.help)
        print_help();
    else if (rc >= 0 && cli.version)
        puts("perf2trace " GT_VERSION);
    else if (rc >= 0)
        rc = run(&cli, &err);
    if (rc < 0)
        gt_say("%s", err.message);
    gt_strvec_release(&cli.outputs);
    if (gt_interrupt_signal())
        return GT_EXIT_SIGNAL + gt_interrupt_signal();
    return rc < 0 ? GT_EXIT_OURS : 0;
}
