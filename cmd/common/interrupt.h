/* SPDX-License-Identifier: MIT */
/*
 * INT, TERM, HUP and QUIT in the programs that read recordings. The first ends the reading, and
 * a report is made of what was read; it says how to end without one, which a second SIGINT
 * does: see gt_interrupt_abandoned. Signals that were ignored when the program started stay so.
 */
#ifndef GT_COMMON_INTERRUPT_H
#define GT_COMMON_INTERRUPT_H

#include "base/error.h"
#include "base/output.h"

#include <stdbool.h>

/* Watch the signals, for `program`, whose name is borrowed; ignore SIGPIPE and SIGXFSZ, whose
 * calls then fail. Once, before anything is opened. 0 or negative. */
int gt_interrupt_watch(const char *program, struct gt_error *err);

/* Can be read from the first signal on; nobody reads it. -1: not watched. */
int gt_interrupt_fd(void);

/* The number of the first signal; 0: none came. */
int gt_interrupt_signal(void);

/* Reading begins: a signal before ends the program, and is not answered. */
void gt_interrupt_reads(void);

/* All was read: what a signal says from now on is that nothing is missing. */
void gt_interrupt_has_read(void);

/* Ends a wait for who reads an output, at the first signal before all was read, or since. */
const struct gt_stop *gt_interrupt_stop(void);

/* A SIGINT came after the first signal: nobody waits for a report any more. */
bool gt_interrupt_abandoned(void);

#endif
