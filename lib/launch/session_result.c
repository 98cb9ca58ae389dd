/* SPDX-License-Identifier: MIT */
#include "launch/session_result.h"

#include <stdio.h>
#include <string.h>

void gt_session_result_init(struct gt_session_result *result)
{
    memset(result, 0, sizeof(*result));
    result->exit_status = -1;
    result->started_unix_ns = -1;
    result->costs = (struct gt_gate_report){.hit_ns = -1, .switch_ns = -1};
    gt_strvec_init(&result->warnings);
}

void gt_session_result_release(struct gt_session_result *result)
{
    gt_strvec_release(&result->warnings);
}

static void take_earlier(int64_t *earliest_ns, int64_t time_ns)
{
    if (!*earliest_ns || time_ns < *earliest_ns)
        *earliest_ns = time_ns;
}

/* What is left of perf is as good as taken out, for another reason than its cost. Lives, of
 * which the rest tells, are the agents' from then on; threads' states and counters are not. */
static bool leave_it_to_agents(struct gt_session_result *result, const struct gt_plan *plan,
                               bool rest, int64_t written_ns)
{
    if (!plan->two_sources)
        return false;
    result->perf_died |= !result->probes_out_ns; /* or it was about to end, for its cost */
    take_earlier(&result->probes_out_ns, written_ns);
    result->rest_out |= rest;
    result->rest_lost |= rest && gt_plan_rest_is_wanted(plan);
    return true;
}

static void lose_native(struct gt_session_result *result, const struct gt_recorder *recorder,
                        bool began)
{
    char complaint[256], text[512];

    gt_recorder_complaint(recorder, complaint, sizeof(complaint));
    snprintf(text, sizeof(text), "%s%s%s (--no-native does without them)",
             began ? "perf record of native stacks ended while the program ran: what came "
                     "later has none"
                   : "native stacks are not recorded",
             complaint[0] ? ": " : "", complaint);
    gt_strvec_push(&result->warnings, text);
}

bool gt_session_result_take_death(struct gt_session_result *result,
                                  const struct gt_recorder *recorder,
                                  const struct gt_plan *plan, enum gt_recorded_part part,
                                  int64_t opened_ns)
{
    int64_t written_ns = gt_recorder_written_ns(recorder);
    char complaint[256], text[512];
    bool agents_go_on;

    if (part == GT_RECORDED_NATIVE) {
        lose_native(result, recorder, opened_ns > 0);
        return false;
    }
    if (written_ns < opened_ns)
        written_ns = opened_ns;
    agents_go_on = leave_it_to_agents(result, plan, part == GT_RECORDED_REST, written_ns);
    if (!agents_go_on)
        take_earlier(&result->recorded_ns, written_ns);
    gt_recorder_complaint(recorder, complaint, sizeof(complaint));
    snprintf(text, sizeof(text), "perf record ended while the program ran%s%s: %s%s",
             complaint[0] ? " - " : "", complaint,
             !agents_go_on       ? "what came later is not recorded"
             : result->rest_lost ? "from there on the agent alone records, and neither states "
                                   "nor counters are known"
                                 : "from there on the agent alone records",
             strstr(complaint, "No space") ? " (set TMPDIR to a folder with more room)" : "");
    gt_strvec_push(&result->warnings, text);
    return agents_go_on;
}
