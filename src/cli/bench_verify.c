/* bertcl bench verify: checks drivers. */
#include "cli/bench_command.h"
#include "cli/terminal.h"

#include <cjson/cJSON.h>

typedef struct settings {
    const char *device, *model, *gemm, *precision, *json;
    double seconds, patience;
    bool quiet;
} settings;

static const bcl_command command = {
    "bench verify",
    "[--device ID|all] [OPTION…]",
    "Compares every operation, forward and backward, and a whole model with its gradients against "
    "double precision, at the shapes of a model. Exits 1 where an error is beyond its limit.",
    "The check to run before trusting a driver. Columns are shares of what rounding may give: the "
    "worst element, at most 1, and the 99th percentile, at most 0.5. A fault is named with its "
    "kernels, operands, driver, and the worst element.",
};

/* The faults of all rows, one a line; those that are none but no check either. */
static bcl_status tell_faults(const cJSON *result) {
    const cJSON *row;
    size_t right = 0, wrong = 0, unsupported = 0;
    cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(result, "rows")) {
        const char *status = cJSON_GetObjectItemCaseSensitive(row, "status")->valuestring;
        const cJSON *reason = cJSON_GetObjectItemCaseSensitive(row, "reason");
        const cJSON *level = cJSON_GetObjectItemCaseSensitive(row, "level");
        if (!strcmp(status, "ok")) {
            right++;
            continue;
        }
        /* a driver that is not there, or an interpreter beside others, was not asked for */
        const bool open = !strcmp(level->valuestring, "driver") &&
                          (!strcmp(status, "skipped") || !strcmp(status, "failed"));
        if (!strcmp(status, "unsupported") || open)
            unsupported++;
        else
            wrong++;
        fprintf(stderr, "bertcl: %s %s: %s: %s\n",
                cJSON_GetObjectItemCaseSensitive(row, "device")->valuestring,
                cJSON_GetObjectItemCaseSensitive(row, "name")->valuestring, status,
                cJSON_IsString(reason) ? reason->valuestring : "");
    }
    if (wrong)
        return bcl_fail(BCL_ERROR_DEVICE, "%zu of %zu checks failed", wrong, right + wrong);
    if (!right)
        return bcl_fail(BCL_ERROR_DEVICE, "nothing could be checked");
    return BCL_OK;
}

static void print_verified(const cJSON *result) {
    static const char *const headings[] = {
        "device", "operation / output", "elements", "99 %", "worst", ""};
    const cJSON *row;
    bcl_table t = {.align = "llrrrl"};
    for (size_t i = 0; i < sizeof headings / sizeof *headings; i++)
        bcl_table_add(&t, headings[i]);
    cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(result, "rows")) {
        static const char *const numbers[] = {"elements", "error_p99", "error"};
        const char *name = cJSON_GetObjectItemCaseSensitive(row, "name")->valuestring;
        bcl_table_add(&t, cJSON_GetObjectItemCaseSensitive(row, "device")->valuestring);
        bcl_table_add(&t, !strncmp(name, "verify/", 7) ? name + 7 : name);
        for (int i = 0; i < 3; i++) {
            const cJSON *x = cJSON_GetObjectItemCaseSensitive(row, numbers[i]);
            if (cJSON_IsNumber(x))
                bcl_table_addf(&t, i ? "%.3f" : "%.0f", x->valuedouble);
            else
                bcl_table_add(&t, cJSON_IsNull(x) ? "infinite" : "");
        }
        bcl_table_add(&t, cJSON_GetObjectItemCaseSensitive(row, "status")->valuestring);
    }
    (void)bcl_table_print(&t, stdout);
}

static bcl_status check_devices(settings *s, int argc, char **argv) {
    bcl_status status = BCL_OK;
    cJSON *result = NULL;
    bcl_bench_options options = {.device = s->device,
                                 .model = s->model,
                                 .gemm = s->gemm,
                                 .precision = s->precision,
                                 .verify = true,
                                 .seconds = s->seconds,
                                 .patience = s->patience};
    BCL_TRY(bcl_cli_bench_measure(&result, &options, s->json, s->quiet, argc, argv));
    print_verified(result);
    fflush(stdout);
    BCL_TRY(tell_faults(result));
out:
    cJSON_Delete(result);
    return status;
}

int bcl_cli_bench_verify(int argc, char **argv) {
    settings s = {.patience = 600, .seconds = 3600, .precision = "fp32"};
    const bcl_option options[] = {
        {BCL_OPTION_TEXT, "device", &s.device, "ID|all",
         "see bertcl devices; default: the first GPU, else CPU", .min = 0},
        {BCL_OPTION_TEXT, "model", &s.model, "SHAPE|DIR|FILE",
         "tiny, MiniLM-L6 (default), MiniLM-L12, bert-base, bert-large, a model's folder, or a "
         "config.json",
         .min = 0},
        {BCL_OPTION_TEXT, "gemm", &s.gemm, "NAME",
         "the matrix products' provider; default: what training would take", .min = 0},
        {BCL_OPTION_TEXT, "precision", &s.precision, "NAME",
         "fp32 (default), bf16, fp16 or tf32: what operands of products are rounded to; limits "
         "follow it",
         .choices = BCL_SESSION_PRECISIONS},
        {BCL_OPTION_TEXT, "json", &s.json, "FILE", "write all as JSON", .min = 0},
        {BCL_OPTION_REAL, "time-limit", &s.seconds, "S",
         "seconds, shared by the devices, after which checks are skipped, which counts as a fault; "
         "default: 3600",
         .min = 1, .max = 1e6},
        {BCL_OPTION_REAL, "patience", &s.patience, "S",
         "seconds without a row after which a driver counts as hung; default: 600", .min = 1,
         .max = 1e6},
        {BCL_OPTION_FLAG, "quiet", &s.quiet, NULL, "no progress", .min = 0},
        {.kind = BCL_OPTION_END},
    };
    const int code = bcl_options_parse(&command, options, argc, argv, 2);
    if (code >= 0)
        return code;
    const bcl_status status = check_devices(&s, argc, argv);
    return status ? bcl_cli_error(status) : BCL_EXIT_OK;
}
