/* What a run is tied to: data, vocabulary, weights and labels are those that it began with. */
#include "train/run.h"

static bcl_status differs(const bcl_run *run, const char *what) {
    return bcl_fail(BCL_ERROR_ARGUMENT,
                    "%s: %s since the run was started; bring back what was there, or start another "
                    "run",
                    run->folder.run_path, what);
}

static bcl_status check_part(const bcl_run *run, const char *name, const bcl_run_part *was,
                             const bcl_run_part *is) {
    char what[128];
    const char *change = NULL;
    if (was->sentences != is->sentences)
        change = "number of sentences";
    else if (was->words[0] ? strcmp(was->words, is->words) != 0 : was->pieces != is->pieces)
        change = "words";
    else if (was->tags[0] && strcmp(was->tags, is->tags))
        change = "tags";
    if (!change)
        return BCL_OK;
    snprintf(what, sizeof what, "the %s of the %s data changed", change, name);
    return differs(run, what);
}

static bcl_status check_labels(const bcl_run *run) {
    const bcl_run_record *r = &run->kept.record;
    const bcl_config *config = &run->session->config;
    bool same = r->label_count == (size_t)config->labels;
    for (size_t i = 0; same && i < r->label_count; i++)
        same = !strcmp(r->labels[i], config->label_names[i]);
    return same ? BCL_OK : differs(run, "the data's labels changed");
}

/* The weights that the run began with. A run that goes on from a checkpoint has its own, so that
 * they may be gone, but not be others. */
static bcl_status check_weights(bcl_run *run) {
    bcl_status status = BCL_OK;
    const bcl_run_record *r = &run->kept.record;
    const char *folder = run->checkpoint ? r->model_folder : run->session->folder;
    char sha256[65], what[1200];
    if (!r->model_sha256[0])
        return BCL_OK;
    if (!bcl_path_exists(folder)) {
        bcl_run_say(
            run, "model: %s is not there any more; the run goes on with the checkpoint's weights",
            folder);
        return BCL_OK;
    }
    BCL_TRY(bcl_run_hash_weights(sha256, folder));
    snprintf(what, sizeof what, "the weights in %.1000s changed", folder);
    if (strcmp(sha256, r->model_sha256))
        BCL_TRY(differs(run, what));
out:
    return status;
}

/* The vocabulary of the model that the run began with: a checkpoint has its own copy. */
static bcl_status check_vocabulary(bcl_run *run) {
    bcl_status status = BCL_OK;
    const bcl_run_record *r = &run->kept.record;
    bcl_tokenizer *tokenizer = NULL;
    char sha256[65];
    if (!r->vocabulary_sha256[0])
        return BCL_OK;
    bcl_run_hash_vocabulary(sha256, run->session->tokenizer);
    if (strcmp(sha256, r->vocabulary_sha256))
        BCL_TRY(differs(run, "the vocabulary changed"));
    if (!bcl_path_exists(r->model_folder))
        goto out;
    BCL_TRY(bcl_tokenizer_load(&tokenizer, r->model_folder));
    bcl_run_hash_vocabulary(sha256, tokenizer);
    if (strcmp(sha256, r->vocabulary_sha256))
        BCL_TRY(differs(run, "the vocabulary changed"));
out:
    bcl_tokenizer_free(tokenizer);
    return status;
}

/* A new run's are recorded: a file of them is not needed again. */
static bcl_status set_class_weights(bcl_run *run) {
    bcl_status status = BCL_OK;
    bcl_run_kept *k = &run->kept;
    bcl_string line = {0};
    if (!k->options.class_weights)
        return BCL_OK;
    if (!k->class_weights)
        BCL_TRY(bcl_run_class_weights(&k->class_weights, k->options.class_weights, k->record.labels,
                                      k->record.label_count, &run->data.train));
    k->record.class_weights = k->class_weights;
    BCL_NEW(run->class_weights, k->record.label_count);
    for (size_t i = 0; i < k->record.label_count; i++) {
        run->class_weights[i] = (float)k->class_weights[i];
        BCL_TRY(bcl_string_addf(&line, "%s%s %.4g", i ? ", " : "", k->record.labels[i],
                                k->class_weights[i]));
    }
    bcl_run_say(run, "class weights: %s", line.data);
out:
    bcl_string_free(&line);
    return status;
}

bcl_status bcl_run_tie(bcl_run *run) {
    bcl_status status = BCL_OK;
    bcl_run_kept *k = &run->kept;
    bcl_run_record *r = &k->record;
    bcl_run_part train = {0}, dev = {0}, test = {0};
    bcl_run_hash_data(&train, &run->data.train);
    bcl_run_hash_data(&dev, &run->data.dev);
    bcl_run_hash_data(&test, &run->data.test);
    if (!run->fresh) {
        BCL_TRY(check_vocabulary(run)); /* first: pieces depend on it */
        BCL_TRY(check_part(run, "training", &r->train, &train));
        BCL_TRY(check_part(run, "development", &r->dev, &dev));
        BCL_TRY(check_part(run, "test", &r->test, &test));
        BCL_TRY(check_labels(run));
        BCL_TRY(check_weights(run));
        BCL_TRY(set_class_weights(run));
        goto out;
    }
    r->train = train;
    r->dev = dev;
    r->test = test;
    bcl_run_hash_vocabulary(k->vocabulary_sha256, run->session->tokenizer);
    BCL_TRY(bcl_run_hash_weights(k->model_sha256, run->session->folder));
    BCL_TRY(bcl_run_kept_set_labels(k, run->session->config.label_names,
                                    (size_t)run->session->config.labels));
    BCL_TRY(set_class_weights(run));
out:
    return status;
}
