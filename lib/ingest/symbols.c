/* SPDX-License-Identifier: MIT */
#include "ingest/symbols.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FILES_MAX = 4096,
    SECTIONS_MAX = 4096,
    TABLE_MAX = 256 << 20, /* bytes */
};

struct symbol {
    uint64_t start, size;
    uint32_t name;
    uint32_t rank; /* which of those at one address: the greatest */
};

struct file {
    struct symbol *symbols; /* sorted */
    size_t count;
    char *names; /* ends with NUL */
    size_t names_size;
};

void gt_symbols_init(struct gt_symbols *symbols)
{
    *symbols = (struct gt_symbols){0};
    gt_intern_init(&symbols->paths);
    gt_chunks_init(&symbols->files, sizeof(struct file));
}

void gt_symbols_release(struct gt_symbols *symbols)
{
    for (size_t i = 0; i < symbols->files.count; i++) {
        struct file *file = gt_chunks_at(&symbols->files, i);

        free(file->symbols);
        free(file->names);
    }
    gt_chunks_release(&symbols->files);
    gt_intern_release(&symbols->paths);
    if (symbols->library)
        dlclose(symbols->library);
}

/* --- reading --- */

/* `size` bytes of the file on the heap, with a NUL behind them. */
static void *read_part(int fd, uint64_t size, uint64_t offset)
{
    char *data;

    if (size > TABLE_MAX || offset > INT64_MAX || !(data = malloc((size_t)size + 1)))
        return NULL;
    data[size] = '\0';
    if (pread(fd, data, (size_t)size, (off_t)offset) == (ssize_t)size)
        return data;
    free(data);
    return NULL;
}

static int order(const void *left, const void *right)
{
    const struct symbol *a = left, *b = right;

    if (a->start != b->start)
        return a->start < b->start ? -1 : 1;
    return a->rank < b->rank ? -1 : a->rank > b->rank;
}

/* Of names for one address: one without underscores before it, that is exported. */
static uint32_t rank_of(const Elf64_Sym *symbol, const char *name)
{
    unsigned bind = ELF64_ST_BIND(symbol->st_info);

    return (name[0] != '_' ? 4u : 0u) + (bind == STB_GLOBAL ? 2u : bind == STB_WEAK ? 1u : 0u);
}

static void take_symbols(struct file *file, const Elf64_Sym *table, size_t count)
{
    file->symbols = calloc(count + 1, sizeof(*file->symbols));
    for (size_t i = 0; file->symbols && i < count; i++) {
        const Elf64_Sym *symbol = &table[i];
        unsigned type = ELF64_ST_TYPE(symbol->st_info);

        if ((type != STT_FUNC && type != STT_GNU_IFUNC) || symbol->st_shndx == SHN_UNDEF ||
            symbol->st_name >= file->names_size || !file->names[symbol->st_name])
            continue;
        file->symbols[file->count++] =
            (struct symbol){symbol->st_value, symbol->st_size, symbol->st_name,
                            rank_of(symbol, file->names + symbol->st_name)};
    }
    if (file->symbols)
        qsort(file->symbols, file->count, sizeof(*file->symbols), order);
}

/* The symbols of the section, whose names are in another one. */
static void read_table(int fd, struct file *file, const Elf64_Shdr *section,
                       const Elf64_Shdr *names)
{
    Elf64_Sym *table = read_part(fd, section->sh_size, section->sh_offset);

    file->names = read_part(fd, names->sh_size, names->sh_offset);
    file->names_size = (size_t)names->sh_size;
    if (table && file->names)
        take_symbols(file, table, (size_t)(section->sh_size / sizeof(*table)));
    free(table);
}

/* Take the first table of this type; false: there is none. */
static bool read_type(int fd, struct file *file, uint32_t type)
{
    Elf64_Ehdr head;
    Elf64_Shdr *sections;
    bool found = false;

    if (pread(fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head) ||
        memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_ident[EI_CLASS] != ELFCLASS64 ||
        head.e_shentsize != sizeof(Elf64_Shdr) || head.e_shnum > SECTIONS_MAX)
        return false;
    sections = read_part(fd, head.e_shnum * sizeof(*sections), head.e_shoff);
    for (size_t i = 0; sections && i < head.e_shnum && !found; i++) {
        found = sections[i].sh_type == type && sections[i].sh_link < head.e_shnum;
        if (found)
            read_table(fd, file, &sections[i], &sections[sections[i].sh_link]);
    }
    free(sections);
    return found;
}

