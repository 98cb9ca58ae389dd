/* SPDX-License-Identifier: MIT */
#include "agent/process.h"

#include "agent/clock.h"
#include "agent/folder.h"
#include "agent/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct gt_agent_guard no_guard = {.known = 1}; /* where the kernel cannot clear it */
struct gt_agent gt_agent = {.guard = &no_guard};

void gt_agent_trouble(const char *text, int error)
{
    struct gt_wire_control *control = gt_agent.control;

    gt_agent_record(false);
    if (!control)
        return;
    __atomic_fetch_add(&control->troubles, 1, __ATOMIC_RELAXED);
    if (__atomic_exchange_n(&control->trouble_claimed, 1, __ATOMIC_ACQ_REL))
        return;
    snprintf(control->trouble, sizeof(control->trouble), "process %d: %s%s%s", gt_agent.pid,
             text, error ? ": " : "", error ? strerror(error) : "");
}

bool gt_agent_take_bytes(size_t size)
{
    struct gt_wire_control *control = gt_agent.control;
    uint64_t used = __atomic_fetch_add(&control->used_bytes, size, __ATOMIC_RELAXED);
    uint64_t none = 0;

    if (used + size <= gt_agent.max_bytes &&
        !__atomic_load_n(&control->stopped_ticks, __ATOMIC_RELAXED))
        return true;
    __atomic_compare_exchange_n(&control->stopped_ticks, &none, gt_agent_ticks_ordered(), false,
                                __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    gt_agent_record(false);
    return false;
}

/* Where the table of stops is full, a further stop ends the recording of the whole run. */
static void note_stop(struct gt_wire_control *control, uint64_t process_ticks, int error)
{
    uint32_t index = __atomic_fetch_add(&control->stop_count, 1, __ATOMIC_RELAXED);
    uint64_t ticks = gt_agent_ticks_ordered(), none = 0;
    struct gt_wire_stop *stop = &control->stops[index < GT_WIRE_STOPS ? index : 0];

    if (index >= GT_WIRE_STOPS) {
        __atomic_compare_exchange_n(&control->stopped_ticks, &none, ticks, false,
                                    __ATOMIC_RELAXED, __ATOMIC_RELAXED);
        return;
    }
    stop->process_ticks = process_ticks;
    stop->pid = gt_agent.pid;
    stop->parent_pid = gt_agent.parent_pid;
    stop->error = error;
    __atomic_store_n(&stop->ticks, ticks, __ATOMIC_RELEASE);
}

void gt_agent_stop(int error)
{
    gt_agent_record(false);
    if (gt_agent.control && !__atomic_exchange_n(&gt_agent.stopped, true, __ATOMIC_ACQ_REL))
        note_stop(gt_agent.control, gt_agent.process_ticks, error);
}

void gt_agent_note_unseen(void)
{
    if (!gt_agent_folder_is_private(gt_agent.dir))
        note_stop(gt_agent.control, gt_agent_ticks_ordered(), errno ? errno : EACCES);
}

/* The newest of this pid's stops whose start is that of no process: gt_agent_note_unseen made
 * it. */
void gt_agent_forget_unseen(void)
{
    struct gt_wire_control *control = gt_agent.control;
    uint32_t count = control->stop_count < GT_WIRE_STOPS ? control->stop_count : GT_WIRE_STOPS;

    while (count-- > 0)
        if (control->stops[count].pid == gt_agent.pid &&
            control->stops[count].process_ticks != gt_agent.process_ticks) {
            __atomic_store_n(&control->stops[count].ticks, 0, __ATOMIC_RELEASE);
            return;
        }
}

static uint32_t usable_cpus(void)
{
    cpu_set_t set;

    return sched_getaffinity(0, sizeof(set), &set) ? 0 : (uint32_t)CPU_COUNT(&set);
}

static bool map_control(void)
{
    size_t size = GT_WIRE_CONTROL_BYTES;
    int fd = gt_agent_file_open(gt_agent.dir, GT_WIRE_CONTROL_NAME, O_CREAT);
    struct gt_wire_control *control = MAP_FAILED;

    if (fd < 0)
        return false;
    if (gt_agent_file_allocate(fd, 0, size)) /* the address is the same each time */
        control = mmap(gt_agent.control, size, PROT_READ | PROT_WRITE,
                       MAP_SHARED | (gt_agent.control ? MAP_FIXED : 0), fd, 0);
    gt_agent_file_close(fd);
    if (control == MAP_FAILED)
        return false;
    control->version = GT_WIRE_VERSION;
    if (!control->cpus)
        control->cpus = usable_cpus();
    __atomic_store_n(&control->magic, GT_WIRE_MAGIC_CONTROL, __ATOMIC_RELEASE);
    gt_agent.control = control;
    return true;
}

int gt_agent_process_init(void)
{
    const char *dir = gt_agent_setting(GT_AGENT_ENV_DIR);
    const char *max = gt_agent_setting(GT_AGENT_ENV_MAX_BYTES);
    int error = errno, rc = EINVAL;

    if (dir && gt_agent_folder_is_private(dir)) {
        strcpy(gt_agent.dir, dir);
        gt_agent.max_bytes = max ? strtoull(max, NULL, 10) : GT_WIRE_DEFAULT_BYTES;
        gt_agent.pid = getpid();
        gt_agent.parent_pid = gt_agent.parent_tid = getppid();
        if (readlink("/proc/self/exe", gt_agent.program, sizeof(gt_agent.program) - 1) < 0)
            gt_agent.program[0] = '\0';
        gt_agent.stopped = gt_agent.forked = false;
        rc = map_control() ? 0 : errno;
    }
    if (!rc)
        gt_agent_clock_init(gt_agent.control);
    errno = error;
    return rc;
}

void gt_agent_process_end(void)
{
    mmap(gt_agent.control, GT_WIRE_CONTROL_BYTES, PROT_READ | PROT_WRITE,
         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}
