/* The agent in the target: what it is told, and how it gets in (lib/agent/wire.h). */
#ifndef GILTRACER_AGENT_H
#define GILTRACER_AGENT_H

#include "agentlog/agentlog.h"
#include "base/error.h"
#include "base/strvec.h"
#include "launch/interp.h"

#include <stdbool.h>

/* What the agent is to do beside the GIL; see agent/wire.h. Borrowed. */
struct gt_agent_request {
    bool python_trace; /* Python and C functions */
    bool insist;       /* the user asked for that: say so when it cannot be */
    bool c_calls;
    const char *max_depth, *min_ns; /* decimal; NULL: no bound */
    const char *include, *exclude;  /* globs, by newline; NULL: all, none */
    const char *budget;             /* percent */
    const char *imports;            /* a,b */
    const char *max_bytes;          /* of all logs */
};

/* Is the agent there, and can it be loaded into this interpreter's programs? Returns 0 or
 * negative with the reason. An interpreter that is not known is taken for one that can. */
int gt_agent_check(const struct gt_interp *interp, struct gt_error *err);

/* Make the agent's folder in `folder`, and set `*path` to its absolute, malloc'd name. Logs
 * that an earlier run left there are removed, and new files opened, which the caller closes:
 * what agents write can be read whatever becomes of the folder. */
int gt_agent_folder(const char *folder, char **path, struct gt_agentlog_files *files,
                    struct gt_error *err);

/* Close them. What is to be kept is cut to what was used: who still writes may finish that. */
void gt_agent_close(struct gt_agentlog_files *files, bool keep);

/* Does the process live, for gt_agentlog_ends? */
bool gt_agent_is_alive(int32_t pid);

/* The whole environment of a target with the agent, which logs into `folder`. The agent's
 * program is found beside our own. */
int gt_agent_environment(const struct gt_agent_request *request, const char *folder,
                         struct gt_strvec *env, struct gt_error *err);

#endif
