/* Where the tensors of a step lie: what is needed when, and a place for each among those that are
 * needed at the same time. Knows names, sizes and order of the operations, not what they compute.
 */
#include "model/internal.h"
#include "model/places.h"

#define MIB   1048576.0
#define LOWER "--max-tokens, --batch or --max-length"

/* The moments of a step: the embeddings, the layers' operations upwards, the head with the loss,
 * the layers' downwards, the embeddings' gradients, the update. */
enum {
    F_QKV,
    F_ATTENTION,
    F_OUT,
    F_NORM1,
    F_UP, /* and GELU */
    F_DOWN,
    F_NORM2,
    FORWARD_OPERATIONS
};
enum {
    B_AGAIN, /* with bcl_capacity.recompute: what the forward pass did not keep */
    B_NORM2,
    B_DOWN, /* and GELU */
    B_UP,
    B_NORM1,
    B_OUT, /* its gradient goes to r1 */
    B_ATTENTION,
    B_QKV,
    BACKWARD_OPERATIONS
};
/* Until when the weights' gradients, on the auxiliary queue, may still read a linear layer's
 * operands: dh is one buffer, which B_NORM1 writes over when that of DOWN has passed and the next
 * layer's B_NORM2 when that of OUT has. A buffer that is needed until then makes nothing wait that
 * is written later; with recompute, where memory counts for more, it is given away at once, and
 * what takes its place waits. */
enum {
    PASSED_DOWN = B_UP,
    PASSED_OUT = BACKWARD_OPERATIONS + B_AGAIN,
    PASSED_UP = PASSED_OUT,                  /* queued before OUT's */
    PASSED_QKV = BACKWARD_OPERATIONS + B_UP, /* before the next layer's DOWN's */
};

typedef enum width { WIDTH_ONE, WIDTH_HEADS, WIDTH_C, WIDTH_3C, WIDTH_F } width; /* of a row */
typedef enum keeping {
    KEEP,       /* from the forward to the backward pass */
    KEEP_OR_NOT /* the same, but not with bcl_capacity.recompute */
} keeping;

typedef enum role {
    PLAIN,   /* f32 */
    FACTOR,  /* what only products read, as they read it: bcl_gemm_operands' type */
    ROUNDED, /* the copy of another in that type, where it is not f32 */
    COPIED   /* f32; backward reads the copy of it, where there is one */
} role;

/* A layer's tensors: when the forward pass writes and last reads each, and backward last reads it.
 */
static const struct {
    size_t member;
    role role;
    width width;
    int written, read, backward, passed; /* passed: see above; 0: no weight's gradient reads it */
    keeping keeping;
} tensors[] = {
#define MEMBER(name) offsetof(bcl_layer_activations, name)
    {MEMBER(r2), PLAIN, WIDTH_C, F_DOWN, F_NORM2, B_NORM2, 0, KEEP},
    {MEMBER(mean2), PLAIN, WIDTH_ONE, F_NORM2, F_NORM2, B_NORM2, 0, KEEP},
    {MEMBER(rstd2), PLAIN, WIDTH_ONE, F_NORM2, F_NORM2, B_NORM2, 0, KEEP},
    {MEMBER(up), PLAIN, WIDTH_F, F_UP, F_DOWN, B_DOWN, 0, KEEP_OR_NOT},
    {MEMBER(qkv), PLAIN, WIDTH_3C, F_QKV, F_ATTENTION, B_ATTENTION, 0, KEEP_OR_NOT},
    {MEMBER(context), FACTOR, WIDTH_C, F_ATTENTION, F_OUT, B_ATTENTION, PASSED_OUT, KEEP_OR_NOT},
    {MEMBER(r1), PLAIN, WIDTH_C, F_OUT, F_NORM1, B_ATTENTION, 0, KEEP_OR_NOT},
    {MEMBER(lse), PLAIN, WIDTH_HEADS, F_ATTENTION, F_ATTENTION, B_ATTENTION, 0, KEEP_OR_NOT},
    {MEMBER(mean1), PLAIN, WIDTH_ONE, F_NORM1, F_NORM1, B_NORM1, 0, KEEP_OR_NOT},
    {MEMBER(rstd1), PLAIN, WIDTH_ONE, F_NORM1, F_NORM1, B_NORM1, 0, KEEP_OR_NOT},
    {MEMBER(gelu), FACTOR, WIDTH_F, F_UP, F_DOWN, B_DOWN, PASSED_DOWN, KEEP_OR_NOT},
    {MEMBER(y1), COPIED, WIDTH_C, F_NORM1, F_NORM2, B_UP, PASSED_UP, KEEP_OR_NOT},
    {MEMBER(y1_copy), ROUNDED, WIDTH_C, F_NORM1, F_UP, B_UP, PASSED_UP, KEEP_OR_NOT},
#undef MEMBER
};
enum { TENSORS = sizeof tensors / sizeof *tensors };

