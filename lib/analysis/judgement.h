/* SPDX-License-Identifier: MIT */
/*
 * What a function that was waited for did wrong, and what helps. Decided here, worded in
 * report/blocker_text.c and report/remedy.c.
 */
#ifndef GT_ANALYSIS_JUDGEMENT_H
#define GT_ANALYSIS_JUDGEMENT_H

#include "analysis/blockers.h"

/* What kept the GIL although a waiter had asked for it. */
enum gt_cause {
    GT_CAUSE_NONE,      /* nothing did: it gives the GIL up when it is asked */
    GT_CAUSE_CALL,      /* one call of a C function */
    GT_CAUSE_LOOP,      /* a C function that makes many short calls of others */
    GT_CAUSE_GC,        /* the garbage collector */
    GT_CAUSE_IMPORT,    /* an import statement */
    GT_CAUSE_OPERATION, /* something within a Python function: not known what */
    GT_CAUSES
};

enum gt_remedy {
    GT_REMEDY_NONE, /* it did not keep the GIL */
    /* It slept with the GIL for longer than it worked: */
    GT_REMEDY_DEADLOCK_ASLEEP, /* … until the process ended: release it before the wait */
    GT_REMEDY_WAIT_OF_CALL,    /* … in a C function that is known: see `owner` */
    GT_REMEDY_WAIT_UNTRACED,   /* … in one that is not */
    /* It worked: */
    GT_REMEDY_DEADLOCK,     /* … until the process ended */
    GT_REMEDY_TRACE,        /* trace functions, to see what it did */
    GT_REMEDY_COLLECT_LESS, /* keep the garbage collector away from the waiters */
    GT_REMEDY_IMPORT_EARLY, /* import before threads start */
    GT_REMEDY_SPLIT_LOOP,   /* cut the input of the loop into parts */
    GT_REMEDY_WORK_OF_CALL, /* release the GIL around the work, or move it: see `owner` */
    GT_REMEDY_SMALLER,      /* make the operation smaller, or move it */
};

/* Whose the C function is: who could change it. */
enum gt_owner {
    GT_OWNER_UNKNOWN,
    GT_OWNER_PYTHON,  /* a part of CPython */
    GT_OWNER_PACKAGE, /* of an installed package */
    GT_OWNER_PROGRAM, /* of an extension of the program's own */
};

/* How an author of such an extension releases the GIL: by what it was made with. */
enum gt_release_with {
    GT_RELEASE_WITH_C_API,
    GT_RELEASE_WITH_CYTHON,
    GT_RELEASE_WITH_PYBIND11,
};

/* What a function is charged with that did nothing of the above. */
enum gt_charge {
    GT_CHARGE_NONE,         /* something worse is known of it, or nobody waited for it */
    GT_CHARGE_NO_FUNCTION,  /* a thread had the GIL, in which function is not known */
    GT_CHARGE_WAITED_FOR,   /* it was waited for */
    GT_CHARGE_NOT_ASKED,    /* nobody waited long enough to ask it for the GIL */
    GT_CHARGE_NOT_RECORDED, /* whether it had a CPU after a request: mostly not recorded */
    GT_CHARGE_GAVE_UP,      /* Python code that gave the GIL up as it was asked to, as a rule */
    GT_CHARGE_GAVE_UP_LATE, /* … a millisecond or more later, as a rule: too short to matter */
};

struct gt_judgement {
    enum gt_cause cause;
    enum gt_remedy remedy;             /* of `cause` */
    enum gt_owner owner;               /* of GT_REMEDY_WAIT_OF_CALL and _WORK_OF_CALL */
    enum gt_release_with release_with; /* the same */
    bool ready_counts, stopped_counts, paging_counts; /* parts of row.after that matter */
    bool slept;    /* it slept with the GIL for longer than it worked */
    bool releases; /* it was waited for, though it works without the GIL for the most part */
    bool requeues; /* gt_blocker_is_requeuer */
    bool fewer_calls_help; /* it does so once or twice in a call; else, as a loop of events or a
                              cursor does, again and again in one */
    enum gt_charge charge;
    bool rest_unknown; /* GT_CHARGE_GAVE_UP: what it did the other times is not known */
};

/* Does it not give the GIL up when asked? */
bool gt_blocker_keeps(const struct gt_blocker *blocker);

/* Did it work without the GIL for longer than it held it? Then it releases the GIL, except for
 * a part of its work. */
bool gt_blocker_releases_mostly(const struct gt_blocker *blocker);

/* Did it release and take the GIL so often that getting it back took longer than what it did
 * without it? */
bool gt_blocker_is_requeuer(const struct gt_blocker *blocker);

/* `row` is of `timeline`, whose functions tell whose they are. */
struct gt_judgement gt_judge_blocker(const struct gt_timeline *timeline,
                                     const struct gt_blocker *row);

/* How many of the rows, which come with the most waiting first, are worth a line, where all
 * waited for `wait_ns`; and is a gap in which all waited for `ns`? */
size_t gt_blockers_notable(const struct gt_blockers *blockers, int64_t wait_ns);
bool gt_gap_is_notable(int64_t ns, int64_t wait_ns);

#endif
