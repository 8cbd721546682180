/* bertcl eval: scores of label files, and of models on labelled data. */
#include "cli/eval_command.h"

#include <math.h>

static const bcl_command command = {
    "eval",
    "--gold FILE --pred FILE [OPTION…]\n       bertcl eval --model DIR --data PATH… [OPTION…]",
    "Scores predicted labels: those of a file against a gold file with the same tokens, or those "
    "of a Hugging Face token classifier on CoNLL data. Prints scikit-learn's classification report "
    "of the labels and seqeval's of the entities.",
    "Several --pred files, --models or, with --each, --data paths give one table.\n\n"
    "--logits writes a safetensors file with a tensor logits.N of shape (pieces, labels) for each "
    "sentence, [CLS] and [SEP] included, numbered from 0 in input order."};

void eval_result_free(eval_result *r) {
    bcl_score_free(r->score);
    bcl_labels_free(r->labels);
    bcl_corpus_free(r->corpus);
    bcl_evaluation_free(&r->evaluation);
    free(r->name);
    free(r->data);
    *r = (eval_result){0};
}

/* ---- making results ---- */

static bcl_status score(eval_result *r, const eval_options *o) {
    bcl_status status = BCL_OK;
    bcl_score_options options = {.scheme = BCL_SCHEME_DEFAULT,
                                 .zero_division = strtod(o->zero_division, NULL),
                                 .matches = o->json || o->matches,
                                 .by_sentence = o->breakdown || o->resamples};
    bool strict = o->mode_given ? !strcmp(o->mode, "strict") : o->scheme_given;
    if (strict)
        BCL_TRY(bcl_scheme_find(&options.scheme, o->scheme_given ? o->scheme : "auto"));
    BCL_TRY(bcl_score_create(&r->score, r->labels, &options));
    uint64_t unknown = bcl_score_unknown_tags(r->score);
    if (unknown && !o->quiet)
        fprintf(stderr, "%s: %llu tags have a prefix that %s does not know and count as O\n",
                r->name, (unsigned long long)unknown, bcl_scheme_name(bcl_score_scheme(r->score)));
out:
    return status;
}

static bcl_status score_files(eval_result *r, const eval_options *o, const char *gold,
                              const char *pred) {
    bcl_status status = BCL_OK;
    bcl_tag_map *map = NULL;
    if (o->maps.rules.count || o->maps.file || o->maps.preset) /* else tags stay as they are */
        BCL_TRY(bcl_cli_map_create(&map, &o->maps));
    const bcl_labels_options options = {.map = map,
                                        .tag_column = (size_t)o->tag_column,
                                        .first_pieces = o->level && !strcmp(o->level, "word")};
    BCL_TRY(bcl_strdup(&r->name, pred));
    BCL_TRY(bcl_strdup(&r->data, gold));
    BCL_TRY(bcl_labels_read(&r->labels, gold, pred, &options));
    BCL_TRY(score(r, o));
out:
    bcl_tag_map_free(map);
    return status;
}

static bcl_status join_paths(char **out, const char *const *paths, size_t count) {
    bcl_status status = BCL_OK;
    bcl_string s = {0};
    for (size_t i = 0; i < count; i++)
        BCL_TRY(bcl_string_addf(&s, "%s%s", i ? " " : "", paths[i]));
    *out = s.data;
    s.data = NULL;
out:
    bcl_string_free(&s);
    return status;
}

static bcl_status score_model(eval_result *r, const eval_options *o, eval_model *model,
                              const char *path, const char *const *data, size_t count) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_strdup(&r->name, path));
    BCL_TRY(join_paths(&r->data, data, count));
    BCL_TRY(eval_model_run(r, o, model, data, count));
    BCL_TRY(score(r, o));
out:
    return status;
}

