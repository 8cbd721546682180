/* bertcl predict: text to entities. Reads lines, hands them to the tagger, which prints them
 * through predict_output.c as its batches end. */
#include "cli/predict.h"
#include "text/unicode.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

enum {
    READ_BYTES = 1 << 16,
    MOST_LINE_BYTES =
        1 << 24, /* a text is in memory whole, and its pieces take several times that */
    MOST_SENTENCE_BYTES = 1 << 20 /* of a document; then it is cut at a space */
};

static const bcl_command command = {
    .name = "predict",
    .usage = "--model DIR|ORG/NAME [OPTION…] [FILE…]",
    .summary = "Finds entities in text, as transformers' pipeline(\"token-classification\") does.",
    .details =
        "A line of FILE, or of standard input, is one text; with --words a JSON array of words; "
        "with --document files are running text, which is split into sentences. Output keeps the "
        "order of the input and follows it: what has been read is printed before waiting for "
        "more.\n"
        "jsonl prints {\"text\": …, \"entities\": […]} with the pipeline's keys, start and end in "
        "Unicode code points of the text (of words: joined by single spaces); \"words_cut\" stands "
        "behind them where something was cut; documents have \"file\" and \"offset\", the "
        "sentence's first code point in it. conll prints word<TAB>label. html prints one page. "
        "counts prints count<TAB>type<TAB>entity at the end."};

typedef struct job {
    bcl_list files;
    const char *model, *format, *aggregation, *long_texts, *device, *gemm, *precision;
    int64_t stride, max_length, batch_tokens;
    bool words, document, byte_offsets, quiet;
    bcl_session *session;
    bcl_tagger *tagger;
    bcl_predict_output output;
    bcl_json_words list;
    uint64_t texts; /* handed to the tagger */
    /* the file at hand */
    int fd;
    const char *name;
    bcl_string buffer;
    size_t at, searched; /* the next line, and how far no newline was found */
    bool ended;
    uint64_t line;
    size_t column,
        next_column; /* bytes of the line in front of what was read last, and behind it */
    /* the document at hand */
    bcl_string document_text;
    size_t document_from, document_points;
} job;

/* ---- lines ---- */

/* Nobody should wait for an answer because the next question has not come. */
static bcl_status before_read(job *j) {
    bcl_status status = BCL_OK;
    struct pollfd wait = {.fd = j->fd, .events = POLLIN};
    if (poll(&wait, 1, 0) != 0)
        return status;
    BCL_TRY(bcl_tagger_flush(j->tagger));
    if (fflush(stdout))
        status = bcl_fail_errno("standard output: cannot write");
out:
    return status;
}

static bcl_status read_more(job *j) {
    bcl_status status = BCL_OK;
    if (j->at) {
        memmove(j->buffer.data, j->buffer.data + j->at, j->buffer.size - j->at);
        j->buffer.size -= j->at;
        j->at = 0;
    }
    j->searched = j->buffer.size;
    BCL_TRY(before_read(j));
    BCL_TRY(bcl_grow(&j->buffer.data, &j->buffer.capacity, j->buffer.size + READ_BYTES, 1));
    ssize_t n;
    do
        n = read(j->fd, j->buffer.data + j->buffer.size, READ_BYTES);
    while (n < 0 && errno == EINTR);
    if (n < 0) {
        status = bcl_fail_errno("%s: cannot read", j->name);
        goto out;
    }
    j->buffer.size += (size_t)n;
    j->ended = !n;
out:
    return status;
}

/* A code point at the end of text[0..size) that may go on behind it: its bytes. */
static size_t open_point(const char *text, size_t size) {
    size_t n = 0;
    while (n < 3 && n < size && (text[size - 1 - n] & 0xC0) == 0x80)
        n++;
    return n < size && (text[size - 1 - n] & 0xC0) == 0xC0 ? n + 1 : 0;
}

/* The next line, its newline included where it has one; size 0 at the end. Of a document, whose
 * lines may be of any length, also a part of one. */
static bcl_status next_line(job *j, const char **line, size_t *size) {
    bcl_status status = BCL_OK;
    const char *end = NULL;
    j->column = j->next_column;
    j->line += !j->column;
    for (;;) {
        const size_t from = j->searched > j->at ? j->searched : j->at;
        const size_t have = j->buffer.size - j->at;
        if (from < j->buffer.size)
            end = memchr(j->buffer.data + from, '\n', j->buffer.size - from);
        if (end || j->ended || (j->document && have >= READ_BYTES))
            break;
        if (have > MOST_LINE_BYTES)
            BCL_FAIL(
                BCL_ERROR_FORMAT,
                "%s: line %llu: found more than %d MiB without a line break, expected one text; "
                "--document reads running text",
                j->name, (unsigned long long)j->line, MOST_LINE_BYTES >> 20);
        BCL_TRY(read_more(j));
    }
    *line = j->buffer.data + j->at;
    *size = end ? (size_t)(end + 1 - *line) : j->buffer.size - j->at;
    if (!end && !j->ended)
        *size -= open_point(*line, *size);
    j->at += *size;
    j->next_column = end ? 0 : j->column + *size;
out:
    return status;
}

