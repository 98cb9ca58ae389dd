/* SPDX-License-Identifier: MIT */
/*
 * Private to analysis/: a set of intervals of time, of which several may be open at once (waits
 * of many threads), and how much of them lies in a window. 16 bytes per interval.
 */
#ifndef GT_ANALYSIS_COVER_H
#define GT_ANALYSIS_COVER_H

#include <stddef.h>
#include <stdint.h>

struct gt_cover {
    int64_t *starts, *ends; /* each sorted for itself: which belong together does not matter */
    size_t count, room;
};

void gt_cover_init(struct gt_cover *cover);
void gt_cover_release(struct gt_cover *cover);

/* Add [start, end), and sort when all are added. An empty interval is none. 0 or -1 (no
 * memory).
 */
int gt_cover_add(struct gt_cover *cover, int64_t start_ns, int64_t end_ns);
/* Take [start, end), which lies within intervals that are added, out again: one of them is then
 * closed meanwhile. */
int gt_cover_remove(struct gt_cover *cover, int64_t start_ns, int64_t end_ns);
/* Add all of another one. */
int gt_cover_add_all(struct gt_cover *cover, const struct gt_cover *other);
void gt_cover_sort(struct gt_cover *cover);

/* Goes forward through a sorted cover. */
struct gt_cover_cursor {
    const struct gt_cover *cover;
    size_t next_start, next_end;        /* the first ones after `at_ns`, … */
    int64_t next_start_ns, next_end_ns; /* … and when; INT64_MAX: there is none */
    int64_t at_ns;
    unsigned __int128 sum_ns; /* of all intervals, from where the cursor began until `at_ns` */
};

void gt_cover_begin(struct gt_cover_cursor *cursor, const struct gt_cover *cover,
                    int64_t at_ns);
/* `until_ns` never decreases. */
void gt_cover_move(struct gt_cover_cursor *cursor, int64_t until_ns);

/* How many intervals are open from now on; and until when: INT64_MAX, nothing begins or ends
 * any more. Never less than none, whatever a broken recording has taken out. */
static inline size_t gt_cover_open(const struct gt_cover_cursor *cursor)
{
    return cursor->next_start > cursor->next_end ? cursor->next_start - cursor->next_end : 0;
}
static inline int64_t gt_cover_next_ns(const struct gt_cover_cursor *cursor)
{
    return cursor->next_start_ns < cursor->next_end_ns ? cursor->next_start_ns
                                                       : cursor->next_end_ns;
}

/* What moves through a cover at once: the two ends of a window. */
struct gt_cover_window {
    struct gt_cover_cursor from, until;
};
void gt_cover_window_begin(struct gt_cover_window *window, const struct gt_cover *cover,
                           int64_t from_ns, int64_t length_ns);
void gt_cover_window_move(struct gt_cover_window *window, int64_t from_ns, int64_t length_ns);
/* How much is in it; INT64_MAX where that is more. */
int64_t gt_cover_window_ns(const struct gt_cover_window *window);

/* How much of all intervals lies in [from, until). */
int64_t gt_cover_within(const struct gt_cover *cover, int64_t from_ns, int64_t until_ns);

/*
 * The window of that length with the most in it, of all within [from, until), which is as long
 * at least; of several, the first one. O(n): what is in a window grows no more when an interval
 * begins at its start or ends at its end. So the first one of all with the most begins with an
 * interval, or ends with one, or is the first or the last one that there is, and no other need
 * be looked at.
 */
struct gt_cover_most {
    int64_t start_ns; /* of the window */
    int64_t ns;       /* how much is in it */
};
struct gt_cover_most gt_cover_most(const struct gt_cover *cover, int64_t from_ns,
                                   int64_t until_ns, int64_t length_ns);

#endif
