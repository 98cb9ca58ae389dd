/* SPDX-License-Identifier: MIT */
#include "compare/figures.h"

#include "analysis/thread_kinds.h"
#include "base/nstime.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 256, METRICS_MAX = 4096 };

struct adding {
    struct gt_figures *figures;
    const struct gt_side *side;
    unsigned which; /* side */
};

/* --- rows --- */

/* NULL: no memory. */
static struct gt_figure_row *row_of(struct gt_figures *figures, enum gt_figure_group group,
                                    const char *name, size_t length)
{
    uint32_t id = gt_intern_add(figures->names, name, length);
    uint64_t key = (uint64_t)group << 32 | id;
    uint32_t index = gt_hashmap_get(&figures->row_of, key);
    struct gt_figure_row *row;

    if (id == UINT32_MAX)
        return NULL;
    if (index != GT_HASHMAP_NONE)
        return gt_figure_at(figures, index);
    index = (uint32_t)figures->rows.count;
    row = gt_chunks_push(&figures->rows);
    if (!row)
        return NULL;
    *row = (struct gt_figure_row){.group = group, .name = id};
    return gt_hashmap_put(&figures->row_of, key, index) ? NULL : row;
}

/* The row that is there; NULL: none. */
static struct gt_figure_row *find_row(const struct gt_figures *figures,
                                      enum gt_figure_group group, const char *name,
                                      size_t length)
{
    size_t known = gt_intern_count(figures->names);
    uint32_t id = gt_intern_add(figures->names, name, length), index;

    if (id == UINT32_MAX || id >= known)
        return NULL;
    index = gt_hashmap_get(&figures->row_of, (uint64_t)group << 32 | id);
    return index == GT_HASHMAP_NONE ? NULL : gt_figure_at(figures, index);
}

static void set_value(struct gt_figure_row *row, unsigned value, unsigned which, double number,
                      bool share)
{
    row->values[value].share = share;
    row->values[value].side[which] = (struct gt_spread){number, number, number};
}

static int put_whole(struct adding *adding, const char *name, double number, bool share)
{
    struct gt_figure_row *row = row_of(adding->figures, GT_FIGURE_WHOLE, name, strlen(name));

    if (!row)
        return -1;
    row->count[adding->which] = 1;
    set_value(row, 0, adding->which, number, share);
    return 0;
}

/* --- of the summary --- */

/* The text of a key, as its kind's name; NUL-terminated. */
static size_t kind_of(const json_t *object, const char *key, char name[NAME_BYTES])
{
    const json_t *text = json_object_get(object, key);
    size_t length = json_string_length(text);

    if (!json_is_string(text))
        length = 0;
    if (length > NAME_BYTES - 1)
        length = NAME_BYTES - 1;
    memcpy(name, length ? json_string_value(text) : "", length);
    name[length] = '\0';
    return gt_thread_kind_of_name(name, strlen(name));
}

static void add_member(struct gt_figure_row *row, unsigned which, const json_t *member)
{
    struct gt_figure_sum *sum = &row->sums[which];
    int64_t longest_ns = gt_side_ns(member, "longest_wait_ns");
    int64_t known_ns = gt_side_ns(member, "lifetime_ns") - gt_side_ns(member, "unknown_ns");

    row->count[which]++;
    sum->wait_ns = gt_add_ns(sum->wait_ns, gt_side_ns(member, "wait_ns"));
    sum->hold_ns = gt_add_ns(sum->hold_ns, gt_side_ns(member, "hold_ns"));
    sum->life_ns = gt_add_ns(sum->life_ns, known_ns > 0 ? known_ns : 0);
    if (sum->longest_ns < longest_ns)
        sum->longest_ns = longest_ns;
}

/* "worker-*", NUL, "server.py" */
static int add_thread(struct adding *adding, const json_t *gil, const json_t *member,
                      bool processes)
{
    char name[2 * NAME_BYTES];
    size_t length = kind_of(member, "label", name);
    json_int_t pid = json_integer_value(json_object_get(member, "pid"));
    json_int_t tid = json_integer_value(json_object_get(member, "tid"));
    const char *title = json_is_string(json_object_get(gil, "title")) ? "title" : "process";
    struct gt_figure_row *row;

    if (processes) {
        name[length++] = '\0';
        length += kind_of(gil, title, name + length);
    }
    row = row_of(adding->figures, GT_FIGURE_THREADS, name, length);
    if (!row)
        return -1;
    add_member(row, adding->which, member);
    return gt_hashmap_put(&adding->figures->thread_row[adding->which],
                          gt_side_key((int32_t)pid, (int32_t)tid),
                          gt_hashmap_get(&adding->figures->row_of,
                                         (uint64_t)GT_FIGURE_THREADS << 32 | row->name));
}

