/* SPDX-License-Identifier: MIT */
/*
 * Which probes a run wants, and at which places in the target's files they go. A plan of probes
 * is data: probes.h puts them in.
 */
#ifndef GT_LAUNCH_PROBE_SITES_H
#define GT_LAUNCH_PROBE_SITES_H

#include "base/error.h"
#include "launch/interp.h"
#include "launch/owner.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gt_probe {
    char event[32];  /* name within the group; perf adds "__return" to a return probe's */
    char *path;      /* owned: the file it goes into */
    uint64_t offset; /* bytes into that file */
    bool on_return;
    const char *argument; /* what to fetch, "cond=%di:x64"; NULL: nothing */
};

struct gt_probe_set {
    char group[GT_OWNER_SIZE]; /* its owner's name */
    int inside_pid; /* paths are those below /proc/PID/root of this process, of another mount
                       namespace, which perf has to enter; 0: they are ours */
    struct gt_probe *probes; /* owned */
    size_t count;
};

void gt_probe_set_init(struct gt_probe_set *set);
void gt_probe_set_release(struct gt_probe_set *set);

/* Remove all probes from the set; the group stays. */
void gt_probes_forget(struct gt_probe_set *set);

/* Remove all but the first `count`. */
void gt_probes_cut(struct gt_probe_set *set, size_t count);

/* The functions below add to the set. They return 0 or a negative error; then the set may hold
 * some of their probes. */

/* Two probes on libc, "signal" and "wait". Each fetches the condition variable's address as
 * "cond", and "wait" also the deadline, as "sec" and "nsec". */
int gt_probes_plan_libc(struct gt_probe_set *set, const char *libc, struct gt_error *err);

/* "wait" alone, beside a source that tells of the GIL but not of deadlines; it fetches the
 * mutex's address, too, as "mutex": where it lies tells whether it may be a GIL's. */
int gt_probes_plan_wait(struct gt_probe_set *set, const char *libc, struct gt_error *err);

/*
 * The places in libc that a thread reaches only when the GIL is contended, so that they cost
 * nothing otherwise:
 *
 *     contended_wake    the system calls of pthread_cond_signal, which it makes when somebody
 *                       waits; fetches "uaddr" and "op"
 *     contended_wait    pthread_cond_timedwait, "cond", the deadline, and "mutex"; and its
 * return, "result" contended_block   pthread_cond_wait, "cond"
 *
 * GT_ERR_NOT_FOUND when the code of this libc is not understood.
 */
int gt_probes_plan_contended(struct gt_probe_set *set, const char *libc, struct gt_error *err);

/*
 * Waits for locks of CPython's, which are semaphores of libc, and what ends them. But for the
 * last, a thread that need not wait does not come there, and it costs it nothing:
 *
 *     semaphore_wait   the functions of libc that wait for a semaphore, behind the place where
 *                      they have found that it is not free: fetches what lock_probe.h of script
 *                      reads; and their return, "result"
 *     semaphore_give   the system call by which sem_post wakes a waiter, "sem"
 *     semaphore_made   sem_init, "sem": what lay there before is another one from now on. Not
 *                      from Python 3.14 on, where no lock is a semaphore on the heap
 *
 * GT_ERR_NOT_FOUND when the code of this libc is not understood, GT_ERR_UNSUPPORTED where the
 * interpreter's locks cannot be told from its queues.
 */
int gt_probes_plan_locks(struct gt_probe_set *set, const struct gt_interp *interp,
                         struct gt_error *err);

/* Entry and return of every clone of take_gil, entry of every clone of drop_gil.
 * GT_ERR_NOT_FOUND when the interpreter is stripped or has them only inlined. */
int gt_probes_plan_functions(struct gt_probe_set *set, const struct gt_interp *interp,
                             struct gt_error *err);

/* Is the symbol the function or a clone of it: take_gil, take_gil.constprop.0,
 * take_gil.lto_priv.1 …, but not take_gil.cold? For tests. */
bool gt_probes_is_clone(const char *symbol, const char *function);

#endif
