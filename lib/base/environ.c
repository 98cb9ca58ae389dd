/* SPDX-License-Identifier: MIT */
#include "base/environ.h"

#include "base/fs.h"

#include <stdio.h>
#include <string.h>

enum { ENTRIES_BYTES = 8 << 20 };

int gt_environ_read(int pid, struct gt_buf *entries)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/environ", pid);
    return gt_fs_read(path, entries, ENTRIES_BYTES, NULL);
}

/* The buffer ends with a NUL of its own, should the last entry have none. */
const char *gt_environ_find(const struct gt_buf *entries, const char *name)
{
    size_t length = strlen(name), step;

    for (size_t at = 0; at < entries->length; at += step) {
        const char *entry = entries->data + at;

        if (strncmp(entry, name, length) == 0 && entry[length] == '=')
            return entry + length + 1;
        step = strlen(entry) + 1;
    }
    return NULL;
}
