/* SPDX-License-Identifier: MIT */
/* Reading the clocks that a recording keeps (event/clocks.h). */
#ifndef GT_LAUNCH_CLOCKS_H
#define GT_LAUNCH_CLOCKS_H

#include "event/clocks.h"

/* Read both clocks: the closest of a few tries. */
void gt_clocks_read(struct gt_clock_anchor *anchor);

/* Which boot of which machine this is; "" where /proc does not say. */
void gt_clocks_boot_id(char id[GT_BOOT_ID_SIZE]);

#endif