typedef struct planner {
    bcl_plan *plan;
    bcl_activations *a;
    const bcl_config *config;
    const bcl_layout *layout;
    const bcl_capacity *capacity;
    bcl_element factors; /* what products read */
    bcl_places places;   /* what the buffers so far take */
} planner;

static int forward_time(int layer, int operation) {
    return 1 + layer * FORWARD_OPERATIONS + operation;
}
static int head_time(const planner *p) {
    return forward_time(p->config->layers, 0);
}
static int update_time(const planner *p) { /* behind the embeddings' gradients */
    return head_time(p) + 1 + p->config->layers * BACKWARD_OPERATIONS + 1;
}
/* Operations behind a layer's last are those of the layer below. */
static int backward_time(const planner *p, int layer, int operation) {
    const int end = update_time(p);
    const int time =
        head_time(p) + 1 + (p->config->layers - 1 - layer) * BACKWARD_OPERATIONS + operation;
    return time < end ? time : end;
}

/* On either queue. */
static int last_read(const planner *p, int layer, int operation, int passed) {
    const bool waits = p->capacity->recompute || passed < operation;
    return backward_time(p, layer, waits ? operation : passed);
}
/* What the gradients of the head's weights read. */
static int head_passed(const planner *p) {
    return p->capacity->recompute ? head_time(p)
                                  : backward_time(p, p->config->layers - 1, PASSED_DOWN);
}

static size_t round_up(size_t bytes) {
    return (bytes + BCL_VIEW_UNIT - 1) / BCL_VIEW_UNIT * BCL_VIEW_UNIT;
}

static int columns_of(const bcl_config *c, width kind) {
    const int columns[] = {[WIDTH_ONE] = 1,
                           [WIDTH_HEADS] = c->heads,
                           [WIDTH_C] = c->hidden,
                           [WIDTH_3C] = 3 * c->hidden,
                           [WIDTH_F] = c->intermediate};
    return columns[kind];
}

/* ---- places ---- */

/* Lowest offset >= at where `bytes` do not cross the border of a slab. */
static size_t within_slab(const bcl_plan *plan, size_t at, size_t bytes) {
    const size_t left = plan->slab - at % plan->slab;
    return bytes > left ? at + left : at;
}

/* Gives buffers first.. places end to end, the lowest that are free while each is needed. */
static bcl_status place(planner *p, size_t first, const char *what, const char *advice) {
    bcl_status status = BCL_OK;
    bcl_plan *plan = p->plan;
    const size_t count = plan->count - first;
    size_t bytes = 0, base = 0;
    for (size_t i = first; i < plan->count; i++) {
        plan->buffers[i].offset = bytes; /* within the group */
        bytes += plan->buffers[i].bytes;
    }
    if (bytes > plan->slab)
        BCL_FAIL(BCL_ERROR_DEVICE_MEMORY,
                 "out of device memory: %s needs %.1f MiB, the device allocates at most %.1f MiB "
                 "in one piece%s",
                 what, (double)bytes / MIB, (double)plan->slab / MIB, advice);
    /* round and round, until all parts are free where they are */
    for (size_t i = 0, free = 0; free < count; i = (i + 1) % count) {
        const bcl_planned *b = &plan->buffers[first + i];
        const bcl_place wanted = {base + b->offset, b->bytes, b->born, b->dies};
        const size_t moved = base + bcl_places_find(&p->places, &wanted) - wanted.offset;
        const size_t next = within_slab(plan, moved, bytes);
        free = next == base ? free + 1 : next == moved; /* else not even this part is known to be */
        base = next;
    }
    for (size_t i = first; i < plan->count; i++) {
        bcl_planned *b = &plan->buffers[i];
        b->offset += base;
        BCL_TRY(bcl_places_add(&p->places, (bcl_place){b->offset, b->bytes, b->born, b->dies}));
    }
    if (base + bytes > plan->bytes)
        plan->bytes = base + bytes;
out:
    return status;
}

