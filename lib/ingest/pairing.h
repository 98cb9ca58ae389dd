/* SPDX-License-Identifier: MIT */
/*
 * One call, seen twice: by the agent, which notes a call of libc's condition variables before
 * it is made, and by the probe at the function's first instruction. Both are in the same
 * thread, and nothing else of that thread lies between them: so a hit belongs to the last event
 * of the agent's, if that is of the same function and the same address.
 *
 * The agent's is handed on, since its time lies before the probe's cost. A hit is handed on
 * where the agent does not see the thread (a process without it, an agent that has ended), or
 * has missed the call. Hits of other libraries' condition variables, which the agent leaves
 * out, are left out, too.
 *
 * What both saw is counted per thread and address, and summed up once it is known which
 * addresses are a GIL's.
 */
#ifndef GT_INGEST_PAIRING_H
#define GT_INGEST_PAIRING_H

#include "base/error.h"
#include "event/event.h"
#include "model/recorded.h"

#include <stdbool.h>
#include <stdint.h>

struct gt_pairing;

/* Probes recorded until `until_ns`; what came before `since_ns` (0: all counts) is not
 * compared. Free with gt_pairing_free. */
struct gt_pairing *gt_pairing_new(int64_t since_ns, int64_t until_ns, struct gt_error *err);
void gt_pairing_free(struct gt_pairing *pairing);

/* An event of the agent's, of any kind, before it is handed on. If that is due, `missed` is a
 * hit of before, to be handed on first. 1: there is one, 0: none, negative: no memory. */
int gt_pairing_agent(struct gt_pairing *pairing, const struct gt_event *event,
                     struct gt_event *missed);

/* A hit of a probe. 1: hand on `event`, which may be an earlier one now; 0: do not; negative:
 * no memory. */
int gt_pairing_probe(struct gt_pairing *pairing, struct gt_event *event);

/* What is known of threads ends: `tid` executes another program, or exits and its number may be
 * given to another; or nothing more comes of the agent of `pid` (0: of any). */
void gt_pairing_thread_ended(struct gt_pairing *pairing, int32_t tid);
void gt_pairing_stopped(struct gt_pairing *pairing, int32_t pid);

/* Processes that only probes saw, in no order: the number of them, and the one at `index`. */
size_t gt_pairing_unseen_count(const struct gt_pairing *pairing);
int32_t gt_pairing_unseen(const struct gt_pairing *pairing, size_t index);

/* How the two agree about the GILs of a finished timeline; nothing more is given after it. A
 * call that one of them saw as it ended, and the other not, is left out. 0 or negative. */
int gt_pairing_sum(struct gt_pairing *pairing, const struct gt_timeline *timeline,
                   struct gt_agreement *agreement);

#endif