static int add_process(struct adding *adding, const json_t *gil)
{
    const char *title = json_is_string(json_object_get(gil, "title")) ? "title" : "process";
    char name[NAME_BYTES];
    size_t length = kind_of(gil, title, name), i;
    struct gt_figure_row *row = row_of(adding->figures, GT_FIGURE_PROCESSES, name, length);
    const json_t *member;
    uint32_t count;

    if (!row)
        return -1;
    count = row->count[adding->which];
    json_array_foreach(json_object_get(gil, "threads"), i, member)
        add_member(row, adding->which, member);
    row->count[adding->which] = count + 1;
    return 0;
}

static int add_gils(struct adding *adding, bool processes)
{
    const json_t *gil, *member;
    size_t i, k;

    json_array_foreach(json_object_get(adding->side->summary, "gils"), i, gil)
    {
        if (processes && add_process(adding, gil))
            return -1;
        json_array_foreach(json_object_get(gil, "threads"), k,
                           member) if (add_thread(adding, gil, member, processes)) return -1;
    }
    return 0;
}

static int add_whole(struct adding *adding)
{
    const json_t *summary = adding->side->summary, *gil, *member;
    struct gt_figure_row all = {0};
    struct gt_figure_sum *sum = &all.sums[0];
    const json_t *stops = json_object_get(summary, "stops");
    double wait_locks = (double)gt_side_ns(json_object_get(summary, "locks"), "wait_ns");
    double lives = (double)gt_side_ns(stops, "lives_ns"), life, unknown_ns = 0;
    size_t i, k;

    json_array_foreach(json_object_get(summary, "gils"), i, gil)
        json_array_foreach(json_object_get(gil, "threads"), k, member)
    {
        add_member(&all, 0, member);
        unknown_ns += (double)gt_side_ns(member, "unknown_ns");
    }
    life = sum->life_ns > 0 ? (double)sum->life_ns : 1;
    if (put_whole(adding, "wall", (double)adding->side->length_ns, false) ||
        put_whole(adding, "wait", (double)sum->wait_ns / life, true) ||
        put_whole(adding, "hold", (double)sum->hold_ns / life, true) ||
        put_whole(adding, "longest_wait", (double)sum->longest_ns, false))
        return -1;
    if (wait_locks > 0 && put_whole(adding, "lock_wait", wait_locks, false))
        return -1;
    if (lives > 0 &&
        put_whole(adding, "stopped", (double)gt_side_ns(stops, "lost_ns") / lives, true))
        return -1;
    return unknown_ns > 0 ? put_whole(adding, "unknown", unknown_ns / (life + unknown_ns), true)
                          : 0;
}

/* What a row of "blockers", or of the locks' "rows", is called: a function; of blockers, where
 * functions were not traced, the kind of the thread. */
static size_t function_of(const json_t *item, enum gt_figure_group group, char name[NAME_BYTES])
{
    const json_t *kind = json_object_get(item, "kind"),
                 *text = json_object_get(item, "function");
    size_t length = json_is_string(text) ? json_string_length(text) : 0;

    if (!json_is_string(text))
        return (size_t)snprintf(name, NAME_BYTES, "(not known where)");
    if (group == GT_FIGURE_FUNCTIONS && json_is_string(kind) &&
        strcmp(json_string_value(kind), "native") == 0)
        return kind_of(item, "function", name);
    if (length > NAME_BYTES - 1)
        length = NAME_BYTES - 1;
    memcpy(name, json_string_value(text), length);
    return length;
}

/* What is the same function is one row. */
static int add_function(struct adding *adding, const json_t *item, enum gt_figure_group group,
                        const char *what, const char *held, const char *longest)
{
    char name[NAME_BYTES];
    size_t length = function_of(item, group, name);
    struct gt_figure_row *row = row_of(adding->figures, group, name, length);
    json_int_t count =
        json_integer_value(json_object_get(item, group == GT_FIGURE_LOCKS ? "waits" : "count"));
    struct gt_figure_sum *sum;

    if (!row)
        return -1;
    sum = &row->sums[adding->which];
    if (!row->example[adding->which] ||
        gt_side_ns(row->example[adding->which], what) < gt_side_ns(item, what))
        row->example[adding->which] = item;
    row->count[adding->which] += count > 0 && count < INT32_MAX / 2 ? (uint32_t)count : 1;
    sum->wait_ns = gt_add_ns(sum->wait_ns, gt_side_ns(item, what));
    sum->hold_ns = gt_add_ns(sum->hold_ns, held ? gt_side_ns(item, held) : 0);
    if (sum->longest_ns < gt_side_ns(item, longest))
        sum->longest_ns = gt_side_ns(item, longest);
    return 0;
}

