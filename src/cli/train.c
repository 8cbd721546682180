/* bertcl train: from a model, a corpus and a recipe to a run folder. */
#include "cli/cli.h"
#include "cli/progress.h"
#include "session/session.h"
#include "train/train.h"

#include <cjson/cJSON.h>
#include <stdarg.h>

static const bcl_command command = {
    "train", "--model DIR --data PATH… --out RUN [OPTION…]",
    "Fine-tunes a BERT model for named-entity recognition and evaluates it.",
    "RUN gets model/ (the last model, a Hugging Face folder), best/ (the epoch with the highest "
    "macro F1), test.conll (the held-out part), metrics.jsonl, results.json, run.json and the "
    "newest checkpoint. After a kill or Ctrl-C the same command with --resume goes on, to the same "
    "bits; bertcl train --out RUN --resume is enough."};

typedef struct settings {
    bcl_list data, test;
    bcl_cli_maps maps;
    const char *model, *out, *schedule, *optimizer, *label_pieces, *device, *gemm, *precision,
        *status;
    double split, lr, warmup, weight_decay, clip, dropout, beta1, beta2, eps;
    int64_t split_seed, epochs, batch, max_tokens, accumulate, max_length, seed, max_steps,
        save_every, eval_batch, tag_column;
    bool recompute, resume, quiet, json, profile;
    bool given[40];
} settings;

enum { MAX_OPTIONS = 48, DEFAULT_LENGTH = 128, DEFAULT_BATCH = 4 };

