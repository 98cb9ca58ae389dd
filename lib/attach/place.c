/* SPDX-License-Identifier: MIT */
#include "attach/place.h"

#include "launch/elf.h"

#include <dlfcn.h>
#include <limits.h>
#include <string.h>
#include <sys/param.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

enum {
    RTLD_DLOPEN = (int)0x80000000
}; /* glibc's dlfcn/: who calls __libc_dlopen_mode sets it */

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static bool starts(const char *text, const char *word)
{
    return strncmp(text, word, strlen(word)) == 0;
}

static bool open_mapped(struct gt_elf *elf, const struct gt_running *running,
                        const struct gt_mapping *mapping, char path[PATH_MAX])
{
    bool elsewhere;

    return mapping->executable && mapping->inode &&
           gt_running_reach(running, mapping, path, PATH_MAX, &elsewhere) &&
           gt_elf_open(elf, path, NULL) == 0;
}

/* The function's address, where this mapping of the file has it. */
static uint64_t function_in(const struct gt_elf *elf, const struct gt_mapping *mapping,
                            const char *function)
{
    struct gt_elf_symbol symbol;

    if (gt_elf_find_function(elf, function, &symbol, NULL) < 0 ||
        symbol.offset < mapping->offset ||
        symbol.offset - mapping->offset >= mapping->end - mapping->start)
        return 0;
    return mapping->start + (symbol.offset - mapping->offset);
}

static uint64_t mapped_function(const struct gt_running *running,
                                const struct gt_mapping *mapping, const char *function)
{
    struct gt_elf elf;
    char path[PATH_MAX];
    uint64_t address;

    if (!open_mapped(&elf, running, mapping, path))
        return 0;
    address = function_in(&elf, mapping, function);
    gt_elf_close(&elf);
    return address;
}

uint64_t gt_place_function(const struct gt_running *running, const char *name,
                           const char *function)
{
    uint64_t address = 0;

    for (size_t i = 0; i < running->mapping_count && !address; i++)
        if (starts(last_part(running->mappings[i].path), name))
            address = mapped_function(running, &running->mappings[i], function);
    return address;
}

/* Before glibc 2.34 threads and dlopen have libraries of their own. */
static uint64_t libc_function(const struct gt_running *running, const char *function)
{
    static const char *const names[] = {"libc.so", "libc-", "libpthread", "libdl"};
    uint64_t address = 0;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && !address; i++)
        address = gt_place_function(running, names[i], function);
    return address;
}

static int find_libc(struct gt_place *place, const struct gt_running *running,
                     struct gt_error *err)
{
    struct gt_stub_region *to = &place->pattern;

    to->errno_location = libc_function(running, "__errno_location");
    to->pthread_create = libc_function(running, "pthread_create");
    to->pthread_self = libc_function(running, "pthread_self");
    to->pthread_detach = libc_function(running, "pthread_detach");
    to->dlopen = libc_function(running, "dlopen");
    to->dlsym = libc_function(running, "dlsym");
    to->dlerror = libc_function(running, "dlerror");
    to->dlopen_mode = RTLD_NOW;
    if (!to->dlopen || !to->dlsym) { /* a program without libdl */
        to->dlopen = libc_function(running, "__libc_dlopen_mode");
        to->dlsym = libc_function(running, "__libc_dlsym");
        to->dlerror = 0;
        to->dlopen_mode = (uint32_t)(RTLD_NOW | RTLD_DLOPEN);
    }
    if (to->errno_location && to->pthread_create && to->pthread_self && to->pthread_detach &&
        to->dlopen && to->dlsym)
        return 0;
    return gt_error_set(err, GT_ERR_UNSUPPORTED,
                        "process %d maps no library that makes threads and loads others "
                        "(pthread_create, dlopen)",
                        running->pid);
}

static int find_python(struct gt_place *place, const struct gt_running *running,
                       const struct gt_python *python, struct gt_error *err)
{
    struct gt_stub_region *to = &place->pattern;
    struct gt_elf elf;
    char path[PATH_MAX];

    if (open_mapped(&elf, running, python->file, path)) {
        to->ensure = function_in(&elf, python->file, "PyGILState_Ensure");
        to->release = function_in(&elf, python->file, "PyGILState_Release");
        place->add_pending = function_in(&elf, python->file, "Py_AddPendingCall");
        if (python->minor == 6) { /* from 3.7 on the GIL is always there */
            to->create = function_in(&elf, python->file, "PyEval_InitThreads");
            place->threads_initialized =
                function_in(&elf, python->file, "PyEval_ThreadsInitialized");
        }
        gt_elf_close(&elf);
    }
    if (to->ensure && to->release && place->add_pending &&
        (python->minor > 6 || (to->create && place->threads_initialized)))
        return 0;
    return gt_error_set(err, GT_ERR_UNSUPPORTED,
                        "the interpreter of process %d exports no PyGILState_Ensure and "
                        "Py_AddPendingCall: code cannot enter it",
                        running->pid);
}