static bcl_status append(bcl_plan *plan, bcl_planned buffer) {
    bcl_status status = BCL_OK;
    buffer.bytes = round_up(buffer.bytes ? buffer.bytes : 1);
    BCL_TRY(bcl_grow(&plan->buffers, &plan->capacity, plan->count + 1, sizeof *plan->buffers));
    plan->buffers[plan->count++] = buffer;
out:
    return status;
}

/* A row for each token. */
static bcl_status add(planner *p, bcl_view *out, bcl_view *also, bcl_element type, int columns,
                      int born, int dies) {
    bcl_status status = BCL_OK;
    bcl_planned buffer = {
        .out = out, .also = also, .type = type, .columns = columns, .born = born, .dies = dies};
    if (!bcl_multiply(&buffer.bytes, (size_t)p->capacity->tokens,
                      (size_t)columns * bcl_element_bytes(type)))
        BCL_FAIL(BCL_ERROR_DEVICE_MEMORY,
                 "out of device memory: a batch of %d tokens; less is needed with a lower " LOWER,
                 p->capacity->tokens);
    BCL_TRY(append(p->plan, buffer));
    BCL_TRY(place(p, p->plan->count - 1, "a tensor of a batch",
                  "; less is needed with a lower " LOWER));
out:
    return status;
}

static bool has_copies(const planner *p) {
    return p->factors != BCL_ELEMENT_F32;
}

/* A tensor of the table, or a layer's input. */
static bcl_status add_tensor(planner *p, bcl_view *out, bcl_view *also, size_t tensor, int born,
                             int dies) {
    const role r = tensors[tensor].role;
    return add(p, out, also, r == FACTOR || r == ROUNDED ? p->factors : BCL_ELEMENT_F32,
               columns_of(p->config, tensors[tensor].width), born, dies);
}
static bcl_status add_input(planner *p, bcl_view *out, bcl_view *also, int born, int dies) {
    return add(p, out, also, BCL_ELEMENT_F32, p->config->hidden, born, dies);
}
static bcl_status add_input_copy(planner *p, bcl_view *out, bcl_view *also, int born, int dies) {
    return has_copies(p) ? add(p, out, also, p->factors, p->config->hidden, born, dies) : BCL_OK;
}

/* ---- what there is ---- */

/* Without a backward pass GELU is all that is left of up: in place, or alone as a copy. */
static bool exists(const planner *p, size_t tensor) {
    const bool of_gelu = tensors[tensor].member == offsetof(bcl_layer_activations, gelu);
    const bool of_up = tensors[tensor].member == offsetof(bcl_layer_activations, up);
    if (!p->capacity->training && (of_gelu || of_up))
        return has_copies(p) == of_gelu;
    return tensors[tensor].role != ROUNDED || has_copies(p);
}

/* Whether the forward pass of a layer is computed again: the last one's tensors are still there
 * when its backward step begins. */
static bool comes_again(const planner *p, int layer) {
    return p->capacity->recompute && layer < p->config->layers - 1;
}

static bool is_kept(const planner *p, size_t tensor, int layer) {
    if (!p->capacity->training || (tensors[tensor].role == COPIED && has_copies(p)))
        return false;
    return tensors[tensor].keeping == KEEP || !comes_again(p, layer);
}

/* A layer's input is an output of LayerNorm: cheap to compute again from r2 of the layer below. */
static bool keeps_input(const planner *p, int layer) {
    return p->capacity->training && (!layer || !p->capacity->recompute);
}
/* Whether backward reads it in fp32: where products read its copy, only the residual of a layer
 * that comes again does. */
static bool reads_full_input(const planner *p, int layer) {
    return !has_copies(p) || comes_again(p, layer);
}
static bool keeps_full_input(const planner *p, int layer) {
    return keeps_input(p, layer) && reads_full_input(p, layer);
}
static int full_input_dies(const planner *p, int layer) {
    return has_copies(p) ? backward_time(p, layer, B_AGAIN)
                         : last_read(p, layer, B_QKV, PASSED_QKV);
}

