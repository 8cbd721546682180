/* The transport over MPI. Linked into bertcl-rank alone, so that bertcl starts without MPI. */
#include "dist/dist.h"

#include <mpi.h>

typedef struct mpi_transport {
    MPI_Request requests[BCL_TRANSPORT_REQUESTS];
} mpi_transport;

static bcl_status check(int code, const char *call) {
    char text[MPI_MAX_ERROR_STRING];
    int size = 0;
    if (code == MPI_SUCCESS)
        return BCL_OK;
    MPI_Error_string(code, text, &size);
    return bcl_fail(BCL_ERROR_IO, "%s: %.*s", call, size, text);
}

/* Open MPI's algorithm, and with it the order of the sum, is a function of ranks and count. */
static bcl_status sum_begin(void *context, size_t slot, float *values, size_t count) {
    mpi_transport *t = context;
    if (slot >= BCL_TRANSPORT_REQUESTS || count > INT32_MAX)
        return bcl_fail(BCL_ERROR_UNSUPPORTED, "a sum of %zu numbers in place %zu", count, slot);
    return check(MPI_Iallreduce(MPI_IN_PLACE, values, (int)count, MPI_FLOAT, MPI_SUM,
                                MPI_COMM_WORLD, &t->requests[slot]),
                 "MPI_Iallreduce");
}

static bcl_status sum_progress(void *context, bool *done) {
    mpi_transport *t = context;
    int all = 0;
    const bcl_status status = check(
        MPI_Testall(BCL_TRANSPORT_REQUESTS, t->requests, &all, MPI_STATUSES_IGNORE), "MPI_Testall");
    *done = all != 0;
    return status;
}

static bcl_status gather(void *context, const void *own, void *all, size_t bytes) {
    (void)context;
    return check(
        MPI_Allgather(own, (int)bytes, MPI_BYTE, all, (int)bytes, MPI_BYTE, MPI_COMM_WORLD),
        "MPI_Allgather");
}

static bcl_status broadcast(void *context, void *data, size_t bytes, int root) {
    enum { PIECE = 1 << 30 };
    bcl_status status = BCL_OK;
    (void)context;
    for (size_t at = 0; !status && at < bytes; at += PIECE) {
        const size_t left = bytes - at;
        status = check(MPI_Bcast((char *)data + at, (int)(left < PIECE ? left : PIECE), MPI_BYTE,
                                 root, MPI_COMM_WORLD),
                       "MPI_Bcast");
    }
    return status;
}

static void close_mpi(void *context, bool failed) {
    free(context);
    if (failed)
        MPI_Abort(MPI_COMM_WORLD, 1);
    else
        MPI_Finalize();
}

bcl_status bcl_transport_open_mpi(bcl_transport *out) {
    bcl_status status = BCL_OK;
    mpi_transport *t = NULL;
    int provided;
    *out = (bcl_transport){.sum_begin = sum_begin,
                           .sum_progress = sum_progress,
                           .gather = gather,
                           .broadcast = broadcast,
                           .close = close_mpi};
    BCL_NEW(t, 1);
    for (int i = 0; i < BCL_TRANSPORT_REQUESTS; i++)
        t->requests[i] = MPI_REQUEST_NULL;
    BCL_TRY(check(MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread"));
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_rank(MPI_COMM_WORLD, &out->rank);
    MPI_Comm_size(MPI_COMM_WORLD, &out->size);
    out->context = t;
    t = NULL;
out:
    free(t);
    return status;
}
