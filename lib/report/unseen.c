/* SPDX-License-Identifier: MIT */
#include "report/sentences.h"

#include "report/values.h"

enum { NAMED_MAX = 4 }; /* programs that are told of one by one */

/* What may have happened and was not recorded, though nothing was lost. */

static int say_returns(struct gt_report *report, struct gt_buf *text)
{
    uint64_t takes, missing = gt_returns_missing(report->timeline, &takes);

    if (!missing)
        return 0;
    return gt_findings_add(
        report, text,
        gt_buf_addf(text,
                    "%llu of %llu returns of take_gil are missing: when the GIL was had is "
                    "not known there, and waits count up to the release before, which is "
                    "the least they can have been. Probe the return of each copy of "
                    "take_gil, or record with --gil-source uprobes.",
                    (unsigned long long)missing, (unsigned long long)takes));
}

static const struct gt_unseen *unseen_at(const struct gt_report *report, size_t index)
{
    return gt_chunks_at(&report->timeline->unseen, index);
}

static int add_text(const struct gt_report *report, uint32_t id, struct gt_buf *text)
{
    return gt_buf_add_visible(text, gt_intern_text(&report->timeline->names, id),
                              gt_intern_length(&report->timeline->names, id));
}

/* Why, and what helps. */
static int add_reason(const struct gt_report *report, const struct gt_unseen *unseen,
                      struct gt_buf *text)
{
    switch (gt_unseen_why(report->recorded->probed, unseen)) {
    case GT_UNSEEN_INTERPRETER:
        return gt_buf_adds(text, "its interpreter is not the one that has the probes (") ||
               add_text(report, unseen->file, text) ||
               gt_buf_adds(text,
                           "). --gil-source uprobes sees every interpreter of this libc.");
    case GT_UNSEEN_STATIC:
        return gt_buf_adds(text,
                           "it maps no libc, where the probes are: it is linked statically.");
    case GT_UNSEEN_NO_GLIBC:
        return gt_buf_adds(text, "its libc (") || add_text(report, unseen->file, text) ||
               gt_buf_adds(text, ") is not glibc, whose system calls are understood.");
    case GT_UNSEEN_LIBC:
        return gt_buf_adds(text, "its libc (") || add_text(report, unseen->file, text) ||
               gt_buf_adds(text,
                           ") is not the file that has the probes. Start giltracer in the "
                           "root, or container, where it runs.");
    }
    return 0;
}

/* The same was said of one before? */
static bool is_repeated(const struct gt_report *report, size_t index)
{
    const struct gt_unseen *unseen = unseen_at(report, index);

    for (size_t i = 0; i < index; i++)
        if (unseen_at(report, i)->file == unseen->file &&
            unseen_at(report, i)->name == unseen->name)
            return true;
    return false;
}

static size_t count_same(const struct gt_report *report, const struct gt_unseen *unseen)
{
    size_t count = 0;

    for (size_t i = 0; i < report->timeline->unseen.count; i++)
        count += unseen_at(report, i)->file == unseen->file &&
                 unseen_at(report, i)->name == unseen->name;
    return count;
}

static int say_program(struct gt_report *report, const struct gt_unseen *unseen,
                       struct gt_buf *text)
{
    size_t more = count_same(report, unseen) - 1;
    int failed = gt_buf_adds(text, "The GIL of ") || add_text(report, unseen->name, text) ||
                 gt_buf_addf(text, " (pid %d",
                             gt_process_at(report->timeline, unseen->process)->own_pid);

    if (!failed && more)
        failed = gt_buf_addf(text, ", and %zu more of that name", more);
    return gt_findings_add(report, text,
                           failed || gt_buf_adds(text, ") was not seen: ") ||
                               add_reason(report, unseen, text));
}

static int say_programs(struct gt_report *report, struct gt_buf *text)
{
    size_t count = report->timeline->unseen.count, named = 0, i;

    for (i = 0; i < count && named < NAMED_MAX; i++) {
        if (is_repeated(report, i))
            continue;
        if (say_program(report, unseen_at(report, i), text))
            return -1;
        named++;
    }
    while (i < count && is_repeated(report, i))
        i++;
    return i == count
               ? 0
               : gt_findings_add(
                     report, text,
                     gt_buf_adds(text, "More programs that run Python were not seen, for the "
                                       "same reasons."));
}

json_t *gt_unseen_value(const struct gt_report *report)
{
    enum { LISTED_MAX = 100 };
    const struct gt_intern *names = &report->timeline->names;
    json_t *list = json_array();

    for (size_t i = 0; i < report->timeline->unseen.count && i < LISTED_MAX; i++) {
        const struct gt_unseen *unseen = unseen_at(report, i);

        gt_json_add(&list,
                    json_pack("{s:i, s:o, s:o}", "pid",
                              gt_process_at(report->timeline, unseen->process)->pid, "process",
                              gt_json_text(gt_intern_text(names, unseen->name),
                                           gt_intern_length(names, unseen->name)),
                              "file",
                              unseen->file ? gt_json_text(gt_intern_text(names, unseen->file),
                                                          gt_intern_length(names, unseen->file))
                                           : json_null()));
    }
    return list;
}

int gt_unseen_say(struct gt_report *report, struct gt_buf *text)
{
    if (say_programs(report, text))
        return -1;
    return say_returns(report, text);
}
