/* SPDX-License-Identifier: MIT */
/* lib/launch/cgroup, lib/launch/machine: quotas and throttling, out of a folder of files that
 * stands in for the kernel's; hostile contents. */
#include "launch/cgroup.h"
#include "launch/machine.h"

#include "base/fs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* --- a fake /proc and /sys --- */

static char *root;

static int make_root(void **state)
{
    (void)state;
    root = gt_fs_private_dir(NULL);
    return root ? 0 : -1;
}

static int remove_root(void **state)
{
    (void)state;
    gt_fs_remove_tree(root, NULL);
    free(root);
    return 0;
}

/* Write ROOT/`path`, with the folders above it. */
static void put(const char *path, const char *text)
{
    char full[4096];
    FILE *stream;

    snprintf(full, sizeof(full), "%s/%s", root, path);
    for (char *slash = full + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(full, 0700);
        *slash = '/';
    }
    stream = fopen(full, "w");
    assert_non_null(stream);
    assert_true(fputs(text, stream) >= 0);
    fclose(stream);
}

static void put_v2(const char *group)
{
    char line[256];

    snprintf(line, sizeof(line), "0::%s\n", group);
    put("proc/self/cgroup", line);
    put("proc/self/mountinfo", "22 1 0:21 / /proc rw - proc proc rw\n"
                               "35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 "
                               "cgroup2 rw,nsdelegate\n");
}

static void open_it(struct gt_cgroup *cgroup)
{
    assert_int_equal(gt_cgroup_open(cgroup, 1, root, NULL), 0);
}

/* --- tests --- */

static void the_tightest_of_all_levels_counts(void **state)
{
    struct gt_cgroup cgroup;

    (void)state;
    put_v2("/pod/app");
    put("sys/fs/cgroup/cpu.stat", "usage_usec 5\n");
    put("sys/fs/cgroup/pod/cpu.max", "50000 100000\n");
    put("sys/fs/cgroup/pod/cpu.stat",
        "usage_usec 9\nnr_periods 50\nnr_throttled 7\nthrottled_usec 1000\n");
    put("sys/fs/cgroup/pod/app/cpu.max", "max 100000\n");
    put("sys/fs/cgroup/pod/app/cpu.stat",
        "usage_usec 9\nnr_periods 0\nnr_throttled 0\nthrottled_usec 0\n");
    open_it(&cgroup);
    assert_int_equal(cgroup.version, 2);
    assert_int_equal(cgroup.count, 3);
    assert_string_equal(cgroup.levels[0].path, "/pod/app");
    assert_string_equal(cgroup.levels[1].path, "/pod");
    assert_string_equal(cgroup.levels[2].path, "/");
    assert_true(cgroup.levels[0].quota_cpus == 0);
    assert_ptr_equal(gt_cgroup_tightest(&cgroup), &cgroup.levels[1]);
    assert_true(cgroup.levels[1].quota_cpus == 0.5);
    assert_int_equal(cgroup.levels[1].throttled, 0); /* what was before does not count */
    put("sys/fs/cgroup/pod/cpu.stat",
        "usage_usec 9\nnr_periods 90\nnr_throttled 45\nthrottled_usec 1201000\n");
    assert_int_equal(gt_cgroup_look(&cgroup, false, NULL), 0);
    assert_int_equal(cgroup.levels[1].throttled, 38);
    assert_int_equal(cgroup.levels[1].throttled_ns, 1200000000);
    gt_cgroup_close(&cgroup);
    gt_cgroup_close(&cgroup);
}

