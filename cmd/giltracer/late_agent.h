/* SPDX-License-Identifier: MIT */
/*
 * The agent in a process that runs already (--pid): whether it can be loaded there, the folder
 * of its log, and its beginning and end.
 *
 * The process loads it by CPython's own remote-debugging protocol where it has one (3.14 and
 * later), else, or where no thread of it comes to a safe point, by ptrace. A program that has
 * itself recorded is asked to (control.h): that needs no right at all.
 *
 * The process must be able to open the library and the folder by their names. Where it is of
 * another user, or has another root or other mounts, both are in a folder that is made for it
 * in its own /tmp, or another place where it may load from. Where there is no such place, as in
 * a container whose only folder to write to is /dev/shm, it loads a copy that is in no folder.
 */
#ifndef GILTRACER_LATE_AGENT_H
#define GILTRACER_LATE_AGENT_H

#include "agentlog/agentlog.h"
#include "attach/late.h"
#include "attach/python.h"
#include "attach/running.h"
#include "base/error.h"
#include "agent.h"

#include <limits.h>
#include <stdbool.h>

struct gt_late_agent {
    int parent, folder; /* open, where there is a folder for the process; -1: there is none */
    char name[32];      /* of `folder` in `parent` */
    char inside[PATH_MAX];  /* the log's folder, as the process names it */
    char library[PATH_MAX]; /* the library, likewise */
    bool in_memory; /* nothing can be loaded from the folder: the process copies the library */
    bool loaded;    /* the agent records, or did and has not been ended */
    int control_fd; /* the process is asked by this socket; 0: it is not */
};

void gt_late_agent_init(struct gt_late_agent *agent, int control_fd);

/* Can it be loaded? 0, or negative with the reason. `insist`: the user asked for it. `running`
 * NULL: the process is asked to. */
int gt_late_agent_check(const struct gt_running *running, bool insist, struct gt_error *err);

/* Make the log's folder and files (gt_agent_folder): in `folder`, or where the process sees
 * them. `path` is a malloc'd name of it. */
int gt_late_agent_prepare(struct gt_late_agent *agent, const struct gt_running *running,
                          const char *folder, const char *max_bytes, char **path,
                          struct gt_agentlog_files *files, struct gt_error *err);

/* Load it, and let it record as `request` says. 0, or negative: nothing is recorded. */
int gt_late_agent_begin(struct gt_late_agent *agent, const struct gt_agent_request *request,
                        const struct gt_running *running, const struct gt_python *python,
                        struct gt_error *err);

/* End that, if it was begun. 0, or negative: it is still loaded, but writes no more. */
int gt_late_agent_end(struct gt_late_agent *agent, const struct gt_running *running,
                      const struct gt_python *python, struct gt_error *err);

/* Remove the folder that was made for the process. */
void gt_late_agent_release(struct gt_late_agent *agent);

#endif
