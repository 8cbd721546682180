/* A run from its data to its results: opens data and model, and hands them to the loop. */
#include "train/run.h"
#include "util/checksum.h"

#include <cjson/cJSON.h>
#include <sys/utsname.h>

/* ---- data ---- */

static void on_session(void *context, const bcl_session_event *event) {
    bcl_run_tell(context, &(bcl_run_event){.kind = BCL_RUN_SESSION, .session = event});
}

static void say_notes(const bcl_run *run, const bcl_corpus *corpus) {
    for (size_t i = 0; corpus && i < bcl_corpus_note_count(corpus); i++)
        bcl_run_say(run, "data: %s", bcl_corpus_note(corpus, i));
}

static void say_dataset(const bcl_run *run, const bcl_dataset *data, const char *name) {
    char notes[BCL_DATASET_NOTES][BCL_DATASET_NOTE];
    const size_t n = bcl_dataset_notes(data, name, notes);
    for (size_t i = 0; i < n; i++)
        bcl_run_say(run, "data: %s", notes[i]);
}

static bcl_status open_data(bcl_run *run) {
    bcl_status status = BCL_OK;
    const bcl_run_options *o = &run->kept.options;
    bcl_run_data *d = &run->data;
    char *weights = NULL;
    BCL_TRY(bcl_run_data_read(d, o));
    say_notes(run, d->corpus);
    say_notes(run, d->dev_corpus);
    say_notes(run, d->test_corpus);
    if (run->checkpoint)
        BCL_TRY(bcl_path_join(&weights, run->checkpoint, "model"));
    const bcl_session_options session = {.model = weights ? weights : o->model,
                                         .device = o->device,
                                         .gemm = o->gemm,
                                         .precision =
                                             run->fresh ? o->precision : run->kept.record.precision,
                                         .tune = o->tune,
                                         .profile = o->profile,
                                         .listener = on_session,
                                         .context = run};
    BCL_TRY(bcl_session_prepare(&run->session, &session));
    BCL_TRY(bcl_run_data_encode(d, o, run->session));
    if (d->dev.count)
        bcl_run_say(
            run,
            "data: %zu sentences to train on, %zu to choose the best epoch on, %zu to test; %zu "
            "pieces, %d labels",
            d->train.count, d->dev.count, d->test.count, d->train.pieces,
            run->session->config.labels);
    else
        bcl_run_say(run, "data: %zu sentences to train on, %zu to test; %zu pieces, %d labels",
                    d->train.count, d->test.count, d->train.pieces, run->session->config.labels);
    if (d->windows.sentences_windowed)
        bcl_run_say(
            run,
            "data: %zu sentences of the training data are longer than --max-length %zu and are "
            "trained "
            "on in windows: %zu sequences in all",
            d->windows.sentences_windowed, d->max_length, d->train.count);
    if (d->unseen)
        bcl_run_say(run, "data: %s", d->unseen);
    if (bcl_run_data_mapped(d))
        bcl_run_say(run, "data: %llu words had stray tags and were mapped",
                    (unsigned long long)bcl_run_data_mapped(d));
    const size_t cut = d->train.words_cut + d->dev.words_cut + d->test.words_cut;
    if (cut)
        bcl_run_say(
            run, "data: %zu words of %zu sentences are beyond --max-length %zu and were cut", cut,
            d->train.sentences_cut + d->dev.sentences_cut + d->test.sentences_cut, d->max_length);
    say_dataset(run, &d->train, "training");
    say_dataset(run, &d->dev, "development");
    say_dataset(run, &d->test, "test");
out:
    free(weights);
    return status;
}

/* ---- the model ---- */

