/* SPDX-License-Identifier: MIT */
/*
 * Which files a run's probes are in. A uprobe belongs to a file, not to a path: it does not see
 * a process that maps another file from the same path (below another root), nor one that maps
 * none because it is linked statically.
 */
#ifndef GT_EVENT_PROBED_FILES_H
#define GT_EVENT_PROBED_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A device number as perf records it for a mapping. */
#define GT_DEVICE(major, minor) ((uint32_t)(major) << 20 | (uint32_t)(minor))

enum { GT_PROBED_MAX = 4 };

struct gt_probed {
    struct gt_probed_file {
        const char *path; /* borrowed from the probe */
        uint64_t inode;
        uint32_t device;
    } files[GT_PROBED_MAX];
    size_t count;       /* 0: there are no probes, or it is not known where they are */
    bool interpreter;   /* the files belong to an interpreter; else to a libc */
    bool any_glibc;     /* there are no probes: every glibc is seen, and no other libc */
    bool locks;         /* waits for locks are seen, too */
    const char *python; /* the file with the interpreter's code; borrowed; NULL: not known */
};

/* Is it known which processes the recording sees? */
static inline bool gt_probed_is_known(const struct gt_probed *probed)
{
    return probed->count || probed->any_glibc;
}

#endif
