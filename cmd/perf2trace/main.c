/* perf2trace: recordings made before, as reports. */
#include "agentlog/agentlog.h"
#include "base/fs.h"
#include "base/options.h"
#include "base/strvec.h"
#include "common/results.h"
#include "launch/input.h"
#include "ingest/ingest.h"
#include "viztracer/viztracer.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EXIT_FAILURE_OURS = 125 };

enum {
    OPTION_OUTPUT = 1,
    OPTION_VIZTRACER,
    OPTION_AGENT_LOG,
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
    const char *viztracer, *agent_log;
    bool gil_of_agent;
    unsigned detect; /* enum gt_report_detect; 0: not given */
    int operands;
    int color; /* -1 auto */
    bool keep_interpreter, perfetto_states, quiet, version, help;
};

static void say(const char *text)
{
    fprintf(stderr, "perf2trace: %s\n", text);
}

static int set_color(struct cli *cli, const char *when, struct gt_error *err)
{
    if (!when || strcmp(when, "never") == 0)
        cli->color = 0;
    else if (strcmp(when, "always") == 0)
        cli->color = 1;
    else if (strcmp(when, "auto") == 0)
        cli->color = -1;
    else
        return gt_error_set(err, GT_ERR_USAGE, "--color takes auto, always or never, not %s",
                            when);
    return 0;
}

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
        return set_color(cli, value, err);
    case OPTION_GIL_SOURCE:
        return set_gil_source(cli, value, err);
    case OPTION_VIZTRACER:
        cli->viztracer = value;
        break;
    case OPTION_AGENT_LOG:
        cli->agent_log = value;
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

/* The first word may say what to take; the other is the input. */
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
    if (!cli->outputs.count && gt_strvec_push(&cli->outputs, "giltracer.html"))
        return gt_error_memory(err);
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

static int on_data(void *context, const char *data, size_t length, struct gt_error *err)
{
    return gt_ingest_feed(context, data, length, err);
}

/* The outputs are opened before the input is read: a bad path is found early. */
static int write_outputs(const struct cli *cli, const struct gt_report *report,
                         struct gt_output *outputs, struct gt_error *err)
{
    int rc = 0;

    for (size_t i = 0; i < cli->outputs.count && rc == 0; i++) {
        enum gt_report_format format;

        rc = gt_report_format_of(cli->outputs.items[i], &format, err);
        if (rc == 0)
            rc = gt_report_write(report, format, &outputs[i], err);
        if (rc == 0)
            rc = gt_output_commit(&outputs[i], err);
        if (rc == 0 && !cli->quiet && strcmp(cli->outputs.items[i], "-") != 0)
            fprintf(stderr, "perf2trace: wrote %s\n", cli->outputs.items[i]);
    }
    return rc;
}

static int write_summary(const struct gt_report *report, struct gt_output *output,
                         struct gt_error *err)
{
    struct gt_buf json;
    int rc;

    gt_buf_init(&json);
    rc = gt_report_summary(report, &json, err);
    if (rc == 0)
        rc = gt_output_write(output, json.data, json.length, err);
    if (rc == 0)
        rc = gt_output_commit(output, err);
    gt_buf_release(&json);
    return rc;
}

static void print_table(const struct cli *cli, const struct gt_report *report)
{
    const char *no_color = getenv("NO_COLOR");
    bool color = cli->color == 1 ||
                 (cli->color < 0 && isatty(STDERR_FILENO) && !(no_color && *no_color));
    struct gt_buf text;

    gt_buf_init(&text);
    if (!cli->quiet && gt_report_print(report, color, &text) == 0)
        fputs(text.data, stderr);
    gt_buf_release(&text);
}

/* All outputs, then the summary's, which is closed when it is not wanted. */
static int open_outputs(const struct cli *cli, struct gt_output *outputs, struct gt_error *err)
{
    size_t count = cli->outputs.count;

    for (size_t i = 0; i <= count; i++)
        outputs[i].fd = -1;
    for (size_t i = 0; i < count; i++) {
        enum gt_report_format format;
        int rc = gt_report_format_of(cli->outputs.items[i], &format, err);

        if (rc == 0)
            rc = gt_output_open(&outputs[i], cli->outputs.items[i], err);
        if (rc < 0)
            return rc;
    }
    return cli->summary ? gt_output_open(&outputs[count], cli->summary, err) : 0;
}

/* What is recorded beside the text, opened. */
struct beside {
    struct gt_agentlog *agentlog;
    struct gt_viztracer *viztracer;
};

static int open_agentlog(const struct cli *cli, struct gt_ingest *ingest, struct beside *beside,
                         struct gt_error *err)
{
    unsigned parts = (cli->input ? 0u : (unsigned)GT_AGENTLOG_LIVES) |
                     (cli->gil_of_agent ? (unsigned)GT_AGENTLOG_GIL : 0u);
    const char *warning;

