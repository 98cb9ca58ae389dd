/* SPDX-License-Identifier: MIT */
#include "launch/probed.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static bool is_listed(const struct gt_probed *probed, const char *path)
{
    for (size_t i = 0; i < probed->count; i++)
        if (strcmp(probed->files[i].path, path) == 0)
            return true;
    return false;
}

/* Of a file for which stat fails, only the path is known. */
static void add(struct gt_probed *probed, const char *path)
{
    struct gt_probed_file *file = &probed->files[probed->count++];
    struct stat st;

    *file = (struct gt_probed_file){.path = path};
    if (stat(path, &st) == 0) {
        file->inode = st.st_ino;
        file->device = GT_DEVICE(major(st.st_dev), minor(st.st_dev));
    }
}

void gt_probed_find(struct gt_probed *probed, const struct gt_probe_set *probes,
                    const struct gt_interp *interp)
{
    *probed = (struct gt_probed){.python = interp->libpython ? interp->libpython
                                                             : interp->executable};
    for (size_t i = 0; i < probes->count; i++) {
        probed->interpreter |= strcmp(probes->probes[i].path, interp->libc) != 0;
        probed->locks |= strcmp(probes->probes[i].event, "semaphore_wait") == 0;
    }
    for (size_t i = 0; i < probes->count && probed->count < GT_PROBED_MAX; i++) {
        const char *path = probes->probes[i].path;

        /* Beside probes on the interpreter's functions, those on libc only tell deadlines. */
        if (probed->interpreter && strcmp(path, interp->libc) == 0)
            continue;
        if (!is_listed(probed, path))
            add(probed, path);
    }
}