/* ---- texts ---- */

static bcl_status wrong_byte(const job *j, size_t byte, const char *problem) {
    return bcl_fail(BCL_ERROR_FORMAT, "%s: line %llu: byte %zu: %s", j->name,
                    (unsigned long long)j->line, j->column + byte, problem);
}

static bcl_status check_line(const job *j, const char *line, size_t size) {
    unsigned n;
    for (size_t i = 0; i < size; i += n) {
        n = 1;
        if (!line[i])
            return wrong_byte(j, i, "found a NUL, expected text in UTF-8");
        if ((line[i] & 0x80) &&
            bcl_utf8_decode((const unsigned char *)line + i, size - i, &n) == UINT32_MAX)
            return wrong_byte(j, i, "not valid UTF-8");
    }
    return BCL_OK;
}

static bcl_status add_words(job *j, const char *line, size_t size) {
    char message[256];
    bcl_status status = bcl_json_words_read(&j->list, line, size);
    if (!status) {
        j->texts++;
        return bcl_tagger_add_words(j->tagger, j->list.words, j->list.sizes, j->list.count, NULL);
    }
    snprintf(message, sizeof message, "%s", bcl_message());
    return bcl_fail(status, "%s: line %llu: %s", j->name, (unsigned long long)j->line, message);
}

static const char white_space[] = " \t\r\n\v\f";

static size_t count_points(const char *text, size_t size) {
    size_t points = 0;
    for (size_t i = 0; i < size; i++)
        points += (text[i] & 0xC0) != 0x80;
    return points;
}

/* Where a sentence that does not end is cut. */
static size_t forced_end(const char *text) {
    for (size_t n = MOST_SENTENCE_BYTES; n > MOST_SENTENCE_BYTES / 2; n--)
        if (strchr(white_space, text[n - 1]))
            return n;
    return MOST_SENTENCE_BYTES - open_point(text, MOST_SENTENCE_BYTES);
}

/* The end of the document's next sentence, 0: it is not there yet. */
static size_t next_sentence(job *j, size_t begin, bool last) {
    const char *text = j->document_text.data + begin;
    const size_t size = j->document_text.size - begin;
    const size_t n = bcl_sentence_end(text, size, last, &j->document_from);
    return (n ? n : size) > MOST_SENTENCE_BYTES ? forced_end(text) : n;
}

/* Hands out the sentences that are complete, without the white space around them. */
static bcl_status split_document(job *j, bool last) {
    bcl_status status = BCL_OK;
    bcl_string *d = &j->document_text;
    size_t begin = 0, n;
    while (begin < d->size && (n = next_sentence(j, begin, last)) > 0) {
        size_t first = begin, end = begin + n;
        while (first < end && strchr(white_space, d->data[first]))
            first++;
        while (end > first && strchr(white_space, d->data[end - 1]))
            end--;
        j->document_points += first - begin; /* one byte each */
        if (end > first) {
            j->texts++;
            BCL_TRY(bcl_tagger_add_text(j->tagger, d->data + first, end - first,
                                        (void *)(uintptr_t)j->document_points));
        }
        j->document_points += count_points(d->data + first, begin + n - first);
        begin += n;
        j->document_from = 0;
    }
    if (begin) {
        memmove(d->data, d->data + begin, d->size - begin);
        d->size -= begin;
    }
out:
    return status;
}

static bcl_status add_line(job *j, const char *line, size_t size) {
    bcl_status status = BCL_OK;
    BCL_TRY(check_line(j, line, size));
    if (j->document) {
        BCL_TRY(bcl_string_add(&j->document_text, line, size));
        return split_document(j, false);
    }
    if (line[size - 1] == '\n')
        size--;
    if (size && line[size - 1] == '\r')
        size--;
    if (j->words)
        return add_words(j, line, size);
    j->texts++;
    BCL_TRY(bcl_tagger_add_text(j->tagger, line, size, NULL));
out:
    return status;
}

static bcl_status run_file(job *j, const char *path) {
    bcl_status status = BCL_OK;
    bcl_predict_output *o = &j->output;
    const bool standard_input = !path || !strcmp(path, "-");
    j->name = standard_input ? "standard input" : path;
    j->fd = standard_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (j->fd < 0)
        return bcl_fail_errno("%s: cannot open", path);
    j->buffer.size = j->at = j->searched = 0;
    j->document_text.size = j->document_from = j->document_points = 0;
    j->line = j->next_column = 0;
    j->ended = false;
    BCL_TRY(bcl_grow(&o->files, &o->files_capacity, o->file_count + 1, sizeof *o->files));
    o->files[o->file_count++] =
        (bcl_predict_file){standard_input && !j->document ? NULL : j->name, j->texts};
    for (;;) {
        const char *line = NULL;
        size_t size = 0;
        BCL_TRY(next_line(j, &line, &size));
        if (!size)
            break;
        BCL_TRY(add_line(j, line, size));
    }
    if (j->document)
        BCL_TRY(split_document(j, true));
out:
    if (!standard_input)
        close(j->fd);
    return status;
}

