/* SPDX-License-Identifier: MIT */
/* A flame graph as folded text, as flamegraph.pl, inferno and speedscope read it. */
#ifndef GT_REPORT_FLAME_FOLDED_H
#define GT_REPORT_FLAME_FOLDED_H

#include "analysis/flame.h"
#include "base/buf.h"

/* Append a line per stack: `frame;frame;frame <µs>`, outermost first. Less than a microsecond
 * is rounded up to one. 0 or -1 (no memory). */
int gt_flame_folded(const struct gt_flame *flame, struct gt_buf *text);

#endif
