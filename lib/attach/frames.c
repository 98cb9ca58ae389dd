/* SPDX-License-Identifier: MIT */
#include "attach/frames.h"

#include "attach/gil.h"

#include <stdlib.h>
#include <string.h>
#include <sys/param.h>

enum {
    STATES_MAX = 1 << 16,
    INTERPRETERS_MAX = 1024,
    FRAMES_MAX = 200,
    SKIPPED_MAX = 1000, /* frames that are no function's */
    TABLE_MAX = 1 << 20,
    TEXT_MAX = 400,
    /* In objects, after what their heads are longer by. */
    TYPE_AT = 8,    /* PyObject.ob_type */
    NAME_AT = 24,   /* PyTypeObject.tp_name */
    LENGTH_AT = 16, /* of strings and bytes */
    BYTES_AT = 32,  /* PyBytesObject.ob_sval */
};

static uint64_t word_of(const struct gt_running *running, uint64_t address)
{
    uint64_t word;

    return gt_running_read(running, address, &word, sizeof(word)) ? word : 0;
}

/* --- thread states --- */

/* Those of one interpreter. They point back to it. */
static int add_states(struct gt_chunks *states, const struct gt_running *running,
                      const struct gt_python *python, const struct gt_layout *layout,
                      const struct gt_chunks *threads, uint64_t interpreter)
{
    uint64_t state = word_of(running, interpreter + layout->is_threads);

    while (state && states->count < STATES_MAX &&
           word_of(running, state + layout->ts_interp) == interpreter) {
        int tid = gt_thread_of_state(running, python, threads, state);
        struct gt_thread_state_at *added = tid ? gt_chunks_push(states) : NULL;

        if (tid && !added)
            return -1;
        if (added)
            *added = (struct gt_thread_state_at){state, tid};
        state = word_of(running, state + layout->ts_next);
    }
    return 0;
}

int gt_frames_states(struct gt_chunks *states, const struct gt_running *running,
                     const struct gt_python *python, const struct gt_layout *layout,
                     const struct gt_chunks *threads, struct gt_error *err)
{
    uint64_t interpreter = gt_layout_first(layout, running);

    for (int i = 0; interpreter && i < INTERPRETERS_MAX; i++) {
        if (add_states(states, running, python, layout, threads, interpreter))
            return gt_error_memory(err);
        interpreter = word_of(running, interpreter + layout->is_next);
    }
    return 0;
}

/* --- text --- */

static bool is_ascii(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (text[i] < 32 || text[i] >= 127) /* also where char has no sign */
            return false;
    return true;
}

static int add_utf8(struct gt_buf *text, uint32_t letter)
{
    char bytes[4];
    size_t length = 1;

    if (letter < 0x80) {
        bytes[0] = (char)letter;
    } else if (letter < 0x800) {
        bytes[0] = (char)(0xc0 | letter >> 6);
        length = 2;
    } else if (letter < 0x10000) {
        bytes[0] = (char)(0xe0 | letter >> 12);
        length = 3;
    } else {
        bytes[0] = (char)(0xf0 | (letter >> 18 & 7));
        length = 4;
    }
    for (size_t i = 1; i < length; i++)
        bytes[i] = (char)(0x80 | (letter >> 6 * (length - 1 - i) & 63));
    return gt_buf_add_visible(text, bytes, length);
}

/* Letters of 1, 2 or 4 bytes each, after the header for what is not ASCII. */
static int add_wide(struct gt_buf *text, const unsigned char *data, size_t count, size_t width)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t letter = 0;

        for (size_t j = 0; j < width; j++)
            letter |= (uint32_t)data[i * width + j] << 8 * j;
        if (add_utf8(text, letter))
            return -1;
    }
    return 0;
}

/* A str. In its state word, kind is bits 2 to 4, or (3.14 and later, some builds) 16 to 18. */
static bool read_text(const struct gt_frames_walk *walk, uint64_t address, struct gt_buf *text)
{
    const struct gt_layout *layout = walk->layout;
    const uint64_t length_at = address + layout->longer_head + LENGTH_AT;
    char data[TEXT_MAX * 4 + 1];
    uint64_t length = 0;
    uint32_t state = 0;
    unsigned width;

    if (!address || !gt_running_read(walk->running, length_at, &length, 8) || length > TEXT_MAX)
        return false;
    if (gt_running_read(walk->running, address + layout->ascii, data, (size_t)length + 1) &&
        data[length] == '\0' && is_ascii(data, (size_t)length))
        return gt_buf_add(text, data, (size_t)length) == 0;
    if (!gt_running_read(walk->running, length_at + 16, &state, sizeof(state)))
        return false;
    width = state >> 2 & 7;
    if (width != 1 && width != 2 && width != 4)
        width = state >> 16 & 7;
    if (width != 1 && width != 2 && width != 4)
        return false;
    return gt_running_read(walk->running, address + layout->compact, data,
                           (size_t)length * width) &&
           add_wide(text, (const unsigned char *)data, (size_t)length, width) == 0;
}

