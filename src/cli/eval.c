/* bertcl eval: scores of label files, and of models on labelled data. */
#include "cli/eval_command.h"

#include <time.h>

static const bcl_command command = {
    "eval",
    "--gold FILE --pred FILE [OPTION…]\n       bertcl eval --model DIR --data PATH… [OPTION…]",
    "Scores predicted labels: those of a file against a gold file with the same tokens, or those "
    "of a Hugging Face token classifier on CoNLL data. Prints scikit-learn's classification report "
    "of the labels and seqeval's of the entities.",
    "Several --pred files, --models or, with --each, --data paths give one table.\n\n"
    "--logits writes a safetensors file with a tensor logits.N of shape (pieces, labels) for each "
    "sentence, [CLS] and [SEP] included, numbered from 0 in input order."};

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
    if (!files && !o->data.count && !o->calibrate.count)
        return bcl_cli_usage(&command, "--data is needed");
    if (files && (o->calibrate.count || o->constrain))
        return bcl_cli_usage(&command, "--calibrate and --constrain go with --model");
    if (o->constrain && o->level && !strcmp(o->level, "piece"))
        return bcl_cli_usage(&command, "--constrain decodes words; found --level piece");
    if (o->device_id && o->pool.devices)
        return bcl_cli_usage(&command, "--device and --devices: give one of them");
    if (o->pool.cores.count && !o->pool.devices)
        return bcl_cli_usage(&command, "--cores goes with --devices");
    if (o->pred2 && !files)
        return bcl_cli_usage(&command, "--pred2 goes with --gold and --pred");
    if (o->compare && files)
        return bcl_cli_usage(&command, "--compare goes with --model and --data");
    const bool several = o->pred.count > 1 || o->models.count > 1 || (o->each && o->data.count > 1);
    if (several &&
        (o->pred2 || o->compare || o->errors_path || o->logits_path || o->predictions_path))
        return bcl_cli_usage(&command, "--pred2, --compare, --errors, --predictions and --logits "
                                       "take one model or prediction on one data set");
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
    eval_options o = {.precision = "fp32",
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
        {BCL_OPTION_LIST, "data", &o.data, "PATH…",
         "labelled files, folders of them, or - for standard input: see docs/data.md", .min = 0},
        {BCL_OPTION_FLAG, "each", &o.each, NULL, "each --data path is a data set of its own",
         .min = 0},
        {BCL_OPTION_GROUP, .help = "Scores"},
        {BCL_OPTION_TEXT, "mode", &o.mode, "default|strict",
         "how tags make entities: as conlleval, or strictly as a scheme wants them; default: of a "
         "model strict where the scheme marks an entity's end, of files default; strict with "
         "--scheme",
         .choices = "default|strict", .given = &o.mode_given},
        {BCL_OPTION_TEXT, "scheme", &o.scheme, "NAME",
         "IOB1, IOB2, IOE1, IOE2, IOBES, BILOU, IO, or auto: by the gold tags as seqeval; default: "
         "what the tags are found to be (docs/evaluation.md)",
         .choices = "auto|IOB1|IOB2|IOE1|IOE2|IOBES|BILOU|IO", .given = &o.scheme_given},
        {BCL_OPTION_TEXT, "level", &o.level, "piece|word",
         "of a model: word by its first piece (a word that was cut counts as O), or every labelled "
         "piece; default: the entities are of words, the report of labels is of pieces. Of files: "
         "word leaves out lines \"##...\"",
         .choices = "piece|word"},
        {BCL_OPTION_FLAG, "constrain", &o.constrain, NULL,
         "of a model's words: the most likely labels that the scheme allows (Viterbi)", .min = 0},
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
        BCL_CLI_READING_OPTIONS(o.reading),
        {BCL_OPTION_GROUP, .help = "Model"},
        {BCL_OPTION_TEXT, "label-pieces", &o.label_pieces, "all|first",
         "which pieces of a word carry its label; default: as the model was trained",
         .choices = "all|first"},
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
        BCL_CLI_POOL_OPTIONS(o.pool),
        {BCL_OPTION_TEXT, "gemm", &o.gemm, "NAME",
         "matrix products by clblast, tile or reference; default: the device's best", .min = 0},
        {BCL_OPTION_TEXT, "precision", &o.precision, BCL_SESSION_PRECISIONS,
         BCL_SESSION_PRECISION_HELP, .choices = BCL_SESSION_PRECISIONS},
        {BCL_OPTION_LIST, "calibrate", &o.calibrate, "PATH…",
         "CoNLL files of a development set: fits the temperature by which predict divides logits "
         "and writes it into the model's config.json",
         .min = 0},
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
        {BCL_OPTION_TEXT, "predictions", &o.predictions_path, "FILE",
         "write word, gold and predicted tag a line", .min = 0},
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
        o.argc = argc;
        o.argv = argv;
        o.started = (double)time(NULL);
        bcl_interrupt_catch();
        bcl_status status = eval_run(&o);
        code = status ? bcl_cli_error(status) : BCL_EXIT_OK;
    }
    bcl_list_free(&o.gold);
    bcl_list_free(&o.pred);
    bcl_list_free(&o.models);
    bcl_list_free(&o.data);
    bcl_list_free(&o.calibrate);
    bcl_list_free(&o.reading.maps);
    bcl_list_free(&o.pool.cores);
    return code;
}
