/* SPDX-License-Identifier: MIT */
/* lib/base: what everything else stands on, its limits and its failures. */
#include "base/buf.h"
#include "base/chunks.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/output.h"
#include "base/hashmap.h"
#include "base/intern.h"
#include "base/nstime.h"
#include "base/order.h"
#include "base/strvec.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

typedef int add_function(struct gt_buf *buf, const char *data, size_t length);

static void check_add(add_function *add, const char *data, size_t length, const char *expected)
{
    struct gt_buf buf;

    gt_buf_init(&buf);
    assert_int_equal(add(&buf, data, length), 0);
    assert_string_equal(buf.data, expected);
    assert_int_equal(buf.length, strlen(expected));
    gt_buf_release(&buf);
}

static void buf_grows_and_stays_a_string(void **state)
{
    struct gt_buf buf;

    (void)state;
    gt_buf_init(&buf);
    assert_string_equal(buf.data, "");
    assert_int_equal(gt_buf_add(&buf, "", 0), 0);
    for (int i = 0; i < 10000; i++)
        assert_int_equal(gt_buf_addf(&buf, "%d,", i), 0);
    assert_int_equal(buf.length, strlen(buf.data));
    assert_memory_equal(buf.data, "0,1,2,3,", 8);
    assert_string_equal(buf.data + buf.length - 5, "9999,");
    assert_int_equal(gt_buf_reserve(&buf, SIZE_MAX), -1);
    assert_int_equal(gt_buf_reserve(&buf, SIZE_MAX - buf.length), -1);
    assert_string_equal(buf.data + buf.length - 5, "9999,");
    gt_buf_reset(&buf);
    assert_string_equal(buf.data, "");
    gt_buf_release(&buf);
    gt_buf_release(&buf);
}

