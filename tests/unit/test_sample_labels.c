/* SPDX-License-Identifier: MIT */
/* lib/report/sample_labels: what each sample of a profile is said to be of. */
#include "made.h"

#include "base/buf.h"
#include "report/sample_labels.h"

#include <string.h>

static struct gt_timeline t;
static struct gt_buf text;

static int begin(void **state)
{
    (void)state;
    made_init(&t);
    gt_intern_init(&t.names);
    gt_chunks_init(&t.recordings, sizeof(struct gt_recording));
    gt_buf_init(&text);
    return 0;
}

static int end(void **state)
{
    (void)state;
    gt_buf_release(&text);
    gt_chunks_release(&t.recordings);
    gt_intern_release(&t.names);
    made_release(&t);
    return 0;
}

static uint32_t named(const char *name)
{
    return gt_intern_add(&t.names, name, strlen(name));
}

static struct gt_process *process_at(uint32_t index)
{
    return gt_chunks_at(&t.processes, index);
}

static struct gt_thread *thread_at(uint32_t index)
{
    return gt_chunks_at(&t.threads, index);
}

/* With its one thread, of the same number; index 0 is there. */
static void add_process(int32_t pid, uint32_t parent, int64_t start_ns)
{
    uint32_t index = (uint32_t)t.processes.count;

    *(struct gt_process *)made_push(&t.processes) = (struct gt_process){
        .pid = pid, .own_pid = pid, .parent = parent, .start_ns = start_ns, .thread_count = 1};
    *(struct gt_thread *)made_push(&t.threads) =
        (struct gt_thread){.tid = pid, .process = index, .flags = GT_THREAD_MAIN};
}

static void add_gil(uint32_t process, int64_t from_ms, int64_t until_ms)
{
    struct gt_gil *gil = made_gil(&t, until_ms * MS);

    gil->process = process;
    gil->start_ns = from_ms * MS;
}

static void make_root(void)
{
    *process_at(0) = (struct gt_process){
        .pid = 10, .own_pid = 10, .parent = GT_NO_INDEX, .name = named("python3")};
    thread_at(0)->flags = GT_THREAD_MAIN;
}

static int put(void *context, const char *key, const char *value, size_t length, int64_t number)
{
    (void)context;
    if (value)
        return gt_buf_addf(&text, "%s=%.*s ", key, (int)length, value);
    return gt_buf_addf(&text, "%s=%lld ", key, (long long)number);
}

static void says(const struct gt_run_info *info, uint32_t thread, const char *expected)
{
    struct gt_sample_labels labels;

    gt_buf_reset(&text);
    assert_int_equal(gt_sample_labels_init(&labels, &t, info, NULL), 0);
    assert_int_equal(gt_sample_labels_put(&labels, thread, put, NULL), 0);
    gt_sample_labels_release(&labels);
    assert_string_equal(text.data, expected);
}

static void has_rank(const struct gt_run_info *info, uint32_t thread, bool has)
{
    struct gt_sample_labels labels;

    gt_buf_reset(&text);
    assert_int_equal(gt_sample_labels_init(&labels, &t, info, NULL), 0);
    assert_int_equal(gt_sample_labels_put(&labels, thread, put, NULL), 0);
    gt_sample_labels_release(&labels);
    assert_int_equal(strstr(text.data, "rank=3 ") != NULL, has);
    assert_int_equal(strstr(text.data, "rank=") != NULL, has);
}

static const struct gt_label given[] = {{"service", "checkout"}, {"zone", "a"}, {NULL, NULL}};

static void what_is_known_is_said(void **state)
{
    const struct gt_run_info unknown = {.root_pid = -1};
    const struct gt_run_info known = {
        .root_pid = 10, .host = "node", .rank = "0", .labels = given};

    (void)state;
    make_root();
    says(&unknown, 0, "pid=10 tid=10 thread=main thread_group=main command=python3 ");
    says(&known, 0,
         "host=node rank=0 service=checkout zone=a pid=10 tid=10 thread=main "
         "thread_group=main command=python3 ");
    *(struct gt_thread *)made_push(&t.threads) = (struct gt_thread){
        .tid = 11, .number = 2, .python_name = named("ThreadPoolExecutor-0_7")};
    says(&unknown, 1,
         "pid=10 tid=11 thread=ThreadPoolExecutor-0_7 thread_group=ThreadPoolExecutor-0_* "
         "command=python3 ");
}