static int add_functions(struct adding *adding)
{
    const json_t *summary = adding->side->summary, *item;
    size_t i;

    json_array_foreach(json_object_get(summary, "blockers"), i,
                       item) if (add_function(adding, item, GT_FIGURE_FUNCTIONS, "waiting_ns",
                                              "total_hold_ns", "longest_hold_ns")) return -1;
    json_array_foreach(json_object_get(json_object_get(summary, "locks"), "rows"), i,
                       item) if (add_function(adding, item, GT_FIGURE_LOCKS, "wait_ns", NULL,
                                              "longest_wait_ns")) return -1;
    return 0;
}

/* From the sums to the values. */
static void settle(struct gt_figure_row *row, unsigned which)
{
    const struct gt_figure_sum *sum = &row->sums[which];
    bool shares = row->group == GT_FIGURE_PROCESSES || row->group == GT_FIGURE_THREADS;
    double whole = shares && sum->life_ns > 0 ? (double)sum->life_ns : 1;

    if (row->group == GT_FIGURE_WHOLE)
        return;
    set_value(row, 0, which, (double)sum->wait_ns / whole, shares);
    set_value(row, 1, which, (double)sum->hold_ns / whole, shares);
    set_value(row, 2, which, (double)sum->longest_ns, false);
}

/* --- of the metrics --- */

static bool spread_of(const json_t *metric, struct gt_spread *spread)
{
    *spread = (struct gt_spread){json_number_value(json_object_get(metric, "least")),
                                 json_number_value(json_object_get(metric, "median")),
                                 json_number_value(json_object_get(metric, "greatest"))};
    return spread->least >= 0 && spread->least <= spread->median &&
           spread->median <= spread->greatest && spread->greatest < (double)GT_TIME_MOST_NS;
}

/* "blocker X: waiting": X. Else NULL. */
static const char *within(const char *name, size_t length, const char *before,
                          const char *behind, size_t *found)
{
    size_t first = strlen(before), last = strlen(behind);

    if (length <= first + last || memcmp(name, before, first) != 0 ||
        memcmp(name + length - last, behind, last) != 0)
        return NULL;
    *found = length - first - last;
    return name + first;
}

static void use_spread(struct gt_figure_row *row, unsigned value, unsigned which, uint32_t runs,
                       const struct gt_spread *spread)
{
    if (!row)
        return;
    row->values[value].side[which] = *spread;
    row->values[value].runs[which] = runs;
}

/* What was waited for a thread: of several of a kind, noise adds up at the most. */
static void use_kinds_spread(struct gt_figures *figures, unsigned which, const char *name,
                             size_t length, const struct gt_spread *spread)
{
    char kind[NAME_BYTES];
    size_t size = length < NAME_BYTES ? length : NAME_BYTES - 1;
    struct gt_figure_row *row;

    memcpy(kind, name, size);
    kind[size] = '\0';
    size = gt_thread_kind_of_name(kind, strlen(kind));
    row = find_row(figures, GT_FIGURE_FUNCTIONS, kind, size);
    if (row) {
        struct gt_spread *known = &row->values[0].side[which];
        double noise = gt_spread_noise(known) + gt_spread_noise(spread);

        row->values[0].runs[which] = figures->runs[which];
        *known =
            (struct gt_spread){known->median - noise, known->median, known->median + noise};
    }
}

/* One thread of a kind has its spread, several the greatest noise of any: their share together
 * does not vary by more. */
static void use_threads_spread(struct gt_figures *figures, unsigned which, uint32_t runs,
                               const char *name, size_t length, unsigned value,
                               const struct gt_spread *spread)
{
    char kind[NAME_BYTES];
    size_t size = length < NAME_BYTES ? length : NAME_BYTES - 1;

    memcpy(kind, name, size);
    kind[size] = '\0';
    size = gt_thread_kind_of_name(kind, strlen(kind));
    for (size_t i = 0; i < figures->rows.count; i++) {
        struct gt_figure_row *row = gt_figure_at(figures, i);
        const char *text = gt_intern_text(figures->names, row->name);
        struct gt_spread *known = &row->values[value].side[which];
        double noise = gt_spread_noise(spread), before = gt_spread_noise(known);

        if (row->group != GT_FIGURE_THREADS || strlen(text) != size ||
            memcmp(text, kind, size) != 0)
            continue;
        row->values[value].runs[which] = runs;
        if (row->count[which] <= 1 && gt_intern_length(figures->names, row->name) == size)
            *known = *spread;
        else if (noise > before)
            *known =
                (struct gt_spread){known->median - noise, known->median, known->median + noise};
    }
}

