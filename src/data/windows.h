/* Sequences longer than a model takes, as overlapping windows that it does take: where each begins
 * and ends, and which of its pieces count. For predict and eval alike; knows nothing of models. */
#ifndef BCL_WINDOWS_H
#define BCL_WINDOWS_H

#include "data/dataset.h"

/* Pieces [begin,end) of a sequence, specials not counted. [lo,hi) of them are taken from here: they
 * are farther from an edge than in any other window, of two equal ones this is the earlier. The
 * sequence's own ends are no edges. */
typedef struct bcl_window {
    size_t begin, end, lo, hi;
} bcl_window;

/* The overlap: `wanted`, or a quarter of a window if 0. It must be less than a window's pieces,
 * which are max_length less [CLS] and [SEP]. */
bcl_status bcl_window_stride(size_t *out, size_t wanted, size_t max_length);
/* Windows of n pieces, `room` at a time, each sharing `stride` pieces with the next; the last one
 * ends with the sequence. 0 if there is no piece. */
size_t bcl_window_count(size_t n, size_t room, size_t stride);
/* The window behind *w, the first if *w is zeroed; false if there is none. */
bool bcl_window_next(bcl_window *w, size_t n, size_t room, size_t stride);

/* Rows [first,last) of a window, specials counted, are the sentence's rows from `at` on. */
typedef struct bcl_part {
    size_t sentence;
    int first, last, at;
} bcl_part;

/* A data set whose samples are windows of another's: every row of that, [CLS] and [SEP] of a
 * sentence's ends included, is in exactly one part, and a label counts there alone. Sentences that
 * fit are borrowed. */
typedef struct bcl_windows {
    bcl_dataset data;
    bcl_part *parts;           /* (data.count) */
    size_t sentences_windowed; /* in more than one window */
} bcl_windows;

/* max_length 0: every sentence fits. */
bcl_status bcl_windows_create(bcl_windows *out, const bcl_dataset *whole, size_t max_length,
                              size_t stride);
void bcl_windows_free(bcl_windows *windows);

#endif
