/* SPDX-License-Identifier: MIT */
/* --open: the page in the user's browser. */
#ifndef GILTRACER_OPEN_PAGE_H
#define GILTRACER_OPEN_PAGE_H

#include "base/error.h"

/* Start the first program of $BROWSER that is there, else xdg-open, with the page, and leave it
 * alone: it may live as long as the browser. It has the user's rights, and nothing of our
 * terminal. 0, or negative where there is none or it cannot be started. */
int gt_open_page(const char *path, struct gt_error *err);

#endif
