/* SPDX-License-Identifier: MIT */
/*
 * Recordings and programs made to keep a reader busy, to fill memory, or to lead it elsewhere:
 * of a size, or with a timing, that fuzzing does not reach.
 */
#include "feed.h"

#include "agent/wire.h"
#include "agentlog/agentlog.h"
#include "analysis/blockers.h"
#include "analysis/contention.h"
#include "analysis/profile.h"
#include "base/fs.h"
#include "base/output.h"
#include "base/nstime.h"
#include "launch/elf.h"
#include "common/baseline.h"
#include "common/results.h"
#include "ingest/ingest.h"
#include "report/metrics.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static const struct gt_call_span *call_at(const struct gt_calls *calls, size_t index)
{
    return gt_chunks_at(&calls->spans, index);
}

/* CPU time that is plenty for what is done in proportion to the input, and for nothing else. */
static void assert_quick(clock_t begin)
{
    assert_true((double)(clock() - begin) / CLOCKS_PER_SEC < 8);
}

static void call(struct gt_timeline *timeline, int64_t time_ns, uint32_t id, bool enter)
{
    struct gt_function function = {.id = id, .name = "f", .name_length = 1, .file = ""};
    struct gt_event event = {.kind = enter ? GT_EVENT_CALL : GT_EVENT_RETURN,
                             .time_ns = time_ns,
                             .pid = 1,
                             .tid = 1,
                             .cpu = -1,
                             .comm = "",
                             .call.function = &function};

    assert_int_equal(gt_timeline_feed(timeline, &event), 0);
}

static void returns_without_calls_from_a_deep_stack(void **state)
{
    enum { DEPTH = 200000 };
    struct gt_timeline *timeline = gt_timeline_new(false, NULL);
    const struct gt_calls *calls;
    clock_t begin = clock();

    (void)state;
    call(timeline, 1, 1, true);
    for (int i = 0; i < DEPTH; i++)
        call(timeline, 2 + i, 2, true);
    for (int i = 0; i < DEPTH; i++)
        call(timeline, 2 + DEPTH + i, 3, false);
    call(timeline, 3 * DEPTH, 2, false);
    call(timeline, 3 * DEPTH + 1, 1, false);
    call(timeline, 3 * DEPTH + 2, 2, false);
    assert_int_equal(gt_timeline_finish(timeline, NULL), 0);
    assert_quick(begin);
    calls = gt_calls_of(timeline, 0);
    assert_int_equal(calls->spans.count, DEPTH + 1);
    assert_int_equal(call_at(calls, 0)->end_ns, 3 * DEPTH + 1);
    assert_int_equal(call_at(calls, 0)->flags, 0);
    assert_int_equal(call_at(calls, 1)->end_ns, 3 * DEPTH + 1);
    assert_int_equal(call_at(calls, 1)->flags, GT_CALL_SPAN_CUT_END);
    assert_int_equal(call_at(calls, DEPTH)->end_ns, 3 * DEPTH);
    assert_int_equal(call_at(calls, DEPTH)->flags, 0);
    gt_timeline_free(timeline);
}

/* Each of the functions in turn has the GIL, or what profiles are made of has no bound. */
static void a_profile_of_a_deep_stack(void **state)
{
    enum { DEPTH = 3 * GT_PROFILE_DEPTH_MAX };
    struct gt_timeline *timeline = gt_timeline_new(false, NULL);
    struct gt_blocked blocked;
    struct gt_profile profile;
    int64_t hold_ns = 0, longest = 0;

    (void)state;
    acquire(timeline, 1, 1, 1, 0x7000);
    release(timeline, 2, 1, 1, 0x7000);
    for (int i = 0; i < DEPTH; i++) {
        call(timeline, 10 * i + 10, (uint32_t)i + 1, true);
        acquire(timeline, 10 * i + 12, 1, 1, 0x7000);
        release(timeline, 10 * i + 15, 1, 1, 0x7000);
    }
    assert_int_equal(gt_timeline_finish(timeline, NULL), 0);
    assert_int_equal(gt_blocked_find(&blocked, timeline, NULL), 0);
    assert_int_equal(gt_profile_init(&profile, timeline, &blocked, NULL), 0);
    assert_int_equal(profile.nodes.count, 1 + DEPTH); /* no function is lost */
    for (size_t i = 0; i < profile.nodes.count; i++) {
        int64_t depth = 0;

        hold_ns += gt_profile_at(&profile, i)->hold_ns;
        for (size_t at = i; gt_profile_at(&profile, at)->parent != GT_NO_INDEX; depth++)
            at = gt_profile_at(&profile, at)->parent;
        longest = depth > longest ? depth : longest;
    }
    assert_int_equal(longest, GT_PROFILE_DEPTH_MAX);
    assert_int_equal(hold_ns, gt_gil_thread_at(gt_gil_at(timeline, 0), 0)->hold_ns);
    gt_profile_release(&profile);
    gt_blocked_release(&blocked);
    gt_timeline_free(timeline);
}

