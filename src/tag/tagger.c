/* Texts through the model: encoded, cut into windows, packed to batches, and handed out in order. A
 * batch is computed while the next one is filled. What scores mean is aggregate.c's. */
#include "data/windows.h"
#include "model/pipeline.h"
#include "session/session.h"
#include "tag/tag.h"

enum {
    BATCH_TOKENS = 1024, /* enough to keep a device busy; more only costs memory */
    MOST_WAITING = 4096, /* texts; those without a piece fill no batch */
    MOST_WAITING_BYTES =
        1 << 23,              /* of their arrays: of long texts that are cut, many fit a batch */
    MOST_KEPT_BYTES = 1 << 14 /* that a text leaves to later ones */
};

/* A stretch of a text in a batch. */
typedef struct stretch {
    bcl_waiting *text;
    bcl_window window; /* pieces counted from text->begin */
    size_t row;        /* of its [CLS] in the batch */
} stretch;

/* A batch that is being filled or computed. */
typedef struct load {
    int32_t *ids;        /* (capacity) */
    bcl_sample *samples; /* (window capacity) */
    stretch *windows;
    size_t window_count, tokens;
} load;

struct bcl_tagger {
    bcl_session *session, *own; /* own: the same if it is to be freed with the tagger, else NULL */
    const bcl_tokenizer *tokenizer;
    size_t K;
    bcl_tagger_options options;
    size_t max_length, stride, capacity, most_windows; /* of a batch */
    bcl_tag *tags;                                     /* (K) */
    const char **types;                                /* (type_count) */
    size_t type_count;
    bcl_aggregator aggregator;
    bcl_transitions transitions; /* with constrain */
    bcl_pipeline *pipeline;
    load *loads;               /* by slot */
    bcl_slot *filling;         /* the slot that takes windows */
    uint32_t *which;           /* (most_windows) 0, 1, ... */
    bcl_waiting *head, **tail; /* in the order of adding */
    bcl_waiting *spare;
    size_t waiting, waiting_bytes;
    uint64_t number;
};

/* ---- texts ---- */

static void free_arrays(bcl_waiting *w) {
    bcl_string_free(&w->text);
    bcl_encoding_free(&w->encoding);
    free(w->scores);
    free(w->word_bytes);
    free(w->word_points);
    *w = (bcl_waiting){.next = w->next};
}

/* Close enough: without the tokenizer's scratch. */
static size_t bytes_of(const bcl_waiting *w) {
    return w->text.capacity +
           w->encoding.capacity * (sizeof *w->encoding.ids + sizeof *w->encoding.word_ids +
                                   2 * sizeof *w->encoding.offsets) +
           w->scores_capacity * sizeof *w->scores + w->word_bytes_capacity * sizeof *w->word_bytes +
           w->word_points_capacity * sizeof *w->word_points;
}

static void free_waiting(bcl_waiting *w) {
    for (bcl_waiting *next; w; w = next) {
        next = w->next;
        free_arrays(w);
        free(w);
    }
}

/* ---- results ---- */

/* Hands out the texts at the head of the queue that are ready. */
static bcl_status hand_out(bcl_tagger *t) {
    bcl_status status = BCL_OK;
    while (t->head && !t->head->windows_left) {
        bcl_waiting *w = t->head;
        bcl_tagged result;
        BCL_TRY(bcl_aggregate(&t->aggregator, w, &result));
        t->head = w->next;
        if (!t->head)
            t->tail = &t->head;
        w->next = t->spare;
        t->spare = w;
        t->waiting--;
        t->waiting_bytes -= bytes_of(w);
        if (t->options.sink)
            BCL_TRY(t->options.sink(t->options.context, &result));
        if (bytes_of(w) > MOST_KEPT_BYTES)
            free_arrays(w);
    }
out:
    return status;
}

static bcl_status fail_scores(const bcl_tagger *t, const bcl_slot *slot, const bcl_waiting *text) {
    bcl_status status = BCL_OK;
    char place[BCL_MODEL_PLACE];
    BCL_TRY(bcl_pipeline_find_overflow(place, t->pipeline, slot));
    BCL_FAIL(BCL_ERROR_DEVICE,
             "text %llu: the scores are not finite; the first values that are not are %s: the "
             "model's weights are too large for its precision",
             (unsigned long long)text->number + 1, place);
out:
    return status;
}

