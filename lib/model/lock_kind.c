/* SPDX-License-Identifier: MIT */
/* Which semaphores are locks. */
#include "model/builder.h"

#include "event/event.h"

#include <string.h>

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), rest = strlen(end);

    return length >= rest && strcmp(text + length - rest, end) == 0;
}

/* Does the function of threading wait for the end of a thread? */
static bool is_join(const struct gt_timeline *timeline, const struct gt_function_info *called)
{
    const char *name = gt_intern_text(&timeline->names, called->name);

    return ends_with(gt_intern_text(&timeline->names, called->file), "/threading.py") &&
           (ends_with(name, "_wait_for_tstate_lock") || ends_with(name, "_shutdown") ||
            ends_with(name, "Thread.join"));
}

/* Of Condition.wait, which takes a new lock twice, and in the end the condition's own again.
 * What a mutex of one byte is for only its waiter's function tells: that it is made, or taken
 * while it is free, makes no call. */
bool gt_lock_is_for_news(const struct gt_timeline *timeline, const struct gt_lock_op *wait)
{
    uint32_t python = gt_calls_python_at(timeline, wait->thread, wait->since_ns, false);
    uint32_t called = gt_calls_innermost_at(timeline, wait->thread, wait->since_ns);
    const struct gt_function_info *function;

    if (python == GT_NO_INDEX || called == GT_NO_INDEX)
        return false;
    function = gt_chunks_at(&timeline->functions, python);
    if (!ends_with(gt_intern_text(&timeline->names, function->name), "Condition.wait") ||
        !ends_with(gt_intern_text(&timeline->names, function->file), "/threading.py"))
        return false;
    function = gt_chunks_at(&timeline->functions, called);
    return !ends_with(gt_intern_text(&timeline->names, function->name), "_acquire_restore");
}

/* Is it known in which function a thread waits? */
static bool is_traced(const struct gt_timeline *timeline, const struct gt_lock_op *op)
{
    return gt_lock_ends_wait(op) &&
           gt_calls_innermost_at(timeline, op->thread, op->since_ns) != GT_NO_INDEX;
}

/* How many times the thread had the GIL that began, and ended, within this time. */
static size_t uses_within(const struct gt_timeline *timeline, uint32_t thread, int64_t from_ns,
                          int64_t until_ns)
{
    size_t count = 0;

    for (uint32_t i = 0; i < timeline->gils.count; i++) {
        const struct gt_chunks *holds = &gt_gil_at(timeline, i)->holds;
        size_t at = gt_chunks_first_from(holds, 0, offsetof(struct gt_span, start_ns), from_ns);

        if (gt_gil_at(timeline, i)->process != gt_thread_at(timeline, thread)->process)
            continue;
        for (; at < holds->count && gt_span_at(holds, at)->end_ns < until_ns; at++)
            count += gt_span_at(holds, at)->thread == thread;
    }
    return count;
}

/* Is it in its thread's last use of the GIL? */
static bool is_given_last(const struct gt_timeline *timeline, const struct gt_lock_op *post)
{
    return uses_within(timeline, post->thread, post->time_ns,
                       gt_thread_at(timeline, post->thread)->end_ns + 1) == 0;
}

/* Up to 3.12 each thread has a lock for its whole life, for others to join it: it takes it in
 * its first use of the GIL, or soon after, and gives it in its last. */
static bool is_of_whole_life(const struct gt_timeline *timeline, const struct gt_lock_op *post)
{
    enum { FIRST_USES = 2, NEAR_NS = 20000000, NEAR_PART = 10 };
    const struct gt_thread *thread = gt_thread_at(timeline, post->thread);
    int64_t near_ns = (thread->end_ns - thread->start_ns) / NEAR_PART;

    if (near_ns > NEAR_NS)
        near_ns = NEAR_NS;
    return post->since_ns > 0 && post->since_ns - thread->start_ns < near_ns &&
           thread->end_ns - post->time_ns < near_ns &&
           uses_within(timeline, post->thread, thread->start_ns, post->since_ns) <=
               FIRST_USES &&
           is_given_last(timeline, post);
}

/* Or it took the lock late, since it had to wait for the GIL again and again. Of a lock that
 * threads take in turns, not all waits are for one of them, which gives it as the last that it
 * does. */