/* A name that a main thread has is not its group's: fleets know it as main. */
static void the_main_thread_is_main_in_any_process(void **state)
{
    const struct gt_run_info unknown = {.root_pid = -1};

    (void)state;
    make_root();
    thread_at(0)->python_name = named("worker-12");
    says(&unknown, 0, "pid=10 tid=10 thread=worker-12 thread_group=main command=python3 ");
}

static void a_rank_is_of_the_command_and_what_python_forks(void **state)
{
    const struct gt_run_info info = {.root_pid = 10, .rank = "3"};

    (void)state;
    make_root();
    add_process(11, 0, 5 * MS);
    add_process(12, 1, 6 * MS); /* a child of 11 */
    has_rank(&info, 0, true);
    has_rank(&info, 1, false); /* 10 is mpirun, or a shell */
    has_rank(&info, 2, false);
    add_gil(0, 0, 100);
    has_rank(&info, 1, true);
    has_rank(&info, 2, false); /* 11 is mpirun, that Python started */
    add_gil(1, 5, 100);
    has_rank(&info, 2, true);
    process_at(2)->start_ns = 200 * MS; /* 11 became another program before */
    has_rank(&info, 2, false);
    has_rank(&info, 1, true);
}

static void a_rank_that_is_not_known_is_not_said(void **state)
{
    const struct gt_run_info none = {.root_pid = 10}, no_root = {.root_pid = -1, .rank = "3"},
                             circle = {.root_pid = 99, .rank = "3"};

    (void)state;
    make_root();
    has_rank(&none, 0, false);
    has_rank(&no_root, 0, false);
    add_process(11, 0, 5 * MS);
    add_gil(0, 0, 100);
    add_gil(1, 0, 100);
    process_at(0)->parent = 1; /* as in a recording that lies */
    has_rank(&circle, 0, false);
    has_rank(&circle, 1, false);
}

static void of_several_recordings_each_has_its_own(void **state)
{
    const struct gt_run_identity identities[] = {{given, "3", 10}, {NULL, NULL, 20}};
    const struct gt_run_info info = {
        .root_pid = -1, .host = "all", .rank = "8", .labels = given, .identities = identities};

    (void)state;
    make_root();
    *(struct gt_recording *)made_push(&t.recordings) =
        (struct gt_recording){.name = named("rank3"), .host = named("one")};
    *(struct gt_recording *)made_push(&t.recordings) =
        (struct gt_recording){.name = named("other")};
    add_process(20, GT_NO_INDEX, 0);
    process_at(1)->recording = 1;
    says(&info, 0,
         "recording=rank3 host=one rank=3 service=checkout zone=a pid=10 tid=10 thread=main "
         "thread_group=main command=python3 ");
    says(&info, 1, "recording=other pid=20 tid=20 thread=main thread_group=main ");
}

static void names_of_ours(void **state)
{
    (void)state;
    assert_true(gt_sample_label_is_ours("thread_group"));
    assert_true(gt_sample_label_is_ours("pid"));
    assert_false(gt_sample_label_is_ours("service"));
    assert_false(gt_sample_label_is_ours("pids"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_known_is_said, begin, end),
        cmocka_unit_test_setup_teardown(the_main_thread_is_main_in_any_process, begin, end),
        cmocka_unit_test_setup_teardown(a_rank_is_of_the_command_and_what_python_forks, begin,
                                        end),
        cmocka_unit_test_setup_teardown(a_rank_that_is_not_known_is_not_said, begin, end),
        cmocka_unit_test_setup_teardown(of_several_recordings_each_has_its_own, begin, end),
        cmocka_unit_test(names_of_ours),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
