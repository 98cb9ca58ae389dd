/* SPDX-License-Identifier: MIT */
/* Which way a branch goes as a rule, for the compiler. */
#ifndef GT_AGENT_LIKELY_H
#define GT_AGENT_LIKELY_H

#define GT_AGENT_LIKELY(x)   __builtin_expect(!!(x), 1)
#define GT_AGENT_UNLIKELY(x) __builtin_expect(!!(x), 0)

#endif
