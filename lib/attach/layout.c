/* SPDX-License-Identifier: MIT */
#include "attach/layout.h"

#include <string.h>

/* Compiled from the headers of 3.6.15, 3.7.16, 3.8.18, 3.9.18, 3.10.13, 3.11.7 and 3.12.1. */
static const struct known {
    int minor;
    uint64_t head;
    struct gt_layout layout;
} known[] = {
    {7,
     24,
     {.is_threads = 8,
      .ts_next = 8,
      .ts_interp = 16,
      .ts_frame = 24,
      .cframe = -1,
      .f_previous = 24,
      .f_code = 32,
      .f_instr = 104,
      .f_owner = -1,
      .co_filename = 96,
      .co_name = 104,
      .co_first = 36,
      .co_lines = 112,
      .ascii = 48,
      .compact = 72,
      .lines = GT_LINES_LNOTAB,
      .instr_is_index = true}},
    {8,
     32,
     {.is_threads = 8,
      .ts_next = 8,
      .ts_interp = 16,
      .ts_frame = 24,
      .cframe = -1,
      .f_previous = 24,
      .f_code = 32,
      .f_instr = 104,
      .f_owner = -1,
      .co_filename = 104,
      .co_name = 112,
      .co_first = 40,
      .co_lines = 120,
      .ascii = 48,
      .compact = 72,
      .lines = GT_LINES_LNOTAB,
      .instr_is_index = true}},
    {9,
     32,
     {.is_threads = 8,
      .ts_next = 8,
      .ts_interp = 16,
      .ts_frame = 24,
      .cframe = -1,
      .f_previous = 24,
      .f_code = 32,
      .f_instr = 104,
      .f_owner = -1,
      .co_filename = 104,
      .co_name = 112,
      .co_first = 40,
      .co_lines = 120,
      .ascii = 48,
      .compact = 72,
      .lines = GT_LINES_LNOTAB,
      .instr_is_index = true}},
    {10,
     32,
     {.is_threads = 8,
      .ts_next = 8,
      .ts_interp = 16,
      .ts_frame = 24,
      .cframe = -1,
      .f_previous = 24,
      .f_code = 32,
      .f_instr = 96,
      .f_owner = -1,
      .co_filename = 104,
      .co_name = 112,
      .co_first = 40,
      .co_lines = 120,
      .ascii = 48,
      .compact = 72,
      .lines = GT_LINES_RANGES,
      .instr_is_index = true}},
    {11,
     40,
     {.is_threads = 16,
      .ts_next = 8,
      .ts_interp = 16,
      .ts_frame = 56,
      .cframe = 8,
      .f_previous = 48,
      .f_code = 32,
      .f_instr = 56,
      .f_owner = 69,
      .co_filename = 112,
      .co_name = 128,
      .co_first = 72,
      .co_lines = 136,
      .co_code = 184,
      .ascii = 48,
      .compact = 72,
      .lines = GT_LINES_LOCATIONS}},
    {12,
     40,
     {.is_threads = 72,
      .ts_next = 8,
      .ts_interp = 16,
      .ts_frame = 56,
      .cframe = 0,
      .f_previous = 8,
      .f_code = 0,
      .f_instr = 56,
      .f_owner = 70,
      .co_filename = 112,
      .co_name = 128,
      .co_first = 68,
      .co_lines = 136,
      .co_code = 192,
      .ascii = 40,
      .compact = 56,
      .lines = GT_LINES_LOCATIONS}},
};

/* Words of _Py_DebugOffsets that are needed, by their place, after the cookie (word 0), the
 * version (1) and free_threaded (2); 3.13.0, 3.14.10, 3.15.2. */
static const struct words {
    int minor;
    int head, is_size, is_next, is_threads, is_gil, gil, gil_locked, gil_holder;
    int ts_size, ts_next, ts_interp, ts_frame;
    int f_previous, f_code, f_instr, f_owner;
    int co_filename, co_qualname, co_lines, co_first, co_code;
    int ascii; /* unicode_object.asciiobject_size */
    int count;
} words[] = {
    {13, 5,  6,  8,  9,  14, 15, 17, 18, 19, 21, 22,
     23, 29, 30, 31, 33, 35, 37, 38, 39, 43, 70, 73},
    {14, 5,  6,  8,  9,  15, 16, 18, 19, 22, 24, 25,
     26, 32, 33, 34, 36, 40, 42, 43, 44, 48, 80, 95},
    {15, 5,  6,  8,  9,  15, 16, 18, 19, 22, 24, 25,
     26, 40, 41, 42, 44, 48, 50, 51, 52, 56, 92, 111},
};

enum { FREE_THREADED = 2, WORDS_MAX = 128, STATE_MAX = 1 << 24, OFFSET_MAX = 1 << 22 };

