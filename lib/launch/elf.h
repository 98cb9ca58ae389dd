/* SPDX-License-Identifier: MIT */
/*
 * What giltracer needs to know of an ELF file: function symbols with the file offsets that
 * uprobes take, the program interpreter, bytes of code. Every offset and size in the file is
 * checked, since the file may be anyone's. Only 64-bit files of this machine's byte order are
 * read.
 */
#ifndef GT_LAUNCH_ELF_H
#define GT_LAUNCH_ELF_H

#include "base/error.h"

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gt_elf {
    int fd;
    const char *path; /* borrowed from the caller */
    uint64_t size;    /* bytes of the file */
    Elf64_Ehdr header;
    Elf64_Phdr *segments;
    Elf64_Shdr *sections;
    size_t segment_count, section_count;
};

struct gt_elf_symbol {
    const char *name;     /* valid during the call */
    uint64_t offset;      /* in the file, of the first instruction */
    uint64_t size_bytes;  /* as the symbol says; 0: it does not say */
    bool default_version; /* `name@@VERSION` or unversioned, rather than `name@VERSION` */
};

/* A result that is not 0 ends the walk, and becomes its result. */
typedef int (*gt_elf_symbol_fn)(void *context, const struct gt_elf_symbol *symbol);

int gt_elf_open(struct gt_elf *elf, const char *path, struct gt_error *err);
void gt_elf_close(struct gt_elf *elf);

/* Visit the defined functions of .symtab and .dynsym; a function may come twice. A file without
 * symbols is no error. */
int gt_elf_each_function(const struct gt_elf *elf, gt_elf_symbol_fn visit, void *context,
                         struct gt_error *err);

/* The default version of a dynamic function; GT_ERR_NOT_FOUND. Its name is not kept. */
int gt_elf_find_function(const struct gt_elf *elf, const char *name,
                         struct gt_elf_symbol *function, struct gt_error *err);

/* Find the address (as linked) and size of an exported variable; GT_ERR_NOT_FOUND. */
int gt_elf_find_object(const struct gt_elf *elf, const char *name, uint64_t *address,
                       uint64_t *size_bytes, struct gt_error *err);

/* Read up to `length` bytes at a file offset. Returns how many there were. */
size_t gt_elf_read(const struct gt_elf *elf, uint64_t offset, void *data, size_t length);

/* Copy the program interpreter (the dynamic loader's path) to `path`. GT_ERR_NOT_FOUND when the
 * program is static. */
int gt_elf_interpreter(const struct gt_elf *elf, char *path, size_t size, struct gt_error *err);

/* Is the loader of this program missing on this machine? Then execve fails with ENOENT although
 * the program exists, and `loader` is set to the missing path. */
bool gt_elf_lacks_loader(const char *program, char *loader, size_t size);

#endif
