/* SPDX-License-Identifier: MIT */
#include "report/report.h"

#include "analysis/gil_times.h"
#include "base/nstime.h"
#include "report/blocks.h"
#include "report/grid.h"
#include "report/labels.h"
#include "report/shown.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/*
 * The table for people. Its first five columns are those of the tool that giltracer replaces,
 * so that scripts which read them go on working.
 */

#define RED   "\033[31m"
#define GREEN "\033[32m"
#define PLAIN "\033[0m"

/* What a table shows. */
struct table {
    const struct gt_report *report;
    const struct gt_print_options *how;
    bool grouped;   /* not all threads are shown, and those of one kind have one row */
    bool unknown;   /* events were lost; the other shares are of what is known */
    bool states;    /* scheduling was recorded */
    bool contended; /* threads waited for a GIL */
    bool locks;     /* threads waited for locks longer than for GILs */
};

/* A row, and the GIL that it is of. */
struct row {
    const struct table *table;
    uint32_t gil;
    const struct gt_shown *shown;
    const struct gt_shown_row *of;
};

enum { COLUMNS = 15 };

static void choose_columns(const struct table *table, struct gt_grid_column columns[COLUMNS])
{
    bool states = table->states;
    const struct gt_grid_column chosen[COLUMNS] = {
        {"TID", GT_GRID_LEFT | GT_GRID_NAME | GT_GRID_OPEN}, /* or whose threads follow */
        {"total(µs)", 0},
        {"no gil%\xe2\x9c\x85", 0},
        {"has gil%\xe2\x9d\x97", 0},
        {"gil wait%\xe2\x9d\x8c", 0},
        {table->contended ? "while wanted%" : NULL, GT_GRID_SPARE},
        {table->grouped ? "each one's" : NULL, 0},
        {table->locks ? "lock wait%" : NULL, 0},
        {"longest wait", 0},
        {"blocked by", GT_GRID_LEFT | GT_GRID_NAME},
        {states ? "running%" : NULL, 0},
        {states ? "runnable%" : NULL, 0},
        {states ? "sleeping%" : NULL, 0},
        {table->unknown ? "unknown%" : NULL, 0},
        {"thread", GT_GRID_LEFT | GT_GRID_NAME},
    };

    memcpy(columns, chosen, sizeof(chosen));
}

static int add_dashes(struct gt_grid *grid, int count)
{
    while (count-- > 0)
        if (gt_grid_add(grid, "-"))
            return -1;
    return 0;
}

static int add_percent(struct gt_grid *grid, int64_t part_ns, int64_t whole_ns)
{
    return gt_grid_add(grid, "%.1f", gt_percent(part_ns, whole_ns));
}

static int name_holder(const struct row *row, uint32_t holder, struct gt_buf *text)
{
    const struct gt_report *report = row->table->report;
    const struct gt_gil *gil = gt_gil_at(report->timeline, row->gil);

    return gt_report_label(report, gt_gil_thread_at(gil, holder)->thread, text);
}

static int name_kind(const struct row *row, uint32_t index, struct gt_buf *text)
{
    const struct gt_thread_kinds *kinds = &row->shown->kinds;
    const struct gt_thread_kind *kind = &kinds->list[index];
    const char *name = gt_thread_kind_name(kinds, index);

    return kind->count == 1 ? name_holder(row, kinds->members[kind->first], text)
                            : gt_buf_add_visible(text, name, strlen(name));
}

static int name_blamed(const struct row *row, uint32_t holder, struct gt_buf *text)
{
    if (holder == GT_NO_INDEX)
        return gt_buf_adds(text, "(nobody)");
    if (holder == GT_OTHERS)
        return gt_buf_adds(text, "(others)");
    return row->shown->grouped ? name_kind(row, holder, text) : name_holder(row, holder, text);
}

/* Whom it waited for longest, a kind where threads are grouped, and how long: of thousands of
 * threads, `*least` so long. False: for nobody. 0 or -1. */