static void fill_options(bcl_option *options, settings *s) {
    bool *g = s->given;
    const bcl_option list[] = {
        {BCL_OPTION_GROUP, .help = "What to train on what"},
        {BCL_OPTION_TEXT, "model", &s->model, "DIR", "Hugging Face folder to start from",
         .given = g++},
        {BCL_OPTION_LIST, "data", &s->data, "PATH…", "CoNLL files, or folders of them",
         .given = g++},
        {BCL_OPTION_REAL, "split", &s->split, "X",
         "share of the sentences drawn for training, the rest is the test; default 0.8", .min = 0,
         .max = 1, .given = g++},
        {BCL_OPTION_INT, "split-seed", &s->split_seed, "N", "seed of that draw; default 200",
         .min = 0, .max = UINT32_MAX, .given = g++},
        {BCL_OPTION_LIST, "test", &s->test, "PATH…", "test data instead of a split", .given = g++},
        BCL_CLI_MAP_OPTIONS(s->maps),
        {BCL_OPTION_INT, "tag-column", &s->tag_column, "N",
         "the tag's column, from 2; default: the last that is not empty", .min = 2, .max = 1e6,
         .given = g++},
        {BCL_OPTION_TEXT, "label-pieces", &s->label_pieces, "all|first",
         "which pieces of a word carry its label; default all", .choices = "all|first",
         .given = g++},
        {BCL_OPTION_INT, "max-length", &s->max_length, "N",
         "longest sentence in pieces, the rest is cut and counted; default 128", .min = 3,
         .max = 1e6, .given = g++},
        {BCL_OPTION_TEXT, "out", &s->out, "RUN", "the run's folder, which must not exist",
         .min = 0},
        {BCL_OPTION_GROUP, .help = "How"},
        {BCL_OPTION_INT, "epochs", &s->epochs, "N", "default 1", .min = 1, .max = 1e6,
         .given = g++},
        {BCL_OPTION_INT, "batch", &s->batch, "N",
         "sentences a batch at most; default 4, with --max-tokens no limit", .min = 1, .max = 1e6,
         .given = g++},
        {BCL_OPTION_INT, "max-tokens", &s->max_tokens, "N",
         "word pieces a batch at most, [CLS] and [SEP] counted: a batch takes sentences in the "
         "epoch's order until the next would be too many; default: no limit",
         .min = 3, .max = 1e9, .given = g++},
        {BCL_OPTION_INT, "accumulate", &s->accumulate, "N",
         "batches whose gradients make one step; default 1", .min = 1, .max = 1e6, .given = g++},
        {BCL_OPTION_FLAG, "recompute", &s->recompute, NULL,
         "keep little of the forward pass and compute it again for the backward pass: less memory, "
         "slower by about a quarter, the same bits; may be added when resuming",
         .min = 0},
        {BCL_OPTION_REAL, "lr", &s->lr, "X", "peak learning rate; default 1e-5", .min = 0,
         .max = 1e3, .given = g++},
        {BCL_OPTION_TEXT, "schedule", &s->schedule, "NAME",
         "constant (default), linear or cosine, as transformers'",
         .choices = "constant|linear|cosine", .given = g++},
        {BCL_OPTION_REAL, "warmup", &s->warmup, "X",
         "share of the steps in which the rate rises from 0; default 0", .min = 0, .max = 1,
         .given = g++},
        {BCL_OPTION_TEXT, "optimizer", &s->optimizer, "NAME", "adam (default) or adamw",
         .choices = "adam|adamw", .given = g++},
        {BCL_OPTION_REAL, "weight-decay", &s->weight_decay, "X",
         "as torch.optim's Adam (added to the gradient) and AdamW (decoupled), on every "
         "parameter; default 0",
         .min = 0, .max = 1e3, .given = g++},
        {BCL_OPTION_REAL, "beta1", &s->beta1, "X", "default 0.9", .min = 0, .max = 0.9999999,
         .given = g++},
        {BCL_OPTION_REAL, "beta2", &s->beta2, "X", "default 0.999", .min = 0, .max = 0.9999999,
         .given = g++},
        {BCL_OPTION_REAL, "eps", &s->eps, "X", "default 1e-8", .min = 1e-30, .max = 1,
         .given = g++},
        {BCL_OPTION_REAL, "clip", &s->clip, "X", "largest gradient norm, 0 for none; default 10",
         .min = 0, .max = 1e30, .given = g++},
        {BCL_OPTION_REAL, "dropout", &s->dropout, "X", "all dropout rates; default: config.json's",
         .min = 0, .max = 0.99, .given = g++},
        {BCL_OPTION_INT, "seed", &s->seed, "N", "of order, dropout and new weights; default 0",
         .min = 0, .max = 9007199254740992.0, .given = g++},
        {BCL_OPTION_INT, "max-steps", &s->max_steps, "N",
         "end after N steps, evaluate and save all the same", .min = 1, .max = 1e12, .given = g++},
        {BCL_OPTION_INT, "save-every", &s->save_every, "N",
         "steps between checkpoints; default: at the ends of epochs", .min = 1, .max = 1e12,
         .given = g++},
        {BCL_OPTION_INT, "eval-batch", &s->eval_batch, "N",
         "sentences a batch in evaluation; default: by tokens. Results do not depend on it",
         .min = 1, .max = 1e6, .given = g++},
        {BCL_OPTION_TEXT, "device", &s->device, "ID",
         "see bertcl devices; default: the first GPU, else CPU", .min = 0},
        {BCL_OPTION_TEXT, "gemm", &s->gemm, "NAME",
         "matrix products by clblast, tile or reference; default: the device's best", .min = 0},
        {BCL_OPTION_TEXT, "precision", &s->precision, "fp32|bf16", BCL_CLI_PRECISION_HELP,
         .choices = "fp32|bf16", .given = g++},
        {BCL_OPTION_GROUP, .help = "Running"},
        {BCL_OPTION_FLAG, "resume", &s->resume, NULL, "go on where RUN stopped", .min = 0},
        {BCL_OPTION_FLAG, "quiet", &s->quiet, NULL, "no progress, no messages", .min = 0},
        {BCL_OPTION_FLAG, "json", &s->json, NULL, "print results.json instead of the report",
         .min = 0},
        {BCL_OPTION_TEXT, "status", &s->status, "FILE.json",
         "a file that tells other programs how far the run is, written anew each second", .min = 0},
        {BCL_OPTION_FLAG, "profile", &s->profile, NULL,
         "time every kernel of the first epoch, without its first steps: a table on stderr, "
         "\"profile\" in results.json; slower",
         .min = 0},
        {.kind = BCL_OPTION_END},
    };
    _Static_assert(sizeof list / sizeof *list <= MAX_OPTIONS, "room for the options");
    memcpy(options, list, sizeof list);
}

typedef struct job {
    settings s;
    bcl_option options[MAX_OPTIONS];
    cJSON *run;                                           /* run.json when resuming */
    char *run_path, *results_path, *checkpoint, *weights; /* folder or hub name */
    const char *precision_name;                           /* wanted, or the resumed run's */
    bcl_tag_map *map;
    bcl_corpus *corpus, *test_corpus;
    uint32_t *train_rows, *test_rows;
    size_t train_count, test_count, max_length;
    char **labels;
    size_t label_count;
    bcl_session *session;
    bcl_cli_session telling;
    bcl_dataset train, test;
    bcl_train_options recipe;
    bcl_train_plan plan;
    bcl_progress progress;
    bcl_cli_profile profile;
} job;

