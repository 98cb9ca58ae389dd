/* SPDX-License-Identifier: MIT */
#include "ingest/pairing.h"

#include "base/chunks.h"
#include "base/hashmap.h"
#include "base/nstime.h"

#include <stdlib.h>

enum {
    SLOTS = 4,            /* addresses of one thread: two of each GIL that it uses */
    NEAR_NS = 50000,      /* the agent's clock may be read as late as this after the probe's */
    REPEATED_NS = 100000, /* no thread waits twice for one condition in so short a time */
    AGENT = 0,
    PROBES = 1,
    SOURCES = 2,
};

/* What one source saw of a thread's calls with one address. */
struct tally {
    uint64_t signals, waits;
    int64_t after_signal_ns; /* from a signal to the thread's next event */
    int64_t after_wait_ns;   /* likewise from a wait: until it is over, or is begun again */
};

struct slot {
    uint64_t address;
    struct tally of[SOURCES];
    uint64_t agent_only, probes_only;
};

/* The newest event of a thread by one source. */
struct newest {
    enum gt_event_kind kind;
    uint32_t slot; /* SLOTS: none */
    int64_t time_ns;
    int64_t deadline_ns;            /* of a wait, as the event has it */
    enum gt_event_kind before_kind; /* of the one before … */
    uint32_t before_slot;           /* … SLOTS: there was none */
    int64_t passed_ns;              /* since then */
};

struct thread {
    int32_t pid, tid;
    bool seen;     /* by the agent, in this program */
    bool compared; /* both have seen a call since pairing->since_ns */
    bool pending;  /* the agent's newest event waits for its hit */
    bool early;    /* `hit` waits for its event */
    struct gt_event hit;
    struct newest newest[SOURCES];
    struct slot slots[SLOTS];
};

struct gt_pairing {
    int64_t since_ns, until_ns;
    struct gt_chunks threads; /* of struct thread */
    struct gt_hashmap of_tid; /* → index */
    struct gt_chunks unseen;  /* of int32_t: pids */
    struct gt_hashmap is_unseen;
};

struct gt_pairing *gt_pairing_new(int64_t since_ns, int64_t until_ns, struct gt_error *err)
{
    struct gt_pairing *pairing = calloc(1, sizeof(*pairing));

    if (!pairing) {
        gt_error_memory(err);
        return NULL;
    }
    pairing->since_ns = since_ns;
    pairing->until_ns = until_ns;
    gt_chunks_init(&pairing->threads, sizeof(struct thread));
    gt_chunks_init(&pairing->unseen, sizeof(int32_t));
    gt_hashmap_init(&pairing->of_tid);
    gt_hashmap_init(&pairing->is_unseen);
    return pairing;
}

void gt_pairing_free(struct gt_pairing *pairing)
{
    if (!pairing)
        return;
    gt_chunks_release(&pairing->threads);
    gt_chunks_release(&pairing->unseen);
    gt_hashmap_release(&pairing->of_tid);
    gt_hashmap_release(&pairing->is_unseen);
    free(pairing);
}

static struct thread *thread_of(const struct gt_pairing *pairing, int32_t tid)
{
    uint32_t index = gt_hashmap_get(&pairing->of_tid, (uint32_t)tid);

    return index == GT_HASHMAP_NONE ? NULL : gt_chunks_at(&pairing->threads, index);
}

/* NULL: no memory. */
static struct thread *make_thread(struct gt_pairing *pairing, int32_t pid, int32_t tid)
{
    struct thread *thread = thread_of(pairing, tid);

    if (thread)
        return thread;
    if (gt_hashmap_put(&pairing->of_tid, (uint32_t)tid, (uint32_t)pairing->threads.count))
        return NULL;
    thread = gt_chunks_push(&pairing->threads);
    if (!thread)
        return NULL;
    *thread = (struct thread){.pid = pid, .tid = tid, .compared = pairing->since_ns <= 0};
    thread->newest[AGENT].slot = thread->newest[PROBES].slot = SLOTS;
    return thread;
}

