/* SPDX-License-Identifier: MIT */
/*
 * Names of outputs that tell of the run:
 *
 *     %p  pid of the program        %h  host
 *     %t  when it was started, 20261129-013000, local time
 *     %n  rank of the process in a job of several (MPI, Slurm); 0 where there is none
 *     %%  a percent sign
 *
 * Any other letter is an error. What is put in has no slash.
 */
#ifndef GT_COMMON_NAMES_H
#define GT_COMMON_NAMES_H

#include "base/buf.h"
#include "base/error.h"

#include <limits.h>
#include <stdbool.h>

enum { GT_RANK_SIZE = 12 }; /* digits, and a NUL */

struct gt_names {
    int pid; /* 0: not known yet */
    char host[HOST_NAME_MAX + 1];
    char time[32];
    char rank[GT_RANK_SIZE];
    bool has_rank; /* false: nobody gave one, and `rank` is "0" */
};

/* What is known of this process, now. */
void gt_names_init(struct gt_names *names);

/* The rank of a process that runs, by the environment that it was started with. False: it tells
 * none, or cannot be read. */
bool gt_names_rank_of(int pid, char rank[GT_RANK_SIZE]);

/* Does the name have that letter behind a percent sign? */
bool gt_name_has(const char *name, char letter);

/* Append the name. Where the pid is not known, %p stays as it is; in a folder's name that is an
 * error, since folders are opened before the program is there. 0, or GT_ERR_USAGE. */
int gt_name_expand(const struct gt_names *names, const char *name, struct gt_buf *expanded,
                   struct gt_error *err);

#endif
