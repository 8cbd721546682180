/* Scores to entities as transformers 5's TokenClassificationPipeline makes them:
 * gather_pre_entities, aggregate, aggregate_words and group_entities, with its ignore_labels=["O"].
 */
#include "tag/tag.h"

#include "data/calibration.h"

/* What is grouped: a piece, or a word of several. */
typedef struct bcl_unit {
    size_t first, last; /* pieces, [first,last), counted from w->begin; none: outside */
    size_t word;        /* in the list of words */
    size_t label;
    float score;
} unit;

static const char *const names[] = {"none", "simple", "first", "average", "max"};

const char *bcl_aggregation_name(bcl_aggregation aggregation) {
    return names[aggregation];
}

bcl_status bcl_aggregation_find(bcl_aggregation *out, const char *name) {
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(names[i], name)) {
            *out = (bcl_aggregation)i;
            return BCL_OK;
        }
    return bcl_fail(BCL_ERROR_ARGUMENT,
                    "aggregation \"%s\": expected none, simple, first, average or max", name);
}

void bcl_aggregator_free(bcl_aggregator *a) {
    free(a->bytes);
    free(a->starts);
    free(a->ends);
    free(a->mean);
    free(a->units);
    free(a->rows);
    free(a->decoded);
    free(a->entities);
    free(a->word_list);
    bcl_string_free(&a->strings);
    bcl_string_free(&a->scratch);
    bcl_string_free(&a->token);
    *a = (bcl_aggregator){0};
}

/* ---- where things are in the text ---- */

static bcl_status index_text(bcl_aggregator *a, const bcl_string *text) {
    bcl_status status = BCL_OK;
    size_t points = 0;
    for (size_t i = 0; i < text->size; i++)
        points += (text->data[i] & 0xC0) != 0x80;
    a->ascii = points == text->size;
    if (a->ascii)
        return status;
    BCL_TRY(bcl_grow(&a->bytes, &a->bytes_capacity, points + 1, sizeof *a->bytes));
    points = 0;
    for (size_t i = 0; i < text->size; i++)
        if ((text->data[i] & 0xC0) != 0x80)
            a->bytes[points++] = (uint32_t)i;
    a->bytes[points] = (uint32_t)text->size;
out:
    return status;
}

static size_t byte_of(const bcl_aggregator *a, size_t point) {
    return a->ascii ? point : a->bytes[point];
}

/* Offsets of given words are counted in the word. */
static bcl_status place_pieces(bcl_aggregator *a, const bcl_waiting *w) {
    const bcl_encoding *e = &w->encoding;
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_grow(&a->starts, &a->starts_capacity, e->count, sizeof *a->starts));
    BCL_TRY(bcl_grow(&a->ends, &a->ends_capacity, e->count, sizeof *a->ends));
    for (size_t i = 0; i < e->count; i++) {
        const bool shifted = w->given_words && e->word_ids[i] >= 0;
        const size_t base = shifted ? w->word_points[e->word_ids[i]] : 0;
        a->starts[i] = (uint32_t)base + e->offsets[2 * i];
        a->ends[i] = (uint32_t)base + e->offsets[2 * i + 1];
    }
out:
    return status;
}

/* A piece's token, which for [UNK] is the text itself. */
static void piece_text(const bcl_aggregator *a, const bcl_waiting *w, size_t piece,
                       const char **text, size_t *size) {
    const size_t i = w->begin + piece;
    const int32_t id = w->encoding.ids[i];
    if (id == bcl_tokenizer_special_id(a->tokenizer, BCL_SPECIAL_UNK)) {
        const size_t begin = byte_of(a, a->starts[i]), end = byte_of(a, a->ends[i]);
        *text = w->text.data + begin;
        *size = end > begin ? end - begin : 0;
        return;
    }
    *text = bcl_tokenizer_piece(a->tokenizer, id);
    *size = strlen(*text);
}

/* The pipeline's test: a token as long as the text it stands for begins a word. "##" makes a
 * continuation longer. */