static void version_1_has_its_own_files(void **state)
{
    struct gt_cgroup cgroup;

    (void)state;
    put("proc/self/cgroup", "5:memory:/x\n3:cpuacct,cpu:/docker/4f\n0::/other\n");
    /* A container without a namespace of its own: its root is the mount's root. */
    put("proc/self/mountinfo",
        "30 1 0:29 /docker/4f /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
        "31 1 0:30 /docker/4f /sys/fs/cgroup/cpu\\040x rw - cgroup cgroup rw,cpu,cpuacct\n"
        "32 1 0:31 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
    put("sys/fs/cgroup/cpu x/cpu.cfs_quota_us", "150000\n");
    put("sys/fs/cgroup/cpu x/cpu.cfs_period_us", "100000\n");
    put("sys/fs/cgroup/cpu x/cpu.stat", "nr_periods 1\nnr_throttled 2\nthrottled_time 300\n");
    open_it(&cgroup);
    assert_int_equal(cgroup.version, 1);
    assert_int_equal(cgroup.count, 1);
    assert_true(gt_cgroup_tightest(&cgroup)->quota_cpus == 1.5);
    put("sys/fs/cgroup/cpu x/cpu.stat", "nr_periods 2\nnr_throttled 3\nthrottled_time 1000\n");
    put("sys/fs/cgroup/cpu x/cpu.cfs_quota_us", "-1\n");
    assert_int_equal(gt_cgroup_look(&cgroup, true, NULL), 0);
    assert_int_equal(cgroup.levels[0].throttled, 1);
    assert_int_equal(cgroup.levels[0].throttled_ns, 700);
    assert_true(cgroup.levels[0].quota_changed);
    assert_true(cgroup.levels[0].quota_cpus == 1.5); /* the least that it had */
    assert_false(cgroup.moved);
    gt_cgroup_close(&cgroup);
}

static void a_process_that_is_moved_is_followed(void **state)
{
    struct gt_cgroup cgroup;

    (void)state;
    put_v2("/a");
    put("sys/fs/cgroup/a/cpu.stat", "nr_throttled 100\nthrottled_usec 100\n");
    put("sys/fs/cgroup/b/cpu.max", "20000 100000\n");
    put("sys/fs/cgroup/b/cpu.stat", "nr_throttled 3\nthrottled_usec 3\n");
    open_it(&cgroup);
    assert_null(gt_cgroup_tightest(&cgroup));
    put_v2("/b");
    assert_int_equal(gt_cgroup_look(&cgroup, true, NULL), 0);
    assert_true(cgroup.moved);
    assert_string_equal(cgroup.levels[0].path, "/b");
    put("sys/fs/cgroup/b/cpu.stat", "nr_throttled 4\nthrottled_usec 5\n");
    put_v2("/a"); /* it has ended: this is another process */
    assert_int_equal(gt_cgroup_look(&cgroup, false, NULL), 0);
    assert_string_equal(cgroup.levels[0].path, "/b");
    assert_int_equal(cgroup.levels[0].throttled, 1);
    assert_int_equal(cgroup.levels[0].throttled_ns, 2000);
    gt_cgroup_close(&cgroup);
}

/* Counters that go backwards, a folder that is gone, a quota that is none. */
static void what_is_missing_or_odd_is_not_known(void **state)
{
    struct gt_cgroup cgroup;

    (void)state;
    open_it(&cgroup);
    assert_int_equal(cgroup.version, 0);
    assert_int_equal(cgroup.count, 0);
    assert_int_equal(gt_cgroup_look(&cgroup, true, NULL), 0);
    gt_cgroup_close(&cgroup);

    put_v2("/gone");
    put("sys/fs/cgroup/cpu.max", "1000 0\n");
    put("sys/fs/cgroup/cpu.stat", "nr_throttled 9\nthrottled_usec 9\n");
    open_it(&cgroup);
    assert_int_equal(cgroup.count, 2);
    assert_false(cgroup.levels[0].known);
    assert_true(cgroup.levels[1].known);
    assert_null(gt_cgroup_tightest(&cgroup));
    put("sys/fs/cgroup/cpu.stat", "nr_throttled 1\nthrottled_usec 1\n");
    assert_int_equal(gt_cgroup_look(&cgroup, true, NULL), 0);
    assert_int_equal(cgroup.levels[1].throttled, 0);
    assert_int_equal(cgroup.levels[1].throttled_ns, 0);
    gt_cgroup_close(&cgroup);

    put_v2("/a/../../../../etc");
    open_it(&cgroup);
    assert_int_equal(cgroup.count, 0);
    gt_cgroup_close(&cgroup);

    put_v2("/..");
    open_it(&cgroup);
    assert_int_equal(cgroup.count, 0);
    gt_cgroup_close(&cgroup);
}

static void folders_that_lead_in_circles_end(void **state)
{
    char path[4096], deep[3 * GT_CGROUP_LEVELS * 2 + 1] = "";
    struct gt_cgroup cgroup;

    (void)state;
    put("sys/fs/cgroup/cpu.max", "10000 100000\n");
    snprintf(path, sizeof(path), "%s/sys/fs/cgroup/up", root);
    assert_int_equal(symlink(".", path), 0);
    snprintf(path, sizeof(path), "%s/sys/fs/cgroup/cpu.stat", root);
    assert_int_equal(mkfifo(path, 0600), 0);
    for (int i = 0; i < GT_CGROUP_LEVELS * 2; i++)
        strcat(deep, "/up");
    put_v2(deep);
    open_it(&cgroup);
    assert_int_equal(cgroup.count, GT_CGROUP_LEVELS);
    assert_non_null(gt_cgroup_tightest(&cgroup));
    assert_true(gt_cgroup_tightest(&cgroup)->quota_cpus == 0.1);
    assert_false(cgroup.levels[GT_CGROUP_LEVELS - 1].known); /* a FIFO is not waited for */
    gt_cgroup_close(&cgroup);
}

static void quotas_are_read_or_refused(void **state)
{
    static const struct {
        const char *text;
        double cpus;
    } cases[] = {
        {"max 100000\n", 0},  {"max", 0},       {"", 0},
        {"50000", 0.5},       {"50000\n", 0.5}, {"50000 ", 0},
        {"50000 25000\n", 2}, {"50000 0", 0},   {"-1 100000", 0},
        {"50000x 100000", 0}, {"0 100000", 0},  {" 50000 100000", 0},
        {"1e9 100000", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_true(gt_cgroup_parse_max(cases[i].text) == cases[i].cpus);
    assert_true(gt_cgroup_parse_max("99999999999999999999999999 100000") > 1e14);
}

static void throttling_is_read_or_refused(void **state)
{
    uint64_t times;
    int64_t ns;

    (void)state;
    assert_true(gt_cgroup_parse_stat("nr_throttled 1\nthrottled_usec 2\n", &times, &ns));
    assert_int_equal(times, 1);
    assert_int_equal(ns, 2000);
    assert_true(gt_cgroup_parse_stat("throttled_time 99999999999999999999999\nnr_throttled 1",
                                     &times, &ns));
    assert_int_equal(ns, INT64_MAX);
    assert_false(gt_cgroup_parse_stat("nr_throttled -1\nthrottled_usec 2\n", &times, &ns));
    assert_false(gt_cgroup_parse_stat("nr_throttled\nthrottled_usec 2\n", &times, &ns));
    assert_false(gt_cgroup_parse_stat("xnr_throttled 1\nthrottled_usec 2\n", &times, &ns));
    assert_false(gt_cgroup_parse_stat("nr_throttled 1\n", &times, &ns));
    assert_false(gt_cgroup_parse_stat("", &times, &ns));
}

static void places_are_told_apart(void **state)
{
    struct gt_cgroup_place place;

    (void)state;
    assert_false(gt_cgroup_parse_place("", &place));
    assert_false(gt_cgroup_parse_place("::::\n0\n0:\n0::\n1:cpu:x\n:cpu\n", &place));
    assert_false(gt_cgroup_parse_place("3:cpuset,cpuacct:/x\n", &place));
    assert_true(gt_cgroup_parse_place("0::/a:b\n", &place));
    assert_int_equal(place.version, 2);
    assert_int_equal(place.length, 4);
    assert_true(gt_cgroup_parse_place("0::/v2\n4:cpu:/v1", &place));
    assert_int_equal(place.version, 1);
    assert_memory_equal(place.path, "/v1", 3);
}

static void mounts_that_are_not_ours_are_left_out(void **state)
{
    static const char *const strange[] = {
        "",
        "\n\n",
        "35 24 0:30 / /sys/fs/cgroup rw -",
        "35 24 0:30 / /sys/fs/cgroup rw - cgroup2",
        "35 24 0:30 / sys/fs/cgroup rw - cgroup2 x rw",
        "35 24 0:30 /pod/ap /sys/fs/cgroup rw - cgroup2 x rw",
        "35 24 0:30 / /sys/fs/cgroup rw - cgroup x rw,cpu",
    };
    struct gt_cgroup_place place = {2, "/pod/app", 8};
    char *mount, *below;

    (void)state;
    for (size_t i = 0; i < sizeof(strange) / sizeof(strange[0]); i++) {
        assert_int_equal(gt_cgroup_parse_mount(strange[i], &place, &mount, &below), 0);
        assert_null(mount);
    }
    assert_int_equal(gt_cgroup_parse_mount("35 24 0:30 /pod /c\\134d rw - cgroup2 x rw", &place,
                                           &mount, &below),
                     1);
    assert_string_equal(mount, "/c\\d");
    assert_string_equal(below, "/app");
    free(mount);
    free(below);
}

static void steal_is_of_the_allowed_cpus(void **state)
{
    static const char text[] = "cpu  1 2 3 4 5 6 7 800 9 10\n"
                               "cpu0 1 2 3 4 5 6 7 30 9 10\n"
                               "cpu1 1 2 3 4 5 6 7 500 9 10\n"
                               "cpu99999999 1 2 3 4 5 6 7 500 9 10\n"
                               "cpu2 1 2 3 x\n"
                               "intr 5 6\n";
    cpu_set_t set;
    uint64_t ticks;

    (void)state;
    CPU_ZERO(&set);
    assert_false(gt_machine_parse_steal(text, &set, &ticks));
    CPU_SET(0, &set);
    CPU_SET(2, &set);
    assert_true(gt_machine_parse_steal(text, &set, &ticks));
    assert_int_equal(ticks, 30);
    CPU_SET(1, &set);
    assert_true(gt_machine_parse_steal(text, &set, &ticks));
    assert_int_equal(ticks, 530);
}

/* This very process, under the kernel's real files; and under a quota of a folder. */
static void usable_cpus_are_the_least_of_affinity_and_quota(void **state)
{
    struct gt_machine machine;

    (void)state;
    assert_int_equal(gt_machine_start(&machine, (int)getpid(), root, NULL), 0);
    assert_in_range(machine.allowed, 1, machine.cpus);
    assert_true(gt_machine_usable_cpus(&machine) == machine.allowed);
    gt_machine_release(&machine);

    put_v2("/job");
    put("sys/fs/cgroup/job/cpu.max", "20000 100000\n");
    assert_int_equal(gt_machine_start(&machine, (int)getpid(), root, NULL), 0);
    assert_true(gt_machine_usable_cpus(&machine) == 0.2);
    assert_false(gt_machine_changed(&machine));
    put("sys/fs/cgroup/job/cpu.max", "10000 100000\n");
    assert_int_equal(gt_machine_look(&machine, NULL), 0);
    assert_int_equal(gt_machine_end(&machine, NULL), 0);
    assert_true(gt_machine_usable_cpus(&machine) == 0.1);
    assert_true(gt_machine_changed(&machine));
    assert_true(machine.steal_ns >= 0);
    gt_machine_release(&machine);
    gt_machine_release(&machine);
}

#define WITH_ROOT(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ROOT(the_tightest_of_all_levels_counts),
        WITH_ROOT(version_1_has_its_own_files),
        WITH_ROOT(a_process_that_is_moved_is_followed),
        WITH_ROOT(what_is_missing_or_odd_is_not_known),
        WITH_ROOT(folders_that_lead_in_circles_end),
        cmocka_unit_test(quotas_are_read_or_refused),
        cmocka_unit_test(throttling_is_read_or_refused),
        cmocka_unit_test(places_are_told_apart),
        cmocka_unit_test(mounts_that_are_not_ours_are_left_out),
        cmocka_unit_test(steal_is_of_the_allowed_cpus),
        WITH_ROOT(usable_cpus_are_the_least_of_affinity_and_quota),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
