/* SPDX-License-Identifier: MIT */
/* Samples of native stacks: whose they are, and which way they show. */
#include "feed.h"

#include "analysis/native.h"
#include "analysis/native_frames.h"
#include "analysis/profile.h"
#include "ingest/function_start.h"
#include "ingest/native_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static const uint64_t A = 0x7f0000001000;

#define PYTHON  "/usr/lib/libpython3.11.so.1.0"
#define LIBRARY "/usr/lib/libdeep.so"
#define LOOP    "_PyEval_EvalFrameDefault", PYTHON

/* Intern the stack of symbols and files, the innermost first; NULL ends it. */
static uint32_t stack_of(struct gt_stacks *stacks, const char *const *words)
{
    struct gt_frame frames[32] = {{0}};
    uint32_t count = 0;

    for (; words[0]; words += 2, count++)
        frames[count] = (struct gt_frame){.symbol = words[0],
                                          .symbol_length = (uint32_t)strlen(words[0]),
                                          .dso = words[1],
                                          .dso_length = (uint32_t)strlen(words[1])};
    return gt_stacks_add(stacks, frames, count);
}

/* The path as "a > b". */
static void check_path(const char *expected, const char *const *words)
{
    uint32_t path[GT_NATIVE_DEPTH_MAX], length;
    struct gt_stacks stacks;
    char text[512] = "";

    gt_stacks_init(&stacks);
    length = gt_native_path(&stacks, stack_of(&stacks, words), path);
    for (uint32_t i = 0; i < length; i++) {
        strcat(text, i ? " > " : "");
        strcat(text, gt_stacks_symbol(&stacks, path[i]));
    }
    assert_string_equal(text, expected);
    gt_stacks_release(&stacks);
}

#define PATH(expected, ...) check_path(expected, (const char *const[]){__VA_ARGS__, NULL})

static void test_the_way_begins_inside_the_loop(void **state)
{
    (void)state;
    PATH("outer > inner", "inner", LIBRARY, "outer", LIBRARY, "cfunction_vectorcall_O", PYTHON,
         "PyObject_Vectorcall", PYTHON, LOOP, "main", PYTHON);
    PATH("", LOOP, "main", PYTHON);
    PATH("list_sort", "list_sort", PYTHON, "method_vectorcall_FASTCALL", PYTHON, LOOP);
    /* 3.7, and a part of the loop that the compiler put elsewhere */
    PATH("f", "f", LIBRARY, "_PyMethodDef_RawFastCallKeywords", PYTHON,
         "_PyEval_EvalFrameDefault.cold", PYTHON);
}

static void test_only_the_stack_inside_a_callback_counts(void **state)
{
    (void)state;
    PATH("hash", "hash", LIBRARY, LOOP, "list_sort", PYTHON, LOOP);
}

static void test_what_only_leads_is_left_out(void **state)
{
    (void)state;
    PATH("deflate > fill", "fill", LIBRARY, "deflate@plt", LIBRARY, "deflate", LIBRARY,
         "ffi_call", "/usr/lib/libffi.so.8", "_ctypes_callproc", "/usr/lib/_ctypes.cpython.so",
         "_PyObject_MakeTpCall", PYTHON, LOOP);
    PATH("walk", "walk", LIBRARY, "walk", LIBRARY, "walk", LIBRARY, LOOP);
}

/* As perf's unwinding of the vdso gives it. */
static void test_no_function_is_in_memory_for_data(void **state)
{
    (void)state;
    PATH("clock_gettime > __vdso_clock_gettime", "__vdso_clock_gettime", "[vdso]",
         "clock_gettime", LIBRARY, "", "[heap]", LOOP);
    PATH("", "", "[stack]", LOOP);
}

