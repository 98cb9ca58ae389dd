/* Telling a story (story.h): what one thread did, stretch by stretch, as steps of the replay.
 */
#ifndef GT_ANALYSIS_TELLING_H
#define GT_ANALYSIS_TELLING_H

#include "analysis/bonds.h"
#include "analysis/cpu.h"
#include "analysis/ends.h"
#include "analysis/story.h"

/* That the kernel takes to end a process. */
#define GT_EXIT_NS ((int64_t)20000000)

/* What is being told of one thread. */
struct gt_teller {
    uint32_t thread, index; /* of the timeline, of the replay */
    int64_t now_ns;         /* told until then */
    size_t bond, piece;     /* the next ones */
    struct gt_cpu cpu;
    bool ending;           /* after its last hold: its end is not measured */
    size_t unbound;        /* its first step after the last bond */
    int64_t taken_over_ns; /* its last hold was broken off by who had the GIL from then on; 0 */
    /* Holds and free times that are being put together. */
    uint32_t gil;
    int64_t hold_ns, free_ns;
};

struct gt_telling {
    struct gt_story *story;
    const struct gt_timeline *timeline;
    const struct gt_blockers *blockers;
    struct gt_bonds bonds;
    struct gt_pieces pieces;
    struct gt_cpu_load load;
    struct gt_teller *tellers; /* by thread of the timeline */
    uint32_t *replayed;
    struct gt_ends ends;
};

enum gt_doing_of_gil { GT_WITHOUT_GIL, GT_WITH_GIL, GT_WAITING_FOR_GIL };

/* All until `until_ns`: what it did, with the bonds in their places. 0 or -1. */
int gt_tell_until(struct gt_telling *telling, struct gt_teller *teller,
                  enum gt_doing_of_gil doing, uint32_t gil, int64_t until_ns);
/* One step; short holds, and short times between them, become one of each. 0 or -1. */
int gt_tell(struct gt_telling *telling, struct gt_teller *teller, struct gt_replay_step step);
/* One step, now. 0 or -1. */
int gt_tell_now(struct gt_telling *telling, struct gt_teller *teller,
                struct gt_replay_step step);
/* What is being put together. 0 or -1. */
int gt_tell_rest(struct gt_telling *telling, struct gt_teller *teller);

#endif
