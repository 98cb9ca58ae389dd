/*
 * Which files a run's probes are in. Uprobes belong to a file: a process that maps another one
 * at the same path (of another root), or none (linked statically), is not seen by them.
 */
#ifndef GT_EVENT_PROBED_FILES_H
#define GT_EVENT_PROBED_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As perf records it of a mapping. */
#define GT_DEVICE(major, minor) ((uint32_t)(major) << 20 | (uint32_t)(minor))

enum { GT_PROBED_MAX = 4 };

struct gt_probed {
    struct gt_probed_file {
        const char *path; /* borrowed from the probe */
        uint64_t inode;
        uint32_t device;
    } files[GT_PROBED_MAX];
    size_t count;     /* 0: no probes, or not known where they are */
    bool interpreter; /* the files are an interpreter's, else a libc's */
    bool any_glibc; /* without probes: what is recorded tells of any glibc, of no other libc */
};

/* Does it say which processes are seen? */
static inline bool gt_probed_is_known(const struct gt_probed *probed)
{
    return probed->count || probed->any_glibc;
}

#endif