static bool is_of_one_that_ended(const struct gt_timeline *timeline,
                                 const struct gt_lock_op *const *ops, size_t count)
{
    const struct gt_lock_op *post = NULL;
    uint32_t owner = GT_NO_INDEX;

    for (size_t i = 0; i < count; i++) {
        if (ops[i]->kind != GT_LOCK_OP_OWNED)
            continue;
        if (owner != GT_NO_INDEX && owner != ops[i]->thread)
            return false;
        owner = ops[i]->thread;
    }
    for (size_t i = 0; i < count; i++) {
        if (ops[i]->kind != GT_LOCK_OP_POST || ops[i]->thread != owner)
            continue;
        if (post)
            return false;
        post = ops[i];
    }
    return post &&
           uses_within(timeline, owner, gt_thread_at(timeline, owner)->start_ns,
                       post->time_ns) > 0 &&
           is_given_last(timeline, post);
}

static bool is_for_joins(const struct gt_timeline *timeline,
                         const struct gt_lock_op *const *ops, size_t count)
{
    bool posted = false;

    for (size_t i = 0; i < count; i++) {
        const struct gt_lock_op *op = ops[i];
        uint32_t called;

        posted |= op->kind == GT_LOCK_OP_POST;
        if (op->kind == GT_LOCK_OP_POST || op->kind == GT_LOCK_OP_OWNED)
            continue;
        called = gt_calls_python_at(timeline, op->thread, op->since_ns, false);
        if (called != GT_NO_INDEX)
            return is_join(timeline, gt_chunks_at(&timeline->functions, called));
    }
    for (size_t i = 0; i < count; i++)
        if (ops[i]->kind == GT_LOCK_OP_POST && is_of_whole_life(timeline, ops[i]))
            return true;
    return !posted /* it may be for one */ || is_of_one_that_ended(timeline, ops, count);
}

/* A thread that waits for what it has itself waits for another one to give it: for an item of a
 * queue (_queue.SimpleQueue), or for news. Those that wait beside it do so, too, though they
 * wait for what a thread has, and give it to each other when there is something to get. That
 * was most of the waiting, if a lock had the address before. */
static bool is_mostly_for_news(const struct gt_lock_op *const *ops, size_t count)
{
    int64_t news_ns = 0, rest_ns = 0, until_ns = INT64_MIN;
    const struct gt_lock_op *own = NULL; /* while the thread that has it waits: since when */

    for (size_t i = 0; i < count; i++) {
        const struct gt_lock_op *op = ops[i];
        bool ends = gt_lock_ends_wait(op);

        if (own && own->thread == (op->kind == GT_LOCK_OP_OWNED ? op->waiter : op->thread)) {
            if (ends && own->since_ns == op->since_ns)
                until_ns = op->time_ns;
            own = NULL;
        }
        if (op->kind == GT_LOCK_OP_OWNED && op->waiter == op->thread)
            own = op;
        if (ends)
            *(own || until_ns > op->since_ns ? &news_ns : &rest_ns) +=
                op->time_ns - op->since_ns;
    }
    return news_ns > rest_ns;
}

bool gt_lock_is_unseen(const struct gt_lock_op *const *ops, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (ops[i]->kind == GT_LOCK_OP_PARKS)
            return ops[i]->wait_for == GT_WAIT_FOR_SEMAPHORE;
    return false;
}

/* Had the thread a GIL at any time from then until then? Where too many others had, it may have
 * had it. */
static bool had_gil(const struct gt_timeline *timeline, uint32_t thread, int64_t from_ns,
                    int64_t until_ns)
{
    enum { LOOKED_AT = 1 << 10 };

    for (uint32_t i = 0; i < timeline->gils.count; i++) {
        const struct gt_chunks *holds = &gt_gil_at(timeline, i)->holds;
        size_t at =
            gt_chunks_first_after(holds, 0, offsetof(struct gt_span, start_ns), until_ns);

        if (gt_gil_at(timeline, i)->process != gt_thread_at(timeline, thread)->process)
            continue;
        for (size_t n = 0; at-- > 0 && gt_span_at(holds, at)->end_ns >= from_ns; n++)
            if (n == LOOKED_AT || gt_span_at(holds, at)->thread == thread)
                return true;
    }
    return false;
}

