/* SPDX-License-Identifier: MIT */
/* cmd/common/user_labels: labels of the command line, and of recordings, which may say
 * anything.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/user_labels.h"

#include <stdio.h>
#include <string.h>

static struct gt_user_labels labels;
static struct gt_error err;

static int begin(void **state)
{
    (void)state;
    labels = (struct gt_user_labels){0};
    err = (struct gt_error){0};
    return 0;
}

static int end(void **state)
{
    (void)state;
    gt_user_labels_release(&labels);
    return 0;
}

static void refused(const char *text, const char *why)
{
    size_t before = labels.count;

    assert_int_equal(gt_user_labels_add(&labels, text, &err), GT_ERR_USAGE);
    assert_non_null(strstr(err.message, why));
    assert_int_equal(labels.count, before);
}

static void taken(size_t index, const char *key, const char *value)
{
    assert_true(index < labels.count);
    assert_string_equal(labels.list[index].key, key);
    assert_string_equal(labels.list[index].value, value);
}

static void keys_and_values(void **state)
{
    (void)state;
    assert_int_equal(gt_user_labels_add(&labels, "service=checkout", &err), 0);
    assert_int_equal(gt_user_labels_add(&labels, "_Zone9=a=b c, größer", &err), 0);
    assert_int_equal(labels.count, 2);
    taken(0, "service", "checkout");
    taken(1, "_Zone9", "a=b c, größer");
    assert_null(labels.list[2].key);
    refused("service=other", "given twice");
}

static void what_is_no_label(void **state)
{
    (void)state;
    refused("service", "KEY=VALUE");
    refused("=x", "KEY=VALUE");
    refused("9x=x", "begins with no digit");
    refused("a-b=x", "letters, digits and _");
    refused("a b=x", "KEY=VALUE");
    refused("größe=x", "KEY=VALUE");
    refused("service=", "no value");
    refused("service=a\nb", "control characters");
    refused("service=a\033[31m", "control characters");
    refused("service=\x7f", "control characters");
    refused("service=\xc2\x9b", "control characters");
    refused("service=\xff", "UTF-8");
    refused("service=\xe2\x80\xae", "bidirectional");
}

static void what_giltracer_writes(void **state)
{
    static const char *const ours[] = {"host",         "pid",     "tid",  "thread",
                                       "thread_group", "command", "rank", "recording"};

    (void)state;
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
        char text[64];

        snprintf(text, sizeof(text), "%s=1", ours[i]);
        refused(text, "choose another key");
    }
}

static void lengths_and_numbers_are_bounded(void **state)
{
    char text[600];

    (void)state;
    memset(text, 'k', sizeof(text));
    memcpy(text + GT_USER_LABEL_KEY_MAX + 1, "=x", 3);
    refused(text, "63 bytes");
    assert_int_equal(gt_user_labels_add(&labels, text + 1, &err), 0);
    memset(text, 'v', sizeof(text));
    memcpy(text, "a=", 2);
    text[2 + GT_USER_LABEL_VALUE_MAX + 1] = '\0';
    refused(text, "255 bytes");
    text[2 + GT_USER_LABEL_VALUE_MAX] = '\0';
    assert_int_equal(gt_user_labels_add(&labels, text, &err), 0);
    for (int i = 2; i < GT_USER_LABELS_MAX; i++) {
        snprintf(text, sizeof(text), "n%d=x", i);
        assert_int_equal(gt_user_labels_add(&labels, text, &err), 0);
    }
    refused("one_more=x", "16 labels at most");
    assert_null(labels.list[GT_USER_LABELS_MAX].key);
}

static void of_a_recording_what_makes_sense_is_taken(void **state)
{
    static const char recorded[] =
        "{\"service\": \"old\", \"zone\": \"a\", \"pid\": \"1\", \"a b\": \"x\", \"\": \"x\","
        " \"n\": 5, \"nul\": \"a\\u0000b\", \"c\": \"\\u001b\", \"e\": \"\"}";
    json_t *value = json_loads(recorded, JSON_ALLOW_NUL, NULL);

    (void)state;
    assert_non_null(value);
    assert_int_equal(gt_user_labels_add(&labels, "service=new", &err), 0);
    assert_int_equal(gt_user_labels_add_json(&labels, value, &err), 0);
    json_decref(value);
    assert_int_equal(labels.count, 2);
    taken(0, "service", "new");
    taken(1, "zone", "a");
    assert_int_equal(gt_user_labels_add_json(&labels, NULL, &err), 0);
    value = json_pack("[s]", "x=y");
    assert_int_equal(gt_user_labels_add_json(&labels, value, &err), 0);
    json_decref(value);
    assert_int_equal(labels.count, 2);
}

static void a_recording_with_thousands_gives_some(void **state)
{
    json_t *value = json_object();

    (void)state;
    for (int i = 0; i < 3000; i++) {
        char key[16];

        snprintf(key, sizeof(key), "k%d", i);
        assert_int_equal(json_object_set_new(value, key, json_string("x")), 0);
    }
    assert_int_equal(gt_user_labels_add_json(&labels, value, &err), 0);
    json_decref(value);
    assert_int_equal(labels.count, GT_USER_LABELS_MAX);
}

static void too_many_together_are_refused(void **state)
{
    struct gt_user_labels more = {0};

    (void)state;
    for (int i = 0; i < GT_USER_LABELS_MAX; i++) {
        char text[16];

        snprintf(text, sizeof(text), "k%d=x", i);
        assert_int_equal(gt_user_labels_add(&labels, text, &err), 0);
    }
    assert_int_equal(gt_user_labels_add(&more, "k3=y", &err), 0);
    assert_int_equal(gt_user_labels_add_list(&labels, more.list, &err), 0);
    taken(3, "k3", "x");
    assert_int_equal(gt_user_labels_add(&more, "other=y", &err), 0);
    assert_int_equal(gt_user_labels_add_list(&labels, more.list, &err), GT_ERR_USAGE);
    assert_non_null(strstr(err.message, "other"));
    gt_user_labels_release(&more);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keys_and_values, begin, end),
        cmocka_unit_test_setup_teardown(what_is_no_label, begin, end),
        cmocka_unit_test_setup_teardown(what_giltracer_writes, begin, end),
        cmocka_unit_test_setup_teardown(lengths_and_numbers_are_bounded, begin, end),
        cmocka_unit_test_setup_teardown(of_a_recording_what_makes_sense_is_taken, begin, end),
        cmocka_unit_test_setup_teardown(a_recording_with_thousands_gives_some, begin, end),
        cmocka_unit_test_setup_teardown(too_many_together_are_refused, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
