/* SPDX-License-Identifier: MIT */
/* A configuration file: what is read is a tree whose keys differ, and is read so again where
 * blanks and comments stand around it. */
#include "harness.h"

#include "base/toml.h"

#include <stdlib.h>
#include <string.h>

/* Values below a table or an array, and that they are where they should be. */
static size_t check_values(const struct gt_toml *toml, uint32_t parent)
{
    const struct gt_toml_value *value = gt_toml_at(toml, parent);
    size_t count = 1;

    must(value->line >= 1 && value->line <= toml->line, "a line beyond the end");
    for (uint32_t i = value->first; i != GT_TOML_NONE; i = gt_toml_at(toml, i)->next) {
        must(i > parent, "a value before its table");
        if (value->kind == GT_TOML_TABLE &&
            strlen(gt_toml_key(toml, i)) ==
                gt_intern_length(&toml->texts, gt_toml_at(toml, i)->key) &&
            count < 64)
            must(gt_toml_find(toml, parent, gt_toml_key(toml, i)) == i, "a key is there twice");
        count += check_values(toml, i);
    }
    return count;
}

static void check_again(const char *text, size_t size, size_t count)
{
    static const char before[] = "# comment\n \t\r\n";
    char *around = malloc(sizeof(before) - 1 + size + 3);
    struct gt_toml toml;

    must(around != NULL, "out of memory");
    memcpy(around, before, sizeof(before) - 1);
    memcpy(around + sizeof(before) - 1, text, size);
    memcpy(around + sizeof(before) - 1 + size, "\n#", 2);
    gt_toml_init(&toml);
    must(gt_toml_read(&toml, around, sizeof(before) - 1 + size + 2, NULL) == 0,
         "refused between comments");
    must(toml.values.count == count, "another tree between comments");
    gt_toml_release(&toml);
    free(around);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = text_of(data, size);
    struct gt_error err = {0};
    struct gt_toml toml;

    gt_toml_init(&toml);
    if (gt_toml_read(&toml, text, size, &err) == 0) {
        must(check_values(&toml, 0) == toml.values.count, "a value in no table");
        check_again(text, size, toml.values.count);
    } else {
        must(err.code == GT_ERR_FORMAT && err.message[0], "refused without a reason");
    }
    gt_toml_release(&toml);
    free(text);
    return 0;
}