/* --- frames --- */

void gt_frames_start(struct gt_frames_walk *walk, const struct gt_running *running,
                     const struct gt_layout *layout, uint64_t state)
{
    uint64_t at = word_of(running, state + layout->ts_frame);

    if (at && layout->cframe >= 0)
        at = word_of(running, at + (uint64_t)layout->cframe);
    *walk = (struct gt_frames_walk){
        .running = running, .layout = layout, .at = at, .left = FRAMES_MAX};
}

/* Is the object of the type that is called "code"? */
static bool is_code(struct gt_frames_walk *walk, uint64_t object)
{
    uint64_t head = walk->layout->longer_head, name;
    uint64_t type = word_of(walk->running, object + head + TYPE_AT);
    char text[5];

    if (type && type == walk->code_type)
        return true;
    name = type ? word_of(walk->running, type + head + NAME_AT) : 0;
    if (!name || !gt_running_read(walk->running, name, text, sizeof(text)) ||
        memcmp(text, "code", 5) != 0)
        return false;
    walk->code_type = type;
    return true;
}

/* Where the bytecode is that the frame runs. Without a GIL, from 3.14 on, threads have copies:
 * _PyCodeArray {size, entries}. */
static uint64_t bytecode_of(const struct gt_frames_walk *walk, uint64_t code)
{
    const struct gt_layout *layout = walk->layout;
    uint64_t copies = layout->co_tlbc ? word_of(walk->running, code + layout->co_tlbc) : 0;
    int32_t index = 0;

    if (copies &&
        gt_running_read(walk->running, walk->at + layout->f_tlbc, &index, sizeof(index)) &&
        index > 0 && (uint64_t)index < word_of(walk->running, copies))
        return word_of(walk->running, copies + 8 * ((uint64_t)index + 1));
    return code + layout->co_code;
}

static int64_t instruction_of(const struct gt_frames_walk *walk, uint64_t code)
{
    const struct gt_layout *layout = walk->layout;
    int32_t index = 0;

    if (!layout->instr_is_index)
        return (int64_t)(word_of(walk->running, walk->at + layout->f_instr) -
                         bytecode_of(walk, code));
    if (!gt_running_read(walk->running, walk->at + layout->f_instr, &index, sizeof(index)))
        return -1;
    return layout->lines == GT_LINES_RANGES ? (int64_t)index * 2 : index;
}

static int line_of(const struct gt_frames_walk *walk, uint64_t code)
{
    uint64_t head = walk->layout->longer_head;
    uint64_t table = word_of(walk->running, code + walk->layout->co_lines);
    uint64_t length = table ? word_of(walk->running, table + head + LENGTH_AT) : 0;
    int32_t first = 0;
    unsigned char *data;
    int line = 0;

    if (!gt_running_read(walk->running, code + walk->layout->co_first, &first, sizeof(first)) ||
        !table || length > TABLE_MAX)
        return 0;
    data = malloc((size_t)length + 1);
    if (data && gt_running_read(walk->running, table + head + BYTES_AT, data, (size_t)length))
        line = gt_frames_line(walk->layout->lines, data, (size_t)length, first,
                              instruction_of(walk, code));
    free(data);
    return line > 0 ? line : 0;
}

/* Frames of the interpreter's own, between functions: owners 3 and above. */
static bool is_own(const struct gt_frames_walk *walk)
{
    unsigned char owner;

    return walk->layout->f_owner >= 0 &&
           gt_running_read(walk->running, walk->at + (uint64_t)walk->layout->f_owner, &owner,
                           1) &&
           owner >= 3;
}

bool gt_frames_next(struct gt_frames_walk *walk, struct gt_python_frame *frame)
{
    uint64_t code;

    for (int skipped = 0; walk->at && is_own(walk) && skipped < SKIPPED_MAX; skipped++)
        walk->at = word_of(walk->running, walk->at + walk->layout->f_previous);
    if (!walk->at || walk->left-- <= 0)
        return false;
    code = word_of(walk->running, walk->at + walk->layout->f_code);
    if (walk->layout->tagged)
        code &= ~UINT64_C(7);
    if (!code || !is_code(walk, code)) {
        walk->at = 0;
        return false;
    }
    gt_buf_reset(&frame->name);
    gt_buf_reset(&frame->file);
    if (!read_text(walk, word_of(walk->running, code + walk->layout->co_name), &frame->name) ||
        !read_text(walk, word_of(walk->running, code + walk->layout->co_filename),
                   &frame->file)) {
        walk->at = 0;
        return false;
    }
    frame->line = line_of(walk, code);
    walk->at = word_of(walk->running, walk->at + walk->layout->f_previous);
    return true;
}
