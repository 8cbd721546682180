/* Batches in flight: while a device computes one, the host prepares the next, and what the one
 * before gave is collected when its place is needed again. Two where the model is this process'
 * own; more where several devices compute them elsewhere. */
#ifndef BCL_PIPELINE_H
#define BCL_PIPELINE_H

#include "model/model.h"

enum { BCL_PIPELINE_SLOTS = 2 }; /* of a model of this process */

/* What is copied back of a batch. */
typedef enum bcl_outputs {
    BCL_OUTPUT_STATS = 1,  /* see bcl_model_read_stats */
    BCL_OUTPUT_LABELS = 2, /* row_loss and predicted; with LOGITS or without */
    BCL_OUTPUT_LOGITS = 4
} bcl_outputs;

/* A place for one batch and its results; the pipeline's. */
typedef struct bcl_slot {
    size_t index;         /* below bcl_pipeline_slots: for what the caller keeps beside it */
    bcl_batch batch;      /* to be packed by the caller; empty where the capacity is 0 */
    uint64_t first, last; /* the caller's numbers, from 1, of what is in the batch, for who finds
                           * later that its results were wrong; 0: not numbered */
    float stats[4];
    float *row_loss, *logits;    /* (capacity), (capacity,K) */
    int32_t *predicted;          /* (capacity) */
    char place[BCL_MODEL_PLACE]; /* of a remote's values that are not finite: see
                                  * bcl_pipeline_find_overflow */
} bcl_slot;

/* Takes a batch's results. A failure ends the call that is under way with this status. */
typedef bcl_status bcl_pipeline_collect(void *context, bcl_slot *slot);

typedef struct bcl_pipeline_options {
    unsigned outputs;      /* bcl_outputs */
    int tokens, sentences; /* of a slot's batch and arrays; 0: batches are the caller's */
    int labels;            /* K */
    bcl_pipeline_collect *collect;
    void *context; /* collect's */
} bcl_pipeline_options;

/* What computes batches in place of a model of this process: its functions, and what it tells of
 * itself. */
typedef struct bcl_remote {
    size_t slots;                                 /* batches that may be on their way */
    const char *device, *name, *gemm, *precision; /* of what is the same everywhere, else lists */
    void *context;
    /* What comes: outputs, tokens, sentences and labels; nothing is on its way that is wanted. */
    bcl_status (*prepare)(void *context, const bcl_pipeline_options *options);
    /* The slot's batch is packed, to be computed. */
    bcl_status (*begin)(void *context, bcl_slot *slot);
    /* Waits until the slot has its results. */
    bcl_status (*finish)(void *context, bcl_slot *slot);
    /* The slots end: nothing that is on its way is wanted. */
    void (*forget)(void *context);
} bcl_remote;

typedef struct bcl_pipeline bcl_pipeline;

/* The model must outlive it. */
bcl_status bcl_pipeline_create(bcl_pipeline **out, bcl_model *model,
                               const bcl_pipeline_options *options);
/* Likewise the remote; outputs are LABELS, LOGITS or both. */
bcl_status bcl_pipeline_create_remote(bcl_pipeline **out, const bcl_remote *remote,
                                      const bcl_pipeline_options *options);
size_t bcl_pipeline_slots(const bcl_pipeline *pipeline);
/* Waits for the device, which may still write to the slots; collects nothing. Takes NULL. */
void bcl_pipeline_free(bcl_pipeline *pipeline);
/* The slot for the next batch; what is in it is waited for and collected first. The same one until
 * it is sent. */
bcl_status bcl_pipeline_next(bcl_slot **out, bcl_pipeline *pipeline);
/* Queues the copy of the outputs behind what is queued, and takes the slot of bcl_pipeline_next to
 * be on its way. A batch in it must stay until it is collected. */
bcl_status bcl_pipeline_send(bcl_pipeline *pipeline);
/* The forward pass of the batch in the slot of bcl_pipeline_next, with BCL_OUTPUT_LABELS its loss,
 * and bcl_pipeline_send. Without dropout or gradients. */
bcl_status bcl_pipeline_compute(bcl_pipeline *pipeline);
/* Of a slot that is being collected, whose values are not finite: see bcl_model_find_overflow. */
bcl_status bcl_pipeline_find_overflow(char out[BCL_MODEL_PLACE], bcl_pipeline *pipeline,
                                      const bcl_slot *slot);
/* Waits for everything on its way and collects it, oldest first. */
bcl_status bcl_pipeline_drain(bcl_pipeline *pipeline);

#endif
