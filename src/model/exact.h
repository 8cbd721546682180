/* The whole model in double precision on the host, forward, loss and backward, from its named
 * tensors as a checkpoint has them: what the tests and `bertcl bench verify` hold a device against.
 */
#ifndef BCL_MODEL_EXACT_H
#define BCL_MODEL_EXACT_H

#include "model/model.h"
#include "ops/exact.h"

typedef struct bcl_exact_model {
    const bcl_config *config;
    const bcl_layout *layout;
    double **weights;                 /* (layout->named_count), each as in the file */
    const bcl_dropout_state *dropout; /* NULL: none */
    bcl_layout own;                   /* of one that was loaded */
} bcl_exact_model;

/* Reads the weights of a model; blocking. Freed by bcl_exact_model_free. */
bcl_status bcl_exact_model_read(bcl_exact_model *out, bcl_model *model, const bcl_config *config);
/* The same from FOLDER's weights, without a device; the config must outlive it. */
bcl_status bcl_exact_model_load(bcl_exact_model *out, const bcl_config *config, const char *folder);
void bcl_exact_model_free(bcl_exact_model *m);
/* logits (T,K), and the loss of a labelled token, weighted by `weight` each. gradients
 * (layout->named_count), each as its tensor, are added to; NULL: none. [PAD]'s row of the word
 * embedding gets none, as in PyTorch. */
bcl_status bcl_exact_model_run(const bcl_exact_model *m, double *logits, double *loss,
                               double *const *gradients, const bcl_batch *batch, double weight);

#endif
