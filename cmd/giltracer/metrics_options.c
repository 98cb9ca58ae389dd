/* SPDX-License-Identifier: MIT */
/* Which options go with --metrics. */
#include "cli.h"
#include "metrics.h"

#include <stdio.h>
#include <stdlib.h>

enum { FOLLOWED_BUFFER_BYTES = 1 << 20 }; /* of each perf, per CPU */

static const char *excluded_by(const struct gt_cli *cli)
{
    const struct {
        bool given;
        const char *option;
    } options[] = {
        {cli->outputs.count > 0, "-o"},
        {cli->summary, "--summary"},
        {cli->keep, "--keep"},
        {cli->open, "--open"},
        {cli->baseline, "--baseline"},
        {cli->fail_if.count > 0, "--fail-if"},
        {cli->what_if.count > 0, "--what-if"},
        {cli->repeat > 1, "--repeat"},
        {cli->viztracer, "--viztracer"},
        {cli->labels.count > 0, "--label"},
        {cli->dump, "--dump"},
        {cli->control_fd > 0, "--control-fd"},
        {cli->state_detect, "--state-detect"},
        {cli->counters.count > 0, "-e"},
        {cli->native_frequency > 0, "--native-freq"},
        {cli->agent.insist && cli->agent.python_trace, "--python-trace"},
        {!cli->gil_detect, "--no-gil-detect"},
    };

    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        if (options[i].given)
            return options[i].option;
    return NULL;
}

int gt_metrics_check_options(struct gt_cli *cli, struct gt_error *err)
{
    const char *other = excluded_by(cli);

    if (other)
        return gt_error_set(err, GT_ERR_USAGE,
                            "--metrics keeps nothing of the recording, so it does not go with "
                            "%s: run giltracer without --metrics for a report",
                            other);
    if (cli->gil_source != GT_GIL_AUTO && cli->gil_source != GT_GIL_FUTEX)
        return gt_error_set(err, GT_ERR_USAGE,
                            "--metrics counts what futex calls tell, and no other source: name "
                            "--gil-source futex, or none");
    if (!cli->metrics[0])
        return gt_error_set(err, GT_ERR_USAGE,
                            "--metrics: name where: ADDRESS:PORT, :PORT or a file");
    if ((cli->match || cli->pid_count > 1) && !cli->buffer[0]) /* there may be many */
        snprintf(cli->buffer, sizeof(cli->buffer), "%d", FOLLOWED_BUFFER_BYTES);
    cli->gil_source = GT_GIL_FUTEX;
    cli->no_output = true;
    cli->native = false;
    return 0;
}
