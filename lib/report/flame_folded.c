/* SPDX-License-Identifier: MIT */
#include "report/flame_folded.h"

#include "base/nstime.h"

int gt_flame_folded(const struct gt_flame *flame, struct gt_buf *text)
{
    for (uint32_t i = 1; i < flame->nodes.count; i++) {
        const struct gt_flame_node *node = gt_flame_at(flame, i);
        uint32_t path[GT_FLAME_DEPTH_MAX];
        uint32_t depth = 0;

        if (node->self_ns == 0)
            continue;
        for (uint32_t at = i; at && depth < GT_FLAME_DEPTH_MAX;
             at = gt_flame_at(flame, at)->parent)
            path[depth++] = at;
        while (depth-- > 0)
            if (gt_buf_adds(text, gt_intern_text(&flame->names,
                                                 gt_flame_at(flame, path[depth])->name)) ||
                (depth && gt_buf_adds(text, ";")))
                return -1;
        if (gt_buf_addf(text, " %lld\n",
                        (long long)(flame->counts
                                        ? node->self_ns
                                        : (node->self_ns + GT_NS_PER_US - 1) / GT_NS_PER_US)))
            return -1;
    }
    return 0;
}