static void test_the_dispatcher_of_pybind11_only_leads(void **state)
{
    (void)state;
    PATH("deep::Engine::outer", "deep::Engine::outer", LIBRARY,
         "pybind11::cpp_function::initialize<x>(x&&)::{lambda(y&)#3}::_FUN", LIBRARY,
         "pybind11::cpp_function::dispatcher", LIBRARY, "cfunction_call", PYTHON, LOOP);
}

static void test_what_has_no_name_leads_where_a_name_follows(void **state)
{
    (void)state;
    PATH("burn", "burn", LIBRARY, "+0x147bb7", PYTHON, "_PyObject_MakeTpCall", PYTHON, LOOP);
    PATH("+0x1000 > +0x2000", "+0x2000", PYTHON, "+0x1000", PYTHON, "PyObject_Vectorcall",
         PYTHON, LOOP);
    PATH("+0x10 > +0x20", "+0x20", LIBRARY, "+0x10", LIBRARY, "+0x147bb7", PYTHON, LOOP);
}

static void test_a_stack_that_ends_early_is_taken_up_to_the_interpreter(void **state)
{
    (void)state;
    PATH("outer > inner", "inner", LIBRARY, "outer", LIBRARY);
    PATH("inner", "inner", LIBRARY, "main", PYTHON);
}

static void sample(struct gt_timeline *t, int64_t time_ns, int32_t pid, int32_t tid,
                   uint32_t stack)
{
    struct gt_event event = {.kind = GT_EVENT_SAMPLE,
                             .time_ns = time_ns,
                             .pid = pid,
                             .tid = tid,
                             .sample = {.stack = stack, .weight_ns = 10}};

    assert_int_equal(gt_timeline_feed(t, &event), 0);
}

/* 10 holds from 20 to 1000 ns, and 11 waits from 100 on. */
static struct gt_timeline *begin(uint32_t *deep, uint32_t *flat)
{
    struct gt_timeline *t = gt_timeline_new(false, NULL);

    assert_non_null(t);
    fork_task(t, 1, 10, 10, 0);
    fork_task(t, 10, 10, 11, 10);
    *deep = stack_of(&t->native_stacks,
                     (const char *const[]){"inner", LIBRARY, "outer", LIBRARY, LOOP, NULL});
    *flat = stack_of(&t->native_stacks, (const char *const[]){"other", LIBRARY, LOOP, NULL});
    acquire(t, 20, 10, 10, A);
    return t;
}

static void end(struct gt_timeline *t)
{
    release(t, 1000, 10, 10, A);
    acquire(t, 1010, 10, 11, A);
    release(t, 1020, 10, 11, A);
    exit_task(t, 1100, 10, 11);
    exit_task(t, 1200, 10, 10);
    assert_int_equal(gt_timeline_finish(t, NULL), 0);
}

static void test_only_samples_of_a_holder_that_is_waited_for_count(void **state)
{
    struct gt_native_way way;
    struct gt_blockers blockers;
    struct gt_native native;
    uint32_t deep, flat;
    struct gt_timeline *t = begin(&deep, &flat);

    (void)state;
    sample(t, 50, 10, 10, flat); /* nobody waits yet */
    sample(t, 60, 10, 99, flat); /* nobody knows it */
    sample(t, 70, 12, 10, flat); /* another process's */
    await(t, 100, 10, 11, A);
    for (int i = 0; i < 3; i++)
        sample(t, 200 + i, 10, 10, deep);
    sample(t, 300, 10, 11, flat); /* no holder */
    sample(t, 400, 10, 10, flat);
    end(t);
    assert_int_equal(t->native_unplaced, 2);
    assert_int_equal(gt_blockers_init(&blockers, t, 0, NULL), 0);
    assert_int_equal(gt_native_init(&native, t, 0, &blockers, NULL), 0);
    assert_int_equal(gt_native_way(&native, 0, &way), 0);
    assert_int_equal(way.all.samples, 4);
    assert_int_equal(way.all.weight_ns, 40);
    assert_int_equal(way.count, 2);
    assert_string_equal(gt_stacks_symbol(&t->native_stacks, way.steps[0].frame), "outer");
    assert_string_equal(gt_stacks_symbol(&t->native_stacks, way.steps[1].frame), "inner");
    assert_int_equal(way.steps[1].inclusive.samples, 3);
    assert_string_equal(gt_stacks_symbol(&t->native_stacks, way.self), "inner");
    assert_int_equal(way.self_sum.samples, 3);
    gt_native_release(&native);
    gt_blockers_release(&blockers);
    gt_timeline_free(t);
}

