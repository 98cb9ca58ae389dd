/* SPDX-License-Identifier: MIT */
#include "common/recordings.h"

#include "script/perfdata.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK_BYTES = 1 << 20 };

static ssize_t read_block(int fd, char *block)
{
    ssize_t got;

    do
        got = read(fd, block, BLOCK_BYTES);
    while (got < 0 && errno == EINTR);
    return got;
}

static bool check(int fd, char *block, struct gt_perfdata *data)
{
    ssize_t got = read_block(fd, block);

    if (got <= 0 || !gt_perfdata_begins(block, (size_t)got))
        return false;
    for (; got > 0; got = read_block(fd, block))
        if (gt_perfdata_feed(data, block, (size_t)got) < 0)
            return false;
    return got == 0 && gt_perfdata_finish(data) == 0 && gt_perfdata_lines(data) > 0;
}

bool gt_recording_is_readable(const char *path)
{
    const char *perf = getenv("GILTRACER_PERF");
    int fd = perf && *perf ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct gt_perfdata *data = gt_perfdata_new(NULL, NULL, true);
    char *block = malloc(BLOCK_BYTES);
    struct stat st;
    bool readable = fd >= 0 && data && block && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
                    check(fd, block, data);

    free(block);
    gt_perfdata_free(data);
    if (fd >= 0)
        close(fd);
    return readable;
}

int gt_recording_read(int fd, int (*take)(void *context, const char *data, size_t length),
                      void *context, struct gt_error *err)
{
    char *block = malloc(BLOCK_BYTES);
    int rc = block ? 0 : gt_error_memory(err);
    ssize_t got = 1;

    if (rc == 0 && lseek(fd, 0, SEEK_SET))
        rc = gt_error_errno(err, "cannot read the recording");
    while (rc == 0 && got > 0) {
        got = read_block(fd, block);
        if (got < 0)
            rc = gt_error_errno(err, "cannot read the recording");
        else if (got > 0)
            rc = take(context, block, (size_t)got);
    }
    free(block);
    return rc;
}
