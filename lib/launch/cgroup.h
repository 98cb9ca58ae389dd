/* SPDX-License-Identifier: MIT */
/*
 * The CPU quota of a process's control group, and how often it was throttled for it: cgroup v1
 * (the cpu controller) and v2, each group from the process's own up to the highest that can be
 * seen from here, since the quota of every one of them holds.
 *
 * They are read when the process is about to run, now and then while it runs (it may be moved,
 * and its quota may change), and once after it has ended: cpu.stat stays open, so that the last
 * reading does not need the process. All text is treated as hostile, since a folder of files
 * may replace the kernel's (see gt_cgroup_open).
 */
#ifndef GT_LAUNCH_CGROUP_H
#define GT_LAUNCH_CGROUP_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GT_CGROUP_LEVELS = 64 }; /* in a deeper hierarchy, those nearest to the process */

struct gt_cgroup_level {
    char *path;           /* "/docker/4f", as the kernel names it to us; owned */
    double quota_cpus;    /* CPU seconds per second, the least that was read; 0: no quota */
    bool quota_changed;   /* while the process ran */
    bool known;           /* throttling could be read */
    uint64_t throttled;   /* how often, since the first reading */
    int64_t throttled_ns; /* for how long, summed over the CPUs */
    char *folder;         /* private, from here on */
    int stat;             /* cpu.stat, -1: it cannot be opened */
    uint64_t first_throttled;
    int64_t first_throttled_ns;
};

struct gt_cgroup {
    int version; /* 1 or 2; 0: no group of the cpu controller is known */
    bool moved; /* the process was seen in another group than that in which it began; the levels
                   are those of its last group, and read since it was seen there */
    struct gt_cgroup_level levels[GT_CGROUP_LEVELS]; /* the process's own first */
    size_t count;
    char *root; /* private */
    int pid;
};

/*
 * Find the process's group and take the first reading. With `root` NULL the kernel's files are
 * read. Else `root` is a folder in which a test has laid out ROOT/proc/self/cgroup,
 * ROOT/proc/self/mountinfo and, at the mount points that this names, the groups; `pid` is not
 * used then. Returns 0, also when nothing is found (version 0), or GT_ERR_MEMORY.
 */
int gt_cgroup_open(struct gt_cgroup *cgroup, int pid, const char *root, struct gt_error *err);

/* Read again. When the process has ended (not `alive`), its last groups are read, since its pid
 * may belong to another process by now. 0 or GT_ERR_MEMORY. */
int gt_cgroup_look(struct gt_cgroup *cgroup, bool alive, struct gt_error *err);

/* Does nothing to a struct of zeros, or when it is called again. */
void gt_cgroup_close(struct gt_cgroup *cgroup);

/* The level with the least quota; NULL when no level has one. */
const struct gt_cgroup_level *gt_cgroup_tightest(const struct gt_cgroup *cgroup);

/* Parts of the above, pure, for tests. */

/* A group's place in /proc/PID/cgroup's text: the line of v1's cpu controller, else v2's. The
 * path, which is not terminated, is in `text`. False when there is none. */
struct gt_cgroup_place {
    int version;
    const char *path;
    size_t length;
};
bool gt_cgroup_parse_place(const char *text, struct gt_cgroup_place *place);

/* Where mountinfo says that the hierarchy of `place` is mounted: the mount point, and below it
 * the process's group ("" at the mount point itself), each a malloc'd string. 1 found, 0 not,
 * GT_ERR_MEMORY. */
int gt_cgroup_parse_mount(const char *mountinfo, const struct gt_cgroup_place *place,
                          char **mount, char **below);

/* CPU seconds per second of "50000 100000" (cpu.max; the period may be missing); 0: no quota,
 * or not understood. */
double gt_cgroup_parse_max(const char *text);

/* Read nr_throttled, and throttled_time (ns, v1) or throttled_usec (v2) in ns, out of the text
 * of cpu.stat. False when one of them is missing. */
bool gt_cgroup_parse_stat(const char *text, uint64_t *throttled, int64_t *throttled_ns);

#endif
