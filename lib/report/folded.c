/* SPDX-License-Identifier: MIT */
#include "report/writers.h"

#include "base/nstime.h"
#include "report/labels.h"
#include "report/native.h"
#include "report/walk.h"

#include <string.h>

struct writer {
    const struct gt_report *report;
    struct gt_output *output;
    struct gt_error *err;
    struct gt_buf text; /* of the stack at hand */
};

/* ';' separates frames. */
static void clean(struct gt_buf *text, size_t from)
{
    for (size_t i = from; i < text->length; i++)
        if (text->data[i] == ';')
            text->data[i] = ':';
}

/* The stack of `index`, from the process down, without an end. */
static int put_stack(const struct gt_report *report, const struct gt_profile *profile,
                     size_t index, struct gt_buf *text)
{
    const struct gt_timeline *timeline = report->timeline;
    const struct gt_thread *thread =
        gt_thread_at(timeline, gt_profile_at(profile, index)->thread);
    uint32_t name = gt_process_at(timeline, thread->process)->name, path[GT_PROFILE_STACK_MAX];
    size_t depth = 0, from = text->length;

    if (gt_buf_add_visible(text, gt_intern_text(&timeline->names, name),
                           gt_intern_length(&timeline->names, name)))
        return -1;
    clean(text, from);
    if (gt_buf_adds(text, ";"))
        return -1;
    from = text->length;
    if (gt_report_name(report, gt_profile_at(profile, index)->thread, text))
        return -1;
    clean(text, from);
    for (size_t at = index; gt_profile_at(profile, at)->parent != GT_NO_INDEX;
         at = gt_profile_at(profile, at)->parent)
        path[depth++] = (uint32_t)at;
    while (depth-- > 0) {
        const struct gt_profile_node *node = gt_profile_at(profile, path[depth]);

        if (gt_buf_adds(text, ";"))
            return -1;
        from = text->length;
        if (node->native == GT_NO_INDEX ? gt_report_function(report, node->function, text)
                                        : gt_native_name(report, node->native, text))
            return -1;
        clean(text, from);
    }
    return 0;
}

static int put_line(struct writer *writer, const struct gt_profile *profile, uint32_t node,
                    const char *what, int64_t ns)
{
    struct gt_buf *text = &writer->text;

    if (ns == 0)
        return 0;
    if (put_stack(writer->report, profile, node, text))
        return -1;
    return gt_buf_addf(text, ";[%s] %lld\n", what,
                       (long long)((ns + GT_NS_PER_US - 1) / GT_NS_PER_US));
}

static int put_lines(void *context, const struct gt_profile *profile, uint32_t index)
{
    struct writer *writer = context;
    const struct gt_profile_node *node = gt_profile_at(profile, index);

    gt_buf_reset(&writer->text);
    if (put_line(writer, profile, index, "GIL wait", node->wait_ns) ||
        put_line(writer, profile, index, "GIL hold", node->hold_ns) ||
        put_line(writer, profile, index, "lock wait", node->lock_ns))
        return gt_error_memory(writer->err);
    if (!writer->text.length)
        return 0;
    return gt_output_write(writer->output, writer->text.data, writer->text.length, writer->err);
}

static const struct gt_hooks hooks = {.order = {GT_PART_STACKS}, .stack = put_lines};

int gt_folded_write(const struct gt_report *report, struct gt_output *output,
                    struct gt_error *err)
{
    struct writer writer = {.report = report, .output = output, .err = err};
    int rc;

    gt_buf_init(&writer.text);
    rc = gt_walk(report, &hooks, &writer, err);
    gt_buf_release(&writer.text);
    return rc;
}
