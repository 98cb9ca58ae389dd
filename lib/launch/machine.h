/*
 * What the machine did to the program: how many CPUs it may use (affinity, quota), how often a
 * quota stopped it, what a hypervisor took, and how long its threads were ready and had no CPU.
 * Read at the gate, now and then while the program runs, and at its end. Needs no privilege.
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
    uint32_t cpus;         /* online; 0: not known */
    uint32_t allowed;      /* of these, that the program's affinity lets it use; the fewest that
                              were read; 0: not known */
    bool affinity_changed; /* while it ran */
    int64_t steal_ns;      /* that the hypervisor took of the allowed CPUs; -1: not known */
    struct gt_cgroup cgroup;
    /*
     * That threads of the command's process were ready and had no CPU, until the last reading
     * before their ends: at least so long. -1: not known, as of a run of less than a twentieth
     * of a second.
     */
    int64_t ready_ns;
    int64_t cpu_ns; /* that they were on one, until then; -1: not known */
    /* Private. */
    int pid;
    bool looked; /* since the gate opened */
    cpu_set_t set;
    int64_t first_steal_ns;
    struct gt_hashmap tasks; /* tid → place in `delays` */
    struct gt_chunks delays; /* of struct task_delay */
};

/* At the gate of process `pid`. `cgroup_root` as of gt_cgroup_open. 0 or GT_ERR_MEMORY. */
int gt_machine_start(struct gt_machine *machine, int pid, const char *cgroup_root,
                     struct gt_error *err);
/* While it runs: some 10 µs a thread. */
int gt_machine_look(struct gt_machine *machine, struct gt_error *err);
/* It has ended. */
int gt_machine_end(struct gt_machine *machine, struct gt_error *err);
/* Harmless on zeroes. */
void gt_machine_release(struct gt_machine *machine);

/* What there is to tell of it, for reports. Paths are the machine's. */
void gt_machine_tell(const struct gt_machine *machine, struct gt_surroundings *surroundings);

/* CPU seconds per second that the program could use, by affinity and quota: 0.2, 1.5, 8; 0: not
 * known. */
double gt_machine_usable_cpus(const struct gt_machine *machine);
/* Was that another number at another time of the run? */
bool gt_machine_changed(const struct gt_machine *machine);

/* The time that a hypervisor took of the CPUs in `set`, out of /proc/stat's text, in ticks;
 * false when it is not there. Pure, for tests. */
bool gt_machine_parse_steal(const char *stat, const cpu_set_t *set, uint64_t *ticks);

#endif
