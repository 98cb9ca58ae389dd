/* SPDX-License-Identifier: MIT */
/* What the user should know of a log. */
#include "agentlog/internal.h"

#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MAX_WARNINGS = 32 };

void gt_agentlog_warn(struct gt_agentlog *log, const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    gt_text_make_visible(text);
    for (size_t i = 0; i < log->warnings.count; i++)
        if (!strcmp(log->warnings.items[i], text))
            return;
    if (log->warnings.count < MAX_WARNINGS)
        gt_strvec_push(&log->warnings, text); /* a warning lost to lack of memory is no harm */
}

const char *gt_agentlog_warning(const struct gt_agentlog *log, size_t index)
{
    return index < log->warnings.count ? log->warnings.items[index] : NULL;
}

void gt_agentlog_warn_thread(struct gt_agentlog *log, const struct gt_agentlog_thread *thread)
{
    gt_agentlog_warn(log,
                     "the agent's log of thread %d of process %d is cut short or damaged: some "
                     "of it is missing",
                     thread->header.tid, thread->header.pid);
}
