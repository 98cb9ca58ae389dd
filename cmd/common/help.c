/* SPDX-License-Identifier: MIT */
#include "common/help.h"

#include <stdio.h>

int gt_help_print(const struct gt_program_help *help, const char *which, struct gt_error *err)
{
    struct gt_buf text;
    int rc;

    gt_buf_init(&text);
    rc = gt_help_make(help, which, &text, err);
    if (rc == 0)
        fputs(text.data, stdout);
    gt_buf_release(&text);
    return rc;
}
