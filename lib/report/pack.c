/* SPDX-License-Identifier: MIT */
#include "report/pack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Columns of times are noise in their low bits: Huffman coding takes a tenth to a third off
 * them, and nobody need look for matches. Others (who, which function, how deep) repeat
 * themselves. That costs no time: what is saved need not become text.
 */
enum { VARINT_MAX_BYTES = 10, LEVEL = 1, WINDOW_BITS = 15 + 16 /* gzip */, MEMORY = 9 };
enum {
    COLUMN_BYTES = GT_PACK_ROWS * VARINT_MAX_BYTES,
    HEAD_BYTES = (1 + GT_PACK_COLUMNS) * VARINT_MAX_BYTES,
    PAYLOAD_BYTES = HEAD_BYTES + GT_PACK_COLUMNS * COLUMN_BYTES,
};

struct gt_pack *gt_pack_new(struct gt_output *output, struct gt_error *err)
{
    struct gt_pack *pack = calloc(1, sizeof(*pack));

    if (!pack)
        goto fail;
    pack->output = output;
    for (unsigned i = 0; i < GT_PACK_COLUMNS; i++) {
        pack->column[i] = malloc(COLUMN_BYTES);
        if (!pack->column[i])
            goto fail;
    }
    if (deflateInit2(&pack->stream, LEVEL, Z_DEFLATED, WINDOW_BITS, MEMORY, Z_RLE) != Z_OK)
        goto fail;
    pack->stream_ready = true;
    pack->squeezed_capacity = deflateBound(&pack->stream, PAYLOAD_BYTES);
    pack->squeezed = malloc(pack->squeezed_capacity);
    pack->text = malloc(gt_base64_length(pack->squeezed_capacity));
    if (!pack->squeezed || !pack->text)
        goto fail;
    return pack;
fail:
    gt_pack_free(pack);
    gt_error_memory(err);
    return NULL;
}

void gt_pack_free(struct gt_pack *pack)
{
    if (!pack)
        return;
    for (unsigned i = 0; i < GT_PACK_COLUMNS; i++)
        free(pack->column[i]);
    if (pack->stream_ready)
        deflateEnd(&pack->stream);
    free(pack->squeezed);
    free(pack->text);
    free(pack);
}

static void rewind_block(struct gt_pack *pack)
{
    pack->rows = 0;
    for (unsigned i = 0; i < GT_PACK_COLUMNS; i++)
        pack->at[i] = pack->column[i];
}

void gt_pack_begin(struct gt_pack *pack, const char *table, uint32_t key, unsigned columns)
{
    pack->table = table;
    pack->key = key;
    pack->columns = columns;
    rewind_block(pack);
}

uint64_t gt_pack_bytes(const struct gt_pack *pack)
{
    return pack->bytes;
}

/* One piece of the block through the compressor; there is always room (deflateBound). */
static int squeeze(struct gt_pack *pack, unsigned char *data, size_t length, int flush)
{
    int wanted = flush == Z_FINISH ? Z_STREAM_END : Z_OK;

    pack->stream.next_in = data;
    pack->stream.avail_in = (uInt)length;
    if (length == 0 && flush == Z_NO_FLUSH)
        return 0;
    return deflate(&pack->stream, flush) == wanted ? 0 : -1;
}

/* Are there no matches to be found? Judged by how often two bytes of it are equal. */
static bool is_noise(const unsigned char *data, size_t length)
{
    enum { SAMPLE = 4096, LEAST = 256, DISTINCT = 14 };
    uint32_t counts[256] = {0};
    uint64_t pairs = 0;

    if (length < LEAST)
        return false;
    if (length > SAMPLE)
        length = SAMPLE;
    for (size_t i = 0; i < length; i++)
        counts[data[i]]++;
    for (size_t i = 0; i < 256; i++)
        pairs += (uint64_t)counts[i] * counts[i];
    return pairs * DISTINCT <= (uint64_t)length * length;
}

static int squeeze_column(struct gt_pack *pack, unsigned column)
{
    unsigned char *data = pack->column[column];
    size_t length = (size_t)(pack->at[column] - data);
    int strategy = is_noise(data, length) ? Z_HUFFMAN_ONLY : Z_DEFAULT_STRATEGY;

    if (deflateParams(&pack->stream, LEVEL, strategy) != Z_OK)
        return -1;
    return squeeze(pack, data, length, Z_NO_FLUSH);
}

static int squeeze_block(struct gt_pack *pack, size_t *length)
{
    unsigned char head[HEAD_BYTES];
    unsigned char *end = gt_varint(head, pack->columns);

    for (unsigned i = 0; i < pack->columns; i++)
        end = gt_varint(end, (uint64_t)(pack->at[i] - pack->column[i]));
    if (deflateReset(&pack->stream) != Z_OK)
        return -1;
    pack->stream.next_out = pack->squeezed;
    pack->stream.avail_out = (uInt)pack->squeezed_capacity;
    if (squeeze(pack, head, (size_t)(end - head), Z_NO_FLUSH))
        return -1;
    for (unsigned i = 0; i < pack->columns; i++)
        if (squeeze_column(pack, i))
            return -1;
    if (squeeze(pack, head, 0, Z_FINISH))
        return -1;
    *length = pack->squeezed_capacity - pack->stream.avail_out;
    return 0;
}

static int write_out(struct gt_pack *pack, const char *text, size_t length,
                     struct gt_error *err)
{
    pack->bytes += length;
    return pack->output ? gt_output_write(pack->output, text, length, err) : 0;
}

static int write_block(struct gt_pack *pack, struct gt_error *err)
{
    static const char close[] = "</script>\n";
    char open[160];
    size_t length;
    char *end;
    int rc;

    if (squeeze_block(pack, &length))
        return gt_error_memory(err);
    end = gt_base64(pack->text, pack->squeezed, length);
    snprintf(open, sizeof(open),
             "<script type=\"application/octet-stream\" data-table=\"%s\" data-key=\"%u\" "
             "data-rows=\"%zu\">",
             pack->table, pack->key, pack->rows);
    rc = write_out(pack, open, strlen(open), err);
    if (rc == 0)
        rc = write_out(pack, pack->text, (size_t)(end - pack->text), err);
    if (rc == 0)
        rc = write_out(pack, close, sizeof(close) - 1, err);
    rewind_block(pack);
    return rc;
}

int gt_pack_end_row(struct gt_pack *pack, struct gt_error *err)
{
    pack->rows++;
    return pack->rows < GT_PACK_ROWS ? 0 : write_block(pack, err);
}

int gt_pack_end(struct gt_pack *pack, struct gt_error *err)
{
    return pack->rows == 0 ? 0 : write_block(pack, err);
}

char *gt_base64(char *text, const unsigned char *data, size_t length)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t i = 0;

    for (; i + 2 < length; i += 3) {
        unsigned bits = (unsigned)data[i] << 16 | (unsigned)data[i + 1] << 8 | data[i + 2];

        *text++ = digits[bits >> 18];
        *text++ = digits[bits >> 12 & 63];
        *text++ = digits[bits >> 6 & 63];
        *text++ = digits[bits & 63];
    }
    if (i < length) {
        bool two = i + 1 < length;
        unsigned bits = (unsigned)data[i] << 16 | (two ? (unsigned)data[i + 1] << 8 : 0);

        *text++ = digits[bits >> 18];
        *text++ = digits[bits >> 12 & 63];
        *text++ = two ? digits[bits >> 6 & 63] : '=';
        *text++ = '=';
    }
    return text;
}
