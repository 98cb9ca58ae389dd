/* SPDX-License-Identifier: MIT */
#include "agent/clock.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

enum { SHORT_NS = GT_AGENT_SHORT_US * 1000 };

bool gt_agent_counter;
struct gt_agent_short gt_agent_short = {SHORT_NS};

#if defined(__x86_64__)
/* The kernel's choice of clock tells whether it found the counters of all CPUs in step. */
static bool counter_is_trusted(void)
{
    static const char path[] =
        "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    unsigned eax, ebx, ecx, edx;
    char text[32] = "";
    ssize_t length;
    int fd;

    if (!__get_cpuid(0x80000007, &eax, &ebx, &ecx, &edx) || !(edx & 1u << 8))
        return false; /* the rate changes, or stops when idle */
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    length = read(fd, text, sizeof(text) - 1);
    close(fd);
    return length > 0 && (!strncmp(text, "tsc", 3) || !strncmp(text, "kvm-clock", 9) ||
                          !strncmp(text, "hyperv_clocksource_tsc", 22));
}
#elif defined(__aarch64__)
static bool counter_is_trusted(void)
{
    return true; /* the architecture's generic timer is one for all CPUs */
}
#else
static bool counter_is_trusted(void)
{
    return false;
}
#endif

static uint64_t ns_of(const struct timespec *time)
{
    return (uint64_t)time->tv_sec * 1000000000u + (uint64_t)time->tv_nsec;
}

uint64_t gt_agent_monotonic_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return ns_of(&now);
}

bool gt_agent_cpu_ns(uint64_t *ns)
{
    struct timespec used;

    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used))
        return false;
    *ns = ns_of(&used);
    return true;
}

void gt_agent_clock_init(struct gt_wire_control *control)
{
    uint32_t source = GT_WIRE_TICKS_UNKNOWN;
    uint32_t mine = counter_is_trusted() ? GT_WIRE_TICKS_COUNTER : GT_WIRE_TICKS_MONOTONIC;

    /* The first process saw the same machine, and maybe more of it than a chroot shows. */
    if (__atomic_compare_exchange_n(&control->tick_source, &source, mine, false,
                                    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        source = mine;
    gt_agent_counter = source == GT_WIRE_TICKS_COUNTER;
}

/* Both clocks at one moment: the closest of a few tries, so that an interrupt between the
 * reads does no harm. */
static struct gt_wire_anchor both_clocks(void)
{
    struct gt_wire_anchor best = {0, 0};
    uint64_t best_gap = UINT64_MAX;

    for (int i = 0; i < 4; i++) {
        uint64_t before = gt_agent_ticks_ordered();
        uint64_t now_ns = gt_agent_monotonic_ns();
        uint64_t gap = gt_agent_ticks_ordered() - before;

        if (gap < best_gap) {
            best_gap = gap;
            best.time_ns = now_ns;
            best.ticks = before + gap / 2;
        }
    }
    return best;
}

/* One millisecond at first, then a sixteenth of the run's age, up to one second. After a
 * quarter of an hour it grows again, so that the table is large enough for weeks. */
static uint64_t ticks_to_next(const struct gt_wire_control *control, struct gt_wire_anchor now)
{
    uint64_t first_ns = control->anchors[0].time_ns;
    uint64_t first_ticks = control->anchors[0].ticks;
    uint64_t age_ns = now.time_ns > first_ns ? now.time_ns - first_ns : 0;
    uint64_t wait_ns = age_ns / 16;
    double rate = 1;

    if (wait_ns < 1000000)
        wait_ns = 1000000;
    if (wait_ns > 1000000000)
        wait_ns = age_ns / 1024 > 1000000000 ? age_ns / 1024 : 1000000000;
    if (gt_agent_counter)
        rate = age_ns > 1000 && now.ticks > first_ticks
                   ? (double)(now.ticks - first_ticks) / (double)age_ns
                   : 1;
    if (age_ns > 1000000)
        __atomic_store_n(&gt_agent_short.ticks, (uint64_t)(SHORT_NS * rate), __ATOMIC_RELAXED);
    return (uint64_t)((double)wait_ns * rate);
}

void gt_agent_clock_anchor(struct gt_wire_control *control)
{
    struct gt_wire_anchor now = both_clocks();
    uint32_t index = __atomic_fetch_add(&control->anchor_count, 1, __ATOMIC_RELAXED);

    if (index < GT_WIRE_ANCHORS) {
        control->anchors[index].time_ns = now.time_ns;
        __atomic_store_n(&control->anchors[index].ticks, now.ticks, __ATOMIC_RELEASE);
    }
    __atomic_store_n(&control->next_anchor_ticks, now.ticks + ticks_to_next(control, now),
                     __ATOMIC_RELAXED);
}
