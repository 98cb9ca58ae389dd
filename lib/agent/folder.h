/* SPDX-License-Identifier: MIT */
/*
 * Files in the folder of the run's log, opened anew whenever one is needed: the target may
 * close any descriptor, and sees those that are open. Trouble is told in errno.
 */
#ifndef GT_AGENT_FOLDER_H
#define GT_AGENT_FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Is it an absolute path to a folder of this user's where nobody else can put a link or read?
 * When not, errno is why, or 0 for a folder that others may use. */
bool gt_agent_folder_is_private(const char *path);

/* Open the file `name` in the folder `dir`, of at most GT_WIRE_PATH_SIZE bytes, for reading and
 * writing, with further flags of open(2). A descriptor, or -1. */
int gt_agent_file_open(const char *dir, const char *name, int flags);

/* close(2), and errno stays as it was. */
void gt_agent_file_close(int fd);

/* Allocate disk space; it fails where the file would become longer than the process may make
 * one. It is done before the file is mapped, since a write to a mapped hole raises SIGBUS when
 * the disk is full. */
bool gt_agent_file_allocate(int fd, uint64_t offset, size_t size);

/* The length up to which a file may be written without raising SIGXFSZ. */
uint64_t gt_agent_file_limit(void);

#endif
