/*
 * Where in a function to put a uprobe, told by its machine code.
 *
 * So that its trap is cheap: the kernel emulates `push` and `nop` and
 * single-steps most other instructions, at three times the price. So when a function
 * begins with something dear, the probe moves over leading instructions that surely neither
 * branch nor change the first argument's register, to the first cheap one.
 */
#ifndef GT_LAUNCH_INSN_H
#define GT_LAUNCH_INSN_H

#include <stddef.h>
#include <stdint.h>

enum { GT_INSN_WINDOW = 16 }; /* bytes that are looked at */

/*
 * The offset of the instruction to probe, from the function's entry, given its first bytes.
 * `machine` is e_machine. 0 when the entry is cheap, when no cheap one is near, or when any
 * byte on the way is not understood.
 */
size_t gt_insn_cheapest(uint16_t machine, const uint8_t *code, size_t length);

/*
 * The futex system calls of a function of glibc: offsets of the instructions right before
 * them, which put the number of the call into its register when the arguments are in theirs
 * already. (A probe on the system call itself would have the kernel make it out of line, which
 * sandboxes can tell.) Returns how many there are; the first `max` are in `offsets`. Calls
 * written in another way are not found: of the waits for glibc's own locks, and of the wakes of
 * a function that is compiled in an unknown way. Known to find those that wake a waiter in
 * pthread_cond_signal of glibc 2.31 to 2.43 on x86-64 and aarch64.
 */
size_t gt_insn_futex_calls(uint16_t machine, const uint8_t *code, size_t length,
                           uint64_t *offsets, size_t max);

#endif
