/* Parameters from a checkpoint of Hugging Face's names. */
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

/* A weight that is not finite makes everything that it touches so: better said here, by its name.
 * `first`: of the values in the tensor. */
static bcl_status check_finite(const loader *ld, const bcl_tensor *t, const void *values,
                               size_t first, size_t count) {
    const size_t i = bcl_floats_finite(values, count);
    const size_t width = t->rank > 1 ? (size_t)t->shape[t->rank - 1] : 1;
    char place[64];
    float value;
    if (i == count)
        return BCL_OK;
    memcpy(&value, (const char *)values + i * sizeof value, sizeof value);
    if (t->rank > 1)
        snprintf(place, sizeof place, "%zu, %zu", (first + i) / width, (first + i) % width);
    else
        snprintf(place, sizeof place, "%zu", first + i);
    return bcl_fail(BCL_ERROR_FORMAT, "%s: tensor %s: found %g at [%s], expected finite numbers",
                    ld->folder, t->name, (double)value, place);
}

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
        BCL_TRY(check_finite(ld, t, block ? block : part.data, first * C, rows * C));
        BCL_TRY(bcl_buffer_write(ld->model->device, ld->model->words.buffer,
                                 first * C * sizeof(float), block ? block : part.data,
                                 rows * C * sizeof(float), true));
        bcl_map_release(part.data, part.bytes);
    }
out:
    free(block);
    return status;
}

/* True if the head is to be drawn: the weight decides for both, so that a new head is all new. */
static bool is_new_head(const bcl_layout *l, const bcl_config *config, const bcl_checkpoint *ck,
                        const bcl_named *n) {
    if (n->parameter < l->classifier)
        return false;
    const bcl_named *weight = n - (n->rank == 1), *bias = weight + 1;
    const bcl_tensor *w = find_tensor(ck, weight->name), *b = find_tensor(ck, bias->name);
    return config->other_head[0] || !w || !b || !same_shape(w, weight) || !same_shape(b, bias);
}

/* A tensor of the same name behind another prefix, as "module." of PyTorch's DataParallel. */
static const bcl_tensor *find_prefixed(const bcl_checkpoint *ck, const char *name) {
    const char *end = strncmp(name, "bert.", 5) ? name : name + 5;
    for (size_t i = 0; i < bcl_checkpoint_count(ck); i++) {
        const bcl_tensor *t = bcl_checkpoint_at(ck, i);
        const size_t size = strlen(t->name), part = strlen(end);
        if (size > part && ends_with(t->name, end) && t->name[size - part - 1] == '.')
            return t;
    }
    return NULL;
}

static bcl_status fail_missing(const bcl_checkpoint *ck, const bcl_named *n, bool head,
                               const char *folder) {
    const bcl_tensor *other = find_prefixed(ck, n->name);
    if (other)
        return bcl_fail(
            BCL_ERROR_FORMAT,
            "%s: no tensor %s, but %s: expected the names of BertForTokenClassification; "
            "remove the prefix and save the model again",
            folder, n->name, other->name);
    return bcl_fail(BCL_ERROR_FORMAT, "%s: no tensor %s (nor its older names)%s", folder, n->name,
                    head ? "; the model has no token classifier, fine-tune it with bertcl train"
                         : "");
}

bcl_status bcl_checkpoint_need(const bcl_tensor **out, const bcl_checkpoint *ck,
                               const bcl_layout *l, const bcl_named *n, const char *folder) {
    const bcl_tensor *t = *out = find_tensor(ck, n->name);
    char found[64], expected[64];
    const bool head = n->parameter >= l->classifier;
    if (!t)
        return fail_missing(ck, n, head, folder);
    if (!same_shape(t, n))
        return bcl_fail(
            BCL_ERROR_FORMAT, "%s: tensor %s: found shape %s, config.json asks for %s%s", folder,
            t->name, bcl_tensor_shape_text(found, sizeof found, t),
            bcl_tensor_shape_text(
                expected, sizeof expected,
                &(bcl_tensor){.rank = n->rank, .shape = {n->shape[0], n->shape[1]}}),
            head ? ": \"id2label\" or \"num_labels\" says how many labels there are" : "");
    return bcl_tensor_check_float(t, folder);
}

/* Compares all shapes with config.json's before any memory is taken for what that asks for. */
static bcl_status check_shapes(const bcl_config *config, const char *folder, bool create_head) {
    bcl_status status = BCL_OK;
    bcl_checkpoint *ck = NULL;
    bcl_layout l = {0};
    const bcl_tensor *t;
    BCL_TRY(bcl_checkpoint_open(&ck, folder));
    BCL_TRY(bcl_layout_create(&l, config));
    for (int i = 0; i < l.named_count; i++)
        if (!create_head || !is_new_head(&l, config, ck, &l.named[i]))
            BCL_TRY(bcl_checkpoint_need(&t, ck, &l, &l.named[i], folder));
out:
    bcl_layout_free(&l);
    bcl_checkpoint_close(ck);
    return status;
}

