/* SPDX-License-Identifier: MIT */
/*
 * Which programs run Python and cannot be seen, since the file that they map is not the one
 * that has the probes: a libc of another root, of another vendor, or none.
 *
 * A file is known by device and inode. Some file systems tell another device to stat than to
 * perf; there, the first file that is mapped at the probed path is taken for it.
 */
#include "event/probed_files.h"
#include "event/python_file.h"
#include "model/builder.h"

#include <string.h>

static bool starts(const char *text, size_t length, const char *word)
{
    return length >= strlen(word) && memcmp(text, word, strlen(word)) == 0;
}

static void last_part(const char **path, size_t *length)
{
    const char *slash = memrchr(*path, '/', *length);

    if (slash) {
        *length -= (size_t)(slash + 1 - *path);
        *path = slash + 1;
    }
}

static bool is_libc(const char *path, size_t length)
{
    last_part(&path, &length);
    return starts(path, length, "libc.so.") || starts(path, length, "libc-2.") ||
           starts(path, length, "ld-musl-");
}

static struct gt_image *image_of(struct gt_timeline *timeline, uint32_t process)
{
    struct gt_process_state *state = gt_process_state_at(timeline, process);
    struct gt_image *image;

    if (state->mapped != GT_NO_INDEX)
        return gt_chunks_at(&gt_builder_of(timeline)->mapped, state->mapped);
    state->mapped = (uint32_t)gt_builder_of(timeline)->mapped.count;
    image = gt_chunks_push(&gt_builder_of(timeline)->mapped);
    if (image)
        *image = (struct gt_image){.process = process,
                                   .image = state->image,
                                   .name = gt_process_at(timeline, process)->name};
    return image;
}

/* 0 or -1. */
static int note_file(struct gt_timeline *timeline, uint32_t process,
                     const struct gt_event *event, size_t index)
{
    struct gt_builder *builder = gt_builder_of(timeline);
    const struct gt_probed_file *file = &builder->probed->files[index];
    struct gt_first_file *first = &builder->first_files[index];
    bool same_path = event->mapping.path_length == strlen(file->path) &&
                     memcmp(event->mapping.path, file->path, event->mapping.path_length) == 0;
    bool same_file = event->mapping.inode && event->mapping.inode == file->inode &&
                     event->mapping.device == file->device;
    struct gt_image *image;

    if (same_path && !first->known)
        *first = (struct gt_first_file){event->mapping.inode, event->mapping.device, true};
    builder->saw_probed_file |= same_file;
    if (!same_file && !(same_path && event->mapping.inode == first->inode &&
                        event->mapping.device == first->device))
        return 0;
    image = image_of(timeline, process);
    if (!image)
        return -1;
    image->has_file |= same_file;
    image->has_path = true;
    return 0;
}

int gt_mapped_feed(struct gt_timeline *timeline, uint32_t process, const struct gt_event *event)
{
    const struct gt_probed *probed = gt_builder_of(timeline)->probed;
    bool python = gt_is_python_file(event->mapping.path, event->mapping.path_length);
    bool libc = is_libc(event->mapping.path, event->mapping.path_length);
    struct gt_image *image;

    if (!probed || !gt_probed_is_known(probed))
        return 0;
    for (size_t i = 0; i < probed->count; i++)
        if (note_file(timeline, process, event, i))
            return -1;
    if (!python && !libc)
        return 0;
    image = image_of(timeline, process);
    if (!image)
        return -1;
    image->python |= python;
    if (libc && !probed->interpreter) {
        const char *name = event->mapping.path;
        size_t length = event->mapping.path_length;

        last_part(&name, &length);
        image->musl = starts(name, length, "ld-musl-");
    }
    if (libc ? !probed->interpreter : probed->interpreter)
        return gt_name_of_file(timeline, event, &image->file);
    return 0;
}

static bool is_seen(const struct gt_builder *builder, const struct gt_image *image)
{
    if (builder->probed->any_glibc)
        return !image->musl;
    return builder->saw_probed_file ? image->has_file : image->has_path;
}

static bool has_gil(const struct gt_timeline *timeline, const struct gt_image *image)
{
    for (uint32_t i = 0; i < timeline->gils.count; i++)
        if (gt_gil_at(timeline, i)->image == image->image)
            return true;
    return false;
}

/* Was the file with the probes mapped at all, so that what is not it is told from it? */
static bool is_told(const struct gt_builder *builder)
{
    bool told = builder->probed->any_glibc || builder->saw_probed_file;

    for (size_t i = 0; i < builder->probed->count; i++)
        told |= builder->first_files[i].known;
    return told;
}

int gt_mapped_finish(struct gt_timeline *timeline)
{
    const struct gt_builder *builder = gt_builder_of(timeline);

    if (!builder->probed || !gt_probed_is_known(builder->probed) || !is_told(builder))
        return 0;
    for (size_t i = 0; i < builder->mapped.count; i++) {
        const struct gt_image *image = gt_chunks_at(&builder->mapped, i);
        struct gt_unseen *unseen;

        if (!image->python || is_seen(builder, image) || has_gil(timeline, image))
            continue;
        unseen = gt_chunks_push(&timeline->unseen);
        if (!unseen)
            return -1;
        *unseen = (struct gt_unseen){image->process, image->name, image->file};
    }
    return 0;
}