/* What is known of a semaphore that may be taken unseen, while threads wait for it. */
struct passing {
    size_t waiting;    /* how many do */
    uint32_t taker;    /* got it after waiting, and did not give it yet; GT_NO_INDEX: nobody */
    int64_t given_ns;  /* it was given, and nobody is known to have got it; 0: not so */
    int64_t locked_ns; /* somebody has it since then or earlier, but later than given_ns; 0 */
    size_t given, contrary; /* how often who had it gave it; and what no lock allows */
};

static void pass_post(struct passing *passing, const struct gt_timeline *timeline,
                      const struct gt_lock_op *op)
{
    if (passing->taker != GT_NO_INDEX)
        *(op->thread == passing->taker ? &passing->given : &passing->contrary) += 1;
    else if (passing->locked_ns && had_gil(timeline, op->thread, op->time_ns, op->time_ns) &&
             !had_gil(timeline, op->thread, passing->given_ns, passing->locked_ns))
        passing->contrary++;
    passing->taker = GT_NO_INDEX;
    passing->given_ns = op->time_ns;
    passing->locked_ns = 0;
}

static void pass_wait(struct passing *passing, const struct gt_lock_op *op)
{
    if (op->time_ns == op->since_ns) {
        passing->contrary += op->thread == passing->taker;
        passing->waiting++;
    }
    if (passing->given_ns && !passing->locked_ns)
        passing->locked_ns = op->time_ns;
}

static void pass_end(struct passing *passing, const struct gt_lock_op *op)
{
    passing->waiting -= passing->waiting > 0;
    if (op->kind == GT_LOCK_OP_TAKEN) {
        passing->taker = op->thread;
        passing->given_ns = passing->locked_ns = 0;
    }
    if (passing->waiting > 0)
        return;
    passing->taker = GT_NO_INDEX;
    passing->given_ns = passing->locked_ns = 0;
}

/*
 * Is it news, though threads pass on what they waited for? Who gets a lock has it until it
 * gives it, which is seen while another one waits. If, meanwhile, it begins to wait itself, or
 * another thread gives the semaphore, that is no lock; nor if one gives it, with the GIL, that
 * had not the GIL from when it was given before to when it was not free any more. Such threads
 * wait for items of a queue, and pass on that there are more. A few may be of a lock, which is
 * given in the moment between finding it taken and waiting for it.
 */
static bool is_passed_on(const struct gt_timeline *timeline,
                         const struct gt_lock_op *const *ops, size_t count)
{
    enum { FEW = 8 }; /* one of so many */
    struct passing passing = {.taker = GT_NO_INDEX};

    for (size_t i = 0; i < count; i++) {
        if (ops[i]->kind == GT_LOCK_OP_PARKS)
            pass_wait(&passing, ops[i]);
        else if (ops[i]->kind == GT_LOCK_OP_POST)
            pass_post(&passing, timeline, ops[i]);
        else if (gt_lock_ends_wait(ops[i]))
            pass_end(&passing, ops[i]);
    }
    return passing.contrary > passing.given / FEW;
}

bool gt_lock_is_lock(const struct gt_timeline *timeline, const struct gt_lock_op *const *ops,
                     size_t count)
{
    uint32_t taker = GT_NO_INDEX;
    uint64_t own = 0, foreign = 0;

    for (size_t i = 0; i < count; i++) {
        const struct gt_lock_op *op = ops[i];
        bool mutex = op->wait_for == GT_WAIT_FOR_MUTEX;

        if (op->wait_for == GT_WAIT_FOR_EVENT || op->wait_for == GT_WAIT_FOR_ATTACH ||
            op->wait_for == GT_WAIT_FOR_NATIVE)
            return op->wait_for == GT_WAIT_FOR_NATIVE;
        if (mutex && is_traced(timeline, op))
            return true; /* waits for news are not among them */
        if (op->kind == GT_LOCK_OP_TAKEN)
            taker = op->thread;
        if (op->kind == GT_LOCK_OP_OWNED)
            *(op->waiter == op->thread ? &foreign : &own) += 1;
        if (op->kind != GT_LOCK_OP_POST)
            continue;
        own += op->since_ns > 0 || ((op->since_ns < 0 || mutex) && op->thread == taker);
        foreign += op->since_ns == 0 && !mutex;
    }
    return own > foreign && !is_mostly_for_news(ops, count) &&
           !(gt_lock_is_unseen(ops, count) && is_passed_on(timeline, ops, count)) &&
           (ops[0]->wait_for == GT_WAIT_FOR_MUTEX || !is_for_joins(timeline, ops, count));
}
