/* bertcl predict: text to entities. What it reads and writes is in the files beside this one. */
#include "cli/pool.h"
#include "cli/predict.h"
#include "util/printable.h"

#include "data/reading.h"
#include "session/session.h"

#include <signal.h>

static const bcl_command command = {
    .name = "predict",
    .usage = "--model DIR|ORG/NAME [OPTION…] [FILE…]",
    .summary = "Finds entities in text, as transformers' pipeline(\"token-classification\") does.",
    .details =
        "A line of FILE, or of standard input, is one text; with --words a JSON array of words; "
        "with --document files are running text, which is split into sentences; with "
        "--input-format "
        "conll a word a line, in the column that --word-column names; with --input-format jsonl a "
        "JSON "
        "object with a text or words in --field. A folder stands for the files in it. Output keeps "
        "the order of the input and follows it: what has been read is printed before waiting for "
        "more.\n"
        "jsonl prints {\"text\": …, \"entities\": […]} with the pipeline's keys, start and end in "
        "Unicode code points of the text (of words: joined by single spaces); \"words_cut\" stands "
        "behind them where something was cut; documents have \"file\" and \"offset\", the "
        "sentence's first code point in it. conll prints word<TAB>label; of a CoNLL file every "
        "line as it was, the label behind it. html prints one page. "
        "counts prints count<TAB>type<TAB>entity at the end."};

typedef struct job {
    bcl_list files; /* as given */
    bcl_predict_paths paths;
    const char *model, *format, *source, *aggregation, *long_texts, *out;
    const char *device, *gemm, *precision;
    int64_t stride, max_length, batch_tokens;
    double min_score;
    bool words, document, byte_offsets, constrain, quiet;
    bcl_cli_pool devices; /* --devices */
    bcl_pool *pool;       /* of them */
    bool settled;         /* their last answers are checked */
    bool doubtful;        /* some of what was given out may be wrong */
    bcl_cli_session telling;
    bcl_session *session;
    bcl_tagger *tagger;
    bcl_predict_input input;
    bcl_predict_output output;
    char *data, *how;
} job;

/* ---- the tagger ---- */

/* What was trained on first pieces says nothing of the others. */
static bcl_status choose_aggregation(bcl_aggregation *out, const job *j) {
    bcl_status status = BCL_OK;
    const bool first = j->session->config.label_pieces == BCL_LABEL_FIRST;
    const char *name = j->aggregation;
    if (!name)
        name = j->output.format == BCL_PREDICT_JSONL && !first && !j->constrain ? "none" : "first";
    BCL_TRY(bcl_aggregation_find(out, name));
    if (first && *out != BCL_AGGREGATION_FIRST && !j->quiet)
        fprintf(stderr,
                "%s: was trained on the first piece of each word; --aggregation %s looks at "
                "the others too\n",
                j->model, name);
out:
    return status;
}

static bcl_status describe(job *j, const bcl_tagger_options *o) {
    bcl_status status = BCL_OK;
    bcl_string data = {0}, how = {0};
    enum { NAMED = 5 };
    for (size_t i = 0; i < j->paths.count && i < NAMED; i++)
        BCL_TRY(bcl_string_addf(&data, "%s%s", i ? ", " : "", bcl_data_name(j->paths.items[i])));
    if (j->paths.count > NAMED)
        BCL_TRY(bcl_string_addf(&data, " and %zu more", j->paths.count - NAMED));
    BCL_TRY(bcl_string_addf(&how, "aggregation %s%s", bcl_aggregation_name(o->aggregation),
                            o->constrain ? ", constrained" : ""));
    if (o->min_score > 0)
        BCL_TRY(bcl_string_addf(&how, ", score at least %g", o->min_score));
    if (j->session->config.temperature != 1)
        BCL_TRY(bcl_string_addf(&how, ", temperature %.4g", j->session->config.temperature));
    j->output.model = j->model;
    j->output.data = j->data = data.data;
    j->output.how = j->how = how.data;
    data.data = how.data = NULL;
out:
    bcl_string_free(&data);
    bcl_string_free(&how);
    return status;
}