/* ---- messages ---- */

__attribute__((format(printf, 2, 3))) static void say(const job *j, const char *format, ...) {
    va_list args;
    if (j->s.quiet)
        return;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
}

static void on_step(void *context, const bcl_train_step *s) {
    job *j = context;
    bcl_cli_profile_step(&j->profile);
    bcl_progress_step(&j->progress, s);
}

static void on_epoch(void *context, int64_t epoch, double loss, double accuracy) {
    job *j = context;
    bcl_cli_profile_end(&j->profile);
    bcl_progress_clear(&j->progress);
    if (!j->s.json)
        printf("epoch %lld: training loss %.6f, accuracy %.6f\n", (long long)epoch, loss, accuracy);
    fflush(stdout);
}

static void on_evaluated(void *context, int64_t epoch, const bcl_evaluation *e) {
    job *j = context;
    bcl_progress_clear(&j->progress);
    bcl_progress_evaluated(&j->progress, epoch, e);
    if (!j->s.json)
        printf("epoch %lld: evaluation loss %.6f, accuracy %.6f, macro F1 %.4f\n", (long long)epoch,
               e->loss, e->accuracy, bcl_report_macro(e->report).f1);
    fflush(stdout);
}

static void on_evaluating(void *context, size_t done, size_t all) {
    bcl_progress_evaluating(&((job *)context)->progress, done, all);
}

static void on_resumed(void *context, int64_t step) {
    say(context, "resuming after step %lld\n", (long long)step);
}

/* ---- data and labels ---- */

static bcl_status read_data(job *j) {
    bcl_status status = BCL_OK;
    settings *s = &j->s;
    BCL_TRY(bcl_cli_map_create(&j->map, &s->maps));
    const bcl_corpus_options options = {j->map, (size_t)s->tag_column};
    BCL_TRY(bcl_corpus_read(&j->corpus, s->data.items, s->data.count, &options));
    const size_t n = bcl_corpus_size(j->corpus);
    BCL_NEW(j->train_rows, n);
    BCL_NEW(j->test_rows, n);
    if (s->test.count) {
        BCL_TRY(bcl_corpus_read(&j->test_corpus, s->test.items, s->test.count, &options));
        for (size_t i = 0; i < n; i++)
            j->train_rows[i] = (uint32_t)i;
        j->train_count = n;
    } else {
        BCL_TRY(bcl_split(j->train_rows, &j->train_count, j->test_rows, &j->test_count, n,
                          s->split < 0 ? 0.8 : s->split,
                          s->split_seed < 0 ? 200 : (uint32_t)s->split_seed));
        if (!j->train_count)
            BCL_FAIL(BCL_ERROR_ARGUMENT, "--split: %g of %zu sentences leaves none for training",
                     s->split, n);
    }
out:
    return status;
}

static size_t find_name(char *const *names, size_t count, const char *name) {
    size_t i = 0;
    while (i < count && strcmp(names[i], name))
        i++;
    return i;
}

/* The model's own labels if they cover the data's, else the data's in order of appearance. */
static bcl_status choose_labels(job *j) {
    bcl_status status = BCL_OK;
    const bcl_corpus *corpora[2] = {j->corpus, j->test_corpus};
    size_t capacity = 0;
    bool covered = true;
    for (int c = 0; c < 2 && corpora[c]; c++)
        for (size_t i = 0; i < bcl_corpus_tag_count(corpora[c]); i++) {
            const char *tag = bcl_corpus_tag(corpora[c], i);
            if (find_name(j->session->config.label_names, (size_t)j->session->config.labels, tag) ==
                (size_t)j->session->config.labels)
                covered = false;
            if (find_name(j->labels, j->label_count, tag) < j->label_count)
                continue;
            BCL_TRY(bcl_grow(&j->labels, &capacity, j->label_count + 1, sizeof *j->labels));
            BCL_TRY(bcl_strdup(&j->labels[j->label_count], tag));
            j->label_count++;
        }
    if (!covered)
        BCL_TRY(bcl_config_set_labels(&j->session->config, (const char *const *)j->labels,
                                      j->label_count));
out:
    return status;
}

