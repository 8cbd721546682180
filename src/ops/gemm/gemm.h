/* Matrix products behind one interface; one file a provider. Row-major, all queued. */
#ifndef BCL_GEMM_H
#define BCL_GEMM_H

#include "ops/view.h"

typedef enum bcl_gemm_layout {
    BCL_GEMM_NN, /* C (M,N) = A (M,K) . B (K,N)   forward:   Y = X W   */
    BCL_GEMM_NT, /* C (M,N) = A (M,K) . B (N,K)'  backward: dX = dY W' */
    BCL_GEMM_TN  /* C (M,N) = A (K,M)'. B (K,N)   backward: dW = X' dY */
} bcl_gemm_layout;
enum { BCL_GEMM_LAYOUTS = 3 };

/* What the operands are rounded to before they are multiplied; sums are fp32 always. */
typedef enum bcl_precision {
    BCL_PRECISION_FP32,
    BCL_PRECISION_BF16,
    BCL_PRECISION_FP16,
    BCL_PRECISION_TF32 /* fp32's range, 11 bits of mantissa */
} bcl_precision;
enum { BCL_PRECISIONS = 4 };
/* "fp32", "bf16", "fp16", "tf32" */
const char *bcl_precision_name(bcl_precision precision);
/* False where no provider for such a device computes in it, unless it is named. */
bool bcl_precision_offered(const bcl_device_info *about, bcl_precision precision);
/* BCL_ERROR_ARGUMENT where it is not offered. */
bcl_status bcl_precision_check(const bcl_device_info *about, bcl_precision precision);
bcl_status bcl_precision_find(bcl_precision *out, const char *name);

/* What is done with C while it is near, with another matrix E whose rows lie as C's. */
typedef enum bcl_gemm_epilogue {
    BCL_GEMM_PLAIN,
    BCL_GEMM_GELU,         /* NN: E = gelu(C); E may be C, and in 16 bits C may be none */
    BCL_GEMM_GELU_BACKWARD /* NT: C = product * gelu'(E) */
} bcl_gemm_epilogue;

/* Parts (count,M,N) of a product, whose sum in their order is still to be added to C, or with
 * accumulate to what C holds; there until the next product. */
typedef struct bcl_gemm_rest {
    cl_mem parts;
    int count; /* 0: C is complete */
} bcl_gemm_rest;

typedef struct bcl_gemm_call {
    bcl_gemm_layout layout;
    int M, N, K;
    bool accumulate;  /* C += product instead of C = product */
    bcl_view C, A, B; /* see layout; rows may lie further apart than they are long. Types: see
                       * bcl_gemm_operands; C in 16 bits has no accumulate and no rest */
    bool packed;      /* NN: B is as bcl_gemm_pack left it, its rows end to end */
    bcl_view bias;    /* (1,N), added to every row; may be none; not with accumulate */
    /* only where bcl_gemm_fuses */
    bcl_gemm_epilogue epilogue; /* not with accumulate */
    bool tanh_form;             /* of GELU */
    bcl_view E;    /* (M,N), see epilogue; its rows lie as C's; of GELU in 16 bits, too */
    bcl_view sums; /* TN: (1,N), sums of B's columns, += with accumulate, else =; may be none */
    /* NULL, or where a provider may leave the product in parts, and a bias for whoever reads C
     * next; not with an epilogue or sums. Set by bcl_gemm_run and bcl_gemm_run_gradients. */
    bcl_gemm_rest *rest;
} bcl_gemm_call;

typedef struct bcl_gemm bcl_gemm;

/* Makes a provider ready on a device. `provider` is a name with its parameters, as "clblast",
 * "tile", "tile:WIDTHxROWSxVECTORS" or "reference"; it must compute in this precision. NULL takes
 * what tuning chose for the device and precision (bcl_gemm_choice_load), else the first provider
 * that suits the device; where there is none for the precision, it is BCL_ERROR_UNSUPPORTED. Owned
 * by the caller; the device must outlive it. */
bcl_status bcl_gemm_create(bcl_gemm **out, bcl_device *device, const char *provider,
                           bcl_precision precision);
