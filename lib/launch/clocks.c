/* SPDX-License-Identifier: MIT */
#include "launch/clocks.h"

#include "base/buf.h"
#include "base/fs.h"
#include "base/nstime.h"

#include <string.h>
#include <sys/timex.h>

/* As adjtimex(2) tells; it changes nothing. */
static int64_t wall_error_ns(void)
{
    struct timex timex = {0};
    int state = adjtimex(&timex);

    if (state < 0 || state == TIME_ERROR || timex.status & STA_UNSYNC)
        return -1;
    return (int64_t)timex.maxerror * GT_NS_PER_US;
}

void gt_clocks_read(struct gt_clock_anchor *anchor)
{
    enum { TRIES = 4 };

    *anchor = (struct gt_clock_anchor){.within_ns = INT64_MAX};
    for (int i = 0; i < TRIES; i++) {
        int64_t before_ns = gt_now_ns(), wall_ns = gt_realtime_ns();
        int64_t within_ns = gt_now_ns() - before_ns;

        if (within_ns >= anchor->within_ns)
            continue;
        anchor->within_ns = within_ns;
        anchor->monotonic_ns = before_ns + within_ns / 2;
        anchor->realtime_ns = wall_ns;
    }
    anchor->error_ns = wall_error_ns();
}

void gt_clocks_boot_id(char id[GT_BOOT_ID_SIZE])
{
    struct gt_buf text;
    size_t length;

    id[0] = '\0';
    gt_buf_init(&text);
    if (gt_fs_read("/proc/sys/kernel/random/boot_id", &text, GT_BOOT_ID_SIZE, NULL) == 0) {
        length = text.length < GT_BOOT_ID_SIZE ? text.length : GT_BOOT_ID_SIZE - 1;
        memcpy(id, text.data, length);
        id[length] = '\0';
        id[strcspn(id, "\n")] = '\0';
    }
    gt_buf_release(&text);
}