static int find_blamed(const struct row *row, uint32_t *holder, int64_t *ns, bool *least)
{
    const struct gt_contention *contention =
        &row->table->report->analysis->contentions[row->gil];
    struct gt_chunks blames;
    int rc;

    *ns = 0;
    *least = false;
    if (!row->shown->grouped) {
        size_t count, first = gt_contention_of(contention, *row->of->members, &count);

        if (count) {
            *ns = gt_blame_at(contention, first)->ns;
            *holder = gt_blame_at(contention, first)->holder;
        }
        return 0;
    }
    gt_chunks_init(&blames, sizeof(struct gt_kind_blame));
    rc = gt_thread_kinds_blame(&row->shown->kinds, contention, row->of->members, row->of->count,
                               &blames);
    for (size_t i = blames.count; i-- > 0;) {
        const struct gt_kind_blame *blame = gt_chunks_at(&blames, i);

        *ns = blame->ns;
        *holder = blame->kind;
        *least |= blame->kind == GT_OTHERS;
    }
    gt_chunks_release(&blames);
    return rc;
}

/* "thread 2 (71%)". */
static int add_blame(const struct row *row, struct gt_grid *grid)
{
    uint32_t holder = GT_NO_INDEX;
    struct gt_buf name;
    bool least;
    int64_t ns;
    int rc;

    if (find_blamed(row, &holder, &ns, &least))
        return -1;
    if (ns == 0)
        return add_dashes(grid, 1);
    gt_buf_init(&name);
    rc = name_blamed(row, holder, &name);
    if (rc == 0)
        rc = gt_buf_addf(&name, " (%s%.0f%%)", least ? "≥" : "",
                         gt_percent(ns, row->of->sums.wait_ns));
    if (rc == 0)
        rc = gt_grid_add_buf(grid, &name);
    gt_buf_release(&name);
    return rc;
}

/* Sums over threads. */
struct states {
    int64_t whole_ns, running_ns, ready_ns, asleep_ns;
};

/* Running, ready without a CPU, and everything else that is off the CPU. */
static void sum_states(struct states *states, const struct gt_report *report, uint32_t thread)
{
    const struct gt_sched *sched = gt_sched_of(report->timeline, thread);
    const struct gt_thread *lives = gt_thread_at(report->timeline, thread);

    if (!sched)
        return;
    /* States are of the thread's whole life, which may span several programs. */
    states->whole_ns = gt_add_ns(states->whole_ns, lives->end_ns - lives->start_ns);
    states->running_ns = gt_add_ns(states->running_ns, sched->state_ns[GT_SCHED_RUNNING]);
    states->ready_ns = gt_add_ns(states->ready_ns, sched->state_ns[GT_SCHED_PREEMPTED] +
                                                       sched->state_ns[GT_SCHED_WOKEN]);
    for (int i = GT_SCHED_SLEEPING; i < GT_SCHED_STATES; i++)
        states->asleep_ns = gt_add_ns(states->asleep_ns, sched->state_ns[i]);
}

static int add_states(const struct states *states, struct gt_grid *grid)
{
    if (states->whole_ns <= 0)
        return add_dashes(grid, 3);
    return add_percent(grid, states->running_ns, states->whole_ns) ||
                   add_percent(grid, states->ready_ns, states->whole_ns) ||
                   add_percent(grid, states->asleep_ns, states->whole_ns)
               ? -1
               : 0;
}

static int add_row_states(const struct row *row, struct gt_grid *grid)
{
    const struct gt_report *report = row->table->report;
    const struct gt_gil *gil = gt_gil_at(report->timeline, row->gil);
    struct states states = {0};

    for (size_t i = 0; i < row->of->count; i++)
        sum_states(&states, report, gt_gil_thread_at(gil, row->of->members[i])->thread);
    return add_states(&states, grid);
}

