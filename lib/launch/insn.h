/* SPDX-License-Identifier: MIT */
/*
 * Where in a function to put a uprobe, found from its machine code.
 *
 * The kernel emulates `push` and `nop`, and single-steps most other instructions, which takes
 * three times as long. So when a function begins with an instruction that is single-stepped,
 * the probe moves on to the first one that is emulated, over instructions that certainly
 * neither branch nor change the first argument's register.
 */
#ifndef GT_LAUNCH_INSN_H
#define GT_LAUNCH_INSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GT_INSN_WINDOW = 16 }; /* how many bytes of a function are looked at */

/*
 * The offset of the instruction to probe, from the function's entry, given its first bytes.
 * `machine` is e_machine. 0 when the entry is emulated, when no such instruction is near, or
 * when a byte on the way is not understood.
 */
size_t gt_insn_cheapest(uint16_t machine, const uint8_t *code, size_t length);

/*
 * The futex system calls of a function of glibc. `offsets` are those of the instruction before
 * each call, which puts the number of the system call into its register; the arguments are in
 * their registers by then. (With a probe on the system call itself the kernel would make the
 * call out of line, which sandboxes notice.) Returns how many there are; the first `max` are in
 * `offsets`. Calls of another form are not found: waits for glibc's own locks, and wakes of a
 * function that is compiled in an unknown way. It is known to find those that wake a waiter in
 * pthread_cond_signal of glibc 2.31 to 2.43 on x86-64 and aarch64.
 */
size_t gt_insn_futex_calls(uint16_t machine, const uint8_t *code, size_t length,
                           uint64_t *offsets, size_t max);

/* The place to probe in glibc's sem_init, which begins with a test of its third argument and a
 * jump: that jump is emulated, and nothing comes back to it. 0: its entry. */
size_t gt_insn_behind_test(uint16_t machine, const uint8_t *code, size_t length);

/*
 * Where glibc's sem_wait, sem_timedwait or sem_clockwait, `length` bytes at file offset `at`,
 * goes on when the semaphore is not free: a function of its own, without a symbol, that begins
 * with the registers and the stack of the call. `code` are those bytes. Writes the file offsets
 * of the jumps out of the function, of which some may be none; returns how many there are, and
 * the first `max` are written. x86-64 only: elsewhere there are none.
 */
size_t gt_insn_jumps_out(uint16_t machine, const uint8_t *code, size_t length, uint64_t at,
                         uint64_t *targets, size_t max);

/* Is it such a function, whose first bytes are these? It begins with a push, and adds 1 << 32,
 * a waiter, to the semaphore's value. Known of glibc 2.36 and 2.43. */
bool gt_insn_is_slow_wait(uint16_t machine, const uint8_t *code, size_t length);

#endif
