/* A model's files: safetensors, sharded checkpoints and config.json, in Hugging Face's formats.
 * Knows nothing of parameters' meaning, of OpenCL or of the tokenizer. See docs/formats.md. */
#ifndef BCL_MODEL_FILES_H
#define BCL_MODEL_FILES_H

#include "util/util.h"

struct cJSON;

/* ---- tensors ---- */

/* The format's element types, in its order of increasing alignment: the writer sorts by it. */
typedef enum bcl_dtype {
    BCL_BOOL,
    BCL_F4,
    BCL_F6_E2M3,
    BCL_F6_E3M2,
    BCL_U8,
    BCL_I8,
    BCL_F8_E5M2,
    BCL_F8_E4M3,
    BCL_F8_E8M0,
    BCL_F8_E4M3FNUZ,
    BCL_F8_E5M2FNUZ,
    BCL_I16,
    BCL_U16,
    BCL_F16,
    BCL_BF16,
    BCL_I32,
    BCL_U32,
    BCL_F32,
    BCL_C64,
    BCL_F64,
    BCL_I64,
    BCL_U64,
    BCL_DTYPE_COUNT
} bcl_dtype;

/* The name in the file ("F32") and the size of one element. F4 and F6 are not whole bytes. */
const char *bcl_dtype_name(bcl_dtype dtype);
int bcl_dtype_bits(bcl_dtype dtype);
/* False if the format knows no such type. */
bool bcl_dtype_find(bcl_dtype *out, const char *name);

enum { BCL_TENSOR_RANK_MAX = 8 };

typedef struct bcl_tensor {
    const char *name;
    bcl_dtype dtype;
    int rank; /* 0: a scalar */
    int64_t shape[BCL_TENSOR_RANK_MAX];
    const void *data; /* row-major, little-endian, NOT aligned: read it with memcpy */
    size_t bytes;
} bcl_tensor;

/* Product of the shape; a scalar has one element. */
size_t bcl_tensor_elements(const bcl_tensor *tensor);
/* "[2, 3]", for messages; cut off where `size` is too small. Returns `out`. */
char *bcl_tensor_shape_text(char *out, size_t size, const bcl_tensor *tensor);
/* Whether it has one of the types that to_float takes; the folder is for the message. */
bcl_status bcl_tensor_check_float(const bcl_tensor *tensor, const char *folder);
/* dst = tensor as float, F32, F16 and BF16 exactly (subnormals, infinities and NaN payloads too),
 * F64 rounded to nearest even. Other types: BCL_ERROR_UNSUPPORTED. */
bcl_status bcl_tensor_to_float(float *dst, const bcl_tensor *tensor);

/* The index of the first of `count` floats, which need not be aligned, that is NaN or infinite;
 * `count` if there is none. */
size_t bcl_floats_finite(const void *values, size_t count);

/* ---- one safetensors file ---- */

/* A file that was checked completely and is mapped; tensors point into the map. */
typedef struct bcl_safetensors bcl_safetensors;

/* Opens and checks a file against every rule of the format: BCL_ERROR_FORMAT with the file, the
 * tensor or byte, what was found and what was expected. */
bcl_status bcl_safetensors_open(bcl_safetensors **out, const char *path);
/* The same for bytes in memory, which must outlive the result; `path` is for messages. */
bcl_status bcl_safetensors_open_memory(bcl_safetensors **out, const void *data, size_t size,
                                       const char *path);
void bcl_safetensors_close(bcl_safetensors *st);
size_t bcl_safetensors_count(const bcl_safetensors *st);
/* In the order of their data in the file. */
const bcl_tensor *bcl_safetensors_at(const bcl_safetensors *st, size_t index);
/* NULL if there is none; O(log n). */
const bcl_tensor *bcl_safetensors_find(const bcl_safetensors *st, const char *name);
/* The value of a key in __metadata__, NULL if there is none. */
const char *bcl_safetensors_metadata(const bcl_safetensors *st, const char *key);

/* Writes a file as Hugging Face's serializer does (sorted by falling alignment, then name; header
 * padded to 8 bytes), atomically. Model files carry {"format", "pt"}: transformers asks for it.
 * `bytes` must fit the shape. */
bcl_status bcl_safetensors_write(const char *path, const bcl_tensor *tensors, size_t count,
                                 const char *const metadata[][2], size_t metadata_count);
/* Writes `rows` rows of the tensor, from row `first` on, to `buffer` in the file's layout: `bytes`
 * bytes. Rows are what the first dimension counts; a scalar is one. */
typedef bcl_status bcl_tensor_fill(void *context, const bcl_tensor *tensor, size_t first,
                                   size_t rows, void *buffer, size_t bytes);