/* Takes a batch's scores. */
static bcl_status collect(void *context, bcl_slot *slot) {
    bcl_tagger *t = context;
    load *l = &t->loads[slot->index];
    const size_t K = t->K;
    for (size_t i = 0; i < l->window_count; i++) {
        const stretch *v = &l->windows[i];
        const bcl_window *w = &v->window;
        const float *logits = slot->logits + (v->row + 1 + w->lo - w->begin) * K;
        const size_t count = (w->hi - w->lo) * K;
        if (bcl_floats_finite(logits, count) < count)
            return fail_scores(t, slot, v->text);
        memcpy(v->text->scores + w->lo * K, logits, count * sizeof *logits);
        v->text->windows_left--;
    }
    l->window_count = l->tokens = 0;
    return hand_out(t);
}

/* ---- opening ---- */

/* = str.split("-", 1)[-1] */
static const char *type_of(const char *label) {
    const char *dash = strchr(label, '-');
    return dash ? dash + 1 : label;
}

/* The scheme of the model's labels. */
static bcl_scheme scheme_of(const bcl_tagger *t) {
    return bcl_scheme_detect(&(bcl_scheme_evidence){
        .names = (const char *const *)t->session->config.label_names, .K = t->K, .model = t->K});
}

/* The pipeline knows B- and I- alone. Where the labels' scheme has other letters, words are joined
 * by it; `none` and `simple` stay the pipeline's. */
static bool joins_by_scheme(const bcl_tagger *t) {
    const bcl_scheme scheme = scheme_of(t);
    return t->options.aggregation >= BCL_AGGREGATION_FIRST &&
           (scheme == BCL_SCHEME_IOBES || scheme == BCL_SCHEME_BILOU || scheme == BCL_SCHEME_IOE1 ||
            scheme == BCL_SCHEME_IOE2);
}

static bcl_status make_tags(bcl_tagger *t) {
    bcl_status status = BCL_OK;
    const bool by_scheme = joins_by_scheme(t);
    bcl_names groups = {0}, types = {0};
    BCL_NEW(t->tags, t->K);
    BCL_NEW(t->types, t->K);
    for (size_t k = 0; k < t->K; k++) {
        const char *label = t->session->config.label_names[k];
        const bcl_tag_parts parts = bcl_tag_read(label);
        const bool prefixed = (label[0] == 'B' || label[0] == 'I') && label[1] == '-';
        const char *group = by_scheme && parts.prefix && parts.prefix != 'O'
                                ? parts.type
                                : label + (prefixed ? 2 : 0);
        uint32_t id;
        BCL_TRY(bcl_names_intern(&id, &groups, group, strlen(group)));
        bcl_tag *tag = &t->tags[k];
        *tag = (bcl_tag){.label = label,
                         .type = type_of(label),
                         .group = (int)id,
                         .begins = (prefixed && label[0] == 'B') ||
                                   (by_scheme && (parts.prefix == 'B' || parts.prefix == 'S')),
                         .ends = by_scheme && (parts.prefix == 'E' || parts.prefix == 'S'),
                         .outside = !strcmp(label, "O")};
        tag->type_outside = !strcmp(tag->type, "O");
        if (tag->type_outside)
            continue;
        BCL_TRY(bcl_names_intern(&id, &types, tag->type, strlen(tag->type)));
        if (id == t->type_count)
            t->types[t->type_count++] = tag->type;
    }
out:
    bcl_names_free(&groups);
    bcl_names_free(&types);
    return status;
}