static bool is_subword(const bcl_aggregator *a, const bcl_waiting *w, size_t piece) {
    const size_t i = w->begin + piece;
    const int32_t id = w->encoding.ids[i];
    size_t points = 0;
    if (id == bcl_tokenizer_special_id(a->tokenizer, BCL_SPECIAL_UNK))
        return false;
    for (const char *p = bcl_tokenizer_piece(a->tokenizer, id); *p; p++)
        points += (*p & 0xC0) != 0x80;
    return points != (a->ends[i] > a->starts[i] ? a->ends[i] - a->starts[i] : 0);
}

/* ---- scores ---- */

static bcl_status make_probabilities(const bcl_aggregator *a, bcl_waiting *w) {
    for (size_t i = 0; i < w->end - w->begin; i++)
        if (!bcl_softmax(w->scores + i * a->K, w->scores + i * a->K, a->K, a->temperature))
            return bcl_fail(BCL_ERROR_DEVICE,
                            "text %llu: the model's output for piece %zu is not a number; are its "
                            "weights damaged?",
                            (unsigned long long)w->number + 1, i);
    return BCL_OK;
}

static size_t argmax(const float *row, size_t K) {
    size_t best = 0;
    for (size_t k = 1; k < K; k++)
        if (row[k] > row[best])
            best = k;
    return best;
}

/* The scores (K) of a run of pieces. */
static const float *row_of(const bcl_aggregator *a, const float *scores, const unit *u) {
    const size_t K = a->K, n = u->last - u->first;
    const float *row = scores + u->first * K;
    if (a->aggregation == BCL_AGGREGATION_AVERAGE && n > 1) {
        for (size_t k = 0; k < K; k++) {
            float sum = 0;
            for (size_t i = 0; i < n; i++)
                sum += row[i * K + k];
            a->mean[k] = sum / (float)n;
        }
        return a->mean;
    }
    if (a->aggregation == BCL_AGGREGATION_MAX) {
        const float *best = row;
        for (size_t i = 1; i < n; i++)
            if (row[i * K + argmax(row + i * K, K)] > best[argmax(best, K)])
                best = row + i * K;
        return best;
    }
    return row;
}

/* Labels of words as the scheme allows them; a word without a piece is outside. */
static bcl_status decode(bcl_aggregator *a, const float *scores, size_t count) {
    bcl_status status = BCL_OK;
    const size_t K = a->K;
    BCL_TRY(bcl_grow(&a->rows, &a->rows_capacity, count * K, sizeof *a->rows));
    BCL_TRY(bcl_grow(&a->decoded, &a->decoded_capacity, count, sizeof *a->decoded));
    for (size_t i = 0; i < count; i++) {
        const unit *u = &a->units[i];
        for (size_t k = 0; u->first == u->last && k < K; k++)
            a->rows[i * K + k] = a->tags[k].outside;
        if (u->first < u->last)
            memcpy(a->rows + i * K, row_of(a, scores, u), K * sizeof *a->rows);
    }
    BCL_TRY(bcl_decode(a->decoded, a->transitions, a->rows, count));
    for (size_t i = 0; i < count; i++) {
        a->units[i].label = (size_t)a->decoded[i];
        a->units[i].score = a->rows[i * K + a->units[i].label];
    }
out:
    return status;
}

/* Sets label and score of units. */
static bcl_status judge(bcl_aggregator *a, const float *scores, size_t count) {
    if (a->transitions && a->aggregation >= BCL_AGGREGATION_FIRST)
        return decode(a, scores, count);
    for (size_t i = 0; i < count; i++) {
        unit *u = &a->units[i];
        if (u->first == u->last)
            continue;
        const float *row = row_of(a, scores, u);
        u->label = argmax(row, a->K);
        u->score = row[u->label];
    }
    return BCL_OK;
}

/* ---- units, groups, entities ---- */

/* Whether a piece goes on with the word of the one before: as the pipeline tells, which does not
 * look at given words; where labels of words are decoded, these are the words. */
