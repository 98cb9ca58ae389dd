/* SPDX-License-Identifier: MIT */
/* lib/report/process_label: what a process is called, by its command line and its role. */
#include "made.h"

#include "report/internal.h"
#include "report/labels.h"

#include <string.h>

static struct gt_timeline t;

static int begin(void **state)
{
    (void)state;
    made_init(&t);
    gt_intern_init(&t.names);
    made_gil(&t, 1000 * MS)->name = gt_intern_add(&t.names, "python3", 7);
    return 0;
}

static int end(void **state)
{
    (void)state;
    gt_intern_release(&t.names);
    made_release(&t);
    return 0;
}

/* Of a literal, whose last NUL is no part of it. */
#define ASSERT_CALLED(command, role, title)                                                    \
    assert_called(command, sizeof(command) - 1, role, title)

static void assert_called(const char *command, size_t length, const char *role,
                          const char *title)
{
    const struct gt_report report = {.timeline = &t};
    struct gt_gil *gil = made_gil_at(&t, 0);
    struct gt_buf text;

    gil->command = gt_intern_add(&t.names, command, length);
    gil->role = gt_intern_add(&t.names, role, strlen(role));
    gt_buf_init(&text);
    assert_int_equal(gt_report_process(&report, 0, &text), 0);
    assert_string_equal(text.data, title);
    gt_buf_release(&text);
}

static void the_interpreter_and_folders_tell_nothing(void **state)
{
    (void)state;
    ASSERT_CALLED("/usr/bin/python3\0/srv/app/server.py\0--port\0"
                  "80",
                  "", "server.py --port 80");
    ASSERT_CALLED("python3.11\0-u\0-X\0dev\0-Wignore\0job.py", "", "job.py");
    ASSERT_CALLED("python\0-m\0http.server\0"
                  "8000",
                  "", "python -m http.server 8000");
    ASSERT_CALLED("python\0-c\0pass", "", "python -c pass");
    ASSERT_CALLED("/usr/bin/python3\0/usr/bin/gunicorn\0app:app", "", "gunicorn app:app");
    ASSERT_CALLED("/opt/tool\0run", "", "tool run");
    ASSERT_CALLED("python3", "", "python3");
    ASSERT_CALLED("/usr/bin/python3\0-", "", "python -");
}

static void titles_are_shown_as_they_are(void **state)
{
    (void)state;
    ASSERT_CALLED("gunicorn: worker [app:app]", "", "gunicorn: worker [app:app]");
    ASSERT_CALLED("bad \033[m\n", "", "bad ?[m?");
}

static void roles_of_multiprocessing_are_told(void **state)
{
    (void)state;
    ASSERT_CALLED("python3\0pool.py", "ForkPoolWorker-3", "pool.py [ForkPoolWorker-3]");
    ASSERT_CALLED("python3\0-c\0from multiprocessing.resource_tracker import main;main(5)", "",
                  "multiprocessing: resource tracker");
    ASSERT_CALLED("python3\0-c\0from multiprocessing.spawn import spawn_main; spawn_main(5)\0"
                  "--multiprocessing-fork",
                  "SpawnProcess-1", "multiprocessing: spawned [SpawnProcess-1]");
    ASSERT_CALLED("", "Process-1", "python3 [Process-1]");
}

static void long_ones_are_cut_between_letters(void **state)
{
    char command[256];

    (void)state;
    memset(command, 'x', sizeof(command));
    memcpy(command + 59, "\xc3\xa4", 2);
    assert_called(command, sizeof(command), "",
                  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_interpreter_and_folders_tell_nothing, begin, end),
        cmocka_unit_test_setup_teardown(titles_are_shown_as_they_are, begin, end),
        cmocka_unit_test_setup_teardown(roles_of_multiprocessing_are_told, begin, end),
        cmocka_unit_test_setup_teardown(long_ones_are_cut_between_letters, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