    beside->agentlog = gt_agentlog_open(cli->agent_log, err);
    if (!beside->agentlog)
        return err->code;
    for (size_t i = 0; (warning = gt_agentlog_warning(beside->agentlog, i)); i++)
        say(warning);
    gt_ingest_set_agentlog(ingest, beside->agentlog, parts);
    return 0;
}

static int open_viztracer(const struct cli *cli, struct gt_ingest *ingest,
                          struct beside *beside, struct gt_error *err)
{
    struct gt_error damage = {0};

    beside->viztracer = gt_viztracer_open(cli->viztracer, &damage, err);
    if (!beside->viztracer)
        return err->code;
    if (damage.code)
        say(damage.message);
    if (!cli->input)
        gt_ingest_set_agentlog(ingest, NULL, GT_AGENTLOG_LIVES);
    gt_ingest_set_viztracer(ingest, beside->viztracer, cli->viztracer);
    return 0;
}

/* Everything into one recording. `damage`: what is wrong with the text that was read. */
static int read_all(const struct cli *cli, struct gt_ingest *ingest, struct beside *beside,
                    struct gt_error *damage, struct gt_error *err)
{
    struct gt_error why = {0};
    int rc = 0;

    if (cli->agent_log)
        rc = open_agentlog(cli, ingest, beside, err);
    if (rc == 0 && cli->viztracer)
        rc = open_viztracer(cli, ingest, beside, err);
    if (rc == 0 && cli->input)
        rc = gt_input_read(cli->input, on_data, ingest, damage, err);
    if (rc < 0)
        return rc;
    rc = gt_ingest_finish(ingest, &why);
    if (rc < 0 && cli->input && why.message[0])
        gt_error_set(err, why.code, "%s: %s",
                     strcmp(cli->input, "-") == 0 ? "standard input" : cli->input, why.message);
    else if (rc < 0)
        *err = why;
    return rc;
}

/* Does something show what-if estimates? */
static bool shows_estimates(const struct cli *cli)
{
    return !cli->quiet || cli->summary || gt_report_shows_estimates(cli->outputs.items);
}

static int write_report(const struct cli *cli, const struct gt_report *report,
                        struct gt_output *outputs, struct gt_error *err)
{
    int rc = 0;

    print_table(cli, report);
    if (cli->summary)
        rc = write_summary(report, &outputs[cli->outputs.count], err);
    return rc == 0 ? write_outputs(cli, report, outputs, err) : rc;
}

static int write_all(const struct cli *cli, const struct gt_recorded *recorded,
                     struct gt_output *outputs, struct gt_error *err)
{
    const struct gt_run_info unknown = {
        .exit_status = -1, .started_unix_ns = -1, .root_pid = -1, .gil_enabled = true};
    const struct gt_report_options options = {
        .perfetto_states = cli->perfetto_states,
        .keep_interpreter_frames = cli->keep_interpreter,
    };
    struct gt_results results = {0};
    int rc = gt_results_make(&results, recorded, &unknown, &options, shows_estimates(cli), err);

    if (rc == 0)
        rc = write_report(cli, results.report, outputs, err);
    gt_results_release(&results);
    return rc;
}

static int convert(const struct cli *cli, struct gt_ingest *ingest, struct gt_output *outputs,
                   struct beside *beside, struct gt_error *err)
{
    struct gt_error damage = {0};
    int rc = read_all(cli, ingest, beside, &damage, err);

    if (rc < 0 && damage.code)
        *err = damage; /* it says more than "nothing was understood" */
    if (rc < 0)
        return rc;
    if (damage.code)
        say(damage.message);
    return write_all(cli, gt_ingest_recorded(ingest), outputs, err);
}

static int run(const struct cli *cli, struct gt_error *err)
{
    const struct gt_ingest_options options = {.detect = cli->detect};
    struct gt_output *outputs = calloc(cli->outputs.count + 1, sizeof(*outputs));
    struct gt_ingest *ingest = NULL;
    struct beside beside = {0};
    int rc;

    if (!outputs)
        return gt_error_memory(err);
    rc = open_outputs(cli, outputs, err);
    if (rc == 0) {
        ingest = gt_ingest_new(&options, err);
        rc = ingest ? convert(cli, ingest, outputs, &beside, err) : err->code;
    }
    gt_ingest_free(ingest);
    gt_agentlog_free(beside.agentlog);
    gt_viztracer_free(beside.viztracer);
    for (size_t i = 0; i <= cli->outputs.count; i++)
        gt_output_abandon(&outputs[i]);
    free(outputs);
    return rc;
}

int main(int argc, char **argv)
{
    struct cli cli = {.color = -1};
    struct gt_error err = {0};
    int rc;

    (void)argc;
    signal(SIGPIPE, SIG_IGN);
    rc = parse(&cli, argv, &err);
    if (rc >= 0 && cli.help)
        print_help();
    else if (rc >= 0 && cli.version)
        puts("perf2trace " GT_VERSION);
    else if (rc >= 0)
        rc = run(&cli, &err);
    if (rc < 0)
        say(err.message);
    gt_strvec_release(&cli.outputs);
    return rc < 0 ? EXIT_FAILURE_OURS : 0;
}
