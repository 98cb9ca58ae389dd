#include "analysis/bonds.h"

#include "analysis/cpu.h"
#include "analysis/walk.h"
#include "base/hashmap.h"
#include "base/nstime.h"

#include <stdlib.h>
#include <string.h>

/*
 * Programs that live by the clock: they work until a time, or sleep for what is left of a
 * period. Nothing that is recorded says so, but that they must look at a clock.
 *
 * A loop is a call that looked several times, and worked between. Whether it ends when it has
 * done its work, or when its time is up, is not known: a replay tries both. Who looked twice
 * for each piece of work, just before it and just after, measured how long it took; until a
 * time he would have looked once more.
 *
 * A sleep that began just after its thread looked at a clock may make up for what was late.
 * That it does is known where the ends of sleeps lie on a grid and their lengths vary; else
 * both is tried, too.
 */

enum {
    LEAST_LOOKS = 4,
    LEAST_SLEEPS = 3, /* of one call, to be looked at by themselves */
    LEAST_ENDS = 5,   /* on a grid */
    LOOP_PERCENT = 2, /* of the run: shorter loops do not matter */
};

#define WORK_NS    ((int64_t)1000000) /* between two looks */
#define WRAPPER_NS ((int64_t)200000)  /* a function that does little more than look */
#define JUST_NS    ((int64_t)6000000) /* from a look to the sleep whose length it says */
#define GRID_NS    ((int64_t)600000)  /* that a sleep ends late */

enum role { NOTHING, LOOKS, SLEEPS, WAITS };

/* Looks in one call, or of a coroutine: in all pieces of it. */
struct loop {
    int64_t first_ns, last_ns;
    uint32_t looks, works; /* works: stretches of work between looks */
    uint32_t thread, call; /* as of a sleep */
    bool explained;        /* by its sleeps, which are known to be until a time */
};

struct sleep {
    int64_t start_ns, end_ns;
    uint32_t thread, process, function; /* that sleeps: a Python function */
    uint32_t call;                      /* of it; or as of a loop */
    bool of_clib;                       /* time.sleep */
};

struct clocks {
    struct gt_bonds *bonds;
    const struct gt_timeline *timeline;
    uint8_t *roles;          /* by function: enum role */
    bool *is_library;        /* by function: its looks and sleeps are not the program's */
    uint32_t loop_time;      /* asyncio's clock; GT_NO_INDEX */
    struct gt_chunks looked; /* of struct loop: calls of the thread at hand that looked */
    struct gt_chunks loops;  /* of struct loop, of all */
    struct gt_chunks sleeps; /* of struct sleep, of all */
    struct gt_hashmap loop_of;
    /* The thread at hand. */
    uint32_t thread;
    struct gt_call_walk walk;
    int64_t looked_ns; /* last; INT64_MIN: not since it slept */
};

/* --- functions --- */

