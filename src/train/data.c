/* From files to what the model trains on: corpora, the split, labels, pieces. */
#include "data/data.h"
#include "train/run.h"

#include <math.h>

enum { DEFAULT_LENGTH = 128 };

static uint32_t seed_of(const bcl_run_options *o) {
    return o->split_seed < 0 ? 200 : (uint32_t)o->split_seed;
}

/* Draws the dev set from what training has left, in the same way. */
static bcl_status draw_dev(bcl_run_data *d, const bcl_run_options *o, size_t n) {
    bcl_status status = BCL_OK;
    const size_t rest = d->test_count;
    uint32_t *drawn = NULL, *left = NULL;
    const double wanted = nearbyint(o->split_dev * (double)n);
    BCL_NEW(drawn, rest);
    BCL_NEW(left, rest);
    BCL_TRY(bcl_split(drawn, &d->dev_count, left, &d->test_count, rest,
                      rest ? fmin(1, wanted / (double)rest) : 0, seed_of(o)));
    if (!d->dev_count)
        BCL_FAIL(BCL_ERROR_ARGUMENT,
                 "--split: %g of %zu sentences leaves none for the development set", o->split_dev,
                 n);
    for (size_t i = 0; i < d->dev_count; i++)
        d->dev_rows[i] = d->test_rows[drawn[i]];
    for (size_t i = 0; i < d->test_count; i++) /* left is in order: i <= left[i] */
        d->test_rows[i] = d->test_rows[left[i]];
out:
    free(drawn);
    free(left);
    return status;
}

bcl_status bcl_run_data_read(bcl_run_data *d, const bcl_run_options *o) {
    bcl_status status = BCL_OK;
    const double split = o->split >= 0 ? o->split : o->dev.count ? 1 : 0.8;
    bcl_corpus *corpora[3];
    status = bcl_corpora_read(&d->map, corpora, (const bcl_texts[]){o->data, o->test, o->dev}, 3,
                              &o->reading, false);
    d->corpus = corpora[0];
    d->test_corpus = corpora[1];
    d->dev_corpus = corpora[2];
    BCL_TRY(status);
    const size_t n = bcl_corpus_size(d->corpus);
    BCL_NEW(d->train_rows, n);
    BCL_NEW(d->dev_rows, n);
    BCL_NEW(d->test_rows, n);
    if (o->test.count) {
        for (size_t i = 0; i < n; i++)
            d->train_rows[i] = (uint32_t)i;
        d->train_count = n;
    } else {
        BCL_TRY(bcl_split(d->train_rows, &d->train_count, d->test_rows, &d->test_count, n, split,
                          seed_of(o)));
        if (!d->train_count)
            BCL_FAIL(BCL_ERROR_ARGUMENT, "--split: %g of %zu sentences leaves none for training",
                     split, n);
        if (o->split_dev >= 0)
            BCL_TRY(draw_dev(d, o, n));
    }
out:
    return status;
}

/* seen (tags of the corpus): whether a word of these sentences has it. */
static void mark_tags(bool *seen, const bcl_corpus *corpus, const uint32_t *rows, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const bcl_sentence s = bcl_corpus_sentence(corpus, rows ? rows[i] : i);
        for (size_t k = 0; k < s.size; k++)
            seen[s.tags[k]] = true;
    }
}

/* Adds ", NAME" for each tag of the sentences that training has not; `trained` by the training
 * corpus' tags. */
static bcl_status add_unseen(bcl_string *out, const bcl_run_data *d, const bool *trained,
                             const bcl_corpus *corpus, const uint32_t *rows, size_t count) {
    bcl_status status = BCL_OK;
    bool *here = NULL;
    BCL_NEW(here, bcl_corpus_tag_count(corpus));
    mark_tags(here, corpus, rows, count);
    for (size_t i = 0; i < bcl_corpus_tag_count(corpus); i++) {
        const char *tag = bcl_corpus_tag(corpus, i);
        const size_t known = bcl_names_find(&d->corpus->mapped.names, tag, strlen(tag));
        if (here[i] && (known == SIZE_MAX || !trained[known]))
            BCL_TRY(bcl_string_addf(out, "%s%s", out->size ? ", " : "", tag));
    }
out:
    free(here);
    return status;
}

