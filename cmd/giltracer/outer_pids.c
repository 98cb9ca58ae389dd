/* SPDX-License-Identifier: MIT */
#include "outer_pids.h"

#include "launch/rights.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct pair {
    int32_t inner, outer;
};

void gt_outer_pids_init(struct gt_outer_pids *pids)
{
    gt_chunks_init(&pids->pairs, sizeof(struct pair));
    pids->differ = false;
}

void gt_outer_pids_release(struct gt_outer_pids *pids)
{
    gt_chunks_release(&pids->pairs);
    gt_outer_pids_init(pids);
}

/* The latest first: a number is given to another one after some time. */
int32_t gt_outer_pid(void *pids, int32_t inner)
{
    const struct gt_outer_pids *known = pids;

    for (size_t i = known->pairs.count; i-- > 0;) {
        const struct pair *pair = gt_chunks_at(&known->pairs, i);

        if (pair->inner == inner)
            return pair->outer;
    }
    return inner;
}

static void add_threads(struct gt_outer_pids *pids, const struct gt_running *running)
{
    struct gt_chunks threads;

    gt_chunks_init(&threads, sizeof(struct gt_running_thread));
    (void)gt_running_threads(running, &threads, NULL); /* as far as they are known */
    for (size_t i = 0; i < threads.count; i++) {
        const struct gt_running_thread *thread = gt_chunks_at(&threads, i);
        struct pair *pair;

        if (gt_outer_pid(pids, thread->inner_tid) == thread->tid)
            continue;
        pair = gt_chunks_push(&pids->pairs);
        if (pair)
            *pair = (struct pair){thread->inner_tid, thread->tid};
        pids->differ = true;
    }
    gt_chunks_release(&threads);
}

static bool read_namespace(int pid, char *link, size_t size)
{
    char path[64];
    ssize_t length;

    snprintf(path, sizeof(path), "/proc/%d/ns/pid", pid);
    length = readlink(path, link, size - 1);
    link[length > 0 ? length : 0] = '\0';
    return length > 0;
}

/* Its children, too, may have the agent. */
static void add_others(struct gt_outer_pids *pids, const struct gt_running *running)
{
    char its[64], other[64];
    struct dirent *entry;
    DIR *dir = opendir("/proc");

    if (!read_namespace(running->pid, its, sizeof(its)))
        its[0] = '\0';
    while (dir && its[0] && (entry = readdir(dir))) {
        const struct gt_running one = {.pid = (int)strtol(entry->d_name, NULL, 10)};

        if (one.pid > 0 && one.pid != running->pid &&
            read_namespace(one.pid, other, sizeof(other)) && strcmp(its, other) == 0)
            add_threads(pids, &one);
    }
    if (dir)
        closedir(dir);
}

void gt_outer_pids_look(struct gt_outer_pids *pids, const struct gt_running *running)
{
    gt_rights_raise();
    add_threads(pids, running);
    if (pids->differ)
        add_others(pids, running);
    gt_rights_lower();
}
