/* SPDX-License-Identifier: MIT */
#include "agent/owner.h"

#include "agent/python.h"
#include "agent/wire.h"

#include <link.h>
#include <string.h>

enum {
    KNOWN = 128,             /* objects are remembered; further ones are searched each time */
    SEARCH_BYTES = 64 << 20, /* of one segment */
};

struct search {
    uintptr_t code;
    uintptr_t base; /* of the object found */
    uint32_t flags;
};

static struct {
    uintptr_t base;
    uint32_t flags;
} known[KNOWN];
static unsigned known_count;

static uint32_t owner_of_path(const char *path)
{
    if (strstr(path, "/site-packages/") || strstr(path, "/dist-packages/"))
        return GT_WIRE_OWNER_INSTALLED;
    if (strstr(path, "/lib-dynload/"))
        return GT_WIRE_OWNER_PYTHON;
    return GT_WIRE_OWNER_PROGRAM;
}

/* Extensions made with Cython and pybind11 contain names of these. */
static uint32_t maker_of(const struct dl_phdr_info *info)
{
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        const void *data = (const void *)(info->dlpi_addr + segment->p_vaddr);
        size_t size = segment->p_memsz < SEARCH_BYTES ? segment->p_memsz : SEARCH_BYTES;

        if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_R) ||
            segment->p_flags & (PF_W | PF_X))
            continue;
        if (memmem(data, size, "__pyx_capi__", 12) || memmem(data, size, "_cython_", 8))
            return GT_WIRE_MADE_BY_CYTHON;
        if (memmem(data, size, "pybind11", 8))
            return GT_WIRE_MADE_BY_PYBIND11;
    }
    return 0;
}

static uint32_t look_at(const struct dl_phdr_info *info, uintptr_t code)
{
    uint32_t flags;

    if (gt_agent_from_python((const void *)code))
        return GT_WIRE_OWNER_PYTHON;
    flags = owner_of_path(info->dlpi_name ? info->dlpi_name : "");
    return flags == GT_WIRE_OWNER_PYTHON ? flags : flags | maker_of(info);
}

static int match_object(struct dl_phdr_info *info, size_t size, void *data)
{
    struct search *search = data;

    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + segment->p_vaddr;

        if (segment->p_type != PT_LOAD || search->code - start >= segment->p_memsz)
            continue;
        search->base = start;
        for (unsigned j = 0; j < known_count; j++)
            if (known[j].base == start) {
                search->flags = known[j].flags;
                return 1;
            }
        search->flags = look_at(info, search->code);
        if (known_count < KNOWN) {
            known[known_count].base = start;
            known[known_count].flags = search->flags;
            known_count++;
        }
        return 1;
    }
    return 0;
}

uint32_t gt_agent_owner_of(const void *code)
{
    struct search search = {.code = (uintptr_t)code};

    if (gt_agent_from_python(code))
        return GT_WIRE_OWNER_PYTHON;
    dl_iterate_phdr(match_object, &search);
    return search.flags;
}
