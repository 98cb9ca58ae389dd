/* SPDX-License-Identifier: MIT */
/*
 * Turns the logs of agents (agent/wire.h) into events, in the order of time across all threads
 * and processes of a run.
 *
 *     gt_agentlog_open → gt_agentlog_next … → gt_agentlog_free
 *
 * Opening reads what is small: the anchors of the clock, the header of each thread, and the
 * notes (functions, names). The records are read as they are asked for. Memory: 16 KiB per
 * thread that is active at that time, some 300 bytes per thread, and the names of functions.
 *
 * A log may end anywhere (the disk was full, the target was killed), and may be damaged. What
 * can be read is delivered. The rest is counted in struct gt_agentlog_quality and described by
 * gt_agentlog_warning. If the log of a process ends before the process does, GT_EVENT_STOPPED
 * says that nothing more is known of it. Times that are far from all anchors are not believed.
 *
 * This source cannot see: processes and threads that never use the GIL; exits by a signal (the
 * last record stands for the exit, unless the caller knows more); CPUs; states of threads.
 */
#ifndef GT_AGENTLOG_AGENTLOG_H
#define GT_AGENTLOG_AGENTLOG_H

#include "base/error.h"
#include "event/clocks.h"
#include "event/event.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gt_agentlog;

struct gt_agentlog_quality {
    uint32_t threads;   /* whose logs were read */
    uint32_t processes; /* programs that they belong to: an exec begins another one */
    uint32_t damaged;   /* logs that are cut short, or have bytes that make no sense */
    uint32_t functions;
    uint64_t records;   /* delivered so far */
    uint64_t dropped;   /* events that agents could not record */
    uint64_t log_bytes; /* size of all logs */
    uint32_t cpus;      /* that the first process might use; 0: not known */
    /* Costs that the agent measured; 0: not known. */
    int64_t event_ps;        /* of an event of the GIL */
    int64_t call_ps;         /* of a call of a Python function, and its return */
    int64_t c_call_ps;       /* of a call of a C function, and its return */
    int64_t gil_copied_ns;   /* of copying full slots with events of the GIL; beside event_ps */
    int64_t calls_copied_ns; /* … with calls; beside call_ps and c_call_ps */
    uint32_t code_permille;  /* how much slower Python code was, calls not counted */
    int64_t probes_out_ns;   /* the launcher took the probes out then; 0: it did not */
    bool rest_out;           /* … and perf recorded nothing else from there on, either */
    bool rest_lost;          /* … but what the user wanted of it is known until then */
    bool perf_died;          /* … since perf was killed, or failed */
    int64_t stopped_ns; /* recording stopped as the logs reached their bound; -1: it did not */
};

/* What the caller knows about the ends of processes. */
struct gt_agentlog_ends {
    int32_t killed_pid; /* the process that a signal ended; 0: none */
    int64_t killed_ns;
    int64_t since_ns; /* threads that ended before then may have been left out of the log */
    bool (*is_alive)(int32_t pid); /* does it still run? NULL: not known */
    /* The number by which the caller knows a process or thread that calls itself so, in a pid
     * namespace of its own. All others here are such. NULL: the same. */
    int32_t (*outer)(void *context, int32_t inner);
    void *context;
};

/* Open the logs of a folder. NULL with an error; GT_ERR_NOT_FOUND: no agent ran with this
 * folder; GT_ERR_FORMAT: the version is neither today's nor 3. */
struct gt_agentlog *gt_agentlog_open(const char *dir, struct gt_error *err);

/* The same of files of today's version, which may have left their folder. The descriptors stay
 * the caller's. `ends` may be NULL. */
struct gt_agentlog_files {
    int control, log;
};

struct gt_agentlog *gt_agentlog_open_files(const struct gt_agentlog_files *files,
                                           const struct gt_agentlog_ends *ends,
                                           struct gt_error *err);
/* The clocks alone, of a folder (gt_agentlog_clocks). 0; GT_ERR_NOT_FOUND, GT_ERR_FORMAT: no
 * log is there, or it is of a version without them. */
int gt_agentlog_read_clocks(const char *dir, struct gt_clocks *clocks, struct gt_error *err);

void gt_agentlog_free(struct gt_agentlog *log);

/* The next event: 1; 0: there is none; negative: an error. Its strings are valid until _free.
 */
int gt_agentlog_next(struct gt_agentlog *log, struct gt_event *event, struct gt_error *err);

const struct gt_agentlog_quality *gt_agentlog_quality(const struct gt_agentlog *log);

/* The clocks that the launcher read meanwhile; zeros: it did not. */
const struct gt_clocks *gt_agentlog_clocks(const struct gt_agentlog *log);

/* What the user should know, in a line each: why an agent switched itself off, or gave way to
 * another tool; which log is damaged. Printable text; NULL after the last one. */
const char *gt_agentlog_warning(const struct gt_agentlog *log, size_t index);

#endif