/* SLOTS: of none, and none is free. */
static uint32_t slot_of(struct thread *thread, uint64_t address)
{
    uint32_t i = 0;

    while (i < SLOTS && thread->slots[i].address && thread->slots[i].address != address)
        i++;
    if (i < SLOTS)
        thread->slots[i].address = address;
    return i;
}

/* Count an event, and how long the one before it lasted. */
static void count(struct thread *thread, int source, const struct newest *event, int sign)
{
    struct tally *now = &thread->slots[event->slot].of[source];

    if (event->kind == GT_EVENT_COND_SIGNAL)
        now->signals += (uint64_t)sign;
    else
        now->waits += (uint64_t)sign;
    if (event->before_slot == SLOTS)
        return;
    now = &thread->slots[event->before_slot].of[source];
    if (event->before_kind == GT_EVENT_COND_SIGNAL)
        now->after_signal_ns += sign * event->passed_ns;
    else
        now->after_wait_ns += sign * event->passed_ns;
}

static void tally(struct thread *thread, int source, uint32_t slot,
                  const struct gt_event *event)
{
    struct newest *newest = &thread->newest[source];

    *newest = (struct newest){.kind = event->kind,
                              .slot = slot,
                              .time_ns = event->time_ns,
                              .deadline_ns = event->cond.deadline_ns,
                              .before_kind = newest->kind,
                              .before_slot = newest->slot,
                              .passed_ns = event->time_ns - newest->time_ns};
    count(thread, source, newest, 1);
}

/* Where the recordings begin while the program runs, one of them may have a call whose other
 * half lies before: they are compared from the first call on that both have. */
static struct newest first_of(const struct gt_event *event, uint32_t slot)
{
    return (struct newest){
        .kind = event->kind, .slot = slot, .time_ns = event->time_ns, .before_slot = SLOTS};
}

static bool begins(const struct gt_pairing *pairing, const struct thread *thread,
                   const struct gt_event *hit, uint32_t slot)
{
    const struct newest *agent = &thread->newest[AGENT];

    return agent->slot == slot && agent->kind == hit->kind &&
           agent->time_ns >= pairing->since_ns;
}

/* Nothing more comes of the thread, or is compared: a call that one source has seen the
 * beginning of is left out, since the other had no time to. */
static void settle(struct thread *thread)
{
    if (thread->pending && thread->newest[AGENT].slot < SLOTS)
        count(thread, AGENT, &thread->newest[AGENT], -1);
    if (thread->early && thread->newest[PROBES].slot < SLOTS)
        count(thread, PROBES, &thread->newest[PROBES], -1);
    thread->early = thread->pending = false;
    thread->newest[AGENT].slot = thread->newest[PROBES].slot = SLOTS;
}

/* Hand on a hit that has no event of the agent's. */
static bool give_up_early(struct thread *thread, struct gt_event *hit)
{
    uint32_t slot = slot_of(thread, thread->hit.cond.address);

    thread->early = false;
    *hit = thread->hit;
    if (slot < SLOTS)
        thread->slots[slot].probes_only++;
    return true;
}

static bool is_of_hit(const struct thread *thread, const struct gt_event *event)
{
    return thread->hit.kind == event->kind && thread->hit.cond.address == event->cond.address &&
           event->time_ns - thread->hit.time_ns <= NEAR_NS;
}

int gt_pairing_agent(struct gt_pairing *pairing, const struct gt_event *event,
                     struct gt_event *missed)
{
    struct thread *thread;
    bool has_missed = false;
    uint32_t slot;

    if (event->kind != GT_EVENT_COND_SIGNAL && event->kind != GT_EVENT_COND_WAIT)
        return 0;
    thread = make_thread(pairing, event->pid, event->tid);
    if (!thread)
        return GT_ERR_MEMORY;
    thread->seen = true;
    slot = slot_of(thread, event->cond.address);
    if (slot == SLOTS || event->time_ns > pairing->until_ns)
        return 0;
    if (!thread->compared) {
        thread->newest[AGENT] = first_of(event, slot);
        return 0;
    }
    if (thread->pending && thread->newest[AGENT].slot < SLOTS)
        thread->slots[thread->newest[AGENT].slot].agent_only++;
    thread->pending = true;
    if (thread->early && is_of_hit(thread, event))
        thread->early = thread->pending = false;
    else if (thread->early)
        has_missed = give_up_early(thread, missed);
    tally(thread, AGENT, slot, event);
    return has_missed;
}

