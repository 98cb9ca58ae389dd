/* SPDX-License-Identifier: MIT */
/* For tests that need something of the machine. */
#ifndef GT_TESTS_REQUIRE_H
#define GT_TESTS_REQUIRE_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Skip the test where the machine cannot run it; under CI it fails then. */
static inline void require(bool can_run, const char *what)
{
    const char *ci = getenv("CI");

    if (can_run)
        return;
    if (ci && strcmp(ci, "true") == 0)
        fail_msg("cannot run in CI: %s is missing", what);
    print_message("%s is missing\n", what);
    skip();
}

#endif
