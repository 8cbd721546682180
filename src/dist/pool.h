/* Inside dist/: what a pool's workers say to each other. A message is a head and `bytes` behind
 * it; both ends are the same program on the same machine. */
#ifndef BCL_DIST_POOL_H
#define BCL_DIST_POOL_H

#include "model/pipeline.h"
#include "session/session.h"

typedef enum pool_kind {
    /* to a worker */
    POOL_PREPARE, /* pool_shape: of the batches that come */
    POOL_BATCH,   /* int32: B, lengths (B), ids (T), labels (T) */
    /* from it */
    POOL_READY,  /* pool_about */
    POOL_ANSWER, /* place (BCL_MODEL_PLACE), row_loss (T) and predicted (T) if the shape's outputs
                  * have them, logits (T,K) always: answers are compared by them */
    POOL_FAULT   /* pool_fault: the worker ends */
} pool_kind;

typedef struct pool_head {
    uint32_t kind, slot;
    uint64_t serial; /* of a batch, and of its answer */
    uint64_t bytes;  /* behind this */
} pool_head;

typedef struct pool_shape {
    unsigned outputs;
    int tokens, sentences, labels;
} pool_shape;

typedef struct pool_about {
    char name[256], gemm[128], precision[16];
} pool_about;

typedef struct pool_fault {
    int status;
    char text[1000];
} pool_fault;

/* pool_worker.c: loads the device's driver and the session's model and computes what comes from fd,
 * until it is closed. Does not return. */
_Noreturn void bcl_pool_work(int fd, bcl_session *session, const char *device);

#endif