/* What samples stand for is moved from the function to the native ones; sums stay. */
static void test_profiles_have_native_functions(void **state)
{
    int64_t hold_ns = 0, native_ns = 0;
    struct gt_blocked blocked = {0};
    struct gt_profile profile;
    uint32_t deep, flat;
    struct gt_timeline *t = begin(&deep, &flat);

    (void)state;
    for (int i = 0; i < 3; i++)
        sample(t, 200 + i, 10, 10, deep);
    sample(t, 400, 10, 10, flat);
    await(t, 500, 10, 11, A);
    end(t);
    gt_chunks_init(&blocked.threads, sizeof(struct gt_chunks));
    assert_int_equal(gt_profile_init(&profile, t, &blocked, NULL), 0);
    for (size_t i = 0; i < profile.nodes.count; i++) {
        const struct gt_profile_node *node = gt_profile_at(&profile, i);

        hold_ns += node->hold_ns;
        if (node->native == GT_NO_INDEX)
            continue;
        native_ns += node->hold_ns;
        if (strcmp(gt_stacks_symbol(&t->native_stacks, node->native), "inner") == 0)
            assert_int_equal(node->hold_ns, 30);
    }
    assert_int_equal(native_ns, 40);
    assert_int_equal(hold_ns, 980 + 10);
    gt_profile_release(&profile);
    gt_chunks_release(&blocked.threads);
    gt_timeline_free(t);
}

static void test_a_hold_without_samples_has_no_way(void **state)
{
    struct gt_native_way way;
    struct gt_blockers blockers;
    struct gt_native native;
    uint32_t deep, flat;
    struct gt_timeline *t = begin(&deep, &flat);

    (void)state;
    await(t, 100, 10, 11, A);
    end(t);
    assert_int_equal(gt_blockers_init(&blockers, t, 0, NULL), 0);
    assert_int_equal(gt_native_init(&native, t, 0, &blockers, NULL), 0);
    assert_int_equal(gt_native_way(&native, 0, &way), 0);
    assert_int_equal(way.all.samples, 0);
    assert_int_equal(way.count, 0);
    assert_int_equal(way.self, GT_NO_INDEX);
    gt_native_release(&native);
    gt_blockers_release(&blockers);
    gt_timeline_free(t);
}