/* How parameters are updated that are not all alike. */
static bcl_status set_rules(bcl_run *run) {
    const bcl_run_options *o = &run->kept.options;
    const int layers = run->session->config.layers;
    long frozen = -1;
    char *end = NULL;
    if (o->freeze && o->group)
        return bcl_fail(BCL_ERROR_ARGUMENT, "--freeze is for one device, not for --devices");
    if (o->group && o->group->rounds && !strcmp(o->precision, "fp16"))
        return bcl_fail(BCL_ERROR_ARGUMENT,
                        "--wire bf16 does not go with --precision fp16, whose gradients are of "
                        "another scale from step to step: leave it out, or take --precision bf16");
    if (o->freeze && !strcmp(o->freeze, "embeddings"))
        frozen = 0;
    else if (o->freeze) {
        frozen = strtol(o->freeze, &end, 10);
        if (end == o->freeze || *end || frozen < 0 || frozen > layers)
            return bcl_fail(BCL_ERROR_ARGUMENT,
                            "--freeze: found \"%s\", expected embeddings or 0 to %d layers",
                            o->freeze, layers);
    }
    run->rules = (bcl_update_rules){.frozen = (int)frozen,
                                    .layer_decay = o->layer_decay,
                                    .head_rate = o->head_lr >= 0 ? o->head_lr / o->lr : 1,
                                    .decay_all = o->decay_all || !(o->weight_decay > 0)};
    return BCL_OK;
}

static bcl_select select_of(const bcl_run *run) {
    static const char *const names[] = {[BCL_SELECT_ENTITY_F1] = "entity-f1",
                                        [BCL_SELECT_MACRO_F1] = "macro-f1",
                                        [BCL_SELECT_ACCURACY] = "accuracy",
                                        [BCL_SELECT_LOSS] = "loss"};
    const char *name = run->kept.options.select;
    if (!run->data.dev.count)
        return BCL_SELECT_MACRO_F1;
    for (int i = 0; name && i <= BCL_SELECT_LOSS; i++)
        if (!strcmp(names[i], name))
            return (bcl_select)i;
    return BCL_SELECT_ENTITY_F1;
}

/* What the options ask for; known before anything is computed or written. */
static bcl_status plan(bcl_run *run) {
    const bcl_run_options *o = &run->kept.options;
    const bcl_config *config = &run->session->config;
    const bool dropout = o->dropout >= 0;
    const bcl_status status = set_rules(run);
    if (status)
        return status;
    run->recipe = (bcl_train_options){
        .epochs = o->epochs,
        .batch = o->batch,
        .max_tokens = o->max_tokens,
        .recompute = o->recompute,
        .accumulate = o->accumulate,
        .max_steps = o->max_steps,
        .save_every = o->save_every,
        .histograms = o->histograms,
        .seed = (uint64_t)o->seed,
        .schedule = !strcmp(o->schedule, "linear")   ? BCL_LINEAR
                    : !strcmp(o->schedule, "cosine") ? BCL_COSINE
                                                     : BCL_CONSTANT,
        .warmup = o->warmup,
        .adam = {.lr = o->lr,
                 .beta1 = o->beta1,
                 .beta2 = o->beta2,
                 .eps = o->eps,
                 .weight_decay = o->weight_decay,
                 .decoupled = !strcmp(o->optimizer, "adamw"),
                 .clip = (float)o->clip},
        .hidden_dropout = dropout ? o->dropout : config->hidden_dropout,
        .attention_dropout = dropout ? o->dropout : config->attention_dropout,
        .classifier_dropout = dropout ? o->dropout : config->classifier_dropout,
        .label_smoothing = o->label_smoothing,
        .loss_scale = o->loss_scale,
        .class_weights = run->class_weights,
        .select = select_of(run),
        .patience = o->patience,
        .min_delta = o->min_delta,
        .eval_length = !strcmp(o->longer, "window") ? run->data.max_length : 0,
        .eval_sentences = (size_t)o->eval_batch,
    };
    return bcl_train_plan_create(&run->plan, &run->data.train, &run->recipe);
}

/* The words that get gradients and moments. Without weight decay a word that never occurs never
 * changes: none for it. */
