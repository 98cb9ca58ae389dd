/* SPDX-License-Identifier: MIT */
/* Which options go with --keep-last. */
#include "cli.h"
#include "flight.h"

#include <stdlib.h>
#include <string.h>

static const char *given_beside(const struct gt_cli *cli)
{
    const struct {
        bool given;
        const char *option;
    } options[] = {
        {cli->metrics, "--metrics"},
        {cli->keep, "--keep"},
        {cli->repeat > 1, "--repeat"},
        {cli->viztracer, "--viztracer"},
        {cli->dump, "--dump"},
        {cli->delay_ms > 0, "--delay"},
        {cli->duration_ms > 0, "--duration"},
        {cli->call_graph, "--call-graph"},
        {cli->counters.count > 0, "-e"},
        {cli->native_frequency > 0, "--native-freq"},
        {!cli->gil_detect, "--no-gil-detect"},
    };

    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        if (options[i].given)
            return options[i].option;
    return NULL;
}

/* Each report is a file of its own, with a number. */
static const char *unnumbered(const struct gt_cli *cli)
{
    for (char *const *output = gt_cli_outputs(cli); *output; output++)
        if (strcmp(*output, "-") == 0)
            return "-o -";
    return cli->summary && strcmp(cli->summary, "-") == 0 ? "--summary -" : NULL;
}

int gt_flight_check_options(struct gt_cli *cli, struct gt_error *err)
{
    enum { LEAST_MS = 1000, LEAST_LOG_BYTES = 64 << 20 };
    const char *other = given_beside(cli);

    if (!cli->keep_last_ms)
        return cli->when.count
                   ? gt_error_set(err, GT_ERR_USAGE,
                                  "--when has the last moments written when a condition "
                                  "becomes true: add --keep-last TIME")
                   : 0;
    if (other)
        return gt_error_set(err, GT_ERR_USAGE,
                            "--keep-last records one program without end, and keeps the newest "
                            "part of that: it does not go with %s",
                            other);
    if (cli->keep_last_ms < LEAST_MS)
        return gt_error_set(err, GT_ERR_USAGE, "--keep-last takes a second or more");
    if (cli->agent.max_bytes && strtoull(cli->agent.max_bytes, NULL, 10) < LEAST_LOG_BYTES)
        return gt_error_set(err, GT_ERR_USAGE,
                            "--keep-last takes a --max-log-size of 64M or more");
    other = unnumbered(cli);
    if (other)
        return gt_error_set(
            err, GT_ERR_USAGE,
            "--keep-last writes several reports, each to a file of its own: let "
            "%s name a file",
            other);
    cli->native = false;
    return 0;
}