static bool is_one_of(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

#define IS_ONE_OF(name, names) is_one_of(name, names, sizeof(names) / sizeof(names[0]))

static enum role role_of(const char *name, const char *file, bool of_c)
{
    static const char *const clocks[] = {"time",          "time_ns",          "monotonic",
                                         "monotonic_ns",  "perf_counter",     "perf_counter_ns",
                                         "clock_gettime", "clock_gettime_ns", "clock"};
    static const char *const dates[] = {"datetime.now", "datetime.utcnow", "datetime.today"};
    static const char *const waits[] = {"Event.wait", "Condition.wait"};

    if (!of_c)
        return IS_ONE_OF(name, waits) ? WAITS : NOTHING;
    if (strcmp(file, "time") == 0 && strcmp(name, "sleep") == 0)
        return SLEEPS;
    if ((strcmp(file, "time") == 0 && IS_ONE_OF(name, clocks)) ||
        (strncmp(file, "datetime", 8) == 0 && IS_ONE_OF(name, dates)))
        return LOOKS;
    return NOTHING;
}

/* The standard library's own looks are for timeouts and for logs; sched's are not. */
static bool is_library(const char *file)
{
    const char *slash = strrchr(file, '/');
    const char *lib = strstr(file, "/lib/python");

    if (strncmp(file, "<frozen", 7) == 0 || strstr(file, "/tqdm/"))
        return true;
    return (lib || strstr(file, "/lib64/python")) && !strstr(file, "/site-packages/") &&
           !strstr(file, "/dist-packages/") && !(slash && strcmp(slash, "/sched.py") == 0);
}

static void find_functions(struct clocks *clocks)
{
    const struct gt_timeline *timeline = clocks->timeline;

    clocks->loop_time = GT_NO_INDEX;
    for (uint32_t i = 0; i < timeline->functions.count; i++) {
        const struct gt_called *called = gt_called_of(timeline, i);
        const char *name = gt_intern_text(&timeline->names, called->name);
        const char *file = gt_intern_text(&timeline->names, called->file);
        bool of_c = called->flags & GT_FUNCTION_C;

        clocks->roles[i] = (uint8_t)role_of(name, file, of_c);
        clocks->is_library[i] = !of_c && is_library(file);
        if (!of_c && strcmp(name, "BaseEventLoop.time") == 0)
            clocks->loop_time = i;
    }
}

/* --- one thread's looks and sleeps --- */

static const struct gt_call_span *open_at(const struct clocks *clocks, uint32_t level)
{
    return gt_call_walk_span(&clocks->walk, clocks->walk.open[level - 1]);
}

/*
 * The function whose doing a look or sleep is: a level, 0: nobody's of the program. Not one
 * that does nothing else, but who called that.
 */
static uint32_t who(const struct clocks *clocks)
{
    uint32_t level = gt_call_walk_python(&clocks->walk, clocks->walk.depth);
    const struct gt_call_span *span = level ? open_at(clocks, level) : NULL;
    bool asks_loop = span && span->function == clocks->loop_time;

    if (!span || (clocks->is_library[span->function] && !asks_loop))
        return 0;
    if (asks_loop || (span->end_ns - span->start_ns < WRAPPER_NS && level > 1)) {
        uint32_t outer = gt_call_walk_python(&clocks->walk, level - 1);

        if (outer && !clocks->is_library[open_at(clocks, outer)->function])
            return outer;
    }
    return asks_loop ? 0 : level;
}

/* Pieces of a coroutine are one. */
static uint32_t key_of(const struct clocks *clocks, uint32_t level)
{
    const struct gt_call_span *span = open_at(clocks, level);

    return span->flags & (GT_CALL_SPAN_RESUMED | GT_CALL_SPAN_YIELDED)
               ? span->function | UINT32_C(1) << 31
               : clocks->walk.open[level - 1];
}

static int note_look(struct clocks *clocks, uint32_t level, int64_t time_ns)
{
    uint32_t key = key_of(clocks, level);
    uint32_t index = gt_hashmap_get(&clocks->loop_of, key);
    struct loop *loop;

    clocks->looked_ns = time_ns;
    if (index == GT_HASHMAP_NONE) {
        index = (uint32_t)clocks->looked.count;
        loop = gt_chunks_push(&clocks->looked);
        if (!loop || gt_hashmap_put(&clocks->loop_of, key, index))
            return -1;
        *loop = (struct loop){
            .first_ns = time_ns, .last_ns = time_ns, .thread = clocks->thread, .call = key};
    }
    loop = gt_chunks_at(&clocks->looked, index);
    loop->looks++;
    loop->works += time_ns - loop->last_ns >= WORK_NS;
    loop->last_ns = time_ns;
    return 0;
}

static int note_sleep(struct clocks *clocks, uint32_t level, const struct gt_call_span *span)
{
    int64_t looked_ns = clocks->looked_ns;
    int64_t over_ns;
    struct sleep *sleep;

    clocks->looked_ns = INT64_MIN;
    if (looked_ns == INT64_MIN || span->start_ns - looked_ns > JUST_NS)
        return 0;
    over_ns = gt_bonds_over_ns(clocks->timeline, clocks->thread, span);
    sleep = gt_chunks_push(&clocks->sleeps);
    if (!sleep)
        return -1;
    *sleep = (struct sleep){.start_ns = span->start_ns,
                            .end_ns = over_ns > span->start_ns ? over_ns : span->end_ns,
                            .thread = clocks->thread,
                            .process = gt_thread_at(clocks->timeline, clocks->thread)->process,
                            .function = open_at(clocks, level)->function,
                            .call = key_of(clocks, level),
                            .of_clib = clocks->roles[span->function] == SLEEPS};
    return 0;
}

static int walk_calls(struct clocks *clocks)
{
    uint32_t index;

    clocks->looked_ns = INT64_MIN;
    gt_call_walk_init(&clocks->walk, clocks->timeline,
                      gt_calls_of(clocks->timeline, clocks->thread));
    while ((index = gt_call_walk_next(&clocks->walk)) != GT_NO_INDEX) {
        const struct gt_call_span *span = gt_call_walk_span(&clocks->walk, index);
        enum role role = (enum role)clocks->roles[span->function];
        uint32_t level;

        if (role == NOTHING || (level = who(clocks)) == 0)
            continue;
        if (role == LOOKS ? note_look(clocks, level, span->start_ns)
                          : note_sleep(clocks, level, span))
            return -1;
    }
    return 0;
}

/* Keep those that may have worked until a time. */
static int keep_loops(struct clocks *clocks)
{
    const struct gt_timeline *timeline = clocks->timeline;
    int64_t least_ns = (timeline->end_ns - timeline->start_ns) / 100 * LOOP_PERCENT;

    for (size_t i = 0; i < clocks->looked.count; i++) {
        const struct loop *loop = gt_chunks_at(&clocks->looked, i);
        struct loop *kept;

        if (loop->looks < LEAST_LOOKS || loop->works < 2 || loop->looks == 2 * loop->works ||
            loop->last_ns - loop->first_ns < least_ns)
            continue;
        kept = gt_chunks_push(&clocks->loops);
        if (!kept)
            return -1;
        *kept = *loop;
    }
    return 0;
}

static int find_loops(struct clocks *clocks, uint32_t thread)
{
    int rc;

    clocks->thread = thread;
    gt_hashmap_init(&clocks->loop_of);
    gt_chunks_truncate(&clocks->looked, 0);
    rc = walk_calls(clocks) || keep_loops(clocks) ? -1 : 0;
    gt_hashmap_release(&clocks->loop_of);
    return rc;
}

/* --- bonds --- */

static int add(struct clocks *clocks, uint32_t kind, uint32_t thread, int64_t at_ns,
               int64_t until_ns, uint32_t clock)
{
    return gt_bonds_add(clocks->bonds, kind, thread, at_ns, until_ns, clock);
}

/* What is done at `at_ns` is not done before the clock, which started at `marked_ns`, said so:
 * perhaps. What `thread` does until `until_ns` is a part of that. */
static int add_until(struct clocks *clocks, uint32_t thread, int64_t at_ns, int64_t until_ns,
                     uint32_t clock, int64_t after_ns, bool perhaps)
{
    struct gt_bond *bond;

    if (clocks->bonds->replayed[thread] == GT_REPLAY_NONE)
        return 0;
    if (add(clocks, GT_REPLAY_UNTIL, thread, at_ns, until_ns, clock))
        return -1;
    bond = gt_chunks_last(&clocks->bonds->added);
    bond->limit_ns = after_ns;
    bond->flags = perhaps ? GT_REPLAY_PERHAPS : 0;
    clocks->bonds->guesses_clocks = clocks->bonds->guesses_clocks || perhaps;
    return 0;
}

static int add_loops(struct clocks *clocks)
{
    for (size_t i = 0; i < clocks->loops.count; i++) {
        const struct loop *loop = gt_chunks_at(&clocks->loops, i);
        uint32_t clock = clocks->bonds->replay->clock_count;

        if (loop->explained)
            continue;
        clocks->bonds->replay->clock_count++;
        if (add(clocks, GT_REPLAY_MARK, loop->thread, loop->first_ns, 0, clock) ||
            add_until(clocks, loop->thread, loop->last_ns, 0, clock,
                      loop->last_ns - loop->first_ns, true))
            return -1;
    }
    return 0;
}

/* --- sleeps --- */

struct sleeps {
    struct sleep *list;
    size_t count;
};

static int compare_by_end(const void *a, const void *b)
{
    const struct sleep *left = a, *right = b;

    return (left->end_ns > right->end_ns) - (left->end_ns < right->end_ns);
}

static int compare_by_function(const void *a, const void *b)
{
    const struct sleep *left = a, *right = b;

    if (left->process != right->process)
        return left->process < right->process ? -1 : 1;
    if (left->function != right->function)
        return left->function < right->function ? -1 : 1;
    return compare_by_end(a, b);
}

static int compare_by_call(const void *a, const void *b)
{
    const struct sleep *left = a, *right = b;

    if (left->thread != right->thread)
        return left->thread < right->thread ? -1 : 1;
    if (left->call != right->call)
        return left->call < right->call ? -1 : 1;
    return compare_by_end(a, b);
}

static int compare_times(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

    return (left > right) - (left < right);
}

/* From the tenth to the ninetieth percentile. */
static int64_t spread_of(int64_t *values, size_t count)
{
    qsort(values, count, sizeof(*values), compare_times);
    return values[count - 1 - count / 10] - values[count / 10];
}

/*
 * Do they end on a grid, though they are not equally long? In the order of their ends. Then the
 * grid's width, else 0; -1: no memory.
 */
static int64_t grid_of(const struct sleeps *sleeps)
{
    size_t count = sleeps->count - 1;
    int64_t *values = calloc(sleeps->count, sizeof(*values)), period_ns, off_ns, spread_ns;

    if (!values)
        return -1;
    for (size_t i = 0; i < count; i++)
        values[i] = sleeps->list[i + 1].end_ns - sleeps->list[i].end_ns;
    qsort(values, count, sizeof(*values), compare_times);
    period_ns = values[count / 2];
    for (size_t i = 0; i < count && period_ns > 0; i++) {
        int64_t apart_ns = sleeps->list[i + 1].end_ns - sleeps->list[i].end_ns;

        values[i] = apart_ns - (apart_ns + period_ns / 2) / period_ns * period_ns;
    }
    off_ns = spread_of(values, count);
    for (size_t i = 0; i < sleeps->count; i++)
        values[i] = sleeps->list[i].end_ns - sleeps->list[i].start_ns;
    spread_ns = spread_of(values, sleeps->count);
    free(values);
    return period_ns > 4 * GRID_NS && off_ns < GRID_NS && off_ns < period_ns / 16 &&
                   spread_ns > 3 * off_ns && spread_ns > 2 * GRID_NS
               ? period_ns
               : 0;
}

/* Are they as long, whatever was before? Then it was not the clock that said so. */
static bool are_as_long(const struct sleeps *sleeps)
{
    int64_t least_ns = INT64_MAX, most_ns = 0;

    for (size_t i = 0; i < sleeps->count; i++) {
        int64_t length_ns = sleeps->list[i].end_ns - sleeps->list[i].start_ns;

        least_ns = length_ns < least_ns ? length_ns : least_ns;
        most_ns = length_ns > most_ns ? length_ns : most_ns;
    }
    return sleeps->count > 1 && most_ns - least_ns < GRID_NS;
}

static void explain_loop(struct clocks *clocks, const struct sleep *sleep)
{
    for (size_t i = 0; i < clocks->loops.count; i++) {
        struct loop *loop = gt_chunks_at(&clocks->loops, i);

        if (loop->thread == sleep->thread && loop->call == sleep->call)
            loop->explained = true;
    }
}

static int add_sleeps(struct clocks *clocks, const struct sleeps *sleeps)
{
    uint32_t clock = clocks->bonds->replay->clock_count++;
    const struct sleep *first = sleeps->list;
    bool late = false;
    int64_t grid_ns;

    for (size_t i = 0; i < sleeps->count; i++)
        late = late || sleeps->list[i].end_ns - sleeps->list[i].start_ns < GT_CPU_SHORT_NS;
    if (!late && are_as_long(sleeps))
        return 0;
    grid_ns = late || sleeps->count < LEAST_ENDS ? 0 : grid_of(sleeps);
    if (grid_ns < 0)
        return -1;
    for (size_t i = 0; i < sleeps->count; i++) {
        const struct sleep *sleep = &sleeps->list[i];
        bool sure = grid_ns > 0 && sleep->of_clib;

        if (sure && (i == 0 || sleep->call != sleep[-1].call))
            explain_loop(clocks, sleep);

        /* Whoever sleeps first starts the clock. */
        if (add(clocks, GT_REPLAY_MARK, sleep->thread, sleep->start_ns, 0, clock) ||
            add_until(clocks, sleep->thread, sure ? sleep->start_ns : sleep->end_ns,
                      sleep->end_ns, clock, sleep->end_ns - first->start_ns, !sure))
            return -1;
    }
    return 0;
}

/* Of one function: by call where each call sleeps several times, else together. */
static int group_sleeps(struct clocks *clocks, struct sleeps all)
{
    size_t calls = 0;

    qsort(all.list, all.count, sizeof(*all.list), compare_by_call);
    for (size_t i = 0; i < all.count; i++)
        calls += i == 0 || all.list[i].call != all.list[i - 1].call ||
                 all.list[i].thread != all.list[i - 1].thread;
    if (calls * LEAST_SLEEPS > all.count) {
        qsort(all.list, all.count, sizeof(*all.list), compare_by_end);
        return add_sleeps(clocks, &all);
    }
    for (size_t at = 0, next; at < all.count; at = next) {
        struct sleeps group = {.list = all.list + at};

        for (next = at; next < all.count && all.list[next].call == all.list[at].call &&
                        all.list[next].thread == all.list[at].thread;
             next++)
            group.count++;
        if (add_sleeps(clocks, &group))
            return -1;
    }
    return 0;
}

static int add_all_sleeps(struct clocks *clocks)
{
    size_t count = clocks->sleeps.count;
    struct sleep *list = calloc(count + 1, sizeof(*list));
    int rc = list ? 0 : -1;

    for (size_t i = 0; rc == 0 && i < count; i++)
        list[i] = *(const struct sleep *)gt_chunks_at(&clocks->sleeps, i);
    if (rc == 0)
        qsort(list, count, sizeof(*list), compare_by_function);
    for (size_t at = 0, next; rc == 0 && at < count; at = next) {
        for (next = at; next < count && list[next].process == list[at].process &&
                        list[next].function == list[at].function;
             next++)
            ;
        rc = group_sleeps(clocks, (struct sleeps){list + at, next - at});
    }
    free(list);
    return rc;
}

/* --- all of it --- */

/* Did several threads end at once? As they do when a time says so, or when they had as much to
 * do. */
static bool end_at_once(const struct clocks *clocks)
{
    const struct gt_timeline *timeline = clocks->timeline;
    int64_t slack_ns = 10 * GT_NS_PER_MS + (timeline->end_ns - timeline->start_ns) / 50;
    int64_t first_ns = INT64_MAX, last_ns = INT64_MIN;
    size_t count = 0;

    for (uint32_t i = 0; i < timeline->threads.count; i++) {
        const struct gt_thread *thread = gt_thread_at(timeline, i);

        if (clocks->bonds->replayed[i] == GT_REPLAY_NONE || thread->flags & GT_THREAD_MAIN)
            continue;
        count++;
        first_ns = thread->end_ns < first_ns ? thread->end_ns : first_ns;
        last_ns = thread->end_ns > last_ns ? thread->end_ns : last_ns;
    }
    return count > 1 && last_ns - first_ns < slack_ns;
}

/* Were calls of clocks left out of the recording? Then who looked is not known. `looked`: the
 * program did, while they were recorded. */
static bool misses_looks(const struct clocks *clocks, bool looked)
{
    bool any_c = false;

    for (uint32_t i = 0; i < clocks->timeline->functions.count; i++) {
        const struct gt_called *called = gt_called_of(clocks->timeline, i);

        any_c = any_c || (called->flags & GT_FUNCTION_C && called->calls);
        if (looked && clocks->roles[i] == LOOKS && called->untraced_calls)
            return true;
    }
    return !any_c && end_at_once(clocks);
}

int gt_bonds_add_clocks(struct gt_bonds *bonds)
{
    size_t functions = bonds->timeline->functions.count;
    struct clocks clocks = {.bonds = bonds,
                            .timeline = bonds->timeline,
                            .roles = calloc(functions + 1, sizeof(*clocks.roles)),
                            .is_library = calloc(functions + 1, sizeof(*clocks.is_library))};
    int rc = clocks.roles && clocks.is_library ? 0 : -1;
    bool looked = false;

    gt_chunks_init(&clocks.looked, sizeof(struct loop));
    gt_chunks_init(&clocks.loops, sizeof(struct loop));
    gt_chunks_init(&clocks.sleeps, sizeof(struct sleep));
    if (rc == 0)
        find_functions(&clocks);
    for (uint32_t i = 0; rc == 0 && i < bonds->timeline->calls.count; i++) {
        if (bonds->replayed[i] == GT_REPLAY_NONE)
            continue;
        rc = find_loops(&clocks, i);
        looked = looked || clocks.looked.count;
    }
    if (rc == 0)
        rc = add_all_sleeps(&clocks) || add_loops(&clocks) ? -1 : 0;
    bonds->misses_clocks = rc == 0 && misses_looks(&clocks, looked);
    gt_chunks_release(&clocks.looked);
    gt_chunks_release(&clocks.sleeps);
    gt_chunks_release(&clocks.loops);
    free(clocks.roles);
    free(clocks.is_library);
    return rc;
}
