/* SPDX-License-Identifier: MIT */
#include "agent/holder.h"

#include "agent/threads.h"
#include "agent/unwind.h"

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

enum {
    CALL_TEXT = 256,
    STACK_TEXT = 4000, /* of a note: GT_WIRE_TEXT_MAX bytes at most */
};

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

/* Where the thread is in a system call: "7 0x7ffd… …", six arguments, stack pointer, program
 * counter. False: it runs ("running"), or it is in the kernel for something else ("-1 …"). */
static bool call_of(int32_t tid, char text[CALL_TEXT])
{
    return read_of_thread(tid, "syscall", text, CALL_TEXT) && text[0] >= '0' && text[0] <= '9';
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

/* Returns the CPU time; 0: it cannot be read. */
static uint64_t put(struct gt_agent_thread *self, int32_t tid, unsigned faults, unsigned call)
{
    struct timespec cpu;
    uint64_t ready = ready_of(tid), ticks, cpu_ns;

    if (clock_gettime(clock_of(tid), &cpu))
        return 0;
    cpu_ns = (uint64_t)cpu.tv_sec * 1000000000u + (uint64_t)cpu.tv_nsec;
    ticks = gt_agent_ticks_ordered();
    gt_agent_put(self, ticks, GT_WIRE_WORD(GT_WIRE_ON_CPU, cpu_ns));
    gt_agent_put(self, ticks, GT_WIRE_WORD(GT_WIRE_READY, ready));
    gt_agent_put(self, ticks,
                 GT_WIRE_WORD(GT_WIRE_SNAPSHOT, GT_WIRE_SNAPSHOT_VALUE(tid, faults, call)));
    return cpu_ns;
}

/* The stack as a note has it; what has no room is left out. Returns its length. */
static size_t write_frames(const struct gt_agent_frame *frames, unsigned count,
                           char text[STACK_TEXT])
{
    size_t length = 0;

    for (unsigned i = 0; i < count; i++) {
        bool same = i && frames[i].path == frames[i - 1].path;
        int more = snprintf(text + length, STACK_TEXT - length, "%llx%s%s",
                            (unsigned long long)frames[i].address, same ? "" : " ",
                            same ? "" : frames[i].path);

        if (more < 0 || (size_t)more >= STACK_TEXT - length)
            break;
        length += (size_t)more + 1;
    }
    return length;
}

/* Note where the thread sleeps; false: it moved meanwhile, or nothing is known of its stack. */
static bool note_sleep(struct gt_agent_thread *self, int32_t tid, const char call[CALL_TEXT])
{
    struct gt_wire_note note = {.kind = GT_WIRE_NOTE_ASLEEP, .id = (uint32_t)tid};
    struct gt_agent_frame frames[GT_AGENT_FRAMES_MAX];
    char text[STACK_TEXT], still[CALL_TEXT], *end;
    uint64_t words[9]; /* number, six arguments, stack pointer, program counter */
    const char *at = call;
    size_t length;

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++, at = end) {
        words[i] = strtoull(at, &end, 0);
        if (end == at)
            return false;
    }
    length = write_frames(frames, gt_agent_unwind(words[8], words[7], frames), text);
    if (!length || !call_of(tid, still) || strcmp(still, call))
        return false;
    note.ticks = gt_agent_ticks_ordered();
    note.count = words[0] + 1;
    gt_agent_note(self, &note, text, length, "", 0);
    return true;
}

/* A snapshot of a holder that is asked for the GIL, and once for each sleep its stack. */
static void look_at(struct gt_agent_thread *self, struct gt_agent_thread *holder, int32_t tid)
{
    char call[CALL_TEXT];
    bool in_call = call_of(tid, call);
    uint64_t cpu_ns =
        put(self, tid, faults_of(tid), in_call ? (unsigned)strtoul(call, NULL, 10) + 1 : 0);
    uint64_t last_ns =
        __atomic_exchange_n(&holder->asked.asleep_at, in_call ? cpu_ns : 0, __ATOMIC_RELAXED);

    if (in_call && cpu_ns && cpu_ns != last_ns && !note_sleep(self, tid, call))
        __atomic_store_n(&holder->asked.asleep_at, 0, __ATOMIC_RELAXED); /* try again */
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

        /* In this order: the holder looks at the first after it has written the second. */
        __atomic_store_n(&holder->asked.ticks, ticks, __ATOMIC_SEQ_CST);
        __atomic_store_n(&holder->asked.quiet_until, 0, __ATOMIC_SEQ_CST);
        look_at(self, holder, tid);
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
