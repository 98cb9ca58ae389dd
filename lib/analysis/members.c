/* SPDX-License-Identifier: MIT */
#include "analysis/members.h"

#include <stdlib.h>

int gt_members_init(struct gt_members *members, const struct gt_gil *gil)
{
    enum {
        SPARSE = 64
    }; /* a table for each of many GILs, of all threads, would be too large */
    size_t count = gil->members.count;
    uint32_t first = UINT32_MAX, last = 0;

    *members = (struct gt_members){.gil = gil};
    for (uint32_t i = 0; i < count; i++) {
        uint32_t thread = gt_gil_thread_at(gil, i)->thread;

        first = thread < first ? thread : first;
        last = thread > last ? thread : last;
    }
    if (count == 0 || last - first >= (count + 1) * SPARSE)
        return 0;
    members->members = calloc((size_t)last - first + 1, sizeof(*members->members));
    if (!members->members)
        return -1;
    members->first = first;
    for (uint32_t i = 0; i < count; i++)
        members->members[gt_gil_thread_at(gil, i)->thread - first] = i;
    return 0;
}

void gt_members_release(struct gt_members *members)
{
    free(members->members);
    members->members = NULL;
}
