/* BERT with a token-classification head on one device: parameters, forward, backward, update.
 * Sentences are packed end to end, T tokens a batch; nothing is padded. Knows nothing of text. */
#ifndef BCL_MODEL_H
#define BCL_MODEL_H

#include "model/files.h"
#include "ops/ops.h"

/* ---- batches ---- */

/* A sentence as the model sees it; borrowed. */
typedef struct bcl_sample {
    const int32_t *ids;    /* (length) */
    const int32_t *labels; /* (length), -100: not counted; NULL: none is */
    int length;            /* tokens, specials included */
    uint32_t number;       /* in its data set; dropout masks belong to it */
} bcl_sample;

/* Sentences packed on the host, in one block that is uploaded at once. Needs neither a data set nor
 * text: samples can point to any ids. */
typedef struct bcl_batch {
    int T, B, N, longest, labelled, U;
    int capacity_T, capacity_B;
    int32_t *block; /* the lists, see bcl_batch_places */
#define X(name, most, used) int32_t *name;
    BCL_BATCH_LISTS(X)
#undef X
    uint64_t *keys; /* (capacity_T) for sorting */
} bcl_batch;

bcl_status bcl_batch_create(bcl_batch *batch, int tokens, int sentences);
void bcl_batch_free(bcl_batch *batch);
/* Packs samples[which[0..count-1]]. slot_of (V): a word's gradient row, or NULL without training.
 */
bcl_status bcl_batch_pack(bcl_batch *batch, const bcl_sample *samples, const uint32_t *which,
                          int count, const int32_t *slot_of);

/* The lists of a packed batch on a device, each in a buffer of its own; to be freed also where this
 * fails. */
bcl_status bcl_batch_lists_create(bcl_batch_layout *out, const bcl_batch *batch,
                                  bcl_device *device);
void bcl_batch_lists_free(bcl_batch_layout *lists, bcl_device *device);

/* ---- parameters ---- */

/* What a new model has in a parameter: weights are drawn from N(0, initializer_range^2). */
typedef enum bcl_new_value { BCL_NEW_ZERO, BCL_NEW_ONE, BCL_NEW_RANDOM } bcl_new_value;

/* A parameter as the device holds it: a piece of the dense arena, matrices as (in,out). */
typedef struct bcl_parameter {
    size_t offset;     /* elements in the arena */
    int rows, columns; /* a vector is (1,columns) */
    bcl_new_value value;
    bcl_view p, g; /* parts of the arenas; g only with training capacity */
    bcl_view w;    /* of a matrix: what products read, p or its copy in 16 bits */
} bcl_parameter;

/* A tensor of the checkpoint: some columns of a parameter, transposed if it is a matrix. */
typedef struct bcl_named {
    char name[96]; /* as saved: "bert.encoder.layer.0.attention.self.query.weight" */
    int parameter; /* index; BCL_WORDS: the word embedding */
    int column;    /* first column in the parameter */
    bool transposed;
    int rank;
    int64_t shape[2]; /* in the file */
} bcl_named;
enum { BCL_WORDS = -1 };

/* The layer's parameters, by index from its first. */
enum {
    BCL_QKV_W,
    BCL_QKV_B,
    BCL_OUT_W,
    BCL_OUT_B,
    BCL_LN1_G,
    BCL_LN1_B,
    BCL_UP_W,
    BCL_UP_B,
    BCL_DOWN_W,
    BCL_DOWN_B,
    BCL_LN2_G,
    BCL_LN2_B,
    BCL_LAYER_PARAMETERS
};
enum { BCL_POSITION, BCL_TYPE, BCL_EMBED_G, BCL_EMBED_B, BCL_FIRST_LAYER };

/* The one table of names, shapes and places: used by loading, saving, the optimizer and tests. */
typedef struct bcl_layout {
    bcl_parameter *parameters;
    int parameter_count;
    bcl_named *named;
    int named_count;
    bcl_element type; /* of the arena's elements */
    size_t dense;     /* their number, gaps included */
    int classifier;   /* index of its weight; the bias follows */
} bcl_layout;
bcl_status bcl_layout_create(bcl_layout *layout, const bcl_config *config);
void bcl_layout_free(bcl_layout *layout);
/* Copies rows of a tensor (a vector is one) between the file's layout and the parameter's
 * (rows,columns). */
void bcl_named_copy(float *parameter, int columns, float *file, const bcl_named *named,
                    size_t first, size_t rows, bool to_file);
size_t bcl_named_rows(const bcl_named *named); /* a vector is one */
size_t bcl_named_elements(const bcl_named *named);

/* ---- the model ---- */

typedef struct bcl_model bcl_model;

/* What loading found; names are owned by the report. */
typedef struct bcl_load_report {
    char why_fp32[BCL_GEMM_WHY]; /* a sentence, if bf16 was wanted and is not used; else "" */
    char **created;              /* not in the checkpoint: new random values */
    size_t created_count;
    char **unused; /* in the checkpoint, of no use here */
    size_t unused_count;
} bcl_load_report;
void bcl_load_report_free(bcl_load_report *report);