/* Tags of dev or test that training has not can only be missed: an error where somebody chose the
 * sets, unless the model had learned them before. */
static bcl_status check_tags(bcl_run_data *d, const bcl_run_options *o, bool covered) {
    bcl_status status = BCL_OK;
    const bool chosen = d->dev_corpus || d->test_corpus || d->dev_count;
    bcl_string dev = {0}, test = {0};
    bool *trained = NULL;
    BCL_NEW(trained, bcl_corpus_tag_count(d->corpus));
    mark_tags(trained, d->corpus, d->train_rows, d->train_count);
    if (d->dev_corpus)
        BCL_TRY(add_unseen(&dev, d, trained, d->dev_corpus, NULL, bcl_corpus_size(d->dev_corpus)));
    else
        BCL_TRY(add_unseen(&dev, d, trained, d->corpus, d->dev_rows, d->dev_count));
    if (d->test_corpus)
        BCL_TRY(
            add_unseen(&test, d, trained, d->test_corpus, NULL, bcl_corpus_size(d->test_corpus)));
    else
        BCL_TRY(add_unseen(&test, d, trained, d->corpus, d->test_rows, d->test_count));
    if (!dev.size && !test.size)
        goto out;
    BCL_TRY(bcl_format(&d->unseen, "tags that the training data have not: %s%s%s%s%s",
                       dev.size ? dev.data : "", dev.size ? " (development data)" : "",
                       dev.size && test.size ? "; " : "", test.size ? test.data : "",
                       test.size ? " (test data)" : ""));
    if (chosen && !covered && !o->allow_unseen_tags)
        BCL_FAIL(BCL_ERROR_ARGUMENT,
                 "%s; map them with --map A=B, train on data that have them, or give "
                 "--allow-unseen-tags",
                 d->unseen);
out:
    bcl_string_free(&dev);
    bcl_string_free(&test);
    free(trained);
    return status;
}

/* The model's own labels if they cover the data's, else the data's in order of appearance. */
static bcl_status choose_labels(bcl_run_data *d, const bcl_run_options *o, bcl_config *config) {
    bcl_status status = BCL_OK;
    const bcl_corpus *corpora[3] = {d->corpus, d->test_corpus, d->dev_corpus};
    bcl_names labels = {0}, own = {0};
    uint32_t id;
    bool covered = true;
    for (int i = 0; i < config->labels; i++)
        BCL_TRY(
            bcl_names_intern(&id, &own, config->label_names[i], strlen(config->label_names[i])));
    for (int c = 0; c < 3; c++)
        for (size_t i = 0; corpora[c] && i < bcl_corpus_tag_count(corpora[c]); i++) {
            const char *tag = bcl_corpus_tag(corpora[c], i);
            covered = covered && bcl_names_find(&own, tag, strlen(tag)) != SIZE_MAX;
            BCL_TRY(bcl_names_intern(&id, &labels, tag, strlen(tag)));
        }
    BCL_TRY(check_tags(d, o, covered));
    if (!covered)
        BCL_TRY(bcl_config_set_labels(config, (const char *const *)labels.items, labels.count));
out:
    bcl_names_free(&labels);
    bcl_names_free(&own);
    return status;
}

static bcl_status set_length(bcl_run_data *d, const bcl_run_options *o, const bcl_config *config) {
    if (o->max_length > config->positions)
        return bcl_fail(BCL_ERROR_ARGUMENT, "--max-length: found %lld, the model has %d positions",
                        (long long)o->max_length, config->positions);
    d->max_length = o->max_length                        ? (size_t)o->max_length
                    : config->positions < DEFAULT_LENGTH ? (size_t)config->positions
                                                         : DEFAULT_LENGTH;
    return BCL_OK;
}

