/* SPDX-License-Identifier: MIT */
#include "reports.h"

#include "common/console.h"
#include "open_page.h"
#include "recording.h"

int gt_reports_prepare(struct gt_results *results, struct gt_ingest *ingest,
                       const struct gt_run_info *info, const struct gt_cli *cli,
                       struct gt_error *err)
{
    const struct gt_report_options options = {
        .what_if = cli->what_if.items,
        .perfetto_states = cli->perfetto_states,
        .all_threads = cli->all_threads,
        .keep_short_calls = cli->keep_short_calls,
        .keep_interpreter_frames = cli->keep_interpreter,
    };
    bool estimates = gt_outputs_show_estimates(gt_cli_outputs(cli), cli->summary, cli->quiet);

    return gt_results_make(results, gt_ingest_recorded(ingest), info, &options, estimates, err);
}

/* Where a file could not be written, there is no report unless it is made again. */
static void say_failed(struct gt_run_state *run, const struct gt_error *err)
{
    if (err->code == GT_ERR_CANCELLED || run->kept)
        gt_say("%s", err->message);
    else
        gt_say("%s (the recording is kept in %s, for perf2trace)", err->message,
               gt_recording_keep(run));
}

void gt_reports_write(struct gt_run_state *run)
{
    struct gt_signals *signals = &run->signals;
    const struct gt_report *report = run->results.report;
    int interrupts = signals->interrupts;
    struct gt_error err;

    if (!run->cli->quiet) {
        gt_outputs_print_table(report, run->cli->color, run->cli->verbose);
        gt_config_say(&run->cli->config);
    }
    if (gt_outputs_set_pid(&run->outputs, run->result.pid, &err) < 0) {
        say_failed(run, &err);
        return;
    }
    if (gt_outputs_write_summary(&run->outputs, report, run->cli->quiet, &err) < 0)
        say_failed(run, &err);
    for (size_t i = 0; i < run->outputs.count; i++) {
        gt_signals_look(signals); /* those that came while we wrote */
        if (signals->interrupts > interrupts && signals->interrupts >= 2) {
            gt_say("interrupted: not every report was written");
            break;
        }
        if (gt_outputs_write_file(&run->outputs, i, report, run->cli->quiet, &err) < 0)
            say_failed(run, &err);
    }
    if (run->cli->open && run->outputs.page && gt_open_page(run->outputs.page, &err) < 0)
        gt_say("%s", err.message);
}
