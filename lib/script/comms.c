/* SPDX-License-Identifier: MIT */
#include "script/comms.h"

#include <stdio.h>
#include <string.h>

struct gt_comm {
    char text[GT_COMM_BYTES];
    uint32_t length; /* 0: not known */
};

void gt_comms_init(struct gt_comms *comms)
{
    gt_chunks_init(&comms->names, sizeof(struct gt_comm));
    gt_hashmap_init(&comms->of);
}

void gt_comms_release(struct gt_comms *comms)
{
    gt_chunks_release(&comms->names);
    gt_hashmap_release(&comms->of);
}

static struct gt_comm *find(const struct gt_comms *comms, int32_t tid)
{
    uint32_t at = gt_hashmap_get(&comms->of, (uint32_t)tid);

    return at == GT_HASHMAP_NONE ? NULL : gt_chunks_at(&comms->names, at);
}

int gt_comms_set(struct gt_comms *comms, int32_t tid, const char *text, uint32_t length)
{
    struct gt_comm *comm = find(comms, tid);

    if (!comm) {
        uint32_t at = (uint32_t)comms->names.count;

        comm = gt_chunks_push(&comms->names);
        if (!comm || gt_hashmap_put(&comms->of, (uint32_t)tid, at))
            return -1;
    }
    memcpy(comm->text, text, length);
    comm->length = length;
    return 0;
}

int gt_comms_inherit(struct gt_comms *comms, int32_t tid, int32_t creator)
{
    const struct gt_comm *comm = find(comms, creator);
    struct gt_comm copy = {.length = 0}; /* setting one may move the others */

    if (comm)
        copy = *comm;
    return gt_comms_set(comms, tid, copy.text, copy.length);
}

const char *gt_comms_get(struct gt_comms *comms, int32_t tid, uint32_t *length)
{
    static const char idle[] = "swapper";
    const struct gt_comm *comm = find(comms, tid);

    if (comm && comm->length) {
        *length = comm->length;
        return comm->text;
    }
    if (tid == 0) {
        *length = sizeof(idle) - 1;
        return idle;
    }
    *length = (uint32_t)snprintf(comms->unknown, sizeof(comms->unknown), ":%d", (int)tid);
    return comms->unknown;
}
