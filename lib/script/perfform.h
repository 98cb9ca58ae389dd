/* SPDX-License-Identifier: MIT */
/*
 * The form of what perf writes into pipes (perfdata.h says where it is described): how long a
 * record is, what it is for, and when it was made. Nothing here remembers records.
 */
#ifndef GT_SCRIPT_PERFFORM_H
#define GT_SCRIPT_PERFFORM_H

#include "base/buf.h"
#include "event/event.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gt_record; /* script/sideband.h */

enum {
    GT_PERFDATA_MAGIC_BYTES = 16, /* that gt_perfdata_begins needs */
    GT_PERFDATA_ROUND_MAX = 256 << 20,
    GT_PERF_RECORD_BYTES = 8,         /* that each record begins with: type, misc, size */
    GT_PERF_TRACING_DATA_BYTES = 16,  /* of that record; the data follows it */
    GT_PERF_ATTR_SAMPLE_TYPE_AT = 24, /* in struct perf_event_attr */
};

/* Records that perf adds to the kernel's (tools/lib/perf/include/perf/event.h). */
enum {
    GT_PERF_HEADER_ATTR = 64,
    GT_PERF_HEADER_EVENT_TYPE,
    GT_PERF_HEADER_TRACING_DATA,
    GT_PERF_HEADER_BUILD_ID,
    GT_PERF_FINISHED_ROUND,
    GT_PERF_ID_INDEX,
    GT_PERF_THREAD_MAP = 73,
    GT_PERF_CPU_MAP,
    GT_PERF_EVENT_UPDATE = 78,
    GT_PERF_TIME_CONV,
    GT_PERF_HEADER_FEATURE,
    GT_PERF_FINISHED_INIT = 82,
};

/* What each record ends with, and a sample has, too (linux/perf_event.h). The same of all
 * events: else it would take the id of each record to know where they are. */
#define GT_PERFFORM_COMMON                                                                     \
    (PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_ID | PERF_SAMPLE_STREAM_ID |             \
     PERF_SAMPLE_CPU | PERF_SAMPLE_IDENTIFIER)

/* What all records of one recording have in common. */
struct gt_perfform {
    uint64_t sample_type; /* of the first attribute; 0: none came yet */
};

/* How long the record is that begins there. 0: not all of it is there yet;
 * GT_ERR_UNSUPPORTED: it has no form. */
int64_t gt_perfform_size(const unsigned char *bytes, size_t left);

uint32_t gt_perfform_type(const unsigned char *record);

/* The body of a HEADER_ATTR. 0; GT_ERR_UNSUPPORTED: it has other common values than those
 * before it, or lacks one that is needed. */
int gt_perfform_take_attr(struct gt_perfform *form, const unsigned char *body, size_t length);

/* Take off what all records of the kernel but samples end with. False: it is not there. */
bool gt_perfform_read_end(const struct gt_perfform *form, struct gt_record *record);

/* When a record of the kernel was made: 0 of one that perf made up. False: it has no form. */
bool gt_perfform_time(const struct gt_perfform *form, const unsigned char *bytes, size_t size,
                      uint64_t *time_ns);

/* Does the record tell of the life of a thread, or of what a process maps? 1: it does, and
 * `event`, which points into it, is that; 0: no; GT_ERR_UNSUPPORTED: it has no form. */
int gt_perfform_life(const struct gt_perfform *form, const unsigned char *bytes, size_t size,
                     struct gt_event *event);

/* Append the record by which perf tells of what was there before it recorded: of a COMM or an
 * MMAP. 0 or -1. */
int gt_perfform_add_life(const struct gt_perfform *form, const struct gt_event *event,
                         struct gt_buf *to);

#endif
