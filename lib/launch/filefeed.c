/* SPDX-License-Identifier: MIT */
#include "launch/filefeed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { BLOCK_BYTES = 1 << 20 };

static void on_closed(uv_handle_t *handle)
{
    struct gt_filefeed *feed = handle->data;

    feed->done = true;
    feed->on_done(feed->context);
}

void gt_filefeed_stop(struct gt_filefeed *feed)
{
    if (!feed->done && !uv_is_closing((uv_handle_t *)&feed->idle))
        uv_close((uv_handle_t *)&feed->idle, on_closed);
}

static void on_idle(uv_idle_t *idle)
{
    struct gt_filefeed *feed = idle->data;
    ssize_t got;

    do
        got = read(feed->fd, feed->block, BLOCK_BYTES);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        feed->read_errno = errno;
    else if (got > 0)
        feed->data_error = feed->on_data(feed->data_context, feed->block, (size_t)got);
    if (got <= 0 || feed->data_error < 0)
        gt_filefeed_stop(feed);
}

int gt_filefeed_start(struct gt_filefeed *feed, uv_loop_t *loop, const char *path,
                      struct gt_error *err)
{
    feed->done = false;
    feed->data_error = feed->read_errno = 0;
    feed->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (feed->fd < 0)
        return gt_error_errno(err, "cannot open %s", path);
    feed->block = malloc(BLOCK_BYTES);
    if (!feed->block) {
        close(feed->fd);
        return gt_error_memory(err);
    }
    uv_idle_init(loop, &feed->idle);
    feed->idle.data = feed;
    uv_idle_start(&feed->idle, on_idle);
    return 0;
}

void gt_filefeed_release(struct gt_filefeed *feed)
{
    close(feed->fd);
    free(feed->block);
    feed->block = NULL;
}
