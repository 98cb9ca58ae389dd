/* SPDX-License-Identifier: MIT */
/* What recording cost by what the agent measured of it, per event and per call. */
#ifndef GT_INGEST_AGENT_COSTS_H
#define GT_INGEST_AGENT_COSTS_H

#include "agentlog/agentlog.h"
#include "model/recorded.h"

/* After all of the log was taken: what copying it took is spread over what was in it. */
void gt_take_agent_costs(struct gt_recorded *out, const struct gt_agentlog_quality *agent);

/* Calls of functions of C, or of others, also of those that are in no span. */
uint64_t gt_recorded_calls(const struct gt_timeline *timeline, bool c);

#endif
