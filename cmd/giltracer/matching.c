/* SPDX-License-Identifier: MIT */
#include "matching.h"

#include "process_labels.h"

#include <bsd/string.h>
#include <dirent.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PIDS_MAX = 1 << 22 }; /* PID_MAX_LIMIT of the kernel */

static uint64_t ticks_per_s(void)
{
    long ticks = sysconf(_SC_CLK_TCK);

    return ticks > 0 ? (uint64_t)ticks : 100;
}

uint64_t gt_process_ticks(void)
{
    struct timespec now;

    if (clock_gettime(CLOCK_BOOTTIME, &now))
        return 0;
    return (uint64_t)now.tv_sec * ticks_per_s() +
           (uint64_t)now.tv_nsec * ticks_per_s() / 1000000000;
}

bool gt_matching_fits(const char *pattern, const char *label)
{
    char first[GT_METRICS_LABEL_SIZE];

    if (fnmatch(pattern, label, 0) == 0)
        return true;
    strlcpy(first, label, sizeof(first));
    first[strcspn(first, " ")] = '\0';
    return fnmatch(pattern, first, 0) == 0;
}

int gt_matching_init(struct gt_matching *matching, const char *pattern, struct gt_error *err)
{
    *matching = (struct gt_matching){
        .pattern = pattern,
        .looked_at = calloc(PIDS_MAX / 8, 1),
        .now = calloc(PIDS_MAX / 8, 1),
    };
    return matching->looked_at && matching->now ? 0 : gt_error_memory(err);
}

void gt_matching_release(struct gt_matching *matching)
{
    free(matching->looked_at);
    free(matching->now);
    *matching = (struct gt_matching){0};
}

/* What it is called; false: it is the kernel's, or has ended. */
static bool label_of(int pid, char label[GT_METRICS_LABEL_SIZE])
{
    const struct gt_process_names names = {.pid = pid, .name = "", .command = ""};

    label[0] = '\0';
    gt_process_label(NULL, &names, label, GT_METRICS_LABEL_SIZE);
    gt_text_make_visible(label);
    return label[0] != '\0';
}

/* The next entry of /proc that is a process; 0: there are no more. */
static int next_pid(DIR *proc)
{
    const struct dirent *entry;

    while ((entry = readdir(proc))) {
        char *end;
        long pid = strtol(entry->d_name, &end, 10);

        if (!*end && pid > 0 && pid < PIDS_MAX)
            return (int)pid;
    }
    return 0;
}

int gt_matching_look(struct gt_matching *matching,
                     bool (*found)(void *context, const struct gt_process_stat *stat,
                                   const char *label),
                     void *context, struct gt_error *err)
{
    uint64_t now = gt_process_ticks(), age = GT_MATCHING_AGE_S * ticks_per_s();
    char label[GT_METRICS_LABEL_SIZE];
    struct gt_process_stat stat;
    DIR *proc = opendir("/proc");
    uint8_t *old = matching->looked_at;
    int pid;

    if (!proc)
        return gt_error_errno(err, "cannot look for processes: /proc");
    memset(matching->now, 0, PIDS_MAX / 8);
    while ((pid = next_pid(proc))) {
        bool known = old[pid / 8] >> (pid % 8) & 1;

        if (!known || (unsigned)pid % GT_MATCHING_ROUNDS == matching->round) {
            if (!gt_process_look(pid, &stat) || stat.start + age > now)
                continue;
            if (pid != getpid() && stat.parent != getpid() && label_of(pid, label) &&
                gt_matching_fits(matching->pattern, label) && !found(context, &stat, label))
                continue;
        }
        matching->now[pid / 8] |= (uint8_t)(1 << pid % 8);
    }
    closedir(proc);
    matching->looked_at = matching->now;
    matching->now = old;
    matching->round = (matching->round + 1) % GT_MATCHING_ROUNDS;
    return 0;
}
