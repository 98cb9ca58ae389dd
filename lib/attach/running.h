/* SPDX-License-Identifier: MIT */
/*
 * A process that runs already: what /proc and its memory tell of it. Nothing here stops or
 * changes it. Its memory may change while it is read, and belongs to somebody else: whatever
 * comes out of it is checked before it is believed.
 *
 * The kernel lets a process be read by root, and by its own user where
 * kernel.yama.ptrace_scope is 0.
 */
#ifndef GT_ATTACH_RUNNING_H
#define GT_ATTACH_RUNNING_H

#include "base/buf.h"
#include "base/chunks.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A line of /proc/PID/maps. */
struct gt_mapping {
    uint64_t start, end; /* addresses */
    uint64_t offset;     /* in the file */
    uint64_t inode;      /* 0: no file */
    bool writable, executable;
    const char *path; /* as the kernel names it to us; "": none */
};

struct gt_running {
    int pid;   /* as we see it */
    int pidfd; /* -1: the kernel has none (before 5.3) */
    char *exe; /* real path of its program, as the kernel names it to us */
    struct gt_mapping *mappings;
    size_t mapping_count;
    struct gt_buf maps_text; /* private */
};

/* One of its threads. */
struct gt_running_thread {
    int tid;       /* as we see it, … */
    int inner_tid; /* … and as the process itself does, in its pid namespace */
    char state;    /* as in /proc: R, S, D, T, t, Z, X */
    char comm[32];
    /* The system call that it is in, where the kernel tells; -1: it is in none, -2: it runs, or
     * that is not known. */
    long call;
    uint64_t arguments[6];
    uint64_t pc; /* where it continues; 0: not known */
};

/*
 * Look at process `pid`. GT_ERR_NOT_FOUND: there is none, or it has ended (a zombie);
 * GT_ERR_PERMISSION: it belongs to another user; GT_ERR_UNSUPPORTED: it is no process but a
 * thread, or it is the kernel's.
 */
int gt_running_open(struct gt_running *running, int pid, struct gt_error *err);
/* Does nothing to a struct of zeros but with pidfd -1. */
void gt_running_release(struct gt_running *running);

/* Read its memory: all of it, or false. */
bool gt_running_read(const struct gt_running *running, uint64_t address, void *data,
                     size_t length);
/* Why it cannot be read at all; 0: it can. */
int gt_running_check_memory(const struct gt_running *running, struct gt_error *err);

/* Its threads by now, as struct gt_running_thread. 0, or GT_ERR_MEMORY. */
int gt_running_threads(const struct gt_running *running, struct gt_chunks *threads,
                       struct gt_error *err);

/*
 * The path by which we reach a file that it maps: the one in maps, or that below
 * /proc/PID/root. `elsewhere`: it is the latter, of another mount namespace. False: the file is
 * no more what the path names, or was deleted.
 */
bool gt_running_reach(const struct gt_running *running, const struct gt_mapping *mapping,
                      char *path, size_t size, bool *elsewhere);

/* Its command's words, as a NULL-terminated list for gt_strvec. */
struct gt_strvec;
int gt_running_words(const struct gt_running *running, struct gt_strvec *words,
                     struct gt_error *err);

#endif