static bcl_status encode(job *j, bcl_dataset *out, const bcl_corpus *corpus, const uint32_t *rows,
                         size_t count) {
    bcl_status status = BCL_OK;
    int32_t *ids = NULL;
    BCL_NEW(ids, bcl_corpus_tag_count(corpus));
    BCL_TRY(bcl_corpus_label_ids(ids, corpus, (const char *const *)j->session->config.label_names,
                                 (size_t)j->session->config.labels));
    BCL_TRY(
        bcl_dataset_encode(out, corpus, rows, count, j->session->tokenizer, ids, j->max_length,
                           strcmp(j->s.label_pieces, "first") ? BCL_LABEL_ALL : BCL_LABEL_FIRST));
out:
    free(ids);
    return status;
}

static bcl_status open_session(job *j) {
    j->telling = (bcl_cli_session){.quiet = j->s.quiet, .tell_device = true, .tell_unused = true};
    return bcl_session_prepare(&j->session, &(bcl_session_options){.model = j->weights,
                                                                   .device = j->s.device,
                                                                   .gemm = j->s.gemm,
                                                                   .precision = j->precision_name,
                                                                   .tune = true,
                                                                   .profile = j->s.profile,
                                                                   .listener = bcl_cli_session_told,
                                                                   .context = &j->telling});
}

static bcl_status prepare_data(job *j) {
    bcl_status status = BCL_OK;
    BCL_TRY(read_data(j));
    BCL_TRY(open_session(j));
    if (j->s.max_length > j->session->config.positions)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "--max-length: found %lld, the model has %d positions",
                 (long long)j->s.max_length, j->session->config.positions);
    j->max_length = j->s.max_length ? (size_t)j->s.max_length
                    : j->session->config.positions < DEFAULT_LENGTH
                        ? (size_t)j->session->config.positions
                        : DEFAULT_LENGTH;
    BCL_TRY(choose_labels(j));
    BCL_TRY(encode(j, &j->train, j->corpus, j->train_rows, j->train_count));
    if (j->test_corpus)
        BCL_TRY(encode(j, &j->test, j->test_corpus, NULL, bcl_corpus_size(j->test_corpus)));
    else if (j->test_count)
        BCL_TRY(encode(j, &j->test, j->corpus, j->test_rows, j->test_count));
    uint64_t mapped = 0;
    for (size_t i = 0; i < bcl_corpus_raw_tag_count(j->corpus); i++) {
        const char *raw = bcl_corpus_raw_tag(j->corpus, i);
        if (strcmp(raw, bcl_tag_map_find(j->map, raw)))
            mapped += bcl_corpus_raw_tag_total(j->corpus, i);
    }
    say(j, "data: %zu sentences to train on, %zu to test; %zu pieces, %d labels\n", j->train.count,
        j->test.count, j->train.pieces, j->session->config.labels);
    if (mapped)
        say(j, "data: %llu words had stray tags and were mapped\n", (unsigned long long)mapped);
    if (j->train.words_cut + j->test.words_cut)
        say(j, "data: %zu words of %zu sentences are beyond --max-length %zu and were cut\n",
            j->train.words_cut + j->test.words_cut, j->train.sentences_cut + j->test.sentences_cut,
            j->max_length);
out:
    return status;
}

/* ---- the run folder ---- */

