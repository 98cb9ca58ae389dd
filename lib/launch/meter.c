/* SPDX-License-Identifier: MIT */
#include "launch/meter.h"

#include "agent/wire.h"

#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    HIT_BYTES = 96,      /* of perf's data, at least: what a hit with two arguments takes */
    TYPICAL_NS = 10000,  /* of a hit, in a virtual machine */
    LEAST_NS = 10000000, /* of cost, before it is judged: a start is no run */
};

bool gt_probes_too_dear(uint64_t hits, int64_t hit_ns, int64_t elapsed_ns, unsigned percent)
{
    double cost_ns = (double)hits * (double)hit_ns;

    return percent && cost_ns >= LEAST_NS &&
           100 * cost_ns > percent * ((double)elapsed_ns - cost_ns);
}

#define READ_FIELD(fd, field, to)                                                              \
    (pread(fd, to, sizeof(*(to)), offsetof(struct gt_wire_control, field)) == sizeof(*(to)))

/* How many events all agents have recorded; 0 also where one of them does not go on: then the
 * probes are needed. The file is the target's to write, so it is read, and never mapped. */
static uint64_t counted_by_agents(int fd)
{
    uint64_t stopped_ticks, gil_calls;
    uint32_t stops, troubles;

    if (!READ_FIELD(fd, stopped_ticks, &stopped_ticks) || !READ_FIELD(fd, stop_count, &stops) ||
        !READ_FIELD(fd, troubles, &troubles) || !READ_FIELD(fd, gil_calls, &gil_calls))
        return 0;
    return stopped_ticks || stops || troubles ? 0 : gil_calls;
}

bool gt_meter_too_dear(const struct gt_meter *meter, int64_t hit_ns, int64_t now_ns)
{
    uint64_t hits = counted_by_agents(meter->control_fd), written = 0;
    struct stat st;

    if (!hits)
        return false;
    if (stat(meter->probes_path, &st) == 0)
        written = (uint64_t)st.st_size / HIT_BYTES;
    return gt_probes_too_dear(written > hits ? written : hits,
                              hit_ns >= 0 ? hit_ns : TYPICAL_NS, now_ns - meter->started_ns,
                              meter->percent);
}