/* --- room --- */

/* Is this what the file has there, or what an earlier giltracer put there? */
static bool is_unused(const struct gt_running *running, const struct gt_elf *elf,
                      uint64_t offset, uint64_t address, size_t length)
{
    unsigned char now[PATH_MAX], file[PATH_MAX];
    size_t got;

    if (length > sizeof(now) || !gt_running_read(running, address, now, length))
        return false;
    got = gt_elf_read(elf, offset, file, length);
    memset(file + got, 0, length - got);
    return memcmp(now, file, length) == 0 || memcmp(now, gt_stub_begin, length) == 0;
}

/* The last page of the file's code is mapped whole. */
static uint64_t room_in(const struct gt_running *running, const struct gt_elf *elf,
                        const struct gt_mapping *mapping)
{
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    const size_t length = gt_stub_bytes();

    for (size_t i = 0; i < elf->segment_count; i++) {
        const Elf64_Phdr *segment = &elf->segments[i];
        uint64_t into = segment->p_offset % page, used, address, offset;

        if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_X) ||
            segment->p_offset - into != mapping->offset ||
            segment->p_memsz != segment->p_filesz)
            continue;
        used = (into + segment->p_filesz + 15) / 16 * 16;
        address = mapping->start + used;
        offset = mapping->offset + used;
        if (address + length <= mapping->end && mapping->end - address < page &&
            is_unused(running, elf, offset, address, length))
            return address;
    }
    return 0;
}

static int find_room(struct gt_place *place, const struct gt_running *running,
                     struct gt_error *err)
{
    for (size_t i = 0; i < running->mapping_count; i++) {
        const struct gt_mapping *mapping = &running->mappings[i];
        struct gt_elf elf;
        char path[PATH_MAX];

        if (mapping->writable || !open_mapped(&elf, running, mapping, path))
            continue;
        place->code = room_in(running, &elf, mapping);
        gt_elf_close(&elf);
        if (place->code)
            return 0;
    }
    return gt_error_set(err, GT_ERR_UNSUPPORTED,
                        "no library of process %d has %zu unused bytes behind its code",
                        running->pid, gt_stub_bytes());
}

/* x86-64: mov $15, %rax; syscall. Where signal handlers return to (__restore_rt). */
static uint64_t find_restorer(const struct gt_running *running)
{
    static const unsigned char code[] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05};
    unsigned char data[65536 + sizeof(code)];

    for (size_t i = 0; i < running->mapping_count; i++) {
        const struct gt_mapping *mapping = &running->mappings[i];
        const char *name = last_part(mapping->path);

        if (!mapping->executable || (!starts(name, "libc.so") && !starts(name, "libc-")))
            continue;
        for (uint64_t at = mapping->start; at < mapping->end;
             at += sizeof(data) - sizeof(code)) {
            size_t length = (size_t)MIN(mapping->end - at, sizeof(data));
            unsigned char *found = gt_running_read(running, at, data, length)
                                       ? memmem(data, length, code, sizeof(code))
                                       : NULL;

            if (found)
                return at + (uint64_t)(found - data);
        }
    }
    return 0;
}

/* Is there room for what XSAVE stores on this machine? */
static bool vectors_fit(void)
{
#if defined(__x86_64__)
    unsigned a, b, c, d;

    return __get_cpuid_count(0xd, 0, &a, &b, &c, &d) && b && b <= GT_STUB_XSAVE_BYTES;
#else
    return true;
#endif
}

int gt_place_find(struct gt_place *place, const struct gt_running *running,
                  const struct gt_python *python, struct gt_error *err)
{
    int rc;

    memset(place, 0, sizeof(*place));
    if (!gt_stub_bytes())
        return gt_error_set(err, GT_ERR_UNSUPPORTED,
                            "the agent cannot be loaded into a running process on this "
                            "machine's architecture yet");
    if (!vectors_fit())
        return gt_error_set(err, GT_ERR_UNSUPPORTED,
                            "this CPU has more registers than the agent's loader can keep");
    rc = find_libc(place, running, err);
    if (rc == 0)
        rc = find_python(place, running, python, err);
    if (rc == 0)
        rc = find_room(place, running, err);
    if (rc == 0)
        place->restorer = find_restorer(running);
    return rc;
}
