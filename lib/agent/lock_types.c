/* SPDX-License-Identifier: MIT */
#include "agent/lock_types.h"

#include "agent/log.h"
#include "agent/python.h"
#include "agent/title.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Include/object.h, Include/cpython/object.h, Include/internal/pycore_dict.h and
 * Include/cpython/unicodeobject.h of 3.13 to 3.15, where a head has 16 bytes (gt_agent_member).
 */
enum {
    OBJECT_MUTEX = 10, /* ob_mutex, in the longer head only */
    TYPE_NAME = 24,
    TYPE_FLAGS = 168,
    TYPE_DICT = 264,
    TYPE_BYTES = TYPE_DICT + 8,
    HEAP_TYPE = 1 << 9, /* Py_TPFLAGS_HEAPTYPE */
    TYPE_SUBCLASS = 31, /* Py_TPFLAGS_TYPE_SUBCLASS; the bit's number */
    DICT_KEYS = 32,
    KEYS_INDEX_BYTES = 9, /* of a struct of its own, from here on; log2 */
    KEYS_KIND = 10,
    KEYS_COUNT = 24,
    KEYS_INDICES = 32,
    UNICODE_KEYS = 1, /* DICT_KEYS_UNICODE: an entry is a key and a value */
    TEXT_LENGTH = 16,
    TEXT_ASCII = 40,
    NAME_MAX_BYTES = 256,
};

/* The kernel reads the second argument before it finds that the first one makes no sense. */
bool gt_agent_is_mapped(uintptr_t address)
{
    return address >= 8 && /* below, no set is given */
           (syscall(SYS_rt_sigprocmask, ~0, address & ~(uintptr_t)7, NULL, 8) == 0 ||
            errno != EFAULT);
}

static bool is_mapped(const void *memory, size_t bytes)
{
    enum { PAGE = 4096 };
    uintptr_t from = (uintptr_t)memory, last = from + bytes - 1;

    if (!from || last < from || from % sizeof(void *))
        return false;
    for (uintptr_t at = from; at <= last; at = (at | (PAGE - 1)) + 1)
        if (!gt_agent_is_mapped(at))
            return false;
    return true;
}

static bool is_identifier(const char *name, size_t length)
{
    bool begins = true;

    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)name[i];
        bool letter = byte == '_' || byte >= 0x80 || (unsigned)((byte | 0x20) - 'a') < 26;

        if (begins ? !letter : !letter && byte != '.' && (unsigned)(byte - '0') >= 10)
            return false;
        begins = byte == '.';
    }
    return length > 0 && !begins;
}

/* Copy a text that ends with NUL, as far as it is mapped. Its length; 0: it is no identifier.
 */
static size_t copy_name(const char *from, char *name, size_t size)
{
    enum { PAGE = 4096 };
    size_t length = 0;

    for (; length < size; length++) {
        uintptr_t at = (uintptr_t)from + length;

        if ((length == 0 || at % PAGE == 0) && !gt_agent_is_mapped(at))
            return 0;
        name[length] = from[length];
        if (!name[length])
            return is_identifier(name, length) ? length : 0;
    }
    return 0;
}

/* Is it an instance of type, or of a class that is derived from type, such as ABCMeta? */
static bool is_type(const void *object)
{
    const void *type = gt_agent_api.PyType_Type, *of = gt_agent_type(object);

    return of == type ||
           (is_mapped(of, TYPE_BYTES + gt_agent_api.longer_head) && gt_agent_type(of) == type &&
            (uintptr_t)gt_agent_member(of, TYPE_FLAGS) >> TYPE_SUBCLASS & 1);
}

/* A text of ASCII, where it is an identifier; NULL: it is another object. */
static const char *text_of(const void *object, size_t *length)
{
    const char *text = (const char *)object + gt_agent_api.longer_head + TEXT_ASCII;

    if (!is_mapped(object, TEXT_ASCII + gt_agent_api.longer_head) ||
        gt_agent_type(object) != gt_agent_api.PyUnicode_Type)
        return NULL;
    *length = (uintptr_t)gt_agent_member(object, TEXT_LENGTH);
    if (*length >= NAME_MAX_BYTES || !gt_agent_is_mapped((uintptr_t)text + *length))
        return NULL;
    return is_identifier(text, *length) ? text : NULL;
}

/* What a class's __module__ says, which is one of the first things in its dict. */
static const char *module_of(const void *type, size_t *length)
{
    enum { LOOKED_AT = 16 };
    static const char wanted[] = "__module__";
    const void *dict = gt_agent_member(type, TYPE_DICT);
    const unsigned char *keys;
    const void *const *entries;
    size_t count, key_length;

    if (!is_mapped(dict, DICT_KEYS + 8 + gt_agent_api.longer_head) ||
        gt_agent_type(dict) != gt_agent_api.PyDict_Type)
        return NULL;
    keys = gt_agent_member(dict, DICT_KEYS);
    if (!is_mapped(keys, KEYS_INDICES) || keys[KEYS_KIND] != UNICODE_KEYS ||
        keys[KEYS_INDEX_BYTES] < 3 || keys[KEYS_INDEX_BYTES] > 20)
        return NULL;
    count = (uintptr_t)gt_agent_field(keys, KEYS_COUNT);
    if (count > LOOKED_AT)
        count = LOOKED_AT;
    entries = (const void *const *)(const void *)(keys + KEYS_INDICES +
                                                  ((size_t)1 << keys[KEYS_INDEX_BYTES]));
    if (!count || !is_mapped(entries, count * 2 * sizeof(*entries)))
        return NULL;
    for (size_t i = 0; i < count; i++) {
        const char *key = text_of(entries[2 * i], &key_length);

        if (key && key_length == sizeof(wanted) - 1 && !memcmp(key, wanted, key_length))
            return text_of(entries[2 * i + 1], length);
    }
    return NULL;
}