/* A recording may name anything: only a plain file is read. */
static int open_plain(const char *path)
{
    int fd = path[0] == '/' ? open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK) : -1;
    struct stat st;

    if (fd < 0 || (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)))
        return fd;
    close(fd);
    return -1;
}

static void read_file(struct file *file, const char *path, const char *build_id)
{
    int fd = open_plain(path), debug = -1;
    char name[160];
    bool found = fd >= 0 && read_type(fd, file, SHT_SYMTAB);

    if (!found && strlen(build_id) > 2) {
        snprintf(name, sizeof(name), "/usr/lib/debug/.build-id/%.2s/%s.debug", build_id,
                 build_id + 2);
        debug = open_plain(name);
    }
    if (debug >= 0) {
        found = read_type(debug, file, SHT_SYMTAB);
        close(debug);
    }
    if (!found && fd >= 0)
        read_type(fd, file, SHT_DYNSYM);
    if (fd >= 0)
        close(fd);
}

static const struct file *find_file(struct gt_symbols *symbols, const char *path, size_t length,
                                    const char *build_id)
{
    uint32_t id = gt_intern_add(&symbols->paths, path, length);

    if (id == UINT32_MAX || id > FILES_MAX)
        return NULL;
    while (symbols->files.count <= id) {
        struct file *file = gt_chunks_push(&symbols->files);

        if (!file)
            return NULL;
        *file = (struct file){0};
        if (symbols->files.count - 1 == id)
            read_file(file, gt_intern_text(&symbols->paths, id), build_id);
    }
    return gt_chunks_at(&symbols->files, id);
}

/* --- names --- */

/* "core::fmt::write::h0123456789abcdef": the hash at the end of a name of Rust's says nothing.
 */
static void cut_hash(char *name)
{
    enum { HASH = 3 + 16 };
    size_t length = strlen(name);

    if (length > HASH && strncmp(name + length - HASH, "::h", 3) == 0 &&
        strspn(name + length - HASH + 3, "0123456789abcdef") == 16)
        name[length - HASH] = '\0';
}

/* As perf prints it: without arguments. */
static void cut_arguments(char *name)
{
    size_t length = strlen(name);
    int depth = 0;

    if (length && name[length - 1] != ')')
        return;
    while (length-- > 0) {
        depth += (name[length] == ')') - (name[length] == '(');
        if (depth == 0)
            break;
    }
    if (length > 0 && length != SIZE_MAX)
        name[length] = '\0';
}

static char *demangled(struct gt_symbols *symbols, const char *name)
{
    char *plain;
    int status = 0;

    if (!symbols->looked) {
        symbols->looked = true;
        symbols->library = dlopen("libstdc++.so.6", RTLD_LAZY | RTLD_LOCAL);
        if (symbols->library)
            *(void **)&symbols->demangle = dlsym(symbols->library, "__cxa_demangle");
    }
    plain = symbols->demangle ? symbols->demangle(name, NULL, NULL, &status) : NULL;
    if (!plain)
        return strdup(name);
    cut_arguments(plain);
    cut_hash(plain);
    return plain;
}

char *gt_symbols_name(struct gt_symbols *symbols, const char *path, size_t length,
                      const char *build_id, uint64_t address)
{
    const struct file *file = find_file(symbols, path, length, build_id);
    const struct symbol *symbol;
    const char *name;
    size_t low = 0, high = file && file->symbols ? file->count : 0;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (file->symbols[middle].start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return NULL;
    symbol = &file->symbols[low - 1];
    if (address - symbol->start >= (symbol->size ? symbol->size : 1))
        return NULL;
    name = file->names + symbol->name;
    return strncmp(name, "_Z", 2) == 0 ? demangled(symbols, name) : strdup(name);
}
