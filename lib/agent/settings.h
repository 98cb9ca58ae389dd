/* SPDX-License-Identifier: MIT */
/* What the agent is told to do: by the environment when it is preloaded, by whoever attaches it
 * when it is loaded late (late.h). The keys are GT_AGENT_ENV_* of wire.h. */
#ifndef GT_AGENT_SETTINGS_H
#define GT_AGENT_SETTINGS_H

/* The value of a key; NULL: it is not set. Borrowed, until gt_agent_settings_use. */
const char *gt_agent_setting(const char *key);

/* From now on the settings are these "KEY=VALUE\n" lines, and the environment is not asked any
 * more. A key that comes again continues its value after a newline. 0, or EINVAL for a line
 * that has no known key, or ENOMEM: then nothing has changed. */
int gt_agent_settings_use(const char *text);

#endif
