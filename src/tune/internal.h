/* What the tuner's two processes share: the state of a session, and the messages by which the
 * child, which makes all OpenCL calls, tells the parent how it got on. */
#ifndef BCL_TUNE_INTERNAL_H
#define BCL_TUNE_INTERNAL_H

#include "tune/tune.h"

typedef struct bcl_tune_shape {
    bcl_gemm_layout layout;
    int M, N, K;
    int group; /* products of one layer at one T: their times are added */
} bcl_tune_shape;

enum { BCL_TUNE_CANDIDATES = 128 };

typedef struct bcl_tune_session {
    const bcl_device_info *about;
    const bcl_tune_options *options;
    double deadline, last_deadline; /* of bcl_seconds(), see bcl_tune_seconds_left; 0: none */
    bcl_tune_shape shapes[BCL_TUNE_SHAPES];
    int shape_count, group_count;
    bcl_tune_candidate *candidates; /* (BCL_TUNE_CANDIDATES) */
    int candidate_count;
    bool listed, ended;
    int current;      /* that the child is at; -1: none */
    char broken[512]; /* why the child could not begin */
} bcl_tune_session;

typedef enum bcl_tune_message_kind {
    BCL_TUNE_LISTED, /* a candidate more: text is its name, state its precision */
    BCL_TUNE_BEGIN,  /* all are listed */
    BCL_TUNE_TRYING, /* `candidate` is next: if nothing follows, it crashed */
    BCL_TUNE_NAMED,  /* text is its full name */
    BCL_TUNE_TIMED,  /* value: seconds of `shape` */
    BCL_TUNE_STATE,  /* state, with the reason as text and the error as value */
    BCL_TUNE_BROKEN, /* text: why nothing can be tried */
    BCL_TUNE_ENDED
} bcl_tune_message_kind;

/* Below PIPE_BUF: written whole or not at all. */
typedef struct bcl_tune_message {
    bcl_tune_message_kind kind;
    int candidate, shape, state;
    double value;
    char text[BCL_GEMM_NAME];
} bcl_tune_message;

/* The session of these options, nothing tried; s->candidates is freed by the caller. */
bcl_status bcl_tune_session_open(bcl_tune_session *s, const bcl_device_info *about,
                                 const bcl_tune_options *options);
/* Both processes follow the messages with this, so that a new child knows what the last one knew.
 */
void bcl_tune_apply(bcl_tune_session *s, const bcl_tune_message *m);
/* In the child: goes on where the session is, and writes messages to fd. */
void bcl_tune_measure(bcl_tune_session *s, int fd);

/* Geometric mean over the groups of GFLOP/s in each, of what was measured; 0: nothing. */
double bcl_tune_gflops(const bcl_tune_session *s, const bcl_tune_candidate *c);
/* Until the deadline; HUGE_VAL without one. As long as nothing is right it is a later one: what a
 * slow compiler makes of the first candidate is in the cache for the run that follows. */
double bcl_tune_seconds_left(const bcl_tune_session *s);

/* ---- attention ---- */

/* What becomes of `name`, which has attention on the matrix unit by which `plain_name` computes
 * products: right if it is, and for every head size faster than without. *error: relative L2. */
bcl_status bcl_tune_attention(bcl_tune_state *state, double *error, char *reason, size_t size,
                              bcl_device *device, const char *name, const char *plain_name,
                              bcl_precision precision);
bool bcl_tune_has_attention(const bcl_tune_candidate *c);

/* ---- operands and what they should give ---- */

typedef struct bcl_tune_operands bcl_tune_operands;
bcl_status bcl_tune_operands_create(bcl_tune_operands **out, bcl_device *device,
                                    const bcl_tune_session *s);
void bcl_tune_operands_free(bcl_tune_operands *operands);
/* The call of a shape as training makes it: with a bias forward (NN), added to C for weights (TN).
 * gemm NULL: all of it in fp32. */
bcl_gemm_call bcl_tune_call(const bcl_tune_operands *operands, const bcl_gemm *gemm, int shape);
/* Before the others are called with a product: A and B as it reads them, see bcl_gemm_operands. All
 * of a session that read 16 bits read the same. */
bcl_status bcl_tune_operands_suit(bcl_tune_operands *operands, const bcl_gemm *gemm);
/* Whether training has this gradient in one launch with its layer's other one. */
bool bcl_tune_joins(const bcl_tune_operands *operands, const bcl_gemm *gemm, int shape);
/* Queues the call of a shape, alone or joined with its layer's other gradient. */
bcl_status bcl_tune_run(bcl_tune_operands *operands, bcl_gemm *gemm, int shape, bool joined);
/* Runs it once, and once more joined where it is, and compares rows and columns with double
 * precision: of both the larger *share of the limit, above 1 is wrong, infinite where C holds a NaN
 * or was not written, and *error, relative L2. */
bcl_status bcl_tune_check(bcl_tune_operands *operands, bcl_gemm *gemm, int shape, double *share,
                          double *error);

#endif
