/* SPDX-License-Identifier: MIT */
/*
 * What the machine did to the program: how many CPUs it may use (affinity, quota), how often a
 * quota stopped it, how much time a hypervisor took, and how long its threads were ready
 * without a CPU. It is read at the gate, now and then while the program runs, and at its end,
 * and needs no privilege.
 */
#ifndef GT_LAUNCH_MACHINE_H
#define GT_LAUNCH_MACHINE_H

#include "base/chunks.h"
#include "base/error.h"
#include "base/hashmap.h"
#include "event/surroundings.h"
#include "launch/cgroup.h"

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

struct gt_machine {
    uint32_t cpus;    /* online; 0: not known */
    uint32_t allowed; /* those that the program's affinity lets it use, the fewest that were
                         read; 0: not known */
    bool affinity_changed; /* while the program ran */
    int64_t steal_ns; /* time that a hypervisor took from the allowed CPUs; -1: not known */
    struct gt_cgroup cgroup;
    /*
     * How long threads of the command's process were ready without a CPU, each until the last
     * reading before its end: so it is at least this long. -1: not known, as after a run of
     * less than a twentieth of a second.
     */
    int64_t ready_ns;
    int64_t cpu_ns; /* how long they were on a CPU, until then; -1: not known */
    /* Private. */
    int pid;
    bool looked; /* since the gate opened */
    cpu_set_t set;
    int64_t first_steal_ns;
    struct gt_hashmap tasks; /* tid → place in `delays` */
    struct gt_chunks delays; /* of struct task_delay */
};

/* Read while process `pid` waits at its gate. `cgroup_root` as gt_cgroup_open takes it. 0 or
 * GT_ERR_MEMORY. */
int gt_machine_start(struct gt_machine *machine, int pid, const char *cgroup_root,
                     struct gt_error *err);
/* Read while it runs: takes some 10 µs a thread. */
int gt_machine_look(struct gt_machine *machine, struct gt_error *err);
/* Read once more: the process has ended. */
int gt_machine_end(struct gt_machine *machine, struct gt_error *err);
/* Does nothing to a struct of zeros. */
void gt_machine_release(struct gt_machine *machine);

/* Fill in what reports say of it. The paths stay those of `machine`. */
void gt_machine_tell(const struct gt_machine *machine, struct gt_surroundings *surroundings);

/* How many CPUs the program could use, by affinity and quota, in CPU seconds per second:
 * 0.2, 1.5, 8; 0: not known. */
double gt_machine_usable_cpus(const struct gt_machine *machine);
/* Did that number change during the run? */
bool gt_machine_changed(const struct gt_machine *machine);

/* Read the time that a hypervisor took from the CPUs in `set`, in ticks, out of the text of
 * /proc/stat. False when it is not there. Pure, for tests. */
bool gt_machine_parse_steal(const char *stat, const cpu_set_t *set, uint64_t *ticks);

#endif