/* With --resume, takes what the run was started with; a run that never began starts now. */
static bcl_status open_run(job *j) {
    bcl_status status = BCL_OK;
    settings *s = &j->s;
    const cJSON *options;
    j->precision_name = s->precision;
    BCL_TRY(bcl_path_join(&j->run_path, s->out, "run.json"));
    BCL_TRY(bcl_path_join(&j->results_path, s->out, "results.json"));
    if (!s->resume && bcl_path_exists(s->out))
        BCL_FAIL(BCL_ERROR_EXISTS, "%s: exists; choose another --out, or --resume to go on",
                 s->out);
    if (s->resume && bcl_path_exists(j->run_path)) {
        BCL_TRY(bcl_json_read(&j->run, j->run_path));
        options = cJSON_GetObjectItemCaseSensitive(j->run, "options");
        if (!cJSON_IsObject(options))
            BCL_FAIL(BCL_ERROR_FORMAT, "%s: \"options\": expected an object", j->run_path);
        BCL_TRY(bcl_options_restore(j->options, options, j->run_path));
        if (!s->device)
            BCL_TRY(bcl_json_text(&s->device, j->run, "device", NULL, j->run_path));
        if (!s->gemm)
            BCL_TRY(bcl_json_text(&s->gemm, j->run, "gemm", NULL, j->run_path));
        BCL_TRY(bcl_json_text(&j->precision_name, j->run, "precision", "fp32", j->run_path));
        if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(j->run, "recompute")))
            s->recompute = true;
        BCL_TRY(bcl_checkpoint_newest(&j->checkpoint, s->out));
    } else if (s->resume && bcl_path_exists(s->out)) {
        /* run.json is the first file of a run: without it there may be nothing of ours in there */
        char **names = NULL;
        size_t count = 0;
        bool ours = true;
        BCL_TRY(bcl_directory_list(&names, &count, s->out));
        for (size_t i = 0; i < count; i++)
            ours = ours && !strncmp(names[i], "run.json.tmp", 12);
        bcl_strings_free(names, count);
        if (!ours)
            BCL_FAIL(BCL_ERROR_EXISTS, "%s: holds files but no run.json, it is not a run", s->out);
    }
    if (j->checkpoint)
        BCL_TRY(bcl_path_join(&j->weights, j->checkpoint, "model"));
    else if (s->model)
        BCL_TRY(bcl_strdup(&j->weights, s->model));
out:
    return status;
}

/* Sizes that a resumed run must find again. */
static bcl_status check_sizes(const job *j, cJSON *sizes) {
    bcl_status status = BCL_OK;
    const cJSON *stored = cJSON_GetObjectItemCaseSensitive(j->run, "data");
    if (stored && !cJSON_Compare(stored, sizes, 1))
        BCL_FAIL(BCL_ERROR_ARGUMENT, "%s: the data changed since the run was started", j->run_path);
out:
    cJSON_Delete(sizes);
    return status;
}

static cJSON *sizes_to_json(const job *j) {
    cJSON *sizes = cJSON_CreateObject();
    cJSON_AddNumberToObject(sizes, "train_sentences", (double)j->train.count);
    cJSON_AddNumberToObject(sizes, "train_pieces", (double)j->train.pieces);
    cJSON_AddNumberToObject(sizes, "test_sentences", (double)j->test.count);
    cJSON_AddNumberToObject(sizes, "test_pieces", (double)j->test.pieces);
    return sizes;
}

static bcl_status begin_run(job *j) {
    bcl_status status = BCL_OK;
    cJSON *run = NULL;
    char *test = NULL;
    if (j->run) {
        BCL_TRY(check_sizes(j, sizes_to_json(j)));
    } else {
        run = cJSON_CreateObject();
        cJSON_AddStringToObject(run, "bertcl", BERTCL_VERSION);
        cJSON_AddItemToObject(run, "options", bcl_options_to_json(j->options));
        cJSON_AddStringToObject(run, "device", bcl_session_device(j->session));
        cJSON_AddStringToObject(run, "gemm", bcl_session_gemm(j->session));
        cJSON_AddStringToObject(run, "precision", bcl_session_precision(j->session));
        cJSON_AddBoolToObject(run, "recompute", j->s.recompute);
        cJSON_AddItemToObject(run, "data", sizes_to_json(j));
        cJSON_AddItemToObject(
            run, "labels",
            cJSON_CreateStringArray((const char *const *)j->session->config.label_names,
                                    j->session->config.labels));
        BCL_TRY(bcl_directory_create(j->s.out));
        BCL_TRY(bcl_json_write(run, j->run_path));
    }
    if (j->test_count) {
        BCL_TRY(bcl_path_join(&test, j->s.out, "test.conll"));
        if (!bcl_path_exists(test))
            BCL_TRY(bcl_corpus_write(test, j->corpus, j->test_rows, j->test_count));
    }
out:
    cJSON_Delete(run);
    free(test);
    return status;
}

/* ---- results ---- */

