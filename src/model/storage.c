/* Parameters to and from checkpoints, and the optimizer's state. */
#include "model/internal.h"

void bcl_load_report_free(bcl_load_report *r) {
    bcl_strings_free(r->created, r->created_count);
    bcl_strings_free(r->unused, r->unused_count);
    *r = (bcl_load_report){0};
}

static bcl_status note(char ***list, size_t *count, const char *name) {
    bcl_status status = BCL_OK;
    size_t capacity = *count;
    BCL_TRY(bcl_grow(list, &capacity, *count + 1, sizeof **list));
    BCL_TRY(bcl_strdup(&(*list)[*count], name));
    ++*count;
out:
    return status;
}

static bool ends_with(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n >= m && !strcmp(text + n - m, end);
}

/* Finds a tensor under its name with or without "bert.", LayerNorm's also as gamma and beta. */
static const bcl_tensor *find_tensor(const bcl_checkpoint *ck, const char *name) {
    char old[128];
    for (int form = 0; form < 4; form++) {
        const char *base = form & 1 && !strncmp(name, "bert.", 5) ? name + 5 : name;
        snprintf(old, sizeof old, "%s", base);
        if (form & 2) {
            size_t n = strlen(old);
            if (ends_with(old, "LayerNorm.weight"))
                snprintf(old + n - 6, sizeof old - n + 6, "gamma");
            else if (ends_with(old, "LayerNorm.bias"))
                snprintf(old + n - 4, sizeof old - n + 4, "beta");
        }
        const bcl_tensor *t = bcl_checkpoint_find(ck, old);
        if (t)
            return t;
    }
    return NULL;
}

static bool same_shape(const bcl_tensor *t, const bcl_named *n) {
    return t->rank == n->rank && t->shape[0] == n->shape[0] &&
           (n->rank < 2 || t->shape[1] == n->shape[1]);
}

/* Copies rows of a tensor (a vector is one) between the file's layout and the parameter's
 * (rows,columns). */
static void place(float *parameter, int columns, float *file, const bcl_named *n, size_t first,
                  size_t rows, bool to_file) {
    enum { BLOCK = 16 }; /* rows that fill a cache line of the transposed side */
    const size_t width = (size_t)n->shape[n->rank - 1], ld = (size_t)columns, end = first + rows;
    if (!n->transposed)
        for (size_t i = first; i < end; i++, file += width) {
            float *p = parameter + i * ld + n->column;
            memcpy(to_file ? file : p, to_file ? p : file, width * sizeof *p);
        }
    else
        for (size_t i0 = first; i0 < end; i0 += BLOCK, file += BLOCK * width)
            for (size_t j = 0; j < width; j++)
                for (size_t i = i0; i < end && i < i0 + BLOCK; i++) {
                    float *p = parameter + j * ld + i + n->column, *f = file + (i - i0) * width + j;
                    if (to_file)
                        *f = *p;
                    else
                        *p = *f;
                }
}

/* A vector is one row. */
static size_t matrix_rows(const bcl_named *n) {
    return n->rank == 2 ? (size_t)n->shape[0] : 1;
}

static size_t named_elements(const bcl_named *n) {
    return (size_t)n->shape[0] * (n->rank == 2 ? (size_t)n->shape[1] : 1);
}

typedef struct loader {
    bcl_model *model;
    const bcl_checkpoint *checkpoint;
    const char *folder;
    bool create_head;
    uint64_t seed;
    bcl_load_report *report;
    float *parameter; /* one on the host */
    float *file;      /* one tensor */
} loader;

/* The largest tensor goes by blocks of rows, so that the host never holds a second copy. */
static bcl_status load_words(loader *ld, const bcl_tensor *t) {
    bcl_status status = BCL_OK;
    enum { ROWS = 1024 };
    const size_t V = (size_t)t->shape[0], C = (size_t)t->shape[1], row = t->bytes / V;
    float *block = NULL;
    if (t->dtype != BCL_F32)
        BCL_NEW(block, ROWS * C);
    for (size_t first = 0; first < V; first += ROWS) {
        const size_t rows = V - first < ROWS ? V - first : ROWS;
        bcl_tensor part = *t;
        part.shape[0] = (int64_t)rows;
        part.data = (const char *)t->data + first * row;
        part.bytes = rows * row;
        if (block)
            BCL_TRY(bcl_tensor_to_float(block, &part));
        BCL_TRY(bcl_buffer_write(ld->model->device, ld->model->words, first * C * sizeof(float),
                                 block ? block : part.data, rows * C * sizeof(float), true));
        bcl_map_release(part.data, part.bytes);
    }
out:
    free(block);
    return status;
}

