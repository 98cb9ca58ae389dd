/* SPDX-License-Identifier: MIT */
/* perf2trace --baseline BEFORE AFTER: two reports become a page of what differs. */
#ifndef PERF2TRACE_COMPARING_H
#define PERF2TRACE_COMPARING_H

#include "base/error.h"
#include "base/strvec.h"

#include <stdbool.h>

/* Is this file, plain or gzip, JSON or a page? (perf.data and its text are not.) What cannot be
 * read is not. */
bool gt_comparing_is_report(const char *path);

/* Are these outputs pages, all of them? 0 or GT_ERR_USAGE. */
int gt_comparing_check(const struct gt_strvec *outputs, struct gt_error *err);

/* Read both reports (JSON, also .gz, or a page, of which the summary is read), write the pages,
 * giltracer-diff.html where none is named, and say what the page begins with unless `quiet`. 0
 * or negative. */
int gt_comparing_run(const char *before, const char *after, const struct gt_strvec *outputs,
                     bool quiet, struct gt_error *err);

#endif