static void buf_makes_valid_utf8(void **state)
{
    (void)state;
    check_add(gt_buf_add_utf8, "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x8d", 10,
              "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x8d");
    check_add(gt_buf_add_utf8, "\xc0\xaf", 2, "\xef\xbf\xbd\xef\xbf\xbd"); /* overlong */
    check_add(gt_buf_add_utf8, "\xe0\x80\x80", 3, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    check_add(gt_buf_add_utf8, "\xed\xa0\x80", 3, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    check_add(gt_buf_add_utf8, "\xf4\x90\x80\x80", 4,
              "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");           /* past U+10FFFF */
    check_add(gt_buf_add_utf8, "x\xe2\x82", 3, "x\xef\xbf\xbd\xef\xbf\xbd"); /* cut short */
    check_add(gt_buf_add_utf8, "\xff", 1, "\xef\xbf\xbd");
}

static void buf_escapes_json(void **state)
{
    (void)state;
    check_add(gt_buf_add_json, "a\"b\\c\n\0\x7f", 8, "a\\\"b\\\\c\\u000a\\u0000\\u007f");
    check_add(gt_buf_add_json, "</script>&", 10, "\\u003c/script\\u003e\\u0026");
    check_add(gt_buf_add_json, "\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa", 9,
              "\\u2028\\u2029\xe2\x80\xaa");
    check_add(gt_buf_add_json, "\x80", 1, "\\ufffd");
}

/* Any two bytes after any other are JSON once escaped, and mean the same when ASCII. */
static void buf_json_is_parsed_by_jansson(void **state)
{
    struct gt_buf buf;

    (void)state;
    gt_buf_init(&buf);
    for (int first = 0; first < 256; first++)
        for (int second = 0; second < 256; second += 5) {
            char raw[4] = {'\xe2', (char)first, (char)second, 'z'};
            json_t *value;

            gt_buf_reset(&buf);
            gt_buf_adds(&buf, "\"");
            gt_buf_add_json(&buf, raw, sizeof(raw));
            gt_buf_adds(&buf, "\"");
            value = json_loadb(buf.data, buf.length, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
            assert_non_null(value);
            assert_int_equal(json_string_value(value)[json_string_length(value) - 1], 'z');
            json_decref(value);
        }
    gt_buf_release(&buf);
}

static void buf_hides_what_moves_a_terminal(void **state)
{
    (void)state;
    check_add(gt_buf_add_visible, "a\x1b[31mb\x7f", 8, "a?[31mb?");
    check_add(gt_buf_add_visible, "\xc2\x9b\xc2\xa0", 4,
              "?\xc2\xa0"); /* C1 CSI, no-break space */
    check_add(gt_buf_add_visible, "\xe2\x80\xae\xe2\x81\xa6\xe2\x82\xac", 9, "??\xe2\x82\xac");
    check_add(gt_buf_add_visible, "\xff\n\0", 3, "???");
}

static void text_is_made_visible_in_place(void **state)
{
    char text[] = "a\x1b[31mb\xc2\x9b \xc2\xa0\xe2\x80\xae\n\xff \xe2\x82";

    (void)state;
    gt_text_make_visible(text);
    assert_string_equal(text, "a?[31mb?? \xc2\xa0????? ??");
}

static void strvec_is_an_argument_vector(void **state)
{
    struct gt_strvec vec, copy;
    char long_text[300];

    (void)state;
    gt_strvec_init(&vec);
    gt_strvec_init(&copy);
    memset(long_text, 'x', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    for (int i = 0; i < 100; i++)
        assert_int_equal(gt_strvec_pushf(&vec, "%d %s", i, long_text), 0);
    assert_int_equal(gt_strvec_push(&vec, ""), 0);
    assert_int_equal(gt_strvec_push_all(&copy, vec.items), 0);
    assert_int_equal(copy.count, 101);
    assert_null(copy.items[101]);
    assert_memory_equal(copy.items[99], "99 xxx", 6);
    assert_string_equal(copy.items[100], "");
    assert_ptr_not_equal(copy.items[0], vec.items[0]);
    gt_strvec_release(&vec);
    gt_strvec_release(&copy);
    assert_int_equal(copy.count, 0);
}

static void chunks_keep_their_elements(void **state)
{
    struct gt_chunks list;
    uint32_t *first;

    (void)state;
    gt_chunks_init(&list, sizeof(uint32_t));
    assert_null(gt_chunks_last(&list));
    for (uint32_t i = 0; i < 5 * GT_CHUNK_ELEMENTS + 3; i++)
        *(uint32_t *)gt_chunks_push(&list) = i;
    first = gt_chunks_at(&list, 0);
    for (uint32_t i = 0; i < list.count; i++)
        assert_int_equal(*(uint32_t *)gt_chunks_at(&list, i), i);
    gt_chunks_truncate(&list, 1);
    gt_chunks_truncate(&list, 7); /* truncation never adds */
    assert_int_equal(list.count, 1);
    for (uint32_t i = 1; i < 3 * GT_CHUNK_ELEMENTS; i++)
        *(uint32_t *)gt_chunks_push(&list) = i + 7;
    assert_ptr_equal(first, gt_chunks_at(&list, 0));
    assert_int_equal(*(uint32_t *)gt_chunks_last(&list), 3 * GT_CHUNK_ELEMENTS + 6);
    gt_chunks_release(&list);
    assert_int_equal(list.count, 0);
    assert_int_equal(list.element_size, sizeof(uint32_t));
}

static int by_last_digit(const void *a, const void *b)
{
    return gt_order(*(const uint32_t *)a % 10, *(const uint32_t *)b % 10);
}

/* Few, and over the ends of chunks: all are there, in order. */
static void chunks_are_sorted(void **state)
{
    const uint32_t counts[] = {0, 1, 7, GT_CHUNK_ELEMENTS + 3, 3 * GT_CHUNK_ELEMENTS};

    (void)state;
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        uint64_t sum = 0, all = (uint64_t)counts[i] * (counts[i] + 1) / 2;
        struct gt_chunks list;

        gt_chunks_init(&list, sizeof(uint32_t));
        for (uint32_t j = counts[i]; j > 0; j--)
            *(uint32_t *)gt_chunks_push(&list) = j;
        assert_int_equal(gt_chunks_sort(&list, by_last_digit), 0);
        assert_int_equal(list.count, counts[i]);
        for (uint32_t j = 0; j < counts[i]; j++)
            sum += *(uint32_t *)gt_chunks_at(&list, j);
        assert_int_equal(sum, all);
        for (uint32_t j = 1; j < counts[i]; j++)
            assert_true(by_last_digit(gt_chunks_at(&list, j - 1), gt_chunks_at(&list, j)) <= 0);
        gt_chunks_release(&list);
    }
}

static void hashmap_finds_what_was_put(void **state)
{
    struct gt_hashmap map;

    (void)state;
    gt_hashmap_init(&map);
    assert_int_equal(gt_hashmap_get(&map, 0), GT_HASHMAP_NONE);
    for (uint32_t i = 0; i < 20000; i++)
        assert_int_equal(gt_hashmap_put(&map, (uint64_t)i << 20, i), 0);
    assert_int_equal(gt_hashmap_put(&map, UINT64_MAX, 7), 0);
    assert_int_equal(gt_hashmap_put(&map, UINT64_MAX, 8), 0);
    assert_int_equal(map.count, 20001);
    for (uint32_t i = 0; i < 20000; i++)
        assert_int_equal(gt_hashmap_get(&map, (uint64_t)i << 20), i);
    assert_int_equal(gt_hashmap_get(&map, UINT64_MAX), 8);
    assert_int_equal(gt_hashmap_get(&map, 3), GT_HASHMAP_NONE);
    gt_hashmap_release(&map);
}

/* The inverse of the finaliser of splitmix64: keys that a fixed hash would put in one slot. */
static uint64_t unhash(uint64_t key)
{
    key = (key ^ (key >> 31) ^ (key >> 62)) * 0x319642b2d24d8ec3u;
    key = (key ^ (key >> 27) ^ (key >> 54)) * 0x96de1b173f119089u;
    return key ^ (key >> 30) ^ (key >> 60);
}

/* Addresses are the target's to choose; quadratic probing of 50,000 took ten seconds. */
static void hashmap_withstands_chosen_keys(void **state)
{
    struct gt_hashmap map;
    int64_t start_ns = gt_now_ns();

    (void)state;
    gt_hashmap_init(&map);
    for (uint32_t i = 0; i < 50000; i++)
        assert_int_equal(gt_hashmap_put(&map, unhash((uint64_t)i << 32), i), 0);
    assert_true(gt_now_ns() - start_ns < 2 * (int64_t)GT_NS_PER_S);
    gt_hashmap_release(&map);
}

static void intern_stores_once(void **state)
{
    struct gt_intern table;
    uint32_t ids[3000];

    (void)state;
    gt_intern_init(&table);
    assert_int_equal(gt_intern_add(&table, "", 0), 0);
    assert_string_equal(gt_intern_text(&table, 0), "");
    for (uint32_t i = 0; i < 3000; i++)
        ids[i] = gt_intern_add(&table, (const char *)&i, sizeof(i)); /* NULs inside */
    for (uint32_t i = 0; i < 3000; i++) {
        assert_int_equal(gt_intern_add(&table, (const char *)&i, sizeof(i)), ids[i]);
        assert_int_equal(gt_intern_length(&table, ids[i]), sizeof(i));
        assert_memory_equal(gt_intern_text(&table, ids[i]), &i, sizeof(i));
    }
    assert_int_equal(gt_intern_count(&table), 3001);
    assert_int_not_equal(gt_intern_add(&table, "a", 1), gt_intern_add(&table, "a\0", 2));
    gt_intern_release(&table);
}

static void check_us(int64_t time_ns, const char *expected)
{
    char text[32];

    *gt_put_us(text, time_ns) = '\0';
    assert_string_equal(text, expected);
    assert_true(strlen(text) <= 24);
}

/* As readers of JSON have it. */
static double read_us(int64_t ns)
{
    char text[32];

    *gt_put_us(text, ns) = '\0';
    return strtod(text, NULL);
}

static double read_end(int64_t start_ns, int64_t end_ns)
{
    char text[GT_LENGTH_BYTES + 1];

    *gt_put_length_us(text, start_ns, end_ns) = '\0';
    assert_true(strlen(text) <= GT_LENGTH_BYTES && strchr("0123456789", *text));
    return read_us(start_ns) + strtod(text, NULL);
}

static int64_t random_ns(int bits)
{
    static uint64_t state = 88172645463325252u;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (int64_t)(state & ((UINT64_C(1) << bits) - 1));
}

/* What follows does not overlap, what ends together ends together, and later is not earlier. */
static void lengths_add_up_in_doubles(void **state)
{
    (void)state;
    for (int64_t end = 1; end < 700; end++)
        for (int64_t start = 0; start < end; start++) {
            assert_true(read_end(start, end) <= read_us(end));
            assert_true(read_end(start, end) == read_end(end - 1, end));
        }
    for (int i = 0; i < 2000000; i++) {
        int64_t end = 1 + random_ns(4 + i % 59), start = random_ns(62) % end;
        int64_t inner = start + random_ns(62) % (end - start);
        int64_t later = end + random_ns(1 + i % 30);
        double sum = read_end(start, end);

        assert_true(sum <= read_us(end)); /* nor above the start of any span that follows */
        if (end >> 53)
            continue; /* some months: a ns is no more told apart */
        assert_true(sum == read_end(inner, end));
        assert_true(sum <= read_end(inner, later));
        assert_true(sum - read_us(end) >= -4e-16 * read_us(end));
    }
    assert_true(read_end(5, INT64_MAX) <= read_us(INT64_MAX));
    assert_true(read_end(INT64_MAX, INT64_MAX) == read_us(INT64_MAX));
}

static void times_become_text(void **state)
{
    char text[32];

    (void)state;
    check_us(0, "0");
    check_us(1, "0.001");
    check_us(999, "0.999");
    check_us(1000, "1");
    check_us(1234567, "1234.567");
    check_us(-1050, "-1.050");
    check_us(INT64_MAX, "9223372036854775.807");
    check_us(INT64_MIN, "-9223372036854775.808");
    *gt_put_u64(text, UINT64_MAX) = '\0';
    assert_string_equal(text, "18446744073709551615");
    assert_string_equal(gt_duration_text(850, text, sizeof(text)), "850 ns");
    assert_string_equal(gt_duration_text(5200000, text, sizeof(text)), "5.2 ms");
    assert_string_equal(gt_duration_text(12340000000, text, sizeof(text)), "12.34 s");
    assert_string_equal(gt_duration_text(43948790000000, text, sizeof(text)), "12.21 h");
    assert_string_equal(gt_duration_text(-5000000000, text, sizeof(text)), "-5.00 s");
}

static void errors_are_one_safe_line(void **state)
{
    struct gt_error err;
    char path[2000];

    (void)state;
    assert_int_equal(gt_error_set(NULL, GT_ERR_USAGE, "%s", "x"), GT_ERR_USAGE);
    gt_error_set(&err, GT_ERR_IO, "a\nb\x1b[2J\xc2\x9b");
    assert_string_equal(err.message, "a?b?[2J??");
    memset(path, 'p', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    errno = EACCES;
    assert_int_equal(gt_error_errno(&err, "cannot open %s", path), GT_ERR_PERMISSION);
    assert_non_null(strstr(err.message, strerror(EACCES)));
    errno = ENOSPC;
    assert_int_equal(gt_error_errno(&err, "x"), GT_ERR_IO);
}

static char *join(const char *dir, const char *name)
{
    char *path = NULL;

    assert_true(asprintf(&path, "%s/%s", dir, name) > 0);
    return path;
}

static int folder_setup(void **state)
{
    struct gt_error err;

    *state = gt_fs_private_dir(&err);
    return *state ? 0 : -1;
}

static int folder_teardown(void **state)
{
    struct gt_error err;
    int rc = gt_fs_remove_tree(*state, &err);

    if (rc == 0 && access(*state, F_OK) == 0)
        rc = -1;
    free(*state);
    return rc;
}

static void check_content(const char *path, const char *expected)
{
    struct gt_buf buf;
    struct gt_error err;

    gt_buf_init(&buf);
    assert_int_equal(gt_fs_read(path, &buf, 1 << 20, &err), 0);
    assert_string_equal(buf.data, expected);
    gt_buf_release(&buf);
}

/* Whatever they are called: how a temporary file is named is not known here. */
static int count_entries(const char *path)
{
    DIR *dir = opendir(path);
    int count = -2; /* "." and ".." */

    assert_non_null(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

static void outputs_appear_whole_or_not_at_all(void **state)
{
    char *path = join(*state, "out.json");
    struct gt_output output, other;
    struct gt_error err;

    assert_int_equal(gt_output_open(&output, path, &err), 0);
    assert_int_equal(gt_output_open(&other, path, &err), 0); /* two runs, one output */
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(gt_output_write(&output, "first", 5, &err), 0);
    assert_int_equal(gt_output_write(&other, "second", 6, &err), 0);
    assert_int_equal(gt_output_commit(&output, &err), 0);
    check_content(path, "first");
    gt_output_abandon(&output); /* harmless */
    gt_output_abandon(&other);
    check_content(path, "first");
    assert_int_equal(count_entries(*state), 1); /* nothing but the output */
    free(path);
}

static void a_full_disk_is_an_error(void **state)
{
    struct gt_output output;
    struct gt_error err;

    (void)state;
    assert_int_equal(gt_output_open(&output, "/dev/full", &err), 0);
    assert_true(output.direct);
    assert_int_equal(gt_output_write(&output, "x", 1, &err), GT_ERR_IO);
    assert_non_null(strstr(err.message, "/dev/full"));
    assert_non_null(strstr(err.message, strerror(ENOSPC)));
    gt_output_abandon(&output);
    assert_int_equal(output.fd, -1);
}

static void a_failing_rename_leaves_nothing(void **state)
{
    char *path = join(*state, "out.json");
    struct gt_output output;
    struct gt_error err;

    assert_int_equal(gt_output_open(&output, path, &err), 0);
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0); /* somebody made a folder of that name meanwhile */
    assert_int_equal(gt_output_write(&output, "x", 1, &err), 0);
    assert_true(gt_output_commit(&output, &err) < 0);
    assert_non_null(strstr(err.message, path));
    assert_int_equal(output.fd, -1);
    assert_int_equal(count_entries(*state), 1); /* nothing but that folder */
    assert_int_equal(rmdir(path), 0);
    free(path);
}

static void outputs_that_cannot_be_are_found_early(void **state)
{
    char *missing = join(*state, "no/such/out.json");
    struct gt_output output;
    struct gt_error err;

    assert_int_equal(gt_output_open(&output, missing, &err), GT_ERR_NOT_FOUND);
    assert_true(gt_output_open(&output, *state, &err) < 0);
    assert_non_null(strstr(err.message, strerror(EISDIR)));
    free(missing);
}

static void reading_stops_at_the_limit(void **state)
{
    struct gt_buf buf;
    struct gt_error err;

    (void)state;
    gt_buf_init(&buf);
    assert_int_equal(gt_fs_read("/proc/self/status", &buf, 1 << 20, &err), 0);
    assert_memory_equal(buf.data, "Name:\t", 6);
    gt_buf_reset(&buf);
    assert_int_equal(gt_fs_read("/dev/zero", &buf, 100000, &err), 0);
    assert_int_equal(buf.length, 100000);
    assert_int_equal(gt_fs_read("/nonexistent", &buf, 1, &err), GT_ERR_NOT_FOUND);
    gt_buf_release(&buf);
}

static void trees_are_removed_without_following_links(void **state)
{
    char *inside = join(*state, "tree"), *file = join(*state, "kept");
    char *link = join(inside, "link"), *deep = join(inside, "deep");
    struct gt_error err;

    assert_int_equal(mkdir(inside, 0700), 0);
    assert_int_equal(mkdir(deep, 0700), 0);
    assert_int_equal(close(open(file, O_CREAT | O_WRONLY, 0600)), 0);
    assert_int_equal(symlink(*state, link), 0);
    assert_int_equal(gt_fs_remove_tree(inside, &err), 0);
    assert_int_equal(access(inside, F_OK), -1);
    assert_int_equal(access(file, F_OK), 0);
    assert_int_equal(gt_fs_remove_tree(inside, &err), 0);
    free(inside);
    free(file);
    free(link);
    free(deep);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buf_grows_and_stays_a_string),
        cmocka_unit_test(buf_makes_valid_utf8),
        cmocka_unit_test(buf_escapes_json),
        cmocka_unit_test(buf_json_is_parsed_by_jansson),
        cmocka_unit_test(buf_hides_what_moves_a_terminal),
        cmocka_unit_test(text_is_made_visible_in_place),
        cmocka_unit_test(strvec_is_an_argument_vector),
        cmocka_unit_test(chunks_keep_their_elements),
        cmocka_unit_test(chunks_are_sorted),
        cmocka_unit_test(hashmap_finds_what_was_put),
        cmocka_unit_test(hashmap_withstands_chosen_keys),
        cmocka_unit_test(intern_stores_once),
        cmocka_unit_test(times_become_text),
        cmocka_unit_test(lengths_add_up_in_doubles),
        cmocka_unit_test(errors_are_one_safe_line),
        cmocka_unit_test_setup_teardown(outputs_appear_whole_or_not_at_all, folder_setup,
                                        folder_teardown),
        cmocka_unit_test(a_full_disk_is_an_error),
        cmocka_unit_test_setup_teardown(a_failing_rename_leaves_nothing, folder_setup,
                                        folder_teardown),
        cmocka_unit_test_setup_teardown(outputs_that_cannot_be_are_found_early, folder_setup,
                                        folder_teardown),
        cmocka_unit_test(reading_stops_at_the_limit),
        cmocka_unit_test_setup_teardown(trees_are_removed_without_following_links, folder_setup,
                                        folder_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