static void use_metric(struct gt_figures *figures, unsigned which, const json_t *metric)
{
    static const struct {
        const char *before, *behind;
        enum gt_figure_group group;
        unsigned value;
    } kinds[] = {
        {"blocker ", ": waiting", GT_FIGURE_FUNCTIONS, 0},
        {"lock ", ": waiting", GT_FIGURE_LOCKS, 0},
        {"thread ", ": wait", GT_FIGURE_THREADS, 0},
        {"thread ", ": hold", GT_FIGURE_THREADS, 1},
        {"", "", GT_FIGURE_WHOLE, 0},
    };
    const json_t *name = json_object_get(metric, "name");
    struct gt_spread spread;

    if (!json_is_string(name) || !spread_of(metric, &spread))
        return;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        size_t length;
        const char *text = within(json_string_value(name), json_string_length(name),
                                  kinds[i].before, kinds[i].behind, &length);

        if (!text)
            continue;
        if (kinds[i].group == GT_FIGURE_THREADS)
            use_threads_spread(figures, which, figures->runs[which], text, length,
                               kinds[i].value, &spread);
        else if (kinds[i].group == GT_FIGURE_FUNCTIONS &&
                 !find_row(figures, GT_FIGURE_FUNCTIONS, text, length))
            use_kinds_spread(figures, which, text, length, &spread);
        else
            use_spread(find_row(figures, kinds[i].group, text, length), kinds[i].value, which,
                       figures->runs[which], &spread);
        return;
    }
}

/* What did not occur in any run was 0 in all. */
static void use_absence(struct gt_figures *figures, unsigned which)
{
    for (size_t i = 0; figures->has_metrics[which] && i < figures->rows.count; i++) {
        struct gt_figure_row *row = gt_figure_at(figures, i);

        for (unsigned value = 0; row->count[which] == 0 && value < GT_FIGURE_VALUES; value++)
            if (!row->values[value].runs[which])
                row->values[value].runs[which] = figures->runs[which];
    }
}

static void use_metrics(struct gt_figures *figures, unsigned which, const json_t *summary)
{
    const json_t *metrics = json_object_get(summary, "metrics"), *metric;
    json_int_t runs = json_integer_value(json_object_get(metrics, "runs"));
    size_t i;

    figures->has_metrics[which] = runs > 0 && json_is_array(json_object_get(metrics, "list"));
    figures->runs[which] = figures->has_metrics[which] && runs < 1000 ? (uint32_t)runs : 1;
    json_array_foreach(json_object_get(metrics, "list"), i,
                       metric) if (figures->runs[which] > 1) use_metric(figures, which, metric);
    use_absence(figures, which);
}

/* --- changes --- */

static void compare_values(struct gt_figure_row *row)
{
    for (unsigned i = 0; i < GT_FIGURE_VALUES; i++) {
        struct gt_figure *figure = &row->values[i];

        for (unsigned which = 0; which < GT_SIDES; which++)
            if (!figure->runs[which])
                figure->runs[which] = 1;
        figure->change =
            gt_change_between(&figure->side[GT_BEFORE], figure->runs[GT_BEFORE],
                              &figure->side[GT_AFTER], figure->runs[GT_AFTER], figure->share);
    }
}

/* By group; then by what differs most, and was most. */
static int compare_rows(const void *a, const void *b)
{
    const struct gt_figure_row *left = a, *right = b;
    double by[2] = {fabs(left->values[0].change.by), fabs(right->values[0].change.by)};
    double most[2] = {left->values[0].side[GT_BEFORE].median,
                      right->values[0].side[GT_BEFORE].median};

    if (left->group != right->group)
        return left->group < right->group ? -1 : 1;
    if (left->group == GT_FIGURE_WHOLE)
        return left->name < right->name ? -1 : 1; /* as they were added */
    if (by[0] != by[1])
        return by[0] > by[1] ? -1 : 1;
    if (most[0] != most[1])
        return most[0] > most[1] ? -1 : 1;
    return (left->name > right->name) - (left->name < right->name);
}

