/*
 * Agent logs (agent/wire.h) as events, in the order of time across all threads and processes
 * of a run.
 *
 *     gt_agentlog_open → gt_agentlog_next … → gt_agentlog_free
 *
 * Opening reads what is small: the clock's anchors, each thread's header, and the notes
 * (functions, names). The records stream: memory is 16 KiB per thread that is active at that
 * time, some 300 bytes per thread, and the functions' names.
 *
 * Logs may end anywhere (the disk was full, the target was killed) and may be damaged: whatever
 * can be read is delivered, the rest is counted in struct gt_agentlog_quality and described by
 * one line of gt_agentlog_warning. From where the log of a process ends before the process
 * does, GT_EVENT_STOPPED says that nothing more is known of it. A time that is far from those
 * at which agents noted both clocks is not believed.
 *
 * What this source cannot see: processes and threads that never touch the GIL, exits by a
 * signal (its last record stands for it, unless the caller knows better), CPUs, states.
 */
#ifndef GT_AGENTLOG_AGENTLOG_H
#define GT_AGENTLOG_AGENTLOG_H

#include "base/error.h"
#include "event/event.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gt_agentlog;

struct gt_agentlog_quality {
    uint32_t threads;   /* logs read */
    uint32_t processes; /* programs they belong to: exec begins a new one */
    uint32_t damaged;   /* logs with bytes that make no sense, or cut short */
    uint32_t functions;
    uint64_t records;   /* delivered so far */
    uint64_t dropped;   /* events that agents could not record */
    uint64_t log_bytes; /* size of all logs */
    uint32_t cpus;      /* that the first process might use; 0: not known */
    int64_t event_ps;   /* what an event of the GIL's cost, measured; 0: not known */
    int64_t call_ps;    /* the same of a Python function's call and return */
    int64_t c_call_ps;  /* and of one of C */
    uint32_t
        code_permille;  /* by which Python code was slower for being traced, without calls */
    int64_t stopped_ns; /* recording stopped as the logs reached their bound; -1: it did not */
};

/* What the caller knows of the ends of processes. */
struct gt_agentlog_ends {
    int32_t killed_pid; /* a signal ended this one; 0: none */
    int64_t killed_ns;
    bool (*is_alive)(int32_t pid); /* it goes on; NULL: not known */
};

/* GT_ERR_NOT_FOUND when no agent ever ran with this folder, GT_ERR_FORMAT when its version is
 * neither today's nor 3. */
struct gt_agentlog *gt_agentlog_open(const char *dir, struct gt_error *err);

/* The same, of today's version, by its files, which the folder may have lost since. `files` are
 * copied. `ends` may be NULL. */
struct gt_agentlog_files {
    int control, log;
};

struct gt_agentlog *gt_agentlog_open_files(const struct gt_agentlog_files *files,
                                           const struct gt_agentlog_ends *ends,
                                           struct gt_error *err);
void gt_agentlog_free(struct gt_agentlog *log);

/* The next event: 1, 0 at the end, or negative. Its texts are valid until gt_agentlog_free. */
int gt_agentlog_next(struct gt_agentlog *log, struct gt_event *event, struct gt_error *err);

const struct gt_agentlog_quality *gt_agentlog_quality(const struct gt_agentlog *log);

/* What the user should know, a line each: why an agent switched itself off, what it stepped
 * aside for, which log is damaged. Visible text. NULL past the last one. */
const char *gt_agentlog_warning(const struct gt_agentlog *log, size_t index);

#endif
