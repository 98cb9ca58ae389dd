/* SPDX-License-Identifier: MIT */
#include "attach/python.h"

#include "base/environ.h"
#include "launch/elf.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <unistd.h>

enum { VARIABLES_BYTES = 16 << 20 };

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static bool starts(const char *text, const char *word)
{
    return strncmp(text, word, strlen(word)) == 0;
}

static int not_python(const struct gt_running *running, struct gt_error *err)
{
    return gt_error_set(err, GT_ERR_UNSUPPORTED,
                        "process %d (%s) does not run Python: --pid takes a CPython process",
                        running->pid, last_part(running->exe));
}

/* --- its version --- */

/* "3.11.2+ (", "3.13.0rc1 (", "3.13.0 experimental free-threading build (" */
static bool parse_version(const char *text, size_t length, struct gt_python *python)
{
    char copy[96];
    const char *rest;
    int at = 0;

    snprintf(copy, sizeof(copy), "%.*s", (int)MIN(length, sizeof(copy) - 1), text);
    if (sscanf(copy, "%d.%d.%d%n", &python->major, &python->minor, &python->micro, &at) < 3)
        return false;
    rest = copy + at;
    rest += strspn(rest, "abcr0123456789+");
    python->free_threaded = starts(rest, " experimental free-threading build (") ||
                            starts(rest, " free-threading build (");
    return starts(rest, " (") || python->free_threaded;
}

bool gt_python_scan_version(const char *data, size_t length, struct gt_python *python)
{
    struct gt_python found = *python;

    for (size_t i = 0; i + 16 < length; i++) {
        /* It is a string of its own. */
        if ((data[i] != '2' && data[i] != '3') || data[i + 1] != '.' || (i && data[i - 1]))
            continue;
        if (!isdigit((unsigned char)data[i + 2]) ||
            !parse_version(data + i, length - i, &found))
            continue;
        *python = found;
        return true;
    }
    return false;
}

/* Read what may be read of a range, some pages of which may be missing. */
static void read_range(const struct gt_running *running, uint64_t start, char *data,
                       size_t length)
{
    enum { STEP = 4096 };

    for (size_t at = 0; at < length; at += STEP)
        if (!gt_running_read(running, start + at, data + at, MIN(STEP, length - at)))
            memset(data + at, 0, MIN(STEP, length - at));
}

static bool find_version(const struct gt_running *running, struct gt_python *python)
{
    size_t length = (size_t)MIN(python->variables_end - python->variables, VARIABLES_BYTES);
    char *data = malloc(length ? length : 1);
    bool found = false;

    if (data) {
        read_range(running, python->variables, data, length);
        found = gt_python_scan_version(data, length, python);
    }
    free(data);
    return found;
}

/* --- its files --- */

static void place_object(const struct gt_elf *elf, const char *name, uint64_t bias,
                         uint64_t *address, uint64_t *size)
{
    uint64_t length = 0;

    if (gt_elf_find_object(elf, name, address, &length, NULL) < 0) {
        *address = 0;
        return;
    }
    *address += bias;
    if (size)
        *size = length;
}

/* Where the file's variables are: from the first to the last writable segment. */
static void place_variables(const struct gt_elf *elf, uint64_t bias, struct gt_python *python)
{
    for (size_t i = 0; i < elf->segment_count; i++) {
        const Elf64_Phdr *segment = &elf->segments[i];

        if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_W))
            continue;
        if (!python->variables)
            python->variables = segment->p_vaddr + bias;
        python->variables_end = segment->p_vaddr + segment->p_memsz + bias;
    }
}

/* What must be added to an address as linked. False: this mapping is not of the code. */
static bool find_bias(const struct gt_elf *elf, const struct gt_mapping *mapping,
                      uint64_t *bias)
{
    for (size_t i = 0; i < elf->segment_count; i++) {
        const Elf64_Phdr *segment = &elf->segments[i];
        uint64_t in_page = (uint64_t)sysconf(_SC_PAGESIZE) - 1;

        if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_X) ||
            (segment->p_offset & ~in_page) != mapping->offset)
            continue;
        *bias = mapping->start - (segment->p_vaddr & ~in_page);
        return true;
    }
    return false;
}

static bool is_interpreter(const struct gt_elf *elf)
{
    uint64_t address, size;
    struct gt_elf_symbol symbol;

    return gt_elf_find_object(elf, "_PyRuntime", &address, &size, NULL) == 0 ||
           gt_elf_find_function(elf, "PyEval_SaveThread", &symbol, NULL) == 0;
}

static bool take_file(const struct gt_mapping *mapping, const char *path,
                      struct gt_python *python)
{
    struct gt_elf elf;
    uint64_t bias;
    bool taken;

    if (gt_elf_open(&elf, path, NULL) < 0)
        return false;
    taken = is_interpreter(&elf) && find_bias(&elf, mapping, &bias);
    if (taken) {
        python->file = mapping;
        place_variables(&elf, bias, python);
        place_object(&elf, "_PyRuntime", bias, &python->runtime, &python->runtime_size);
        place_object(&elf, "_PyThreadState_Current", bias, &python->current, NULL);
    }
    gt_elf_close(&elf);
    return taken;
}

static bool may_be_interpreter(const struct gt_running *running,
                               const struct gt_mapping *mapping)
{
    return mapping->executable && mapping->inode &&
           (starts(last_part(mapping->path), "libpython") ||
            strcmp(mapping->path, running->exe) == 0);
}