/* The same without holding the tensors: `data` is ignored, `bytes` may be 0 (it follows from the
 * shape); `fill` is called in the order of the file, for a large tensor several times, with one
 * buffer of a few MiB (or of a row) that is reused. If it fails, its status comes back and no file
 * appears. */
bcl_status bcl_safetensors_write_streamed(const char *path, const bcl_tensor *tensors, size_t count,
                                          const char *const metadata[][2], size_t metadata_count,
                                          bcl_tensor_fill *fill, void *context);

/* ---- a model folder's tensors ---- */

/* model.safetensors, else the shards of model.safetensors.index.json, else pytorch_model.bin or its
 * shards, as one table. */
typedef struct bcl_checkpoint bcl_checkpoint;

/* A folder with weights of another kind only is BCL_ERROR_UNSUPPORTED, one without any
 * BCL_ERROR_IO. */
bcl_status bcl_checkpoint_open(bcl_checkpoint **out, const char *folder);
void bcl_checkpoint_close(bcl_checkpoint *ck);
size_t bcl_checkpoint_count(const bcl_checkpoint *ck);
/* In the order of their names. */
const bcl_tensor *bcl_checkpoint_at(const bcl_checkpoint *ck, size_t index);
const bcl_tensor *bcl_checkpoint_find(const bcl_checkpoint *ck, const char *name);

/* ---- config.json ---- */

typedef enum bcl_activation {
    BCL_GELU,     /* x/2 (1 + erf(x / sqrt 2)) */
    BCL_GELU_TANH /* x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))): gelu_new, gelu_fast, ... */
} bcl_activation;

/* Of a BERT encoder with a token classifier. Start from bcl_config_default or _read; end with
 * _free. */
#define BCL_TEMPERATURE_MIN .01
#define BCL_TEMPERATURE_MAX 100.

/* Which pieces of a word carried its label in training. */
typedef enum bcl_label_pieces {
    BCL_LABEL_ALL,  /* every piece of a word has the word's label */
    BCL_LABEL_FIRST /* only its first piece counts */
} bcl_label_pieces;

typedef struct bcl_config {
    int hidden;       /* C */
    int heads;        /* NH */
    int head_size;    /* HS = C / NH */
    int layers;       /* L */
    int intermediate; /* F */
    int vocabulary;   /* V */
    int positions;    /* the longest sequence, in tokens */
    int types;        /* token types */
    int labels;       /* K */
    double layer_norm_eps;
    double hidden_dropout, attention_dropout; /* probabilities */
    double classifier_dropout;                /* the file's null is hidden_dropout here */
    double initializer_range;                 /* standard deviation of new weights */
    bcl_activation activation;
    int pad_token_id; /* -1: none */
    /* "bertcl" in the file: {"label_pieces": "all"|"first", "temperature": T} */
    bcl_label_pieces label_pieces; /* all if the file does not say */
    bool label_pieces_known;       /* it does */
    double temperature;            /* that logits are divided by; 1 if the file does not say */
    char **label_names;            /* (K) */
    char other_head[64];  /* the architecture whose classifier is the file's, if that one is not of
                           * tokens, though its tensors look the same; "": none */
    struct cJSON *source; /* the file as read, for the keys that bertcl does not know; or NULL */
} bcl_config;

/* transformers' BertConfig(): bert-base-uncased with LABEL_0 and LABEL_1. */
bcl_status bcl_config_default(bcl_config *config);
/* Reads FOLDER/config.json as transformers does: absent keys have BertConfig's defaults. What
 * bertcl does not compute (another model_type, relative positions, a decoder, another activation)
 * is BCL_ERROR_UNSUPPORTED, damage is BCL_ERROR_FORMAT. On failure there is nothing to free. */
bcl_status bcl_config_read(bcl_config *config, const char *folder);
/* The same from parsed JSON, which stays the caller's; `path` is for messages. */
bcl_status bcl_config_from_json(bcl_config *config, const struct cJSON *json, const char *path);
/* Writes FOLDER/config.json as transformers does for BertForTokenClassification, with the keys of
 * the source that bertcl does not know. */
bcl_status bcl_config_write(const bcl_config *config, const char *folder);
/* Sets "bertcl"."temperature" in FOLDER/config.json and leaves everything else as it is. A file
 * that is a link, as in the hub's cache, is not the caller's to change: BCL_ERROR_ARGUMENT. */
bcl_status bcl_config_set_temperature(const char *folder, double temperature);
/* Replaces the labels by copies of `names`, which must be distinct. */
bcl_status bcl_config_set_labels(bcl_config *config, const char *const *names, size_t count);
/* UNSUPPORTED if the classifier of the folder that was read is not of tokens. */
bcl_status bcl_config_check_head(const bcl_config *config, const char *folder);
void bcl_config_free(bcl_config *config);

#endif