static bool continues(const bcl_aggregator *a, const bcl_waiting *w, size_t piece) {
    const int32_t *ids = w->encoding.word_ids + w->begin + piece;
    return a->transitions && w->given_words ? ids[0] == ids[-1] : is_subword(a, w, piece);
}

static bcl_status make_units(bcl_aggregator *a, const bcl_waiting *w, size_t *count) {
    const bool words = a->aggregation >= BCL_AGGREGATION_FIRST;
    const size_t n = w->end - w->begin;
    bcl_status status = BCL_OK;
    *count = 0;
    BCL_TRY(bcl_grow(&a->units, &a->units_capacity, n + 1, sizeof *a->units));
    for (size_t i = 0; i < n;) {
        unit *u = &a->units[(*count)++];
        u->first = i++;
        while (words && i < n && continues(a, w, i))
            i++;
        u->last = i;
    }
    BCL_TRY(judge(a, w->scores, *count));
out:
    return status;
}

/* Adds a unit's text to the group's string. */
static bcl_status add_unit(bcl_aggregator *a, const bcl_waiting *w, const unit *u, bool first) {
    bcl_status status = BCL_OK;
    const char *text;
    size_t size;
    piece_text(a, w, u->first, &text, &size);
    if (a->aggregation >= BCL_AGGREGATION_FIRST) {
        a->scratch.size = 0;
        for (size_t i = u->first; i < u->last; i++) {
            piece_text(a, w, i, &text, &size);
            BCL_TRY(bcl_decode_token(&a->scratch, &a->token, text, size, i == u->first));
        }
        text = a->scratch.data;
        size = a->scratch.size;
    }
    if (a->aggregation == BCL_AGGREGATION_NONE)
        BCL_TRY(bcl_string_add(&a->strings, text, size));
    else
        BCL_TRY(bcl_decode_token(&a->strings, &a->token, text, size, first));
out:
    return status;
}

static double mean_score(const unit *u, const unit *end) {
    double sum = 0;
    for (const unit *v = u; v < end; v++)
        sum += (double)v->score;
    return sum / (double)(end - u);
}

/* The entity of units [u,end). Its word is an offset in `strings` until those stop moving. */
static bcl_status add_entity(bcl_aggregator *a, const bcl_waiting *w, const unit *u,
                             const unit *end) {
    bcl_status status = BCL_OK;
    const bool single = a->aggregation == BCL_AGGREGATION_NONE;
    const size_t at = a->strings.size;
    for (const unit *v = u; v < end; v++)
        BCL_TRY(add_unit(a, w, v, v == u));
    const size_t size = a->strings.size - at;
    BCL_TRY(bcl_string_add(&a->strings, "", 1));
    BCL_TRY(
        bcl_grow(&a->entities, &a->entities_capacity, a->entity_count + 1, sizeof *a->entities));
    const size_t start = a->starts[w->begin + u->first],
                 stop = a->ends[w->begin + end[-1].last - 1];
    a->entities[a->entity_count++] =
        (bcl_tagged_entity){.label = single ? a->tags[u->label].label : a->tags[u->label].type,
                            .score = (float)mean_score(u, end),
                            .index = single ? u->first + 1 : SIZE_MAX,
                            .word = (const char *)at,
                            .word_size = size,
                            .start = start,
                            .end = stop,
                            .start_byte = byte_of(a, start),
                            .end_byte = byte_of(a, stop)};
out:
    return status;
}

/* The end of the entity that begins with unit i. */
static size_t group_end(const bcl_aggregator *a, size_t i, size_t count) {
    const bcl_tag *tag = &a->tags[a->units[i].label];
    size_t end = i + 1;
    if (a->aggregation == BCL_AGGREGATION_NONE)
        return end;
    while (end < count && !a->tags[a->units[end - 1].label].ends &&
           !a->tags[a->units[end].label].begins && a->tags[a->units[end].label].group == tag->group)
        end++;
    return end;
}

