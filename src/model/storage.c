/* Parameters to files, and the optimizer's state to and from them. */
#include "model/internal.h"

/* Rows of the word embedding's gradient: there are only those of words that occur, and of these the
 * ones that the newest step has written are its own; the others are zero. */
static bcl_status read_word_gradients(bcl_model *m, size_t first, size_t rows, float *out) {
    bcl_status status = BCL_OK;
    const size_t C = (size_t)m->config.hidden, row = C * sizeof(float), R = (size_t)m->rows;
    int32_t *steps = NULL, newest = -1;
    BCL_NEW(steps, R);
    BCL_TRY(bcl_buffer_read(m->device, m->row_step.buffer, 0, steps, R * sizeof *steps, true));
    for (size_t i = 0; i < R; i++)
        newest = steps[i] > newest ? steps[i] : newest;
    memset(out, 0, rows * row);
    for (size_t i = 0; i < rows; i++) {
        const int32_t slot = m->slot_of[first + i];
        if (slot >= 0 && steps[slot] == newest)
            BCL_TRY(bcl_buffer_read(m->device, m->row_g.buffer, (size_t)slot * row, out + i * C,
                                    row, true));
    }
out:
    free(steps);
    return status;
}

static bcl_status read_words(bcl_model *m, bool gradient, size_t first, size_t rows, float *out) {
    const size_t row = (size_t)m->config.hidden * sizeof(float);
    return gradient
               ? read_word_gradients(m, first, rows, out)
               : bcl_buffer_read(m->device, m->words.buffer, first * row, out, rows * row, true);
}

static bcl_status read_rows(bcl_model *m, const bcl_named *n, bool gradient, size_t first,
                            size_t rows, float *out) {
    bcl_status status = BCL_OK;
    float *whole = NULL;
    if (n->parameter == BCL_WORDS)
        return read_words(m, gradient, first, rows, out);
    const bcl_parameter *p = &m->layout.parameters[n->parameter];
    const size_t size = (size_t)p->rows * (size_t)p->columns;
    BCL_TRY(bcl_model_check_plain(m, "reading them"));
    BCL_NEW(whole, size);
    BCL_TRY(bcl_buffer_read(m->device, (gradient ? m->a.g : m->dense).buffer,
                            p->offset * sizeof(float), whole, size * sizeof(float), true));
    bcl_named_copy(whole, p->columns, out, n, first, rows, true);
out:
    free(whole);
    return status;
}

bcl_status bcl_model_read(bcl_model *m, const bcl_named *n, bool gradient, float *out) {
    return read_rows(m, n, gradient, 0, bcl_named_rows(n), out);
}

static bcl_status fill_tensor(void *context, const bcl_tensor *tensor, size_t first, size_t rows,
                              void *buffer, size_t bytes) {
    bcl_model *m = context;
    (void)bytes;
    for (int i = 0; i < m->layout.named_count; i++) {
        const bcl_named *n = &m->layout.named[i];
        if (strcmp(n->name, tensor->name))
            continue;
        if (n->rank == 1 && rows < (size_t)n->shape[0])
            return bcl_fail(BCL_ERROR_UNSUPPORTED, "%s: a vector of %zu bytes", n->name,
                            tensor->bytes);
        return read_rows(m, n, false, n->rank == 2 ? first : 0, n->rank == 2 ? rows : 1, buffer);
    }
    return bcl_fail(BCL_ERROR_ARGUMENT, "no tensor %s", tensor->name);
}

