/* SPDX-License-Identifier: MIT */
/* The gate as a program of its own, static where that can be linked. */
#include "launch/gatekeeper.h"

int main(int argc, char **argv)
{
    return argc > GT_GATE_FIXED_ARGS ? gt_gatekeeper_main(argv) : 125;
}