/* All wait for all before them. Who waited for whom would be ten million pairs. */
static void thousands_of_threads_in_one_line(void **state)
{
    enum { THREADS = GT_CELL_WAITERS_MAX + 500, A = 0x7000 };
    struct gt_timeline *timeline = gt_timeline_new(false, NULL);
    struct gt_contention contention;
    struct gt_blockers blockers;
    int64_t waiting_ns = 0, blamed_ns = 0;
    clock_t begin = clock();
    const struct gt_gil *gil;

    (void)state;
    for (int i = 0; i < 20; i++) {
        acquire(timeline, 10 * i, 1, 1, A);
        release(timeline, 10 * i + 5, 1, 1, A);
    }
    for (int i = 0; i < THREADS; i++)
        await(timeline, 1000 + i, 1, 2 + i, A);
    for (int i = 0; i < THREADS; i++) {
        acquire(timeline, 10000 + 10 * i, 1, 2 + i, A);
        release(timeline, 10005 + 10 * i, 1, 2 + i, A);
    }
    assert_int_equal(gt_timeline_finish(timeline, NULL), 0);
    gil = gt_gil_at(timeline, 0);
    assert_int_equal(gt_contention_init(&contention, gil, NULL), 0);
    assert_int_equal(gt_blockers_init(&blockers, timeline, 0, NULL), 0);
    assert_true(contention.blames.count < 1200000);
    assert_true(blockers.cells.count <= GT_CELLS_MAX + blockers.rows.count);
    for (uint32_t i = 0; i < gil->members.count; i++) {
        size_t count, first = gt_contention_of(&contention, i, &count);
        int64_t sum_ns = 0;

        for (size_t at = first; at < first + count; at++)
            sum_ns += gt_blame_at(&contention, at)->ns;
        assert_int_equal(sum_ns, gt_gil_thread_at(gil, i)->wait_ns);
        waiting_ns += sum_ns;
        for (int gap = 0; gap < GT_GAPS; gap++)
            blamed_ns += gt_gaps_at(&blockers, i)->ns[gap];
    }
    for (size_t i = 0; i < blockers.rows.count; i++)
        blamed_ns += gt_blocker_at(&blockers, i)->waiting_ns;
    assert_int_equal(blamed_ns, waiting_ns);
    gt_blockers_release(&blockers);
    gt_contention_release(&contention);
    gt_timeline_free(timeline);
    assert_quick(begin);
}

/* Thousands of symbol tables, all of the same bytes. */
static void an_elf_file_of_many_symbol_tables(void **state)
{
    enum { TABLES = 60000, TABLE_BYTES = 4 << 20 };
    int fd = memfd_create("elf", MFD_CLOEXEC);
    Elf64_Ehdr header = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB},
                         .e_shoff = sizeof(Elf64_Ehdr),
                         .e_shentsize = sizeof(Elf64_Shdr),
                         .e_shnum = TABLES};
    Elf64_Shdr *tables = calloc(TABLES, sizeof(*tables));
    clock_t begin = clock();
    struct gt_elf elf;
    struct gt_elf_symbol found;
    char path[64];

    (void)state;
    for (size_t i = 0; i < TABLES; i++)
        tables[i] = (Elf64_Shdr){.sh_type = i % 2 ? SHT_DYNSYM : SHT_SYMTAB,
                                 .sh_offset = sizeof(header),
                                 .sh_size = TABLE_BYTES};
    assert_int_equal(write(fd, &header, sizeof(header)), sizeof(header));
    assert_int_equal(write(fd, tables, TABLES * sizeof(*tables)), TABLES * sizeof(*tables));
    assert_int_equal(ftruncate(fd, sizeof(header) + TABLE_BYTES), 0);
    free(tables);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    assert_int_equal(gt_elf_open(&elf, path, NULL), 0);
    assert_int_equal(gt_elf_find_function(&elf, "f", &found, NULL), GT_ERR_NOT_FOUND);
    gt_elf_close(&elf);
    close(fd);
    assert_quick(begin);
}

