/* SPDX-License-Identifier: MIT */
#include "report/protobuf.h"

enum { VARINT = 0, BYTES = 2 }; /* wire types */

int gt_protobuf_varint(struct gt_buf *out, uint64_t value)
{
    char bytes[10];
    size_t length = 0;

    for (; value >= 0x80; value >>= 7)
        bytes[length++] = (char)(value | 0x80);
    bytes[length++] = (char)value;
    return gt_buf_add(out, bytes, length);
}

int gt_protobuf_number(struct gt_buf *out, unsigned field, uint64_t value)
{
    if (gt_protobuf_varint(out, field << 3 | VARINT))
        return -1;
    return gt_protobuf_varint(out, value);
}

int gt_protobuf_bytes(struct gt_buf *out, unsigned field, const char *data, size_t length)
{
    if (gt_protobuf_varint(out, field << 3 | BYTES) || gt_protobuf_varint(out, length))
        return -1;
    return gt_buf_add(out, data ? data : "", length);
}

int gt_protobuf_message(struct gt_buf *out, unsigned field, struct gt_buf *message)
{
    int rc = gt_protobuf_bytes(out, field, message->data, message->length);

    gt_buf_reset(message);
    return rc;
}
