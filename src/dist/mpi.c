/* The transport over MPI. Linked into bertcl-rank alone, so that bertcl starts without MPI. */
#include "dist/dist.h"
#include "dist/wire.h"

#include <mpi.h>

/* A sum goes in two stages: each rank gets its piece of everyone's values and adds it up, then all
 * get all pieces. Both use the wire in both directions at once and each rank adds only its piece;
 * MPI_Iallreduce of two or three ranks sends everything to one of them and back. */
enum { PLACES = 5 };
typedef enum sum_stage { SUM_NONE, SUM_SCATTERED, SUM_ADDED, SUM_GATHERED } sum_stage;

typedef struct sum {
    sum_stage stage;
    MPI_Request request;
    float *values;    /* (count) */
    float *remainder; /* (count), of values that travel as bf16; NULL: they do as they are */
    void *pieces;     /* (size,own piece) of the others, as they travel */
    uint16_t *sent;   /* (count) as bf16: first this rank's values, then the sum */
    size_t pieces_capacity, sent_capacity;
    int *counts, *offsets;         /* (size) of each rank's piece, in values */
    int *out_counts;               /* (size) of those that are sent */
    int *own_counts, *own_offsets; /* (size) of this rank's, in pieces */
} sum;

typedef struct mpi_transport {
    int rank, size;
    /* Collective calls of one communicator begin in the same order everywhere; when a first stage
     * is done differs from rank to rank, so each stage has one. */
    MPI_Comm scatter, gather;
    sum sums[BCL_TRANSPORT_REQUESTS];
    size_t begun, gathered; /* slots below were begun, and gathered from */
    unsigned char *faults;  /* (size) see sum_faults */
    int *places;            /* (PLACES,size) of each slot */
} mpi_transport;

static bcl_status check(int code, const char *call) {
    char text[MPI_MAX_ERROR_STRING];
    int size = 0;
    if (code == MPI_SUCCESS)
        return BCL_OK;
    MPI_Error_string(code, text, &size);
    return bcl_fail(BCL_ERROR_IO, "%s: %.*s", call, size, text);
}

static MPI_Datatype type_of(const sum *m) {
    return m->remainder ? MPI_UINT16_T : MPI_FLOAT;
}

/* Pieces of whole cache lines, but for the last ones. */
static void cut(sum *m, const mpi_transport *t, size_t count) {
    enum { LINE = 16 };
    const size_t size = (size_t)t->size;
    const size_t piece = ((count + size - 1) / size + LINE - 1) / LINE * LINE;
    for (size_t r = 0; r < size; r++) {
        const size_t begin = r * piece < count ? r * piece : count;
        const size_t end = begin + piece < count ? begin + piece : count;
        m->offsets[r] = (int)begin;
        m->counts[r] = (int)(end - begin);
    }
    for (size_t r = 0; r < size; r++) {
        m->out_counts[r] = m->counts[r];
        m->own_counts[r] = m->counts[t->rank];
        m->own_offsets[r] = (int)r * m->counts[t->rank];
    }
    m->out_counts[t->rank] = m->own_counts[t->rank] = 0; /* the rank's own piece stays */
}

/* Rounds what goes to the others. */
static bcl_status round_values(sum *m, const mpi_transport *t, size_t count) {
    bcl_status status = BCL_OK;
    const size_t begin = (size_t)m->offsets[t->rank], end = begin + (size_t)m->counts[t->rank];
    BCL_TRY(bcl_grow(&m->sent, &m->sent_capacity, count, sizeof *m->sent));
    bcl_wire_round(m->sent, m->remainder, m->values, begin);
    bcl_wire_round(m->sent + end, m->remainder + end, m->values + end, count - end);
out:
    return status;
}

static bcl_status sum_begin(void *context, size_t slot, float *values, float *remainder,
                            size_t count) {
    bcl_status status = BCL_OK;
    mpi_transport *t = context;
    const size_t size = (size_t)t->size, width = remainder ? sizeof(uint16_t) : sizeof(float);
    if (slot >= BCL_TRANSPORT_REQUESTS || count > INT32_MAX / 2)
        BCL_FAIL(BCL_ERROR_UNSUPPORTED, "a sum of %zu numbers in place %zu", count, slot);
    sum *m = &t->sums[slot];
    int *places = t->places + slot * PLACES * size;
    m->counts = places;
    m->offsets = places + size;
    m->out_counts = places + 2 * size;
    m->own_counts = places + 3 * size;
    m->own_offsets = places + 4 * size;
    m->values = values;
    m->remainder = remainder;
    cut(m, t, count);
    if (remainder)
        BCL_TRY(round_values(m, t, count));
    BCL_TRY(bcl_grow(&m->pieces, &m->pieces_capacity,
                     (size * (size_t)m->counts[t->rank] + 1) * width, 1));
    const MPI_Datatype type = type_of(m);
    BCL_TRY(check(MPI_Ialltoallv(remainder ? (const void *)m->sent : values, m->out_counts,
                                 m->offsets, type, m->pieces, m->own_counts, m->own_offsets, type,
                                 t->scatter, &m->request),
                  "MPI_Ialltoallv"));
    m->stage = SUM_SCATTERED;
    t->begun = slot + 1;
out:
    return status;
}

static void find_faults(mpi_transport *t, const float *const *from, size_t count) {
    for (size_t r = 0; r < (size_t)t->size; r++)
        if (!bcl_floats_are_finite(from[r], count))
            t->faults[r] = 1;
}

