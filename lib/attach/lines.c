/* SPDX-License-Identifier: MIT */
/* Which line an instruction is of (Objects/codeobject.c, Objects/locations.md). */
#include "attach/frames.h"

#include <limits.h>

static int64_t lnotab(const unsigned char *table, size_t length, int first, int64_t offset)
{
    int64_t address = 0;
    int64_t line = first;

    for (size_t i = 0; i + 1 < length; i += 2) {
        address += table[i];
        if (address > offset)
            break;
        line += (signed char)table[i + 1];
    }
    return line;
}

static int64_t ranges(const unsigned char *table, size_t length, int first, int64_t offset)
{
    int64_t end = 0;
    int64_t line = first;

    for (size_t i = 0; i + 1 < length; i += 2) {
        int delta = (signed char)table[i + 1];
        bool none = delta == -128;

        if (!none)
            line += delta;
        end += table[i];
        if (offset < end)
            return none ? 0 : line;
    }
    return 0;
}

/* Six bits a byte, the lowest first. */
static unsigned variable(const unsigned char *table, size_t length, size_t *at)
{
    unsigned value = 0, shift = 0, byte;

    do {
        if (*at >= length || shift > 24)
            return 0;
        byte = table[(*at)++];
        value |= (byte & 63) << shift;
        shift += 6;
    } while (byte & 64);
    return value;
}

static int signed_variable(const unsigned char *table, size_t length, size_t *at)
{
    unsigned value = variable(table, length, at);

    return value & 1 ? -(int)(value >> 1) : (int)(value >> 1);
}

static int64_t locations(const unsigned char *table, size_t length, int first, int64_t offset)
{
    enum { ONE_LINE = 10, NO_COLUMNS = 13, LONG = 14, NONE = 15 };
    int64_t end = 0;
    int64_t line = first;

    for (size_t at = 0; at < length;) {
        unsigned head = table[at++], code = head >> 3 & 15;

        end += ((head & 7) + 1) * 2;
        if (code == LONG || code == NO_COLUMNS)
            line += signed_variable(table, length, &at);
        else if (code >= ONE_LINE && code < NO_COLUMNS)
            line += (int)code - ONE_LINE;
        if (offset < end)
            return code == NONE ? 0 : line;
        while (at < length && !(table[at] & 0x80))
            at++; /* what else it says of columns */
    }
    return 0;
}

int gt_frames_line(enum gt_line_table kind, const unsigned char *table, size_t length,
                   int first, int64_t offset)
{
    int64_t line = first;

    if (offset < 0)
        return first;
    if (kind == GT_LINES_LNOTAB)
        line = lnotab(table, length, first, offset);
    else if (kind == GT_LINES_RANGES)
        line = ranges(table, length, first, offset);
    else
        line = locations(table, length, first, offset);
    return line >= INT_MIN && line <= INT_MAX ? (int)line : 0;
}