static void choose_source(job *j) {
    static const char *const names[] = {"text", "words", "document", "conll", "jsonl"};
    bcl_predict_source *source = &j->input.source;
    while (j->source && strcmp(j->source, names[*source]))
        ++*source;
    if (j->words)
        *source = BCL_SOURCE_WORDS;
    if (j->document)
        *source = BCL_SOURCE_DOCUMENT;
    j->output.documents = *source == BCL_SOURCE_DOCUMENT;
    j->output.keeps_lines = *source == BCL_SOURCE_CONLL && j->output.format == BCL_PREDICT_CONLL;
}

static bcl_status open_tagger(job *j) {
    bcl_status status = BCL_OK;
    bcl_predict_output *o = &j->output;
    const bcl_session_options session = {.model = j->model,
                                         .device = j->device,
                                         .gemm = j->gemm,
                                         .precision = j->precision,
                                         .tune = true,
                                         .listener = bcl_cli_session_told,
                                         .context = &j->telling};
    bcl_tagger_options options = {.long_texts = strcmp(j->long_texts, "window") ? BCL_LONG_TRUNCATE
                                                                                : BCL_LONG_WINDOW,
                                  .stride = (size_t)j->stride,
                                  .max_length = (size_t)j->max_length,
                                  .batch_tokens = (size_t)j->batch_tokens,
                                  .words = o->format == BCL_PREDICT_CONLL,
                                  .constrain = j->constrain,
                                  .min_score = j->min_score,
                                  .sink = bcl_predict_print,
                                  .context = o};
    j->telling.quiet = j->quiet;
    BCL_TRY(bcl_session_prepare(&j->session, &session));
    if (j->devices.devices)
        BCL_TRY(bcl_cli_pool_open(&j->pool, &j->devices, j->session));
    else
        BCL_TRY(bcl_session_load(j->session, BCL_SESSION_FOR_INFERENCE, 0));
    BCL_TRY(choose_aggregation(&options.aggregation, j));
    BCL_TRY(bcl_tagger_create(&j->tagger, j->session, &options));
    BCL_TRY(describe(j, &options));
    o->byte_offsets = j->byte_offsets;
    o->tagger = j->input.tagger = j->tagger;
    j->input.output = o;
    j->input.quiet = j->quiet;
    j->input.sure = j->source != NULL;
out:
    return status;
}

/* ---- the command ---- */

static bcl_status settle(job *j) {
    if (!j->pool || j->settled)
        return BCL_OK;
    j->settled = true;
    return bcl_predict_settle(&j->doubtful, j->pool, &j->paths,
                              j->output.format != BCL_PREDICT_COUNTS || j->out);
}

/* What was read before a wrong line is still printed. */
static bcl_status keep_earlier(job *j, bcl_status status) {
    char message[4096];
    snprintf(message, sizeof message, "%s", bcl_message());
    if (status == BCL_ERROR_INTERRUPTED)
        return status;
    if (status == BCL_ERROR_FORMAT && !j->out) {
        if (bcl_tagger_flush(j->tagger))
            return status;
        fflush(stdout);
    }
    if (settle(j) && j->doubtful)
        bcl_cli_error(BCL_ERROR_DEVICE); /* and then what ended it */
    return bcl_fail(status, "%s", message);
}

static bcl_status read_all(job *j) {
    bcl_status status = BCL_OK;
    if (!j->out)
        BCL_TRY(bcl_predict_begin(&j->output, NULL));
    for (size_t i = 0; i < j->paths.count; i++) {
        if (j->out) {
            j->output.data = bcl_data_name(j->paths.items[i]);
            BCL_TRY(bcl_predict_begin(&j->output, j->paths.targets[i]));
        }
        j->paths.begins[j->paths.begun++] = j->input.texts;
        BCL_TRY(bcl_predict_read(&j->input, j->paths.items[i]));
        if (j->out || i + 1 == j->paths.count) {
            BCL_TRY(bcl_tagger_flush(j->tagger));
            if (i + 1 == j->paths.count)
                BCL_TRY(settle(j));
            BCL_TRY(bcl_predict_end(&j->output));
        }
    }
out:
    return status;
}