/* ---- the command ---- */

static bcl_status open_tagger(job *j) {
    bcl_status status = BCL_OK;
    bcl_predict_output *o = &j->output;
    static const char *const formats[] = {"jsonl", "conll", "html", "counts"};
    while (strcmp(j->format, formats[o->format]))
        o->format++;
    const char *aggregation = j->aggregation;
    bcl_cli_session telling = {.quiet = j->quiet};
    if (!aggregation)
        aggregation = o->format == BCL_PREDICT_JSONL ? "none" : "first";
    const bcl_session_options session = {.model = j->model,
                                         .device = j->device,
                                         .gemm = j->gemm,
                                         .precision = j->precision,
                                         .tune = true,
                                         .listener = bcl_cli_session_told,
                                         .context = &telling};
    bcl_tagger_options options = {.long_texts = strcmp(j->long_texts, "window") ? BCL_LONG_TRUNCATE
                                                                                : BCL_LONG_WINDOW,
                                  .stride = (size_t)j->stride,
                                  .max_length = (size_t)j->max_length,
                                  .batch_tokens = (size_t)j->batch_tokens,
                                  .words = o->format == BCL_PREDICT_CONLL,
                                  .sink = bcl_predict_print,
                                  .context = o};
    BCL_TRY(bcl_aggregation_find(&options.aggregation, aggregation));
    BCL_TRY(bcl_session_open(&j->session, &session));
    BCL_TRY(bcl_tagger_create(&j->tagger, j->session, &options));
    o->byte_offsets = j->byte_offsets;
    o->documents = j->document;
    o->tagger = j->tagger;
out:
    return status;
}

/* What was read before a wrong line is still printed. */
static bcl_status keep_earlier(job *j, bcl_status status) {
    char message[2048];
    snprintf(message, sizeof message, "%s", bcl_message());
    if (status != BCL_ERROR_FORMAT || bcl_tagger_flush(j->tagger))
        return status;
    fflush(stdout);
    return bcl_fail(status, "%s", message);
}

static bcl_status run(job *j) {
    bcl_status status = BCL_OK;
    /* A reader that has seen enough ends us quietly, as it does cat. */
    signal(SIGPIPE, SIG_DFL);
    BCL_TRY(open_tagger(j));
    for (size_t i = 0; !status && i < (j->files.count ? j->files.count : 1); i++)
        status = run_file(j, j->files.count ? j->files.items[i] : NULL);
    if (status) {
        status = keep_earlier(j, status);
        goto out;
    }
    BCL_TRY(bcl_tagger_flush(j->tagger));
    BCL_TRY(bcl_predict_end(&j->output));
    if (j->output.words_cut && !j->quiet)
        fprintf(stderr,
                "%llu words of %llu texts are beyond %zu pieces and were cut; --long window tags "
                "them too\n",
                (unsigned long long)j->output.words_cut, (unsigned long long)j->output.texts_cut,
                bcl_tagger_max_length(j->tagger));
out:
    return status;
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
        {BCL_OPTION_TEXT, "format", &j.format, "jsonl|conll|html|counts", "default jsonl",
         .choices = "jsonl|conll|html|counts"},
        {BCL_OPTION_TEXT, "aggregation", &j.aggregation, "NAME",
         "none, simple, first, average or max, as the pipeline's aggregation_strategy; default: "
         "none for jsonl, first for the others",
         .choices = "none|simple|first|average|max"},
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
        {BCL_OPTION_TEXT, "gemm", &j.gemm, "NAME",
         "matrix products by clblast, tile or reference; default: the device's best", .min = 0},
        {BCL_OPTION_TEXT, "precision", &j.precision, "fp32|bf16", BCL_CLI_PRECISION_HELP,
         .choices = "fp32|bf16"},
        {BCL_OPTION_FLAG, "quiet", &j.quiet, NULL, "no messages", .min = 0},
        {BCL_OPTION_LIST, NULL, &j.files, "FILE", "text; standard input if absent or -", .min = 0},
        {.kind = BCL_OPTION_END},
    };
    int code = bcl_options_parse(&command, options, argc, argv, 1);
    if (code < 0 && !j.model)
        code = bcl_cli_usage(&command, "--model is needed");
    if (code < 0 && j.words && j.document)
        code = bcl_cli_usage(&command, "--words and --document exclude each other");
    if (code < 0 && j.stride && strcmp(j.long_texts, "window"))
        code = bcl_cli_usage(&command, "--stride is for --long window");
    if (code < 0) {
        bcl_status status = run(&j);
        code = status ? bcl_cli_error(status) : BCL_EXIT_OK;
    }
    bcl_tagger_free(j.tagger);
    bcl_session_free(j.session);
    bcl_predict_output_free(&j.output);
    bcl_json_words_free(&j.list);
    bcl_string_free(&j.buffer);
    bcl_string_free(&j.document_text);
    bcl_list_free(&j.files);
    return code;
}