/* "list", "collections.deque"; of a class of Python's with its module before it. 0: it is no
 * type. */
static size_t name_type(const void *type, char *name, size_t size)
{
    size_t length, module_length = 0;
    const char *module;

    if (!is_mapped(type, TYPE_BYTES + gt_agent_api.longer_head) || !is_type(type))
        return 0;
    length = copy_name(gt_agent_member(type, TYPE_NAME), name, size);
    if (!length || memchr(name, '.', length) ||
        !((uintptr_t)gt_agent_member(type, TYPE_FLAGS) & HEAP_TYPE))
        return length;
    module = module_of(type, &module_length);
    if (!module || length + module_length + 2 > size)
        return length;
    memmove(name + module_length + 1, name, length + 1);
    memcpy(name, module, module_length);
    name[module_length] = '.';
    return length + module_length + 1;
}

/* The object whose lock it may be; NULL: none. */
static const void *object_of(uintptr_t lock, bool *whole)
{
    size_t head = 2 * sizeof(void *) + gt_agent_api.longer_head;

    *whole = lock % sizeof(void *) == 0;
    if (*whole)
        return gt_agent_api.version >= 0x030e ? (const void *)(lock - head) : NULL;
    return gt_agent_api.free_threaded && (lock - OBJECT_MUTEX) % sizeof(void *) == 0
               ? (const void *)(lock - OBJECT_MUTEX)
               : NULL;
}

static size_t name_lock(const void *object, bool whole, char *name, size_t size)
{
    static const char of_threading[] = "_thread.";
    size_t length = name_type(gt_agent_type(object), name, size);

    return whole && strncmp(name, of_threading, sizeof(of_threading) - 1) ? 0 : length;
}

bool gt_agent_lock_type_name(uintptr_t lock, char *name, size_t size)
{
    int saved = errno;
    bool whole, named;
    const void *object = object_of(lock, &whole);

    name[0] = 0;
    named = object && is_mapped(object, 2 * sizeof(void *) + gt_agent_api.longer_head) &&
            name_lock(object, whole, name, size);
    errno = saved;
    return named;
}

/* --- their ids --- */

static struct known {
    const void *type; /* NULL: free */
    uint64_t hash;    /* of its name; 0: being written */
    uint32_t id;
} known[128];

void gt_agent_lock_types_forget(void)
{
    memset(known, 0, sizeof(known));
}

/* 0: there is no room for it, or another thread writes it right now. */
static uint32_t id_of(struct gt_agent_thread *self, uint64_t ticks, const void *type,
                      const char *name)
{
    enum { SIZE = sizeof(known) / sizeof(known[0]), TRIES = 8 };
    struct gt_wire_note note = {.kind = GT_WIRE_NOTE_TYPE, .ticks = ticks};
    size_t length = strlen(name), at = (uintptr_t)type / 16 * 31;
    uint64_t hash = gt_agent_text_hash(name, length) | 1;

    for (size_t i = 0; i < TRIES; i++) {
        struct known *one = &known[(at + i) % SIZE];
        const void *free_one = NULL;

        if (__atomic_compare_exchange_n(&one->type, &free_one, type, 0, __ATOMIC_ACQ_REL,
                                        __ATOMIC_ACQUIRE)) {
            note.id =
                __atomic_add_fetch(&gt_agent.control->next_function_id, 1, __ATOMIC_RELAXED);
            gt_agent_note(self, &note, name, length, "", 0);
            one->id = note.id;
            __atomic_store_n(&one->hash, hash, __ATOMIC_RELEASE);
            return note.id;
        }
        if (free_one == type && __atomic_load_n(&one->hash, __ATOMIC_ACQUIRE) == hash)
            return one->id;
    }
    return 0;
}

/* Then it is mapped, as the lock is. */
static bool is_in_page_of(const void *object, uintptr_t lock)
{
    enum { PAGE = 4096 };
    uintptr_t last = (uintptr_t)object + 2 * sizeof(void *) + gt_agent_api.longer_head - 1;

    return (uintptr_t)object / PAGE == lock / PAGE && last / PAGE == lock / PAGE;
}

/* Of the lock that the thread waited for last, nothing is looked at but the object's type. */
uint32_t gt_agent_lock_type(struct gt_agent_thread *self, uint64_t ticks, uintptr_t lock)
{
    char name[NAME_MAX_BYTES];
    bool whole;
    const void *object = object_of(lock, &whole);

    if (!object)
        return 0;
    if (self->locked.lock == lock && is_in_page_of(object, lock) &&
        gt_agent_type(object) == self->locked.type)
        return self->locked.id;
    self->locked.lock = 0;
    if (!gt_agent_lock_type_name(lock, name, sizeof(name)))
        return 0;
    self->locked.type = gt_agent_type(object);
    self->locked.id = id_of(self, ticks, self->locked.type, name);
    self->locked.lock = self->locked.id ? lock : 0;
    return self->locked.id;
}