static bcl_status load_one(loader *ld, const bcl_named *n) {
    bcl_status status = BCL_OK;
    const bcl_layout *l = &ld->model->layout;
    const bcl_tensor *t = NULL;
    if (ld->create_head && is_new_head(l, &ld->model->config, ld->checkpoint, n)) {
        if (n->rank == 2)
            bcl_normal(ld->file, bcl_named_elements(n), (float)ld->model->config.initializer_range,
                       bcl_mix64(ld->seed ^ 0x68656164));
        else
            memset(ld->file, 0, bcl_named_elements(n) * sizeof(float));
        BCL_TRY(note(&ld->report->created, &ld->report->created_count, n->name));
        goto store;
    }
    BCL_TRY(bcl_checkpoint_need(&t, ld->checkpoint, l, n, ld->folder));
    if (n->parameter == BCL_WORDS)
        return load_words(ld, t);
    BCL_TRY(bcl_tensor_to_float(ld->file, t));
    BCL_TRY(check_finite(ld, t, ld->file, 0, bcl_named_elements(n)));
store:;
    const bcl_parameter *p = &l->parameters[n->parameter];
    bcl_named_copy(ld->parameter, p->columns, ld->file, n, 0, bcl_named_rows(n), false);
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
    m->copied = false;
    BCL_TRY(bcl_buffer_write(m->device, p->p.buffer, 0, ld->parameter,
                             (size_t)p->rows * (size_t)p->columns * sizeof(float), true));
out:
    return status;
}

static int by_address(const void *a, const void *b) {
    const uintptr_t x = (uintptr_t)(*(const void *const *)a),
                    y = (uintptr_t)(*(const void *const *)b);
    return (x > y) - (x < y);
}

/* Tensors of the checkpoint that no parameter took, e.g. the pooler. */
static bcl_status note_unused(loader *ld) {
    bcl_status status = BCL_OK;
    const bcl_layout *l = &ld->model->layout;
    const bcl_tensor **used = NULL;
    BCL_NEW(used, (size_t)l->named_count);
    for (int k = 0; k < l->named_count; k++)
        used[k] = find_tensor(ld->checkpoint, l->named[k].name);
    qsort(used, (size_t)l->named_count, sizeof *used, by_address);
    for (size_t i = 0; i < bcl_checkpoint_count(ld->checkpoint); i++) {
        const bcl_tensor *t = bcl_checkpoint_at(ld->checkpoint, i);
        if (!ends_with(t->name, "embeddings.position_ids") && /* a constant of old versions */
            !bsearch(&t, used, (size_t)l->named_count, sizeof *used, by_address))
            BCL_TRY(note(&ld->report->unused, &ld->report->unused_count, t->name));
    }
out:
    free(used);
    return status;
}

bcl_status bcl_model_load_weights(bcl_model *m, const char *folder, bool create_head, uint64_t seed,
                                  bcl_load_report *report) {
    bcl_status status = BCL_OK;
    bcl_checkpoint *ck = NULL;
    size_t largest = 0;
    loader ld = {
        .model = m, .folder = folder, .create_head = create_head, .seed = seed, .report = report};
    *report = (bcl_load_report){0};
    memcpy(report->why_fp32, m->why_fp32, sizeof report->why_fp32);
    BCL_TRY(bcl_model_check_plain(m, "loading weights"));
    if (!create_head)
        BCL_TRY(bcl_config_check_head(&m->config, folder));
    BCL_TRY(bcl_checkpoint_open(&ck, folder));
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
out:
    if (status)
        bcl_load_report_free(report);
    free(ld.parameter);
    free(ld.file);
    bcl_checkpoint_close(ck);
    return status;
}

bcl_status bcl_model_load(bcl_model **out, bcl_device *device, const bcl_config *config,
                          const char *folder, const char *gemm, bcl_precision precision,
                          bool create_head, uint64_t seed, bcl_load_report *report) {
    bcl_status status = BCL_OK;
    bcl_model *m = NULL;
    *report = (bcl_load_report){0};
    BCL_TRY(check_shapes(config, folder, create_head));
    BCL_TRY(bcl_model_open(&m, device, config, gemm, precision));
    BCL_TRY(bcl_model_load_weights(m, folder, create_head, seed, report));
    *out = m;
    m = NULL;
out:
    bcl_model_free(m);
    return status;
}
