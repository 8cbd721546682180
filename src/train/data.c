/* From files to what the model trains on: corpora, the split, labels, pieces. */
#include "train/run.h"

enum { DEFAULT_LENGTH = 128 };

bcl_status bcl_run_data_read(bcl_run_data *d, const bcl_run_options *o) {
    bcl_status status = BCL_OK;
    const double split = o->split < 0 ? 0.8 : o->split;
    bcl_corpus *corpora[2];
    status = bcl_corpora_read(&d->map, corpora, (const bcl_texts[]){o->data, o->test}, 2,
                              &o->reading, false);
    d->corpus = corpora[0];
    d->test_corpus = corpora[1];
    BCL_TRY(status);
    const size_t n = bcl_corpus_size(d->corpus);
    BCL_NEW(d->train_rows, n);
    BCL_NEW(d->test_rows, n);
    if (o->test.count) {
        for (size_t i = 0; i < n; i++)
            d->train_rows[i] = (uint32_t)i;
        d->train_count = n;
    } else {
        BCL_TRY(bcl_split(d->train_rows, &d->train_count, d->test_rows, &d->test_count, n, split,
                          o->split_seed < 0 ? 200 : (uint32_t)o->split_seed));
        if (!d->train_count)
            BCL_FAIL(BCL_ERROR_ARGUMENT, "--split: %g of %zu sentences leaves none for training",
                     split, n);
    }
out:
    return status;
}

static bool is_among(const char *name, char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!strcmp(names[i], name))
            return true;
    return false;
}

/* The model's own labels if they cover the data's, else the data's in order of appearance. */
static bcl_status choose_labels(const bcl_run_data *d, bcl_config *config) {
    bcl_status status = BCL_OK;
    const bcl_corpus *corpora[2] = {d->corpus, d->test_corpus};
    char **labels = NULL;
    size_t capacity = 0, count = 0;
    bool covered = true;
    for (int c = 0; c < 2 && corpora[c]; c++)
        for (size_t i = 0; i < bcl_corpus_tag_count(corpora[c]); i++) {
            const char *tag = bcl_corpus_tag(corpora[c], i);
            covered = covered && is_among(tag, config->label_names, (size_t)config->labels);
            if (is_among(tag, labels, count))
                continue;
            BCL_TRY(bcl_grow(&labels, &capacity, count + 1, sizeof *labels));
            BCL_TRY(bcl_strdup(&labels[count], tag));
            count++;
        }
    if (!covered)
        BCL_TRY(bcl_config_set_labels(config, (const char *const *)labels, count));
out:
    bcl_strings_free(labels, count);
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

static bcl_status encode(bcl_dataset *out, const bcl_run_data *d, const bcl_session *session,
                         const bcl_corpus *corpus, const uint32_t *rows, size_t count) {
    bcl_status status = BCL_OK;
    const bcl_config *config = &session->config;
    int32_t *ids = NULL;
    BCL_NEW(ids, bcl_corpus_tag_count(corpus));
    BCL_TRY(bcl_corpus_label_ids(ids, corpus, (const char *const *)config->label_names,
                                 (size_t)config->labels));
    BCL_TRY(bcl_dataset_encode(out, corpus, rows, count, session->tokenizer, ids, d->max_length,
                               config->label_pieces));
out:
    free(ids);
    return status;
}

bcl_status bcl_run_data_encode(bcl_run_data *d, const bcl_run_options *o, bcl_session *session) {
    bcl_status status = BCL_OK;
    bcl_config *config = &session->config;
    BCL_TRY(set_length(d, o, config));
    BCL_TRY(choose_labels(d, config));
    config->label_pieces = strcmp(o->label_pieces, "first") ? BCL_LABEL_ALL : BCL_LABEL_FIRST;
    config->label_pieces_known = true;
    config->temperature = 1; /* was fitted to other weights */
    BCL_TRY(encode(&d->train, d, session, d->corpus, d->train_rows, d->train_count));
    if (d->test_corpus)
        BCL_TRY(
            encode(&d->test, d, session, d->test_corpus, NULL, bcl_corpus_size(d->test_corpus)));
    else if (d->test_count)
        BCL_TRY(encode(&d->test, d, session, d->corpus, d->test_rows, d->test_count));
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
    bcl_dataset_free(&d->train);
    bcl_dataset_free(&d->test);
    free(d->train_rows);
    free(d->test_rows);
    bcl_corpus_free(d->corpus);
    bcl_corpus_free(d->test_corpus);
    bcl_tag_map_free(d->map);
    *d = (bcl_run_data){0};
}