/* In the order of the ranks, whatever came first. By blocks that stay in the nearest cache. */
static bcl_status add_floats(const sum *m, mpi_transport *t) {
    enum { BLOCK = 2048 };
    bcl_status status = BCL_OK;
    const size_t n = (size_t)m->counts[t->rank], size = (size_t)t->size;
    const float *pieces = m->pieces, **from;
    float own[BLOCK];
    BCL_NEW(from, size);
    for (size_t at = 0; at < n; at += BLOCK) {
        const size_t count = n - at < BLOCK ? n - at : BLOCK;
        float *out = m->values + m->offsets[t->rank] + at;
        for (size_t r = 0; r < size; r++)
            from[r] = pieces + r * n + at;
        from[t->rank] = memcpy(own, out, count * sizeof *own);
        memcpy(out, from[0], count * sizeof *out);
        for (size_t r = 1; r < size; r++)
            bcl_floats_add(out, from[r], count);
        if (!bcl_floats_are_finite(out, count))
            find_faults(t, from, count);
    }
out:
    free(from);
    return status;
}

/* This rank's values, those of the others in the order of the ranks, and what the sum before has
 * lost. */
static void add_rounded(const sum *m, const mpi_transport *t) {
    const size_t n = (size_t)m->counts[t->rank], at = (size_t)m->offsets[t->rank];
    const uint16_t *pieces = m->pieces;
    for (size_t r = 0; r < (size_t)t->size; r++)
        if (r != (size_t)t->rank)
            bcl_wire_add(m->values + at, pieces + r * n, n);
    bcl_wire_round(m->sent + at, m->remainder + at, m->values + at, n);
}

static bcl_status add_pieces(sum *m, mpi_transport *t) {
    bcl_status status = BCL_OK;
    if (m->remainder)
        add_rounded(m, t);
    else
        BCL_TRY(add_floats(m, t));
    m->stage = SUM_ADDED;
out:
    return status;
}

/* All ranks get the same bits, the one that has added them up too. */
static void end_sum(sum *m, const mpi_transport *t) {
    const size_t last = (size_t)t->size - 1;
    if (m->remainder)
        bcl_wire_widen(m->values, m->sent, (size_t)m->offsets[last] + (size_t)m->counts[last]);
    m->stage = SUM_NONE;
}

static bcl_status go_on(sum *m, mpi_transport *t) {
    bcl_status status = BCL_OK;
    int done = 0;
    if (m->stage != SUM_SCATTERED && m->stage != SUM_GATHERED)
        return BCL_OK;
    BCL_TRY(check(MPI_Test(&m->request, &done, MPI_STATUS_IGNORE), "MPI_Test"));
    if (done && m->stage == SUM_SCATTERED)
        BCL_TRY(add_pieces(m, t));
    else if (done)
        end_sum(m, t);
out:
    return status;
}

static bcl_status sum_progress(void *context, bool *done) {
    bcl_status status = BCL_OK;
    mpi_transport *t = context;
    *done = true;
    for (size_t i = 0; i < t->begun; i++) {
        sum *m = &t->sums[i];
        BCL_TRY(go_on(m, t));
        if (m->stage == SUM_NONE && i == t->gathered) /* a slot without values */
            t->gathered++;
        if (m->stage == SUM_ADDED && i == t->gathered) {
            void *all = m->remainder ? (void *)m->sent : m->values;
            BCL_TRY(check(MPI_Iallgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, all, m->counts,
                                          m->offsets, type_of(m), t->gather, &m->request),
                          "MPI_Iallgatherv"));
            m->stage = SUM_GATHERED;
            t->gathered++;
        }
        *done = *done && m->stage == SUM_NONE;
    }
    if (*done)
        t->begun = t->gathered = 0;
out:
    return status;
}

static bool sum_faults(void *context, unsigned char *ranks) {
    mpi_transport *t = context;
    memcpy(ranks, t->faults, (size_t)t->size);
    memset(t->faults, 0, (size_t)t->size);
    return memchr(ranks, 1, (size_t)t->size) != NULL;
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
    mpi_transport *t = context;
    if (failed)
        MPI_Abort(MPI_COMM_WORLD, 1);
    else
        MPI_Finalize(); /* and with it the communicators */
    for (size_t i = 0; i < BCL_TRANSPORT_REQUESTS; i++) {
        free(t->sums[i].pieces);
        free(t->sums[i].sent);
    }
    free(t->places);
    free(t->faults);
    free(t);
}

bcl_status bcl_transport_open_mpi(bcl_transport *out) {
    bcl_status status = BCL_OK;
    mpi_transport *t = NULL;
    int provided;
    *out = (bcl_transport){.sum_begin = sum_begin,
                           .sum_progress = sum_progress,
                           .sum_faults = sum_faults,
                           .gather = gather,
                           .broadcast = broadcast,
                           .close = close_mpi};
    BCL_NEW(t, 1);
    BCL_TRY(check(MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread"));
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_rank(MPI_COMM_WORLD, &out->rank);
    MPI_Comm_size(MPI_COMM_WORLD, &out->size);
    t->rank = out->rank;
    t->size = out->size;
    BCL_TRY(check(MPI_Comm_dup(MPI_COMM_WORLD, &t->scatter), "MPI_Comm_dup"));
    BCL_TRY(check(MPI_Comm_dup(MPI_COMM_WORLD, &t->gather), "MPI_Comm_dup"));
    BCL_NEW(t->faults, (size_t)out->size);
    BCL_NEW(t->places, PLACES * (size_t)out->size * BCL_TRANSPORT_REQUESTS);
    out->context = t;
    t = NULL;
out:
    free(t);
    return status;
}