static int add_first(const struct gt_thread *thread, int64_t lifetime_ns, struct gt_grid *grid)
{
    return gt_grid_add(grid, "%d%s", thread->tid, thread->flags & GT_THREAD_MAIN ? "*" : "") ||
                   gt_grid_add(grid, "%.1f", (double)lifetime_ns / GT_NS_PER_US)
               ? -1
               : 0;
}

static int add_wait(double wait, const struct table *table, struct gt_grid *grid)
{
    static const char *const tints[] = {
        [GT_WAIT_LITTLE] = GREEN, [GT_WAIT_SOME] = "", [GT_WAIT_MUCH] = RED};
    const char *tint = table->how->color ? tints[gt_wait_level(wait)] : "";

    return gt_grid_add(grid, "%s%.1f%s", tint, wait, *tint ? PLAIN : "");
}

static int add_longest(int64_t longest_ns, struct gt_grid *grid)
{
    char duration[32];

    return gt_grid_add(grid, "%s",
                       longest_ns ? gt_duration_text(longest_ns, duration, sizeof(duration))
                                  : "-");
}

/* A thread's name, which ends the row. */
static int add_label(const struct gt_report *report, uint32_t thread, struct gt_grid *grid)
{
    struct gt_buf label;
    int rc;

    gt_buf_init(&label);
    rc = gt_report_label(report, thread, &label);
    if (rc == 0)
        rc = gt_grid_add_buf(grid, &label);
    gt_buf_release(&label);
    return rc;
}

/* What the source does not tell is not shown: of futex calls, holds that nobody waited for; of
 * functions without returns, which part of a hold was a wait. */
static int add_held(const struct gt_gil *gil, const struct gt_gil_thread *member,
                    int64_t free_ns, struct gt_grid *grid)
{
    int64_t known_ns = member->lifetime_ns - member->unknown_ns;

    if (gil->source == GT_GIL_FROM_FUTEX || known_ns <= 0)
        return add_dashes(grid, 2);
    if (add_percent(grid, free_ns, known_ns))
        return -1;
    return gt_gil_lacks_returns(gil) ? add_dashes(grid, 1)
                                     : add_percent(grid, member->hold_ns, known_ns);
}

/* Its tid, or how many they are, and how long they lived together. */
static int add_who(const struct row *row, struct gt_grid *grid)
{
    const struct gt_timeline *timeline = row->table->report->timeline;
    int64_t lifetime_ns = row->of->sums.lifetime_ns;

    if (row->of->kind == GT_NO_INDEX)
        return add_first(gt_thread_at(timeline, row->of->sums.thread), lifetime_ns, grid);
    return gt_grid_add(grid, "(%zu)", row->of->count) ||
                   gt_grid_add(grid, "%.1f", (double)lifetime_ns / GT_NS_PER_US)
               ? -1
               : 0;
}

/* What ends the row: the thread's name, or that of its kind. */
static int add_name(const struct row *row, struct gt_grid *grid)
{
    struct gt_buf name;
    int rc;

    if (row->of->kind == GT_NO_INDEX)
        return add_label(row->table->report, row->of->sums.thread, grid);
    gt_buf_init(&name);
    rc = name_kind(row, row->of->kind, &name);
    if (rc == 0)
        rc = gt_grid_add_buf(grid, &name);
    gt_buf_release(&name);
    return rc;
}

/* … and of the time in which anybody wanted the GIL. */
static int add_contended(const struct row *row, struct gt_grid *grid)
{
    const struct gt_contended *contended = &row->table->report->analysis->contended[row->gil];
    int64_t contended_ns = 0;

    for (size_t i = 0; i < row->of->count; i++)
        contended_ns =
            gt_add_ns(contended_ns, gt_contended_of(contended, row->of->members[i]).ns);
    return contended_ns > 0 ? add_percent(grid, row->of->sums.wait_ns, contended_ns)
                            : add_dashes(grid, 1);
}