static bcl_status find_words(bool **used, size_t *count, const bcl_run *run) {
    bcl_status status = BCL_OK;
    const bcl_dataset *data = &run->data.train;
    const size_t V = (size_t)run->session->config.vocabulary;
    const bool all = run->kept.options.weight_decay > 0 && !run->kept.options.freeze;
    BCL_NEW(*used, V);
    for (size_t i = 0; i < data->count; i++)
        for (int k = 0; k < data->samples[i].length; k++)
            (*used)[data->samples[i].ids[k]] = true;
    *count = 0;
    for (size_t id = 0; id < V; id++) {
        (*used)[id] = (*used)[id] || all;
        *count += (*used)[id];
    }
out:
    return status;
}

static bcl_status load_model(bcl_run *run) {
    bcl_status status = BCL_OK;
    bcl_session *session = run->session;
    bcl_run_kept *k = &run->kept;
    bcl_memory memory;
    bool *used = NULL;
    size_t words;
    const double mib = 1024.0 * 1024.0;
    const bcl_capacity capacity = bcl_train_capacity(&run->plan, &run->recipe);
    BCL_TRY(find_words(&used, &words, run));
    BCL_TRY(bcl_session_open_device(session));
    bcl_device_give_up(session->device, !k->options.group); /* ranks end together */
    BCL_TRY(bcl_memory_plan(&memory, session->device, &session->config, words, session->precision,
                            &capacity));
    if (k->options.profile)
        bcl_run_profile_start(&k->profile, session->device);
    BCL_TRY(bcl_session_load(session,
                             run->checkpoint ? BCL_SESSION_FOR_RESUMING : BCL_SESSION_FOR_TRAINING,
                             (uint64_t)k->options.seed));
    bcl_run_say(
        run,
        "memory: weights %.0f MiB, moments %.0f MiB, gradients and activations %.0f MiB for "
        "batches of up to %d tokens",
        (double)memory.weights / mib, (double)memory.moments / mib, (double)memory.step / mib,
        capacity.tokens);
    BCL_TRY(bcl_model_train_begin(session->model, used));
    BCL_TRY(bcl_model_set_rules(session->model, &run->rules));
    BCL_TRY(bcl_model_set_loss(session->model, run->recipe.class_weights,
                               (float)run->recipe.label_smoothing));
    if (k->options.group)
        BCL_TRY(
            bcl_model_exchange_create(session->model, run->plan.tokens * run->recipe.accumulate));
out:
    free(used);
    return status;
}

/* ---- the run ---- */

/* Sentences that were drawn from the data, as a file that eval reads. */
static bcl_status write_drawn(const bcl_run *run, const char *name, const uint32_t *rows,
                              size_t count) {
    bcl_status status = BCL_OK;
    char *path = NULL;
    if (!count)
        return BCL_OK;
    BCL_TRY(bcl_path_join(&path, run->folder.path, name));
    if (!bcl_path_exists(path))
        BCL_TRY(bcl_corpus_write(path, run->data.corpus, rows, count));
out:
    free(path);
    return status;
}

static bcl_status begin(bcl_run *run) {
    bcl_status status = BCL_OK;
    bcl_run_kept *k = &run->kept;
    const bcl_session *s = run->session;
    BCL_TRY(bcl_run_kept_set(k, bcl_session_device(s), bcl_session_gemm(s),
                             bcl_session_precision(s),
                             run->fresh ? s->folder : k->record.model_folder));
    if (!bcl_run_leads(run))
        goto out;
    if (run->fresh) {
        BCL_TRY(bcl_run_record_write(k, run->folder.run_path));
        run->folder.begun = true;
        run->fresh = false;
    } else if (run->grown) { /* in this order: a run without results is never taken for complete */
        BCL_TRY(bcl_path_remove(run->folder.results_path));
        BCL_TRY(bcl_run_record_write(k, run->folder.run_path));
    }
    BCL_TRY(write_drawn(run, "dev.conll", run->data.dev_rows, run->data.dev_count));
    BCL_TRY(write_drawn(run, "test.conll", run->data.test_rows, run->data.test_count));
    bcl_run_tell(run, &(bcl_run_event){.kind = BCL_RUN_BEGUN});
out:
    return status;
}

