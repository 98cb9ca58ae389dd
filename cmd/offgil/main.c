/* SPDX-License-Identifier: MIT */
/* offgil: where threads slept, ran, or met with events, from a recording, as folded stacks or a
 * flame graph. */
#include "analysis/flame.h"
#include "base/output.h"
#include "base/options.h"
#include "common/console.h"
#include "common/exit_status.h"
#include "common/help.h"
#include "common/interrupt.h"
#include "common/run_file.h"
#include "common/sources.h"
#include "common/user_labels.h"
#include "ingest/ingest.h"
#include "launch/limits.h"
#include "report/flame_folded.h"
#include "report/flame_pprof.h"
#include "report/svg.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    OPTION_OUTPUT = 1,
    OPTION_STATE,
    OPTION_THREADS,
    OPTION_NATIVE,
    OPTION_EVENT,
    OPTION_GIL,
    OPTION_AGENT_LOG,
    OPTION_VIZTRACER,
    OPTION_KEEP_FRAMES,
    OPTION_LABEL,
    OPTION_VERSION,
    OPTION_HELP
};

static const struct gt_option table[] = {
    {OPTION_OUTPUT, 'o', "output", "FILE", 0,
     "folded stacks; .svg: a flame graph; .pb.gz: a profile of pprof's (default: folded "
     "stacks to stdout)"},
    {OPTION_STATE, 0, "state", "STATE", 0,
     "time in which state: S(GIL) (default), S, D, running"},
    {OPTION_THREADS, 0, "threads", NULL, 0, "keep threads apart"},
    {OPTION_NATIVE, 0, "native", "FILE", 0,
     "for running: DIR/native.data of giltracer --keep DIR, samples of native stacks"},
    {OPTION_EVENT, 'e', "event", "NAME", 0, "by events of giltracer -e NAME --call-graph"},
    {OPTION_GIL, 0, "gil", "WHICH", 0, "samples and events with the GIL (held) or not (free)"},
    {OPTION_AGENT_LOG, 0, "agent-log", "DIR", 0,
     "functions from DIR/agent of giltracer --keep DIR instead of interpreter frames"},
    {OPTION_VIZTRACER, 0, "viztracer", "FILE", 0, "the same from VizTracer's JSON of that run"},
    {OPTION_KEEP_FRAMES, 0, "keep-interpreter-frames", NULL, 0,
     "functions and interpreter frames"},
    {OPTION_LABEL, 0, "label", "KEY=VALUE", GT_OPTION_MANY,
     "in a profile of pprof's: service=checkout; may repeat"},
    {OPTION_VERSION, 0, "version", NULL, 0, "print the version"},
    {OPTION_HELP, 'h', "help", NULL, 0, "print this"},
    {0, 0, NULL, NULL, 0, NULL},
};

struct cli {
    const char *input, *output, *state_name, *agent_log, *viztracer, *native, *event;
    enum gt_sched_state state;
    unsigned flags; /* enum gt_flame_flags */
    struct gt_user_labels labels;
    bool version, help;
};

static int set_state(struct cli *cli, const char *name, struct gt_error *err)
{
    cli->state_name = name;
    cli->state = gt_sched_state_of(name);
    if (cli->state != GT_SCHED_STATES)
        return 0;
    return gt_error_set(err, GT_ERR_USAGE,
                        "no state is called '%s' (there are S(GIL), S, D, running, \"runnable "
                        "(preempted)\", \"runnable (woken)\", stopped, \"off CPU\", \"off CPU "
                        "(GIL)\")",
                        name);
}

static int set_gil(struct cli *cli, const char *which, struct gt_error *err)
{
    if (strcmp(which, "held") != 0 && strcmp(which, "free") != 0)
        return gt_error_set(err, GT_ERR_USAGE, "--gil takes held or free, not %s", which);
    cli->flags |= which[0] == 'h' ? GT_FLAME_WITH_GIL : GT_FLAME_WITHOUT_GIL;
    return 0;
}

