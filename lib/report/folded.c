#include "report/profile.h"

#include "analysis/profile.h"
#include "base/nstime.h"

#include <string.h>

int gt_profile_name(const struct gt_report *report, uint32_t function, struct gt_buf *name)
{
    const struct gt_timeline *timeline = report->timeline;
    const struct gt_function_info *called = gt_chunks_at(&timeline->functions, function);
    const char *module = gt_intern_text(&timeline->names, called->file);

    if (called->flags & GT_FUNCTION_C && !(called->flags & GT_FUNCTION_GC) && *module &&
        strcmp(module, "builtins") != 0 &&
        (gt_buf_add_visible(name, module, gt_intern_length(&timeline->names, called->file)) ||
         gt_buf_adds(name, ".")))
        return -1;
    return gt_buf_add_visible(name, gt_intern_text(&timeline->names, called->name),
                              gt_intern_length(&timeline->names, called->name));
}

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
    uint32_t name = gt_process_at(timeline, thread->process)->name, path[GT_PROFILE_DEPTH_MAX];
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
        path[depth++] = gt_profile_at(profile, at)->function;
    while (depth-- > 0) {
        if (gt_buf_adds(text, ";"))
            return -1;
        from = text->length;
        if (gt_profile_name(report, path[depth], text))
            return -1;
        clean(text, from);
    }
    return 0;
}

static int put_line(const struct gt_report *report, const struct gt_profile *profile,
                    size_t index, const char *what, int64_t ns, struct gt_buf *text)
{
    if (ns == 0)
        return 0;
    return put_stack(report, profile, index, text) ||
                   gt_buf_addf(text, ";[GIL %s] %lld\n", what,
                               (long long)((ns + GT_NS_PER_US - 1) / GT_NS_PER_US))
               ? -1
               : 0;
}

int gt_folded_write(const struct gt_report *report, struct gt_output *output,
                    struct gt_error *err)
{
    struct gt_profile profile;
    struct gt_buf text;
    int rc = gt_profile_init(&profile, report->timeline, err);

    if (rc < 0)
        return rc;
    gt_buf_init(&text);
    for (size_t i = 0; rc == 0 && i < profile.nodes.count; i++) {
        const struct gt_profile_node *node = gt_profile_at(&profile, i);

        gt_buf_reset(&text);
        if (put_line(report, &profile, i, "wait", node->wait_ns, &text) ||
            put_line(report, &profile, i, "hold", node->hold_ns, &text))
            rc = gt_error_memory(err);
        else if (text.length)
            rc = gt_output_write(output, text.data, text.length, err);
    }
    gt_buf_release(&text);
    gt_profile_release(&profile);
    return rc;
}
