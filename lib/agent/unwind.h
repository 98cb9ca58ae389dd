/* SPDX-License-Identifier: MIT */
/*
 * The stack of another thread of this process that is asleep in a system call, by the unwind
 * tables of the libraries (.eh_frame, as the LSB and DWARF 4, section 6.4, have them). Only the
 * stack pointer and the program counter of such a thread are known
 * (/proc/PID/task/TID/syscall), and the registers that functions saved on the stack: where a
 * frame needs another one, the walk ends. Nothing is guessed.
 *
 * glibc's _dl_find_object (2.35) tells which library an address is in, without a lock. All
 * memory is read by the kernel (/proc/self/mem): what is not mapped ends the walk, too.
 * x86-64 only; elsewhere, and with an older libc, there are no frames.
 */
#ifndef GT_AGENT_UNWIND_H
#define GT_AGENT_UNWIND_H

#include <stdint.h>

enum { GT_AGENT_FRAMES_MAX = 48 };

struct gt_agent_frame {
    const char *path; /* as the dynamic linker has it; "": the program itself */
    uint64_t address; /* in the file, as its own headers count: of the call, inside it */
};

/* Find the functions of libc that it needs, once. */
void gt_agent_unwind_init(void);

/* The frames of a thread that stands at `pc` with the stack pointer `sp`, the innermost first.
 * Returns how many. Paths belong to the dynamic linker: copy them at once. */
unsigned gt_agent_unwind(uint64_t pc, uint64_t sp,
                         struct gt_agent_frame frames[GT_AGENT_FRAMES_MAX]);

#endif
