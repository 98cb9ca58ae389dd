/* SPDX-License-Identifier: MIT */
#include "report/grid.h"

#include "base/width.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    GAP = 2,      /* blanks between columns */
    NAME_MIN = 10 /* a name is not shortened below that */
};

#define BOLD  "\033[1m"
#define PLAIN "\033[0m"

/* How a table is laid out. A column that takes no part has the width 0. */
struct layout {
    const struct gt_grid *grid;
    const struct gt_print_options *how;
    bool two_lines; /* of heads */
    size_t width[GT_GRID_COLUMNS_MAX];
};

/* The columns of one block: the first, some in the middle, and the last. */
struct block {
    bool has[GT_GRID_COLUMNS_MAX];
    size_t width[GT_GRID_COLUMNS_MAX]; /* as printed */
};

void gt_grid_init(struct gt_grid *grid, const struct gt_grid_column *columns, size_t count)
{
    grid->columns = columns;
    grid->count = count;
    gt_strvec_init(&grid->cells);
}

void gt_grid_release(struct gt_grid *grid)
{
    gt_strvec_release(&grid->cells);
}

int gt_grid_add(struct gt_grid *grid, const char *format, ...)
{
    char *text;
    va_list args;
    int rc;

    va_start(args, format);
    rc = vasprintf(&text, format, args);
    va_end(args);
    if (rc < 0)
        return -1;
    rc = gt_strvec_push(&grid->cells, text);
    free(text);
    return rc;
}