static bool are_offsets(const uint64_t *all, const struct words *at)
{
    const int used[] = {at->head,      at->is_next,    at->is_threads,  at->is_gil,
                        at->gil,       at->gil_locked, at->gil_holder,  at->ts_next,
                        at->ts_interp, at->ts_frame,   at->f_previous,  at->f_code,
                        at->f_instr,   at->f_owner,    at->co_filename, at->co_qualname,
                        at->co_lines,  at->co_first,   at->co_code,     at->ascii};

    for (size_t i = 0; i < sizeof(used) / sizeof(used[0]); i++)
        if (all[used[i]] > OFFSET_MAX)
            return false;
    return all[at->is_size] < STATE_MAX && all[at->ts_size] < STATE_MAX &&
           all[at->is_next] < all[at->is_size] && all[at->is_gil] < all[at->is_size] &&
           all[at->gil] < all[at->gil_holder] && all[at->gil_holder] < all[at->gil_locked] &&
           all[at->gil_locked] < all[at->is_size] && all[at->ts_frame] < all[at->ts_size] &&
           all[at->ts_next] < all[at->ts_size] && all[at->ascii] < 256;
}

/* From 3.14 on: stackpointer and tlbc_index follow a frame's owner, co_tlbc follows co_code. */
static void take_words_without_gil(struct gt_layout *layout, const uint64_t *all,
                                   const struct words *at)
{
    layout->longer_head = 16;
    if (at->minor < 14 || all[at->f_owner + 2] > OFFSET_MAX ||
        all[at->co_code + 1] > OFFSET_MAX)
        return;
    layout->f_tlbc = all[at->f_owner + 2];
    layout->co_tlbc = all[at->co_code + 1];
}

static bool take_words(struct gt_layout *layout, const uint64_t *all, const struct words *at)
{
    if (!are_offsets(all, at))
        return false;
    *layout = (struct gt_layout){
        .head = all[at->head],
        .is_next = all[at->is_next],
        .is_threads = all[at->is_threads],
        .is_gil = all[at->is_gil],
        .gil_holder = all[at->gil_holder] - all[at->gil],
        .gil_locked = all[at->gil_locked] - all[at->gil],
        .ts_next = all[at->ts_next],
        .ts_interp = all[at->ts_interp],
        .ts_frame = all[at->ts_frame],
        .cframe = -1,
        .f_previous = all[at->f_previous],
        .f_code = all[at->f_code],
        .f_instr = all[at->f_instr],
        .f_owner = (int64_t)all[at->f_owner],
        .co_filename = all[at->co_filename],
        .co_name = all[at->co_qualname],
        .co_first = all[at->co_first],
        .co_lines = all[at->co_lines],
        .co_code = all[at->co_code],
        .ascii = all[at->ascii],
        .compact = all[at->ascii] + 16, /* utf8_length, utf8 */
        .lines = GT_LINES_LOCATIONS,
        .tagged = true,
    };
    if (all[FREE_THREADED] == 1)
        take_words_without_gil(layout, all, at);
    return true;
}

/* struct _debugger_support is the last one, since 3.14: eval_breaker, remote_debugger_support,
 * remote_debugging_enabled, debugger_pending_call, debugger_script_path and its size. */
static void take_support(struct gt_layout *layout, const uint64_t *all, const struct words *at)
{
    enum { SUPPORT_WORDS = 6, PATH_SIZE_MAX = 1 << 16 };
    const uint64_t *support = all + at->count - SUPPORT_WORDS;
    uint64_t state = all[at->ts_size];

    if (at->minor < 14 || support[0] > state - 8 || support[2] > all[at->is_size] - 4 ||
        support[1] > state || support[3] > state || support[4] > state ||
        support[5] > PATH_SIZE_MAX || support[1] + support[3] + 4 > state ||
        support[1] + support[4] + support[5] > state)
        return;
    layout->eval_breaker = support[0];
    layout->remote_support = support[1];
    layout->remote_enabled = support[2];
    layout->pending = support[3];
    layout->script_path = support[4];
    layout->script_size = support[5];
}

static bool read_offsets(struct gt_layout *layout, const struct gt_running *running,
                         const struct gt_python *python, const struct words *at)
{
    uint64_t all[WORDS_MAX];

    if (!gt_running_read(running, python->runtime, all, (size_t)at->count * 8) ||
        memcmp(all, "xdebugpy", 8) != 0 || all[1] >> 16 != (uint64_t)(3 << 8 | python->minor) ||
        !take_words(layout, all, at))
        return false;
    take_support(layout, all, at);
    return true;
}

bool gt_layout_find(struct gt_layout *layout, const struct gt_running *running,
                    const struct gt_python *python)
{
    bool found = false;

    memset(layout, 0, sizeof(*layout));
    if (!python->runtime)
        return false;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (words[i].minor == python->minor)
            found = read_offsets(layout, running, python, &words[i]);
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (known[i].minor == python->minor) {
            *layout = known[i].layout;
            layout->head = known[i].head;
            found = true;
        }
    if (found)
        layout->head += python->runtime;
    return found;
}

uint64_t gt_layout_first(const struct gt_layout *layout, const struct gt_running *running)
{
    uint64_t first;

    if (!layout->head || !gt_running_read(running, layout->head, &first, sizeof(first)))
        return 0;
    return first;
}