static int input_time(int layer) {
    return layer ? forward_time(layer - 1, F_NORM2) : 0;
}

static bcl_view *member(bcl_layer_activations *layer, size_t tensor) {
    return (bcl_view *)((char *)layer + tensors[tensor].member);
}

/* First, so that they lie layer by layer, and gradients can follow upon those above them. */
static bcl_status plan_kept(planner *p) {
    bcl_status status = BCL_OK;
    for (int l = 0; l < p->config->layers; l++) {
        if (keeps_full_input(p, l))
            BCL_TRY(add_input(p, &p->a->forward[l].x, &p->a->backward[l].x, input_time(l),
                              full_input_dies(p, l)));
        if (keeps_input(p, l))
            BCL_TRY(add_input_copy(p, &p->a->forward[l].x_copy, &p->a->backward[l].x_copy,
                                   input_time(l), last_read(p, l, B_QKV, PASSED_QKV)));
        for (size_t i = 0; i < TENSORS; i++)
            if (exists(p, i) && is_kept(p, i, l))
                BCL_TRY(add_tensor(p, member(&p->a->forward[l], i), member(&p->a->backward[l], i),
                                   i, forward_time(l, tensors[i].written),
                                   last_read(p, l, tensors[i].backward, tensors[i].passed)));
    }
out:
    return status;
}

/* The parameters' gradients, which the update reads as one arena: one buffer in parts that come
 * into being from the last layer down, unless they are added up over batches: below layer l's part
 * lie tensors of the layers that backward has yet to do. */
static bcl_status plan_gradients(planner *p) {
    bcl_status status = BCL_OK;
    const bcl_layout *l = p->layout;
    const size_t first = p->plan->count;
    size_t from = 0;
    for (int part = -1; part <= p->config->layers; part++) {
        const int next = BCL_FIRST_LAYER + (part + 1) * BCL_LAYER_PARAMETERS;
        const size_t end = next < l->parameter_count && part < p->config->layers
                               ? l->parameters[next].offset
                               : l->dense;
        const int born = p->capacity->accumulate     ? 0
                         : part == p->config->layers ? head_time(p)
                         : part < 0                  ? backward_time(p, part, 0)
                                                     : backward_time(p, part, B_NORM2);
        BCL_TRY(append(p->plan, (bcl_planned){.out = part < 0 ? &p->a->g : NULL,
                                              .type = l->type,
                                              .bytes = (end - from) * bcl_element_bytes(l->type),
                                              .born = born,
                                              .dies = update_time(p)}));
        from = end;
    }
    BCL_TRY(place(p, first, "the model's gradients", ""));
out:
    return status;
}

/* What the forward pass alone needs, or needs first. */
static bcl_status plan_forward(planner *p) {
    bcl_status status = BCL_OK;
    const int layers = p->config->layers;
    for (int l = 0; l < layers; l++)
        for (size_t i = 0; i < TENSORS; i++) {
            bcl_view *out = member(&p->a->forward[l], i), *gelu = &p->a->forward[l].gelu;
            if (!exists(p, i) || is_kept(p, i, l))
                continue;
            BCL_TRY(add_tensor(
                p, out, !p->capacity->training && out == &p->a->forward[l].up ? gelu : NULL, i,
                forward_time(l, tensors[i].written), forward_time(l, tensors[i].read)));
        }
    for (int l = 0; l <= layers; l++) {
        if (l == layers || !keeps_full_input(p, l))
            BCL_TRY(add_input(p, &p->a->forward[l].x, NULL, input_time(l),
                              l < layers              ? forward_time(l, F_NORM1)
                              : p->capacity->training ? head_passed(p)
                                                      : head_time(p)));
        if (l < layers && !keeps_input(p, l))
            BCL_TRY(add_input_copy(p, &p->a->forward[l].x_copy, NULL, input_time(l),
                                   forward_time(l, F_QKV)));
    }
out:
    return status;
}