int gt_grid_add_buf(struct gt_grid *grid, const struct gt_buf *cell)
{
    return gt_strvec_push(&grid->cells, cell->length ? cell->data : "");
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* What the last line of a head begins with. */
static const char *second_line(const struct layout *layout, size_t column)
{
    const char *head = layout->grid->columns[column].head;
    const char *blank = strrchr(head, ' ');
    bool left = layout->grid->columns[column].flags & GT_GRID_LEFT; /* their cells are wide */

    return layout->two_lines && blank && !left ? blank + 1 : head;
}

/* Has a cell the rest of its row to itself? */
static bool is_open(const struct gt_grid *grid, char *const *cells, size_t column)
{
    for (size_t i = column + 1; i < grid->count; i++)
        if (*cells[i])
            return false;
    return grid->columns[column].flags & GT_GRID_OPEN;
}

static size_t head_width(const struct layout *layout, size_t column)
{
    const char *head = layout->grid->columns[column].head,
               *second = second_line(layout, column);

    if (second == head)
        return gt_text_width(head, strlen(head));
    return larger(gt_text_width(head, (size_t)(second - 1 - head)),
                  gt_text_width(second, strlen(second)));
}

static void measure(struct layout *layout)
{
    const struct gt_grid *grid = layout->grid;

    for (size_t i = 0; i < grid->count; i++) {
        layout->width[i] = 0;
        if (!grid->columns[i].head)
            continue;
        layout->width[i] = head_width(layout, i);
        for (size_t at = 0; at + grid->count <= grid->cells.count; at += grid->count) {
            char *const *row = grid->cells.items + at;

            if (!is_open(grid, row, i))
                layout->width[i] =
                    larger(layout->width[i], gt_text_width(row[i], strlen(row[i])));
        }
    }
}

/* What the column takes at the least. */
static size_t least(const struct layout *layout, size_t column)
{
    size_t width = layout->width[column];

    return layout->grid->columns[column].flags & GT_GRID_NAME && width > NAME_MIN ? NAME_MIN
                                                                                  : width;
}

static size_t sum(const struct layout *layout)
{
    size_t all = 0;

    for (size_t i = 0; i < layout->grid->count; i++)
        if (layout->width[i])
            all += (all ? GAP : 0) + layout->width[i];
    return all;
}

/* Does not all fit? Then heads take two lines, and spare columns go, the last ones first. */
static void squeeze(struct layout *layout)
{
    size_t width = layout->how->width, i = layout->grid->count;

    measure(layout);
    if (width == 0 || sum(layout) <= width)
        return;
    layout->two_lines = true;
    measure(layout);
    while (i-- > 0 && sum(layout) > width)
        if (layout->grid->columns[i].flags & GT_GRID_SPARE)
            layout->width[i] = 0;
}

/* The next block: as many columns from `*next` on as there is room for, but one at least. */
static void fill_block(const struct layout *layout, struct block *block, size_t *next)
{
    size_t last = layout->grid->count - 1;
    size_t used = least(layout, 0) + GAP + least(layout, last);
    bool any = false;

    *block = (struct block){0};
    block->has[0] = true;
    block->has[last] = layout->width[last] > 0;
    for (; *next < last; (*next)++) {
        size_t need = layout->width[*next] ? GAP + least(layout, *next) : 0;

        if (layout->how->width && any && used + need > layout->how->width)
            return;
        used += need;
        any |= need > 0;
        block->has[*next] = need > 0;
    }
}

/* The widest name gives up room until all fits. */
static void set_widths(const struct layout *layout, struct block *block)
{
    size_t count = layout->grid->count, all = 0;

    for (size_t i = 0; i < count; i++) {
        block->width[i] = block->has[i] ? layout->width[i] : 0;
        all += block->has[i] ? (all ? GAP : 0) + block->width[i] : 0;
    }
    while (layout->how->width && all > layout->how->width) {
        size_t widest = count;

        for (size_t i = 0; i < count; i++)
            if (block->width[i] > least(layout, i) &&
                (widest == count || block->width[i] > block->width[widest]))
                widest = i;
        if (widest == count)
            return;
        block->width[widest]--;
        all--;
    }
}

static int add_blanks(struct gt_buf *text, size_t count)
{
    return gt_buf_addf(text, "%*s", (int)count, "");
}

static void drop_blanks(struct gt_buf *text)
{
    while (text->length && text->data[text->length - 1] == ' ')
        text->data[--text->length] = '\0';
}

/* A cell, and the gap before it. Nothing stands behind the last one of a line. */
static int put_cell(const struct layout *layout, const struct block *block, size_t column,
                    const char *cell, size_t length, struct gt_buf *text)
{
    bool left = layout->grid->columns[column].flags & GT_GRID_LEFT,
         last = column + 1 == layout->grid->count;
    size_t width = gt_text_width(cell, length);
    size_t pad = block->width[column] > width ? block->width[column] - width : 0;

    if ((column > 0 && add_blanks(text, GAP)) || (!left && add_blanks(text, pad)) ||
        gt_buf_add(text, cell, length))
        return -1;
    return left && !last ? add_blanks(text, pad) : 0;
}

static int put_head_line(const struct layout *layout, const struct block *block, bool second,
                         struct gt_buf *text)
{
    const char *color = layout->how->color ? BOLD : "";

    if (gt_buf_adds(text, color))
        return -1;
    for (size_t i = 0; i < layout->grid->count; i++) {
        const char *head = layout->grid->columns[i].head, *rest;
        size_t length;

        if (!block->has[i])
            continue;
        rest = second_line(layout, i);
        length = rest > head ? (size_t)(rest - 1 - head) : 0;
        if (put_cell(layout, block, i, second ? rest : head, second ? strlen(rest) : length,
                     text))
            return -1;
    }
    drop_blanks(text);
    return gt_buf_addf(text, "%s\n", *color ? PLAIN : "");
}

static bool has_two_lines(const struct layout *layout, const struct block *block)
{
    for (size_t i = 0; i < layout->grid->count; i++)
        if (block->has[i] && second_line(layout, i) != layout->grid->columns[i].head)
            return true;
    return false;
}

static int put_head(const struct layout *layout, const struct block *block, struct gt_buf *text)
{
    static const char dashes[] = "----------------------------------------";

    if (has_two_lines(layout, block) && put_head_line(layout, block, false, text))
        return -1;
    if (put_head_line(layout, block, true, text))
        return -1;
    for (size_t i = 0; i < layout->grid->count; i++) {
        if (!block->has[i])
            continue;
        if (i && add_blanks(text, GAP))
            return -1;
        for (size_t rest = block->width[i]; rest > 0;) {
            size_t step = rest < sizeof(dashes) - 1 ? rest : sizeof(dashes) - 1;

            if (gt_buf_add(text, dashes, step))
                return -1;
            rest -= step;
        }
    }
    drop_blanks(text);
    return gt_buf_adds(text, "\n");
}

/* How wide a cell may be: as its column, or up to the end of the line. */
static size_t cell_room(const struct layout *layout, const struct block *block,
                        char *const *cells, size_t column)
{
    size_t before = 0;

    if (!is_open(layout->grid, cells, column))
        return block->width[column];
    if (!layout->how->width)
        return SIZE_MAX;
    for (size_t i = 0; i < column; i++)
        before += block->has[i] ? block->width[i] + GAP : 0;
    return layout->how->width > before ? layout->how->width - before : 0;
}

static int put_row(const struct layout *layout, const struct block *block, char *const *cells,
                   struct gt_buf *text)
{
    struct gt_buf cut;
    int rc = 0;

    gt_buf_init(&cut);
    for (size_t i = 0; rc == 0 && i < layout->grid->count; i++) {
        if (!block->has[i])
            continue;
        gt_buf_reset(&cut);
        rc = layout->grid->columns[i].flags & GT_GRID_NAME
                 ? gt_text_add_cut(&cut, cells[i], cell_room(layout, block, cells, i))
                 : gt_buf_adds(&cut, cells[i]);
        if (rc == 0)
            rc = put_cell(layout, block, i, cut.length ? cut.data : "", cut.length, text);
    }
    gt_buf_release(&cut);
    drop_blanks(text);
    return rc ? rc : gt_buf_adds(text, "\n");
}

int gt_grid_print(const struct gt_grid *grid, const struct gt_print_options *how,
                  struct gt_buf *text)
{
    struct layout layout = {.grid = grid, .how = how};
    size_t next = 1;

    squeeze(&layout);
    do {
        struct block block;

        if (next > 1 && gt_buf_adds(text, "\n"))
            return -1;
        fill_block(&layout, &block, &next);
        set_widths(&layout, &block);
        if (put_head(&layout, &block, text))
            return -1;
        for (size_t at = 0; at + grid->count <= grid->cells.count; at += grid->count)
            if (put_row(&layout, &block, grid->cells.items + at, text))
                return -1;
    } while (next + 1 < grid->count);
    return 0;
}
