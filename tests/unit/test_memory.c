/* SPDX-License-Identifier: MIT */
/*
 * Every allocation of a whole conversion fails once, each in its own run: the run must fail
 * with "out of memory" or, when it can do without, give the same outputs; it must leak nothing.
 *
 * The linker's --wrap sends the project's own allocations here (CMakeLists.txt); jansson is
 * told to come here too.
 */
#include "base/buf.h"
#include "ingest/ingest.h"
#include "common/results.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *data, size_t size);
void __real_free(void *data);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *data, size_t size);
void *__wrap_reallocarray(void *data, size_t count, size_t size);
char *__wrap_strdup(const char *text);
void __wrap_free(void *data);

static struct {
    long countdown; /* allocations until one fails; negative: none does */
    bool failed;
    bool watching;
    size_t live; /* allocations made while watching, not freed */
    void *blocks[1 << 16];
} heap;

static bool must_fail(void)
{
    if (heap.watching && heap.countdown >= 0 && heap.countdown-- == 0)
        heap.failed = true;
    else
        return false;
    return true;
}

static void *note(void *data)
{
    if (data && heap.watching) {
        assert_true(heap.live < sizeof(heap.blocks) / sizeof(heap.blocks[0]));
        heap.blocks[heap.live++] = data;
    }
    return data;
}

static void forget(void *data)
{
    for (size_t i = heap.live; data && i-- > 0;)
        if (heap.blocks[i] == data) {
            heap.blocks[i] = heap.blocks[--heap.live];
            return;
        }
}

void *__wrap_malloc(size_t size)
{
    return must_fail() ? NULL : note(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return must_fail() ? NULL : note(__real_calloc(count, size));
}

void *__wrap_realloc(void *data, size_t size)
{
    if (must_fail())
        return NULL;
    forget(data);
    return note(__real_realloc(data, size));
}

void *__wrap_reallocarray(void *data, size_t count, size_t size)
{
    return __wrap_realloc(data, count * size);
}

char *__wrap_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = __wrap_malloc(size);

    return copy ? memcpy(copy, text, size) : NULL;
}

void __wrap_free(void *data)
{
    forget(data);
    __real_free(data);
}

#define LINE "         x\xff <y> 12/%d [001]  5.%09d: "

/* A bit of everything: threads, two GILs, waits, losses, names, states, a fork, an exec. */
static void write_text(struct gt_buf *text)
{
    int at = 0;

    gt_buf_addf(text, LINE "PERF_RECORD_COMM exec: python3:12/12\n", 12, at++);
    for (int tid = 13; tid < 17; tid++)
        gt_buf_addf(text, LINE "PERF_RECORD_FORK(12:%d):(12:12)\n", 12, at++, tid);
    for (int i = 0; i < 60; i++) {
        int tid = 12 + i % 5;

        gt_buf_addf(text, LINE "gil:wait: (1) cond=0x7f0000001000\n", tid, at++);
        gt_buf_addf(text, LINE "gil:signal: (1) cond=0x7f0000001058\n", tid, at++);
        gt_buf_addf(text,
                    LINE
                    "sched:sched_switch: prev_comm=a prev_pid=%d prev_prio=120 prev_state=S "
                    "==> next_comm=b next_pid=2 next_prio=120\n",
                    tid, at++, tid);
        gt_buf_addf(text, LINE "PERF_RECORD_SWITCH IN\n", tid, at++);
        gt_buf_addf(text, LINE "gil:signal: (1) cond=0x7f0000001000\n", tid, at++);
        if (i % 25 == 20)
            gt_buf_addf(text, LINE "PERF_RECORD_LOST lost 3\n", tid, at++);
        if (i % 12 == 0)
            gt_buf_addf(text, LINE "PERF_RECORD_COMM: worker-%d:12/%d\n", tid, at++, i, tid);
        gt_buf_addf(text, LINE "gil:signal: (1) cond=0x560000%06x\n", tid, at++, i * 4096);
        gt_buf_addf(text,
                    LINE "syscalls:sys_enter_futex: uaddr: 0x7028, op: 0x89, val: 0x0, "
                         "utime: 0x7f01\n",
                    tid, at++);
    }
    gt_buf_addf(text, LINE "PERF_RECORD_FORK(90:90):(12:12)\n", 12, at++);
    gt_buf_addf(text, LINE "PERF_RECORD_EXIT(12:12):(12:12)\n", 12, at++);
}

static const struct gt_run_info info = {
    .exit_status = -1, .started_unix_ns = -1, .root_pid = 12, .gil_enabled = true};

/* JSON and page to nowhere. */
static int write_all(const struct gt_report *report, struct gt_error *err)
{
    for (int format = GT_FORMAT_JSON; format <= GT_FORMAT_HTML; format++) {
        struct gt_output output;
        int rc = gt_output_open(&output, "/dev/null", err);

        if (rc < 0)
            return rc;
        rc = gt_report_write(report, (enum gt_report_format)format, &output, err);
        if (rc < 0) {
            gt_output_abandon(&output);
            return rc;
        }
        rc = gt_output_commit(&output, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static const struct gt_print_options colored = {.color = true, .width = 80};

static int convert(const struct gt_buf *text, struct gt_buf *result, struct gt_error *err)
{
    const struct gt_ingest_options options = {.detect = GT_DETECT_GIL | GT_DETECT_SCHED};
    struct gt_ingest *ingest = gt_ingest_new(&options, err);
    struct gt_results results = {0};
    int rc;

    if (!ingest)
        return GT_ERR_MEMORY;
    rc = gt_ingest_feed(ingest, text->data, text->length, err);
    if (rc == 0)
        rc = gt_ingest_finish(ingest, err);
    if (rc == 0)
        rc = gt_results_make(&results, gt_ingest_recorded(ingest), &info, NULL, true, err);
    if (rc == 0)
        rc = gt_report_summary(results.report, result, err);
    if (rc == 0 && gt_report_print(results.report, &colored, result))
        rc = gt_error_memory(err);
    if (rc == 0)
        rc = write_all(results.report, err);
    gt_results_release(&results);
    gt_ingest_free(ingest);
    return rc;
}

static void no_allocation_is_taken_for_granted(void **state)
{
    struct gt_buf text, expected, got;
    struct gt_error err;
    long failing;

    (void)state;
    json_set_alloc_funcs(__wrap_malloc, __wrap_free);
    gt_buf_init(&text);
    gt_buf_init(&expected);
    write_text(&text);
    assert_int_equal(convert(&text, &expected, &err), 0);
    for (failing = 0;; failing += failing < 300 ? 1 : 7) { /* the rest repeat themselves */
        int rc;

        gt_buf_init(&got);
        heap.live = 0;
        heap.failed = false;
        heap.countdown = failing;
        heap.watching = true;
        err.message[0] = '\0';
        rc = convert(&text, &got, &err);
        heap.watching = false;
        if (heap.failed && rc == 0 && strcmp(got.data, expected.data) != 0)
            fail_msg("allocation %ld failed: no error, and another summary", failing);
        if (rc < 0 && (rc != GT_ERR_MEMORY || !strstr(err.message, "memory")))
            fail_msg("allocation %ld failed: %d \"%s\"", failing, rc, err.message);
        gt_buf_release(&got);
        if (heap.live)
            fail_msg("allocation %ld failed: %zu blocks leaked", failing, heap.live);
        if (!heap.failed)
            break;
    }
    assert_true(failing > 500);
    gt_buf_release(&text);
    gt_buf_release(&expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_allocation_is_taken_for_granted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
