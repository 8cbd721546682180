/* Matrix products behind one interface; one file a provider. Row-major, fp32, all queued. */
#ifndef BCL_GEMM_H
#define BCL_GEMM_H

#include "ocl/ocl.h"

typedef enum bcl_gemm_layout {
    BCL_GEMM_NN, /* C (M,N) = A (M,K) . B (K,N)   forward:   Y = X W   */
    BCL_GEMM_NT, /* C (M,N) = A (M,K) . B (N,K)'  backward: dX = dY W' */
    BCL_GEMM_TN  /* C (M,N) = A (K,M)'. B (K,N)   backward: dW = X' dY */
} bcl_gemm_layout;

typedef struct bcl_gemm_call {
    bcl_gemm_layout layout;
    int M, N, K;
    int lda, ldb, ldc; /* elements between rows, as stored */
    bool accumulate;   /* C += product instead of C = product */
    cl_mem C, A, B;    /* see layout */
    cl_mem bias;       /* (N), added to every row; NULL for none; not with accumulate */
} bcl_gemm_call;

typedef struct bcl_gemm bcl_gemm;

/* Makes a provider ready on a device: "clblast", "tile" or "reference"; NULL takes the device's
 * best. "tile:WIDTHxROWSxVECTORS" sets the register tile: rows of so many vectors of so many
 * floats. Owned by the caller; the device must outlive it. */
bcl_status bcl_gemm_create(bcl_gemm **out, bcl_device *device, const char *provider);
void bcl_gemm_free(bcl_gemm *gemm);
/* The name that makes it again. */
const char *bcl_gemm_name(const bcl_gemm *gemm);
/* Queues one product. */
bcl_status bcl_gemm_run(bcl_gemm *gemm, const bcl_gemm_call *call);

#endif