static bool is_windowed(const bcl_run_options *o) {
    return !strcmp(o->longer, "window");
}

/* longest: pieces of a sentence, 0: any. */
static bcl_status encode(bcl_dataset *out, size_t longest, const bcl_session *session,
                         const bcl_corpus *corpus, const uint32_t *rows, size_t count) {
    bcl_status status = BCL_OK;
    const bcl_config *config = &session->config;
    int32_t *ids = NULL;
    BCL_NEW(ids, bcl_corpus_tag_count(corpus));
    BCL_TRY(bcl_corpus_label_ids(ids, corpus, (const char *const *)config->label_names,
                                 (size_t)config->labels));
    BCL_TRY(bcl_dataset_encode(out, corpus, rows, count, session->tokenizer, ids, longest,
                               config->label_pieces));
out:
    free(ids);
    return status;
}

bcl_status bcl_run_data_encode(bcl_run_data *d, const bcl_run_options *o, bcl_session *session) {
    bcl_status status = BCL_OK;
    bcl_config *config = &session->config;
    BCL_TRY(set_length(d, o, config));
    BCL_TRY(choose_labels(d, o, config));
    config->label_pieces = strcmp(o->label_pieces, "first") ? BCL_LABEL_ALL : BCL_LABEL_FIRST;
    config->label_pieces_known = true;
    config->temperature = 1; /* was fitted to other weights */
    const size_t longest = is_windowed(o) ? 0 : d->max_length;
    if (is_windowed(o)) {
        size_t stride;
        BCL_TRY(bcl_window_stride(&stride, 0, d->max_length));
        BCL_TRY(encode(&d->whole, 0, session, d->corpus, d->train_rows, d->train_count));
        BCL_TRY(bcl_windows_create(&d->windows, &d->whole, d->max_length, stride));
        d->train = d->windows.data;
    } else {
        BCL_TRY(encode(&d->train, longest, session, d->corpus, d->train_rows, d->train_count));
    }
    if (d->dev_corpus)
        BCL_TRY(
            encode(&d->dev, longest, session, d->dev_corpus, NULL, bcl_corpus_size(d->dev_corpus)));
    else if (d->dev_count)
        BCL_TRY(encode(&d->dev, longest, session, d->corpus, d->dev_rows, d->dev_count));
    if (d->test_corpus)
        BCL_TRY(encode(&d->test, longest, session, d->test_corpus, NULL,
                       bcl_corpus_size(d->test_corpus)));
    else if (d->test_count)
        BCL_TRY(encode(&d->test, longest, session, d->corpus, d->test_rows, d->test_count));
out:
    return status;
}

uint64_t bcl_run_data_mapped(const bcl_run_data *d) {
    uint64_t mapped = 0;
    for (size_t i = 0; i < bcl_corpus_raw_tag_count(d->corpus); i++) {
        const char *raw = bcl_corpus_raw_tag(d->corpus, i);
        if (strcmp(raw, bcl_tag_map_find(d->map, raw)))
            mapped += bcl_corpus_raw_tag_total(d->corpus, i);
    }
    return mapped;
}

void bcl_run_data_free(bcl_run_data *d) {
    if (d->windows.parts)
        bcl_windows_free(&d->windows); /* which `train` is */
    else
        bcl_dataset_free(&d->train);
    bcl_dataset_free(&d->whole);
    bcl_dataset_free(&d->test);
    free(d->train_rows);
    bcl_dataset_free(&d->dev);
    free(d->dev_rows);
    free(d->test_rows);
    free(d->unseen);
    bcl_corpus_free(d->corpus);
    bcl_corpus_free(d->test_corpus);
    bcl_corpus_free(d->dev_corpus);
    bcl_tag_map_free(d->map);
    *d = (bcl_run_data){0};
}
