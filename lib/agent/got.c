/* SPDX-License-Identifier: MIT */
#include "agent/got.h"

#include "agent/process.h"
#include "agent/python.h"

#include <errno.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#if defined(__x86_64__)
enum { JUMP_SLOT = R_X86_64_JUMP_SLOT, GLOB_DAT = R_X86_64_GLOB_DAT };
#elif defined(__aarch64__)
enum { JUMP_SLOT = R_AARCH64_JUMP_SLOT, GLOB_DAT = R_AARCH64_GLOB_DAT };
#else
enum { JUMP_SLOT = -1, GLOB_DAT = -1 };
#endif

unsigned char gt_agent_got_due;
void *gt_agent_next_dlopen;

/*
 * dlopen searches the paths of the object that calls it. So our dlopen is none that calls
 * libc's, but a jump that leaves the return address as it is; what was loaded is looked for
 * later.
 */
#if defined(__x86_64__)
__asm__(".text\n"
        ".hidden gt_agent_dlopen, gt_agent_got_due, gt_agent_next_dlopen\n"
        ".globl gt_agent_dlopen\n"
        ".type gt_agent_dlopen, @function\n"
        "gt_agent_dlopen:\n"
        "    endbr64\n"
        "    movb $1, gt_agent_got_due(%rip)\n"
        "    jmp *gt_agent_next_dlopen(%rip)\n"
        ".size gt_agent_dlopen, . - gt_agent_dlopen\n");
#elif defined(__aarch64__)
__asm__(".text\n"
        ".hidden gt_agent_dlopen, gt_agent_got_due, gt_agent_next_dlopen\n"
        ".globl gt_agent_dlopen\n"
        ".type gt_agent_dlopen, %function\n"
        "gt_agent_dlopen:\n"
        "    hint #34\n" /* bti c */
        "    adrp x16, gt_agent_got_due\n"
        "    mov w17, #1\n"
        "    strb w17, [x16, :lo12:gt_agent_got_due]\n"
        "    adrp x16, gt_agent_next_dlopen\n"
        "    ldr x16, [x16, :lo12:gt_agent_next_dlopen]\n"
        "    br x16\n"
        ".size gt_agent_dlopen, . - gt_agent_dlopen\n");
#else
char gt_agent_dlopen[1];
#endif

/* A loaded object, as far as its relocations need it. */
struct object {
    uintptr_t base, start, end; /* of all its segments */
    uintptr_t relro, relro_end;
    const ElfW(Sym) * symbols;
    const char *strings;
    const ElfW(Rela) * tables[2]; /* of the PLT, and the others */
    size_t sizes[2];              /* in bytes */
    bool writable;                /* the RELRO pages are, for now */
    bool was_writable;
};

/* A changed entry. */
struct change {
    void **entry;
    void *before;
};

/* An object whose entries are changed: by address, and by its headers, since another may come
 * to that address. */
struct seen {
    uintptr_t base;
    const void *headers;
};

/* What grows is mapped, not malloc'd: malloc may be the target's own. */
struct array {
    void *items;
    size_t count, bytes; /* `bytes` are mapped */
};

static struct array changes, seen;
static unsigned long long added, removed; /* objects that were loaded and unloaded, so far */
static bool unready;                      /* one is not relocated yet */
static int32_t working;                   /* gt_agent_try_lock */

static void *array_add(struct array *array, size_t size)
{
    if ((array->count + 1) * size > array->bytes) {
        size_t bytes = array->bytes ? array->bytes * 2 : 16384;
        void *items =
            mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (items == MAP_FAILED)
            return NULL;
        if (array->items) {
            memcpy(items, array->items, array->bytes);
            munmap(array->items, array->bytes);
        }
        array->items = items;
        array->bytes = bytes;
    }
    return (char *)array->items + array->count++ * size;
}

static void array_release(struct array *array)
{
    if (array->items)
        munmap(array->items, array->bytes);
    memset(array, 0, sizeof(*array));
}

/* --- objects --- */

static uintptr_t page_of(uintptr_t at)
{
    return at & ~((uintptr_t)sysconf(_SC_PAGESIZE) - 1);
}

/* glibc writes addresses into the dynamic section, musl leaves offsets in it. */
static uintptr_t address_of(const struct object *object, ElfW(Addr) value)
{
    return value < object->base ? object->base + value : value;
}

static void read_dynamic(struct object *object, const ElfW(Dyn) * entry)
{
    bool rela = false;

    for (; entry->d_tag != DT_NULL; entry++) {
        switch (entry->d_tag) {
        case DT_SYMTAB:
            object->symbols = (const void *)address_of(object, entry->d_un.d_ptr);
            break;
        case DT_STRTAB:
            object->strings = (const void *)address_of(object, entry->d_un.d_ptr);
            break;
        case DT_JMPREL:
            object->tables[0] = (const void *)address_of(object, entry->d_un.d_ptr);
            break;
        case DT_PLTRELSZ:
            object->sizes[0] = entry->d_un.d_val;
            break;
        case DT_PLTREL:
            rela = entry->d_un.d_val == DT_RELA;
            break;
        case DT_RELA:
            object->tables[1] = (const void *)address_of(object, entry->d_un.d_ptr);
            break;
        case DT_RELASZ:
            object->sizes[1] = entry->d_un.d_val;
            break;
        default:
            break;
        }
    }
    if (!rela)
        object->tables[0] = NULL;
}

