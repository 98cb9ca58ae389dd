/*
 * Fuzz target: any bytes as `perf script` text, through parser, model and analysis. What is
 * read is hostile, so nothing may crash, leak, overflow or take for ever, and the invariants of
 * timeline.h must hold whatever the text says.
 *
 *     cmake -S . -B build-fuzz -DGT_FUZZ=ON -DCMAKE_C_COMPILER=clang && ninja -C build-fuzz
 *     build-fuzz/fuzz_source -dict=tests/fuzz/perf-script.dict NEW tests/fuzz/corpus
 *
 * Without GT_FUZZ this is a program that replays the files given to it.
 */
#include "../unit/feed.h"

#include "analysis/contention.h"
#include "base/buf.h"
#include "base/fs.h"
#include "script/source.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int take_event(void *context, const struct gt_event *event)
{
    return gt_timeline_feed(context, event);
}

static void must(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "fuzz_source: %s\n", what);
    abort();
}

static void check(const struct gt_timeline *timeline)
{
    const char *broken = broken_invariant(timeline);

    must(!broken, broken ? broken : "");
    must(timeline->quality.accounting_errors == 0, "the parts exceed the whole");
    for (uint32_t i = 0; i < timeline->gils.count; i++) {
        const struct gt_gil *gil = gt_gil_at(timeline, i);
        struct gt_contention contention;

        must(gt_contention_init(&contention, gil, NULL) == 0, "out of memory");
        for (uint32_t member = 0; member < gil->members.count; member++) {
            size_t count, first = gt_contention_of(&contention, member, &count);
            int64_t sum_ns = 0;

            for (size_t at = first; at < first + count; at++)
                sum_ns += gt_blame_at(&contention, at)->ns;
            must(sum_ns == gt_member_at(gil, member)->wait_ns, "blame does not add up");
        }
        gt_contention_release(&contention);
    }
}

/* The first byte chooses: stacks, a single GIL, and in what pieces the text comes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct gt_source source;
    struct gt_timeline *timeline;
    size_t piece;

    if (size == 0)
        return 0;
    timeline = gt_timeline_new(data[0] & 1, NULL);
    must(timeline != NULL, "out of memory");
    gt_source_init(&source, take_event, timeline, data[0] & 2);
    piece = data[0] & 4 ? 1u + (data[0] >> 3) : size;
    for (size_t at = 1; at < size; at += piece) {
        /* A block of its own, so that AddressSanitizer sees its end. */
        size_t length = size - at < piece ? size - at : piece;
        char *copy = malloc(length);

        must(copy != NULL, "out of memory");
        memcpy(copy, data + at, length);
        must(gt_source_feed(&source, copy, length) == 0, "out of memory");
        free(copy);
    }
    must(gt_source_finish(&source) == 0, "out of memory");
    must(gt_timeline_finish(timeline, NULL) == 0, "out of memory");
    check(timeline);
    gt_source_release(&source);
    gt_timeline_free(timeline);
    return 0;
}