/* What backward computes again. */
static bcl_status plan_again(planner *p) {
    bcl_status status = BCL_OK;
    for (int l = 0; l < p->config->layers; l++) {
        bcl_layer_activations *b = &p->a->backward[l];
        const int again = backward_time(p, l, B_AGAIN);
        if (!keeps_input(p, l) && reads_full_input(p, l))
            BCL_TRY(add_input(p, &b->x, NULL, again, full_input_dies(p, l)));
        if (!keeps_input(p, l))
            BCL_TRY(add_input_copy(p, &b->x_copy, NULL, again, last_read(p, l, B_QKV, PASSED_QKV)));
        for (size_t i = 0; comes_again(p, l) && i < TENSORS; i++) {
            const bool copied = tensors[i].role == COPIED && has_copies(p);
            if (exists(p, i) && !is_kept(p, i, l))
                BCL_TRY(add_tensor(
                    p, member(b, i), NULL, i, again,
                    copied ? again : last_read(p, l, tensors[i].backward, tensors[i].passed)));
        }
    }
out:
    return status;
}

/* The gradients that only products read. */
static bcl_status plan_backward(planner *p) {
    bcl_status status = BCL_OK;
    for (int l = p->config->layers; l-- > 0;) {
        bcl_layer_activations *b = &p->a->backward[l];
        BCL_TRY(add(p, &b->dup, NULL, p->factors, columns_of(p->config, WIDTH_F),
                    backward_time(p, l, B_DOWN), last_read(p, l, B_UP, PASSED_UP)));
        BCL_TRY(add(p, &b->dqkv, NULL, p->factors, columns_of(p->config, WIDTH_3C),
                    backward_time(p, l, B_ATTENTION), last_read(p, l, B_QKV, PASSED_QKV)));
    }
out:
    return status;
}

/* What there is once. */
static bcl_status plan_rest(planner *p) {
    bcl_status status = BCL_OK;
    const bcl_config *c = p->config;
    bcl_activations *a = p->a;
    const int head = head_time(p), end = update_time(p);
    const int passed = head_passed(p);
    const struct {
        bcl_view *out;
        bcl_element type;
        int columns, born, dies;
    } views[] = {
        {&a->mean, BCL_ELEMENT_F32, 1, 0, end},
        {&a->rstd, BCL_ELEMENT_F32, 1, 0, end},
        {&a->logits, BCL_ELEMENT_F32, c->labels, head, end},
        {&a->row_loss, BCL_ELEMENT_F32, 1, head, end},
        {&a->predicted, BCL_ELEMENT_I32, 1, head, end},
        /* with training alone */
        {&a->head, BCL_ELEMENT_F32, c->hidden, head, passed},
        {&a->dlogits, BCL_ELEMENT_F32, c->labels, head, passed},
        {&a->dx, BCL_ELEMENT_F32, c->hidden, head, end},
        {&a->dh, p->factors, c->hidden, head + 1, end},
        {&a->delta, BCL_ELEMENT_F32, c->heads, head + 1, end},
    };
    enum { ALWAYS = 5, ALL = sizeof views / sizeof *views };
    for (int i = 0; i < (p->capacity->training ? ALL : ALWAYS); i++)
        BCL_TRY(add(p, views[i].out, NULL, views[i].type, views[i].columns, views[i].born,
                    views[i].dies));
    if (p->capacity->training && has_copies(p))
        BCL_TRY(add_input(p, &a->scratch, NULL, end - 1, end));
out:
    return status;
}

bcl_status bcl_plan_create(bcl_plan *plan, bcl_activations *a, const bcl_config *config,
                           const bcl_layout *layout, const bcl_capacity *capacity,
                           bcl_element factors, size_t slab) {
    bcl_status status = BCL_OK;
    planner p = {plan, a, config, layout, capacity, factors, {0}};
    p.places.noon = head_time(&p);
    *plan = (bcl_plan){.slab = slab / BCL_VIEW_UNIT * BCL_VIEW_UNIT,
                       .tokens = capacity->tokens,
                       .time = update_time(&p)};
    BCL_TRY(plan_kept(&p));
    if (capacity->training)
        BCL_TRY(plan_gradients(&p));
    BCL_TRY(plan_rest(&p));
    BCL_TRY(plan_forward(&p));
    if (capacity->training) {
        BCL_TRY(plan_again(&p));
        BCL_TRY(plan_backward(&p));
    }
out:
    plan->steps = p.places.steps;
    bcl_places_free(&p.places);
    return status;
}

