/* SPDX-License-Identifier: MIT */
/* lib/agent/lock_types: whose lock is at an address? Of memory that is made to look like
 * objects of CPython's, as in builds without a GIL, and not quite like them. */
#include "agent/lock_types.h"
#include "agent/python.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

enum { HEAD = 32, TYPE_OF = 24, MUTEX = 10, PAGE = 4096 };

struct fake {
    _Alignas(16) char bytes[512];
};

static struct fake type_type, text_type, dict_type, meta_type;

static void set(void *object, size_t offset, const void *value)
{
    memcpy((char *)object + offset, &value, sizeof(value));
}

static void set_number(void *object, size_t offset, uint64_t value)
{
    memcpy((char *)object + offset, &value, sizeof(value));
}

static int setup(void **state)
{
    (void)state;
    gt_agent_api.version = 0x030d;
    gt_agent_api.free_threaded = true;
    gt_agent_api.longer_head = HEAD - 16;
    gt_agent_api.PyType_Type = (void *)&type_type;
    gt_agent_api.PyUnicode_Type = (void *)&text_type;
    gt_agent_api.PyDict_Type = (void *)&dict_type;
    set(&type_type, TYPE_OF, &type_type);
    set(&text_type, TYPE_OF, &type_type);
    set(&dict_type, TYPE_OF, &type_type);
    set(&meta_type, TYPE_OF, &type_type);
    set_number(&meta_type, 16 + 168, UINT64_C(1) << 31); /* derived from type */
    return 0;
}

static const char *name_of(const void *object, size_t mutex)
{
    static char name[256];

    return gt_agent_lock_type_name((uintptr_t)object + mutex, name, sizeof(name)) ? name : NULL;
}

static struct fake make_type(const void *metatype, const char *name)
{
    struct fake type = {{0}};

    set(&type, TYPE_OF, metatype);
    set(&type, 16 + 24, name);
    return type;
}

static struct fake make_object(const void *type)
{
    struct fake object = {{0}};

    set(&object, TYPE_OF, type);
    return object;
}

static struct fake make_text(const char *text)
{
    struct fake made = make_object(&text_type);

    set_number(&made, HEAD, strlen(text));
    memcpy(made.bytes + 56, text, strlen(text));
    return made;
}

static void test_an_object_is_of_its_type(void **state)
{
    struct fake list = make_type(&type_type, "list"), deque = make_type(&type_type, "a.deque");
    struct fake abstract = make_type(&meta_type, "Abstract");
    struct fake one = make_object(&list), two = make_object(&deque),
                three = make_object(&abstract);

    (void)state;
    assert_string_equal(name_of(&one, MUTEX), "list");
    assert_string_equal(name_of(&two, MUTEX), "a.deque");
    assert_string_equal(name_of(&three, MUTEX), "Abstract");
}

static void test_a_class_has_its_module(void **state)
{
    struct fake key = make_text("__module__"), module = make_text("__main__"), dict,
                keys = {{0}};
    struct fake type = make_type(&type_type, "Cache"), object = make_object(&type);

    (void)state;
    dict = make_object(&dict_type);
    keys.bytes[9] = 3; /* of its indices: 8 bytes */
    keys.bytes[10] = 1;
    set_number(&keys, 24, 2);
    set(&keys, 40, &module); /* an entry of another name */
    set(&keys, 48, &module);
    set(&keys, 56, &key);
    set(&keys, 64, &module);
    set(&dict, 16 + 32, &keys);
    set_number(&type, 16 + 168, 1 << 9);
    assert_string_equal(name_of(&object, MUTEX), "Cache");
    set(&type, 16 + 264, &dict);
    assert_string_equal(name_of(&object, MUTEX), "__main__.Cache");
    set(&keys, 64, &type); /* no text */
    assert_string_equal(name_of(&object, MUTEX), "Cache");
    set(&keys, 64, (void *)8); /* nothing */
    assert_string_equal(name_of(&object, MUTEX), "Cache");
    set_number(&keys, 24, UINT64_MAX);
    assert_string_equal(name_of(&object, MUTEX), "Cache");
    keys.bytes[9] = 63;
    assert_string_equal(name_of(&object, MUTEX), "Cache");
}