/* Which part of its life it waited; of several threads, all together, and the least and the
 * greatest of them. */
static int add_waits(const struct row *row, struct gt_grid *grid)
{
    const struct gt_gil *gil = gt_gil_at(row->table->report->timeline, row->gil);
    const struct gt_gil_thread *sums = &row->of->sums;
    int64_t known_ns = sums->lifetime_ns - sums->unknown_ns;
    bool no_waits = (gt_gil_lacks_returns(gil) && !sums->wait_ns) || /* that were seen */
                    (sums->unknown_ns && known_ns <= 0);
    struct gt_kind_spread spread;

    if (no_waits)
        return add_dashes(grid, 3);
    if (add_wait(gt_percent(sums->wait_ns, known_ns), row->table, grid) ||
        add_contended(row, grid))
        return -1;
    if (row->of->kind == GT_NO_INDEX)
        return add_dashes(grid, 1);
    spread = gt_thread_kind_spread(&row->shown->kinds, gil, row->of->kind);
    return gt_grid_add(grid, "%.1f to %.1f", spread.least, spread.greatest);
}

static int add_lock_waits(const struct row *row, struct gt_grid *grid)
{
    const struct gt_timeline *timeline = row->table->report->timeline;
    const struct gt_gil *gil = gt_gil_at(timeline, row->gil);
    int64_t wait_ns = 0;

    for (size_t i = 0; i < row->of->count; i++)
        wait_ns = gt_add_ns(
            wait_ns,
            gt_lock_wait_of(timeline, gt_gil_thread_at(gil, row->of->members[i])->thread));
    return add_percent(grid, wait_ns, row->of->sums.lifetime_ns - row->of->sums.unknown_ns);
}

static int add_row(const struct row *row, struct gt_grid *grid)
{
    const struct table *table = row->table;
    const struct gt_gil *gil = gt_gil_at(table->report->timeline, row->gil);
    const struct gt_gil_thread *sums = &row->of->sums;
    int64_t whole_ns = sums->lifetime_ns;
    int64_t free_ns = whole_ns - sums->hold_ns - sums->wait_ns - sums->unknown_ns;

    if (add_who(row, grid) || add_held(gil, sums, free_ns, grid) || add_waits(row, grid) ||
        add_lock_waits(row, grid) || add_longest(sums->longest_wait_ns, grid) ||
        add_blame(row, grid) ||
        (table->states ? add_row_states(row, grid) : add_dashes(grid, 3)) ||
        add_percent(grid, sums->unknown_ns, whole_ns))
        return -1;
    return add_name(row, grid);
}

/* "python3 (pid 12), GIL 0:", above its threads. */
static int add_gil_name(const struct gt_report *report, uint32_t gil, struct gt_grid *grid)
{
    struct gt_buf name;
    int rc;

    gt_buf_init(&name);
    rc = gt_report_gil(report, gil, &name) || gt_buf_adds(&name, ":") ||
         gt_grid_add_buf(grid, &name);
    for (int i = 1; rc == 0 && i < COLUMNS; i++)
        rc = gt_grid_add(grid, "%s", "");
    gt_buf_release(&name);
    return rc ? -1 : 0;
}

/* What has no row. */
struct left {
    size_t threads;
    int64_t wait_ns;
};

static int add_gil(const struct table *table, uint32_t index, size_t most, struct gt_grid *grid,
                   struct left *left)
{
    const struct gt_report *report = table->report;
    struct gt_shown shown;
    struct row row = {table, index, &shown, NULL};
    int rc = gt_shown_init(&shown, report, index, most);

    if (rc == 0 && report->timeline->gils.count > 1)
        rc = add_gil_name(report, index, grid);
    for (size_t i = 0; rc == 0 && i < shown.count; i++) {
        row.of = &shown.rows[i];
        rc = add_row(&row, grid);
    }
    left->threads += shown.left;
    left->wait_ns = gt_add_ns(left->wait_ns, shown.left_wait_ns);
    gt_shown_release(&shown);
    return rc;
}