/* A model of that shape with new weights, a function of `seed` alone: weights from
 * N(0, initializer_range^2), the padding word's row and biases 0, LayerNorm 1 and 0. gemm: a
 * provider or NULL; precision: a wish, see bcl_gemm_resolve and bcl_model_why_fp32. The config is
 * copied except for label_names and source, which are not used; the device must outlive the model.
 */
bcl_status bcl_model_create(bcl_model **out, bcl_device *device, const bcl_config *config,
                            const char *gemm, bcl_precision precision, uint64_t seed);
/* Loads FOLDER's weights over the model's, whose labels may differ from the file's. With
 * create_head a classifier that is missing or of another size is drawn anew from
 * N(0, initializer_range^2) and `seed`; otherwise that is an error, as any other missing tensor is.
 * After an error the weights are some of both. Blocking. */
bcl_status bcl_model_load_weights(bcl_model *model, const char *folder, bool create_head,
                                  uint64_t seed, bcl_load_report *report);
/* Both, without drawing what is loaded. */
bcl_status bcl_model_load(bcl_model **out, bcl_device *device, const bcl_config *config,
                          const char *folder, const char *gemm, bcl_precision precision,
                          bool create_head, uint64_t seed, bcl_load_report *report);
void bcl_model_free(bcl_model *model);
/* Writes FOLDER/model.safetensors. */
bcl_status bcl_model_save(bcl_model *model, const char *folder);
const char *bcl_model_gemm(const bcl_model *model);
bcl_precision bcl_model_precision(const bcl_model *model);
/* A sentence, if bf16 was wanted and is not used; else "". */
const char *bcl_model_why_fp32(const bcl_model *model);
const bcl_layout *bcl_model_layout(const bcl_model *model);
bcl_device *bcl_model_device(const bcl_model *model);
/* Puts the weights into the order that the forward pass' products read without packing each time,
 * or back: for inference alone. Loading, reading, saving and training want them unpacked, and fail
 * with BCL_ERROR_ARGUMENT otherwise. The bits of results do not depend on it. Queued; nothing where
 * the weights are as wanted, or the provider packs none. */
bcl_status bcl_model_pack(bcl_model *model, bool packed);
/* Copies one named tensor, or its gradient, in the file's layout. Blocking. */
bcl_status bcl_model_read(bcl_model *model, const bcl_named *named, bool gradient, float *out);

/* The largest batch of a model, and what is kept of it. */
typedef struct bcl_capacity {
    int tokens, sentences; /* of a batch, at most */
    bool training;         /* keep what backward needs, and gradients */
    bool accumulate; /* gradients outlive a batch; without it the next forward pass takes their
                        memory */
    bool recompute;  /* keep little between forward and backward and compute the rest again:
                        the same bits */
} bcl_capacity;
bcl_status bcl_model_reserve(bcl_model *model, const bcl_capacity *capacity);

/* What that takes, bytes: known before anything is allocated. */
typedef struct bcl_memory {
    size_t weights; /* with their copies in 16 bits, which products on matrix units read */
    size_t moments; /* with the word embedding's gradients; 0 without training */
    size_t step;    /* a batch's activations and the gradients, which share memory where they can */
} bcl_memory;
/* words: as many as train_begin finds used; precision: what is wanted. Too much for the device is
 * BCL_ERROR_DEVICE_MEMORY, whose message says what is needed, what there is, and which options need
 * less. */
bcl_status bcl_memory_plan(bcl_memory *out, bcl_device *device, const bcl_config *config,
                           size_t words, bcl_precision precision, const bcl_capacity *capacity);

/* Adam's moments, and gradients and row slots for the words that occur: used (V) tells which; all
 * with NULL. */
bcl_status bcl_model_train_begin(bcl_model *model, const bool *used);
const int32_t *bcl_model_slots(const bcl_model *model); /* (V) for bcl_batch_pack */

/* How parameters are updated, where they are not all alike. */
typedef struct bcl_update_rules {
    int frozen;         /* layers from below, and the embeddings, that stay; 0: these; -1: none */
    double layer_decay; /* the rate of layer i of L (from 0) is times its (L - i)th power, that of
                         * the embeddings times the (L + 1)th */
    double head_rate;   /* the classifier's, times lr */
    bool decay_all;     /* weight decay also of biases and LayerNorm */
} bcl_update_rules;
/* After bcl_model_train_begin; without it all are updated alike. */
bcl_status bcl_model_set_rules(bcl_model *model, const bcl_update_rules *rules);
/* False for what these rules freeze: it has no gradient. */
bool bcl_model_trains(const bcl_model *model, const bcl_named *named);

