/* SPDX-License-Identifier: MIT */
/* Private to base/: what a word of TOML without quotes is. */
#ifndef GT_BASE_TOML_SCALAR_H
#define GT_BASE_TOML_SCALAR_H

#include "base/toml.h"

enum { GT_TOML_WORD_MAX = 127 };

/* Finds kind, and integer, number or truth, of a word of at most GT_TOML_WORD_MAX bytes. Takes
 * the underscores out of the word. False: it is nothing that TOML knows. */
bool gt_toml_scalar(char *word, struct gt_toml_value *value);

#endif