bcl_status bcl_model_save(bcl_model *m, const char *folder) {
    bcl_status status = BCL_OK;
    bcl_tensor *tensors = NULL;
    char *path = NULL;
    static const char *const metadata[][2] = {{"format", "pt"}};
    BCL_NEW(tensors, (size_t)m->layout.named_count);
    for (int i = 0; i < m->layout.named_count; i++) {
        const bcl_named *n = &m->layout.named[i];
        tensors[i] = (bcl_tensor){.name = n->name,
                                  .dtype = BCL_F32,
                                  .rank = n->rank,
                                  .shape = {n->shape[0], n->rank == 2 ? n->shape[1] : 0},
                                  .bytes = bcl_named_elements(n) * sizeof(float)};
    }
    BCL_TRY(bcl_path_join(&path, folder, "model.safetensors"));
    BCL_TRY(bcl_safetensors_write_streamed(path, tensors, (size_t)m->layout.named_count, metadata,
                                           1, fill_tensor, m));
out:
    free(path);
    free(tensors);
    return status;
}

/* ---- training state ---- */

typedef struct state_part {
    const char *name;
    cl_mem buffer;
    size_t count; /* floats */
} state_part;
enum { STATE_PARTS = 4 };

static void list_state(const bcl_model *m, state_part parts[STATE_PARTS]) {
    const size_t rows = (size_t)m->rows * (size_t)m->config.hidden;
    parts[0] = (state_part){"adam.m", m->m.buffer, m->layout.dense};
    parts[1] = (state_part){"adam.v", m->v.buffer, m->layout.dense};
    parts[2] = (state_part){"adam.row_m", m->row_m.buffer, rows};
    parts[3] = (state_part){"adam.row_v", m->row_v.buffer, rows};
}

static bcl_status fill_state(void *context, const bcl_tensor *tensor, size_t first, size_t rows,
                             void *buffer, size_t bytes) {
    bcl_model *m = context;
    state_part parts[STATE_PARTS];
    (void)rows;
    list_state(m, parts);
    for (int i = 0; i < STATE_PARTS; i++)
        if (!strcmp(parts[i].name, tensor->name))
            return bcl_buffer_read(m->device, parts[i].buffer, first * sizeof(float), buffer, bytes,
                                   true);
    return bcl_fail(BCL_ERROR_ARGUMENT, "no state %s", tensor->name);
}

bcl_status bcl_model_state_save(bcl_model *m, const char *path, const char *const metadata[][2],
                                size_t metadata_count) {
    state_part parts[STATE_PARTS];
    bcl_tensor tensors[STATE_PARTS];
    list_state(m, parts);
    for (int i = 0; i < STATE_PARTS; i++)
        tensors[i] = (bcl_tensor){.name = parts[i].name,
                                  .dtype = BCL_F32,
                                  .rank = 1,
                                  .shape = {(int64_t)parts[i].count},
                                  .bytes = parts[i].count * sizeof(float)};
    return bcl_safetensors_write_streamed(path, tensors, STATE_PARTS, metadata, metadata_count,
                                          fill_state, m);
}

bcl_status bcl_model_state_load(bcl_model *m, const char *path) {
    bcl_status status = BCL_OK;
    bcl_safetensors *st = NULL;
    state_part parts[STATE_PARTS];
    int32_t *seen = NULL;
    list_state(m, parts);
    BCL_TRY(bcl_safetensors_open(&st, path));
    for (int i = 0; i < STATE_PARTS; i++) {
        const bcl_tensor *t = bcl_safetensors_find(st, parts[i].name);
        if (!t || t->dtype != BCL_F32 || t->bytes != parts[i].count * sizeof(float))
            BCL_FAIL(BCL_ERROR_FORMAT, "%s: %s: %s, expected %zu F32 values", path, parts[i].name,
                     t ? "found another size" : "missing", parts[i].count);
        BCL_TRY(bcl_buffer_write(m->device, parts[i].buffer, 0, t->data, t->bytes, true));
    }
    /* Every row may have a history now; one without has zero moments, which Adam leaves at zero. */
    BCL_NEW(seen, (size_t)m->rows);
    BCL_TRY(bcl_buffer_write(m->device, m->row_step.buffer, 0, seen, (size_t)m->rows * sizeof *seen,
                             true));
out:
    free(seen);
    bcl_safetensors_close(st);
    return status;
}
