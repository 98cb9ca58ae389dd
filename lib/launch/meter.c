/* SPDX-License-Identifier: MIT */
#include "launch/meter.h"

#include "agent/wire.h"

#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    HIT_BYTES = 96,      /* of perf's data, at least: what a hit with two arguments takes */
    SWITCH_BYTES = 280,  /* likewise: a thread that left its CPU and came back, and why */
    TYPICAL_NS = 10000,  /* of a hit, in a virtual machine */
    LEAST_NS = 10000000, /* of cost, before it is judged: a start is no run */
};

bool gt_cost_too_dear(double cost_ns, int64_t elapsed_ns, unsigned percent)
{
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

/* How many records of `bytes` the file at `path` (NULL: none) may hold. */
static double recorded(const char *path, int bytes)
{
    struct stat st;

    return path && stat(path, &st) == 0 ? (double)st.st_size / bytes : 0;
}

bool gt_meter_too_dear(const struct gt_meter *meter, const struct gt_gate_report *costs,
                       int64_t now_ns)
{
    double hits = (double)counted_by_agents(meter->control_fd);
    double written = recorded(meter->probes_path, HIT_BYTES), cost_ns;

    if (hits <= 0)
        return false;
    cost_ns = (written > hits ? written : hits) *
              (double)(costs->hit_ns >= 0 ? costs->hit_ns : TYPICAL_NS);
    if (costs->switch_ns > 0)
        cost_ns += recorded(meter->rest_path, SWITCH_BYTES) * (double)costs->switch_ns;
    return gt_cost_too_dear(cost_ns, now_ns - meter->started_ns, meter->percent);
}
