/* Inside dist/: a batch's answers of two devices beside each other, and beside double precision. */
#ifndef BCL_DIST_POOL_COMPARE_H
#define BCL_DIST_POOL_COMPARE_H

#include "session/session.h"

/* A batch as a worker gets it, see POOL_BATCH; it points into the message. */
typedef struct pool_batch {
    int B, T;
    const int32_t *lengths, *ids, *labels; /* (B), (T), (T) */
} pool_batch;

/* What a worker says of it, see POOL_ANSWER. */
typedef struct pool_answer {
    const char *place;
    const float *row_loss;    /* (T); NULL: not asked for */
    const int32_t *predicted; /* (T); likewise */
    const float *logits;      /* (T,K) */
} pool_answer;

/* Where two answers are further apart than right ones are. */
typedef struct pool_difference {
    int sentence;   /* the shortest one in which they are */
    int row, label; /* the place of its worst logit: of the batch's rows, and of K */
    double apart;   /* of the logits of that row: root of the mean square, over that of all */
    float own, other /* that logit */;
} pool_difference;

pool_batch bcl_pool_batch(const void *message);
/* labels: whether they were asked for. */
pool_answer bcl_pool_answer(const void *message, int T, bool labels);

/* Whether labels and losses are those that the answer's own logits give; else text says which is
 * not. */
bool bcl_pool_is_sound(char *text, size_t size, const pool_batch *batch, const pool_answer *answer,
                       int K);
/* Whether logits (T,K) of a batch may both be right. rounds: one of them is of products in 16 bits
 * or TF32. */
bool bcl_pool_agree(pool_difference *out, const pool_batch *batch, const float *a, const float *b,
                    int K, bool rounds);
/* *logits (rows,K) of a sentence in double precision on the host, from the weights in the session's
 * folder: seconds to minutes, and eight bytes a weight. */
bcl_status bcl_pool_refer(float **logits, const bcl_session *session, const pool_batch *batch,
                          int sentence);
/* A sentence of the batch alone; *row: its first. */
pool_batch bcl_pool_sentence(int *row, const pool_batch *batch, int sentence);

#endif