/* How many GILs' threads have rows: those that were waited for, if they are few, and one at
 * least. */
static size_t count_told(const struct gt_report *report, const uint32_t *gils)
{
    enum { OF_MANY = 2 };
    size_t told = gt_shown_waited_for(report->timeline, gils);

    if (told > GT_SHOWN_GILS)
        return OF_MANY;
    return told ? told : 1;
}

/* Those that matter, the worst first. */
static int add_chosen(const struct table *table, const uint32_t *gils, struct gt_grid *grid,
                      struct left *left)
{
    const struct gt_timeline *timeline = table->report->timeline;
    size_t told = count_told(table->report, gils);

    for (size_t i = 0; i < told; i++)
        if (add_gil(table, gils[i], GT_SHOWN_ROWS / told, grid, left))
            return -1;
    for (size_t i = told; i < timeline->gils.count; i++) {
        const struct gt_gil *gil = gt_gil_at(timeline, gils[i]);

        left->threads += gil->members.count;
        left->wait_ns = gt_add_ns(left->wait_ns, gt_gil_wait_ns(gil));
    }
    return 0;
}

static int add_all(const struct table *table, struct gt_grid *grid)
{
    struct left none = {0};

    for (uint32_t i = 0; i < table->report->timeline->gils.count; i++)
        if (add_gil(table, i, SIZE_MAX, grid, &none))
            return -1;
    return 0;
}

static int put_left(const struct left *left, struct gt_buf *text)
{
    char duration[32];

    if (!left->threads)
        return 0;
    return gt_buf_addf(text, "… and %zu more thread%s, waiting %s in all (--all-threads)\n",
                       left->threads, left->threads == 1 ? "" : "s",
                       gt_duration_text(left->wait_ns, duration, sizeof(duration)));
}

static int put_threads(const struct table *table, struct gt_buf *text)
{
    uint32_t *gils = gt_shown_gils(table->report->timeline);
    struct gt_grid_column columns[COLUMNS];
    struct left left = {0};
    struct gt_grid grid;
    int rc = gils ? gt_buf_adds(text, "Summary of threads:\n\n") : -1;

    choose_columns(table, columns);
    gt_grid_init(&grid, columns, COLUMNS);
    if (rc == 0)
        rc = table->grouped ? add_chosen(table, gils, &grid, &left) : add_all(table, &grid);
    if (rc == 0)
        rc = gt_grid_print(&grid, table->how, text);
    gt_grid_release(&grid);
    free(gils);
    if (rc == 0)
        rc = put_left(&left, text);
    return rc ? rc : gt_buf_adds(text, "\n");
}

/* Without GIL events: what the states tell, one row per thread. */
static int add_state_row(const struct table *table, uint32_t index, struct gt_grid *grid)
{
    const struct gt_timeline *timeline = table->report->timeline;
    const struct gt_thread *thread = gt_thread_at(timeline, index);
    const struct gt_sched *sched = gt_sched_of(timeline, index);
    int64_t whole_ns = thread->end_ns - thread->start_ns;
    int64_t wait_ns =
        sched->state_ns[GT_SCHED_SLEEPING_GIL] + sched->state_ns[GT_SCHED_OFF_CPU_GIL];
    struct states states = {0};

    sum_states(&states, table->report, index);
    if (add_first(thread, whole_ns, grid) || add_dashes(grid, 2) ||
        (timeline->saw_stacks || timeline->saw_futex
             ? add_wait(gt_percent(wait_ns, whole_ns), table, grid)
             : add_dashes(grid, 1)) ||
        add_dashes(grid, 2) || add_percent(grid, gt_lock_wait_of(timeline, index), whole_ns) ||
        add_dashes(grid, 2) || add_states(&states, grid) || add_dashes(grid, 1))
        return -1;
    return add_label(table->report, index, grid);
}

