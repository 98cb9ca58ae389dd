/* SPDX-License-Identifier: MIT */
#include "reports.h"

#include "common/console.h"

int gt_reports_prepare(struct gt_results *results, struct gt_ingest *ingest,
                       const struct gt_run_info *info, const struct gt_cli *cli,
                       struct gt_error *err)
{
    const struct gt_report_options options = {
        .perfetto_states = cli->perfetto_states,
        .keep_interpreter_frames = cli->keep_interpreter,
    };
    bool estimates =
        gt_outputs_show_estimates(gt_outputs_paths(&cli->outputs), cli->summary, cli->quiet);

    return gt_results_make(results, gt_ingest_recorded(ingest), info, &options, estimates, err);
}

void gt_reports_write(struct gt_outputs *outputs, const struct gt_results *results,
                      const struct gt_cli *cli, struct gt_signals *signals)
{
    int interrupts = signals->interrupts;
    struct gt_error err;

    if (!cli->quiet)
        gt_outputs_print_table(results->report, cli->color);
    if (gt_outputs_write_summary(outputs, results->report, &err) < 0)
        gt_say("%s", err.message);
    for (size_t i = 0; i < outputs->count; i++) {
        gt_signals_look(signals); /* those that came while we wrote */
        if (signals->interrupts > interrupts && signals->interrupts >= 2) {
            gt_say("interrupted: not every report was written");
            break;
        }
        if (gt_outputs_write_file(outputs, i, results->report, cli->quiet, &err) < 0)
            gt_say("%s", err.message);
    }
}
