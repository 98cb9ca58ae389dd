/*
 * The probes of one run: where they go, how they are called, putting them in and taking them
 * out with `perf probe`.
 *
 * Group names tell whose they are, so that runs at the same time never touch each other's
 * and a run can sweep those that a killed run left behind:
 * gt_<pid namespace>_<pid>_<start time of that process>, all in base 36.
 */
#ifndef GT_LAUNCH_PROBES_H
#define GT_LAUNCH_PROBES_H

#include "base/buf.h"
#include "base/error.h"
#include "launch/caps.h"
#include "launch/child.h"
#include "launch/interp.h"

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

enum { GT_PROBE_GROUP_SIZE = 64 };

struct gt_probe {
    char event[32];  /* name within the group; perf adds "__return" to a return probe's */
    char *path;      /* owned: the file it goes into */
    uint64_t offset; /* bytes into that file */
    bool on_return;
    const char *argument; /* what to fetch, "cond=%di:x64"; NULL nothing */
};

struct gt_probe_set {
    char group[GT_PROBE_GROUP_SIZE];
    struct gt_probe *probes;
    size_t count;
};

void gt_probe_set_init(struct gt_probe_set *set);
void gt_probe_set_release(struct gt_probe_set *set);

/* None of them, but the group stays. */
void gt_probes_forget(struct gt_probe_set *set);

/* Plan: two probes on libc, "signal" and "wait", each fetching the cond's address as
 * "cond", and the second one the deadline, too, as "sec" and "nsec". */
int gt_probes_plan_libc(struct gt_probe_set *set, const char *libc, struct gt_error *err);

/* Plan: "wait" alone, beside what tells of the GIL but not of deadlines. */
int gt_probes_plan_wait(struct gt_probe_set *set, const char *libc, struct gt_error *err);

/*
 * Plan: the places in libc that a thread comes to only when the GIL is contended, so that they
 * cost nothing otherwise. "contended_wake": the system calls of pthread_cond_signal, which it
 * makes when somebody waits, as "uaddr" and "op"; "contended_wait": pthread_cond_timedwait,
 * "cond" and the deadline, and its return, "result"; "contended_block": pthread_cond_wait,
 * "cond". GT_ERR_NOT_FOUND of a libc that is not understood.
 */
int gt_probes_plan_contended(struct gt_probe_set *set, const char *libc, struct gt_error *err);

/* Plan: entry and return of every clone of take_gil, entry of every clone of drop_gil.
 * GT_ERR_NOT_FOUND when the interpreter is stripped or has them only inlined. */
int gt_probes_plan_functions(struct gt_probe_set *set, const struct gt_interp *interp,
                             struct gt_error *err);

/* As `perf probe --add` wants it. */
int gt_probe_definition(const struct gt_probe_set *set, const struct gt_probe *probe,
                        struct gt_buf *text);

/* Put all of them in. On failure none is left. */
int gt_probes_install(const struct gt_probe_set *set, const struct gt_caps *caps,
                      uv_loop_t *loop, struct gt_error *err);

/* Take out a group, and wait for it. True when it is gone. */
bool gt_probes_remove(const char *group, const struct gt_caps *caps, uv_loop_t *loop);

/* Start to take out a group; the child is the caller's to wait for and release. */
int gt_probes_start_removal(const char *group, const struct gt_caps *caps, uv_loop_t *loop,
                            struct gt_child *child, struct gt_error *err);

/* Take out the groups of runs of this pid namespace that are no more. Failure is not worth
 * more than being tried again by the next run. */
void gt_probes_sweep(const struct gt_caps *caps, uv_loop_t *loop);

/* Parts of the above, for tests. */

/* This process's group. */
int gt_probes_own_group(char *group, size_t size, struct gt_error *err);
/* What a group's name says; false when it is not of our form. */
struct gt_group_owner {
    uint64_t pid_namespace;
    uint64_t pid;
    uint64_t start_time; /* clock ticks since boot, /proc/PID/stat field 22 */
};
bool gt_probes_parse_group(const char *group, struct gt_group_owner *owner);
int gt_probes_format_group(const struct gt_group_owner *owner, char *group, size_t size);
/* take_gil, take_gil.constprop.0, take_gil.lto_priv.1 … but not take_gil.cold. */
bool gt_probes_is_clone(const char *symbol, const char *function);

#endif
