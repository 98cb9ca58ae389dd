/* SPDX-License-Identifier: MIT */
#include "report/stacks_text.h"

#include "analysis/active.h"
#include "base/buf.h"
#include "base/nstime.h"

#include <stdlib.h>
#include <string.h>

struct writer {
    const struct gt_timeline *timeline;
    bool keep_interpreter;
    struct gt_active *actives; /* by thread */
    struct gt_buf text;        /* of the sample at hand */
};

/* "python3  4711/4712  12.345678901:   10101010 cpu-clock:u: " */
static int put_head(struct writer *writer, const struct gt_native_sample *sample)
{
    const struct gt_timeline *timeline = writer->timeline;
    const struct gt_thread *thread = gt_thread_at(timeline, sample->thread);

    if (gt_buf_add_visible(&writer->text, gt_intern_text(&timeline->names, thread->comm),
                           gt_intern_length(&timeline->names, thread->comm)))
        return -1;
    return gt_buf_addf(&writer->text, " %d/%d %lld.%09lld: %10lld cpu-clock:u: \n",
                       gt_process_at(timeline, thread->process)->pid, thread->tid,
                       (long long)(sample->time_ns / GT_NS_PER_S),
                       (long long)(sample->time_ns % GT_NS_PER_S),
                       (long long)sample->weight_ns);
}

static int put_frame(struct writer *writer, const char *name, size_t name_length,
                     const char *file, size_t file_length)
{
    struct gt_buf *text = &writer->text;

    return gt_buf_addf(text, "\t%16x ", 0) ||
                   gt_buf_add_visible(text, name_length ? name : "[unknown]",
                                      name_length ? name_length : 9) ||
                   gt_buf_adds(text, " (") ||
                   gt_buf_add_visible(text, file_length ? file : "[unknown]",
                                      file_length ? file_length : 9) ||
                   gt_buf_adds(text, ")\n")
               ? -1
               : 0;
}

/* A native frame; one without a name by its place in its library. */
static int put_native(struct writer *writer, uint32_t frame)
{
    const struct gt_stacks *stacks = &writer->timeline->native_stacks;
    const char *symbol = gt_stacks_symbol(stacks, frame), *dso = gt_stacks_dso(stacks, frame);
    const char *slash = strrchr(dso, '/');
    struct gt_buf name;
    int rc;

    gt_buf_init(&name);
    rc = symbol[0] == '+' ? gt_buf_addf(&name, "%s%s", slash ? slash + 1 : dso, symbol)
                          : gt_buf_adds(&name, symbol);
    if (rc == 0)
        rc = put_frame(writer, name.data ? name.data : "", name.length, dso, strlen(dso));
    gt_buf_release(&name);
    return rc;
}

/* The functions that were traced, the innermost first. */
static int put_functions(struct writer *writer, const struct gt_active *active)
{
    const struct gt_timeline *timeline = writer->timeline;

    for (size_t i = active->open.count; i-- > 0;) {
        const struct gt_function_info *called =
            gt_chunks_at(&timeline->functions, gt_active_span(active, i)->function);

        if (put_frame(writer, gt_intern_text(&timeline->names, called->name),
                      gt_intern_length(&timeline->names, called->name),
                      gt_intern_text(&timeline->names, called->file),
                      gt_intern_length(&timeline->names, called->file)))
            return -1;
    }
    return 0;
}

static int put_stack(struct writer *writer, const struct gt_active *active, uint32_t stack)
{
    const struct gt_stacks *stacks = &writer->timeline->native_stacks;
    uint32_t count;
    const uint32_t *frames = gt_stacks_frames(stacks, stack, &count);
    bool merge = active->open.count > 0;
    uint32_t place = gt_active_place(stacks, frames, count);

    for (uint32_t i = 0; i <= count; i++) {
        if (merge && i == place && put_functions(writer, active))
            return -1;
        if (i < count &&
            (!merge || writer->keep_interpreter ||
             !gt_active_is_interpreter(stacks, frames[i])) &&
            put_native(writer, frames[i]))
            return -1;
    }
    return gt_buf_adds(&writer->text, "\n");
}

static int put_sample(struct writer *writer, const struct gt_native_sample *sample)
{
    struct gt_active *active = &writer->actives[sample->thread];

    gt_buf_reset(&writer->text);
    if (gt_active_advance(active, sample->time_ns) || put_head(writer, sample))
        return -1;
    return put_stack(writer, active, sample->stack);
}

int gt_stacks_text_write(const struct gt_timeline *timeline, bool keep_interpreter,
                         struct gt_output *output, struct gt_error *err)
{
    size_t threads = timeline->threads.count;
    struct writer writer = {.timeline = timeline,
                            .keep_interpreter = keep_interpreter,
                            .actives = calloc(threads + 1, sizeof(struct gt_active))};
    int rc = writer.actives ? 0 : gt_error_memory(err);

    gt_buf_init(&writer.text);
    for (uint32_t i = 0; rc == 0 && i < threads; i++)
        gt_active_init(&writer.actives[i], timeline, i);
    for (size_t i = 0; rc == 0 && i < timeline->native.count; i++)
        rc = put_sample(&writer, gt_chunks_at(&timeline->native, i))
                 ? gt_error_memory(err)
                 : gt_output_write(output, writer.text.data, writer.text.length, err);
    for (uint32_t i = 0; writer.actives && i < threads; i++)
        gt_active_release(&writer.actives[i]);
    free(writer.actives);
    gt_buf_release(&writer.text);
    return rc;
}
