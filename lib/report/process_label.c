/* SPDX-License-Identifier: MIT */
#include "report/process_label.h"

#include "report/internal.h"
#include "report/labels.h"

#include <string.h>

/* What a process is called: by its command line, of which the interpreter, its options and the
 * folders tell nothing, and by the name that multiprocessing gave it. */

enum { COMMAND_WIDTH = 60, ROLE_WIDTH = 32 }; /* bytes that are shown */

struct words {
    const char *at, *end; /* each word ends with NUL, the last one perhaps with the end */
};

static size_t length_of(const struct words *words)
{
    const char *nul = words->at < words->end
                          ? memchr(words->at, '\0', (size_t)(words->end - words->at))
                          : words->end;

    return (size_t)((nul ? nul : words->end) - words->at);
}

static bool is_next(const struct words *words, const char *text)
{
    return length_of(words) == strlen(text) && memcmp(words->at, text, strlen(text)) == 0;
}

static void skip(struct words *words)
{
    size_t length = length_of(words);

    words->at += length;
    words->at += words->at < words->end;
}

/* Of a path, its last part. */
static void skip_folders(struct words *words)
{
    size_t length = length_of(words);
    const char *slash = memrchr(words->at, '/', length);

    if (slash && slash + 1 < words->at + length)
        words->at = slash + 1;
}

static bool is_python(const struct words *words)
{
    struct words name = *words;

    skip_folders(&name);
    return length_of(&name) >= 6 && memcmp(name.at, "python", 6) == 0;
}

/* Options of the interpreter, up to what it runs. */
static void skip_options(struct words *words)
{
    while (words->at < words->end && *words->at == '-' && !is_next(words, "-m") &&
           !is_next(words, "-c") && !is_next(words, "-")) {
        bool has_value = is_next(words, "-X") || is_next(words, "-W");

        skip(words);
        if (has_value)
            skip(words);
    }
}

/* Processes that multiprocessing starts for itself run a line of code. */
static const char *helper_of(const struct words *words)
{
    static const struct {
        const char *code, *name;
    } helpers[] = {
        {"from multiprocessing.resource_tracker import", "multiprocessing: resource tracker"},
        {"from multiprocessing.semaphore_tracker import", "multiprocessing: semaphore tracker"},
        {"from multiprocessing.forkserver import", "multiprocessing: forkserver"},
        {"from multiprocessing.spawn import", "multiprocessing: spawned"},
    };

    for (size_t i = 0; i < sizeof(helpers) / sizeof(helpers[0]); i++)
        if (length_of(words) >= strlen(helpers[i].code) &&
            memcmp(words->at, helpers[i].code, strlen(helpers[i].code)) == 0)
            return helpers[i].name;
    return NULL;
}

static int add_words(struct words words, struct gt_buf *text)
{
    struct gt_buf all;
    size_t shown;
    int rc = 0;

    gt_buf_init(&all);
    for (bool any = false; rc == 0 && words.at < words.end; any = true) {
        rc = (any && gt_buf_adds(&all, " ")) || gt_buf_add(&all, words.at, length_of(&words));
        skip(&words);
    }
    shown = all.length < COMMAND_WIDTH ? all.length : COMMAND_WIDTH;
    while (shown < all.length && shown && ((unsigned char)all.data[shown] & 0xc0) == 0x80)
        shown--; /* no half of a letter */
    if (rc == 0 && shown)
        rc = gt_buf_add_visible(text, all.data, shown) ||
             (shown < all.length && gt_buf_adds(text, "…"));
    gt_buf_release(&all);
    return rc ? -1 : 0;
}

int gt_command_label(const char *command, size_t length, struct gt_buf *text)
{
    struct words words = {command, command + length};
    struct words code;

    if (is_python(&words)) {
        struct words program = words;

        skip(&program);
        skip_options(&program);
        code = program;
        if (is_next(&program, "-c")) {
            skip(&code);
            if (helper_of(&code))
                return gt_buf_adds(text, helper_of(&code));
        }
        if (program.at < program.end) {
            words = program;
            if (*words.at == '-')
                return gt_buf_adds(text, "python ") || add_words(words, text) ? -1 : 0;
        }
    }
    skip_folders(&words);
    return add_words(words, text);
}

/* Where there are several: kernel's names have it already. */
static int add_recording(const struct gt_timeline *timeline, const struct gt_gil *gil,
                         struct gt_buf *text)
{
    uint32_t recording = gt_process_at(timeline, gil->process)->recording;
    uint32_t name = gt_recording_at(timeline, recording)->name;

    return gt_buf_add_visible(text, gt_intern_text(&timeline->names, name),
                              gt_intern_length(&timeline->names, name)) ||
                   gt_buf_adds(text, ": ")
               ? -1
               : 0;
}

int gt_report_process(const struct gt_report *report, uint32_t index, struct gt_buf *text)
{
    const struct gt_timeline *timeline = report->timeline;
    const struct gt_intern *names = &timeline->names;
    const struct gt_gil *gil = gt_gil_at(timeline, index);
    size_t role = gt_intern_length(names, gil->role);
    size_t start = text->length, from;

    if (gil->command && timeline->recordings.count && add_recording(timeline, gil, text))
        return -1;
    from = text->length;
    if (gil->command && gt_command_label(gt_intern_text(names, gil->command),
                                         gt_intern_length(names, gil->command), text))
        return -1;
    if (text->length == from)
        text->length = start;
    if (text->length == start && gt_buf_add_visible(text, gt_intern_text(names, gil->name),
                                                    gt_intern_length(names, gil->name)))
        return -1;
    if (!role)
        return 0;
    return gt_buf_adds(text, " [") ||
                   gt_buf_add_visible(text, gt_intern_text(names, gil->role),
                                      role < ROLE_WIDTH ? role : ROLE_WIDTH) ||
                   gt_buf_adds(text, "]")
               ? -1
               : 0;
}