void bcl_plan_free(bcl_plan *plan) {
    free(plan->buffers);
    *plan = (bcl_plan){0};
}

/* ---- what it takes ---- */

void bcl_memory_measure(bcl_memory *out, const bcl_config *config, const bcl_layout *layout,
                        size_t words, bcl_element factors, const bcl_capacity *capacity,
                        const bcl_plan *plan) {
    const size_t C = (size_t)config->hidden, V = (size_t)config->vocabulary;
    const size_t element = bcl_element_bytes(layout->type);
    const size_t copy = factors == BCL_ELEMENT_F32 ? 0 : bcl_element_bytes(factors);
    bcl_batch_place places[BCL_BATCH_LIST_COUNT];
    *out = (bcl_memory){.weights = (layout->dense + V * C) * element + layout->dense * copy,
                        .step = plan->bytes +
                                bcl_batch_places(places, capacity->tokens, capacity->sentences)};
    if (capacity->training)
        out->moments = (2 * layout->dense + 3 * words * C) * element +
                       2 * words * bcl_element_bytes(BCL_ELEMENT_I32);
}

void bcl_memory_text(char *out, size_t size, const bcl_memory *m, const bcl_capacity *capacity) {
    if (capacity->training)
        snprintf(out, size,
                 "weights %.0f MiB, moments %.0f MiB, gradients and activations of up to %d tokens "
                 "%.0f MiB; less is needed with a lower " LOWER
                 " (a higher --accumulate makes up for it)%s",
                 (double)m->weights / MIB, (double)m->moments / MIB, capacity->tokens,
                 (double)m->step / MIB, capacity->recompute ? "" : ", or with --recompute");
    else
        snprintf(out, size,
                 "weights %.0f MiB, activations of up to %d tokens %.0f MiB; less is needed with a "
                 "lower " LOWER,
                 (double)m->weights / MIB, capacity->tokens, (double)m->step / MIB);
}

bcl_status bcl_memory_check(const bcl_memory *m, const bcl_capacity *capacity, bcl_device *device) {
    bcl_status status = BCL_OK;
    const bcl_device_info *about = bcl_device_about(device);
    const uint64_t all = (uint64_t)m->weights + m->moments + m->step;
    char text[384];
    bcl_memory_text(text, sizeof text, m, capacity);
    if (all > about->memory)
        BCL_FAIL(BCL_ERROR_DEVICE_MEMORY, "%s: out of device memory: has %.0f MiB, needs %.0f: %s",
                 about->id, (double)about->memory / MIB, (double)all / MIB, text);
out:
    return status;
}

bcl_status bcl_memory_plan(bcl_memory *out, bcl_device *device, const bcl_config *config,
                           size_t words, bcl_precision precision, const bcl_capacity *capacity) {
    bcl_status status = BCL_OK;
    const size_t piece = bcl_device_about(device)->max_allocation;
    const bcl_element factors = !bcl_device_about(device)->gpu    ? BCL_ELEMENT_F32
                                : precision == BCL_PRECISION_BF16 ? BCL_ELEMENT_BF16
                                : precision == BCL_PRECISION_FP16 ? BCL_ELEMENT_F16
                                                                  : BCL_ELEMENT_F32;
    bcl_layout layout = {0};
    bcl_activations a = {0};
    bcl_plan plan = {0};
    BCL_TRY(bcl_layout_create(&layout, config));
    BCL_NEW(a.forward, (size_t)config->layers + 1);
    BCL_NEW(a.backward, (size_t)config->layers + 1);
    /* the sum first: it says more than that one piece is too large */
    BCL_TRY(bcl_plan_create(&plan, &a, config, &layout, capacity, factors, SIZE_MAX));
    bcl_memory_measure(out, config, &layout, words, factors, capacity, &plan);
    BCL_TRY(bcl_memory_check(out, capacity, device));
    bcl_plan_free(&plan);
    BCL_TRY(bcl_plan_create(&plan, &a, config, &layout, capacity, factors, piece));
    bcl_memory_measure(out, config, &layout, words, factors, capacity, &plan);
    BCL_TRY(bcl_memory_check(out, capacity, device));
out:
    bcl_plan_free(&plan);
    bcl_layout_free(&layout);
    free(a.forward);
    free(a.backward);
    return status;
}
