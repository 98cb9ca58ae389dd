/* SPDX-License-Identifier: MIT */
/*
 * How long one GIL lived, how much of that is known, and how long threads waited for it.
 */
#ifndef GT_ANALYSIS_GIL_TIMES_H
#define GT_ANALYSIS_GIL_TIMES_H

#include "model/timeline.h"

/* How long the program lived whose GIL it is, and how much of that was not lost. */
int64_t gt_gil_life_ns(const struct gt_gil *gil);
int64_t gt_gil_known_ns(const struct gt_gil *gil);

/* All waiting for it, of all threads. */
int64_t gt_gil_wait_ns(const struct gt_gil *gil);

/* The lives of its threads; and as far as they are known. */
int64_t gt_gil_lives_ns(const struct gt_gil *gil);
int64_t gt_gil_thread_lives_ns(const struct gt_gil *gil);

/* Is half of its life not known, or more? */
bool gt_gil_is_mostly_unknown(const struct gt_gil *gil);

/* Was it waited for so little that it does not matter for whom? */
bool gt_gil_hardly_waited(const struct gt_gil *gil);

/* Are so many returns of take_gil missing that it is not known how long threads waited? */
bool gt_gil_lacks_returns(const struct gt_gil *gil);

/* A thread waited for so many percent of its life: is that much? */
enum gt_wait_level { GT_WAIT_LITTLE, GT_WAIT_SOME, GT_WAIT_MUCH };
enum gt_wait_level gt_wait_level(double percent);

#endif
