/* SPDX-License-Identifier: MIT */
/*
 * What this machine can do, found out once before anything is planned. Each thing that is
 * missing carries its reason, with the remedy, as one line.
 */
#ifndef GT_LAUNCH_CAPS_H
#define GT_LAUNCH_CAPS_H

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct gt_caps {
    char *perf;            /* path of the perf program; NULL: there is none */
    char perf_version[64]; /* "6.1.187" */
    int perf_major, perf_minor;
    char *tracefs;            /* where it is mounted; NULL: it is not, or not visible to us */
    int perf_event_paranoid;  /* kernel.perf_event_paranoid; 4 when unknown */
    long mlock_kb;            /* kernel.perf_event_mlock_kb */
    uint64_t memlock_bytes;   /* RLIMIT_MEMLOCK; UINT64_MAX: none */
    uint64_t available_bytes; /* of memory, without swapping */
    bool ipc_lock;            /* CAP_IPC_LOCK: no limit on locked memory */
    int cpu_count;            /* online */
    bool sys_admin;           /* CAP_SYS_ADMIN */
    bool perfmon;             /* CAP_PERFMON, or CAP_SYS_ADMIN */
    bool sample_read;         /* the kernel has PERF_SAMPLE_READ for inherited events (6.13) */
    bool shared_probes;      /* the probes of --setup exist: giltracer:signal, giltracer:wait */
    bool installed_probes;   /* python:take_gil… exist already */
    struct gt_buf installed; /* their names, one "group:event" a line */

    /* Why the machine cannot do it; "" when it can. */
    char record_why[256];  /* perf record */
    char install_why[256]; /* install uprobes */
    char trace_why[256];   /* record uprobes and tracepoints */
};

/* The group of the libc probes that --setup installs for everybody. */
#define GT_SHARED_GROUP "giltracer"

void gt_caps_init(struct gt_caps *caps);
void gt_caps_release(struct gt_caps *caps);

/*
 * Fill `caps`. The perf program is $GILTRACER_PERF when that is set, else `perf` on PATH. Fails
 * only when memory is exhausted: something that is missing is a reason, not an error.
 */
int gt_caps_probe(struct gt_caps *caps, uv_loop_t *loop, struct gt_error *err);

/* Parts of the above, pure, for tests. */

/* Read the output of `perf version --build-options`. */
void gt_caps_read_perf_version(struct gt_caps *caps, const char *text);
/* Is `name` one that perf gives to a probe on the GIL's functions: take_gil, take_gil_1,
 * take_gil__return, take_gil__return_1, take_gil_1__return, drop_gil, …? */
bool gt_caps_is_gil_probe(const char *name);

/* How many CPUs this process, and so the target, may use; 0: not known. */
uint32_t gt_caps_cpus(void);

#endif
