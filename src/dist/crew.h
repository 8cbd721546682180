/* Inside dist/: what a crew's processes say to each other. A message is a head and `bytes` behind
 * it; both ends are the same program on the same machine. */
#ifndef BCL_DIST_CREW_H
#define BCL_DIST_CREW_H

#include "model/pipeline.h"
#include "session/session.h"

typedef enum crew_kind {
    /* to a worker */
    CREW_PREPARE, /* crew_shape: of the batches that come */
    CREW_BATCH,   /* int32: B, lengths (B), ids (T), labels (T) */
    /* from it */
    CREW_READY,  /* crew_about */
    CREW_ANSWER, /* place (BCL_MODEL_PLACE), row_loss (T), predicted (T), logits (T,K): what the
                  * shape's outputs have */
    CREW_FAULT   /* crew_fault: the worker ends */
} crew_kind;

typedef struct crew_head {
    uint32_t kind, slot;
    uint64_t serial; /* of a batch, and of its answer */
    uint64_t bytes;  /* behind this */
} crew_head;

typedef struct crew_shape {
    unsigned outputs;
    int tokens, sentences, labels;
} crew_shape;

typedef struct crew_about {
    char name[256], gemm[128], precision[16];
} crew_about;

typedef struct crew_fault {
    int status;
    char text[1000];
} crew_fault;

/* crew_worker.c: loads the device's driver and the session's model and computes what comes from fd,
 * until it is closed. Does not return. */
_Noreturn void bcl_crew_work(int fd, bcl_session *session, const char *device);

#endif