static bcl_status set_scoring(bcl_tagger *t) {
    bcl_status status = BCL_OK;
    const bcl_tagger_options *o = &t->options;
    const double temperature = o->temperature ? o->temperature : t->session->config.temperature;
    if (!(temperature >= BCL_TEMPERATURE_MIN && temperature <= BCL_TEMPERATURE_MAX))
        BCL_FAIL(BCL_ERROR_ARGUMENT, "temperature: found %g, expected %g to %g", temperature,
                 BCL_TEMPERATURE_MIN, BCL_TEMPERATURE_MAX);
    if (!(o->min_score >= 0 && o->min_score <= 1))
        BCL_FAIL(BCL_ERROR_ARGUMENT, "min-score: found %g, expected 0 to 1", o->min_score);
    if (o->constrain && o->aggregation < BCL_AGGREGATION_FIRST)
        BCL_FAIL(BCL_ERROR_ARGUMENT,
                 "constrain: decodes words; found aggregation %s, expected first, average or max",
                 bcl_aggregation_name(o->aggregation));
    t->aggregator = (bcl_aggregator){.tokenizer = t->tokenizer,
                                     .tags = t->tags,
                                     .K = t->K,
                                     .aggregation = o->aggregation,
                                     .words = o->words,
                                     .temperature = temperature,
                                     .min_score = o->min_score};
    BCL_NEW(t->aggregator.mean, t->K);
    if (!o->constrain)
        return BCL_OK;
    BCL_TRY(bcl_transitions_create(&t->transitions, scheme_of(t),
                                   (const char *const *)t->session->config.label_names, t->K));
    t->aggregator.transitions = &t->transitions;
out:
    return status;
}

static bcl_status set_lengths(bcl_tagger *t) {
    bcl_status status = BCL_OK;
    const bcl_tagger_options *o = &t->options;
    BCL_TRY(bcl_sequence_limit(&t->max_length, o->max_length, &t->session->config, t->tokenizer));
    BCL_TRY(bcl_window_stride(&t->stride, o->stride, t->max_length));
    t->capacity = o->batch_tokens ? o->batch_tokens : BATCH_TOKENS;
    if (t->capacity < t->max_length)
        t->capacity = t->max_length;
    if (t->capacity > INT32_MAX / 8)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "max-tokens: found %zu, expected at most %d", t->capacity,
                 INT32_MAX / 8);
    t->most_windows = t->capacity / 3;
out:
    return status;
}

static bcl_status make_batches(bcl_tagger *t) {
    bcl_status status = BCL_OK;
    const bcl_capacity capacity = {.tokens = (int)t->capacity, .sentences = (int)t->most_windows};
    const bcl_pipeline_options options = {.outputs = BCL_OUTPUT_LOGITS,
                                          .tokens = capacity.tokens,
                                          .sentences = capacity.sentences,
                                          .labels = (int)t->K,
                                          .collect = collect,
                                          .context = t};
    if (t->session->remote)
        BCL_TRY(bcl_pipeline_create_remote(&t->pipeline, t->session->remote, &options));
    else
        BCL_TRY(bcl_pipeline_create(&t->pipeline, t->session->model, &options));
    BCL_NEW(t->loads, bcl_pipeline_slots(t->pipeline));
    for (size_t i = 0; i < bcl_pipeline_slots(t->pipeline); i++) {
        BCL_NEW(t->loads[i].ids, t->capacity);
        BCL_NEW(t->loads[i].samples, t->most_windows);
        BCL_NEW(t->loads[i].windows, t->most_windows);
    }
    BCL_NEW(t->which, t->most_windows);
    for (size_t i = 0; i < t->most_windows; i++)
        t->which[i] = (uint32_t)i;
    BCL_TRY(bcl_pipeline_next(&t->filling, t->pipeline));
    if (!t->session->remote)
        BCL_TRY(bcl_model_reserve(t->session->model, &capacity));
out:
    return status;
}

bcl_status bcl_tagger_create(bcl_tagger **out, bcl_session *session,
                             const bcl_tagger_options *options) {
    bcl_status status = BCL_OK;
    bcl_tagger *t = NULL;
    BCL_NEW(t, 1);
    if (options)
        t->options = *options;
    t->session = session;
    t->tokenizer = session->tokenizer;
    t->K = bcl_session_label_count(session);
    t->tail = &t->head;
    BCL_TRY(set_lengths(t));
    BCL_TRY(make_tags(t));
    BCL_TRY(set_scoring(t));
    BCL_TRY(make_batches(t));
    *out = t;
    t = NULL;
out:
    bcl_tagger_free(t);
    return status;
}

bcl_status bcl_tagger_open(bcl_tagger **out, const char *model, const bcl_tagger_options *options) {
    bcl_status status = BCL_OK;
    bcl_session *session = NULL;
    bcl_session_options opening = {.model = model};
    if (options) {
        opening.device = options->device;
        opening.gemm = options->gemm;
        opening.precision = options->precision;
    }
    BCL_TRY(bcl_session_open(&session, &opening));
    BCL_TRY(bcl_tagger_create(out, session, options));
    (*out)->own = session;
    session = NULL;
out:
    bcl_session_free(session);
    return status;
}

