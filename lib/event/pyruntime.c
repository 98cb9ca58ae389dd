/* SPDX-License-Identifier: MIT */
#include "event/pyruntime.h"

enum { PAGE_MAX = 65536 }; /* mappings begin at the page that holds the segment */

bool gt_runtime_locate(const struct gt_runtime *runtime, uint64_t address, uint64_t offset,
                       uint64_t *start, uint64_t *end)
{
    uint64_t moved;

    if (offset + PAGE_MAX <= runtime->code_offset ||
        offset >= runtime->code_offset + runtime->code_size_bytes)
        return false;
    /* Unsigned arithmetic wraps, and wraps back. */
    moved = address - (runtime->code_address + (offset - runtime->code_offset));
    *start = runtime->address + moved;
    *end = *start + runtime->size_bytes;
    return *end > *start;
}