/* Whole text of perf script, in and out. */
static void test_samples_are_read_out_of_text(void **state)
{
    static const char text[] =
        "giltracer-gate  4711/4711  [000]  1.000000001:    10101010 cpu-clock:u: \n"
        "\t            1000 gate (/usr/bin/giltracer-gate)\n\n"
        "python3    10/10    [001]  2.000000001:   10101010 cpu-clock:u: \n"
        "\t            126a inner (/usr/lib/libdeep.so)\n"
        "\t            1298 [unknown] (/nonexistent/libx.so)\n"
        "\tffffffff81000000 do_syscall_64 ([kernel.kallsyms])\n"
        "\t          137500 _PyEval_EvalFrameDefault (/usr/bin/python3.11)\n\n"
        "python3    10/10    [001]  3.000000001:   10101010 cpu-clock:u: \n\n";
    struct gt_timeline *t = gt_timeline_new(false, NULL);
    struct gt_native_log *log = gt_native_log_new(t, NULL);
    const struct gt_native_sample *sample;
    const uint32_t *frames;
    uint32_t count;

    (void)state;
    assert_true(t->saw_native);
    for (const char *at = text; *at; at++)
        assert_int_equal(gt_native_log_feed(log, at, 1, NULL), 0);
    fork_task(t, 1500000000, 10, 10, 0);
    assert_int_equal(gt_native_log_place(log), 0);
    assert_int_equal(t->native.count, 2);
    sample = gt_chunks_at(&t->native, 0);
    assert_int_equal(sample->time_ns, 2000000001);
    assert_int_equal(sample->weight_ns, 10101010);
    frames = gt_stacks_frames(&t->native_stacks, sample->stack, &count);
    assert_int_equal(count, 3); /* without the kernel's */
    assert_string_equal(gt_stacks_symbol(&t->native_stacks, frames[0]), "inner");
    assert_string_equal(gt_stacks_symbol(&t->native_stacks, frames[1]), "");
    assert_string_equal(gt_stacks_dso(&t->native_stacks, frames[1]), "/nonexistent/libx.so");
    sample = gt_chunks_at(&t->native, 1);
    assert_int_equal(sample->stack, 0);
    gt_native_log_free(log);
    gt_timeline_free(t);
}

static void test_a_file_that_is_no_library_has_no_functions(void **state)
{
    static const char *const paths[] = {"/nonexistent",  "/",        "/dev/zero",
                                        "/proc/version", "relative", ""};
    struct gt_function_starts starts;

    (void)state;
    gt_function_starts_init(&starts);
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        assert_string_equal(gt_function_build_id(&starts, paths[i], strlen(paths[i])), "");
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        assert_int_equal(gt_function_start(&starts, paths[i], strlen(paths[i]), 0x1000), 0);
    gt_function_starts_release(&starts);
}

/* This very program has a table, in which this function is. */
static void test_a_function_of_a_library_begins_where_its_table_says(void **state)
{
    const uint64_t known = (uint64_t)(uintptr_t)test_a_file_that_is_no_library_has_no_functions;
    struct gt_function_starts starts;
    char path[512], line[1024];
    uint64_t first = 0, last, offset = 0, found;
    ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
    FILE *maps = fopen("/proc/self/maps", "r");

    (void)state;
    assert_true(length > 0 && maps);
    path[length] = '\0';
    while (fgets(line, sizeof(line), maps))
        if (sscanf(line, "%lx-%lx %*s %lx", &first, &last, &offset) == 3 && known >= first &&
            known < last)
            break;
    fclose(maps);
    gt_function_starts_init(&starts);
    found = gt_function_start(&starts, path, (size_t)length, known - first + offset + 1);
    assert_true(found != 0);
    assert_int_equal(found & 0xfff, known & 0xfff); /* loaded by pages */
    assert_int_equal(gt_function_start(&starts, path, (size_t)length, UINT64_MAX), 0);
    gt_function_starts_release(&starts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_way_begins_inside_the_loop),
        cmocka_unit_test(test_only_the_stack_inside_a_callback_counts),
        cmocka_unit_test(test_what_only_leads_is_left_out),
        cmocka_unit_test(test_no_function_is_in_memory_for_data),
        cmocka_unit_test(test_the_dispatcher_of_pybind11_only_leads),
        cmocka_unit_test(test_what_has_no_name_leads_where_a_name_follows),
        cmocka_unit_test(test_a_stack_that_ends_early_is_taken_up_to_the_interpreter),
        cmocka_unit_test(test_only_samples_of_a_holder_that_is_waited_for_count),
        cmocka_unit_test(test_profiles_have_native_functions),
        cmocka_unit_test(test_a_hold_without_samples_has_no_way),
        cmocka_unit_test(test_samples_are_read_out_of_text),
        cmocka_unit_test(test_a_file_that_is_no_library_has_no_functions),
        cmocka_unit_test(test_a_function_of_a_library_begins_where_its_table_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