static bcl_status run(job *j) {
    bcl_status status = BCL_OK;
    char shown[4096];
    static const char *const formats[] = {"jsonl", "conll", "html", "counts"};
    /* A reader that has seen enough ends us quietly, as it does cat. */
    signal(SIGPIPE, SIG_DFL);
    while (strcmp(j->format, formats[j->output.format]))
        j->output.format++;
    choose_source(j);
    j->paths.running_text =
        j->input.source == BCL_SOURCE_TEXT || j->input.source == BCL_SOURCE_DOCUMENT;
    j->paths.quiet = j->quiet;
    BCL_TRY(bcl_predict_paths_list(&j->paths, &j->files, j->out, j->output.format));
    if (!j->devices.devices) /* else each is watched, see dist.h */
        BCL_TRY(bcl_cli_watch(NULL));
    BCL_TRY(open_tagger(j));
    if ((status = read_all(j))) {
        status = keep_earlier(j, status);
        goto out;
    }
    if (j->output.words_cut && !j->quiet)
        fprintf(stderr,
                "%llu words of %llu texts are beyond %zu pieces and were cut; --long window tags "
                "them too\n",
                (unsigned long long)j->output.words_cut, (unsigned long long)j->output.texts_cut,
                bcl_tagger_max_length(j->tagger));
    if (j->out && !j->quiet)
        fprintf(stderr, "%zu files written to %s\n", j->paths.count,
                bcl_printable(shown, sizeof shown, j->out));
out:
    return status;
}

static int check(const job *j) {
    const bool conll = j->source && !strcmp(j->source, "conll");
    if (!j->model)
        return bcl_cli_usage(&command, "--model is needed");
    if (j->device && j->devices.devices)
        return bcl_cli_usage(&command, "--device and --devices: give one of them");
    if (j->devices.cores.count && !j->devices.devices)
        return bcl_cli_usage(&command, "--cores goes with --devices");
    if (j->words && j->document)
        return bcl_cli_usage(&command, "--words and --document exclude each other");
    if (j->source && (j->words || j->document))
        return bcl_cli_usage(&command, "--input-format excludes --words and --document");
    if (j->input.word_column && !conll)
        return bcl_cli_usage(&command, "--word-column is for --input-format conll");
    if (j->input.field && (!j->source || strcmp(j->source, "jsonl")))
        return bcl_cli_usage(&command, "--field is for --input-format jsonl");
    if (j->stride && strcmp(j->long_texts, "window"))
        return bcl_cli_usage(&command, "--stride is for --long window");
    if (j->constrain && j->aggregation &&
        (!strcmp(j->aggregation, "none") || !strcmp(j->aggregation, "simple")))
        return bcl_cli_usage(&command,
                             "--constrain decodes words: --aggregation first, average or max");
    return -1;
}

