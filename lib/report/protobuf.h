/* SPDX-License-Identifier: MIT */
/*
 * Private to report/: a small writer of protocol buffers. Fields are appended to a gt_buf;
 * messages within messages are built in a buffer of their own first. 0 or -1 (no memory).
 */
#ifndef GT_REPORT_PROTOBUF_H
#define GT_REPORT_PROTOBUF_H

#include "base/buf.h"

#include <stddef.h>
#include <stdint.h>

int gt_protobuf_varint(struct gt_buf *out, uint64_t value);
int gt_protobuf_number(struct gt_buf *out, unsigned field, uint64_t value);
int gt_protobuf_bytes(struct gt_buf *out, unsigned field, const char *data, size_t length);
/* Append `message` as a field, and empty it. */
int gt_protobuf_message(struct gt_buf *out, unsigned field, struct gt_buf *message);

#endif
