/* The model's insides, for the files of model/ only. */
#ifndef BCL_MODEL_INTERNAL_H
#define BCL_MODEL_INTERNAL_H

#include "model/model.h"

/* What a layer keeps. In inference all layers share one set. */
typedef struct bcl_layer_activations {
    cl_mem qkv;          /* (T,3,NH,HS) */
    cl_mem context;      /* (T,C) */
    cl_mem lse;          /* (T,NH) */
    cl_mem r1, y1;       /* (T,C) before and behind the first LayerNorm */
    cl_mem mean1, rstd1; /* (T) */
    cl_mem up, gelu;     /* (T,F) */
    cl_mem r2, y2;       /* (T,C) before and behind the second LayerNorm */
    cl_mem mean2, rstd2; /* (T) */
} bcl_layer_activations;
enum { BCL_LAYER_BUFFERS = sizeof(bcl_layer_activations) / sizeof(cl_mem) };

typedef struct bcl_activations {
    cl_mem block;               /* the batch's integers */
    cl_mem views[9];            /* of the block */
    cl_mem x;                   /* (T,C) embeddings' output */
    cl_mem mean, rstd;          /* (T) */
    cl_mem head;                /* (T,C) behind the head's dropout */
    cl_mem logits, dlogits;     /* (T,K) */
    cl_mem row_loss, predicted; /* (T) */
    cl_mem dx, dh;              /* (T,C) gradients on their way down */
    cl_mem wide;                /* (T, max(F, 3C)) gradient of up or of qkv */
    cl_mem delta;               /* (T,NH) */
    bcl_layer_activations *layers;
} bcl_activations;

struct bcl_model {
    bcl_config config; /* numbers only */
    bcl_device *device;
    bcl_ops ops;
    bcl_layout layout;
    cl_mem dense; /* (layout.dense) */
    cl_mem words; /* (V,C) */
    cl_mem stats; /* 2 floats */
    /* training */
    cl_mem g, m, v;
    cl_mem row_g, row_m, row_v, row_ids, row_step, partial, clip;
    int32_t *slot_of; /* (V), -1: none */
    int rows;         /* R */
    /* the last batch */
    bcl_activations a;
    int tokens, sentences; /* capacity */
    bool training;
    bcl_batch_layout batch;
};

void bcl_model_release_activations(bcl_model *model);

#endif
