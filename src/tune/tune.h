/* Tuning: times the GEMM providers and their parameters at a model's shapes on one device, each
 * checked against double precision, and keeps the best one's name. Everything that could crash or
 * hang runs in a child process. Knows shapes, not models. */
#ifndef BCL_TUNE_H
#define BCL_TUNE_H

#include "ops/gemm/gemm.h"

struct cJSON;

enum { BCL_TUNE_LAYERS = 4, BCL_TUNE_LENGTHS = 2, BCL_TUNE_PRODUCTS = 12 /* of a layer */ };
enum {
    BCL_TUNE_GROUPS = BCL_TUNE_LAYERS * BCL_TUNE_LENGTHS,
    BCL_TUNE_SHAPES = BCL_TUNE_GROUPS * BCL_TUNE_PRODUCTS
};

typedef struct bcl_tune_layer {
    int hidden, intermediate; /* C, F */
} bcl_tune_layer;

typedef enum bcl_tune_state {
    BCL_TUNE_WAITING, /* not tried: the time was up, or nothing was to be expected */
    BCL_TUNE_RIGHT,   /* every shape is within the limit of error and timed */
    BCL_TUNE_SLOWER,  /* right as far as it went, and given up */
    BCL_TUNE_WRONG,   /* a result beyond the limit */
    BCL_TUNE_FAILED,  /* an error, such as a kernel that does not compile */
    BCL_TUNE_CRASHED, /* or gave no answer */
    BCL_TUNE_SAME     /* another one's parameters, spelt out; not among the results */
} bcl_tune_state;
const char *bcl_tune_state_name(bcl_tune_state state);

typedef struct bcl_tune_candidate {
    char name[BCL_GEMM_NAME];
    bcl_precision precision;
    bcl_tune_state state;
    char reason[256];
    double gflops;                   /* see bcl_tune_gflops */
    double error;                    /* relative L2 error of the worst shape */
    double seconds[BCL_TUNE_SHAPES]; /* shortest; 0: not measured */
} bcl_tune_candidate;

typedef struct bcl_tune_options {
    bcl_precision precision;
    const bcl_tune_layer *layers;
    size_t layer_count;  /* 1 to BCL_TUNE_LAYERS */
    const int *lengths;  /* T, tokens of a batch, ascending */
    size_t length_count; /* 1 to BCL_TUNE_LENGTHS */
    bool quick;          /* few candidates and rounds */
    double seconds;  /* of wall time, after which the best so far is taken, 4 times as many for the
                        first that is right; 0: as long as it takes */
    double patience; /* s without an answer before a candidate counts as hung; 0: 120 */
    /* Called before a candidate is tried; NULL: not. */
    void (*progress)(void *context, const char *name, size_t number, size_t count);
    void *context;
} bcl_tune_options;

typedef struct bcl_tune_result {
    bcl_gemm_choice choice;
    bcl_tune_candidate *candidates; /* the chosen one first, then by falling speed */
    size_t count;
} bcl_tune_result;

/* Tunes one device, which bcl_device_find found. The process must not have made an OpenCL call.
 * What a candidate does wrong is in its entry; a status other than 0 means that nothing could be
 * tried. */
bcl_status bcl_tune(bcl_tune_result *out, const bcl_device_info *about,
                    const bcl_tune_options *options);
void bcl_tune_result_free(bcl_tune_result *result);
/* The candidates as a JSON array. */
struct cJSON *bcl_tune_result_json(const bcl_tune_result *result);

/* ---- first use ---- */

enum { BCL_TUNE_USUAL_LAYERS = 2 };
extern const bcl_tune_layer
    bcl_tune_usual_layers[BCL_TUNE_USUAL_LAYERS]; /* MiniLM's, BERT base's */
extern const int bcl_tune_quick_lengths[BCL_TUNE_LENGTHS];

/* Before a device is opened: tunes its matrix products for a few seconds if that was never done and
 * stores the choice; told(), unless NULL, gets a line beforehand. Does nothing where tuning is off
 * or nothing could be stored, and never fails. The process must not have made an OpenCL call. */
void bcl_tune_first_use(const char *device, bcl_precision precision,
                        void (*told)(void *context, const char *line), void *context);

#endif
