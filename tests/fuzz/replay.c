/* SPDX-License-Identifier: MIT */
/* Without libFuzzer: run a fuzz target on the files that are given. */
#include "harness.h"

#include "base/fs.h"

#include <stdio.h>

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        struct gt_buf file;
        struct gt_error err;

        gt_buf_init(&file);
        if (gt_fs_read(argv[i], &file, 64 << 20, &err) < 0) {
            fprintf(stderr, "%s\n", err.message);
            return 1;
        }
        LLVMFuzzerTestOneInput((const uint8_t *)file.data, file.length);
        gt_buf_release(&file);
    }
    return 0;
}