static bcl_status make_entities(bcl_aggregator *a, const bcl_waiting *w) {
    bcl_status status = BCL_OK;
    size_t count;
    a->entity_count = a->strings.size = 0;
    BCL_TRY(make_units(a, w, &count));
    for (size_t i = 0, end; i < count; i = end) {
        const bcl_tag *tag = &a->tags[a->units[i].label];
        end = group_end(a, i, count);
        if (a->aggregation == BCL_AGGREGATION_NONE ? tag->outside : tag->type_outside)
            continue;
        if (mean_score(&a->units[i], &a->units[end]) >= a->min_score)
            BCL_TRY(add_entity(a, w, &a->units[i], &a->units[end]));
    }
    for (size_t i = 0; i < a->entity_count; i++)
        a->entities[i].word = a->strings.data + (size_t)a->entities[i].word;
out:
    return status;
}

/* ---- words ---- */

/* A unit a word, and the words' places; those without a piece, or cut, have none. */
static bcl_status list_words(bcl_aggregator *a, const bcl_waiting *w) {
    const bcl_encoding *e = &w->encoding;
    bcl_status status = BCL_OK;
    a->word_count = w->given_words ? w->word_count : 0;
    BCL_TRY(bcl_grow(&a->word_list, &a->word_list_capacity, w->word_count + e->count,
                     sizeof *a->word_list));
    BCL_TRY(bcl_grow(&a->units, &a->units_capacity, w->word_count + e->count, sizeof *a->units));
    for (size_t i = 0; i < a->word_count; i++) {
        a->word_list[i] = (bcl_tagged_word){"O", 0, w->word_bytes[i],
                                            w->word_bytes[i + 1] - (i + 1 < w->word_count)};
        a->units[i] = (unit){0};
    }
    for (size_t i = 1, end; i + 1 < e->count; i = end) {
        for (end = i + 1; end + 1 < e->count && e->word_ids[end] == e->word_ids[i];)
            end++;
        const size_t at = w->given_words ? (size_t)e->word_ids[i] : a->word_count++;
        if (!w->given_words)
            a->word_list[at] =
                (bcl_tagged_word){"O", 0, byte_of(a, a->starts[i]), byte_of(a, a->ends[end - 1])};
        const size_t first = i > w->begin ? i : w->begin, last = end < w->end ? end : w->end;
        a->units[at] =
            first < last ? (unit){.first = first - w->begin, .last = last - w->begin} : (unit){0};
    }
out:
    return status;
}

static bcl_status make_words(bcl_aggregator *a, const bcl_waiting *w) {
    bcl_status status = BCL_OK;
    BCL_TRY(list_words(a, w));
    BCL_TRY(judge(a, w->scores, a->word_count));
    /* A word without a piece ends the entity before it and is left as it is. */
    for (size_t i = 0, end; i < a->word_count; i = end) {
        end = i + 1;
        if (a->units[i].first == a->units[i].last)
            continue;
        size_t most = end;
        while (most < a->word_count && a->units[most].first < a->units[most].last)
            most++;
        end = group_end(a, i, most);
        if (mean_score(&a->units[i], &a->units[end]) < a->min_score)
            continue;
        for (size_t k = i; k < end; k++) {
            a->word_list[k].label = a->tags[a->units[k].label].label;
            a->word_list[k].score = a->units[k].score;
        }
    }
out:
    return status;
}

bcl_status bcl_aggregate(bcl_aggregator *a, bcl_waiting *w, bcl_tagged *out) {
    bcl_status status = BCL_OK;
    BCL_TRY(make_probabilities(a, w));
    BCL_TRY(index_text(a, &w->text));
    BCL_TRY(place_pieces(a, w));
    BCL_TRY(make_entities(a, w));
    if (a->words)
        BCL_TRY(make_words(a, w));
    *out = (bcl_tagged){.number = w->number,
                        .user = w->user,
                        .text = w->text.data ? w->text.data : "",
                        .size = w->text.size,
                        .entities = a->entities,
                        .entity_count = a->entity_count,
                        .words = a->words ? a->word_list : NULL,
                        .word_count = a->words ? a->word_count : 0,
                        .words_cut = w->words_cut,
                        .windows = w->windows};
out:
    return status;
}
