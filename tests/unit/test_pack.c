/* SPDX-License-Identifier: MIT */
/* Packed tables (report/pack.h), read back by the rules of SCHEMA.md, and the page around them.
 */
#include "base/fs.h"
#include "base/output.h"
#include "common/results.h"
#include "model/feed.h"
#include "report/pack.h"
#include "report/writers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

/* An output in a temporary file, read back as text. */
struct file {
    char path[64];
    struct gt_output output;
};

static void open_file(struct file *file)
{
    int fd;

    strcpy(file->path, "/tmp/giltracer-test-pack-XXXXXX");
    fd = mkstemp(file->path);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(gt_output_open(&file->output, file->path, NULL), 0);
}

static void close_file(struct file *file, struct gt_buf *text)
{
    assert_int_equal(gt_output_commit(&file->output, NULL), 0);
    gt_buf_init(text);
    assert_int_equal(gt_fs_read(file->path, text, 64 << 20, NULL), 0);
    unlink(file->path);
}

static void test_base64(void **state)
{
    static const char *const vectors[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {"\xff\xfe\xfd", "//79"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        char text[16] = {0};
        size_t length = strlen(vectors[i][0]);
        char *end = gt_base64(text, (const unsigned char *)vectors[i][0], length);

        assert_string_equal(text, vectors[i][1]);
        assert_int_equal(end - text, gt_base64_length(length));
    }
}

static void test_zigzag(void **state)
{
    (void)state;
    assert_int_equal(gt_zigzag(0), 0);
    assert_int_equal(gt_zigzag(-1), 1);
    assert_int_equal(gt_zigzag(1), 2);
    assert_int_equal(gt_zigzag(-2), 3);
    assert_true(gt_zigzag(INT64_MAX) == UINT64_MAX - 1);
    assert_true(gt_zigzag(INT64_MIN) == UINT64_MAX);
}

/* What a reader of a page needs, in C: the inverse of the writer, without its code. */
static size_t from_base64(const char *text, size_t length, unsigned char *out)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned bits = 0, have = 0;
    size_t count = 0;

    for (size_t i = 0; i < length && text[i] != '='; i++) {
        const char *digit = strchr(digits, text[i]);

        assert_non_null(digit);
        bits = bits << 6 | (unsigned)(digit - digits);
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[count++] = (unsigned char)(bits >> have);
        }
    }
    return count;
}

static uint64_t get_varint(const unsigned char **at)
{
    uint64_t value = 0;

    for (unsigned shift = 0;; shift += 7) {
        unsigned char byte = *(*at)++;

        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return value;
    }
}

static size_t inflate_block(const char *text, size_t length, unsigned char *out, size_t room)
{
    unsigned char *squeezed = malloc(length + 1);
    z_stream stream = {0};

    assert_non_null(squeezed);
    stream.next_in = squeezed;
    stream.avail_in = (uInt)from_base64(text, length, squeezed);
    stream.next_out = out;
    stream.avail_out = (uInt)room;
    assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    inflateEnd(&stream);
    free(squeezed);
    return stream.total_out;
}

/* The value written for a row: numbers of all lengths, extremes among them. */
static uint64_t value_of(size_t row, unsigned column)
{
    uint64_t x = (row * 3 + column) * UINT64_C(0x9e3779b97f4a7c15);

    if (row % 1000 == 0)
        return UINT64_MAX - column;
    return x >> (row * 7 + column * 11) % 64;
}

/* Read the block whose element starts at `at`; returns the rows in it. */
static size_t check_block(const char *at, size_t first_row, unsigned columns)
{
    static unsigned char bytes[GT_PACK_ROWS * GT_PACK_COLUMNS * 10 + 64];
    const char *rows_text = strstr(at, "data-rows=\"") + strlen("data-rows=\"");
    size_t rows = strtoul(rows_text, NULL, 10);
    const char *text = strchr(at, '>') + 1;
    size_t length =
        inflate_block(text, (size_t)(strchr(text, '<') - text), bytes, sizeof(bytes));
    const unsigned char *head = bytes, *body;
    uint64_t lengths[GT_PACK_COLUMNS] = {0};

    assert_int_equal(get_varint(&head), columns);
    for (unsigned i = 0; i < columns; i++)
        lengths[i] = get_varint(&head);
    body = head;
    for (unsigned i = 0; i < columns; i++) {
        const unsigned char *start = body;

        for (size_t row = 0; row < rows; row++)
            assert_true(get_varint(&body) == value_of(first_row + row, i));
        assert_int_equal(body - start, lengths[i]);
    }
    assert_int_equal(body - bytes, length);
    return rows;
}

static void write_table(struct gt_pack *pack, uint32_t key, unsigned columns, size_t rows)
{
    gt_pack_begin(pack, "test", key, columns);
    for (size_t row = 0; row < rows; row++) {
        assert_int_equal(gt_pack_rows(pack), row % GT_PACK_ROWS);
        for (unsigned i = 0; i < columns; i++)
            gt_pack_put(pack, i, value_of(row, i));
        assert_int_equal(gt_pack_end_row(pack, NULL), 0);
    }
    assert_int_equal(gt_pack_end(pack, NULL), 0);
}

