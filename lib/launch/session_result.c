/* SPDX-License-Identifier: MIT */
#include "launch/session.h"

#include <string.h>

void gt_session_result_init(struct gt_session_result *result)
{
    memset(result, 0, sizeof(*result));
    result->exit_status = -1;
    result->started_unix_ns = -1;
    result->costs = (struct gt_gate_report){.hit_ns = -1, .switch_ns = -1};
    gt_strvec_init(&result->warnings);
}

void gt_session_result_release(struct gt_session_result *result)
{
    gt_strvec_release(&result->warnings);
}
