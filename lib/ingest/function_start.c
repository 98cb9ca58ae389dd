/* SPDX-License-Identifier: MIT */
#include "ingest/function_start.h"

#include <elf.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    SEGMENTS_MAX = 64,
    FILES_MAX = 4096,
    NOTES_MAX = 4096,     /* bytes of a segment of notes: a build-id is among the first */
    BUILD_ID_MAX = 32,    /* bytes: SHA-1 has 20 */
    TABLE_MAX = 64 << 20, /* bytes */
    /* Pointer encodings (DW_EH_PE_*): signed 4 bytes relative to the table's own address, and
     * unsigned 4 bytes. Linkers write no others. */
    RELATIVE_TABLE = 0x3b,
    PLAIN_COUNT = 0x03,
};

/* One entry of the table, both relative to the table's address. */
struct entry {
    int32_t start, description;
};

struct file {
    Elf64_Phdr segments[SEGMENTS_MAX];
    size_t segment_count;
    struct entry *entries; /* sorted; NULL: not known */
    uint32_t entry_count;
    uint64_t address; /* of the table */
    char build_id[2 * BUILD_ID_MAX + 1];
};

void gt_function_starts_init(struct gt_function_starts *starts)
{
    gt_intern_init(&starts->paths);
    gt_chunks_init(&starts->files, sizeof(struct file *));
}

void gt_function_starts_release(struct gt_function_starts *starts)
{
    for (size_t i = 0; i < starts->files.count; i++) {
        struct file *file = *(struct file **)gt_chunks_at(&starts->files, i);

        if (file)
            free(file->entries);
        free(file);
    }
    gt_chunks_release(&starts->files);
    gt_intern_release(&starts->paths);
}

static bool read_at(int fd, void *to, size_t size, uint64_t offset)
{
    return offset <= INT64_MAX && pread(fd, to, size, (off_t)offset) == (ssize_t)size;
}

static bool read_segments(int fd, struct file *file)
{
    Elf64_Ehdr head;

    if (!read_at(fd, &head, sizeof(head), 0) || memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 ||
        head.e_ident[EI_CLASS] != ELFCLASS64 || head.e_phentsize != sizeof(Elf64_Phdr) ||
        head.e_phnum > SEGMENTS_MAX)
        return false;
    file->segment_count = head.e_phnum;
    return read_at(fd, file->segments, head.e_phnum * sizeof(Elf64_Phdr), head.e_phoff);
}

static void read_table(int fd, struct file *file, const Elf64_Phdr *segment)
{
    struct {
        uint8_t version, frame_encoding, count_encoding, table_encoding;
        int32_t frame;
        uint32_t count;
    } head;

    if (!read_at(fd, &head, sizeof(head), segment->p_offset) || head.version != 1 ||
        head.count_encoding != PLAIN_COUNT || head.table_encoding != RELATIVE_TABLE ||
        head.count == 0 || head.count > TABLE_MAX / sizeof(struct entry))
        return;
    file->entries = calloc(head.count, sizeof(struct entry));
    if (!file->entries)
        return;
    file->address = segment->p_vaddr;
    file->entry_count = head.count;
    if (read_at(fd, file->entries, head.count * sizeof(struct entry),
                segment->p_offset + sizeof(head)))
        return;
    free(file->entries);
    file->entries = NULL;
}

/* The build-id (NT_GNU_BUILD_ID) in hexadecimal, where a segment of notes has it. */
static void read_build_id(int fd, struct file *file, const Elf64_Phdr *segment)
{
    uint64_t size = segment->p_filesz < NOTES_MAX ? segment->p_filesz : NOTES_MAX, at = 0;
    uint8_t notes[NOTES_MAX];
    Elf64_Nhdr note;

    if (!read_at(fd, notes, size, segment->p_offset))
        return;
    while (at + sizeof(note) <= size) {
        uint64_t name = at + sizeof(note), text;

        memcpy(&note, notes + at, sizeof(note));
        text = name + (((uint64_t)note.n_namesz + 3) & ~UINT64_C(3));
        at = text + (((uint64_t)note.n_descsz + 3) & ~UINT64_C(3));
        if (text + note.n_descsz > size)
            return;
        if (note.n_type != NT_GNU_BUILD_ID || note.n_namesz != sizeof(ELF_NOTE_GNU) ||
            memcmp(notes + name, ELF_NOTE_GNU, sizeof(ELF_NOTE_GNU)) != 0 ||
            note.n_descsz > BUILD_ID_MAX)
            continue;
        for (uint32_t i = 0; i < note.n_descsz; i++)
            snprintf(file->build_id + (size_t)2 * i, 3, "%02x", notes[text + i]);
        return;
    }
}

/* A recording may name anything: only a plain file is read. NULL: it is none of use. */
static struct file *open_file(const char *path)
{
    struct file *file = NULL;
    int fd = path[0] == '/' ? open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK) : -1;
    struct stat st;

    if (fd < 0)
        return NULL;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        file = calloc(1, sizeof(*file));
    if (file && read_segments(fd, file))
        for (size_t i = 0; i < file->segment_count; i++) {
            if (file->segments[i].p_type == PT_GNU_EH_FRAME && !file->entries)
                read_table(fd, file, &file->segments[i]);
            if (file->segments[i].p_type == PT_NOTE && !file->build_id[0])
                read_build_id(fd, file, &file->segments[i]);
        }
    close(fd);
    return file;
}

static struct file *find_file(struct gt_function_starts *starts, const char *path,
                              size_t length)
{
    uint32_t id = gt_intern_add(&starts->paths, path, length);

    if (id == UINT32_MAX || id > FILES_MAX)
        return NULL;
    while (starts->files.count <= id) {
        struct file **slot = gt_chunks_push(&starts->files);

        if (!slot)
            return NULL;
        *slot = open_file(gt_intern_text(&starts->paths, (uint32_t)starts->files.count - 1));
    }
    return *(struct file **)gt_chunks_at(&starts->files, id);
}

/* Where the byte at `offset` of the file is when that is loaded; false: nowhere. */
static bool address_of(const struct file *file, uint64_t offset, uint64_t *address)
{
    for (size_t i = 0; i < file->segment_count; i++) {
        const Elf64_Phdr *segment = &file->segments[i];

        if (segment->p_type != PT_LOAD || offset < segment->p_offset ||
            offset - segment->p_offset >= segment->p_filesz)
            continue;
        *address = offset - segment->p_offset + segment->p_vaddr;
        return true;
    }
    return false;
}

uint64_t gt_function_start_of(struct gt_function_starts *starts, const char *path,
                              size_t length, uint64_t address)
{
    const struct file *file = find_file(starts, path, length);
    uint32_t low = 0, high;
    int64_t relative;

    if (!file || !file->entries)
        return 0;
    relative = (int64_t)(address - file->address);
    for (high = file->entry_count; low < high;) {
        uint32_t middle = low + (high - low) / 2;

        if (file->entries[middle].start <= relative)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? file->address + (uint64_t)(int64_t)file->entries[low - 1].start : 0;
}

uint64_t gt_function_start(struct gt_function_starts *starts, const char *path, size_t length,
                           uint64_t offset)
{
    const struct file *file = find_file(starts, path, length);
    uint64_t address;

    return file && address_of(file, offset, &address)
               ? gt_function_start_of(starts, path, length, address)
               : 0;
}

const char *gt_function_build_id(struct gt_function_starts *starts, const char *path,
                                 size_t length)
{
    const struct file *file = find_file(starts, path, length);

    return file ? file->build_id : "";
}
