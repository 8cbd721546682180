/* What the tuner's two processes share: the state of a session, and the messages by which the
 * child, which makes all OpenCL calls, tells the parent how it got on. */
#ifndef BCL_TUNE_INTERNAL_H
#define BCL_TUNE_INTERNAL_H

#include "tune/tune.h"

typedef struct tune_shape {
    bcl_gemm_layout layout;
    int M, N, K;
    int group; /* products of one layer at one T: their times are added */
} tune_shape;

enum { TUNE_CANDIDATES = 128 };

typedef struct tune_session {
    const bcl_device_info *about;
    const bcl_tune_options *options;
    double deadline; /* of bcl_seconds(); 0: none */
    tune_shape shapes[BCL_TUNE_SHAPES];
    int shape_count, group_count;
    bcl_tune_candidate *candidates; /* (TUNE_CANDIDATES) */
    int candidate_count;
    bool listed, ended;
    int current;      /* that the child is at; -1: none */
    char broken[512]; /* why the child could not begin */
} tune_session;

typedef enum tune_message_kind {
    TUNE_LISTED, /* a candidate more: text is its name, state its precision */
    TUNE_BEGIN,  /* all are listed */
    TUNE_TRYING, /* `candidate` is next: if nothing follows, it crashed */
    TUNE_NAMED,  /* text is its full name */
    TUNE_TIMED,  /* value: seconds of `shape` */
    TUNE_STATE,  /* state, with the reason as text and the error as value */
    TUNE_BROKEN, /* text: why nothing can be tried */
    TUNE_ENDED
} tune_message_kind;

/* Below PIPE_BUF: written whole or not at all. */
typedef struct tune_message {
    tune_message_kind kind;
    int candidate, shape, state;
    double value;
    char text[BCL_GEMM_NAME];
} tune_message;

/* Both processes follow the messages with this, so that a new child knows what the last one knew.
 */
void tune_apply(tune_session *s, const tune_message *m);
/* In the child: goes on where the session is, and writes messages to fd. */
void tune_measure(tune_session *s, int fd);

/* Geometric mean over the groups of GFLOP/s in each, of what was measured; 0: nothing. */
double tune_gflops(const tune_session *s, const bcl_tune_candidate *c);
bool tune_time_is_up(const tune_session *s);

/* ---- operands and what they should give ---- */

typedef struct tune_operands tune_operands;
bcl_status tune_operands_create(tune_operands **out, bcl_device *device, const tune_session *s);
void tune_operands_free(tune_operands *operands);
/* The call of a shape as training makes it: with a bias forward (NN), added to C for weights (TN).
 */
bcl_gemm_call tune_call(const tune_operands *operands, int shape);
/* Runs it once and compares rows and columns with double precision. *share of the limit: above 1 is
 * wrong, infinite where C holds a NaN or was not written. *error: relative L2. */
bcl_status tune_check(tune_operands *operands, bcl_gemm *gemm, int shape, double *share,
                      double *error);

#endif