static int apply(void *context, const struct gt_option *option, const char *value, bool on,
                 struct gt_error *err)
{
    struct cli *cli = context;

    (void)on;
    switch (option->id) {
    case OPTION_STATE:
        return set_state(cli, value, err);
    case OPTION_GIL:
        return set_gil(cli, value, err);
    case OPTION_LABEL:
        return gt_user_labels_add(&cli->labels, value, err);
    case OPTION_NATIVE:
        cli->native = value;
        break;
    case OPTION_EVENT:
        cli->event = value;
        break;
    case OPTION_OUTPUT:
        cli->output = value;
        break;
    case OPTION_THREADS:
        cli->flags |= GT_FLAME_BY_THREAD;
        break;
    case OPTION_KEEP_FRAMES:
        cli->flags |= GT_FLAME_KEEP_INTERPRETER;
        break;
    case OPTION_AGENT_LOG:
        cli->agent_log = value;
        break;
    case OPTION_VIZTRACER:
        cli->viztracer = value;
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

static int take_operand(void *context, const char *word, struct gt_error *err)
{
    struct cli *cli = context;

    if (cli->input)
        return gt_error_set(err, GT_ERR_USAGE, "one input at a time: %s and %s were given",
                            cli->input, word);
    cli->input = word;
    return 0;
}

static const struct gt_option_values values[] = {
    {"STATE", "S D running"},
    {"FILE", NULL},
    {"DIR", NULL},
    {NULL, NULL},
};
static const struct gt_help_section sections[] = {{NULL, NULL}};
static const struct gt_program_help help = {
    .name = "offgil",
    .version = GT_VERSION,
    .summary = "show in which functions a Python program slept for its GIL, or ran",
    .usage = "offgil [options] [FILE]\n",
    .description = "Stacks of the time spent asleep for the GIL, from perf.data or saved perf "
                   "script text. Record with: giltracer --state-detect --call-graph --keep DIR "
                   "script.py. With --native of the time on a CPU, with --event of events.",
    .table = table,
    .values = values,
    .sections = sections,
    .see_also = "giltracer(1), perf2trace(1)",
};

static bool is_named(const struct cli *cli, const char *ending)
{
    size_t length = cli->output ? strlen(cli->output) : 0, end = strlen(ending);

    return length > end && strcmp(cli->output + length - end, ending) == 0;
}

/* Labels are of profiles: folded stacks and pictures have no place for them. */
static int check_labels(const struct cli *cli, struct gt_error *err)
{
    if (!cli->labels.count || is_named(cli, ".pb.gz"))
        return 0;
    return gt_error_set(err, GT_ERR_USAGE,
                        "--label is for a profile of pprof's: add -o FILE.pb.gz");
}

/* Samples of native stacks are of threads that run, and nothing else tells of their stacks. */
static int check_native(struct cli *cli, struct gt_error *err)
{
    if (cli->event && (cli->native || cli->state_name))
        return gt_error_set(err, GT_ERR_USAGE,
                            "one graph is of one thing: --event, --native, or --state");
    if (!cli->native && !cli->event && cli->flags & (GT_FLAME_WITH_GIL | GT_FLAME_WITHOUT_GIL))
        return gt_error_set(err, GT_ERR_USAGE,
                            "--gil is about samples and events: add --native FILE, or --event "
                            "NAME");
    if (cli->native && cli->state_name && cli->state != GT_SCHED_RUNNING)
        return gt_error_set(err, GT_ERR_USAGE,
                            "--native has samples of threads that run: its --state is running");
    if (cli->native)
        cli->state = GT_SCHED_RUNNING;
    return 0;
}

static int check_stacks(const struct cli *cli, const struct gt_timeline *timeline,
                        struct gt_error *err)
{
    if (cli->native || cli->event || (timeline->saw_sched && timeline->saw_stacks))
        return 0;
    return gt_error_set(err, GT_ERR_FORMAT,
                        "%s holds no %s: record with giltracer --state-detect --call-graph "
                        "--keep DIR",
                        gt_sources_input_name(cli->input),
                        timeline->saw_sched ? "stacks" : "thread states");
}

/* Of the events, of all processes; *counter is theirs. */
static int find_event(const struct cli *cli, const struct gt_timeline *timeline,
                      uint32_t *counter, struct gt_error *err)
{
    for (*counter = 0; *counter < timeline->counters.count; ++*counter) {
        const struct gt_counter *each = gt_chunks_at(&timeline->counters, *counter);

        if (strcmp(gt_intern_text(&timeline->names, each->name), cli->event) != 0)
            continue;
        if (each->stacked || !each->samples.count)
            return 0;
        return gt_error_set(err, GT_ERR_FORMAT,
                            "the events %s of %s have no stacks: record with giltracer -e %s "
                            "--call-graph --keep DIR",
                            cli->event, gt_sources_input_name(cli->input), cli->event);
    }
    return gt_error_set(err, GT_ERR_FORMAT,
                        "%s holds no event %s: record with giltracer -e %s --call-graph --keep "
                        "DIR",
                        gt_sources_input_name(cli->input), cli->event, cli->event);
}

static int make_flame(const struct cli *cli, const struct gt_timeline *timeline,
                      struct gt_flame *flame, struct gt_error *err)
{
    unsigned flags = cli->flags | (is_named(cli, ".pb.gz") ? GT_FLAME_APART : 0);
    uint32_t counter;
    int rc;

    if (!cli->event)
        return gt_flame_init(flame, timeline, cli->state, flags, err);
    rc = find_event(cli, timeline, &counter, err);
    return rc < 0 ? rc : gt_flame_init_counter(flame, timeline, counter, flags, err);
}

/* What ran is told beside the input, where giltracer --keep left it. */
static int write_profile(const struct cli *cli, const struct gt_flame *flame, const char *what,
                         const struct gt_timeline *timeline, struct gt_output *output,
                         struct gt_error *err)
{
    struct gt_run_file file = {0};
    struct gt_user_labels labels = {0};
    struct gt_error why = {0};
    struct gt_run_info info;
    int rc = gt_run_file_read_beside(&file, cli->input, &why);

    if (rc < 0 && rc != GT_ERR_NOT_FOUND)
        gt_say("%s: what it tells is left out of the labels", why.message);
    rc = gt_user_labels_add_list(&labels, cli->labels.list, err);
    if (rc == 0)
        rc = gt_user_labels_add_list(&labels, file.labels.list, err);
    info = file.info;
    info.labels = labels.list;
    if (rc == 0)
        rc = gt_flame_pprof_write(flame, what, timeline, &info, output, err);
    gt_user_labels_release(&labels);
    gt_run_file_release(&file);
    return rc;
}

static int write_flame(const struct cli *cli, const struct gt_flame *flame,
                       const struct gt_timeline *timeline, struct gt_output *output,
                       struct gt_error *err)
{
    const char *what = cli->event ? cli->event : gt_sched_state_name(cli->state);
    char title[96];
    struct gt_buf folded;
    int rc;

    if (is_named(cli, ".svg")) {
        snprintf(title, sizeof(title), "%s %s", cli->event ? "Events" : "Time in state", what);
        return gt_svg_write(flame, title, output, err);
    }
    if (is_named(cli, ".pb.gz"))
        return write_profile(cli, flame, what, timeline, output, err);
    gt_buf_init(&folded);
    rc = gt_flame_folded(flame, &folded)
             ? gt_error_memory(err)
             : gt_output_write(output, folded.data, folded.length, err);
    gt_buf_release(&folded);
    return rc;
}

/* What tells of functions. */
static int open_sources(const struct cli *cli, struct gt_ingest *ingest,
                        struct gt_sources *sources, struct gt_error *err)
{
    int rc = 0;

    if (cli->agent_log)
        rc = gt_sources_add_agentlog(sources, cli->agent_log,
                                     cli->native || cli->event ? GT_AGENTLOG_GIL : 0, ingest,
                                     err);
    if (rc == 0 && cli->viztracer)
        rc = gt_sources_add_viztracer(sources, cli->viztracer, false, ingest, err);
    return rc;
}

static int convert(const struct cli *cli, struct gt_ingest *ingest, struct gt_output *output,
                   struct gt_error *err)
{
    struct gt_error damage = {0};
    struct gt_flame flame;
    int rc = gt_sources_read(cli->input, ingest, &damage, err);

    if (rc == 0 && cli->native)
        rc = gt_sources_read_native(cli->native, ingest, &damage, err);
    gt_interrupt_has_read();
    if (rc == 0)
        rc = gt_ingest_finish(ingest, damage.code ? NULL : err);
    if (rc < 0 && damage.code)
        *err = damage;
    if (rc == 0 && damage.code)
        gt_say("%s", damage.message);
    if (rc == 0)
        rc = check_stacks(cli, gt_ingest_recorded(ingest)->timeline, err);
    if (rc == 0 && gt_interrupt_abandoned())
        rc = gt_error_set(err, GT_ERR_CANCELLED, "nothing was written: interrupted");
    if (rc < 0)
        return rc;
    rc = make_flame(cli, gt_ingest_recorded(ingest)->timeline, &flame, err);
    if (rc < 0)
        return rc;
    if (flame.spans == 0 && !cli->event)
        gt_say("no thread was ever in state %s", gt_sched_state_name(cli->state));
    if (flame.spans == 0 && cli->event)
        gt_say("%s did not occur", cli->event);
    rc = write_flame(cli, &flame, gt_ingest_recorded(ingest)->timeline, output, err);
    gt_flame_release(&flame);
    return rc < 0 ? rc : gt_output_commit(output, err);
}

static int run(const struct cli *cli, struct gt_error *err)
{
    static const struct gt_ingest_options options = {.detect = GT_DETECT_GIL | GT_DETECT_SCHED};
    struct gt_sources sources = {0};
    struct gt_ingest *ingest;
    struct gt_output output;
    int rc = gt_output_open_until(&output, cli->output ? cli->output : "-", gt_interrupt_stop(),
                                  err);

    if (rc < 0)
        return rc;
    gt_interrupt_reads();
    ingest = gt_ingest_new(&options, err);
    rc = ingest ? open_sources(cli, ingest, &sources, err) : GT_ERR_MEMORY;
    if (rc == 0)
        rc = convert(cli, ingest, &output, err);
    gt_ingest_free(ingest);
    gt_sources_release(&sources);
    gt_output_abandon(&output);
    return rc;
}

int main(int argc, char **argv)
{
    struct cli cli = {.state = GT_SCHED_SLEEPING_GIL};
    struct gt_error err = {0};
    int rc;

    (void)argc;
    gt_console_init("offgil");
    gt_limits_raise_open_files();
    gt_limits_raise_file_bytes();
    rc = gt_interrupt_watch("offgil", &err);
    if (rc >= 0)
        rc = gt_options_parse_all(table, argv, apply, take_operand, &cli, &err);
    if (rc >= 0 && cli.help) {
        rc = gt_help_print(&help, cli.input, &err);
    } else if (rc >= 0 && cli.version) {
        puts("offgil " GT_VERSION);
    } else if (rc >= 0) {
        rc = check_native(&cli, &err);
        if (rc >= 0)
            rc = check_labels(&cli, &err);
        if (rc >= 0 && !cli.input && isatty(STDIN_FILENO))
            rc = gt_error_set(&err, GT_ERR_USAGE,
                              "no input: name perf.data or a file of perf script text (--help "
                              "tells more)");
        if (!cli.input)
            cli.input = "-";
        if (rc >= 0)
            rc = run(&cli, &err);
    }
    if (rc < 0)
        gt_say("%s", err.message);
    gt_user_labels_release(&cli.labels);
    if (gt_interrupt_signal())
        return GT_EXIT_SIGNAL + gt_interrupt_signal();
    return rc < 0 ? GT_EXIT_OURS : 0;
}
