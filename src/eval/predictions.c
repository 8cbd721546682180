/* From the labels of pieces, as a model gives them, to labelled sentences. */
#include "eval/predictions.h"

#include "data/scheme.h"
#include "eval/labels.h"
#include "eval/report.h"
#include "eval/score.h"

#include <cjson/cJSON.h>

/* Ids of the labels are the model's. */
static bcl_status create(bcl_labels **out, const bcl_predictions *p) {
    bcl_status status = BCL_OK;
    int32_t id;
    BCL_TRY(bcl_labels_create(out));
    for (size_t i = 0; i < p->K; i++) {
        BCL_TRY(bcl_labels_id(&id, *out, p->names[i]));
        if ((size_t)id != i)
            BCL_FAIL(BCL_ERROR_FORMAT,
                     "config.json: found label \"%s\" twice in id2label, "
                     "expected each once",
                     p->names[i]);
    }
    BCL_TRY(bcl_labels_corpus_documents(*out, p->corpus));
out:
    return status;
}

/* Room for one sentence of up to n words or pieces. */
typedef struct line {
    int32_t *gold, *pred;
    const char **words;
    size_t gold_capacity, pred_capacity, word_capacity;
} line;

static bcl_status reserve(line *l, size_t n) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_grow(&l->gold, &l->gold_capacity, n, sizeof *l->gold));
    BCL_TRY(bcl_grow(&l->pred, &l->pred_capacity, n, sizeof *l->pred));
    BCL_TRY(bcl_grow(&l->words, &l->word_capacity, n, sizeof *l->words));
out:
    return status;
}

static void free_line(line *l) {
    free(l->gold);
    free(l->pred);
    free(l->words);
}

static bcl_sentence sentence_of(const bcl_predictions *p, size_t i) {
    return bcl_corpus_sentence(p->corpus, p->rows ? p->rows[i] : i);
}

static bcl_labelled labelled(const line *l, size_t n, bcl_sentence s) {
    return (bcl_labelled){.words = l->words,
                          .gold = l->gold,
                          .pred = l->pred,
                          .size = n,
                          .file = s.file,
                          .line = s.line,
                          .document = s.document};
}

bcl_status bcl_labels_of_pieces(bcl_labels **out, const bcl_predictions *p) {
    bcl_status status = BCL_OK;
    bcl_labels *labels = NULL;
    line l = {0};
    const int32_t *predicted = p->predicted;
    BCL_TRY(create(&labels, p));
    for (size_t i = 0; i < p->data->count; i++) {
        const bcl_sample *x = &p->data->samples[i];
        size_t n = 0;
        BCL_TRY(reserve(&l, (size_t)x->length));
        for (int k = 0; k < x->length; k++, predicted++) {
            if (x->labels[k] < 0)
                continue;
            l.gold[n] = x->labels[k];
            l.words[n] = bcl_tokenizer_piece(p->tokenizer, x->ids[k]);
            l.pred[n++] = *predicted;
        }
        bcl_labelled s = labelled(&l, n, sentence_of(p, i));
        BCL_TRY(bcl_labels_add(labels, &s));
    }
    *out = labels;
    labels = NULL;
out:
    free_line(&l);
    bcl_labels_free(labels);
    return status;
}

enum { NO_PIECE = -1, CUT = -2 };

/* pred: the label of each word's first piece that was not cut, NO_PIECE or CUT where there is none.
 * e: the whole sentence; predicted (length): what the model made of it, cut on one side. */
static void take_first(int32_t *pred, size_t words, const bcl_encoding *e, bool cut_left,
                       const int32_t *predicted, size_t length) {
    const size_t skip = cut_left ? e->count - length : 0;
    for (size_t w = 0; w < words; w++)
        pred[w] = NO_PIECE;
    for (size_t k = 1; k + 1 < e->count; k++) {
        int32_t *at = &pred[e->word_ids[k]];
        if (*at < 0)
            *at = k > skip && k + 1 < skip + length ? predicted[k - skip] : CUT;
    }
}

