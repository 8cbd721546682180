/* Two batches in flight: while the device computes one, the host prepares the next, and what the
 * one before gave is collected when its place is needed again. */
#ifndef BCL_PIPELINE_H
#define BCL_PIPELINE_H

#include "model/model.h"

enum { BCL_PIPELINE_SLOTS = 2 };

/* What is copied back of a batch. */
typedef enum bcl_outputs {
    BCL_OUTPUT_STATS = 1,  /* see bcl_model_read_stats */
    BCL_OUTPUT_LABELS = 2, /* row_loss and predicted; with LOGITS or without */
    BCL_OUTPUT_LOGITS = 4
} bcl_outputs;

/* A place for one batch and its results; the pipeline's. */
typedef struct bcl_slot {
    size_t index;    /* below BCL_PIPELINE_SLOTS: for what the caller keeps beside it */
    bcl_batch batch; /* to be packed by the caller; empty where the capacity is 0 */
    float stats[4];
    float *row_loss, *logits; /* (capacity), (capacity,K) */
    int32_t *predicted;       /* (capacity) */
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

typedef struct bcl_pipeline bcl_pipeline;

/* The model must outlive it. */
bcl_status bcl_pipeline_create(bcl_pipeline **out, bcl_model *model,
                               const bcl_pipeline_options *options);
/* Waits for the device, which may still write to the slots; collects nothing. Takes NULL. */
void bcl_pipeline_free(bcl_pipeline *pipeline);
/* The slot for the next batch; what is in it is waited for and collected first. The same one until
 * it is sent. */
bcl_status bcl_pipeline_next(bcl_slot **out, bcl_pipeline *pipeline);
/* Queues the copy of the outputs behind what is queued, and takes the slot of bcl_pipeline_next to
 * be on its way. A batch in it must stay until it is collected. */
bcl_status bcl_pipeline_send(bcl_pipeline *pipeline);
/* Waits for everything on its way and collects it, oldest first. */
bcl_status bcl_pipeline_drain(bcl_pipeline *pipeline);

#endif