/* Each wait has a deadline of its own. */
static bool is_same_wait(const struct newest *before, const struct gt_event *event)
{
    if (event->cond.deadline_ns > GT_NO_DEADLINE)
        return event->cond.deadline_ns == before->deadline_ns;
    return event->time_ns - before->time_ns <= REPEATED_NS;
}

/* The kernel may record a hit twice: when the thread lost its CPU in the middle of it. */
static bool is_repeated(const struct thread *thread, const struct gt_event *event,
                        uint32_t slot)
{
    const struct newest *before = &thread->newest[PROBES];

    return !thread->pending && before->slot == slot && before->kind == event->kind &&
           (event->kind == GT_EVENT_COND_SIGNAL || is_same_wait(before, event));
}

/* A wait whose time is over and that took a signal all the same signals the condition again,
 * from within libc (__condvar_cancel_waiting in glibc's nptl/pthread_cond_wait.c). Whoever
 * waits for the GIL does not have it, and gives none up. */
static bool is_of_wait(const struct thread *thread, const struct gt_event *event, uint32_t slot)
{
    const struct newest *before = &thread->newest[PROBES];

    return !thread->pending && event->kind == GT_EVENT_COND_SIGNAL && before->slot == slot &&
           before->kind == GT_EVENT_COND_WAIT;
}

static int note_unseen(struct gt_pairing *pairing, int32_t pid)
{
    int32_t *place;

    if (gt_hashmap_get(&pairing->is_unseen, (uint32_t)pid) != GT_HASHMAP_NONE)
        return 0;
    place = gt_chunks_push(&pairing->unseen);
    if (!place || gt_hashmap_put(&pairing->is_unseen, (uint32_t)pid, 0))
        return GT_ERR_MEMORY;
    *place = pid;
    return 0;
}

int gt_pairing_probe(struct gt_pairing *pairing, struct gt_event *event)
{
    struct thread *thread = thread_of(pairing, event->tid);
    struct gt_event before;
    bool has_before = false;
    uint32_t slot;

    if (!thread || !thread->seen) {
        int rc = note_unseen(pairing, event->pid);

        return rc < 0 ? rc : 1;
    }
    slot = slot_of(thread, event->cond.address);
    /* The last event of the agent's that is compared may have its hit just after. */
    if (slot == SLOTS || (event->time_ns > pairing->until_ns && !thread->pending))
        return 0;
    if (!thread->compared) {
        thread->compared = begins(pairing, thread, event, slot);
        if (thread->compared) {
            count(thread, AGENT, &thread->newest[AGENT], 1);
            tally(thread, PROBES, slot, event);
        }
        return 0;
    }
    if (is_repeated(thread, event, slot) || is_of_wait(thread, event, slot))
        return 0;
    if (thread->early)
        has_before = give_up_early(thread, &before);
    tally(thread, PROBES, slot, event);
    if (thread->pending && thread->newest[AGENT].kind == event->kind &&
        thread->newest[AGENT].slot == slot) {
        thread->pending = false;
    } else if (thread->slots[slot].of[AGENT].signals || thread->slots[slot].of[AGENT].waits) {
        thread->early = true;
        thread->hit = *event;
    }
    if (has_before)
        *event = before;
    return has_before;
}

void gt_pairing_thread_ended(struct gt_pairing *pairing, int32_t tid)
{
    struct thread *thread = thread_of(pairing, tid);

    if (!thread)
        return;
    settle(thread);
    thread->seen = false;
}

