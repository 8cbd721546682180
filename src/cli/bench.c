/* bertcl bench: measures devices. */
#include "cli/bench_command.h"
#include "cli/terminal.h"

#include <cjson/cJSON.h>
#include <time.h>

static const bcl_command command = {
    "bench run", "[--device ID|all] [OPTION…]",
    "Measures what a device gives on BERT: its limits, the matrix products of a model's shape, and "
    "whole steps of training and evaluation, each with its error or checked for sense.",
    "bertcl bench with options alone is bench run. Weights are random and sentences are drawn, of "
    "29 pieces on average; nothing is downloaded. Each device is measured in a process of its own: "
    "one that crashes or hangs is a row that says so. Rows that are wrong have no speed."};

typedef struct settings {
    const char *device, *model, *gemm, *only, *suite, *json, *format;
    bcl_list data;
    double seconds, patience;
    bool quiet;
} settings;

static void show_progress(void *context, const char *device, const char *row) {
    (void)context;
    bcl_terminal_rewrite(stderr, "%s: %s", device, row);
}

/* The words that make it again, quoted where a shell would split them. */
static bcl_status add_line(bcl_string *out, int argc, char **argv) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_string_addf(out, "bertcl bench"));
    for (int i = 1; i < argc; i++) {
        static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                    "-_=./:,+@%";
        if (i == 1 && !strcmp(argv[i], "run"))
            continue;
        if (argv[i][0] && argv[i][strspn(argv[i], plain)] == 0) {
            BCL_TRY(bcl_string_addf(out, " %s", argv[i]));
            continue;
        }
        BCL_TRY(bcl_string_add(out, " '", 2));
        for (const char *p = argv[i]; *p; p++)
            BCL_TRY(*p == '\'' ? bcl_string_add(out, "'\\''", 4) : bcl_string_add(out, p, 1));
        BCL_TRY(bcl_string_add(out, "'", 1));
    }
out:
    return status;
}

bcl_status bcl_cli_bench_measure(cJSON **out, bcl_bench_options *options, const char *path,
                                 bool quiet, int argc, char **argv) {
    bcl_status status = BCL_OK;
    bcl_string line = {0};
    const bool bar = !quiet && bcl_terminal_is(stderr);
    BCL_TRY(add_line(&line, argc, argv));
    options->command = line.data;
    options->progress = bar ? show_progress : NULL;
    bcl_interrupt_catch();
    status = bcl_bench_run(out, options);
    if (bar)
        bcl_terminal_erase(stderr);
    BCL_TRY(status);
    if (path)
        BCL_TRY(bcl_json_write(*out, path));
out:
    options->command = NULL;
    bcl_string_free(&line);
    return status;
}

static void tell_load(const cJSON *result) {
    const cJSON *load = cJSON_GetObjectItemCaseSensitive(result, "load_before");
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(result, "busy")))
        fprintf(stderr,
                "bertcl: the host was busy with other work (load %.1f): figures are too low\n",
                load->valuedouble);
}

/* A result is of use if one row is right. */
static bcl_status check_rows(const cJSON *result) {
    const cJSON *row, *last = NULL;
    cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(result, "rows")) {
        const char *status = cJSON_GetObjectItemCaseSensitive(row, "status")->valuestring;
        if (!strcmp(status, "ok"))
            return BCL_OK;
        last = row;
    }
    return bcl_fail(BCL_ERROR_DEVICE, "nothing could be measured; the last row: %s: %s",
                    last ? cJSON_GetObjectItemCaseSensitive(last, "name")->valuestring : "none",
                    last ? cJSON_GetObjectItemCaseSensitive(last, "reason")->valuestring : "none");
}

static bcl_status measure(settings *s, int argc, char **argv) {
    bcl_status status = BCL_OK;
    cJSON *result = NULL;
    bcl_bench_options options = {.device = s->device,
                                 .model = s->model,
                                 .gemm = s->gemm,
                                 .data = (const char *const *)s->data.items,
                                 .data_count = s->data.count,
                                 .only = s->only,
                                 .full = !strcmp(s->suite, "full"),
                                 .seconds = s->seconds,
                                 .patience = s->patience};
    const double started = (double)time(NULL);
    BCL_TRY(bcl_cli_bench_measure(&result, &options, s->json, s->quiet, argc, argv));
    bcl_cli_bench_track(result, argc, argv, started);
    BCL_TRY(bcl_cli_bench_print(result, s->format));
    if (!s->quiet)
        tell_load(result);
    if (!s->json && strcmp(s->format, "json"))
        BCL_TRY(check_rows(result));
out:
    cJSON_Delete(result);
    return status;
}

