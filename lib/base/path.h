/* SPDX-License-Identifier: MIT */
/*
 * Paths of what is written, and of configuration that is read, opened component by component
 * and by descriptor, so that nobody can lead a privileged process elsewhere with a link,
 * however fast he changes it.
 *
 * A link on the way is followed where root or we own it and nobody else can write the folder
 * that it lies in (linked homes are common); any other is refused. Folders are entered whoever
 * owns them: who names another user's folder writes there. "Root" is also whoever owns "/": in
 * a user namespace, that is how root looks.
 *
 * Descriptors that these functions return are O_PATH and close-on-exec. Errors say what is
 * wrong with which component, without a remedy.
 */
#ifndef GT_BASE_PATH_H
#define GT_BASE_PATH_H

#include "base/error.h"

#include <stdbool.h>

/*
 * Open the folder of the file that `path` names. `*name` is set to the file's name in it, a
 * part of `path` without a slash; the name itself is not looked at. A descriptor, or negative:
 * a path that ends with a slash or a dot names a folder.
 */
int gt_path_open_parent(const char *path, const char **name, struct gt_error *err);

/*
 * Open a folder whose path stays its own. For root, each folder on the way, and itself, belongs
 * to root, and others cannot replace what is in it (they cannot write it, or it is sticky). An
 * ordinary user may have folders within those of others; for him only links are judged. With
 * `make` the last component is made (0700) where it is missing. `*real` is set to its absolute
 * path without links, malloc'd, which may be handed to other programs. A descriptor, or
 * negative.
 */
int gt_path_open_stable(const char *path, bool make, char **real, struct gt_error *err);

/*
 * Open for reading a regular file that only root and we can have written: it belongs to one of
 * us, and so does its folder, and nobody else can write either. The file may be a link, by the
 * same rule for each folder on the way; for root, folders are as in gt_path_open_stable. A
 * descriptor; GT_ERR_NOT_FOUND: there is no file of that name; GT_ERR_PERMISSION: somebody else
 * can have written it, or it is not ours to read; or negative.
 */
int gt_path_open_trusted(const char *path, struct gt_error *err);

/* Can anybody but root and us put something into this folder, or write this file? A group of
 * our own number counts as us (useradd gives each user such a group), unless the folder has an
 * access control list.
 */
bool gt_path_others_can_write(int folder);

#endif
