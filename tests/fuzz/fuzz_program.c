/* SPDX-License-Identifier: MIT */
/*
 * What is asked of a program before it runs: the input is an ELF file, or what interpreters,
 * loaders, #! lines and perf say.
 */
#include "harness.h"

#include "launch/caps.h"
#include "launch/elf.h"
#include "launch/interp.h"
#include "launch/owner.h"
#include "launch/probe_sites.h"
#include "launch/probes.h"
#include "launch/runtime.h"

#include <stdlib.h>
#include <string.h>

/* Whatever is planned lies within the file, and is no more than one line of a command. */
static void check_probes(const struct gt_probe_set *set, size_t size)
{
    for (size_t i = 0; i < set->count; i++) {
        struct gt_buf text;

        gt_buf_init(&text);
        must(set->probes[i].offset < size + 64, "a probe outside of the file");
        must(gt_probe_definition(set, &set->probes[i], &text) == 0, "out of memory");
        must(!strpbrk(text.data, "\n;"), "a probe that is more than one");
        gt_buf_release(&text);
    }
}

static void check_elf(const uint8_t *data, size_t size)
{
    char *path = (char *)file_of(data, size);
    const struct gt_interp interp = {.command = path, .executable = path, .libc = path};
    struct gt_runtime runtime;
    struct gt_probe_set set;
    uint64_t start, end;
    char loader[64];

    gt_probe_set_init(&set);
    gt_probes_plan_libc(&set, path, NULL);
    gt_probes_plan_contended(&set, path, NULL);
    gt_probes_plan_locks(&set, &interp, NULL);
    gt_probes_plan_functions(&set, &interp, NULL);
    check_probes(&set, size);
    gt_probe_set_release(&set);
    if (gt_runtime_find(&runtime, &interp, NULL) == 0)
        gt_runtime_locate(&runtime, 0x7f0000000000, runtime.code_offset, &start, &end);
    gt_elf_lacks_loader(path, loader, sizeof(loader));
}

static void check_answers(const char *text, size_t size)
{
    struct gt_owner owner;
    struct gt_interp interp;
    struct gt_caps caps;
    char path[64];

    gt_interp_init(&interp);
    gt_caps_init(&caps);
    must(gt_interp_parse(&interp, text, size, NULL) < 0 ||
             (interp.implementation && interp.executable),
         "an interpreter without a name");
    gt_interp_parse_shebang(text, path, sizeof(path));
    gt_interp_parse_ld_list(text, path, sizeof(path));
    gt_interp_is_python_name(text);
    gt_caps_read_perf_version(&caps, text);
    gt_caps_is_gil_probe(text);
    gt_owner_parse(text, &owner);
    gt_probes_is_clone(text, "take_gil");
    gt_caps_release(&caps);
    gt_interp_release(&interp);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text;

    if (size >= SELFMAG && memcmp(data, ELFMAG, SELFMAG) == 0) {
        check_elf(data, size);
        return 0;
    }
    text = text_of(data, size);
    check_answers(text, size);
    free(text);
    return 0;
}
