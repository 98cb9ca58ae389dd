/* SPDX-License-Identifier: MIT */
/*
 * The file of all logs, unit by unit (wire.h).
 *
 * A unit is reached through the file's path while that leads there. A process that has changed
 * its user or its root, whose folder is removed, or that may open no more files, maps the unit
 * by the file's first page, which it has mapped since it started: mremap extends a mapping of a
 * file without a descriptor, and madvise makes room for its pages, or says that there is none.
 * That takes longer (some 50 to 200 µs for a unit), and needs Linux 5.14.
 *
 * Functions that can fail return false, NULL or 0 with errno.
 */
#ifndef GT_AGENT_UNITS_H
#define GT_AGENT_UNITS_H

#include "agent/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Make the file, or find it, and map its first page. */
bool gt_agent_units_init(void);

/* Unmap that page: no thread uses a unit any more. */
void gt_agent_units_release(void);

/* Take a unit that nobody has, and count its first `allocated` bytes against the run's bound.
 * 0: there is none, and recording has stopped. */
uint64_t gt_agent_unit_take(size_t allocated);

/* Map a unit, of which the first `allocated` bytes may be used. */
void *gt_agent_unit_map(uint64_t unit, size_t allocated);

/* Allocate `more` bytes of a unit that is mapped at `slot`, after the first `allocated` ones.
 */
bool gt_agent_unit_extend(char *slot, uint64_t unit, size_t allocated, size_t more);

/* Write all of a unit: `head`, then what follows the head in `slot`. */
bool gt_agent_unit_write(uint64_t unit, const struct gt_wire_chunk *head, const char *slot);

#endif
