/* SPDX-License-Identifier: MIT */
/* Names of outputs that tell of the run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/names.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct gt_names names = {
    .pid = 4711, .host = "node", .time = "20261129-013000", .rank = "3", .has_rank = true};

static void becomes(const struct gt_names *of, const char *name, const char *wanted)
{
    struct gt_buf expanded;
    struct gt_error err;

    gt_buf_init(&expanded);
    assert_int_equal(gt_name_expand(of, name, &expanded, &err), 0);
    assert_string_equal(expanded.data, wanted);
    gt_buf_release(&expanded);
}

static void refused(const struct gt_names *of, const char *name, const char *part)
{
    struct gt_buf expanded;
    struct gt_error err;

    gt_buf_init(&expanded);
    assert_int_equal(gt_name_expand(of, name, &expanded, &err), GT_ERR_USAGE);
    assert_non_null(strstr(err.message, part));
    gt_buf_release(&expanded);
}

static void test_letters(void **state)
{
    (void)state;
    becomes(&names, "plain.html", "plain.html");
    becomes(&names, "%h/%p-%t-%n.html", "node/4711-20261129-013000-3.html");
    becomes(&names, "100%%.%%p.html", "100%.%p.html");
    refused(&names, "x%q.html", "%q is not known");
    refused(&names, "x%P.html", "%P is not known");
    refused(&names, "x%", "x%: %");
    assert_true(gt_name_has("a%%%p", 'p'));
    assert_false(gt_name_has("a%%p", 'p'));
    assert_false(gt_name_has("a%", 'p'));
}

static void test_pid_that_is_not_known_yet(void **state)
{
    struct gt_names early = names;

    (void)state;
    early.pid = 0;
    becomes(&early, "%h/x-%p.html", "node/x-%p.html");
    refused(&early, "%p/x.html", "not in a folder's");
}

static void test_ranks(void **state)
{
    static const char *const variables[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK",
                                            "MV2_COMM_WORLD_RANK", "SLURM_PROCID"};
    struct gt_names found;

    (void)state;
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
        unsetenv(variables[i]);
    gt_names_init(&found);
    assert_false(found.has_rank);
    assert_string_equal(found.rank, "0");
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
        setenv(variables[i], "../17", 1);
        gt_names_init(&found);
        assert_false(found.has_rank);
        setenv(variables[i], "17", 1);
        gt_names_init(&found);
        assert_true(found.has_rank);
        assert_string_equal(found.rank, "17");
        unsetenv(variables[i]);
    }
    assert_true(strlen(found.host) > 0 && !strchr(found.host, '/'));
    assert_int_equal(strlen(found.time), 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_letters),
        cmocka_unit_test(test_pid_that_is_not_known_yet),
        cmocka_unit_test(test_ranks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
