/* SPDX-License-Identifier: MIT */
/* Private to whatif/: which of the estimates are worth a sentence, or a table. */
#ifndef GT_WHATIF_ADVICE_H
#define GT_WHATIF_ADVICE_H

#include "whatif/result.h"

/* Fill in what `whatif` and its estimates say of being told, once the rest is known. `cost_ns`
 * is what recording cost; 0 or less: nothing, or not known. */
void gt_whatif_advise(struct gt_whatif *whatif, int64_t cost_ns);

#endif