static void on_train(void *context, const bcl_run_event *event) {
    bcl_run *run = context;
    if (event->kind == BCL_RUN_STEP)
        bcl_run_profile_step(&run->kept.profile);
    else if (event->kind == BCL_RUN_EPOCH)
        bcl_run_profile_end(&run->kept.profile);
    bcl_run_tell(run, event);
}

static bcl_status finish(bcl_run *run, const bcl_train_result *result) {
    bcl_status status = BCL_OK;
    bcl_run_kept *k = &run->kept;
    bcl_run_record *r = &k->record;
    r->steps = result->steps;
    r->loss = result->loss;
    r->tokens_per_s = result->tokens_per_s;
    r->loss_scale = result->loss_scale;
    r->skipped_steps = result->skipped_steps;
    r->peak_rss_mb = bcl_peak_rss_mb();
    if (!bcl_run_leads(run)) /* it has evaluated nothing */
        goto out;
    k->evaluation = result->evaluation;
    if ((r->evaluated = result->evaluated)) {
        r->eval_loss = k->evaluation.loss;
        r->eval_accuracy = k->evaluation.accuracy;
        r->eval_macro_f1 = bcl_report_macro(k->evaluation.report).f1;
        r->report = k->evaluation.report;
        r->entities = k->evaluation.entities.report;
        r->eval_entity_f1 = r->entities ? bcl_entity_report_micro(r->entities).f1 : -1;
        r->scheme = bcl_scheme_text(k->scheme, k->evaluation.entities.found,
                                    k->evaluation.entities.counted);
    }
    k->dev_evaluation = result->dev;
    if ((r->selected = run->data.dev.count > 0)) {
        r->best_step = result->best_step;
        r->best_epoch = result->best_epoch;
        r->last_epoch = result->last_epoch;
        r->stopped_early = result->stopped_early;
        r->dev_loss = result->dev.loss;
        r->dev_accuracy = result->dev.accuracy;
        r->dev_macro_f1 = bcl_report_macro(result->dev.report).f1;
        r->dev_entity_f1 = bcl_entity_report_micro(result->dev.entities.report).f1;
    }
    BCL_TRY(bcl_run_profile_collect(&k->profile));
    const double f1 = r->evaluated ? r->eval_entity_f1 : r->selected ? r->dev_entity_f1 : -1;
    if (f1 == 0 && !strcmp(k->options.recipe, "tutorial"))
        bcl_run_say(run,
                    "not one entity of the %s set was found, as if every word were O: with few "
                    "data the settings of the tutorial learn little; try --recipe good",
                    r->evaluated ? "test" : "development");
    BCL_TRY(bcl_run_results_write(k, run->folder.results_path));
    r->complete = true;
    bcl_run_tell(run, &(bcl_run_event){.kind = BCL_RUN_FINISHED});
out:
    return status;
}

/* corpus NULL: rows of the data's. */
static bcl_predictions words_of(const bcl_run *run, const bcl_corpus *corpus, const uint32_t *rows,
                                const bcl_dataset *data) {
    const bcl_config *config = &run->session->config;
    return (bcl_predictions){.corpus = corpus ? corpus : run->data.corpus,
                             .rows = corpus ? NULL : rows,
                             .data = data,
                             .tokenizer = run->session->tokenizer,
                             .names = (const char *const *)config->label_names,
                             .K = (size_t)config->labels,
                             .outside = "O"};
}

/* Whether products have operands of fewer bits than fp32's. */
static bool rounds(const bcl_session *session) {
    static const char *const marks[] = {"bf16", "fp16", "tf32"};
    bool found = strcmp(bcl_session_precision(session), "fp32") != 0;
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        found = found || strstr(bcl_session_gemm(session), marks[i]);
    return found;
}

