/* SPDX-License-Identifier: MIT */
#include "launch/insn.h"

#include <elf.h>
#include <stdbool.h>
#include <string.h>

/* The first and the third argument of a function. */
enum { RDI = 7, RDX = 2 };

/* Emulated by the kernel (arch/x86/kernel/uprobes.c): push of a register, nop. */
static bool is_cheap(const uint8_t *code, size_t length)
{
    if (length >= 1 && ((code[0] & 0xf8) == 0x50 || code[0] == 0x90))
        return true;
    return length >= 2 && ((code[0] == 0x41 && (code[1] & 0xf8) == 0x50) ||
                           (code[0] == 0x66 && code[1] == 0x90));
}

/* Whether a register-to-register ModRM byte leaves %rdi and %rdx alone; `into_rm` says which of
 * its two registers is written, `extended` whether REX gives that one its fourth bit. */
static bool keeps_arguments(uint8_t modrm, bool into_rm, bool extended)
{
    unsigned written = into_rm ? modrm & 7u : modrm >> 3 & 7u;

    return (modrm & 0xc0) == 0xc0 && (extended || (written != RDI && written != RDX));
}

/* Length of a harmless instruction, 0 when it is not known to be harmless. */
static size_t harmless_length(const uint8_t *code, size_t length)
{
    static const uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
    size_t prefix = length > 0 && (code[0] & 0xf0) == 0x40;
    uint8_t rex = prefix ? code[0] : 0;

    if (length >= sizeof(endbr64) && memcmp(code, endbr64, sizeof(endbr64)) == 0)
        return sizeof(endbr64);
    if (length < prefix + 2)
        return 0;
    switch (code[prefix]) {
    case 0x89: /* mov reg, r/m */
    case 0x31: /* xor reg, r/m */
        return keeps_arguments(code[prefix + 1], true, rex & 1) ? prefix + 2 : 0;
    case 0x8b: /* mov r/m, reg */
        return keeps_arguments(code[prefix + 1], false, rex & 4) ? prefix + 2 : 0;
    case 0x83: /* sub $imm8, %rsp */
        return rex == 0x48 && code[prefix + 1] == 0xec && length >= prefix + 3 ? prefix + 3 : 0;
    case 0x81: /* sub $imm32, %rsp */
        return rex == 0x48 && code[prefix + 1] == 0xec && length >= prefix + 6 ? prefix + 6 : 0;
    default:
        return 0;
    }
}

size_t gt_insn_cheapest(uint16_t machine, const uint8_t *code, size_t length)
{
    size_t at = 0;

    if (machine != EM_X86_64)
        return 0;
    if (length > GT_INSN_WINDOW)
        length = GT_INSN_WINDOW;
    while (at < length && !is_cheap(code + at, length - at)) {
        size_t step = harmless_length(code + at, length - at);

        if (step == 0)
            return 0;
        at += step;
    }
    return at < length ? at : 0;
}

/* Long enough to be nothing else, wherever it begins. */
static const uint8_t futex_x86_64[] = {
    0xb8, 0xca, 0, 0,    0,          /* mov $202,%eax */
    0x0f, 0x05,                      /* syscall */
    0x48, 0x3d, 0, 0xf0, 0xff, 0xff, /* cmp $-4096,%rax: did it fail? */
};

static const uint8_t futex_aarch64[] = {
    0x48, 0x0c, 0x80, 0xd2, /* mov x8, #98 */
    0x01, 0,    0,    0xd4, /* svc #0 */
};

size_t gt_insn_futex_calls(uint16_t machine, const uint8_t *code, size_t length,
                           uint64_t *offsets, size_t max)
{
    bool fixed = machine == EM_AARCH64; /* instructions of four bytes */
    const uint8_t *pattern = fixed ? futex_aarch64 : futex_x86_64;
    size_t size = fixed ? sizeof(futex_aarch64) : sizeof(futex_x86_64);
    size_t count = 0;

    if (!fixed && machine != EM_X86_64)
        return 0;
    for (size_t at = 0; at + size <= length; at += fixed ? 4 : 1) {
        if (memcmp(code + at, pattern, size) != 0)
            continue;
        if (count < max)
            offsets[count] = at;
        count++;
    }
    return count;
}

size_t gt_insn_behind_test(uint16_t machine, const uint8_t *code, size_t length)
{
    static const uint8_t begins[] = {0x85, 0xd2, 0x78}; /* test %edx,%edx; js */

    return machine == EM_X86_64 && length >= sizeof(begins) &&
                   memcmp(code, begins, sizeof(begins)) == 0
               ? 2
               : 0;
}

size_t gt_insn_jumps_out(uint16_t machine, const uint8_t *code, size_t length, uint64_t at,
                         uint64_t *targets, size_t max)
{
    enum { JUMP = 0xe9, JUMP_BYTES = 5 };
    size_t count = 0;

    for (size_t i = 0; machine == EM_X86_64 && i + JUMP_BYTES <= length; i++) {
        uint64_t target;
        int32_t distance;

        if (code[i] != JUMP)
            continue;
        memcpy(&distance, code + i + 1, sizeof(distance));
        target = at + i + JUMP_BYTES + (uint64_t)(int64_t)distance;
        if (target - at < length)
            continue;
        if (count < max)
            targets[count] = target;
        count++;
    }
    return count;
}

/* movabs $1 << 32 into a register; lock xadd of it to memory. */
bool gt_insn_is_slow_wait(uint16_t machine, const uint8_t *code, size_t length)
{
    static const uint8_t waiter[] = {0, 0, 0, 0, 1, 0, 0, 0};
    static const uint8_t add[] = {0xf0, 0x48, 0x0f, 0xc1},
                         add_extended[] = {0xf0, 0x4c, 0x0f, 0xc1};
    const uint8_t *constant = memmem(code, length, waiter, sizeof(waiter)), *after;
    size_t rest;

    if (machine != EM_X86_64 || !is_cheap(code, length) || !constant || constant - code < 2 ||
        (constant[-2] & 0xfe) != 0x48 || (constant[-1] & 0xf8) != 0xb8)
        return false;
    after = constant + sizeof(waiter);
    rest = length - (size_t)(after - code);
    return memmem(after, rest, add, sizeof(add)) ||
           memmem(after, rest, add_extended, sizeof(add_extended));
}
