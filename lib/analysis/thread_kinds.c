/* SPDX-License-Identifier: MIT */
#include "analysis/thread_kinds.h"

#include "base/nstime.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_SIZE = 64 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

size_t gt_thread_kind_of_name(char *name, size_t length)
{
    size_t end = length, start;
    char *bracket = length && name[length - 1] == ')' ? strchr(name, '(') : NULL;

    if (bracket && bracket > name && bracket[-1] == ' ')
        end = (size_t)(bracket - name);
    while (end && !is_digit(name[end - 1]))
        end--;
    for (start = end; start && is_digit(name[start - 1]);)
        start--;
    if (start == end)
        return length;
    name[start] = '*';
    memmove(name + start + 1, name + end, length - end + 1);
    return length - (end - start) + 1;
}

size_t gt_thread_group_name(const struct gt_timeline *timeline, uint32_t thread, char *text,
                            size_t size)
{
    if (gt_thread_at(timeline, thread)->flags & GT_THREAD_MAIN)
        return (size_t)snprintf(text, size, "main");
    return gt_thread_kind_of_name(text, gt_timeline_thread_label(timeline, thread, text, size));
}

/* UINT32_MAX: no memory. */
static uint32_t kind_of_thread(struct gt_intern *names, const struct gt_timeline *timeline,
                               uint32_t thread)
{
    char name[NAME_SIZE + 1];
    size_t length;

    if (gt_thread_at(timeline, thread)->flags & GT_THREAD_MAIN) {
        length = gt_timeline_thread_label(timeline, thread, name + 1, NAME_SIZE);
        name[0] = '\0'; /* no other thread's name begins so */
        return gt_intern_add(names, name, length + 1);
    }
    length = gt_thread_group_name(timeline, thread, name, NAME_SIZE);
    return gt_intern_add(names, name, length);
}

static void add_member(struct gt_thread_kind *kind, const struct gt_gil_thread *member)
{
    kind->count++;
    kind->holds += member->holds;
    kind->waits += member->waits;
    kind->hold_ns = gt_add_ns(kind->hold_ns, member->hold_ns);
    kind->wait_ns = gt_add_ns(kind->wait_ns, member->wait_ns);
    kind->unknown_ns = gt_add_ns(kind->unknown_ns, member->unknown_ns);
    kind->lifetime_ns = gt_add_ns(kind->lifetime_ns, member->lifetime_ns);
    if (kind->longest_wait_ns < member->longest_wait_ns)
        kind->longest_wait_ns = member->longest_wait_ns;
    if (kind->longest_hold_ns < member->longest_hold_ns)
        kind->longest_hold_ns = member->longest_hold_ns;
}

static void sort_members(struct gt_thread_kinds *kinds, size_t members)
{
    uint32_t first = 0;

    for (size_t i = 0; i < kinds->count; i++) {
        kinds->list[i].first = first;
        first += kinds->list[i].count;
        kinds->touched[i] = kinds->list[i].first;
    }
    for (uint32_t i = 0; i < members; i++)
        kinds->members[kinds->touched[kinds->kind_of[i]]++] = i;
}

int gt_thread_kinds_init(struct gt_thread_kinds *kinds, const struct gt_timeline *timeline,
                         const struct gt_gil *gil, struct gt_error *err)
{
    size_t members = gil->members.count;
    size_t most = members + 3; /* the kind that nobody has, others, nobody */

    *kinds = (struct gt_thread_kinds){0};
    gt_intern_init(&kinds->names);
    kinds->list = calloc(most, sizeof(*kinds->list));
    kinds->kind_of = calloc(most, sizeof(*kinds->kind_of));
    kinds->members = calloc(most, sizeof(*kinds->members));
    kinds->sums = calloc(most, sizeof(*kinds->sums));
    kinds->touched = calloc(most, sizeof(*kinds->touched));
    kinds->shares = calloc(most, sizeof(*kinds->shares));
    if (!kinds->list || !kinds->kind_of || !kinds->members || !kinds->sums || !kinds->touched ||
        !kinds->shares)
        return gt_error_memory(err);
    for (uint32_t i = 0; i < members; i++) {
        const struct gt_gil_thread *member = gt_gil_thread_at(gil, i);
        uint32_t kind = kind_of_thread(&kinds->names, timeline, member->thread);

        if (kind == UINT32_MAX)
            return gt_error_memory(err);
        kinds->kind_of[i] = kind;
        add_member(&kinds->list[kind], member);
    }
    kinds->count = members ? gt_intern_count(&kinds->names) : 0;
    sort_members(kinds, members);
    return 0;
}