static int make_folder(void **state)
{
    *state = gt_fs_private_dir(NULL);
    return *state ? 0 : -1;
}

static int remove_folder(void **state)
{
    int rc = gt_fs_remove_tree(*state, NULL);

    free(*state);
    return rc;
}

static char *join(const char *folder, const char *name)
{
    char *path = NULL;

    assert_true(asprintf(&path, "%s/%s", folder, name) > 0);
    return path;
}

static int make_file(const char *folder, const char *name)
{
    char *path = join(folder, name);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    free(path);
    return fd;
}

/* A log of terabytes that take no room: it has no header, nor has any of its parts. */
static void an_agents_log_of_nothing(void **state)
{
    struct gt_wire_control *control = calloc(1, sizeof(*control));
    int fd = make_file(*state, GT_WIRE_CONTROL_NAME), log = make_file(*state, GT_WIRE_LOG_NAME);
    clock_t begin = clock();
    struct gt_agentlog *opened;

    control->magic = GT_WIRE_MAGIC_CONTROL;
    control->version = GT_WIRE_VERSION;
    control->tick_source = GT_WIRE_TICKS_MONOTONIC;
    control->units = UINT64_MAX;
    assert_int_equal(write(fd, control, sizeof(*control)), sizeof(*control));
    for (off_t size = (off_t)1 << 50; size > 1 << 30 && ftruncate(log, size); size /= 2)
        ; /* as much as this file system can do */
    opened = gt_agentlog_open(*state, NULL);
    assert_non_null(opened);
    assert_int_equal(gt_agentlog_quality(opened)->threads, 0);
    gt_agentlog_free(opened);
    free(control);
    close(fd);
    close(log);
    assert_quick(begin);
}

/* Until it is killed: now the one is there, now the other. */
static void swap_for_ever(const char *one, const char *other)
{
    for (;;)
        renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE);
}

enum { SWAPPED_FILES = 200 };

static void make_files(const char *folder, int files[SWAPPED_FILES])
{
    assert_int_equal(mkdir(folder, 0700), 0);
    for (int i = 0; i < SWAPPED_FILES; i++) {
        char name[16];

        snprintf(name, sizeof(name), "%d", i);
        files[i] = make_file(folder, name);
    }
}

/* Remove a folder in which a link to `target` and a folder with the same names change places.
 */
static void remove_while_swapped(const char *folder, const char *target)
{
    char *agent = join(folder, "agent"), *link = join(folder, "link");
    int files[SWAPPED_FILES];
    struct stat st;
    pid_t pid;

    assert_int_equal(mkdir(folder, 0700), 0);
    assert_int_equal(symlink(target, link), 0);
    make_files(agent, files);
    for (int i = 0; i < SWAPPED_FILES; i++)
        close(files[i]);
    pid = fork();
    if (pid == 0)
        swap_for_ever(agent, link);
    while (lstat(agent, &st) == 0 && S_ISDIR(st.st_mode))
        ;
    for (int i = 0; i < 3; i++)
        gt_fs_remove_tree(folder, NULL);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    assert_int_equal(gt_fs_remove_tree(folder, NULL), 0);
    free(agent);
    free(link);
}

static void a_link_cannot_lead_a_removal_elsewhere(void **state)
{
    char *folder = join(*state, "ours"), *target = join(*state, "other");
    int files[SWAPPED_FILES];

    make_files(target, files);
    for (int i = 0; i < 4; i++)
        remove_while_swapped(folder, target);
    for (int i = 0; i < SWAPPED_FILES; i++) {
        struct stat st;

        assert_int_equal(fstat(files[i], &st), 0);
        assert_int_equal(st.st_nlink, 1);
        close(files[i]);
    }
    free(folder);
    free(target);
}

/* A FIFO, and a link to a file that is not to be written. */
static void a_link_cannot_lead_an_output_elsewhere(void **state)
{
    char *path = join(*state, "fifo"), *link = join(*state, "link");
    char *precious = join(*state, "precious");
    int64_t until_ns = gt_now_ns() + 700000000;
    int reader, file = make_file(*state, "precious");
    struct stat st;
    pid_t pid;

    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(symlink(precious, link), 0);
    reader = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC); /* or opening to write would wait */
    assert_true(reader >= 0);
    pid = fork();
    if (pid == 0)
        swap_for_ever(path, link);
    while (gt_now_ns() < until_ns) {
        struct gt_output output;

        if (gt_output_open(&output, path, NULL) == 0 && output.direct)
            gt_output_write(&output, "x", 1, NULL);
        gt_output_abandon(&output);
        while (read(reader, &(char){0}, 1) == 1)
            ;
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    assert_int_equal(fstat(file, &st), 0);
    assert_int_equal(st.st_size, 0);
    close(file);
    close(reader);
    free(path);
    free(link);
    free(precious);
}

