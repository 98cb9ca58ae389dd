/* SPDX-License-Identifier: MIT */
#include "agent/holder.h"

#include "agent/threads.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* In short times (clock.h): 20 ms. */
enum { GAPS = 400 };

/* The clock of the CPU time of one thread of this process (include/linux/posix-timers_types.h):
 * ~tid << 3, with the bits for "of a thread" and "time on a CPU". */
static clockid_t clock_of(int32_t tid)
{
    return (clockid_t)((~(unsigned)tid << 3) | 6u);
}

/* /proc/self/task/TID/NAME as text; false when it cannot be read. */
static bool read_of_thread(int32_t tid, const char *name, char *text, size_t size)
{
    char path[64];
    ssize_t length;
    int fd;

    snprintf(path, sizeof(path), "/proc/self/task/%d/%s", tid, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    length = read(fd, text, size - 1);
    close(fd);
    text[length > 0 ? length : 0] = '\0';
    return length > 0;
}

/* The second number of "2049123456 1234567 89" (ns on a CPU, ns ready, how often), plus 1; 0:
 * not known. */
static uint64_t ready_of(int32_t tid)
{
    char text[96];
    char *at;

    if (!read_of_thread(tid, "schedstat", text, sizeof(text)) || !(at = strchr(text, ' ')))
        return 0;
    return strtoull(at, NULL, 10) + 1;
}

/* The system call that the thread is in, plus 1; 0: none. The file says "7 0x7ffd… …",
 * "running", or
 * "-1 …" when the thread is in the kernel for something else. */
static unsigned call_of(int32_t tid)
{
    char text[256];

    if (!read_of_thread(tid, "syscall", text, sizeof(text)) || text[0] < '0' || text[0] > '9')
        return 0;
    return (unsigned)strtoul(text, NULL, 10) + 1;
}

/* Field 12 of stat: page faults that waited for a disk. Fields are counted from the last ')',
 * since the program's name, field 2, may contain anything. */
static unsigned faults_of(int32_t tid)
{
    char text[512];
    char *at;

    if (!read_of_thread(tid, "stat", text, sizeof(text)) || !(at = strrchr(text, ')')))
        return 0;
    for (int field = 2; field < 12 && at; field++)
        at = strchr(at + 1, ' ');
    return at ? (unsigned)strtoul(at, NULL, 10) : 0;
}

static void put(struct gt_agent_thread *self, int32_t tid, unsigned faults, unsigned call)
{
    struct timespec cpu;
    uint64_t ready = ready_of(tid), ticks;

    if (clock_gettime(clock_of(tid), &cpu))
        return;
    ticks = gt_agent_ticks_ordered();
    gt_agent_put(self, ticks,
                 GT_WIRE_WORD(GT_WIRE_ON_CPU,
                              (uint64_t)cpu.tv_sec * 1000000000u + (uint64_t)cpu.tv_nsec));
    gt_agent_put(self, ticks, GT_WIRE_WORD(GT_WIRE_READY, ready));
    gt_agent_put(self, ticks,
                 GT_WIRE_WORD(GT_WIRE_SNAPSHOT, GT_WIRE_SNAPSHOT_VALUE(tid, faults, call)));
}

void gt_agent_holder_asked(const void *cond)
{
    int error = errno;
    struct gt_agent_thread *self = gt_agent_enter();
    struct gt_agent_thread *holder;
    uint64_t ticks, last;

    if (!self)
        return;
    ticks = gt_agent_ticks();
    holder = gt_agent_thread_of_signal((uintptr_t)cond);
    last = holder ? __atomic_load_n(&holder->asked.ticks, __ATOMIC_RELAXED) : 0;
    if (holder && holder != self && (!last || ticks - last > GAPS * gt_agent_short_ticks())) {
        int32_t tid = __atomic_load_n(&holder->listed.tid, __ATOMIC_RELAXED);

        __atomic_store_n(&holder->asked.ticks, ticks, __ATOMIC_RELAXED);
        put(self, tid, faults_of(tid), call_of(tid));
    }
    gt_agent_leave(self);
    errno = error;
}

void gt_agent_holder_gives_up(struct gt_agent_thread *self)
{
    struct rusage usage;
    int error = errno;

    __atomic_store_n(&self->asked.ticks, 0, __ATOMIC_RELAXED);
    if (getrusage(RUSAGE_THREAD, &usage))
        usage.ru_majflt = 0;
    put(self, self->listed.tid, (unsigned)usage.ru_majflt, 0);
    errno = error;
}
