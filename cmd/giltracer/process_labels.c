/* SPDX-License-Identifier: MIT */
#include "process_labels.h"

#include "base/fs.h"
#include "report/process_label.h"

#include <stdio.h>

int gt_process_command(int32_t pid, struct gt_buf *command)
{
    enum { COMMAND_MAX = 2 << 20 }; /* as long as Linux lets one be */
    char path[32];

    snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
    return gt_fs_read(path, command, COMMAND_MAX, NULL);
}

/* By its command line: what it calls itself now, or what was read as it began. */
void gt_process_label(void *context, const struct gt_process_names *names, char *label,
                      size_t size)
{
    struct gt_buf command, text;

    (void)context;
    gt_buf_init(&command);
    gt_buf_init(&text);
    if (gt_process_command(names->pid, &command) < 0 || !command.length) {
        gt_buf_reset(&command);
        gt_buf_add(&command, names->command, names->command_length);
    }
    if (command.length && gt_command_label(command.data, command.length, &text) == 0 &&
        text.length)
        snprintf(label, size, "%s", text.data);
    else
        snprintf(label, size, "%s", names->name);
    gt_buf_release(&command);
    gt_buf_release(&text);
}
