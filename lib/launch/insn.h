/*
 * Where to put a uprobe so that its trap is cheap. The kernel emulates `push` and `nop` and
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

#endif
