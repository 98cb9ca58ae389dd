/* SPDX-License-Identifier: MIT */
#include "base/split.h"

#include <string.h>

enum state {
    BEGIN,
    BEFORE_KEY, /* in the outer object */
    IN_KEY,
    BEFORE_COLON,
    BEFORE_VALUE,
    IN_VALUE,
    BEFORE_ELEMENT, /* in the array */
    IN_ELEMENT,
    COMPLETE,
    BROKEN,
};

void gt_split_init(struct gt_split *split, const char *array, size_t part_max, gt_split_fn part,
                   void *context)
{
    memset(split, 0, sizeof(*split));
    split->array = array;
    split->part_max = part_max;
    split->part = part;
    split->context = context;
    gt_buf_init(&split->key);
    gt_buf_init(&split->text);
}

void gt_split_release(struct gt_split *split)
{
    gt_buf_release(&split->key);
    gt_buf_release(&split->text);
}

enum gt_split_end gt_split_status(const struct gt_split *split)
{
    return split->state == COMPLETE ? GT_SPLIT_DONE
           : split->state == BROKEN ? GT_SPLIT_NO_FRAME
                                    : GT_SPLIT_PARTIAL;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* Keep a stretch of the part; one byte beyond the limit marks it as too long. */
static int keep(struct gt_split *split, const char *data, size_t length)
{
    size_t room = split->part_max + 1 - split->text.length;

    return gt_buf_add(&split->text, data, length < room ? length : room);
}

static void begin_part(struct gt_split *split, enum state state)
{
    split->state = state;
    split->depth = 0;
    split->in_string = split->escaped = false;
    gt_buf_reset(&split->text);
}

static int end_part(struct gt_split *split)
{
    bool element = split->state == IN_ELEMENT;

    split->state = element ? BEFORE_ELEMENT : BEFORE_KEY;
    if (split->text.length > split->part_max) {
        split->left_out++;
        return 0;
    }
    return split->part(split->context, split->key.data, element, split->text.data,
                       split->text.length);
}

/* Takes bytes of a part up to its end, which it does not take: a bracket or a comma that
 * belongs to the frame. Returns how many. */
static size_t inside(struct gt_split *split, const char *data, size_t length, bool *ended)
{
    for (size_t i = 0; i < length; i++) {
        char c = data[i];

        if (split->in_string) {
            if (split->escaped)
                split->escaped = false;
            else if (c == '\\')
                split->escaped = true;
            else if (c == '"')
                split->in_string = false;
        } else if (c == '"') {
            split->in_string = true;
        } else if (c == '{' || c == '[') {
            split->depth++;
        } else if (split->depth == 0 && (c == ',' || c == '}' || c == ']')) {
            *ended = true;
            return i;
        } else if (c == '}' || c == ']') {
            split->depth--;
        }
    }
    *ended = false;
    return length;
}

static int in_key(struct gt_split *split, char c)
{
    if (c == '"' && !split->escaped) {
        split->state = BEFORE_COLON;
        return 0;
    }
    split->escaped = c == '\\' && !split->escaped;
    return split->key.length < split->part_max ? gt_buf_add(&split->key, &c, 1) : 0;
}

/* One byte of the frame. True when it is the first byte of a part, not taken yet. */
static bool frame(struct gt_split *split, char c)
{
    bool is_array = split->key.data && strcmp(split->key.data, split->array) == 0;

    if (is_space(c))
        return false;
    if (split->state == BEGIN && c == '{') {
        split->state = BEFORE_KEY;
    } else if (split->state == BEFORE_KEY && c == '"') {
        split->state = IN_KEY;
        split->escaped = false;
        gt_buf_reset(&split->key);
    } else if (split->state == BEFORE_KEY && c == '}') {
        split->state = COMPLETE;
    } else if (split->state == BEFORE_COLON && c == ':') {
        split->state = BEFORE_VALUE;
    } else if (split->state == BEFORE_VALUE && is_array && c == '[') {
        split->state = BEFORE_ELEMENT;
    } else if (split->state == BEFORE_VALUE) {
        begin_part(split, IN_VALUE);
        return true;
    } else if (split->state == BEFORE_ELEMENT && c == ']') {
        split->state = BEFORE_KEY;
    } else if (split->state == BEFORE_ELEMENT && c != ',' && c != '}') {
        begin_part(split, IN_ELEMENT);
        return true;
    } else if (c != ',' || (split->state != BEFORE_KEY && split->state != BEFORE_ELEMENT)) {
        split->state = BROKEN;
    }
    return false;
}

int gt_split_feed(struct gt_split *split, const char *data, size_t length)
{
    size_t at = 0;

    while (at < length && split->state != BROKEN) {
        int rc = 0;

        if (split->state == IN_VALUE || split->state == IN_ELEMENT) {
            bool ended;
            size_t taken = inside(split, data + at, length - at, &ended);

            rc = keep(split, data + at, taken);
            at += taken;
            if (rc == 0 && ended)
                rc = end_part(split);
        } else if (split->state == IN_KEY) {
            rc = in_key(split, data[at++]);
        } else if (!frame(split, data[at])) {
            at++;
        }
        if (rc)
            return rc;
    }
    return 0;
}