static void test_tables(void **state)
{
    static const struct {
        unsigned columns;
        size_t rows, blocks;
    } tables[] = {
        {3, 0, 0},
        {1, 1, 1},
        {4, GT_PACK_ROWS, 1},
        {3, 2 * GT_PACK_ROWS + 5, 3},
    };
    struct gt_pack *pack;
    struct gt_buf text;
    struct file file;
    const char *at;

    (void)state;
    open_file(&file);
    pack = gt_pack_new(&file.output, NULL);
    assert_non_null(pack);
    for (uint32_t i = 0; i < 4; i++)
        write_table(pack, i, tables[i].columns, tables[i].rows);
    gt_pack_free(pack);
    close_file(&file, &text);
    at = text.data;
    for (uint32_t i = 0; i < 4; i++) {
        size_t row = 0, blocks = 0;
        char key[64];

        snprintf(key, sizeof(key), "data-table=\"test\" data-key=\"%u\"", i);
        for (; row < tables[i].rows; blocks++) {
            at = strstr(at, "<script ");
            assert_non_null(at);
            assert_ptr_equal(strstr(at, key), strstr(at, "data-table"));
            row += check_block(at, row, tables[i].columns);
            at++;
        }
        assert_int_equal(row, tables[i].rows);
        assert_int_equal(blocks, tables[i].blocks);
    }
    assert_null(strstr(at, "<script "));
    gt_buf_release(&text);
}

/* Times are noise in their low bits, functions come in patterns: both get smaller. */
static void test_sizes(void **state)
{
    enum { ROWS = GT_PACK_ROWS, NOISE_BITS = 17 }; /* three bytes as a varint */
    struct gt_pack *pack;
    struct gt_buf text;

    (void)state;
    for (int noise = 0; noise < 2; noise++) {
        uint64_t x = 1;
        struct file file;

        open_file(&file);
        pack = gt_pack_new(&file.output, NULL);
        gt_pack_begin(pack, "test", 0, 1);
        for (uint64_t row = 0; row < ROWS; row++) {
            x = x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            gt_pack_put(pack, 0, noise ? x >> (64 - NOISE_BITS) : 300 + row % 7 * row % 11);
            assert_int_equal(gt_pack_end_row(pack, NULL), 0);
        }
        gt_pack_free(pack);
        close_file(&file, &text);
        /* Base64 takes four for three. Of what there is to know: 17 bits of 24 (20 by Huffman),
         * next to none.
         */
        assert_true(text.length >= 100);
        assert_true(text.length <= (noise ? ROWS * 20 / 8 * 4 / 3 : ROWS / 10));
        gt_buf_release(&text);
    }
}

static void test_full_disk(void **state)
{
    struct gt_error err = {0};
    struct gt_output output;
    struct gt_pack *pack;

    (void)state;
    assert_int_equal(gt_output_open(&output, "/dev/full", NULL), 0);
    pack = gt_pack_new(&output, NULL);
    gt_pack_begin(pack, "test", 0, 1);
    gt_pack_put(pack, 0, 1);
    assert_int_equal(gt_pack_end_row(pack, &err), 0);
    assert_int_equal(gt_pack_end(pack, &err), GT_ERR_IO);
    assert_non_null(strstr(err.message, "/dev/full"));
    gt_pack_free(pack);
    gt_output_abandon(&output);
}

static size_t count_of(const char *text, const char *what)
{
    size_t count = 0;

    for (; (text = strstr(text, what)); text++)
        count++;
    return count;
}

/* An empty timeline makes a page, and what the summary says cannot break out of its element. */
static void test_page_of_nothing(void **state)
{
    static char *const argv[] = {"</script><script>alert(1)</script><!--", NULL};
    static const struct gt_run_info info = {.argv = argv};
    struct gt_timeline *timeline = gt_timeline_new(true, NULL);
    struct gt_recorded recorded = {.timeline = timeline};
    struct gt_results results = {0};
    struct gt_buf text;
    struct file file;

    (void)state;
    assert_non_null(timeline);
    assert_int_equal(gt_timeline_finish(timeline, NULL), 0);
    assert_int_equal(gt_results_make(&results, &recorded, &info, NULL, true, NULL), 0);
    open_file(&file);
    assert_int_equal(gt_html_write(results.report, &file.output, NULL), 0);
    close_file(&file, &text);
    gt_results_release(&results);
    gt_timeline_free(timeline);
    assert_non_null(strstr(text.data, "\\u003c/script\\u003e\\u003cscript\\u003ealert(1)"));
    assert_int_equal(count_of(text.data, "<script"), 3); /* summary, names, viewer */
    assert_int_equal(count_of(text.data, "</script>"), 3);
    assert_null(strstr(text.data, "<!-- modules"));
    assert_null(strstr(text.data, "@SCRIPT"));
    assert_non_null(strstr(text.data, "script-src 'sha256-"));
    assert_string_equal(text.data + text.length - 8, "</html>\n");
    gt_buf_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base64), cmocka_unit_test(test_zigzag),
        cmocka_unit_test(test_tables), cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_sizes),  cmocka_unit_test(test_page_of_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
