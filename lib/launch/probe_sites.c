/* SPDX-License-Identifier: MIT */
#include "launch/probe_sites.h"

#include "launch/elf.h"
#include "launch/insn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>

enum { MAX_PROBES = 64 };

void gt_probe_set_init(struct gt_probe_set *set)
{
    memset(set, 0, sizeof(*set));
}

void gt_probes_forget(struct gt_probe_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        free(set->probes[i].path);
    free(set->probes);
    set->probes = NULL;
    set->count = 0;
}

void gt_probe_set_release(struct gt_probe_set *set)
{
    gt_probes_forget(set);
    gt_probe_set_init(set);
}

/* What probes fetch, as the calling conventions pass it. */
struct arguments {
    const char *cond;  /* of a function */
    const char *wait;  /* of one that waits until a deadline, its third argument */
    const char *block; /* the same, with the mutex, its second one */
    const char *futex; /* of the system call */
};

static const struct arguments *arguments_of(uint16_t machine)
{
    static const struct arguments x86_64 = {"cond=%di:x64",
                                            "cond=%di:x64 sec=+0(%dx):s64 nsec=+8(%dx):s64",
                                            "cond=%di:x64 sec=+0(%dx):s64 nsec=+8(%dx):s64 "
                                            "mutex=%si:x64",
                                            "uaddr=%di:x64 op=%si:x32"};
    static const struct arguments aarch64 = {"cond=%x0:x64",
                                             "cond=%x0:x64 sec=+0(%x2):s64 nsec=+8(%x2):s64",
                                             "cond=%x0:x64 sec=+0(%x2):s64 nsec=+8(%x2):s64 "
                                             "mutex=%x1:x64",
                                             "uaddr=%x0:x64 op=%x1:x32"};

    return machine == EM_X86_64 ? &x86_64 : machine == EM_AARCH64 ? &aarch64 : NULL;
}

/* Its event is called `event`, and `event`_`number` where that is not 0. */
static struct gt_probe *add_probe(struct gt_probe_set *set, const char *path, uint64_t offset,
                                  const char *event, unsigned number, struct gt_error *err)
{
    struct gt_probe *probes = reallocarray(set->probes, set->count + 1, sizeof(*probes));
    struct gt_probe *probe;

    if (!probes) {
        gt_error_memory(err);
        return NULL;
    }
    set->probes = probes;
    probe = &probes[set->count];
    memset(probe, 0, sizeof(*probe));
    probe->path = strdup(path);
    if (!probe->path) {
        gt_error_memory(err);
        return NULL;
    }
    probe->offset = offset;
    snprintf(probe->event, sizeof(probe->event), number ? "%s_%u" : "%s", event, number);
    set->count++;
    return probe;
}

static const char timedwait[] = "pthread_cond_timedwait";

/* Fetches `argument`. */
static int plan_libc_probe(struct gt_probe_set *set, const struct gt_elf *elf,
                           const char *function, const char *event, const char *argument,
                           struct gt_error *err)
{
    uint8_t code[GT_INSN_WINDOW];
    struct gt_elf_symbol symbol;
    struct gt_probe *probe;
    size_t length;
    int rc = gt_elf_find_function(elf, function, &symbol, err);

    if (rc < 0)
        return rc;
    length = gt_elf_read(elf, symbol.offset, code, sizeof(code));
    symbol.offset += gt_insn_cheapest(elf->header.e_machine, code, length);
    probe = add_probe(set, elf->path, symbol.offset, event, 0, err);
    if (!probe)
        return GT_ERR_MEMORY;
    probe->argument = argument;
    return 0;
}

/* Where it returns, with its result. */
static int plan_libc_return(struct gt_probe_set *set, const struct gt_elf *elf,
                            const char *function, const char *event, struct gt_error *err)
{
    struct gt_elf_symbol symbol;
    struct gt_probe *probe;
    int rc = gt_elf_find_function(elf, function, &symbol, err);

    if (rc < 0)
        return rc;
    probe = add_probe(set, elf->path, symbol.offset, event, 0, err);
    if (!probe)
        return GT_ERR_MEMORY;
    probe->on_return = true;
    probe->argument = "result=$retval:x32";
    return 0;
}

static int plan_futex_calls(struct gt_probe_set *set, const struct gt_elf *elf,
                            const char *function, const char *event, struct gt_error *err)
{
    enum { CODE_BYTES = 4096, MAX_CALLS = 8 };
    uint8_t code[CODE_BYTES];
    uint64_t calls[MAX_CALLS];
    struct gt_elf_symbol symbol;
    size_t length, count;
    int rc = gt_elf_find_function(elf, function, &symbol, err);

    if (rc < 0)
        return rc;
    length = gt_elf_read(elf, symbol.offset, code, MIN(sizeof(code), symbol.size_bytes));
    count = gt_insn_futex_calls(elf->header.e_machine, code, length, calls, MAX_CALLS);
    if (count == 0 || count > MAX_CALLS)
        return gt_error_set(err, GT_ERR_NOT_FOUND, "%s of %s is not compiled in a known way",
                            function, elf->path);
    for (unsigned i = 0; i < count; i++) {
        struct gt_probe *probe =
            add_probe(set, elf->path, symbol.offset + calls[i], event, i, err);

        if (!probe)
            return GT_ERR_MEMORY;
        probe->argument = arguments_of(elf->header.e_machine)->futex;
    }
    return 0;
}

