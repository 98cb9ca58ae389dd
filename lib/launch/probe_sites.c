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

void gt_probes_cut(struct gt_probe_set *set, size_t count)
{
    while (set->count > count)
        free(set->probes[--set->count].path);
}

void gt_probe_set_release(struct gt_probe_set *set)
{
    gt_probes_forget(set);
    gt_probe_set_init(set);
}

/* What probes fetch, as the calling conventions pass it. */
struct arguments {
    const char *cond;      /* of a function */
    const char *wait;      /* of one that waits until a deadline, its third argument */
    const char *block;     /* the same, with the mutex, its second one */
    const char *futex;     /* of the system call */
    const char *semaphore; /* of a function */
};

static const struct arguments *arguments_of(uint16_t machine)
{
    static const struct arguments x86_64 = {"cond=%di:x64",
                                            "cond=%di:x64 sec=+0(%dx):s64 nsec=+8(%dx):s64",
                                            "cond=%di:x64 sec=+0(%dx):s64 nsec=+8(%dx):s64 "
                                            "mutex=%si:x64",
                                            "uaddr=%di:x64 op=%si:x32", "sem=%di:x64"};
    static const struct arguments aarch64 = {"cond=%x0:x64",
                                             "cond=%x0:x64 sec=+0(%x2):s64 nsec=+8(%x2):s64",
                                             "cond=%x0:x64 sec=+0(%x2):s64 nsec=+8(%x2):s64 "
                                             "mutex=%x1:x64",
                                             "uaddr=%x0:x64 op=%x1:x32", "sem=%x0:x64"};

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
                            const char *function, const char *event, const char *argument,
                            struct gt_error *err)
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
        probe->argument = argument;
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
    rc = plan_futex_calls(set, &elf, "pthread_cond_signal", "contended_wake", arguments->futex,
                          err);
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

/* --- locks --- */

/* Of a semaphore: itself, the stack, its value, whether processes share it, where the call came
 * from; and, as if it lay in the wait_entry of a thread that parks (parking_lot.c), what for,
 * the argument, and the lock's own byte. Each has at most 62 characters, which the kernel
 * limits. */
#define SEMAPHORE(first, stack, caller)                                                        \
    "sem=%" first ":x64 sp=%" stack ":x64 value=+0(%" first "):x32 shared=+8(%" first          \
    "):x32 caller=" caller ":x64 lock=-8(%" first "):x64 arg=-16(%" first                      \
    "):x64 bits=+0(-8(%" first ")):x8"

/* Of an object whose type is at this place: the flags of its type's type, the name of that
 * one's type, which tell whether it is a type at all, and the beginning of the type's name. As
 * words, since a text could be anything. Places in a type are those of a head of 16 bytes; a
 * free-threaded build's has 16 more. */
#define TYPE(prefix, type, own, name, flags)                                                   \
    " " prefix "flags=+" flags "(+" own "(" type ")):x64 " prefix "meta=+0(+" name "(+" own    \
    "(+" own "(" type ")))):x64 " prefix "name0=+0(+" name "(" type ")):x64 " prefix           \
    "name1=+8(+" name "(" type ")):x64 " prefix "name2=+16(+" name "(" type ")):x64 " prefix   \
    "name3=+24(+" name "(" type ")):x64"
#define TYPE_GIL(prefix, type)  TYPE(prefix, type, "8", "24", "168")
#define TYPE_FREE(prefix, type) TYPE(prefix, type, "24", "40", "184")

/* Who called the callers: told by what lies on the stack. */
#define WORD(number, offset) " s" #number "=+" #offset "(%sp):x64"
#define STACK                                                                                  \
    WORD(0, 0)                                                                                 \
    WORD(1, 8)                                                                                 \
    WORD(2, 16)                                                                                \
    WORD(3, 24)                                                                                \
    WORD(4, 32)                                                                                \
    WORD(5, 40)                                                                                \
    WORD(6, 48)                                                                                \
    WORD(7, 56)                                                                                \
    WORD(8, 64)                                                                                \
    WORD(9, 72)                                                                                \
    WORD(10, 80)                                                                               \
    WORD(11, 88)                                                                               \
    WORD(12, 96)                                                                               \
    WORD(13, 104)                                                                              \
    WORD(14, 112)                                                                              \
    WORD(15, 120)                                                                              \
    WORD(16, 128)                                                                              \
    WORD(17, 136)                                                                              \
    WORD(18, 144)                                                                              \
    WORD(19, 152)                                                                              \
    WORD(20, 160)                                                                              \
    WORD(21, 168)                                                                              \
    WORD(22, 176)                                                                              \
    WORD(23, 184)

/* The lock is a byte of an object's head ("o"), or the whole of an object ("w"). */
#define OF_OBJECT(first)  TYPE_FREE("o", "+14(-8(%" first "))")
#define WHOLE_GIL(first)  TYPE_GIL("w", "-8(-8(%" first "))")
#define WHOLE_FREE(first) TYPE_FREE("w", "-8(-8(%" first "))")
#define X86_64            SEMAPHORE("di", "sp", "+0(%sp)")
#define AARCH64           SEMAPHORE("x0", "sp", "%x30")

