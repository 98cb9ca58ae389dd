/* SPDX-License-Identifier: MIT */
/*
 * Turns a recording of perf, in the form that it writes into pipes (`perf record -o -`), into
 * the same events as `perf script` text of it, without perf script: some ten times as fast.
 * Bytes come in pieces that are cut anywhere.
 *
 * The form: perf's perf.data-file-format.txt, the kernel's perf_event.h (PERF_RECORD_*), and
 * libtraceevent's trace.dat for the formats of tracepoints. perf writes each CPU's records in
 * turns; after a PERF_RECORD_FINISHED_ROUND nothing comes that is older than the newest record
 * of the round before. So records are sorted as perf script sorts them. Memory: two rounds.
 *
 * Whatever it does not know how to read as perf script would print it (stacks, counters,
 * probes with other arguments than giltracer's, compressed or damaged records) is refused.
 * Events may have been handed over by then: so check a recording first (`sink` NULL), and leave
 * what is refused to perf script.
 */
#ifndef GT_SCRIPT_PERFDATA_H
#define GT_SCRIPT_PERFDATA_H

#include "script/parse.h"
#include "script/perfform.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gt_perfdata;

/* Do these bytes begin such a recording? */
bool gt_perfdata_begins(const char *data, size_t length);

/* Events go to `sink`; NULL: the recording is only checked.
 * `mappings`: as perf script with --show-mmap-events. NULL: no memory. */
struct gt_perfdata *gt_perfdata_new(gt_event_sink *sink, void *context, bool mappings);
void gt_perfdata_free(struct gt_perfdata *data);

/* Take the next bytes. 0, a negative result of the sink, GT_ERR_MEMORY; or GT_ERR_UNSUPPORTED:
 * this, or what comes later, is for perf script. */
int gt_perfdata_feed(struct gt_perfdata *data, const char *bytes, size_t length);
/* The recording ends. As _feed; a record that is not whole is GT_ERR_UNSUPPORTED. */
int gt_perfdata_finish(struct gt_perfdata *data);

/*
 * Of a recording that does not end. _flush: nothing has come for so long that nothing older can
 * come any more: hand over what waits for the end of its round. As _feed. _forget_names: the
 * names of threads that are kept for gt_event.comm, when there are many, of which most have
 * ended.
 */
int gt_perfdata_flush(struct gt_perfdata *data);
void gt_perfdata_forget_names(struct gt_perfdata *data);

/* How many lines perf script would have printed so far. */
uint64_t gt_perfdata_lines(const struct gt_perfdata *data);

#endif
