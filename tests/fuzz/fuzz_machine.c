/* SPDX-License-Identifier: MIT */
/*
 * What the kernel and perf say of a machine. The input is texts with NULs between them: of
 * /proc/PID/cgroup, of mountinfo, of a group's cpu.max and cpu.stat, and of /proc/stat, then
 * what perf printed to stderr, and a name in a probe's group.
 */
#include "harness.h"

#include "launch/cgroup.h"
#include "launch/child.h"
#include "launch/machine.h"
#include "launch/owner.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

struct texts {
    const char *at, *end;
};

/* The next text, "" when there is none. */
static const char *next(struct texts *texts)
{
    const char *text = texts->at;

    if (text >= texts->end)
        return "";
    texts->at += strlen(text) + 1;
    return text;
}

static void check_group(const char *group, const char *mountinfo)
{
    struct gt_cgroup_place place;
    char *mount = NULL, *below = NULL;

    if (!gt_cgroup_parse_place(group, &place))
        return;
    must(place.version == 1 || place.version == 2, "a group of no version");
    must(place.path >= group && place.path + place.length <= group + strlen(group),
         "a path outside of its text");
    if (gt_cgroup_parse_mount(mountinfo, &place, &mount, &below) == 1) {
        must(mount && below, "a mount point without a name");
        must(below[0] == '\0' || below[0] == '/', "a group that is not below its mount point");
    }
    free(mount);
    free(below);
}

static void check_figures(const char *max, const char *stat, const char *cpus)
{
    double quota = gt_cgroup_parse_max(max);
    uint64_t throttled, ticks;
    int64_t throttled_ns;
    cpu_set_t set;

    must(quota >= 0, "a quota below nothing");
    if (gt_cgroup_parse_stat(stat, &throttled, &throttled_ns))
        must(throttled_ns >= 0, "throttled for less than nothing");
    memset(&set, 0xff, sizeof(set));
    gt_machine_parse_steal(cpus, &set, &ticks);
}

static void check_complaint(const char *text)
{
    struct gt_child child = {0};
    char line[64];

    gt_buf_init(&child.err_text);
    must(gt_buf_adds(&child.err_text, text) == 0, "out of memory");
    gt_child_complaint(&child, line, sizeof(line));
    must(!strpbrk(line, "\r\n"), "a complaint of more than a line");
    gt_buf_release(&child.err_text);
}

/* Whom it names is named by the same text again. */
static void check_owner(const char *text)
{
    struct gt_owner owner, again;
    char name[GT_OWNER_SIZE];

    if (!gt_owner_parse(text, &owner) || gt_owner_format(&owner, name, sizeof(name)))
        return;
    must(gt_owner_parse(name, &again) && again.pid == owner.pid &&
             again.start_time == owner.start_time && again.pid_namespace == owner.pid_namespace,
         "an owner that is another one");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = text_of(data, size);
    struct texts texts = {text, text + size};
    const char *group = next(&texts), *mountinfo = next(&texts);
    const char *max = next(&texts), *stat = next(&texts), *cpus = next(&texts);

    check_group(group, mountinfo);
    check_figures(max, stat, cpus);
    check_complaint(next(&texts));
    check_owner(next(&texts));
    free(text);
    return 0;
}
