/* SPDX-License-Identifier: MIT */
/* The agent's beginning in this process. */
#ifndef GT_AGENT_BEGIN_H
#define GT_AGENT_BEGIN_H

/* Make all ready to record if the settings say where to, and record unless gt_agent.attached.
 * 0, or an errno: nothing is recorded, and the control file says why, if there is one.
 * Preserves errno. */
int gt_agent_begin(void);

#endif