static bcl_status write_results(job *j, const bcl_train_result *r) {
    bcl_status status = BCL_OK;
    cJSON *json = cJSON_CreateObject(), *train = cJSON_AddObjectToObject(json, "train"),
          *eval = NULL;
    cJSON_AddNumberToObject(train, "loss", r->loss);
    cJSON_AddNumberToObject(train, "tokens_per_s", r->tokens_per_s);
    cJSON_AddNumberToObject(train, "steps", (double)r->steps);
    if (r->evaluated) {
        BCL_TRY(bcl_evaluation_json(&eval, &r->evaluation));
        cJSON_AddItemToObject(json, "eval", eval);
    }
    cJSON_AddNumberToObject(json, "peak_rss_mb", bcl_peak_rss_mb());
    cJSON_AddStringToObject(json, "device", bcl_session_device(j->session));
    cJSON_AddStringToObject(json, "gemm", bcl_session_gemm(j->session));
    cJSON_AddStringToObject(json, "precision", bcl_session_precision(j->session));
    cJSON_AddNumberToObject(json, "seed", (double)j->s.seed);
    BCL_TRY(bcl_cli_profile_report(&j->profile, json));
    BCL_TRY(bcl_json_write(json, j->results_path));
out:
    cJSON_Delete(json);
    return status;
}

static bcl_status print_file(const char *path) {
    char *text = NULL;
    size_t size = 0;
    bcl_status status = bcl_file_read(&text, &size, path);
    if (!status)
        fwrite(text, 1, size, stdout);
    free(text);
    return status;
}

static bcl_status report(job *j, const bcl_train_result *r) {
    bcl_status status = BCL_OK;
    char *text = NULL;
    BCL_TRY(write_results(j, r));
    if (j->s.json) {
        BCL_TRY(print_file(j->results_path));
    } else {
        if (r->evaluated) {
            BCL_TRY(bcl_report_text(&text, r->evaluation.report, 4));
            printf("\nevaluation loss %.6f, accuracy %.6f\n\n%s\n", r->evaluation.loss,
                   r->evaluation.accuracy, text);
        }
        printf("model: %s/model\nresults: %s\n", j->s.out, j->results_path);
    }
out:
    free(text);
    return status;
}

/* ---- */

/* The words that get gradients and moments. Without weight decay a word that never occurs never
 * changes: none for it. */
static bcl_status find_words(bool **used, size_t *count, const job *j) {
    bcl_status status = BCL_OK;
    const size_t V = (size_t)j->session->config.vocabulary;
    BCL_NEW(*used, V);
    for (size_t i = 0; i < j->train.count; i++)
        for (int k = 0; k < j->train.samples[i].length; k++)
            (*used)[j->train.samples[i].ids[k]] = true;
    *count = 0;
    for (size_t id = 0; id < V; id++) {
        (*used)[id] = (*used)[id] || j->s.weight_decay > 0;
        *count += (*used)[id];
    }
out:
    return status;
}

static bcl_status load_model(job *j) {
    bcl_status status = BCL_OK;
    bcl_session *session = j->session;
    bcl_memory memory;
    bool *used = NULL;
    size_t words;
    const double mib = 1024.0 * 1024.0;
    const bcl_capacity capacity = bcl_train_capacity(&j->plan, &j->recipe);
    BCL_TRY(find_words(&used, &words, j));
    BCL_TRY(bcl_session_open_device(session));
    BCL_TRY(bcl_memory_plan(&memory, session->device, &session->config, words, &capacity));
    if (j->s.profile)
        bcl_cli_profile_start(&j->profile, session->device);
    BCL_TRY(bcl_session_load(session,
                             j->checkpoint ? BCL_SESSION_FOR_RESUMING : BCL_SESSION_FOR_TRAINING,
                             (uint64_t)j->s.seed));
    say(j,
        "memory: weights %.0f MiB, moments %.0f MiB, gradients and activations %.0f MiB for "
        "batches of up to %d tokens\n",
        (double)memory.weights / mib, (double)memory.moments / mib, (double)memory.step / mib,
        capacity.tokens);
    BCL_TRY(bcl_model_train_begin(session->model, used));
out:
    free(used);
    return status;
}

