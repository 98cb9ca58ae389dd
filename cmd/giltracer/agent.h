/* SPDX-License-Identifier: MIT */
/* How the agent gets into the target, and what it is told there (lib/agent/wire.h). */
#ifndef GILTRACER_AGENT_H
#define GILTRACER_AGENT_H

#include "agentlog/agentlog.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/strvec.h"
#include "event/clocks.h"
#include "launch/interp.h"

#include <stdbool.h>

#define GT_AGENT_NAME "libgiltracer-agent.so"

/* What the agent is to record beside the GIL; see agent/wire.h. Borrowed. */
struct gt_agent_request {
    bool python_trace; /* Python and C functions */
    bool insist;       /* the user asked for them: say so when that is not possible */
    bool c_calls;
    const char *max_depth, *min_ns; /* decimal; NULL: no bound */
    const char *include, *exclude;  /* globs, by newline; NULL: all, none */
    const char *budget;             /* percent */
    const char *imports;            /* a,b */
    const char *max_bytes;          /* of all logs */
};

/* The agent's path, which has no space and no colon. */
int gt_agent_find(char *path, size_t size, struct gt_error *err);
/* Can files be as long as the log must be? Else GT_ERR_IO. */
int gt_agent_check_file_limit(struct gt_error *err);

/* Is the agent installed, and can it be loaded into this interpreter's programs? Returns 0, or
 * negative with the reason. An interpreter that is not known is taken for one that can load it.
 * GT_ERR_IO: no file may be so long as the log must be. */
int gt_agent_check(const struct gt_interp *interp, struct gt_error *err);

/* Make the agent's folder in `folder`, and set `*path` to its absolute, malloc'd path. Logs
 * that an earlier run left there are removed. New files are made and left open, for the caller
 * to close: so what agents write can be read whatever happens to the folder. They have their
 * full lengths, since the target may not be allowed to make files so long. `max_bytes` as in
 * the request. */
int gt_agent_folder(const char *folder, const char *max_bytes, char **path,
                    struct gt_agentlog_files *files, struct gt_error *err);

/* The new files alone, in the folder open as `dir`; `path` is for messages. */
int gt_agent_files(int dir, const char *path, const char *max_bytes,
                   struct gt_agentlog_files *files, struct gt_error *err);

/* Append what an agent that is loaded late is told, as lines (agent/late.h). 0 or -1. */
int gt_agent_settings(const struct gt_agent_request *request, const char *folder,
                      struct gt_buf *text);

/* Write the clocks into the log, as far as they are known by now. */
void gt_agent_note_clocks(const struct gt_agentlog_files *files,
                          const struct gt_clocks *clocks);

/* Keep in the log, for who reads it later, until when the probes were recorded, whether nothing
 * else was from then on, either, whether that is missed, and whether it was since perf died. */
void gt_agent_note_probes_out(const struct gt_agentlog_files *files, int64_t time_ns,
                              bool rest_out, bool rest_lost, bool perf_died);

/* The programs run on, and their agents shall not write any more. */
void gt_agent_stop_all(const struct gt_agentlog_files *files);

/* Close the files. A log that is kept is cut to what is used; a process that still writes may
 * finish with that. */
void gt_agent_close(struct gt_agentlog_files *files, bool keep);

/* Is the process alive? For gt_agentlog_ends. */
bool gt_agent_is_alive(int32_t pid);

/* Fill `env` with the whole environment of a target with the agent, which logs into `folder`.
 * The agent's shared object is found beside this program. */
int gt_agent_environment(const struct gt_agent_request *request, const char *folder,
                         struct gt_strvec *env, struct gt_error *err);

#endif