static int run_from(int argc, char **argv, int first) {
    settings s = {.suite = "quick", .format = "table", .patience = 120};
    const bcl_option options[] = {
        {BCL_OPTION_TEXT, "device", &s.device, "ID|all",
         "see bertcl devices; default: the first GPU, else CPU", .min = 0},
        {BCL_OPTION_TEXT, "suite", &s.suite, "quick|full",
         "quick (default): few repetitions; full: more, and larger shapes",
         .choices = "quick|full"},
        {BCL_OPTION_TEXT, "model", &s.model, "SHAPE|DIR|FILE",
         "tiny, MiniLM-L6 (default), MiniLM-L12, bert-base, bert-large, a model's folder, or a "
         "config.json",
         .min = 0},
        {BCL_OPTION_LIST, "data", &s.data, "PATH…",
         "labelled corpora, as bertcl train has them, of which steps and operations take 32 "
         "sentences; with --model DIR, whose tokenizer cuts them; default: sentences are drawn",
         .min = 0},
        {BCL_OPTION_TEXT, "gemm", &s.gemm, "NAME",
         "the matrix products' provider; default: what training would take", .min = 0},
        {BCL_OPTION_TEXT, "only", &s.only, "LEVELS",
         "of limit, product, operation and step, with commas; default: all", .min = 0},
        {BCL_OPTION_TEXT, "json", &s.json, "FILE", "write all, with every sample, as JSON",
         .min = 0},
        {BCL_OPTION_TEXT, "format", &s.format, "NAME",
         "of what is printed: table (default), markdown, csv, json or sql",
         .choices = BCL_CLI_BENCH_FORMATS},
        {BCL_OPTION_REAL, "time-limit", &s.seconds, "S",
         "seconds, shared by the devices, after which rows are skipped; default: 150, full: 1800",
         .min = 1, .max = 1e6},
        {BCL_OPTION_REAL, "patience", &s.patience, "S",
         "seconds without a row after which a driver counts as hung; default: 120", .min = 1,
         .max = 1e6},
        {BCL_OPTION_FLAG, "quiet", &s.quiet, NULL, "no progress, no notes", .min = 0},
        {.kind = BCL_OPTION_END},
    };
    int code = bcl_options_parse(&command, options, argc, argv, first);
    for (size_t i = 0; code < 0 && i < s.data.count; i++)
        if (bcl_is_standard_input(s.data.items[i]))
            code = bcl_cli_usage(&command, "--data -: found standard input, expected a file or "
                                           "folder: each device's process reads it");
    if (code < 0) {
        const bcl_status status = measure(&s, argc, argv);
        code = status ? bcl_cli_error(status) : BCL_EXIT_OK;
    }
    bcl_list_free(&s.data);
    return code;
}

static int run(int argc, char **argv) {
    return run_from(argc, argv, 2);
}

int bcl_cli_bench(int argc, char **argv) {
    static const bcl_cli_entry actions[] = {
        {"run", run, "measure devices", true},
        {"verify", bcl_cli_bench_verify, "check a driver against double precision", true},
        {"compare", bcl_cli_bench_compare, "results side by side, and what differs", false},
        {"report", bcl_cli_bench_report, "results as a page with charts", false},
        {"show", bcl_cli_bench_show, "a stored result in another format", false},
        {NULL, NULL, NULL, false},
    };
    const bool options = argc < 2 || (argv[1][0] == '-' && strcmp(argv[1], "--help") != 0 &&
                                      strcmp(argv[1], "-h") != 0);
    if (!bcl_cli_visiting && options)
        return run_from(argc, argv, 1);
    return bcl_cli_dispatch("bench", actions, argc, argv);
}