/* What the options ask for; known before anything is computed or written. */
static bcl_status plan_run(job *j) {
    const settings *s = &j->s;
    const bool dropout = s->dropout >= 0;
    j->recipe = (bcl_train_options){
        .epochs = s->epochs,
        .batch = s->batch,
        .max_tokens = s->max_tokens,
        .recompute = s->recompute,
        .accumulate = s->accumulate,
        .max_steps = s->max_steps,
        .save_every = s->save_every,
        .seed = (uint64_t)s->seed,
        .schedule = !strcmp(s->schedule, "linear")   ? BCL_LINEAR
                    : !strcmp(s->schedule, "cosine") ? BCL_COSINE
                                                     : BCL_CONSTANT,
        .warmup = s->warmup,
        .adam = {.lr = s->lr,
                 .beta1 = s->beta1,
                 .beta2 = s->beta2,
                 .eps = s->eps,
                 .weight_decay = s->weight_decay,
                 .decoupled = !strcmp(s->optimizer, "adamw"),
                 .clip = (float)s->clip},
        .hidden_dropout = dropout ? s->dropout : j->session->config.hidden_dropout,
        .attention_dropout = dropout ? s->dropout : j->session->config.attention_dropout,
        .classifier_dropout = dropout ? s->dropout : j->session->config.classifier_dropout,
        .eval_sentences = (size_t)s->eval_batch,
    };
    return bcl_train_plan_create(&j->plan, &j->train, &j->recipe);
}

static bcl_status run_job(job *j) {
    bcl_status status = BCL_OK;
    bcl_train_result result = {0};
    const settings *s = &j->s;
    j->progress = (bcl_progress){
        .run = s->out, .status_path = s->status, .epochs = s->epochs, .quiet = s->quiet};
    BCL_TRY(bcl_progress_start(&j->progress));
    BCL_TRY(prepare_data(j));
    BCL_TRY(plan_run(j));
    BCL_TRY(load_model(j));
    BCL_TRY(begin_run(j));
    const bcl_train_events events = {.context = j,
                                     .step = on_step,
                                     .epoch = on_epoch,
                                     .evaluated = on_evaluated,
                                     .evaluating = on_evaluating,
                                     .resumed = on_resumed};
    const bcl_model_files files = {&j->session->config, j->session->tokenizer};
    bcl_interrupt_catch();
    BCL_TRY(bcl_train(&result, s->out, j->session->model, &files, &j->train,
                      j->test.count ? &j->test : NULL, &j->recipe, &j->plan, &events));
    BCL_TRY(report(j, &result));
out:
    bcl_progress_end(&j->progress, status);
    bcl_evaluation_free(&result.evaluation);
    return status;
}

static void free_job(job *j) {
    bcl_train_plan_free(&j->plan);
    bcl_dataset_free(&j->train);
    bcl_dataset_free(&j->test);
    bcl_session_free(j->session);
    bcl_strings_free(j->labels, j->label_count);
    free(j->train_rows);
    free(j->test_rows);
    bcl_corpus_free(j->corpus);
    bcl_corpus_free(j->test_corpus);
    bcl_tag_map_free(j->map);
    cJSON_Delete(j->run);
    free(j->run_path);
    free(j->results_path);
    free(j->checkpoint);
    free(j->weights);
    bcl_list_free(&j->s.data);
    bcl_list_free(&j->s.test);
    bcl_list_free(&j->s.maps.rules);
}

int bcl_cli_train(int argc, char **argv) {
    job j = {.s = {.schedule = "constant",
                   .optimizer = "adam",
                   .label_pieces = "all",
                   .precision = "fp32",
                   .split = -1, /* below 0: not given */
                   .split_seed = -1,
                   .epochs = 1,
                   .accumulate = 1,
                   .lr = 1e-5,
                   .beta1 = 0.9,
                   .beta2 = 0.999,
                   .eps = 1e-8,
                   .clip = 10,
                   .dropout = -1}};
    bcl_status status = BCL_OK;
    fill_options(j.options, &j.s);
    int code = bcl_options_parse(&command, j.options, argc, argv, 1);
    if (code < 0 && !j.s.out)
        code = bcl_cli_usage(&command, "--out is needed");
    if (code < 0) {
        status = open_run(&j);
        if (!j.s.batch && !j.s.max_tokens)
            j.s.batch = DEFAULT_BATCH;
        if (!status && !j.s.model)
            code = bcl_cli_usage(&command, "--model is needed");
        else if (!status && !j.s.data.count)
            code = bcl_cli_usage(&command, "--data is needed");
        else if (!status && j.s.test.count && (j.s.split >= 0 || j.s.split_seed >= 0))
            code = bcl_cli_usage(&command, "--test and --split exclude each other");
        else if (!status && bcl_path_exists(j.results_path)) {
            say(&j, "%s: the run is complete\n", j.s.out);
            status = print_file(j.results_path);
        } else if (!status)
            status = run_job(&j);
        if (code < 0)
            code = status ? bcl_cli_error(status) : BCL_EXIT_OK;
    }
    free_job(&j);
    return code;
}
