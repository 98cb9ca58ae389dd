/* SPDX-License-Identifier: MIT */
#include "launch/buffer.h"

#include <stdio.h>
#include <sys/param.h>
#include <unistd.h>

enum {
    KIB = 1024,
    MIB = 1024 * KIB,
    /* What lost nothing in threads that contend for the GIL as fast as they can, while two
     * other programs wanted every CPU; PERF.md has the figures. */
    HEAVY_BYTES = 64 * MIB,
    LIGHT_BYTES = 16 * MIB,
    TOTAL_MIB = 512, /* of all, unless more is asked for: locked memory is nobody else's */
};

static uint64_t power_below(uint64_t bytes)
{
    uint64_t power = 1;

    while (power <= bytes / 2)
        power *= 2;
    return bytes ? power : 0;
}

static uint64_t power_above(uint64_t bytes)
{
    uint64_t power = power_below(bytes);

    return power < bytes ? power * 2 : power;
}

static uint64_t rings(const struct gt_caps *caps, unsigned recorders)
{
    return (uint64_t)MAX(caps->cpu_count, 1) * MAX(recorders, 1);
}

/*
 * The kernel (perf_mmap) counts a user's buffers against perf_event_mlock_kb per CPU, in all
 * processes of the user, and what goes beyond against the process's RLIMIT_MEMLOCK. What others
 * use of the former is not known, so only the latter is relied on: each ring is its data and a
 * page. CAP_IPC_LOCK, or a machine that lets everybody record, sets no limit.
 */
static uint64_t lockable(const struct gt_caps *caps)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t each = caps->memlock_bytes / rings(caps, 1);

    if (caps->ipc_lock || caps->perf_event_paranoid <= -1)
        return UINT64_MAX;
    return each > page ? each - page : 0;
}

uint64_t gt_buffer_of_perf(const struct gt_caps *caps)
{
    /* perf leaves a page for the ring's head. */
    return caps->mlock_kb > 4 ? power_below(((uint64_t)caps->mlock_kb - 4) * KIB) : 0;
}

uint64_t gt_buffer_most(const struct gt_caps *caps, unsigned recorders)
{
    uint64_t half = caps->available_bytes / 2 / rings(caps, recorders);
    uint64_t most = power_below(MIN(lockable(caps), half));

    return most > gt_buffer_of_perf(caps) ? most : 0;
}

char *gt_buffer_text(uint64_t bytes, char *text, size_t size)
{
    uint64_t kib = bytes / KIB;

    snprintf(text, size, kib % KIB ? "%lluK" : "%lluM",
             (unsigned long long)(kib % KIB ? kib : kib / KIB));
    return text;
}

static int too_much(uint64_t asked, uint64_t most, const struct gt_caps *caps,
                    struct gt_error *err)
{
    char wanted[32], possible[32];

    gt_buffer_text(asked, wanted, sizeof(wanted));
    gt_buffer_text(MAX(most, gt_buffer_of_perf(caps)), possible, sizeof(possible));
    if (asked > lockable(caps))
        return gt_error_set(err, GT_ERR_PERMISSION,
                            "--buffer %s is more than this user may lock, which is %s for each "
                            "of %d CPUs (run as root, or raise ulimit -l)",
                            wanted, possible, caps->cpu_count);
    return gt_error_set(
        err, GT_ERR_PERMISSION,
        "--buffer %s is too much memory: %s for each of %d CPUs is all that fits "
        "into half of what is free (ask for less)",
        wanted, possible, caps->cpu_count);
}

int gt_buffer_choose(const struct gt_buffer_request *request, const struct gt_caps *caps,
                     uint64_t *bytes, struct gt_error *err)
{
    uint64_t most = gt_buffer_most(caps, request->recorders);
    uint64_t budget = MIN((uint64_t)TOTAL_MIB * MIB, caps->available_bytes / 8);
    uint64_t share = power_below(budget / rings(caps, request->recorders));

    if (request->bytes) {
        *bytes = power_above(MAX(request->bytes, (uint64_t)sysconf(_SC_PAGESIZE)));
        return *bytes <= MAX(most, gt_buffer_of_perf(caps)) ? 0
                                                            : too_much(*bytes, most, caps, err);
    }
    *bytes = MIN(MIN(most, share), (uint64_t)(request->heavy ? HEAVY_BYTES : LIGHT_BYTES));
    if (*bytes <= gt_buffer_of_perf(caps))
        *bytes = 0;
    return 0;
}
