/* SPDX-License-Identifier: MIT */
#include "launch/runtime.h"

#include "launch/elf.h"

#include <string.h>

static int find_code(struct gt_runtime *runtime, const struct gt_elf *elf, struct gt_error *err)
{
    for (size_t i = 0; i < elf->segment_count; i++) {
        const Elf64_Phdr *segment = &elf->segments[i];

        if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_X))
            continue;
        runtime->code_address = segment->p_vaddr;
        runtime->code_offset = segment->p_offset;
        runtime->code_size_bytes = segment->p_filesz;
        return 0;
    }
    return gt_error_set(err, GT_ERR_NOT_FOUND, "%s has no code", elf->path);
}

/* CPython 3.6 has its global state in single variables, `gil_cond` among them; these are not
 * exported, so all of the file's variables are taken. No other condition variable there is
 * waited for with a timeout, since CPython's locks are semaphores. */
static int find_variables(struct gt_runtime *runtime, const struct gt_elf *elf,
                          struct gt_error *err)
{
    for (size_t i = 0; i < elf->segment_count; i++) {
        const Elf64_Phdr *segment = &elf->segments[i];

        if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_W))
            continue;
        runtime->address = segment->p_vaddr;
        runtime->size_bytes = segment->p_memsz;
        return 0;
    }
    return gt_error_set(err, GT_ERR_NOT_FOUND, "%s has no variables", elf->path);
}

int gt_runtime_find(struct gt_runtime *runtime, const struct gt_interp *interp,
                    struct gt_error *err)
{
    const char *path = interp->libpython ? interp->libpython : interp->executable;
    struct gt_elf elf;
    int rc;

    memset(runtime, 0, sizeof(*runtime));
    if (!path)
        return gt_error_set(err, GT_ERR_NOT_FOUND, "the interpreter's file is not known");
    rc = gt_elf_open(&elf, path, err);
    if (rc < 0)
        return rc;
    rc = interp->major == 3 && interp->minor == 6
             ? find_variables(runtime, &elf, err)
             : gt_elf_find_object(&elf, "_PyRuntime", &runtime->address, &runtime->size_bytes,
                                  err);
    if (rc == 0)
        rc = find_code(runtime, &elf, err);
    gt_elf_close(&elf);
    if (rc == 0)
        runtime->path = path;
    return rc;
}
