/* GEMM provider `clblast`: CLBlast's SGEMM, the default on GPUs. */
#include "ops/gemm/clblast_parameters.h"

#include <clblast_c.h>
#include <math.h>

enum {
    ITEMS = 64, /* of a group of gemm_bias */
    ROWS = 64   /* of C that a launch has at least, and multiples of which */
};

typedef struct clblast_state {
    bcl_device *device;
    cl_command_queue queue;
    bcl_kernel *bias;
    cl_mem temporary; /* temporary_size bytes */
    size_t temporary_size;
} clblast_state;

static bcl_status clblast_create(void **out, bcl_device *device, const char *parameters) {
    bcl_status status = BCL_OK;
    clblast_state *s = NULL;
    BCL_TRY(bcl_clblast_set_parameters(device, parameters));
    BCL_NEW(s, 1);
    s->device = device;
    s->queue = bcl_device_queue(device);
    BCL_TRY(bcl_kernel_get(&s->bias, device, "gemm_bias.cl", "gemm_bias", ""));
    *out = s;
out:
    if (status)
        free(s);
    return status;
}

static void clblast_free(void *state) {
    clblast_state *s = state;
    bcl_buffer_free(s->device, &s->temporary);
    free(state);
    /* CLBlast keeps programs under the context's address, which a later context may get again. */
    CLBlastClearCache();
}

/* CLBlast's own codes; those of OpenCL keep their numbers in it. */
static const char *own_code(CLBlastStatusCode code) {
    switch ((int)code) {
    case CLBlastNotImplemented:
        return "not implemented";
    case CLBlastInvalidMatrixA:
        return "A is not a valid buffer";
    case CLBlastInvalidMatrixB:
        return "B is not a valid buffer";
    case CLBlastInvalidMatrixC:
        return "C is not a valid buffer";
    case CLBlastInvalidDimension:
        return "a dimension is zero";
    case CLBlastInvalidLeadDimA:
        return "the row stride of A is too small";
    case CLBlastInvalidLeadDimB:
        return "the row stride of B is too small";
    case CLBlastInvalidLeadDimC:
        return "the row stride of C is too small";
    case CLBlastInsufficientMemoryA:
        return "the buffer of A is too small";
    case CLBlastInsufficientMemoryB:
        return "the buffer of B is too small";
    case CLBlastInsufficientMemoryC:
        return "the buffer of C is too small";
    case CLBlastInsufficientMemoryTemp:
        return "the temporary buffer is too small";
    case CLBlastInvalidLocalMemUsage:
        return "its parameters need more local memory than the device has";
    case CLBlastDatabaseError:
        return "no parameters for the device";
    case CLBlastUnexpectedError:
        return "an unexpected exception";
    default:
        return "an unspecified error";
    }
}

/* One buffer for what CLBlast keeps during a product, as large as the largest needs: left alone it
 * makes and frees one for each. */
static bcl_status grow(clblast_state *s, size_t bytes) {
    bcl_status status = BCL_OK;
    if (bytes > s->temporary_size) {
        bcl_buffer_free(s->device, &s->temporary);
        s->temporary_size = 0;
        BCL_TRY(bcl_buffer_create(&s->temporary, s->device, bytes, "CLBlast's products"));
        s->temporary_size = bytes;
    }
out:
    return status;
}

/* Rows of C from `first` on: a launch of CLBlast's, or two with what it prepares. */
static bcl_status run_rows(clblast_state *s, const bcl_gemm_call *c, size_t first, size_t rows) {
    bcl_status status = BCL_OK;
    const bool tn = c->layout == BCL_GEMM_TN;
    const CLBlastTranspose a = tn ? CLBlastTransposeYes : CLBlastTransposeNo;
    const CLBlastTranspose b = c->layout == BCL_GEMM_NT ? CLBlastTransposeYes : CLBlastTransposeNo;
    const size_t N = (size_t)c->N, K = (size_t)c->K, lda = (size_t)c->A.ld;
    const size_t ldb = (size_t)c->B.ld, ldc = (size_t)c->C.ld;
    const size_t a_offset = tn ? first : first * lda, c_offset = first * ldc;
    size_t needed = 0;
    CLBlastStatusCode code =
        CLBlastSGemmTempBufferSize(CLBlastLayoutRowMajor, a, b, rows, N, K, a_offset, lda, 0, ldb,
                                   c_offset, ldc, &s->queue, &needed);
    if (code == CLBlastSuccess) {
        BCL_TRY(grow(s, needed));
        bcl_call_enter("CLBlastSgemm");
        code = CLBlastSgemmWithTempBuffer(
            CLBlastLayoutRowMajor, a, b, rows, N, K, 1, c->A.buffer, a_offset, lda, c->B.buffer, 0,
            ldb, c->bias.buffer || c->accumulate ? 1.0f : 0.0f, c->C.buffer, c_offset, ldc,
            &s->queue, NULL, s->temporary);
        bcl_call_leave();
    }
    if (code < 0 && code > -1000)
        status = bcl_cl_fail((cl_int)code, "CLBlast: SGEMM of M %d, N %d, K %d", c->M, c->N, c->K);
    if (code != CLBlastSuccess && !status)
        BCL_FAIL(BCL_ERROR_DEVICE, "CLBlast: SGEMM of M %d, N %d, K %d: %s (%d)", c->M, c->N, c->K,
                 own_code(code), (int)code);
out:
    return status;
}

/* In one piece, or as many rows of C at once as keep a launch short. */
static bcl_status clblast_run(void *state, const bcl_gemm_call *c) {
    bcl_status status = BCL_OK;
    clblast_state *s = state;
    const size_t M = (size_t)c->M;
    const double most = bcl_launch_most_flop(s->device) / (2.0 * c->N * c->K);
    size_t rows = M;
    if (c->bias.buffer) {
        const bcl_grid grid = bcl_gemm_row_grid(s->bias, c->M, c->N, ITEMS);
        BCL_TRY(BCL_LAUNCH(s->bias, grid, bcl_ptr(c->C), bcl_ptr(c->bias), bcl_int(c->N),
                           bcl_int(c->C.ld)));
    }
    if ((double)M > most)
        rows = most < ROWS ? ROWS : (size_t)most / ROWS * ROWS;
    for (size_t first = 0; first < M; first += rows)
        BCL_TRY(run_rows(s, c, first, M - first < rows ? M - first : rows));
out:
    return status;
}

static bool clblast_suits(const bcl_device *device) {
    (void)device;
    return true;
}

const bcl_gemm_provider bcl_gemm_clblast = {.name = "clblast",
                                            .precision = BCL_PRECISION_FP32,
                                            .A = BCL_TAKES_F32,
                                            .B = BCL_TAKES_F32,
                                            .C = BCL_TAKES_F32,
                                            .suits = clblast_suits,
                                            .candidates = bcl_clblast_candidates,
                                            .create = clblast_create,
                                            .run = clblast_run,
                                            .free = clblast_free,
                                            .exclusive = true};