/* Summaries hold the names of processes, and traces hold the summary. */
static void any_report_is_a_baseline(void **state)
{
    static const char text[] = "a\0b 1/1 [000] 1.000000100: gil:signal: (1) cond=0x7058\n"
                               "a\0b 1/1 [000] 1.000000200: gil:signal: (1) cond=0x7000\n";
    static const struct gt_run_info info = {
        .exit_status = -1, .started_unix_ns = -1, .root_pid = -1, .gil_enabled = true};
    const struct gt_ingest_options options = {.detect = GT_DETECT_GIL};
    struct gt_ingest *ingest = gt_ingest_new(&options, NULL);
    struct gt_results results = {0};
    struct gt_report *report;
    struct gt_metrics metrics, before;
    struct gt_buf said;
    struct gt_error err = {0};
    char *path = join(*state, "x.json");

    assert_int_equal(gt_ingest_feed(ingest, text, sizeof(text) - 1, NULL), 0);
    assert_int_equal(gt_ingest_finish(ingest, NULL), 0);
    assert_int_equal(
        gt_results_make(&results, gt_ingest_recorded(ingest), &info, NULL, true, NULL), 0);
    report = results.report;
    gt_metrics_init(&metrics);
    assert_int_equal(gt_metrics_add(&metrics, report, NULL), 0);
    gt_report_set_metrics(report, &metrics);
    for (int trace = 0; trace < 2; trace++) {
        struct gt_output output;

        gt_metrics_init(&before);
        gt_buf_init(&said);
        assert_int_equal(gt_output_open(&output, path, NULL), 0);
        if (trace)
            assert_int_equal(gt_report_write(report, GT_FORMAT_JSON, &output, NULL), 0);
        else
            assert_int_equal(gt_report_summary(report, &said, NULL) ||
                                 gt_output_write(&output, said.data, said.length, NULL),
                             0);
        assert_int_equal(gt_output_commit(&output, NULL), 0);
        if (gt_baseline_read(&before, path, &err) < 0 ||
            gt_metrics_compare(&before, &metrics, &said, &err) < 0)
            fail_msg("%s", err.message);
        gt_buf_release(&said);
        gt_metrics_release(&before);
    }
    free(path);
    gt_metrics_release(&metrics);
    gt_results_release(&results);
    gt_ingest_free(ingest);
}

static void a_baseline_is_bounded(void **state)
{
    enum { PIECE = 1 << 20, PIECES = 20 };
    char *path = join(*state, "big.json"), *piece = calloc(1, PIECE);
    int fd = make_file(*state, "big.json");
    struct gt_error err = {0};
    struct gt_metrics metrics;

    memset(piece, '0', PIECE);
    assert_int_equal(write(fd, "{\"schema\":1,\"metrics\":[\"", 25), 25);
    for (int i = 0; i < PIECES; i++)
        assert_int_equal(write(fd, piece, PIECE), PIECE);
    assert_int_equal(write(fd, "\"]}", 3), 3);
    gt_metrics_init(&metrics);
    assert_int_equal(gt_baseline_read(&metrics, path, &err), GT_ERR_FORMAT);
    assert_non_null(strstr(err.message, "too large"));
    gt_metrics_release(&metrics);
    close(fd);
    free(piece);
    free(path);
}

#define IN_FOLDER(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(returns_without_calls_from_a_deep_stack),
        cmocka_unit_test(a_profile_of_a_deep_stack),
        cmocka_unit_test(thousands_of_threads_in_one_line),
        cmocka_unit_test(an_elf_file_of_many_symbol_tables),
        IN_FOLDER(an_agents_log_of_nothing),
        IN_FOLDER(a_link_cannot_lead_a_removal_elsewhere),
        IN_FOLDER(a_link_cannot_lead_an_output_elsewhere),
        IN_FOLDER(any_report_is_a_baseline),
        IN_FOLDER(a_baseline_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
