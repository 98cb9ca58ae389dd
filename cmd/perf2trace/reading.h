/* SPDX-License-Identifier: MIT */
/* Reading one recording, of whatever parts, into an ingest. */
#ifndef PERF2TRACE_READING_H
#define PERF2TRACE_READING_H

#include "base/error.h"
#include "cli.h"
#include "common/sources.h"
#include "ingest/ingest.h"

/* Read what `cli` names, and finish the ingest, which borrows the sources. What is damaged is
 * said. 0 or negative. */
int read_and_say(const struct cli *cli, struct gt_ingest *ingest, struct gt_sources *sources,
                 struct gt_error *err);

/* GT_ERR_CANCELLED: the user interrupts. */
int abandon(struct gt_error *err);

#endif
