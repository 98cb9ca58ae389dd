#include "outputs.h"

#include "console.h"

#include <stdlib.h>
#include <string.h>

static char *const default_outputs[] = {"giltracer.html", NULL};

static char *const *paths_of(const struct gt_cli *cli)
{
    return cli->outputs.count ? cli->outputs.items : default_outputs;
}

int gt_outputs_check(const struct gt_cli *cli, struct gt_error *err)
{
    for (char *const *path = paths_of(cli); *path; path++) {
        enum gt_report_format format;
        int rc = gt_report_format_of(*path, &format, err);

        if (rc < 0)
            return rc;
    }
    return 0;
}

int gt_outputs_open(struct gt_outputs *outputs, const struct gt_cli *cli, struct gt_error *err)
{
    char *const *paths = paths_of(cli);
    size_t wanted = 0;
    int rc = 0;

    while (paths[wanted])
        wanted++;
    outputs->files = calloc(wanted, sizeof(*outputs->files));
    outputs->formats = calloc(wanted, sizeof(*outputs->formats));
    if (!outputs->files || !outputs->formats)
        return gt_error_memory(err);
    for (size_t i = 0; i < wanted && rc == 0; i++) {
        rc = gt_report_format_of(paths[i], &outputs->formats[i], err);
        if (rc == 0)
            rc = gt_output_open(&outputs->files[i], paths[i], err);
        if (rc == 0)
            outputs->count++;
    }
    if (rc == 0 && cli->summary) {
        rc = gt_output_open(&outputs->summary, cli->summary, err);
        outputs->has_summary = rc == 0;
    }
    return rc;
}

int gt_outputs_prepare(struct gt_results *results, struct gt_ingest *ingest,
                       const struct gt_run_info *info, const struct gt_cli *cli,
                       struct gt_error *err)
{
    const struct gt_report_options options = {
        .perfetto_states = cli->perfetto_states,
        .keep_interpreter_frames = cli->keep_interpreter,
    };
    bool estimates = !cli->quiet || cli->summary || gt_report_shows_estimates(paths_of(cli));

    return gt_results_make(results, gt_ingest_recorded(ingest), info, &options, estimates, err);
}

static void write_file(struct gt_outputs *outputs, size_t index, const struct gt_report *report,
                       const struct gt_cli *cli)
{
    struct gt_output *output = &outputs->files[index];
    char *path = strdup(output->path);
    struct gt_error err;
    int rc = gt_report_write(report, outputs->formats[index], output, &err);

    if (rc == 0)
        rc = gt_output_commit(output, &err);
    else
        gt_output_abandon(output);
    if (rc < 0)
        gt_say("%s", err.message);
    else if (!cli->quiet && path && strcmp(path, "-") != 0)
        gt_say("wrote %s", path);
    free(path);
}

static void write_summary(struct gt_outputs *outputs, const struct gt_report *report)
{
    struct gt_buf json;
    struct gt_error err;
    int rc;

    gt_buf_init(&json);
    rc = gt_report_summary(report, &json, &err);
    if (rc == 0)
        rc = gt_output_write(&outputs->summary, json.data, json.length, &err);
    if (rc == 0)
        rc = gt_output_commit(&outputs->summary, &err);
    else
        gt_output_abandon(&outputs->summary);
    if (rc < 0)
        gt_say("%s", err.message);
    gt_buf_release(&json);
}

static bool wants_color(const struct gt_cli *cli)
{
    const char *no_color = getenv("NO_COLOR");

    if (cli->color != GT_COLOR_AUTO)
        return cli->color == GT_COLOR_ALWAYS;
    return gt_console_is_terminal() && !(no_color && *no_color);
}

static void print_table(const struct gt_report *report, const struct gt_cli *cli)
{
    struct gt_buf text;

    if (cli->quiet)
        return;
    gt_buf_init(&text);
    if (gt_report_print(report, wants_color(cli), &text) == 0)
        gt_say_text(&text);
    gt_buf_release(&text);
}

void gt_outputs_write(struct gt_outputs *outputs, const struct gt_results *results,
                      const struct gt_cli *cli, const struct gt_signals *signals,
                      uv_loop_t *loop)
{
    const struct gt_report *report = results->report;
    int interrupts = signals->interrupts;

    print_table(report, cli);
    if (outputs->has_summary)
        write_summary(outputs, report);
    outputs->has_summary = false;
    for (size_t i = 0; i < outputs->count; i++) {
        uv_run(loop, UV_RUN_NOWAIT); /* signals that came while we wrote */
        if (signals->interrupts > interrupts && signals->interrupts >= 2) {
            gt_say("interrupted: not every report was written");
            break;
        }
        write_file(outputs, i, report, cli);
    }
}

void gt_outputs_abandon(struct gt_outputs *outputs)
{
    for (size_t i = 0; i < outputs->count; i++)
        if (outputs->files[i].path)
            gt_output_abandon(&outputs->files[i]);
    if (outputs->has_summary)
        gt_output_abandon(&outputs->summary);
    free(outputs->files);
    free(outputs->formats);
    memset(outputs, 0, sizeof(*outputs));
}