static void test_what_is_no_object_is_not_believed(void **state)
{
    static const char *const names[] = {"", "a b", "1a", "a.", ".a", "a..b", "\x1b[1m", "a\n"};
    struct fake type = make_type(&type_type, "list"), no_type = make_type(&type, "list");
    struct fake object = make_object(&no_type);
    char longest[300];

    (void)state;
    assert_null(name_of(&object, MUTEX));
    set(&object, TYPE_OF, &object);
    assert_null(name_of(&object, MUTEX));
    set(&object, TYPE_OF, NULL);
    assert_null(name_of(&object, MUTEX));
    set(&object, TYPE_OF, type.bytes + 1);
    assert_null(name_of(&object, MUTEX));
    set(&object, TYPE_OF, (void *)UINTPTR_MAX);
    assert_null(name_of(&object, MUTEX));
    set(&object, TYPE_OF, (void *)(UINTPTR_MAX - 7));
    assert_null(name_of(&object, MUTEX));
    set(&object, TYPE_OF, &type);
    assert_non_null(name_of(&object, MUTEX));
    assert_null(name_of(&object, MUTEX + 1));
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        set(&type, 16 + 24, names[i]);
        assert_null(name_of(&object, MUTEX));
    }
    memset(longest, 'a', sizeof(longest)); /* it does not end */
    set(&type, 16 + 24, longest);
    assert_null(name_of(&object, MUTEX));
    assert_null(name_of(NULL, 0));
}

static void test_what_is_not_mapped_is_not_touched(void **state)
{
    char *pages =
        mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct fake list = make_type(&type_type, "list"), object;

    (void)state;
    assert_true(pages != MAP_FAILED);
    assert_int_equal(munmap(pages + PAGE, PAGE), 0);
    assert_null(name_of(pages + PAGE - 16, MUTEX)); /* the half of a head */
    assert_null(name_of(pages + PAGE, MUTEX));
    object = make_object(pages + PAGE - 64);
    set(pages, PAGE - 64 + TYPE_OF, &type_type);
    assert_null(name_of(&object, MUTEX)); /* a part of a type */
    object = make_object(pages + PAGE);
    assert_null(name_of(&object, MUTEX));
    object = make_object(&list);
    memset(pages + PAGE - 8, 'a', 8);
    set(&list, 16 + 24, pages + PAGE - 8);
    assert_null(name_of(&object, MUTEX)); /* a name that goes on where nothing is */
    set(&list, 16 + 24, pages + PAGE);
    assert_null(name_of(&object, MUTEX));
    munmap(pages, PAGE);
}

/* From 3.14 on one of threading's is an object that is a mutex; others begin like that. */
static void test_locks_of_threading(void **state)
{
    struct fake lock = make_type(&type_type, "_thread.lock"),
                other = make_type(&type_type, "a.b");
    struct fake one = make_object(&lock), two = make_object(&other);

    (void)state;
    assert_null(name_of(&one, HEAD));
    gt_agent_api.version = 0x030e;
    assert_string_equal(name_of(&one, HEAD), "_thread.lock");
    assert_null(name_of(&two, HEAD));
    gt_agent_api.free_threaded = false;
    gt_agent_api.longer_head = 0;
    assert_null(name_of(&one, MUTEX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_an_object_is_of_its_type, setup),
        cmocka_unit_test_setup(test_a_class_has_its_module, setup),
        cmocka_unit_test_setup(test_what_is_no_object_is_not_believed, setup),
        cmocka_unit_test_setup(test_what_is_not_mapped_is_not_touched, setup),
        cmocka_unit_test_setup(test_locks_of_threading, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
