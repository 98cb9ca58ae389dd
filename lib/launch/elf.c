/* SPDX-License-Identifier: MIT */
#include "launch/elf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MAX_TABLE_BYTES = 256 << 20, /* of one section: a larger size is taken for damage */
    MAX_SEGMENTS = 65536 / sizeof(Elf64_Phdr), /* the limit of the kernel's loader */
};

static int bad_format(const struct gt_elf *elf, const char *what, struct gt_error *err)
{
    return gt_error_set(err, GT_ERR_FORMAT, "%s is not a usable ELF file: %s", elf->path, what);
}

size_t gt_elf_read(const struct gt_elf *elf, uint64_t offset, void *data, size_t length)
{
    size_t done = 0;

    if (offset > elf->size)
        return 0;
    length = (size_t)MIN((uint64_t)length, elf->size - offset);
    while (done < length) {
        ssize_t got =
            pread(elf->fd, (char *)data + done, length - done, (off_t)(offset + done));

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        done += (size_t)got;
    }
    return done;
}

/* Read a table of the file into new memory, with a NUL behind it. NULL with err set. */
static void *read_table(const struct gt_elf *elf, uint64_t offset, uint64_t length,
                        struct gt_error *err)
{
    char *data;

    if (length > MAX_TABLE_BYTES || offset > elf->size || length > elf->size - offset) {
        bad_format(elf, "a table lies outside of the file", err);
        return NULL;
    }
    data = malloc((size_t)length + 1);
    if (!data) {
        gt_error_memory(err);
        return NULL;
    }
    if (gt_elf_read(elf, offset, data, (size_t)length) != length) {
        free(data);
        bad_format(elf, "it is shorter than it says", err);
        return NULL;
    }
    data[length] = '\0';
    return data;
}

static int check_header(const struct gt_elf *elf, struct gt_error *err)
{
    const Elf64_Ehdr *header = &elf->header;
    const uint16_t one = 1;
    unsigned char order = *(const unsigned char *)&one ? ELFDATA2LSB : ELFDATA2MSB;

    if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
        return bad_format(elf, "no ELF header", err);
    if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != order)
        return bad_format(elf, "it is for another kind of machine", err);
    if ((header->e_phnum && header->e_phentsize != sizeof(Elf64_Phdr)) ||
        (header->e_shnum && header->e_shentsize != sizeof(Elf64_Shdr)))
        return bad_format(elf, "its tables have entries of a strange size", err);
    if (header->e_phnum > MAX_SEGMENTS)
        return bad_format(elf, "it has more segments than the kernel would load", err);
    return 0;
}

static int load_tables(struct gt_elf *elf, struct gt_error *err)
{
    elf->segment_count = elf->header.e_phnum;
    elf->section_count = elf->header.e_shnum;
    elf->segments =
        read_table(elf, elf->header.e_phoff, elf->segment_count * sizeof(Elf64_Phdr), err);
    if (!elf->segments)
        return GT_ERR_FORMAT;
    elf->sections =
        read_table(elf, elf->header.e_shoff, elf->section_count * sizeof(Elf64_Shdr), err);
    return elf->sections ? 0 : GT_ERR_FORMAT;
}

int gt_elf_open(struct gt_elf *elf, const char *path, struct gt_error *err)
{
    struct stat st;
    int rc;

    memset(elf, 0, sizeof(*elf));
    elf->path = path;
    elf->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (elf->fd < 0)
        return gt_error_errno(err, "cannot open %s", path);
    if (fstat(elf->fd, &st) || !S_ISREG(st.st_mode)) {
        rc = bad_format(elf, "not a regular file", err);
    } else {
        elf->size = (uint64_t)st.st_size;
        if (gt_elf_read(elf, 0, &elf->header, sizeof(elf->header)) != sizeof(elf->header))
            rc = bad_format(elf, "it is too short", err);
        else
            rc = check_header(elf, err);
    }
    if (rc == 0)
        rc = load_tables(elf, err);
    if (rc < 0)
        gt_elf_close(elf);
    return rc;
}

