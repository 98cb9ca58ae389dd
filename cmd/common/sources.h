/* SPDX-License-Identifier: MIT */
/* The sources of a recording that was made before, opened and given to the ingest. */
#ifndef GT_COMMON_SOURCES_H
#define GT_COMMON_SOURCES_H

#include "agentlog/agentlog.h"
#include "base/error.h"
#include "ingest/ingest.h"
#include "viztracer/viztracer.h"

/* What was recorded beside perf's text. Starts as all zeros. */
struct gt_sources {
    struct gt_agentlog *agentlog;
    struct gt_viztracer *viztracer;
};

/* Open the agent's log in this folder; `parts` as gt_ingest_set_agentlog takes them. 0 or
 * negative. */
int gt_sources_add_agentlog(struct gt_sources *sources, const char *dir, unsigned parts,
                            struct gt_ingest *ingest, struct gt_error *err);

/* Open VizTracer's JSON; say what is wrong with it where some of it can be read. `alone`: there
 * is no text that would tell of the lives of threads. 0 or negative. */
int gt_sources_add_viztracer(struct gt_sources *sources, const char *path, bool alone,
                             struct gt_ingest *ingest, struct gt_error *err);

/* Read perf's text out of `input` ("-": standard input); see gt_input_read. A signal ends it
 * (common/interrupt.h). What is damaged is told in the report, too. */
int gt_sources_read(const char *input, struct gt_ingest *ingest, struct gt_error *damage,
                    struct gt_error *err);

/* The same of what probes recorded apart, which is read first. */
int gt_sources_read_probes(const char *input, struct gt_ingest *ingest, struct gt_error *damage,
                           struct gt_error *err);

/* The same of native stacks that were recorded apart, which are read before the input, too. */
int gt_sources_read_native(const char *input, struct gt_ingest *ingest, struct gt_error *damage,
                           struct gt_error *err);

/* How messages call that input. */
const char *gt_sources_input_name(const char *input);

/* Say what the user should know of an agent's log; it may be NULL. */
void gt_sources_say_warnings(const struct gt_agentlog *log);

/* After the ingest was freed, which borrows them. */
void gt_sources_release(struct gt_sources *sources);

#endif