static bcl_status write_errors(const eval_result *r, const eval_options *o) {
    bcl_status status = BCL_OK;
    bcl_errors *errors = NULL;
    char *title = NULL;
    BCL_TRY(bcl_format(&title, "Entity errors of %s on %s", r->name, r->data));
    BCL_TRY(bcl_errors_create(&errors, r->score));
    BCL_TRY(bcl_errors_write(errors, o->errors_path, title, (size_t)o->errors_most));
    if (!o->quiet)
        fprintf(stderr, "errors: %zu written to %s\n", bcl_errors_count(errors), o->errors_path);
out:
    bcl_errors_free(errors);
    free(title);
    return status;
}

/* ---- the ways to call it ---- */

/* Each --pred with its --gold, or all with the one. */
static bcl_status run_files(eval_result *results, const eval_options *o) {
    bcl_status status = BCL_OK;
    for (size_t i = 0; i < o->pred.count; i++)
        BCL_TRY(score_files(&results[i], o, o->gold.items[o->gold.count > 1 ? i : 0],
                            o->pred.items[i]));
out:
    return status;
}

static bcl_status run_models(eval_result *results, eval_model **models, const eval_options *o) {
    bcl_status status = BCL_OK;
    const size_t sets = o->each ? o->data.count : 1, size = o->each ? 1 : o->data.count;
    for (size_t m = 0; m < o->models.count; m++) {
        BCL_TRY(eval_model_load(&models[m], models[0], o, o->models.items[m]));
        for (size_t i = 0; i < sets; i++)
            BCL_TRY(score_model(results++, o, models[m], o->models.items[m],
                                o->data.items + i * size, size));
    }
out:
    return status;
}

static bcl_status run(const eval_options *o) {
    bcl_status status = BCL_OK;
    eval_result *results = NULL, second = {0};
    eval_model **models = NULL, *other = NULL;
    const size_t count =
        o->pred.count ? o->pred.count : o->models.count * (o->each ? o->data.count : 1);
    BCL_NEW(results, count);
    BCL_NEW(models, o->models.count + 1);
    bcl_interrupt_catch();
    BCL_TRY(o->pred.count ? run_files(results, o) : run_models(results, models, o));
    if (o->pred2)
        BCL_TRY(score_files(&second, o, o->gold.items[0], o->pred2));
    if (o->compare) {
        BCL_TRY(eval_model_load(&other, models[0], o, o->compare));
        BCL_TRY(score_model(&second, o, other, o->compare, o->data.items, o->data.count));
    }
    if (o->errors_path)
        BCL_TRY(write_errors(&results[0], o));
    if (count == 1 && !o->table)
        BCL_TRY(eval_print_one(o, &results[0], second.score ? &second : NULL));
    else
        BCL_TRY(o->json ? eval_print_all_json(o, results, count)
                        : eval_print_table(o, results, count));
out:
    for (size_t i = 0; results && i < count; i++)
        eval_result_free(&results[i]);
    eval_result_free(&second);
    for (size_t i = 0; models && i < o->models.count; i++)
        eval_model_free(models[i]);
    eval_model_free(other);
    free(models);
    free(results);
    return status;
}

/* ---- options ---- */

static int check(eval_options *o) {
    const bool files = o->gold.count || o->pred.count;
    if (files && (o->models.count || o->data.count))
        return bcl_cli_usage(&command, "--gold and --pred exclude --model and --data");
    if (files && !o->gold.count)
        return bcl_cli_usage(&command, "--gold is needed beside --pred");
    if (files && !o->pred.count)
        return bcl_cli_usage(&command, "--pred is needed beside --gold");
    if (o->gold.count > 1 && o->gold.count != o->pred.count)
        return bcl_cli_usage(&command,
                             "found %zu --gold and %zu --pred files, expected one --gold or as "
                             "many as --pred",
                             o->gold.count, o->pred.count);
    if (!files && !o->models.count)
        return bcl_cli_usage(&command, "--model is needed, or --gold and --pred");
    if (!files && !o->data.count)
        return bcl_cli_usage(&command, "--data is needed");
    if (o->pred2 && !files)
        return bcl_cli_usage(&command, "--pred2 goes with --gold and --pred");
    if (o->compare && files)
        return bcl_cli_usage(&command, "--compare goes with --model and --data");
    const bool several = o->pred.count > 1 || o->models.count > 1 || (o->each && o->data.count > 1);
    if (several && (o->pred2 || o->compare || o->errors_path || o->logits_path))
        return bcl_cli_usage(&command, "--pred2, --compare, --errors and --logits take one model "
                                       "or prediction on one data set");
    if (o->table && (o->pred2 || o->compare))
        return bcl_cli_usage(&command, "--table goes with several --pred or --model instead of "
                                       "--pred2 and --compare");
    if (several && !o->table)
        o->table = "text";
    if ((o->pred2 || o->compare) && !o->resamples)
        o->resamples = 10000;
    o->windows = !strcmp(o->long_sentences, "window");
    if (o->stride && !o->windows)
        return bcl_cli_usage(&command, "--stride is for --long window");
    if (!o->digits_given && files) /* as the peers print without being asked */
        o->digits = 2;
    return -1;
}