void bcl_gemm_free(bcl_gemm *gemm);
/* The name that makes it again, parameters included, also where they were tuned. */
const char *bcl_gemm_name(const bcl_gemm *gemm);
bcl_precision bcl_gemm_precision(const bcl_gemm *gemm);
/* Whether B (K,N) of many calls may be packed once. */
bool bcl_gemm_packs(const bcl_gemm *gemm, int N);
/* Queues to = from (K,N) in the order in which a call with `packed` reads it, or back. */
bcl_status bcl_gemm_pack(bcl_gemm *gemm, bcl_view to, bcl_view from, int K, int N, bool back);
/* Whether calls may have an epilogue and sums. */
bool bcl_gemm_fuses(const bcl_gemm *gemm);
/* How X, W and dY are read with least effort and the same result: in the 16 bits to which they
 * would be rounded, or f32. A and B may each be f32 all the same; and so that C, or GELU's E, can
 * be the next product's operand, they may be of this type. */
bcl_element bcl_gemm_operands(const bcl_gemm *gemm);
/* Behind the name of such a provider: attention, too. */
#define BCL_GEMM_ATTENTION ":attention"
/* The matrix unit of 16-bit operands by which a provider computes. */
typedef struct bcl_gemm_unit {
    char options[80]; /* -DMATRIX, -DOPERAND and maybe -DEMULATE of cl/matrix.h, and the compiler's
                       * for a kernel of many registers */
    int lanes, rows;  /* items of a sub-group, rows of its fragments */
    bool attention;   /* attention is to compute with it, too */
} bcl_gemm_unit;
/* False where it computes by none. */
bool bcl_gemm_find_unit(bcl_gemm_unit *out, const bcl_gemm *gemm);
/* Whether a product may go between bcl_auxiliary_begin and bcl_auxiliary_end. */
bool bcl_gemm_runs_on_auxiliary(const bcl_gemm *gemm);
/* Queues one product. Operands of other types than the provider computes with, of other shapes than
 * M, N, K and layout say, or whose buffer is too short, are BCL_ERROR_ARGUMENT. */
bcl_status bcl_gemm_run(bcl_gemm *gemm, const bcl_gemm_call *call);
/* Whether bcl_gemm_run_gradients is less than two launches. */
bool bcl_gemm_joins_gradients(const bcl_gemm *gemm);
/* Queues both gradients of Y = X W, which read the same dY: dx is an NT with A dY and B W, dw a TN
 * with A X and B dY. What one writes the other does not read. The same bits as by two calls of
 * bcl_gemm_run; errors as there, before either is queued. */
bcl_status bcl_gemm_run_gradients(bcl_gemm *gemm, const bcl_gemm_call *dx, const bcl_gemm_call *dw);

/* ---- what tuning chose, kept in the cache ---- */

enum { BCL_GEMM_NAME = 512 };

typedef struct bcl_gemm_choice {
    char name[BCL_GEMM_NAME]; /* "": the precision is not worth it on the device, see reason */
    char reason[256];
    double gflops; /* of name over the tuned shapes, 1e9 operations a second */
    double error;  /* relative L2 error of name */
    bool quick;    /* the short tuning of a first run */
} bcl_gemm_choice;

typedef enum bcl_gemm_stored {
    BCL_GEMM_STORED,  /* *out is filled */
    BCL_GEMM_ABSENT,  /* never tuned, or another driver, device or bertcl; or no place to store */
    BCL_GEMM_DAMAGED, /* the file is no record of ours; *out has the reason */
} bcl_gemm_stored;

enum { BCL_GEMM_WHY = 512 };
/* What a wish for a precision comes to: itself if a provider is named (bcl_gemm_create tells
 * whether the two agree) or tuning found it the faster, else fp32, and `why` is a sentence on it;
 * else "".
 */
bcl_precision bcl_gemm_resolve(char why[BCL_GEMM_WHY], const bcl_device *device,
                               const char *provider, bcl_precision wanted);

/* False if $BERTCL_TUNE is "off": nothing is tuned unasked, and no stored choice is used. */
bool bcl_gemm_tuning_on(void);
/* Reads one small file; BCL_GEMM_ABSENT also where tuning is off. */
bcl_gemm_stored bcl_gemm_choice_load(bcl_gemm_choice *out, const bcl_device_info *about,
                                     bcl_precision precision);
/* Writes it, atomically, with `details` (an object, which it takes; or NULL) beside it. *path,
 * unless NULL, is the file's name, to free(); BCL_ERROR_IO where the cache is nowhere or cannot be
 * written. */
struct cJSON;
bcl_status bcl_gemm_choice_save(char **path, const bcl_gemm_choice *choice,
                                const bcl_device_info *about, bcl_precision precision,
                                struct cJSON *details);
/* The file's name, to free(); NULL where the cache is nowhere. */
bcl_status bcl_gemm_choice_path(char **out, const bcl_device_info *about, bcl_precision precision);

#endif
