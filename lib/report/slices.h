/* SPDX-License-Identifier: MIT */
/*
 * Private to report/: what lets a large page be drawn before its spans are decoded: who held
 * the GIL, and how many threads waited, in equal slices of the run, and how many calls of each
 * depth a thread has. SCHEMA.md ("Page data") describes them.
 */
#ifndef GT_REPORT_SLICES_H
#define GT_REPORT_SLICES_H

#include "base/buf.h"
#include "base/error.h"
#include "report/pack.h"
#include "report/report.h"

struct gt_calls;
struct gt_timeline;

/* Rows of the tables of a page that has all of it, states too. */
uint64_t gt_page_rows(const struct gt_timeline *timeline);

/* GIL owners that have slices of their own: as many as the page has layers for (LAYERS in
 * viewer/tracks.js). */
enum { GT_SLICES = 2048, GT_SLICES_OWNERS = 16, GT_SLICES_GILS = 6 };

/* Write the tables of a page of many rows, none of one that is drawn when all is decoded. Of
 * GILs, those GT_SLICES_GILS that were held and waited for longest have some. 0 or negative. */
int gt_slices_write(const struct gt_report *report, struct gt_pack *pack, struct gt_error *err);

/* Append `,"levels":[N,…]`: the number of a thread's calls at each depth. 0 or -1 (no memory).
 */
int gt_levels_json(const struct gt_calls *calls, struct gt_buf *text);

#endif