int bcl_cli_eval(int argc, char **argv) {
    eval_options o = {.label_pieces = "all",
                      .precision = "fp32",
                      .long_sentences = "truncate",
                      .digits = 4,
                      .errors_most = 100,
                      .zero_division = "0"};
    const bcl_option options[] = {
        {BCL_OPTION_GROUP, .help = "What is scored"},
        {BCL_OPTION_LIST, "gold", &o.gold, "FILE…", "CoNLL file with the right tags", .min = 0},
        {BCL_OPTION_LIST, "pred", &o.pred, "FILE…",
         "the same tokens with predicted tags in the last column", .min = 0},
        {BCL_OPTION_LIST, "model", &o.models, "DIR…", "Hugging Face folder", .min = 0},
        {BCL_OPTION_LIST, "data", &o.data, "PATH…", "CoNLL files, or folders of them", .min = 0},
        {BCL_OPTION_FLAG, "each", &o.each, NULL, "each --data path is a data set of its own",
         .min = 0},
        {BCL_OPTION_GROUP, .help = "Scores"},
        {BCL_OPTION_TEXT, "mode", &o.mode, "default|strict",
         "how tags make entities: as conlleval, or strictly as a scheme wants them; default: "
         "default, strict with --scheme",
         .choices = "default|strict", .given = &o.mode_given},
        {BCL_OPTION_TEXT, "scheme", &o.scheme, "NAME",
         "IOB1, IOB2, IOE1, IOE2, IOBES, BILOU, or auto: by the gold tags; default auto",
         .choices = "auto|IOB1|IOB2|IOE1|IOE2|IOBES|BILOU", .given = &o.scheme_given},
        {BCL_OPTION_TEXT, "level", &o.level, "piece|word",
         "of a model: every labelled piece, the default, or every word by its first piece (a word "
         "that was cut counts as O). Of files: word leaves out lines \"##...\"",
         .choices = "piece|word"},
        {BCL_OPTION_TEXT, "zero-division", &o.zero_division, "0|1|nan",
         "what a score without a denominator is; default 0", .choices = "0|1|nan"},
        {BCL_OPTION_GROUP, .help = "Intervals and comparisons"},
        {BCL_OPTION_INT, "bootstrap", &o.resamples, "N",
         "95 % intervals from N resamples of the sentences, such as 10000", .min = 1, .max = 1e6},
        {BCL_OPTION_INT, "seed", &o.seed, "N", "of the resamples; default 0", .min = 0,
         .max = 9e15},
        {BCL_OPTION_TEXT, "pred2", &o.pred2, "FILE",
         "a second prediction: the differences to it with paired p-values; --bootstrap 10000 by "
         "itself",
         .min = 0},
        {BCL_OPTION_TEXT, "compare", &o.compare, "DIR", "the same with a second model", .min = 0},
        {BCL_OPTION_GROUP, .help = "Reading"},
        BCL_CLI_MAP_OPTIONS(o.maps),
        {BCL_OPTION_INT, "tag-column", &o.tag_column, "N",
         "the tag's column, from 2; default: the last that is not empty", .min = 2, .max = 1e6},
        {BCL_OPTION_GROUP, .help = "Model"},
        {BCL_OPTION_TEXT, "label-pieces", &o.label_pieces, "all|first",
         "which pieces of a word carry its label; default all", .choices = "all|first"},
        {BCL_OPTION_INT, "max-length", &o.max_length, "N",
         "longest sequence in pieces; default: what the model takes", .min = 3, .max = 1e6},
        {BCL_OPTION_TEXT, "long", &o.long_sentences, "truncate|window",
         "longer sentences are cut, and the words lost counted, or scored whole in overlapping "
         "windows; default truncate",
         .choices = "truncate|window"},
        {BCL_OPTION_INT, "stride", &o.stride, "N",
         "pieces that windows overlap by; default: a quarter of a window", .min = 1, .max = 1e6},
        {BCL_OPTION_INT, "eval-batch", &o.batch, "N",
         "sentences a batch at most; default: no limit. Results do not depend on it", .min = 1,
         .max = 1e6},
        {BCL_OPTION_INT, "max-tokens", &o.max_tokens, "N",
         "word pieces a batch at most, but at least one sentence; default 1024, with --eval-batch "
         "no limit. Results do not depend on it",
         .min = 1, .max = 1e8},
        {BCL_OPTION_TEXT, "device", &o.device_id, "ID",
         "see bertcl devices; default: the first GPU, else CPU", .min = 0},
        {BCL_OPTION_TEXT, "gemm", &o.gemm, "NAME",
         "matrix products by clblast, tile or reference; default: the device's best", .min = 0},
        {BCL_OPTION_TEXT, "precision", &o.precision, "fp32|bf16", BCL_CLI_PRECISION_HELP,
         .choices = "fp32|bf16"},
        {BCL_OPTION_TEXT, "logits", &o.logits_path, "FILE", "write all logits as safetensors",
         .min = 0},
        {BCL_OPTION_GROUP, .help = "Output"},
        {BCL_OPTION_INT, "digits", &o.digits, "N",
         "of the reports; default 2 for files, 4 for a model", .min = 0, .max = 30,
         .given = &o.digits_given},
        {BCL_OPTION_FLAG, "matches", &o.matches, NULL,
         "print strict, exact, partial and type-only matches (always in the JSON)", .min = 0},
        {BCL_OPTION_FLAG, "confusion", &o.confusion, NULL,
         "print the confusion matrix (always in the JSON)", .min = 0},
        {BCL_OPTION_FLAG, "breakdown", &o.breakdown, NULL,
         "scores of each document (file, or part after -DOCSTART-) and by sentence length",
         .min = 0},
        {BCL_OPTION_TEXT, "errors", &o.errors_path, "FILE",
         "write the most frequent entity errors with their sentences: text, or a page if the name "
         "ends in .html",
         .min = 0},
        {BCL_OPTION_INT, "errors-most", &o.errors_most, "N", "how many of them; default 100",
         .min = 1, .max = 1e9},
        {BCL_OPTION_TEXT, "table", &o.table, "text|markdown|csv",
         "print a table with one line a model, prediction or data set; text where there are "
         "several",
         .choices = "text|markdown|csv"},
        {BCL_OPTION_FLAG, "json", &o.json, NULL, "print the results as JSON", .min = 0},
        {BCL_OPTION_FLAG, "quiet", &o.quiet, NULL, "no messages", .min = 0},
        {.kind = BCL_OPTION_END},
    };
    int code = bcl_options_parse(&command, options, argc, argv, 1);
    if (code < 0)
        code = check(&o);
    if (code < 0) {
        bcl_status status = run(&o);
        code = status ? bcl_cli_error(status) : BCL_EXIT_OK;
    }
    bcl_list_free(&o.gold);
    bcl_list_free(&o.pred);
    bcl_list_free(&o.models);
    bcl_list_free(&o.data);
    bcl_list_free(&o.maps.rules);
    return code;
}
