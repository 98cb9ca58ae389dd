/* SPDX-License-Identifier: MIT */
/* Finding which files a run's probes are in (event/probed_files.h). */
#ifndef GT_LAUNCH_PROBED_H
#define GT_LAUNCH_PROBED_H

#include "event/probed_files.h"
#include "launch/interp.h"
#include "launch/probe_sites.h"

/* Consider only the probes that tell of the GIL. The paths are borrowed from `probes`. */
void gt_probed_find(struct gt_probed *probed, const struct gt_probe_set *probes,
                    const struct gt_interp *interp);

#endif
