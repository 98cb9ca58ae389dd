/* SPDX-License-Identifier: MIT */
/* lib/launch/cache: an answer counts while its files are what they were, and is nobody else's.
 */
#include "launch/cache.h"

#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/test_cache-XXXXXX", program[64], library[64], kept[64];

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int setup(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(program, sizeof(program), "%s/program", folder);
    snprintf(library, sizeof(library), "%s/library", folder);
    snprintf(kept, sizeof(kept), "%s/giltracer", folder);
    write_text(program, "\x7f"
                        "ELF and more");
    return setenv("XDG_CACHE_HOME", folder, 1);
}

static int teardown(void **state)
{
    char command[96];

    (void)state;
    snprintf(command, sizeof(command), "rm -r %s", folder);
    return system(command);
}

static void put(void)
{
    const char *files[] = {library, NULL};

    write_text(library, "of it");
    gt_cache_put("kind", program, files, 2, "an\0swer", 7);
}

static bool get(const char *kind, const char *path)
{
    struct gt_buf answer;
    bool found;

    gt_buf_init(&answer);
    found = gt_cache_get(kind, path, &answer);
    if (found) {
        assert_int_equal(answer.length, 7);
        assert_memory_equal(answer.data, "an\0swer", 7);
    }
    gt_buf_release(&answer);
    return found;
}

/* The path of the one file in the cache. */
static void find_entry(char *path, size_t size)
{
    char command[96];
    FILE *names;

    snprintf(command, sizeof(command), "ls %s/*", kept);
    names = popen(command, "r");
    assert_non_null(names);
    assert_non_null(fgets(path, (int)size, names));
    path[strcspn(path, "\n")] = '\0';
    pclose(names);
}

static void an_answer_is_kept(void **state)
{
    (void)state;
    assert_false(get("kind", program));
    put();
    assert_true(get("kind", program));
    assert_false(get("other", program));
    assert_false(get("kind", library));
}

static void it_ends_with_any_of_its_files(void **state)
{
    (void)state;
    put();
    write_text(library, "of another");
    assert_false(get("kind", program));
    put();
    write_text(program, "\x7f"
                        "ELF replaced");
    assert_false(get("kind", program));
    put();
    unlink(library);
    assert_false(get("kind", program));
}

static void what_others_can_write_is_ignored(void **state)
{
    char entry[PATH_MAX], elsewhere[PATH_MAX];

    (void)state;
    put();
    find_entry(entry, sizeof(entry));
    chmod(entry, 0620);
    assert_false(get("kind", program));
    chmod(entry, 0600);
    assert_true(get("kind", program));
    chmod(kept, 0770);
    assert_false(get("kind", program));
    chmod(kept, 0700);
    snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", folder);
    assert_int_equal(rename(entry, elsewhere), 0);
    assert_int_equal(symlink(elsewhere, entry), 0);
    assert_false(get("kind", program));
    unlink(entry);
    if (geteuid() == 0) { /* root takes nothing that is a user's */
        put();
        assert_int_equal(chown(entry, 65534, 65534), 0);
        assert_false(get("kind", program));
        unlink(entry);
        put();
        assert_int_equal(chown(kept, 65534, 65534), 0);
        assert_false(get("kind", program));
        assert_int_equal(chown(kept, 0, 0), 0);
    }
}

static void damage_is_ignored(void **state)
{
    char entry[PATH_MAX], text[4096];
    size_t length;
    FILE *file;

    (void)state;
    put();
    find_entry(entry, sizeof(entry));
    file = fopen(entry, "r");
    assert_non_null(file);
    length = fread(text, 1, sizeof(text), file);
    fclose(file);
    for (size_t i = 0; i + 8 < length; i++) { /* before the answer */
        int fd = open(entry, O_WRONLY | O_TRUNC);

        text[i] ^= 1;
        assert_int_equal(write(fd, text, length), length);
        close(fd);
        assert_false(get("kind", program));
        text[i] ^= 1;
    }
    truncate(entry, 20);
    assert_false(get("kind", program));
}

static void scripts_are_no_binaries(void **state)
{
    (void)state;
    assert_true(gt_cache_is_binary(program));
    write_text(library, "#!/bin/sh\n");
    assert_false(gt_cache_is_binary(library));
    assert_false(gt_cache_is_binary("/nowhere"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_kept),
        cmocka_unit_test(it_ends_with_any_of_its_files),
        cmocka_unit_test(what_others_can_write_is_ignored),
        cmocka_unit_test(damage_is_ignored),
        cmocka_unit_test(scripts_are_no_binaries),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