static bcl_status load_one(loader *ld, const bcl_named *n) {
    bcl_status status = BCL_OK;
    const bcl_layout *l = &ld->model->layout;
    const bcl_tensor *t = find_tensor(ld->checkpoint, n->name);
    const bool head = n->parameter >= l->classifier;
    char found[64];
    if (head && ld->create_head) {
        /* the weight decides for both, so that a new head is all new */
        const bcl_named *weight = n - (n->rank == 1), *bias = weight + 1;
        const bcl_tensor *w = find_tensor(ld->checkpoint, weight->name),
                         *b = find_tensor(ld->checkpoint, bias->name);
        if (!w || !b || !same_shape(w, weight) || !same_shape(b, bias)) {
            if (n->rank == 2)
                bcl_normal(ld->file, named_elements(n), (float)ld->model->config.initializer_range,
                           bcl_mix64(ld->seed ^ 0x68656164));
            else
                memset(ld->file, 0, named_elements(n) * sizeof(float));
            BCL_TRY(note(&ld->report->created, &ld->report->created_count, n->name));
            t = NULL;
            goto store;
        }
    }
    if (!t)
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: no tensor %s (nor its older names)%s", ld->folder, n->name,
                 head ? "; the model has no token classifier, fine-tune it with bertcl train" : "");
    char expected[64];
    if (!same_shape(t, n))
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: tensor %s: found shape %s, config.json asks for %s",
                 ld->folder, t->name, bcl_tensor_shape_text(found, sizeof found, t),
                 bcl_tensor_shape_text(
                     expected, sizeof expected,
                     &(bcl_tensor){.rank = n->rank, .shape = {n->shape[0], n->shape[1]}}));
    if (n->parameter == BCL_WORDS)
        return load_words(ld, t);
    BCL_TRY(bcl_tensor_to_float(ld->file, t));
store:;
    const bcl_parameter *p = &l->parameters[n->parameter];
    place(ld->parameter, p->columns, ld->file, n, 0, matrix_rows(n), false);
    if (t)
        bcl_map_release(t->data, t->bytes);
out:
    return status;
}

/* Loads every tensor of a parameter and uploads it, so that the host holds one at a time. */
static bcl_status load_parameter(loader *ld, int parameter) {
    bcl_status status = BCL_OK;
    bcl_model *m = ld->model;
    for (int i = 0; i < m->layout.named_count; i++)
        if (m->layout.named[i].parameter == parameter)
            BCL_TRY(load_one(ld, &m->layout.named[i]));
    if (parameter == BCL_WORDS)
        goto out;
    const bcl_parameter *p = &m->layout.parameters[parameter];
    BCL_TRY(bcl_buffer_write(m->device, p->p, 0, ld->parameter,
                             (size_t)p->rows * (size_t)p->columns * sizeof(float), true));
out:
    return status;
}

/* Tensors of the checkpoint that no parameter took, e.g. the pooler. */
static bcl_status note_unused(loader *ld) {
    bcl_status status = BCL_OK;
    const bcl_layout *l = &ld->model->layout;
    for (size_t i = 0; i < bcl_checkpoint_count(ld->checkpoint); i++) {
        const bcl_tensor *t = bcl_checkpoint_at(ld->checkpoint, i);
        bool used = ends_with(t->name, "embeddings.position_ids"); /* a constant of old versions */
        for (int k = 0; !used && k < l->named_count; k++)
            used = find_tensor(ld->checkpoint, l->named[k].name) == t;
        if (!used)
            BCL_TRY(note(&ld->report->unused, &ld->report->unused_count, t->name));
    }
out:
    return status;
}

static bcl_status create_storage(bcl_model *m) {
    bcl_status status = BCL_OK;
    bcl_layout *l = &m->layout;
    const size_t words = (size_t)m->config.vocabulary * (size_t)m->config.hidden;
    BCL_TRY(bcl_buffer_create(&m->dense, m->device, l->dense * sizeof(float), "the parameters"));
    BCL_TRY(bcl_buffer_create(&m->words, m->device, words * sizeof(float), "the word embedding"));
    BCL_TRY(bcl_buffer_create(&m->stats, m->device, 2 * sizeof(float), "the loss"));
    BCL_TRY(bcl_buffer_zero(m->device, m->dense, 0, l->dense * sizeof(float))); /* the gaps too */
    for (int i = 0; i < l->parameter_count; i++) {
        bcl_parameter *p = &l->parameters[i];
        BCL_TRY(bcl_buffer_view(&p->p, m->dense, p->offset * sizeof(float),
                                (size_t)p->rows * (size_t)p->columns * sizeof(float)));
    }
out:
    return status;
}

