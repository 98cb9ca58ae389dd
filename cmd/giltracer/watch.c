/* SPDX-License-Identifier: MIT */
#include "watch.h"

#include <stdlib.h>

void gt_watch_start(struct gt_watch *watch, int pid)
{
    const char *root = getenv("GILTRACER_CGROUP_ROOT");

    watch->known =
        gt_machine_start(&watch->machine, pid, root && *root ? root : NULL, NULL) == 0;
}

void gt_watch_look(struct gt_watch *watch)
{
    watch->known = watch->known && gt_machine_look(&watch->machine, NULL) == 0;
}

void gt_watch_end(struct gt_watch *watch, struct gt_run_info *info)
{
    watch->known = watch->known && gt_machine_end(&watch->machine, NULL) == 0;
    if (!watch->known)
        return;
    gt_machine_tell(&watch->machine, &watch->surroundings);
    info->surroundings = &watch->surroundings;
    info->usable_cpus = gt_machine_usable_cpus(&watch->machine);
    info->usable_cpus_changed = gt_machine_changed(&watch->machine);
}

void gt_watch_release(struct gt_watch *watch)
{
    gt_machine_release(&watch->machine);
}