/* Rows move: maps of them are made anew. 0 or -1. */
static int sort_rows(struct gt_figures *figures)
{
    size_t count = figures->rows.count;
    struct gt_figure_row *all = reallocarray(NULL, count + 1, sizeof(*all));
    uint32_t *place = calloc(count + 1, sizeof(*place));
    int rc = all && place ? 0 : -1;

    for (size_t i = 0; rc == 0 && i < count; i++)
        all[i] = *gt_figure_at(figures, i);
    if (rc == 0)
        qsort(all, count, sizeof(*all), compare_rows);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        uint64_t key = (uint64_t)all[i].group << 32 | all[i].name;

        place[gt_hashmap_get(&figures->row_of, key)] = (uint32_t)i;
        *gt_figure_at(figures, i) = all[i];
        rc = gt_hashmap_put(&figures->row_of, key, (uint32_t)i);
    }
    for (unsigned which = 0; rc == 0 && which < GT_SIDES; which++)
        for (uint32_t i = 0; i < figures->thread_row[which].capacity; i++) {
            uint32_t *row = &figures->thread_row[which].slots[i].value;

            if (*row != GT_HASHMAP_NONE)
                *row = place[*row];
        }
    free(all);
    free(place);
    return rc;
}

int gt_figures_init(struct gt_figures *figures, const struct gt_side sides[GT_SIDES],
                    struct gt_intern *names, struct gt_error *err)
{
    bool processes = false;
    int rc = 0;

    *figures = (struct gt_figures){.names = names};
    gt_chunks_init(&figures->rows, sizeof(struct gt_figure_row));
    gt_hashmap_init(&figures->row_of);
    for (unsigned i = 0; i < GT_SIDES; i++) {
        gt_hashmap_init(&figures->thread_row[i]);
        processes = processes || json_array_size(json_object_get(sides[i].summary, "gils")) > 1;
    }
    for (unsigned i = 0; rc == 0 && i < GT_SIDES; i++) {
        struct adding adding = {figures, &sides[i], i};

        rc = add_whole(&adding) || add_gils(&adding, processes) || add_functions(&adding);
    }
    for (size_t i = 0; rc == 0 && i < figures->rows.count; i++)
        for (unsigned which = 0; which < GT_SIDES; which++)
            settle(gt_figure_at(figures, i), which);
    for (unsigned i = 0; rc == 0 && i < GT_SIDES; i++)
        use_metrics(figures, i, sides[i].summary);
    for (size_t i = 0; rc == 0 && i < figures->rows.count; i++)
        compare_values(gt_figure_at(figures, i));
    return rc || sort_rows(figures) ? gt_error_memory(err) : 0;
}

void gt_figures_release(struct gt_figures *figures)
{
    gt_chunks_release(&figures->rows);
    gt_hashmap_release(&figures->row_of);
    for (unsigned i = 0; i < GT_SIDES; i++)
        gt_hashmap_release(&figures->thread_row[i]);
}

const struct gt_figure_row *gt_figure_whole(const struct gt_figures *figures, const char *name)
{
    return find_row(figures, GT_FIGURE_WHOLE, name, strlen(name));
}

bool gt_figure_is_bad(const struct gt_figures *figures, const struct gt_figure_row *row,
                      unsigned value)
{
    return value != 1 && (row->group != GT_FIGURE_WHOLE ||
                          strcmp(gt_intern_text(figures->names, row->name), "hold") != 0);
}

char *gt_figure_text(const struct gt_figure *figure, double value, char *text, size_t size)
{
    if (figure->share)
        snprintf(text, size, "%.1f%%", 100 * value);
    else
        gt_duration_text(gt_ns_of(value), text, size);
    return text;
}

enum gt_figure_change gt_figure_judge(const struct gt_figure *figure)
{
    static const enum gt_figure_change changes[] = {
        [GT_CHANGE_UNKNOWN] = GT_FIGURE_UNKNOWN, [GT_CHANGE_SAME] = GT_FIGURE_SAME,
        [GT_CHANGE_NOISE] = GT_FIGURE_NOISE,     [GT_CHANGE_MORE] = GT_FIGURE_MORE,
        [GT_CHANGE_LESS] = GT_FIGURE_LESS,
    };
    const struct gt_spread *before = &figure->side[GT_BEFORE], *after = &figure->side[GT_AFTER];
    char old[32], new[32];

    if ((before->median == 0 && after->median == 0) ||
        (!gt_spread_matters(before, figure->share) && !gt_spread_matters(after, figure->share)))
        return GT_FIGURE_TOO_SMALL;
    gt_figure_text(figure, before->median, old, sizeof(old));
    gt_figure_text(figure, after->median, new, sizeof(new));
    return strcmp(old, new) == 0 ? GT_FIGURE_SAME : changes[figure->change.kind];
}