void bcl_tagger_free(bcl_tagger *t) {
    if (!t)
        return;
    for (size_t i = 0; t->loads && i < bcl_pipeline_slots(t->pipeline); i++) {
        free(t->loads[i].ids);
        free(t->loads[i].samples);
        free(t->loads[i].windows);
    }
    free(t->loads);
    bcl_pipeline_free(t->pipeline);
    free_waiting(t->head);
    free_waiting(t->spare);
    bcl_aggregator_free(&t->aggregator);
    bcl_transitions_free(&t->transitions);
    free(t->tags);
    free(t->types);
    free(t->which);
    bcl_session_free(t->own);
    free(t);
}

/* ---- batches ---- */

/* Sends the batch that is being filled on its way and takes what the one before gave. */
static bcl_status launch(bcl_tagger *t) {
    bcl_status status = BCL_OK;
    const load *l = &t->loads[t->filling->index];
    if (!l->window_count)
        return bcl_pipeline_drain(t->pipeline);
    t->filling->first = l->windows[0].text->number + 1;
    t->filling->last = l->windows[l->window_count - 1].text->number + 1;
    BCL_TRY(bcl_batch_pack(&t->filling->batch, l->samples, t->which, (int)l->window_count, NULL));
    BCL_TRY(bcl_pipeline_compute(t->pipeline));
    BCL_TRY(bcl_pipeline_next(&t->filling, t->pipeline));
out:
    return status;
}

bcl_status bcl_tagger_flush(bcl_tagger *t) {
    bcl_status status = BCL_OK;
    BCL_TRY(launch(t));
    BCL_TRY(bcl_pipeline_drain(t->pipeline));
    BCL_TRY(hand_out(t));
out:
    return status;
}

/* ---- adding ---- */

static bcl_status add_window(bcl_tagger *t, bcl_waiting *w, const bcl_window *v) {
    bcl_status status = BCL_OK;
    const size_t length = v->end - v->begin + 2;
    const load *full = &t->loads[t->filling->index];
    if (full->tokens + length > t->capacity || full->window_count == t->most_windows)
        BCL_TRY(launch(t));
    load *l = &t->loads[t->filling->index];
    int32_t *ids = l->ids + l->tokens;
    ids[0] = w->encoding.ids[0];
    memcpy(ids + 1, w->encoding.ids + w->begin + v->begin, (v->end - v->begin) * sizeof *ids);
    ids[length - 1] = w->encoding.ids[w->encoding.count - 1];
    l->samples[l->window_count] = (bcl_sample){.ids = ids, .length = (int)length};
    l->windows[l->window_count++] = (stretch){w, *v, l->tokens};
    l->tokens += length;
out:
    return status;
}

/* Which pieces are tagged, and how many words that leaves out. */
static void choose_range(const bcl_tagger *t, bcl_waiting *w) {
    const bcl_encoding *e = &w->encoding;
    const size_t n = e->count - 2, capacity = t->max_length - 2;
    w->begin = 1;
    w->end = 1 + n;
    w->words_cut = 0;
    if (n <= capacity || t->options.long_texts == BCL_LONG_WINDOW)
        return;
    size_t cut = 1 + capacity, cut_end = w->end;
    if (t->tokenizer->truncate_left) {
        w->begin = 1 + n - capacity;
        cut = 1;
        cut_end = w->begin;
    } else {
        w->end = cut;
    }
    for (size_t i = cut; i < cut_end; i++)
        w->words_cut += i == cut || e->word_ids[i] != e->word_ids[i - 1];
}

static bcl_status add_windows(bcl_tagger *t, bcl_waiting *w) {
    bcl_status status = BCL_OK;
    const size_t n = w->end - w->begin, capacity = t->max_length - 2;
    bcl_window v = {0};
    w->windows = w->windows_left = bcl_window_count(n, capacity, t->stride);
    while (bcl_window_next(&v, n, capacity, t->stride))
        BCL_TRY(add_window(t, w, &v));
out:
    return status;
}