static struct object read_object(const struct dl_phdr_info *info)
{
    struct object object = {.base = info->dlpi_addr, .start = UINTPTR_MAX};
    const ElfW(Dyn) *dynamic = NULL;

    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        uintptr_t start = object.base + segment->p_vaddr, end = start + segment->p_memsz;

        if (segment->p_type == PT_LOAD) {
            object.start = start < object.start ? start : object.start;
            object.end = end > object.end ? end : object.end;
        } else if (segment->p_type == PT_DYNAMIC) {
            dynamic = (const void *)start;
        } else if (segment->p_type == PT_GNU_RELRO) {
            object.relro = page_of(start); /* as the linker rounds */
            object.relro_end = page_of(end);
        }
    }
    if (dynamic)
        read_dynamic(&object, dynamic);
    return object;
}

static bool contains(const struct object *object, const void *address)
{
    uintptr_t at = (uintptr_t)address;

    return at >= object->start && at < object->end;
}

/* --- entries --- */

static const struct gt_agent_replaced *replaced_by_name(const char *name)
{
    const struct gt_agent_replaced *one = gt_agent_replaced;

    if (name[0] != 'p' && name[0] != 's' && name[0] != '_' && name[0] != 'e' &&
        name[0] != 'f' && name[0] != 'd')
        return NULL;
    for (; one->name; one++)
        if (!strcmp(one->name, name))
            return *one->next ? one : NULL;
    return NULL;
}

/* The function that an entry is for, where it is one that is replaced; else NULL. */
static const struct gt_agent_replaced *wanted(const struct object *object,
                                              const ElfW(Rela) * relocation)
{
    uint32_t type = (uint32_t)ELF64_R_TYPE(relocation->r_info);
    const ElfW(Sym) *symbol = &object->symbols[ELF64_R_SYM(relocation->r_info)];

    if (type != (uint32_t)JUMP_SLOT && type != (uint32_t)GLOB_DAT)
        return NULL;
    return replaced_by_name(object->strings + symbol->st_name);
}

/* Make an entry writable. Pages that are writable already stay so: another tool may rely on it.
 */
static bool open_entry(struct object *object, void **entry)
{
    uintptr_t at = (uintptr_t)entry;
    size_t size = object->relro_end - object->relro;

    if (at < object->relro || at >= object->relro_end || object->writable)
        return true;
    object->was_writable =
        !madvise((void *)page_of(at), (size_t)sysconf(_SC_PAGESIZE), MADV_POPULATE_WRITE);
    if (!object->was_writable && mprotect((void *)object->relro, size, PROT_READ | PROT_WRITE))
        return false;
    object->writable = true;
    return true;
}

static void close_entries(const struct object *object)
{
    if (object->writable && !object->was_writable)
        mprotect((void *)object->relro, object->relro_end - object->relro, PROT_READ);
}

static bool change_entry(struct object *object, void **entry,
                         const struct gt_agent_replaced *one)
{
    void *before = __atomic_load_n(entry, __ATOMIC_RELAXED);
    struct change *change;

    if (object->base && before && (uintptr_t)before < object->end - object->start) {
        unready = true; /* a place in the file: another thread is in dlopen */
        return true;
    }
    if (before != *one->next &&
        !contains(object, before)) /* ours already, or somebody else's */
        return true;
    if (!open_entry(object, entry))
        return true;
    change = array_add(&changes, sizeof(*change));
    if (!change)
        return false;
    change->entry = entry;
    change->before = before;
    __atomic_store_n(entry, one->ours, __ATOMIC_RELEASE);
    return true;
}

typedef bool entry_fn(struct object *object, void **entry, const struct gt_agent_replaced *one);

/* Call `use` with each entry that is for a replaced function, until it returns false. */
static bool for_entries(struct object *object, entry_fn *use)
{
    bool going_on = object->symbols && object->strings;

    for (int i = 0; i < 2; i++) {
        size_t count = object->tables[i] ? object->sizes[i] / sizeof(ElfW(Rela)) : 0;

        for (size_t k = 0; going_on && k < count; k++) {
            const ElfW(Rela) *relocation = &object->tables[i][k];
            const struct gt_agent_replaced *one = wanted(object, relocation);

            if (one)
                going_on = use(object, (void **)(object->base + relocation->r_offset), one);
        }
    }
    return going_on;
}

/* libc's own entries stay, and the agent's. */
static bool is_left_alone(const struct object *object)
{
    const struct gt_agent_replaced *one = gt_agent_replaced;

    if (contains(object, gt_agent_dlopen))
        return true;
    for (; one->name; one++)
        if (*one->next && contains(object, *one->next))
            return true;
    return false;
}