bcl_status bcl_model_load(bcl_model **out, bcl_device *device, const bcl_config *config,
                          const char *folder, const char *gemm, bcl_precision precision,
                          bool create_head, uint64_t seed, bcl_load_report *report) {
    bcl_status status = BCL_OK;
    bcl_model *m = NULL;
    bcl_checkpoint *ck = NULL;
    size_t largest = 0;
    loader ld = {.folder = folder, .create_head = create_head, .seed = seed, .report = report};
    *report = (bcl_load_report){0};
    BCL_TRY(bcl_checkpoint_open(&ck, folder));
    BCL_NEW(m, 1);
    m->config = *config;
    m->config.label_names = NULL;
    m->config.source = NULL;
    m->device = device;
    m->ops.device = device;
    BCL_TRY(bcl_layout_create(&m->layout, config));
    BCL_TRY(create_storage(m));
    ld.model = m;
    ld.checkpoint = ck;
    for (int i = 0; i < m->layout.parameter_count; i++) {
        const bcl_parameter *p = &m->layout.parameters[i];
        const size_t size = (size_t)p->rows * (size_t)p->columns;
        largest = size > largest ? size : largest;
    }
    BCL_NEW(ld.parameter, largest);
    BCL_NEW(ld.file, largest);
    for (int i = BCL_WORDS; i < m->layout.parameter_count; i++)
        BCL_TRY(load_parameter(&ld, i));
    BCL_TRY(note_unused(&ld));
    precision = bcl_gemm_resolve(report->why_fp32, device, gemm, precision);
    BCL_TRY(bcl_gemm_create(&m->ops.gemm, device, gemm, precision));
    m->ops.auxiliary = bcl_gemm_runs_on_auxiliary(m->ops.gemm);
    *out = m;
    m = NULL;
out:
    if (status)
        bcl_load_report_free(report);
    free(ld.parameter);
    free(ld.file);
    bcl_checkpoint_close(ck);
    bcl_model_free(m);
    return status;
}

/* Rows of the word embedding, or of its gradient, of which there are only those of words that
 * occur. */
static bcl_status read_words(bcl_model *m, bool gradient, size_t first, size_t rows, float *out) {
    bcl_status status = BCL_OK;
    const size_t C = (size_t)m->config.hidden, row = C * sizeof(float);
    if (!gradient)
        return bcl_buffer_read(m->device, m->words, first * row, out, rows * row, true);
    memset(out, 0, rows * row);
    for (size_t i = 0; i < rows; i++) {
        const int32_t slot = m->slot_of[first + i];
        if (slot >= 0)
            BCL_TRY(
                bcl_buffer_read(m->device, m->row_g, (size_t)slot * row, out + i * C, row, true));
    }
out:
    return status;
}

static bcl_status read_rows(bcl_model *m, const bcl_named *n, bool gradient, size_t first,
                            size_t rows, float *out) {
    bcl_status status = BCL_OK;
    float *whole = NULL;
    if (n->parameter == BCL_WORDS)
        return read_words(m, gradient, first, rows, out);
    const bcl_parameter *p = &m->layout.parameters[n->parameter];
    const size_t size = (size_t)p->rows * (size_t)p->columns;
    BCL_TRY(bcl_model_pack(m, false));
    BCL_NEW(whole, size);
    BCL_TRY(bcl_buffer_read(m->device, gradient ? m->a.g : m->dense, p->offset * sizeof(float),
                            whole, size * sizeof(float), true));
    place(whole, p->columns, out, n, first, rows, true);
out:
    free(whole);
    return status;
}

bcl_status bcl_model_read(bcl_model *m, const bcl_named *n, bool gradient, float *out) {
    return read_rows(m, n, gradient, 0, matrix_rows(n), out);
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
                                  .bytes = named_elements(n) * sizeof(float)};
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
    parts[0] = (state_part){"adam.m", m->m, m->layout.dense};
    parts[1] = (state_part){"adam.v", m->v, m->layout.dense};
    parts[2] = (state_part){"adam.row_m", m->row_m, rows};
    parts[3] = (state_part){"adam.row_v", m->row_v, rows};
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
    BCL_TRY(
        bcl_buffer_write(m->device, m->row_step, 0, seen, (size_t)m->rows * sizeof *seen, true));
out:
    free(seen);
    bcl_safetensors_close(st);
    return status;
}