void gt_thread_kinds_release(struct gt_thread_kinds *kinds)
{
    gt_intern_release(&kinds->names);
    free(kinds->list);
    free(kinds->kind_of);
    free(kinds->members);
    free(kinds->sums);
    free(kinds->touched);
    free(kinds->shares);
    *kinds = (struct gt_thread_kinds){0};
}

static int by_share(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return a < b ? -1 : a > b;
}

struct gt_kind_spread gt_thread_kind_spread(const struct gt_thread_kinds *kinds,
                                            const struct gt_gil *gil, uint32_t kind)
{
    const struct gt_thread_kind *of = &kinds->list[kind];
    size_t count = 0;

    for (uint32_t i = 0; i < of->count; i++) {
        const struct gt_gil_thread *member =
            gt_gil_thread_at(gil, kinds->members[of->first + i]);
        int64_t known_ns = member->lifetime_ns - member->unknown_ns;

        if (known_ns > 0)
            kinds->shares[count++] = gt_percent(member->wait_ns, known_ns);
    }
    if (!count)
        return (struct gt_kind_spread){0};
    qsort(kinds->shares, count, sizeof(*kinds->shares), by_share);
    return (struct gt_kind_spread){kinds->shares[0], kinds->shares[count / 2],
                                   kinds->shares[count - 1]};
}

static int by_blame(const void *left, const void *right)
{
    const struct gt_kind_blame *a = left, *b = right;
    bool a_kind = a->kind < GT_OTHERS, b_kind = b->kind < GT_OTHERS;

    if (a_kind && b_kind && a->ns != b->ns)
        return a->ns > b->ns ? -1 : 1;
    return a->kind < b->kind ? -1 : a->kind > b->kind;
}

/* Adds up in kinds->sums; returns how many of kinds->touched say where. */
static size_t add_blames(const struct gt_thread_kinds *kinds,
                         const struct gt_contention *contention, const uint32_t *members,
                         size_t count)
{
    size_t touched = 0;

    for (size_t i = 0; i < count; i++) {
        size_t blames, first = gt_contention_of(contention, members[i], &blames);

        for (size_t k = first; k < first + blames; k++) {
            const struct gt_blame *blame = gt_blame_at(contention, k);
            uint32_t at = blame->holder == GT_NO_INDEX ? (uint32_t)kinds->count + 1
                          : blame->holder == GT_OTHERS ? (uint32_t)kinds->count
                                                       : kinds->kind_of[blame->holder];

            if (blame->ns <= 0)
                continue;
            if (!kinds->sums[at])
                kinds->touched[touched++] = at;
            kinds->sums[at] = gt_add_ns(kinds->sums[at], blame->ns);
        }
    }
    return touched;
}

int gt_thread_kinds_blame(const struct gt_thread_kinds *kinds,
                          const struct gt_contention *contention, const uint32_t *members,
                          size_t count, struct gt_chunks *blames)
{
    size_t touched = add_blames(kinds, contention, members, count);
    struct gt_kind_blame *sorted = calloc(touched + 1, sizeof(*sorted));
    int rc = sorted ? 0 : -1;

    for (size_t i = 0; i < touched; i++) {
        uint32_t at = kinds->touched[i];

        if (sorted)
            sorted[i] = (struct gt_kind_blame){at == kinds->count       ? GT_OTHERS
                                               : at == kinds->count + 1 ? GT_NO_INDEX
                                                                        : at,
                                               kinds->sums[at]};
        kinds->sums[at] = 0;
    }
    if (sorted)
        qsort(sorted, touched, sizeof(*sorted), by_blame);
    for (size_t i = 0; rc == 0 && i < touched; i++) {
        struct gt_kind_blame *blame = gt_chunks_push(blames);

        if (blame)
            *blame = sorted[i];
        rc = blame ? 0 : -1;
    }
    free(sorted);
    return rc;
}
