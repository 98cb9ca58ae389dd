/* SPDX-License-Identifier: MIT */
#include "launch/unseen.h"

#include "base/buf.h"
#include "base/fs.h"
#include "launch/rights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAPS_BYTES = 1 << 20,
    LIST_BYTES = 1 << 16,
    COMM_BYTES = 64,
    DEPTH = 64, /* of generations: what is below is left out */
};

static int read_of(int pid, const char *name, size_t limit, struct gt_buf *text)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
    return gt_fs_read(path, text, limit, NULL);
}

/* Does it map a Python, and not the agent? */
static bool is_unseen(int pid, const char *agent)
{
    struct gt_buf maps;
    bool unseen;

    gt_buf_init(&maps);
    unseen = read_of(pid, "maps", MAPS_BYTES, &maps) == 0 && strstr(maps.data, "python") &&
             !strstr(maps.data, agent);
    gt_buf_release(&maps);
    return unseen;
}

static int add(int pid, struct gt_strvec *processes)
{
    struct gt_buf comm, text;
    int failed = 0;

    gt_buf_init(&comm);
    gt_buf_init(&text);
    if (read_of(pid, "comm", COMM_BYTES, &comm) == 0) {
        size_t length = strcspn(comm.data, "\n");

        failed = gt_buf_addf(&text, "%d (", pid) ||
                 gt_buf_add_visible(&text, comm.data, length) || gt_buf_adds(&text, ")") ||
                 gt_strvec_push(processes, text.data);
    }
    gt_buf_release(&comm);
    gt_buf_release(&text);
    return failed ? -1 : 0;
}

static int look_at(int pid, const char *agent, int depth, struct gt_strvec *processes)
{
    struct gt_buf children;
    char name[48];
    int rc = 0;

    if (depth > DEPTH)
        return 0;
    if (is_unseen(pid, agent) && add(pid, processes))
        return -1;
    snprintf(name, sizeof(name), "task/%d/children", pid);
    gt_buf_init(&children);
    if (read_of(pid, name, LIST_BYTES, &children) == 0) {
        char *at = children.data, *end;

        for (long child = strtol(at, &end, 10); rc == 0 && end != at;
             child = strtol(at, &end, 10)) {
            rc = look_at((int)child, agent, depth + 1, processes);
            at = end;
        }
    }
    gt_buf_release(&children);
    return rc;
}

int gt_unseen_find(int root_pid, const char *agent, struct gt_strvec *processes)
{
    int rc;

    gt_rights_raise(); /* its children may be another user's */
    rc = look_at(root_pid, agent, 0, processes);
    gt_rights_lower();
    return rc;
}