void gt_elf_close(struct gt_elf *elf)
{
    if (elf->fd >= 0)
        close(elf->fd);
    free(elf->segments);
    free(elf->sections);
    memset(elf, 0, sizeof(*elf));
    elf->fd = -1;
}

/* Uprobes are placed by file offset; symbols carry addresses. */
static bool offset_of_address(const struct gt_elf *elf, uint64_t address, uint64_t *offset)
{
    for (size_t i = 0; i < elf->segment_count; i++) {
        const Elf64_Phdr *segment = &elf->segments[i];

        if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_X) ||
            address < segment->p_vaddr || address - segment->p_vaddr >= segment->p_filesz)
            continue;
        *offset = address - segment->p_vaddr + segment->p_offset;
        return *offset < elf->size;
    }
    return false;
}

struct symbol_table {
    Elf64_Sym *symbols;
    size_t symbol_count;
    char *strings;
    size_t string_bytes;
    uint16_t *versions; /* NULL: unversioned */
    size_t version_count;
};

static void release_table(struct symbol_table *table)
{
    free(table->symbols);
    free(table->strings);
    free(table->versions);
}

static int load_versions(const struct gt_elf *elf, size_t section, struct symbol_table *table,
                         struct gt_error *err)
{
    for (size_t i = 0; i < elf->section_count; i++) {
        const Elf64_Shdr *header = &elf->sections[i];

        if (header->sh_type != SHT_GNU_versym || header->sh_link != section)
            continue;
        table->versions = read_table(elf, header->sh_offset, header->sh_size, err);
        table->version_count = (size_t)header->sh_size / sizeof(uint16_t);
        return table->versions ? 0 : GT_ERR_FORMAT;
    }
    return 0;
}

static int load_symbols(const struct gt_elf *elf, size_t section, struct symbol_table *table,
                        struct gt_error *err)
{
    const Elf64_Shdr *header = &elf->sections[section];
    const Elf64_Shdr *strings;

    memset(table, 0, sizeof(*table));
    if (header->sh_link >= elf->section_count)
        return bad_format(elf, "a symbol table has no names", err);
    strings = &elf->sections[header->sh_link];
    table->symbols = read_table(elf, header->sh_offset, header->sh_size, err);
    table->symbol_count = (size_t)header->sh_size / sizeof(Elf64_Sym);
    if (!table->symbols)
        return GT_ERR_FORMAT;
    table->strings = read_table(elf, strings->sh_offset, strings->sh_size, err);
    table->string_bytes = (size_t)strings->sh_size;
    if (!table->strings)
        return GT_ERR_FORMAT;
    return load_versions(elf, section, table, err);
}

static int visit_symbols(const struct gt_elf *elf, const struct symbol_table *table,
                         gt_elf_symbol_fn visit, void *context)
{
    for (size_t i = 0; i < table->symbol_count; i++) {
        const Elf64_Sym *raw = &table->symbols[i];
        struct gt_elf_symbol symbol;
        int rc;

        if (ELF64_ST_TYPE(raw->st_info) != STT_FUNC || raw->st_shndx == SHN_UNDEF ||
            raw->st_name >= table->string_bytes ||
            !offset_of_address(elf, raw->st_value, &symbol.offset))
            continue;
        symbol.name = table->strings + raw->st_name;
        symbol.size_bytes = raw->st_size;
        /* The top bit says "hidden": only old programs that name the version get it. */
        symbol.default_version =
            !table->versions || i >= table->version_count || !(table->versions[i] & 0x8000);
        rc = visit(context, &symbol);
        if (rc)
            return rc;
    }
    return 0;
}

/* Only one section of symbols of each type is read, since a file with thousands of them, all of
 * the same bytes, would take very long. section_count: there is none. */
static size_t section_of_type(const struct gt_elf *elf, uint32_t type)
{
    size_t i = 0;

    while (i < elf->section_count && elf->sections[i].sh_type != type)
        i++;
    return i;
}

