/* SPDX-License-Identifier: MIT */
#include "launch/machine.h"

#include "base/buf.h"
#include "base/fs.h"
#include "base/nstime.h"
#include "launch/schedstat.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <unistd.h>

enum {
    STAT_BYTES = 4 << 20, /* of /proc/stat, which has a line per CPU, and one of interrupts */
    TASKS_MAX = 512,      /* threads that are read: more would slow the program down */
};

struct task_times {
    int64_t cpu_ns, ready_ns;
};

/* One thread's times at the first reading (at the gate, of what it had before) and at the last.
 */
struct task_delay {
    struct task_times first, last;
};

/* --- steal --- */

/* The eighth number of a "cpuN ..." line. */
static bool eighth_number(const char *at, uint64_t *number)
{
    for (int i = 0; i < 8; i++) {
        char *end;

        if (*at != ' ' || at[1] < '0' || at[1] > '9')
            return false;
        *number = strtoull(at + 1, &end, 10);
        at = end;
    }
    return true;
}

bool gt_machine_parse_steal(const char *stat, const cpu_set_t *set, uint64_t *ticks)
{
    bool found = false;

    *ticks = 0;
    for (; *stat; stat += strcspn(stat, "\n"), stat += *stat == '\n') {
        char *end;
        unsigned long cpu;
        uint64_t number;

        if (strncmp(stat, "cpu", 3) != 0 || stat[3] < '0' || stat[3] > '9')
            continue;
        cpu = strtoul(stat + 3, &end, 10);
        if (cpu >= CPU_SETSIZE || !CPU_ISSET(cpu, set) || !eighth_number(end, &number))
            continue;
        if (__builtin_add_overflow(*ticks, number, ticks))
            *ticks = UINT64_MAX;
        found = true;
    }
    return found;
}

/* -1: not known. */
static int64_t read_steal(const struct gt_machine *machine)
{
    long ticks_per_s = sysconf(_SC_CLK_TCK);
    struct gt_error err;
    struct gt_buf text;
    uint64_t ticks;
    int64_t steal_ns = -1;

    gt_buf_init(&text);
    if (ticks_per_s > 0 && gt_fs_read("/proc/stat", &text, STAT_BYTES, &err) == 0 &&
        text.length && gt_machine_parse_steal(text.data, &machine->set, &ticks))
        steal_ns = gt_times_ns(GT_NS_PER_S / ticks_per_s, ticks);
    gt_buf_release(&text);
    return steal_ns;
}

/* --- ready without a CPU --- */

/* False: the thread is gone, or the kernel does not count. */
static bool read_times(int folder, const char *tid, struct task_times *times)
{
    struct gt_schedstat of;

    if (!gt_schedstat_read(folder, tid, &of) || of.cpu_ns == 0 || of.cpu_ns > INT64_MAX ||
        of.ready_ns > INT64_MAX)
        return false;
    *times = (struct task_times){(int64_t)of.cpu_ns, (int64_t)of.ready_ns};
    return true;
}

/* `is_new`: the task began after the gate opened, so it counts from its beginning. */
static int note_times(struct gt_machine *machine, const char *tid,
                      const struct task_times *times, bool is_new)
{
    uint64_t key = strtoull(tid, NULL, 10);
    uint32_t index = gt_hashmap_get(&machine->tasks, key);
    struct task_delay *delay;

    if (index != GT_HASHMAP_NONE) {
        delay = gt_chunks_at(&machine->delays, index);
        if (times->ready_ns >= delay->last.ready_ns && times->cpu_ns >= delay->last.cpu_ns) {
            delay->last = *times;
            return 0;
        }
    }
    /* It is new, or its tid belonged to another thread before. */
    delay = gt_chunks_push(&machine->delays);
    if (!delay)
        return -1;
    *delay = (struct task_delay){.last = *times};
    if (!is_new)
        delay->first = *times;
    return gt_hashmap_put(&machine->tasks, key, (uint32_t)machine->delays.count - 1);
}