/* The loss that is trained on, as PyTorch's CrossEntropyLoss(weight, label_smoothing): a weight for
 * each label, (K), NULL for 1, and the smoothing. Evaluation's is always the plain one. Blocking.
 */
bcl_status bcl_model_set_loss(bcl_model *model, const float *class_weights, float smoothing);

/* Dropout rates and the numbers that the masks come from. */
typedef struct bcl_dropout_state {
    float hidden, attention, classifier;
    uint64_t seed;
    int64_t step;
} bcl_dropout_state;

/* Uploads and queues one forward pass; logits (T,K) stay on the device. dropout NULL: no dropout.
 * The batch must stay until the queue has passed. */
bcl_status bcl_model_forward(bcl_model *model, const bcl_batch *batch,
                             const bcl_dropout_state *dropout);
enum { BCL_MODEL_PLACE = 64 };
/* Computes the batch once more and names the first place whose values are not finite, as "the
 * output of encoder layer 3 of 6"; for messages. Counted from 1. Blocking. */
bcl_status bcl_model_find_overflow(char out[BCL_MODEL_PLACE], bcl_model *model,
                                   const bcl_batch *batch, const bcl_dropout_state *dropout);
/* Queues the loss of the last forward pass into the step's stats: sum of losses and right labels.
 * weight: of one token's gradient, 1 / labelled tokens of the whole step, or 1 / the sum of their
 * labels' weights; gradients are wanted if backward follows: without, the loss is the plain one
 * whatever bcl_model_set_loss says. accumulate: not the step's first batch. */
bcl_status bcl_model_loss(bcl_model *model, float weight, bool gradients, bool accumulate);
/* Queues backward of the last forward and loss; `accumulate` as there. */
bcl_status bcl_model_backward(bcl_model *model, const bcl_dropout_state *dropout, int64_t step,
                              bool accumulate);
/* ---- gradients that go over the host, to be added up with other processes' ---- */

typedef struct bcl_gradient_part {
    float *values; /* NULL if count is 0 */
    size_t count;
    cl_event ready; /* values are there; NULL: at once. Released by what waits for it last */
} bcl_gradient_part;

/* Behind bcl_model_train_begin. tokens: of a step at most. */
bcl_status bcl_model_exchange_create(bcl_model *model, int64_t tokens);
/* The next backward pass is the step's last here: it hands its parts out as they come. */
void bcl_model_exchange_open(bcl_model *model);
/* The step has no sentence here: its gradients and stats are zero. */
bcl_status bcl_model_exchange_none(bcl_model *model);
/* After the backward pass: hands out the rest. slots (count): gradient rows of all words of the
 * step, here or elsewhere; must stay until give_back. */
bcl_status bcl_model_exchange_take(bcl_model *model, const int32_t *slots, int count, int64_t step);
/* The parts behind which there is little left to compute: the lowest layer's two, the embeddings'
 * and the word rows. */
enum { BCL_EXCHANGE_LAST = 4 };
/* How many parts there are, and part i; the first are the first to be ready. */
size_t bcl_model_exchange_parts(const bcl_model *model);
bcl_gradient_part *bcl_model_exchange_part(const bcl_model *model, size_t i);
/* The step's {loss sum, right labels}, from the device or back to it. Blocking. */
bcl_status bcl_model_exchange_stats(bcl_model *model, float stats[2], bool back);
/* What is in the parts now becomes the step's gradients. Queued. */
bcl_status bcl_model_exchange_give_back(bcl_model *model, int64_t step);
/* Hands all parameters to `take` in pieces: x[first..first + count) of one long vector, the same in
 * every model of the configuration. Blocking. */
bcl_status bcl_model_visit_parameters(bcl_model *model,
                                      void (*take)(void *context, size_t first, const float *x,
                                                   size_t count),
                                      void *context);

/* Queues norm, clipping and Adam. */
bcl_status bcl_model_update(bcl_model *model, const bcl_adam *adam, int64_t step);

/* Queues the copy of {loss sum, right labels, clip factor, gradient norm} to out[4]; *event is set
 * when all are there and is the caller's to release. */
bcl_status bcl_model_read_stats(bcl_model *model, float *out, cl_event *event);

/* Queues the copy of the last batch's losses (T), labels (T) and, unless NULL, logits (T,K);
 * *event is set when all are there and is the caller's to release. */
bcl_status bcl_model_read_output(bcl_model *model, float *row_loss, int32_t *predicted,
                                 float *logits, cl_event *event);

/* The same for the logits (T,K) of the last forward pass alone. */
bcl_status bcl_model_read_logits(bcl_model *model, float *logits, cl_event *event);

/* The optimizer's state, for resuming. */
bcl_status bcl_model_state_save(bcl_model *model, const char *path, const char *const metadata[][2],
                                size_t metadata_count);
/* Needs bcl_model_train_begin with the same words. */
bcl_status bcl_model_state_load(bcl_model *model, const char *path);

#endif
