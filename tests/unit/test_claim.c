/* SPDX-License-Identifier: MIT */
/* Folders that killed runs left are removed, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/fs.h"
#include "launch/claim.h"
#include "launch/owner.h"

#include <bsd/string.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A place of its own for each test's temporary files. */
static int enter(void **state)
{
    char *place = gt_fs_private_dir(NULL);

    *state = place;
    return !place || setenv("TMPDIR", place, 1) ? -1 : 0;
}

static int leave(void **state)
{
    unsetenv("TMPDIR");
    gt_fs_remove_tree(*state, NULL);
    free(*state);
    return 0;
}

static bool exists(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0;
}

static void put(const char *folder, const char *name, const char *text)
{
    char path[PATH_MAX];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

/* What a run that was killed leaves: made in a child, which ends without a word. */
static char *left_behind(void)
{
    char *path = gt_fs_private_dir(NULL);
    struct gt_claim claim;
    pid_t child;

    assert_non_null(path);
    gt_claim_init(&claim);
    child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(gt_claim_take(&claim, path, NULL) == 0 ? 0 : 1);
    assert_int_equal(waitpid(child, NULL, 0), child);
    put(path, "perf.data", "much");
    return path;
}

static void test_what_a_dead_run_left_goes(void **state)
{
    char *path = left_behind();
    char inside[PATH_MAX];

    (void)state;
    snprintf(inside, sizeof(inside), "%s/agent", path);
    assert_int_equal(mkdir(inside, 0700), 0);
    put(inside, "log", "more");
    gt_claim_sweep();
    assert_false(exists(path));
    free(path);
}

static void test_what_a_live_run_has_stays(void **state)
{
    char *path = gt_fs_private_dir(NULL);
    struct gt_claim claim;

    (void)state;
    assert_non_null(path);
    gt_claim_init(&claim);
    assert_int_equal(gt_claim_take(&claim, path, NULL), 0);
    gt_claim_sweep();
    assert_true(exists(path));
    assert_int_equal(gt_claim_remove(&claim, NULL), 0);
    assert_false(exists(path));
    free(path);
}

/* Where a file system has no locks, the owner is looked up. */
static void test_without_a_lock_the_owner_is_looked_up(void **state)
{
    char *path = gt_fs_private_dir(NULL);
    char name[GT_OWNER_SIZE];

    (void)state;
    assert_int_equal(gt_owner_self(name, sizeof(name), NULL), 0);
    put(path, "owner", name);
    gt_claim_sweep();
    assert_true(exists(path));
    free(path);
}

static void test_a_kept_folder_stays(void **state)
{
    char *path = gt_fs_private_dir(NULL);
    struct gt_claim claim;

    (void)state;
    gt_claim_init(&claim);
    assert_int_equal(gt_claim_take(&claim, path, NULL), 0);
    gt_claim_give_up(&claim);
    gt_claim_sweep();
    assert_true(exists(path));
    free(path);
}

static void test_nothing_else_is_touched(void **state)
{
    static const char *const names[] = {"giltracer-abcde", "giltracer-abcdefg",
                                        "Giltracer-abcdef", "giltracer-nobody"};
    char path[PATH_MAX], *others = left_behind(), *writable = left_behind();
    bool root = geteuid() == 0;

    if (root)
        assert_int_equal(chown(others, 12345, 12345), 0);
    assert_int_equal(chmod(writable, 0770), 0);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", (char *)*state, names[i]);
        assert_int_equal(mkdir(path, 0700), 0);
        put(path, "owner", i == 3 ? "nobody" : "gt_1_1_1");
    }
    gt_claim_sweep();
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", (char *)*state, names[i]);
        assert_true(exists(path));
    }
    assert_true(exists(writable));
    assert_int_equal(exists(others), root);
    free(others);
    free(writable);
}

/* A link with the name of such a folder, to one that would be swept by its own name; and one
 * within a folder that is swept. */
static void test_no_link_is_followed(void **state)
{
    char elsewhere[PATH_MAX], link[PATH_MAX], *path = left_behind(), *swept = left_behind();

    snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", (char *)*state);
    snprintf(link, sizeof(link), "%s/giltracer-linkto", (char *)*state);
    assert_int_equal(rename(path, elsewhere), 0);

    assert_int_equal(symlink(elsewhere, link), 0);
    snprintf(link, sizeof(link), "%s/agent", swept);
    assert_int_equal(symlink(elsewhere, link), 0);
    gt_claim_sweep();
    assert_false(exists(swept));
    assert_true(strlcat(elsewhere, "/perf.data", sizeof(elsewhere)) < sizeof(elsewhere));
    assert_true(exists(elsewhere));
    free(path);
    free(swept);
}

/* By the time it is removed, its name may be another folder's. */
static void test_the_folder_is_removed_whatever_its_name_leads_to(void **state)
{
    char moved[PATH_MAX], *path = gt_fs_private_dir(NULL);
    struct gt_claim claim;

    gt_claim_init(&claim);
    assert_int_equal(gt_claim_take(&claim, path, NULL), 0);
    put(path, "perf.data", "much");
    snprintf(moved, sizeof(moved), "%s/moved", (char *)*state);
    assert_int_equal(rename(path, moved), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    put(path, "perf.data", "another's");
    assert_int_equal(gt_claim_remove(&claim, NULL), 0);
    assert_true(exists(path));
    assert_int_equal(rmdir(moved), 0);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_a_dead_run_left_goes, enter, leave),
        cmocka_unit_test_setup_teardown(test_what_a_live_run_has_stays, enter, leave),
        cmocka_unit_test_setup_teardown(test_without_a_lock_the_owner_is_looked_up, enter,
                                        leave),
        cmocka_unit_test_setup_teardown(test_a_kept_folder_stays, enter, leave),
        cmocka_unit_test_setup_teardown(test_nothing_else_is_touched, enter, leave),
        cmocka_unit_test_setup_teardown(test_no_link_is_followed, enter, leave),
        cmocka_unit_test_setup_teardown(test_the_folder_is_removed_whatever_its_name_leads_to,
                                        enter, leave),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
