/* SPDX-License-Identifier: MIT */
/* The agent's beginning in this process. */
#ifndef GT_AGENT_BEGIN_H
#define GT_AGENT_BEGIN_H

/* Begin to record, if the environment says where to. gt_agent.recording says whether it does;
 * on trouble the control file says why it does not. Preserves errno. */
void gt_agent_begin(void);

#endif
