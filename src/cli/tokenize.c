/* bertcl tokenize: lines of text or of words to ids, pieces, word ids and offsets, as JSON lines.
 */
#include "cli/tokenize.h"
#include "util/printable.h"

static const bcl_command command = {
    .name = "tokenize",
    .usage = "--model DIR [--words] [--max-length N] [--threads N] [--count] [FILE]",
    .summary = "Prints what BERT's tokenizer makes of each line, as JSON lines.",
    .details =
        "Each line of FILE (or of standard input) is one text; with --words, a JSON array of "
        "words. A line of output has \"ids\", \"tokens\", \"word_ids\" (null for [CLS] and "
        "[SEP]) and \"offsets\" (start and end in Unicode code points of the line, or of the word "
        "with --words). A line ends with a newline only: a carriage return before it belongs to "
        "the text, in which it counts as a space.\n"
        "Without --max-length nothing is cut, whatever the model's limit is.",
};

static void tell_warning(const bcl_tokenizer *tokenizer, const char *folder) {
    char shown[1024];
    if (bcl_tokenizer_warning(tokenizer))
        fprintf(stderr, "bertcl: %s: %s\n", bcl_printable(shown, sizeof shown, folder),
                bcl_tokenizer_warning(tokenizer));
}

int bcl_cli_tokenize(int argc, char **argv) {
    const char *model = NULL;
    bcl_list files = {0};
    int64_t max_length = 0, threads = 0;
    bcl_tokenize_job job = {.name = "standard input"};
    bcl_tokenize_totals totals = {0};
    bcl_tokenizer *tokenizer = NULL;
    char *folder = NULL;
    FILE *file = NULL;
    bcl_status status = BCL_OK;
    const bcl_option options[] = {
        {.kind = BCL_OPTION_TEXT,
         .name = "model",
         .value = &model,
         .value_name = "DIR",
         .help = "folder with the tokenizer's files"},
        {.kind = BCL_OPTION_FLAG,
         .name = "words",
         .value = &job.words,
         .help = "a line is a JSON array of words"},
        {.kind = BCL_OPTION_INT,
         .name = "max-length",
         .value = &max_length,
         .value_name = "N",
         .help = "cut to N pieces, [CLS] and [SEP] included",
         .min = 2,
         .max = INT32_MAX},
        {.kind = BCL_OPTION_INT,
         .name = "threads",
         .value = &threads,
         .value_name = "N",
         .help = "threads that tokenize; all cores if absent",
         .min = 1,
         .max = BCL_TOKENIZE_THREADS},
        {.kind = BCL_OPTION_FLAG,
         .name = "count",
         .value = &job.count,
         .help = "print only one JSON object: lines, bytes, pieces, threads, and the seconds from "
                 "the first byte read to the last line tokenized"},
        {.kind = BCL_OPTION_LIST,
         .value = &files,
         .value_name = "FILE",
         .help = "lines to tokenize; standard input if absent or -"},
        {.kind = BCL_OPTION_END},
    };
    int code = bcl_options_parse(&command, options, argc, argv, 1);
    if (code < 0 && !model)
        code = bcl_cli_usage(&command, "--model DIR is missing");
    if (code < 0 && files.count > 1)
        code = bcl_cli_usage(&command, "expected one FILE, found %zu", files.count);
    if (code >= 0)
        goto out;
    job.max_length = (size_t)max_length;
    job.threads = (size_t)threads;
    BCL_TRY(bcl_cli_model(&folder, model, false));
    BCL_TRY(bcl_tokenizer_load(&tokenizer, folder));
    tell_warning(tokenizer, folder);
    BCL_TRY(bcl_tokenize_job_prepare(&job, tokenizer));
    if (files.count && strcmp(files.items[0], "-")) {
        job.name = files.items[0];
        if (!(file = fopen(job.name, "rb"))) {
            status = bcl_fail_errno("%s: cannot open", job.name);
            goto out;
        }
    }
    BCL_TRY(bcl_tokenize_lines(&totals, &job, fileno(file ? file : stdin)));
    if (job.count)
        printf("{\"lines\":%zu,\"bytes\":%zu,\"pieces\":%zu,\"threads\":%zu,\"seconds\":%.6f}\n",
               totals.lines, totals.bytes, totals.pieces, totals.threads, totals.seconds);
out:
    if (file)
        fclose(file);
    bcl_tokenize_job_free(&job);
    free(folder);
    bcl_tokenizer_free(tokenizer);
    bcl_list_free(&files);
    return status ? bcl_cli_error(status) : code >= 0 ? code : BCL_EXIT_OK;
}
