/* SPDX-License-Identifier: MIT */
/*
 * Options from files: `[tool.giltracer]` of pyproject.toml in the working directory, then
 * giltracer.toml in $XDG_CONFIG_HOME (else ~/.config), where options stand at the top. The
 * command line goes before the first file, and that before the second.
 *
 *     state-detect = true
 *     native-freq = 199
 *     fail-if = ["wait > 20%", "longest_wait > 50ms"]
 *
 * Names are the long ones of options that have GT_OPTION_CONFIG. A file is read where only root
 * and the user can have written it (base/path.h).
 */
#ifndef GILTRACER_CONFIG_H
#define GILTRACER_CONFIG_H

#include "base/error.h"
#include "base/strvec.h"
#include "base/toml.h"
#include "event/run_info.h"

#include <stddef.h>

struct gt_cli;

enum { GT_CONFIG_FILES = 2 };

struct gt_config_file {
    char *path; /* owned; NULL: there is no such file, or it says nothing of giltracer */
    struct gt_toml toml;
    struct gt_strvec options; /* the names of those that are in force */
};

struct gt_config {
    struct gt_config_file files[GT_CONFIG_FILES];
    struct gt_run_config used[GT_CONFIG_FILES + 1]; /* of those above that have a path */
};

void gt_config_init(struct gt_config *config);
void gt_config_release(struct gt_config *config);

/* Set what the files say and nothing before them settles, unless --no-config, --dump or
 * --control-fd was given; then see whether all options go together (gt_cli_check). A file that
 * is not to be trusted is left out, which is said. To be called with the user's rights, once.
 * 0; GT_ERR_USAGE with file, line and remedy; or another error. */
int gt_config_apply(struct gt_cli *cli, struct gt_error *err);

/* Say which options came from which file; nothing where none did. */
void gt_config_say(const struct gt_config *config);

#endif
