/* SPDX-License-Identifier: MIT */
/*
 * A process that changes its root, as chroot(1) does before it executes a program: that one
 * cannot load the agent by its path, nor find the log's folder. So both are brought along, into
 * a private folder of the new root: a copy of the library, and further names of the log's
 * files, which must be on the same file system. Where that cannot be done, LD_PRELOAD names the
 * agent no more, lest the loader complain in the program's name, and the report says that the
 * program was not seen.
 *
 * The folder's path, as the old root has it, is a line of GT_WIRE_ROOTS_NAME in the log's
 * folder, for the launcher, which removes it.
 */
#ifndef GT_AGENT_ROOT_H
#define GT_AGENT_ROOT_H

#include <stdbool.h>

struct gt_agent_root {
    int library, control, log, roots; /* open; -1: not */
    char path[4096];                  /* of the new root */
};

/* Around chroot(path). Both preserve errno. The second one brings all along if `changed`. */
void gt_agent_root_before(struct gt_agent_root *root, const char *path);
void gt_agent_root_after(struct gt_agent_root *root, bool changed);

#endif