static int put_state_block(const struct table *table, struct gt_buf *text)
{
    const struct gt_timeline *timeline = table->report->timeline;
    struct gt_grid_column columns[COLUMNS];
    struct gt_grid grid;
    size_t most = table->report->options.all_threads ? SIZE_MAX : GT_SHOWN_ROWS, rows = 0;
    int rc = gt_buf_adds(text, "Summary of threads:\n\n");

    choose_columns(table, columns);
    gt_grid_init(&grid, columns, COLUMNS);
    for (uint32_t i = 0; rc == 0 && i < timeline->scheds.count; i++)
        if (gt_sched_at(timeline, i)->spans.count && rows++ < most)
            rc = add_state_row(table, i, &grid);
    if (rc == 0)
        rc = gt_grid_print(&grid, table->how, text);
    gt_grid_release(&grid);
    if (rc == 0)
        rc = gt_shown_put_left(rows, most, text);
    return rc ? rc : gt_buf_adds(text, "\n");
}

static bool is_contended(const struct gt_report *report)
{
    for (size_t i = 0; i < report->analysis->gil_count; i++)
        if (report->analysis->contended[i].ns)
            return true;
    return false;
}

static bool is_any_unknown(const struct gt_timeline *timeline)
{
    for (uint32_t i = 0; i < timeline->gils.count; i++)
        if (gt_gil_at(timeline, i)->unknown_ns > 0)
            return true;
    return timeline->lost.count > 0;
}

/* --- all of it --- */

/* Is there nothing in the tables that somebody would look for? */
static bool is_uneventful(const struct table *table)
{
    const struct gt_verdicts *verdicts = &table->report->analysis->verdicts;

    if (table->report->analysis->parallel.verdict != GT_PARALLEL_NONE)
        return false;
    if (table->states || table->unknown || table->locks ||
        table->report->timeline->counters.count || table->report->timeline->gils.count == 0)
        return false;
    for (size_t i = 0; i < verdicts->count; i++)
        if (verdicts->list[i].bound != GT_BOUND_NOT ||
            table->report->analysis->worsts[verdicts->list[i].gil].told)
            return false;
    return verdicts->count > 0 || verdicts->no_waits == GT_NO_WAITS_AT_ALL;
}

static int put_tables(const struct table *table, struct gt_buf *text)
{
    bool without = table->report->analysis->parallel.verdict != GT_PARALLEL_NONE;
    size_t count = table->report->timeline->gils.count;

    if (count > 1 && gt_processes_print(table->report, table->how, text))
        return -1;
    if (gt_any_gil(table->report->timeline) && put_threads(table, text))
        return -1;
    if (without ? gt_without_gil_print(table->report, table->how, text)
                : count == 0 && table->states && put_state_block(table, text))
        return -1;
    return gt_blocker_text_print(table->report, table->how, text) ||
                   gt_locks_print(table->report, table->how, text) ||
                   gt_stops_print(table->report, table->how, text) ||
                   gt_whatif_print(table->report, table->how, text) ||
                   gt_counters_print(table->report, table->how, text)
               ? -1
               : 0;
}

int gt_report_print(const struct gt_report *report, const struct gt_print_options *how,
                    struct gt_buf *text)
{
    const struct table table = {
        .report = report,
        .how = how,
        .grouped = !gt_shown_all(report),
        .unknown = is_any_unknown(report->timeline),
        .states = gt_report_shows_states(report),
        .contended = is_contended(report),
        .locks = report->analysis->locks.matter,
    };

    if (how->brief && is_uneventful(&table))
        return gt_sentences_print(&report->essential, how, text) ||
                       gt_buf_adds(text, "--verbose prints the table of threads.\n")
                   ? -1
                   : 0;
    if (gt_sentences_print(&report->findings, how, text) || gt_buf_adds(text, "\n"))
        return -1;
    return put_tables(&table, text);
}