int bcl_cli_predict(int argc, char **argv) {
    job j = {.format = "jsonl", .long_texts = "truncate", .precision = "fp32"};
    const bcl_option options[] = {
        {BCL_OPTION_TEXT, "model", &j.model, "DIR",
         "Hugging Face folder with a token classifier, or ORG/NAME[@REVISION]: see docs/models.md",
         .min = 0},
        {BCL_OPTION_FLAG, "words", &j.words, NULL, "a line is a JSON array of words", .min = 0},
        {BCL_OPTION_FLAG, "document", &j.document, NULL,
         "files are running text, split into sentences", .min = 0},
        {BCL_OPTION_TEXT, "input-format", &j.source, "text|words|document|conll|jsonl",
         "what files are: a text a line (default), as --words, as --document, a word a line, or a "
         "JSON object a line; without it a file that looks like another of them is an error",
         .choices = "text|words|document|conll|jsonl"},
        {BCL_OPTION_TEXT, "word-column", &j.input.word_column, "N|NAME",
         "of a CoNLL file: " BCL_HELP_WORD_COLUMN "; default: found", .min = 0},
        {BCL_OPTION_TEXT, "field", &j.input.field, "NAME",
         "of JSON objects: a text or an array of words; default: text, tokens, words or sentence",
         .min = 0},
        {BCL_OPTION_TEXT, "out", &j.out, "DIR",
         "write a file for each input file, with its name and the format's extension", .min = 0},
        {BCL_OPTION_TEXT, "format", &j.format, "jsonl|conll|html|counts", "default jsonl",
         .choices = "jsonl|conll|html|counts"},
        {BCL_OPTION_TEXT, "aggregation", &j.aggregation, "NAME",
         "none, simple, first, average or max, as the pipeline's aggregation_strategy; default: "
         "none for jsonl, first for the others and for models trained on first pieces",
         .choices = "none|simple|first|average|max"},
        {BCL_OPTION_FLAG, "constrain", &j.constrain, NULL,
         "labels of words are the most likely ones that the labels' scheme allows (Viterbi)",
         .min = 0},
        {BCL_OPTION_REAL, "min-score", &j.min_score, "X",
         "leave out entities with a lower score; default 0", .min = 0, .max = 1},
        {BCL_OPTION_FLAG, "byte-offsets", &j.byte_offsets, NULL,
         "entities have start_byte and end_byte too (jsonl)", .min = 0},
        {BCL_OPTION_TEXT, "long", &j.long_texts, "truncate|window",
         "texts that are longer than the model takes are cut, or tagged in overlapping windows; "
         "default truncate, as the pipeline",
         .choices = "truncate|window"},
        {BCL_OPTION_INT, "stride", &j.stride, "N",
         "pieces that windows overlap by; default: a quarter of a window", .min = 1, .max = 1e6},
        {BCL_OPTION_INT, "max-length", &j.max_length, "N",
         "longest sequence in pieces; default: what the model takes", .min = 3, .max = 1e6},
        {BCL_OPTION_INT, "max-tokens", &j.batch_tokens, "N",
         "pieces in one pass; default 1024. Results do not depend on it", .min = 3, .max = 1e8},
        {BCL_OPTION_TEXT, "device", &j.device, "ID",
         "see bertcl devices; default: the first GPU, else CPU", .min = 0},
        BCL_CLI_POOL_OPTIONS(j.devices),
        {BCL_OPTION_TEXT, "gemm", &j.gemm, "NAME",
         "matrix products by clblast, tile or reference; default: the device's best", .min = 0},
        {BCL_OPTION_TEXT, "precision", &j.precision, BCL_SESSION_PRECISIONS,
         BCL_SESSION_PRECISION_HELP, .choices = BCL_SESSION_PRECISIONS},
        {BCL_OPTION_FLAG, "quiet", &j.quiet, NULL, "no messages", .min = 0},
        {BCL_OPTION_LIST, NULL, &j.files, "FILE", "text; standard input if absent or -", .min = 0},
        {.kind = BCL_OPTION_END},
    };
    int code = bcl_options_parse(&command, options, argc, argv, 1);
    if (code < 0)
        code = check(&j);
    if (code < 0) {
        bcl_status status = run(&j);
        code = status ? bcl_cli_error(status) : BCL_EXIT_OK;
    }
    bcl_tagger_free(j.tagger);
    bcl_pool_free(j.pool);
    bcl_list_free(&j.devices.cores);
    bcl_session_free(j.session);
    bcl_predict_input_free(&j.input);
    bcl_predict_output_free(&j.output);
    bcl_predict_paths_free(&j.paths);
    free(j.data);
    free(j.how);
    bcl_list_free(&j.files);
    return code;
}