static int copy_path(char **to, const char *path, struct gt_error *err)
{
    free(*to);
    *to = strdup(path);
    return *to ? 0 : gt_error_memory(err);
}

static int replaced(const struct gt_running *running, const char *path, struct gt_error *err)
{
    return gt_error_set(err, GT_ERR_UNSUPPORTED,
                        "process %d runs with %s, which is not on the disk any more: was it "
                        "upgraded? Restart the program",
                        running->pid, path);
}

static int find_file(struct gt_python *python, struct gt_interp *interp,
                     const struct gt_running *running, struct gt_error *err)
{
    const char *gone = NULL;
    char path[PATH_MAX];
    bool elsewhere;

    for (size_t i = 0; i < running->mapping_count && !python->file; i++) {
        const struct gt_mapping *mapping = &running->mappings[i];

        if (!may_be_interpreter(running, mapping))
            continue;
        if (!gt_running_reach(running, mapping, path, sizeof(path), &elsewhere)) {
            gone = mapping->path;
            continue;
        }
        if (elsewhere)
            interp->inside_pid = running->pid;
        if (take_file(mapping, path, python) && starts(last_part(mapping->path), "libpython") &&
            copy_path(&interp->libpython, path, err) < 0)
            return GT_ERR_MEMORY;
    }
    if (python->file)
        return 0;
    return gone ? replaced(running, gone, err) : not_python(running, err);
}

static int find_libc(struct gt_interp *interp, const struct gt_running *running,
                     struct gt_error *err)
{
    const char *gone = NULL;
    char path[PATH_MAX];
    bool elsewhere;

    for (size_t i = 0; i < running->mapping_count; i++) {
        const struct gt_mapping *mapping = &running->mappings[i];
        const char *name = last_part(mapping->path);
        int rc;

        if (!mapping->executable || !mapping->inode)
            continue;
        if (starts(name, "ld-musl-"))
            return gt_error_set(err, GT_ERR_UNSUPPORTED,
                                "process %d uses musl (%s), and --pid knows the GIL by glibc's "
                                "condition variables",
                                running->pid, mapping->path);
        if (!starts(name, "libc") && !starts(name, "libpthread"))
            continue;
        if (!gt_running_reach(running, mapping, path, sizeof(path), &elsewhere)) {
            gone = mapping->path;
            continue;
        }
        if (elsewhere)
            interp->inside_pid = running->pid;
        rc = gt_interp_take_map(interp, path, err);
        if (rc < 0)
            return rc;
    }
    if (interp->libc)
        return 0;
    if (gone)
        return replaced(running, gone, err);
    return gt_error_set(err, GT_ERR_UNSUPPORTED,
                        "process %d maps no shared libc: statically linked interpreters cannot "
                        "be seen",
                        running->pid);
}

/* --- all of it --- */

static bool is_pypy(const struct gt_running *running)
{
    if (starts(last_part(running->exe), "pypy"))
        return true;
    for (size_t i = 0; i < running->mapping_count; i++)
        if (starts(last_part(running->mappings[i].path), "libpypy"))
            return true;
    return false;
}

/* A build without a GIL may still be run with one. */
static bool wants_gil(const struct gt_running *running)
{
    struct gt_buf entries;
    const char *value = NULL;
    bool wanted;

    gt_buf_init(&entries);
    if (gt_environ_read(running->pid, &entries) == 0)
        value = gt_environ_find(&entries, "PYTHON_GIL");
    wanted = value && strcmp(value, "1") == 0;
    gt_buf_release(&entries);
    return wanted;
}

static int judge_version(const struct gt_python *python, const struct gt_running *running,
                         struct gt_error *err)
{
    if (python->major == 2)
        return gt_error_set(err, GT_ERR_UNSUPPORTED,
                            "process %d runs Python 2.%d: Python 2 is not supported",
                            running->pid, python->minor);
    if (python->minor < 6)
        return gt_error_set(err, GT_ERR_UNSUPPORTED,
                            "process %d runs Python 3.%d: 3.6 and later are supported",
                            running->pid, python->minor);
    return 0;
}

int gt_python_find(struct gt_python *python, struct gt_interp *interp,
                   const struct gt_running *running, struct gt_error *err)
{
    int rc;

    memset(python, 0, sizeof(*python));
    if (is_pypy(running))
        return gt_error_set(err, GT_ERR_UNSUPPORTED,
                            "process %d runs PyPy, not CPython, whose GIL this is about",
                            running->pid);
    rc = find_file(python, interp, running, err);
    if (rc == 0)
        rc = gt_running_check_memory(running, err);
    if (rc < 0)
        return rc;
    if (!find_version(running, python))
        return gt_error_set(err, GT_ERR_UNSUPPORTED,
                            "process %d has not started Python yet, or its version cannot be "
                            "read: try again",
                            running->pid);
    rc = judge_version(python, running, err);
    if (rc == 0)
        rc = find_libc(interp, running, err);
    if (rc == 0)
        rc = copy_path(&interp->executable, running->exe, err);
    if (rc == 0)
        rc = copy_path(&interp->implementation, "cpython", err);
    if (rc < 0)
        return rc;
    interp->major = python->major;
    interp->minor = python->minor;
    interp->micro = python->micro;
    interp->free_threaded = python->free_threaded;
    interp->gil_enabled = !python->free_threaded || wants_gil(running);
    return 0;
}
