/* SPDX-License-Identifier: MIT */
/* The gate as a program of its own, static where that can be linked. */
#include "launch/become.h"
#include "launch/gatekeeper.h"

#include <string.h>

int main(int argc, char **argv)
{
    if (argc > GT_BECOME_FIXED_ARGS && strcmp(argv[0], GT_BECOME_NAME) == 0)
        return gt_become_main(argv);
    return argc > GT_GATE_FIXED_ARGS ? gt_gatekeeper_main(argv) : 125;
}