static int open_libc(struct gt_elf *elf, const char *libc, const struct arguments **arguments,
                     struct gt_error *err)
{
    int rc = gt_elf_open(elf, libc, err);

    if (rc < 0)
        return rc;
    *arguments = arguments_of(elf->header.e_machine);
    if (*arguments)
        return 0;
    gt_elf_close(elf);
    return gt_error_set(err, GT_ERR_UNSUPPORTED,
                        "probes are known for x86-64 and aarch64 only, and %s is neither",
                        libc);
}

int gt_probes_plan_libc(struct gt_probe_set *set, const char *libc, struct gt_error *err)
{
    const struct arguments *arguments;
    struct gt_elf elf;
    int rc = open_libc(&elf, libc, &arguments, err);

    if (rc < 0)
        return rc;
    rc = plan_libc_probe(set, &elf, "pthread_cond_signal", "signal", arguments->cond, err);
    if (rc == 0)
        rc = plan_libc_probe(set, &elf, timedwait, "wait", arguments->wait, err);
    gt_elf_close(&elf);
    return rc;
}

int gt_probes_plan_wait(struct gt_probe_set *set, const char *libc, struct gt_error *err)
{
    const struct arguments *arguments;
    struct gt_elf elf;
    int rc = open_libc(&elf, libc, &arguments, err);

    if (rc < 0)
        return rc;
    rc = plan_libc_probe(set, &elf, timedwait, "wait", arguments->block, err);
    gt_elf_close(&elf);
    return rc;
}

int gt_probes_plan_contended(struct gt_probe_set *set, const char *libc, struct gt_error *err)
{
    const struct arguments *arguments;
    struct gt_elf elf;
    int rc = open_libc(&elf, libc, &arguments, err);

    if (rc < 0)
        return rc;
    rc = plan_futex_calls(set, &elf, "pthread_cond_signal", "contended_wake", err);
    if (rc == 0)
        rc = plan_libc_probe(set, &elf, timedwait, "contended_wait", arguments->block, err);
    if (rc == 0)
        rc = plan_libc_return(set, &elf, timedwait, "contended_wait", err);
    if (rc == 0)
        rc = plan_libc_probe(set, &elf, "pthread_cond_wait", "contended_block", arguments->cond,
                             err);
    gt_elf_close(&elf);
    return rc;
}

bool gt_probes_is_clone(const char *symbol, const char *function)
{
    size_t length = strlen(function);

    if (strncmp(symbol, function, length) != 0)
        return false;
    return !symbol[length] || (symbol[length] == '.' && !strstr(symbol + length, ".cold"));
}

struct function_search {
    struct gt_probe_set *set;
    const char *path;
    const char *function;
    unsigned clones;
    struct gt_error *err;
};

static int take_function(void *context, const struct gt_elf_symbol *symbol)
{
    struct function_search *search = context;
    struct gt_probe_set *set = search->set;
    bool returns = strcmp(search->function, "take_gil") == 0;

    if (!gt_probes_is_clone(symbol->name, search->function))
        return 0;
    for (size_t i = 0; i < set->count; i++) /* .symtab and .dynsym may both name it */
        if (set->probes[i].offset == symbol->offset &&
            strcmp(set->probes[i].path, search->path) == 0)
            return 0;
    if (set->count + 2 > MAX_PROBES)
        return gt_error_set(search->err, GT_ERR_FORMAT, "%s has too many clones of %s",
                            search->path, search->function);
    for (int on_return = 0; on_return <= (returns ? 1 : 0); on_return++) {
        struct gt_probe *probe = add_probe(set, search->path, symbol->offset, search->function,
                                           search->clones, search->err);

        if (!probe)
            return GT_ERR_MEMORY;
        probe->on_return = on_return;
    }
    search->clones++;
    return 0;
}

static int plan_function(struct gt_probe_set *set, const struct gt_interp *interp,
                         const char *function, struct gt_error *err)
{
    const char *paths[] = {interp->executable, interp->libpython};
    struct function_search search = {set, NULL, function, 0, err};

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct gt_elf elf;
        int rc;

        if (!paths[i])
            continue;
        search.path = paths[i];
        rc = gt_elf_open(&elf, paths[i], err);
        if (rc < 0)
            return rc;
        rc = gt_elf_each_function(&elf, take_function, &search, err);
        gt_elf_close(&elf);
        if (rc < 0)
            return rc;
    }
    if (search.clones == 0)
        return gt_error_set(err, GT_ERR_NOT_FOUND,
                            "%s has no symbol %s: it is stripped, or the function was inlined "
                            "(--gil-source uprobes needs no symbols)",
                            interp->libpython    ? interp->libpython
                            : interp->executable ? interp->executable
                                                 : interp->command,
                            function);
    return 0;
}

int gt_probes_plan_functions(struct gt_probe_set *set, const struct gt_interp *interp,
                             struct gt_error *err)
{
    int rc = plan_function(set, interp, "take_gil", err);

    return rc < 0 ? rc : plan_function(set, interp, "drop_gil", err);
}