static bool is_seen(const struct dl_phdr_info *info)
{
    const struct seen *known = seen.items;

    for (size_t i = 0; i < seen.count; i++)
        if (known[i].base == info->dlpi_addr && known[i].headers == info->dlpi_phdr)
            return true;
    return false;
}

static int patch_object(struct dl_phdr_info *info, size_t size, void *unused)
{
    struct object object;
    struct seen *here;
    bool done = true;

    (void)size;
    (void)unused;
    if (info->dlpi_subs != removed)
        seen.count = 0;
    added = info->dlpi_adds;
    removed = info->dlpi_subs;
    if (is_seen(info))
        return 0;
    object = read_object(info);
    unready = false;
    if (!is_left_alone(&object)) {
        done = for_entries(&object, change_entry);
        close_entries(&object);
    }
    here = unready ? NULL : array_add(&seen, sizeof(*here));
    if (here)
        *here = (struct seen){info->dlpi_addr, info->dlpi_phdr};
    return done ? 0 : ENOMEM;
}

/* --- who else is there --- */

struct survey {
    int rc;
    const void *ours, *next, *address;
    bool ours_first, in_executable;
};

static int found_busy;
static bool found_any;

static bool look_at_entry(struct object *object, void **entry,
                          const struct gt_agent_replaced *one)
{
    void *now = __atomic_load_n(entry, __ATOMIC_RELAXED);

    found_any = true;
    if (now != *one->next && !contains(object, now) &&
        !strcmp(one->name, "pthread_cond_signal"))
        found_busy = EBUSY;
    return true;
}

static int look_at_python(struct dl_phdr_info *info, size_t size, void *unused)
{
    struct object object = read_object(info);

    (void)size;
    (void)unused;
    if (!contains(&object, (const void *)gt_agent_python.text_start))
        return 0;
    for_entries(&object, look_at_entry);
    return 1;
}

static int whose_is_first(struct dl_phdr_info *info, size_t size, void *data)
{
    struct object object = read_object(info);
    struct survey *survey = data;

    (void)size;
    survey->ours_first = contains(&object, survey->ours);
    return survey->ours_first || contains(&object, survey->next);
}

static int is_in_first(struct dl_phdr_info *info, size_t size, void *data)
{
    struct object object = read_object(info);
    struct survey *survey = data;

    (void)size;
    survey->in_executable = contains(&object, survey->address);
    return 1;
}

bool gt_agent_loaded_late(const void *ours, const void *next)
{
    struct survey survey = {.ours = ours, .next = next};

    dl_iterate_phdr(whose_is_first, &survey);
    return !survey.ours_first;
}

bool gt_agent_in_executable(const void *address)
{
    struct survey survey = {.address = address};

    dl_iterate_phdr(is_in_first, &survey);
    return survey.in_executable;
}

/* --- all --- */

int gt_agent_got_patch(void)
{
    int rc;

    found_busy = 0;
    found_any = false;
    dl_iterate_phdr(look_at_python, NULL);
    if (found_busy || !found_any)
        return found_busy ? found_busy : ENOENT;
    rc = dl_iterate_phdr(patch_object, NULL);
    if (rc)
        gt_agent_got_restore();
    return rc;
}

static int is_changed(struct dl_phdr_info *info, size_t size, void *unused)
{
    (void)size;
    (void)unused;
    return info->dlpi_adds != added ? 1 : -1;
}

/* dlopen may still be at work, without the GIL: so look some more times. */
void gt_agent_got_patch_new(void)
{
    enum { TRIES = 64 };
    static unsigned tries;

    if (!gt_agent_try_lock(&working))
        return;
    if (++tries >= TRIES || !changes.count || dl_iterate_phdr(is_changed, NULL) > 0)
        gt_agent_got_due = 0;
    if (!gt_agent_got_due) {
        tries = 0;
        if (changes.count && !dl_iterate_phdr(patch_object, NULL) && unready)
            gt_agent_got_due = 1;
    }
    gt_agent_unlock(&working);
}

/* Entries of objects that are no longer there are not touched, nor those that somebody else has
 * changed since. */
static bool restore_entry(struct object *object, void **entry,
                          const struct gt_agent_replaced *one)
{
    const struct change *known = changes.items;

    if (__atomic_load_n(entry, __ATOMIC_RELAXED) != one->ours)
        return true;
    for (size_t i = changes.count; i > 0; i--) {
        if (known[i - 1].entry != entry)
            continue;
        if (open_entry(object, entry))
            __atomic_store_n(entry, known[i - 1].before, __ATOMIC_RELEASE);
        break;
    }
    return true;
}

static int restore_object(struct dl_phdr_info *info, size_t size, void *unused)
{
    struct object object = read_object(info);

    (void)size;
    (void)unused;
    if (!is_left_alone(&object)) {
        for_entries(&object, restore_entry);
        close_entries(&object);
    }
    return 0;
}

void gt_agent_got_restore(void)
{
    while (!gt_agent_try_lock(&working))
        usleep(100);
    dl_iterate_phdr(restore_object, NULL);
    array_release(&changes);
    array_release(&seen);
    gt_agent_got_due = 0;
    gt_agent_unlock(&working);
}
