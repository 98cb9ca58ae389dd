/* SPDX-License-Identifier: MIT */
#include "common/sources.h"

#include "common/console.h"
#include "launch/input.h"

#include <string.h>

int gt_sources_add_agentlog(struct gt_sources *sources, const char *dir, unsigned parts,
                            struct gt_ingest *ingest, struct gt_error *err)
{
    sources->agentlog = gt_agentlog_open(dir, err);
    if (!sources->agentlog)
        return err->code;
    gt_ingest_set_agentlog(ingest, sources->agentlog, parts);
    return 0;
}

int gt_sources_add_viztracer(struct gt_sources *sources, const char *path, bool alone,
                             struct gt_ingest *ingest, struct gt_error *err)
{
    struct gt_error damage = {0};

    sources->viztracer = gt_viztracer_open(path, &damage, err);
    if (!sources->viztracer)
        return err->code;
    if (damage.code)
        gt_say("%s", damage.message);
    if (alone)
        gt_ingest_expect_no_text(ingest);
    gt_ingest_set_viztracer(ingest, sources->viztracer, path);
    return 0;
}

static int feed(void *ingest, const char *data, size_t length, struct gt_error *err)
{
    return gt_ingest_feed(ingest, data, length, err);
}

int gt_sources_read(const char *input, struct gt_ingest *ingest, struct gt_error *damage,
                    struct gt_error *err)
{
    return gt_input_read(input, feed, ingest, damage, err);
}

static int feed_probes(void *ingest, const char *data, size_t length, struct gt_error *err)
{
    return gt_ingest_feed_probes(ingest, data, length, err);
}

int gt_sources_read_probes(const char *input, struct gt_ingest *ingest, struct gt_error *damage,
                           struct gt_error *err)
{
    return gt_input_read(input, feed_probes, ingest, damage, err);
}

const char *gt_sources_input_name(const char *input)
{
    return strcmp(input, "-") == 0 ? "standard input" : input;
}

void gt_sources_say_warnings(const struct gt_agentlog *log)
{
    const char *warning;

    for (size_t i = 0; log && (warning = gt_agentlog_warning(log, i)); i++)
        gt_say("%s", warning);
}

void gt_sources_release(struct gt_sources *sources)
{
    gt_agentlog_free(sources->agentlog);
    gt_viztracer_free(sources->viztracer);
    *sources = (struct gt_sources){0};
}