/* Include/internal/pycore_lock.h, Include/object.h of 3.13 to 3.15. */
static const char *arguments_of_wait(uint16_t machine, const struct gt_interp *interp)
{
    if (interp->major != 3 || interp->minor < 13)
        return machine == EM_X86_64 ? X86_64 STACK : AARCH64 STACK;
    if (interp->minor >= 14 && interp->free_threaded)
        return machine == EM_X86_64 ? X86_64 OF_OBJECT("di") WHOLE_FREE("di")
                                    : AARCH64 OF_OBJECT("x0") WHOLE_FREE("x0");
    if (interp->minor >= 14)
        return machine == EM_X86_64 ? X86_64 WHOLE_GIL("di") : AARCH64 WHOLE_GIL("x0");
    if (interp->free_threaded)
        return machine == EM_X86_64 ? X86_64 OF_OBJECT("di") : AARCH64 OF_OBJECT("x0");
    return machine == EM_X86_64 ? X86_64 : AARCH64;
}

/* Where it finds that it has to wait; its entry, where that place is not known. */
static uint64_t find_wait(const struct gt_elf *elf, const struct gt_elf_symbol *function)
{
    enum { CODE_BYTES = 512, MAX_JUMPS = 8 };
    uint16_t machine = elf->header.e_machine;
    uint8_t code[CODE_BYTES], slow[64];
    uint64_t targets[MAX_JUMPS], found = function->offset;
    size_t length =
        gt_elf_read(elf, function->offset, code, MIN(sizeof(code), function->size_bytes));
    size_t count =
        gt_insn_jumps_out(machine, code, length, function->offset, targets, MAX_JUMPS);

    for (size_t i = 0; i < count && i < MAX_JUMPS; i++)
        if (gt_insn_is_slow_wait(machine, slow,
                                 gt_elf_read(elf, targets[i], slow, sizeof(slow))))
            found = targets[i];
    return found;
}

static int plan_waits(struct gt_probe_set *set, const struct gt_elf *elf, const char *argument,
                      struct gt_error *err)
{
    static const char *const functions[] = {"sem_wait", "sem_timedwait", "sem_clockwait"};
    unsigned number = 0;

    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        struct gt_elf_symbol function;
        int rc = gt_elf_find_function(elf, functions[i], &function, err);
        uint64_t offset;

        if (rc == GT_ERR_NOT_FOUND && number > 0)
            continue; /* sem_clockwait is younger than the others */
        if (rc < 0)
            return rc;
        offset = find_wait(elf, &function);
        for (int on_return = 0; on_return <= 1; on_return++) {
            struct gt_probe *probe =
                add_probe(set, elf->path, offset, "semaphore_wait", number, err);

            if (!probe)
                return GT_ERR_MEMORY;
            probe->on_return = on_return;
            probe->argument = on_return ? "result=$retval:x32" : argument;
        }
        number++;
    }
    return 0;
}

static int plan_made(struct gt_probe_set *set, const struct gt_elf *elf, const char *argument,
                     struct gt_error *err)
{
    uint8_t code[GT_INSN_WINDOW];
    struct gt_elf_symbol function;
    struct gt_probe *probe;
    size_t length;
    int rc = gt_elf_find_function(elf, "sem_init", &function, err);

    if (rc < 0)
        return rc;
    length = gt_elf_read(elf, function.offset, code, sizeof(code));
    probe =
        add_probe(set, elf->path,
                  function.offset + gt_insn_behind_test(elf->header.e_machine, code, length),
                  "semaphore_made", 0, err);
    if (!probe)
        return GT_ERR_MEMORY;
    probe->argument = argument;
    return 0;
}

/* Up to 3.12 a SimpleQueue waits as a lock does, and is told by its module's file. */
static int check_queue(const struct gt_interp *interp, struct gt_error *err)
{
    const char *path = interp->libpython ? interp->libpython : interp->executable;
    struct gt_elf_symbol symbol;
    struct gt_elf elf;
    int rc;

    if (interp->major != 3 || interp->minor >= 13 || !path || gt_elf_open(&elf, path, NULL) < 0)
        return 0;
    rc = gt_elf_find_function(&elf, "PyInit__queue", &symbol, NULL);
    gt_elf_close(&elf);
    return rc == 0 ? gt_error_set(err, GT_ERR_UNSUPPORTED,
                                  "%s has queues built in, which cannot be told from its locks",
                                  path)
                   : 0;
}

int gt_probes_plan_locks(struct gt_probe_set *set, const struct gt_interp *interp,
                         struct gt_error *err)
{
    const struct arguments *arguments;
    struct gt_elf elf;
    int rc = check_queue(interp, err);

    if (rc == 0)
        rc = open_libc(&elf, interp->libc, &arguments, err);
    if (rc < 0)
        return rc;
    rc = plan_futex_calls(set, &elf, "sem_post", "semaphore_give", arguments->semaphore, err);
    if (rc == 0)
        rc = plan_waits(set, &elf, arguments_of_wait(elf.header.e_machine, interp), err);
    if (rc == 0 && !(interp->major == 3 && interp->minor >= 14))
        rc = plan_made(set, &elf, arguments->semaphore, err);
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