/* Everything before the first step. */
static bcl_status prepare(bcl_run *run) {
    bcl_status status = BCL_OK;
    BCL_TRY(open_data(run));
    BCL_TRY(bcl_run_tie(run));
    BCL_TRY(plan(run));
    BCL_TRY(load_model(run));
    BCL_TRY(begin(run));
out:
    return status;
}

/* All ranks are of one build, with the same options, data and model. The build itself is compared
 * among machines of one kind. */
static bcl_status compare_ranks(const bcl_run *run) {
    bcl_status status = BCL_OK;
    const bcl_run_record *r = &run->kept.record;
    const bcl_train_group *group = run->kept.options.group;
    struct utsname machine;
    char build[160], sha256[65];
    cJSON *json = NULL;
    char *options = NULL;
    if (uname(&machine))
        machine.machine[0] = 0;
    snprintf(build, sizeof build, "program for %.64s", machine.machine);
    BCL_TRY(bcl_sha256_file(sha256, "/proc/self/exe"));
    BCL_TRY(bcl_run_options_json(&json, &run->kept.options));
    if (!(options = cJSON_PrintUnformatted(json)))
        BCL_FAIL(BCL_ERROR_MEMORY, "out of memory");
    const bcl_fact facts[] = {{"version of bertcl", BERTCL_VERSION},
                              {build, sha256},
                              {"options", options},
                              {"precision", bcl_session_precision(run->session)},
                              {"training data", r->train.words},
                              {"tags of the training data", r->train.tags},
                              {"development data", r->dev.words},
                              {"vocabulary", r->vocabulary_sha256},
                              {"model's weights", r->model_sha256}};
    BCL_TRY(group->alike(group->context, facts, sizeof facts / sizeof *facts));
out:
    cJSON_Delete(json);
    cJSON_free(options);
    return status;
}

bcl_status bcl_run_train(bcl_run *run) {
    bcl_status status = BCL_OK;
    bcl_train_result result;
    const bcl_train_group *group = run->kept.options.group;
    if (run->kept.record.complete) {
        bcl_run_tell(run, &(bcl_run_event){.kind = BCL_RUN_FINISHED});
        return BCL_OK;
    }
    status = prepare(run);
    if (group)
        status = group->agree(group->context, status);
    BCL_TRY(status);
    if (group)
        BCL_TRY(compare_ranks(run));
    const bcl_run_data *d = &run->data;
    const bcl_predictions words = words_of(run, d->test_corpus, d->test_rows, &d->test),
                          dev_words = words_of(run, d->dev_corpus, d->dev_rows, &d->dev);
    const bcl_train_job job = {.folder = run->folder.path,
                               .model = run->session->model,
                               .files = {&run->session->config, run->session->tokenizer},
                               .train = &run->data.train,
                               .test = run->data.test.count ? &run->data.test : NULL,
                               .words = run->data.test.count ? &words : NULL,
                               .dev = run->data.dev.count ? &run->data.dev : NULL,
                               .dev_words = &dev_words,
                               .options = &run->recipe,
                               .plan = &run->plan,
                               .checkpoint = run->checkpoint,
                               .listener = on_train,
                               .context = run,
                               .group = group,
                               .rounds = rounds(run->session),
                               .stop = &run->stop};
    BCL_TRY(bcl_train(&result, &job));
    BCL_TRY(finish(run, &result));
out:
    return status;
}

void bcl_run_stop(bcl_run *run) {
    run->stop = 1;
}

void bcl_run_free(bcl_run *run) {
    if (!run)
        return;
    bcl_run_profile_free(&run->kept.profile); /* its rows are the device's */
    bcl_session_free(run->session);
    bcl_train_plan_free(&run->plan);
    bcl_run_data_free(&run->data);
    bcl_run_folder_release(&run->folder);
    bcl_run_kept_free(&run->kept);
    free(run->checkpoint);
    free(run->class_weights);
    free(run);
}

const bcl_run_record *bcl_run_record_of(const bcl_run *run) {
    return &run->kept.record;
}

const char *bcl_run_results_path(const bcl_run *run) {
    return run->folder.results_path;
}