bcl_status bcl_labels_of_words(bcl_labels **out, size_t *without_piece, const bcl_predictions *p) {
    bcl_status status = BCL_OK;
    bcl_labels *labels = NULL;
    bcl_encoding e = {0};
    line l = {0};
    int32_t *ids = NULL, outside;
    const int32_t *predicted = p->predicted, *decoded = p->decoded;
    *without_piece = 0;
    BCL_TRY(create(&labels, p));
    BCL_TRY(bcl_labels_id(&outside, labels, p->outside));
    BCL_NEW(ids, bcl_corpus_tag_count(p->corpus));
    for (size_t i = 0; i < bcl_corpus_tag_count(p->corpus); i++)
        BCL_TRY(bcl_labels_id(&ids[i], labels, bcl_corpus_tag(p->corpus, i)));
    for (size_t i = 0; i < p->data->count; i++) {
        bcl_sentence s = sentence_of(p, i);
        const size_t length = (size_t)p->data->samples[i].length;
        BCL_TRY(reserve(&l, s.size));
        BCL_TRY(bcl_tokenizer_encode_words(p->tokenizer, s.words, NULL, s.size, 0, &e));
        take_first(l.pred, s.size, &e, p->data->cut_left, predicted, length);
        predicted += length;
        for (size_t w = 0; w < s.size; w++) {
            l.words[w] = s.words[w];
            l.gold[w] = ids[s.tags[w]];
            *without_piece += l.pred[w] == NO_PIECE;
            l.pred[w] = decoded && l.pred[w] >= 0 ? decoded[w] : l.pred[w];
            l.pred[w] = l.pred[w] < 0 ? outside : l.pred[w];
        }
        decoded += decoded ? s.size : 0;
        bcl_labelled x = labelled(&l, s.size, s);
        BCL_TRY(bcl_labels_add(labels, &x));
    }
    *out = labels;
    labels = NULL;
out:
    free(ids);
    free_line(&l);
    bcl_encoding_free(&e);
    bcl_labels_free(labels);
    return status;
}

/* ---- entities of words ---- */

bcl_status bcl_word_entities_create(bcl_word_entities *out, const bcl_predictions *p) {
    bcl_status status = BCL_OK;
    bcl_labels *labels = NULL;
    bcl_score *score = NULL;
    *out = (bcl_word_entities){0};
    BCL_TRY(bcl_labels_of_words(&labels, &out->without_piece, p));
    BCL_TRY(bcl_labels_scheme(&out->found, &out->counted, labels, p->K));
    BCL_TRY(bcl_score_create(&score, labels, &(bcl_score_options){.scheme = out->counted}));
    out->report = bcl_score_take_entities(score);
out:
    bcl_score_free(score);
    bcl_labels_free(labels);
    return status;
}

void bcl_word_entities_free(bcl_word_entities *entities) {
    bcl_entity_report_free(entities->report);
    *entities = (bcl_word_entities){0};
}

static bool is_strict(bcl_scheme counted) {
    return counted != BCL_SCHEME_DEFAULT && counted != BCL_SCHEME_IO;
}

const char *bcl_scheme_text(char out[BCL_SCHEME_TEXT], bcl_scheme found, bcl_scheme counted) {
    snprintf(out, BCL_SCHEME_TEXT, "%s, %s",
             found == BCL_SCHEME_DEFAULT ? "prefixes of several schemes" : bcl_scheme_name(found),
             is_strict(counted) ? "strict" : "default");
    return out;
}

bcl_status bcl_word_entities_json(cJSON *into, const bcl_word_entities *e) {
    bcl_status status = BCL_OK;
    cJSON *report;
    BCL_TRY(bcl_entity_report_json(&report, e->report));
    BCL_TRY(bcl_report_put(into, "entities", report));
    BCL_TRY(bcl_report_put(into, "level", cJSON_CreateString("word")));
    BCL_TRY(bcl_report_put(into, "mode",
                           cJSON_CreateString(is_strict(e->counted) ? "strict" : "default")));
    BCL_TRY(bcl_report_put(into, "scheme",
                           e->found == BCL_SCHEME_DEFAULT
                               ? cJSON_CreateNull()
                               : cJSON_CreateString(bcl_scheme_name(e->found))));
out:
    return status;
}