static int each_function_of(const struct gt_elf *elf, uint32_t type, gt_elf_symbol_fn visit,
                            void *context, struct gt_error *err)
{
    size_t section = section_of_type(elf, type);
    struct symbol_table table;
    int rc;

    if (section == elf->section_count)
        return 0;
    rc = load_symbols(elf, section, &table, err);
    if (rc == 0)
        rc = visit_symbols(elf, &table, visit, context);
    release_table(&table);
    return rc;
}

int gt_elf_each_function(const struct gt_elf *elf, gt_elf_symbol_fn visit, void *context,
                         struct gt_error *err)
{
    int rc = each_function_of(elf, SHT_SYMTAB, visit, context, err);

    return rc ? rc : each_function_of(elf, SHT_DYNSYM, visit, context, err);
}

struct search {
    const char *name;
    struct gt_elf_symbol *found;
};

static int compare_symbol(void *context, const struct gt_elf_symbol *symbol)
{
    struct search *search = context;

    if (!symbol->default_version || strcmp(symbol->name, search->name) != 0)
        return 0;
    *search->found = *symbol;
    search->found->name = NULL;
    return 1;
}

int gt_elf_find_function(const struct gt_elf *elf, const char *name,
                         struct gt_elf_symbol *function, struct gt_error *err)
{
    struct search search = {name, function};
    int rc = each_function_of(elf, SHT_DYNSYM, compare_symbol, &search, err);

    if (rc < 0)
        return rc;
    if (rc == 0)
        return gt_error_set(err, GT_ERR_NOT_FOUND, "%s does not define %s", elf->path, name);
    return 0;
}

/* 1 when the table has it. */
static int find_in_table(const struct symbol_table *table, const char *name, uint64_t *address,
                         uint64_t *size_bytes)
{
    for (size_t i = 0; i < table->symbol_count; i++) {
        const Elf64_Sym *symbol = &table->symbols[i];

        if (ELF64_ST_TYPE(symbol->st_info) != STT_OBJECT || symbol->st_shndx == SHN_UNDEF ||
            symbol->st_name >= table->string_bytes ||
            strcmp(table->strings + symbol->st_name, name) != 0)
            continue;
        *address = symbol->st_value;
        *size_bytes = symbol->st_size;
        return 1;
    }
    return 0;
}

int gt_elf_find_object(const struct gt_elf *elf, const char *name, uint64_t *address,
                       uint64_t *size_bytes, struct gt_error *err)
{
    size_t section = section_of_type(elf, SHT_DYNSYM);
    struct symbol_table table;
    int rc = 0;

    if (section < elf->section_count) {
        rc = load_symbols(elf, section, &table, err);
        if (rc == 0)
            rc = find_in_table(&table, name, address, size_bytes);
        release_table(&table);
    }
    if (rc == 0)
        return gt_error_set(err, GT_ERR_NOT_FOUND, "%s does not export %s", elf->path, name);
    return rc < 0 ? rc : 0;
}

int gt_elf_interpreter(const struct gt_elf *elf, char *path, size_t size, struct gt_error *err)
{
    for (size_t i = 0; i < elf->segment_count; i++) {
        const Elf64_Phdr *segment = &elf->segments[i];
        size_t got;

        if (segment->p_type != PT_INTERP || segment->p_filesz >= size)
            continue;
        got = gt_elf_read(elf, segment->p_offset, path, (size_t)segment->p_filesz);
        path[got] = '\0';
        if (path[0] == '/')
            return 0;
    }
    return gt_error_set(err, GT_ERR_NOT_FOUND, "%s is a static program", elf->path);
}

bool gt_elf_lacks_loader(const char *program, char *loader, size_t size)
{
    struct gt_elf elf;
    bool found;

    if (gt_elf_open(&elf, program, NULL) < 0)
        return false;
    found = gt_elf_interpreter(&elf, loader, size, NULL) == 0;
    gt_elf_close(&elf);
    return found && access(loader, F_OK) != 0;
}