void gt_pairing_stopped(struct gt_pairing *pairing, int32_t pid)
{
    for (size_t i = 0; i < pairing->threads.count; i++) {
        struct thread *thread = gt_chunks_at(&pairing->threads, i);

        if (pid != 0 && thread->pid != pid)
            continue;
        settle(thread);
        thread->seen = false;
    }
}

size_t gt_pairing_unseen_count(const struct gt_pairing *pairing)
{
    return pairing->unseen.count;
}

int32_t gt_pairing_unseen(const struct gt_pairing *pairing, size_t index)
{
    return *(int32_t *)gt_chunks_at(&pairing->unseen, index);
}

/* Addresses are of one process each. */
static uint64_t key_of(int32_t pid, uint64_t address)
{
    return address ^ (uint64_t)(uint32_t)pid << 32;
}

/* Which GIL is acquired or released by an address. 0, or -1: no memory. */
static int index_gils(const struct gt_timeline *timeline, struct gt_hashmap *gil_of)
{
    for (uint32_t i = 0; i < timeline->gils.count; i++) {
        const struct gt_gil *gil = gt_gil_at(timeline, i);
        int32_t pid = gt_process_at(timeline, gil->process)->pid;

        if (gt_hashmap_put(gil_of, key_of(pid, gil->address), i) ||
            gt_hashmap_put(gil_of, key_of(pid, gil->acquired), i))
            return -1;
    }
    return 0;
}

static void add_slot(const struct slot *slot, const struct gt_gil *gil,
                     struct gt_agreement *agreement, bool *differs)
{
    const struct tally *agent = &slot->of[AGENT], *probes = &slot->of[PROBES];

    agreement->agent_only += slot->agent_only;
    agreement->probes_only += slot->probes_only;
    agreement->both += agent->signals + agent->waits - slot->agent_only;
    *differs |= slot->agent_only || slot->probes_only || agent->signals != probes->signals ||
                agent->waits != probes->waits;
    if (slot->address == gil->acquired) {
        agreement->agent.acquisitions += agent->signals;
        agreement->probes.acquisitions += probes->signals;
        agreement->agent.hold_ns = gt_add_ns(agreement->agent.hold_ns, agent->after_signal_ns);
        agreement->probes.hold_ns =
            gt_add_ns(agreement->probes.hold_ns, probes->after_signal_ns);
    } else {
        agreement->agent.releases += agent->signals;
        agreement->probes.releases += probes->signals;
        agreement->agent.wait_ns = gt_add_ns(agreement->agent.wait_ns, agent->after_wait_ns);
        agreement->probes.wait_ns = gt_add_ns(agreement->probes.wait_ns, probes->after_wait_ns);
    }
}

static void add_thread(const struct thread *thread, const struct gt_timeline *timeline,
                       const struct gt_hashmap *gil_of, struct gt_agreement *agreement)
{
    bool counts = false, differs = false;

    for (int i = 0; i < SLOTS && thread->slots[i].address; i++) {
        const struct slot *slot = &thread->slots[i];
        uint32_t gil = gt_hashmap_get(gil_of, key_of(thread->pid, slot->address));

        if (gil == GT_HASHMAP_NONE)
            continue;
        counts = true;
        add_slot(slot, gt_gil_at(timeline, gil), agreement, &differs);
    }
    agreement->threads += counts;
    agreement->differing += differs;
}

int gt_pairing_sum(struct gt_pairing *pairing, const struct gt_timeline *timeline,
                   struct gt_agreement *agreement)
{
    struct gt_hashmap gil_of;
    int rc;

    *agreement = (struct gt_agreement){.compared = true, .until_ns = pairing->until_ns};
    gt_hashmap_init(&gil_of);
    rc = index_gils(timeline, &gil_of) ? GT_ERR_MEMORY : 0;
    for (size_t i = 0; rc == 0 && i < pairing->threads.count; i++) {
        settle(gt_chunks_at(&pairing->threads, i));
        add_thread(gt_chunks_at(&pairing->threads, i), timeline, &gil_of, agreement);
    }
    gt_hashmap_release(&gil_of);
    return rc;
}