static bcl_status take_spare(bcl_tagger *t, bcl_waiting **out) {
    bcl_status status = BCL_OK;
    if (!t->spare)
        BCL_NEW(t->spare, 1);
    *out = t->spare;
    (*out)->text.size = 0;
    (*out)->given_words = false;
    (*out)->word_count = 0;
out:
    return status;
}

/* Puts the encoded text t->spare into the queue. */
static bcl_status enqueue(bcl_tagger *t, void *user) {
    bcl_status status = BCL_OK;
    bcl_waiting *w = t->spare;
    choose_range(t, w);
    size_t scores;
    if (!bcl_multiply(&scores, w->end - w->begin, t->K))
        BCL_FAIL(BCL_ERROR_MEMORY, "a text of %zu pieces is too long", w->end - w->begin);
    BCL_TRY(bcl_grow(&w->scores, &w->scores_capacity, scores + 1, sizeof *w->scores));
    t->spare = w->next;
    w->next = NULL;
    w->windows_left = 1; /* not ready */
    w->number = t->number++;
    w->user = user;
    *t->tail = w;
    t->tail = &w->next;
    t->waiting_bytes += bytes_of(w);
    if (++t->waiting > MOST_WAITING || t->waiting_bytes > MOST_WAITING_BYTES)
        BCL_TRY(launch(t));
    BCL_TRY(add_windows(t, w));
    if (t->head == w)
        BCL_TRY(hand_out(t));
out:
    return status;
}

bcl_status bcl_tagger_add_text(bcl_tagger *t, const char *text, size_t size, void *user) {
    bcl_status status = BCL_OK;
    bcl_waiting *w;
    BCL_TRY(take_spare(t, &w));
    BCL_TRY(bcl_tokenizer_encode_text(t->tokenizer, text, size, 0, &w->encoding));
    BCL_TRY(bcl_string_add(&w->text, text, size));
    BCL_TRY(enqueue(t, user));
out:
    return status;
}

bcl_status bcl_tagger_add_words(bcl_tagger *t, const char *const *words, const size_t *sizes,
                                size_t count, void *user) {
    bcl_status status = BCL_OK;
    bcl_waiting *w;
    size_t points = 0;
    BCL_TRY(take_spare(t, &w));
    BCL_TRY(bcl_tokenizer_encode_words(t->tokenizer, words, sizes, count, 0, &w->encoding));
    w->given_words = true;
    w->word_count = count;
    BCL_TRY(bcl_grow(&w->word_bytes, &w->word_bytes_capacity, count + 1, sizeof *w->word_bytes));
    BCL_TRY(bcl_grow(&w->word_points, &w->word_points_capacity, count + 1, sizeof *w->word_points));
    for (size_t i = 0; i < count; i++) {
        const size_t size = sizes ? sizes[i] : strlen(words[i]);
        if (i) {
            BCL_TRY(bcl_string_add(&w->text, " ", 1));
            points++;
        }
        w->word_bytes[i] = w->text.size;
        w->word_points[i] = points;
        BCL_TRY(bcl_string_add(&w->text, words[i], size));
        for (size_t k = 0; k < size; k++)
            points += (words[i][k] & 0xC0) != 0x80;
    }
    w->word_bytes[count] = w->text.size;
    w->word_points[count] = points;
    BCL_TRY(enqueue(t, user));
out:
    return status;
}

size_t bcl_tagger_waiting(const bcl_tagger *t) {
    return t->waiting;
}

size_t bcl_tagger_label_count(const bcl_tagger *t) {
    return t->K;
}

const char *bcl_tagger_label(const bcl_tagger *t, size_t id) {
    return t->tags[id].label;
}

size_t bcl_tagger_type_count(const bcl_tagger *t) {
    return t->type_count;
}

const char *bcl_tagger_type(const bcl_tagger *t, size_t type) {
    return t->types[type];
}

size_t bcl_tagger_max_length(const bcl_tagger *t) {
    return t->max_length;
}

const char *bcl_tagger_device(const bcl_tagger *t) {
    return bcl_session_device(t->session);
}

const char *bcl_tagger_precision(const bcl_tagger *t) {
    return bcl_session_precision(t->session);
}

const char *bcl_tagger_why_fp32(const bcl_tagger *t) {
    return bcl_session_why_fp32(t->session);
}