/* 0 or -1. */
static int look_at_tasks(struct gt_machine *machine)
{
    bool started = machine->ready_ns >= 0;
    int left = TASKS_MAX, rc = 0;
    struct dirent *entry;
    char path[64];
    DIR *dir;

    snprintf(path, sizeof(path), "/proc/%d/task", machine->pid);
    dir = opendir(path);
    while (rc == 0 && dir && left > 0 && (entry = readdir(dir))) {
        struct task_times times;

        if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
            continue;
        left--;
        if (read_times(dirfd(dir), entry->d_name, &times))
            rc = note_times(machine, entry->d_name, &times, started);
    }
    if (dir)
        closedir(dir);
    machine->ready_ns = machine->cpu_ns = machine->delays.count ? 0 : -1;
    for (size_t i = 0; i < machine->delays.count; i++) {
        const struct task_delay *delay = gt_chunks_at(&machine->delays, i);

        machine->ready_ns =
            gt_add_ns(machine->ready_ns, delay->last.ready_ns - delay->first.ready_ns);
        machine->cpu_ns = gt_add_ns(machine->cpu_ns, delay->last.cpu_ns - delay->first.cpu_ns);
    }
    return rc;
}

/* --- all of it --- */

static void look_at_affinity(struct gt_machine *machine, bool first)
{
    cpu_set_t set;
    uint32_t allowed;

    if (sched_getaffinity(machine->pid, sizeof(set), &set))
        return;
    allowed = (uint32_t)CPU_COUNT(&set);
    if (first) {
        machine->set = set;
        machine->allowed = allowed;
        return;
    }
    machine->affinity_changed |= allowed != machine->allowed;
    machine->allowed = MIN(machine->allowed, allowed);
}

int gt_machine_start(struct gt_machine *machine, int pid, const char *cgroup_root,
                     struct gt_error *err)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);

    memset(machine, 0, sizeof(*machine));
    machine->pid = pid;
    machine->cpus = cpus > 0 ? (uint32_t)cpus : 0;
    machine->steal_ns = machine->ready_ns = machine->cpu_ns = -1;
    gt_hashmap_init(&machine->tasks);
    gt_chunks_init(&machine->delays, sizeof(struct task_delay));
    look_at_affinity(machine, true);
    machine->first_steal_ns = read_steal(machine);
    if (look_at_tasks(machine))
        return gt_error_memory(err);
    return gt_cgroup_open(&machine->cgroup, pid, cgroup_root, err);
}

int gt_machine_look(struct gt_machine *machine, struct gt_error *err)
{
    machine->looked = true;
    look_at_affinity(machine, false);
    if (look_at_tasks(machine))
        return gt_error_memory(err);
    return gt_cgroup_look(&machine->cgroup, true, err);
}

int gt_machine_end(struct gt_machine *machine, struct gt_error *err)
{
    int64_t steal_ns = read_steal(machine);

    if (!machine->looked)
        machine->ready_ns = machine->cpu_ns = -1;
    if (steal_ns >= 0 && machine->first_steal_ns >= 0)
        machine->steal_ns = MAX(steal_ns - machine->first_steal_ns, 0);
    return gt_cgroup_look(&machine->cgroup, false, err);
}

void gt_machine_release(struct gt_machine *machine)
{
    gt_cgroup_close(&machine->cgroup);
    gt_hashmap_release(&machine->tasks);
    gt_chunks_release(&machine->delays);
}

void gt_machine_tell(const struct gt_machine *machine, struct gt_surroundings *surroundings)
{
    const struct gt_cgroup *cgroup = &machine->cgroup;

    *surroundings = (struct gt_surroundings){.cpus = machine->cpus,
                                             .allowed = machine->allowed,
                                             .steal_ns = machine->steal_ns,
                                             .ready_ns = machine->ready_ns,
                                             .cpu_ns = machine->cpu_ns,
                                             .cgroup_version = cgroup->version};
    for (size_t i = 0; i < cgroup->count && surroundings->quota_count < GT_QUOTAS_MAX; i++) {
        const struct gt_cgroup_level *level = &cgroup->levels[i];

        if (level->quota_cpus > 0)
            surroundings->quotas[surroundings->quota_count++] =
                (struct gt_quota){.path = level->path,
                                  .cpus = level->quota_cpus,
                                  .changed = level->quota_changed,
                                  .known = level->known,
                                  .throttled = level->throttled,
                                  .throttled_ns = level->throttled_ns};
    }
}

double gt_machine_usable_cpus(const struct gt_machine *machine)
{
    const struct gt_cgroup_level *tightest = gt_cgroup_tightest(&machine->cgroup);
    double usable = machine->allowed ? machine->allowed : machine->cpus;

    if (tightest && (usable <= 0 || tightest->quota_cpus < usable))
        usable = tightest->quota_cpus;
    return usable;
}

bool gt_machine_changed(const struct gt_machine *machine)
{
    for (size_t i = 0; i < machine->cgroup.count; i++)
        if (machine->cgroup.levels[i].quota_changed)
            return true;
    return machine->affinity_changed || machine->cgroup.moved;
}
