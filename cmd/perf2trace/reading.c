/* SPDX-License-Identifier: MIT */
#include "reading.h"

#include "agentlog/agentlog.h"
#include "common/console.h"
#include "common/interrupt.h"

/* What giltracer did to its recordings while the program ran. */
static void use_note(struct gt_ingest *ingest, const struct gt_agentlog_quality *log)
{
    gt_ingest_set_probes_out(ingest, log->probes_out_ns, log->perf_died);
    if (log->probes_out_ns && log->rest_out)
        gt_ingest_set_rest_out(ingest, log->rest_lost);
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

int abandon(struct gt_error *err)
{
    return gt_error_set(err, GT_ERR_CANCELLED, "no report: interrupted");
}

/* perf ends after the command: where its exit is missing, more is. */
static void use_end(const struct cli *cli, struct gt_ingest *ingest,
                    const struct gt_sources *sources)
{
    bool rest_out = sources->agentlog && gt_agentlog_quality(sources->agentlog)->rest_out;

    if (cli->input && cli->ended_ns && !rest_out)
        gt_ingest_set_target(ingest, cli->root_pid, cli->ended_ns);
}

/* Read all sources into one recording. `damage`: what is wrong with the text that was read. */
static int read_all(const struct cli *cli, struct gt_ingest *ingest, struct gt_sources *sources,
                    struct gt_error *damage, struct gt_error *err)
{
    struct gt_error why = {0};
    int rc = open_sources(cli, ingest, sources, err);

    if (rc == 0)
        use_end(cli, ingest, sources);
    if (rc == 0 && cli->probes)
        rc = gt_sources_read_probes(cli->probes, ingest, damage, err);
    if (rc == 0 && cli->native)
        rc = gt_sources_read_native(cli->native, ingest, damage, err);
    if (rc == 0 && cli->input)
        rc = gt_sources_read(cli->input, ingest, damage, err);
    if (rc < 0)
        return rc;
    if (!cli->more_follow)
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

int read_and_say(const struct cli *cli, struct gt_ingest *ingest, struct gt_sources *sources,
                 struct gt_error *err)
{
    struct gt_error damage = {0};
    int rc = read_all(cli, ingest, sources, &damage, err);

    if (rc < 0 && rc != GT_ERR_CANCELLED && damage.code)
        *err = damage; /* it says more than "nothing was understood" */
    if (rc == 0 && damage.code)
        gt_say("%s", damage.message);
    return rc;
}
