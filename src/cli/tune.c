/* bertcl tune: the fastest right matrix product of a device, measured and stored. */
#include "cli/cli.h"
#include "cli/terminal.h"
#include "model/files.h"
#include "tune/tune.h"

#include <cjson/cJSON.h>

static const bcl_command command = {
    "tune", "[--device ID] [--model DIR] [OPTION…]",
    "Times the matrix products of a BERT layer with every provider and its parameters, checks each "
    "against double precision, and stores the fastest that is right for the device.",
    "train, eval and predict take the stored one from then on, unless --gemm names another; a run "
    "that resumes keeps its own. Each device, driver version and precision has its own file in the "
    "cache (BERTCL_CACHE_DIR, default ~/.cache/bertcl). Without one the first run tunes for a few "
    "seconds by itself; BERTCL_TUNE=off keeps it from that and from using what is stored."};

/* Tokens of a small training batch and of a large one, or of evaluation. */
static const int lengths[BCL_TUNE_LENGTHS] = {120, 1024};

typedef struct settings {
    const char *device, *model, *precision;
    bool json, quick, quiet, bar;
} settings;

static void show_progress(void *context, const char *name, size_t number, size_t count) {
    (void)context;
    bcl_terminal_rewrite(stderr, "%zu/%zu %s", number, count, name);
}

static const char *remark(const bcl_tune_candidate *c, const bcl_tune_result *r,
                          bcl_precision precision) {
    const bool chosen =
        c->precision == precision && r->choice.name[0] && !strcmp(c->name, r->choice.name);
    return chosen ? "chosen" : c->state == BCL_TUNE_RIGHT ? "" : bcl_tune_state_name(c->state);
}

static bcl_status print_table(const bcl_tune_result *r, bcl_precision precision, const char *path) {
    bcl_status status = BCL_OK;
    bcl_table t = {.align = "rrll"};
    size_t waiting = 0;
    static const char *const headings[] = {"GFLOP/s", "error", "", "candidate"};
    for (size_t c = 0; c < sizeof headings / sizeof *headings; c++)
        bcl_table_add(&t, headings[c]);
    for (size_t i = 0; i < r->count; i++) {
        const bcl_tune_candidate *c = &r->candidates[i];
        const bool timed = c->gflops > 0;
        if (c->state == BCL_TUNE_WAITING) {
            waiting++;
            continue;
        }
        bcl_table_addf(&t, timed ? "%.1f" : "-", c->gflops);
        bcl_table_addf(&t, timed ? "%.1e" : "-", c->error);
        bcl_table_add(&t, remark(c, r, precision));
        bcl_table_addf(&t, "%s%s%s%s%s", c->name, c->precision == precision ? "" : " in fp32",
                       c->reason[0] ? " (" : "", c->reason, c->reason[0] ? ")" : "");
    }
    printf("\n%s: %s\n", bcl_precision_name(precision),
           r->choice.name[0] ? r->choice.name : r->choice.reason);
    BCL_TRY(bcl_table_print(&t, stdout));
    if (waiting)
        printf("not tried: %zu more\n", waiting);
    printf("stored in %s\n", path);
out:
    return status;
}

static cJSON *result_json(const bcl_tune_result *r, bcl_precision precision, const char *path) {
    cJSON *item = cJSON_CreateObject();
    cJSON_AddStringToObject(item, "precision", bcl_precision_name(precision));
    if (r->choice.name[0])
        cJSON_AddStringToObject(item, "choice", r->choice.name);
    else
        cJSON_AddNullToObject(item, "choice");
    if (r->choice.reason[0])
        cJSON_AddStringToObject(item, "reason", r->choice.reason);
    cJSON_AddNumberToObject(item, "gflops", r->choice.gflops);
    cJSON_AddNumberToObject(item, "error", r->choice.error);
    cJSON_AddBoolToObject(item, "quick", r->choice.quick);
    cJSON_AddStringToObject(item, "path", path);
    cJSON_AddItemToObject(item, "candidates", bcl_tune_result_json(r));
    return item;
}

/* Tunes one precision, stores it, and adds it to the JSON list or prints it. */
static bcl_status tune(const settings *s, const bcl_device_info *about,
                       const bcl_tune_options *options, cJSON *list) {
    bcl_status status = BCL_OK;
    bcl_tune_result result = {0};
    char *path = NULL;
    status = bcl_tune(&result, about, options);
    if (s->bar)
        bcl_terminal_erase(stderr);
    BCL_TRY(status);
    BCL_TRY(bcl_gemm_choice_save(&path, &result.choice, about, options->precision,
                                 bcl_tune_result_json(&result)));
    if (s->json)
        cJSON_AddItemToArray(list, result_json(&result, options->precision, path));
    else
        BCL_TRY(print_table(&result, options->precision, path));
out:
    free(path);
    bcl_tune_result_free(&result);
    return status;
}

static bcl_status run(const settings *s) {
    bcl_status status = BCL_OK;
    bcl_device_info about;
    bcl_config config = {0};
    bcl_tune_layer layer;
    bcl_precision only = BCL_PRECISION_FP32;
    char *folder = NULL, *text = NULL, *path = NULL;
    cJSON *json = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(json, "tunings");
    bcl_tune_options options = {.layers = bcl_tune_usual_layers,
                                .layer_count =
                                    s->quick ? 1 : BCL_TUNE_USUAL_LAYERS, /* as a first run */
                                .lengths = s->quick ? bcl_tune_quick_lengths : lengths,
                                .length_count = BCL_TUNE_LENGTHS,
                                .quick = s->quick,
                                .progress = s->bar ? show_progress : NULL};
    if (s->model) {
        BCL_TRY(bcl_cli_model(&folder, s->model, s->quiet));
        BCL_TRY(bcl_config_read(&config, folder));
        layer = (bcl_tune_layer){config.hidden, config.intermediate};
        options.layers = &layer;
        options.layer_count = 1;
    }
    bcl_interrupt_catch();
    BCL_TRY(bcl_device_find(&about, s->device));
    if (s->precision) {
        BCL_TRY(bcl_precision_find(&only, s->precision));
        BCL_TRY(bcl_precision_check(&about, only));
    }
    BCL_TRY(bcl_gemm_choice_path(&path, &about, BCL_PRECISION_FP32));
    if (!path) /* before minutes are spent */
        BCL_FAIL(BCL_ERROR_ARGUMENT,
                 "BERTCL_CACHE_DIR is empty: there is nowhere to keep a tuning");
    if (!s->json)
        printf("%s  %s, driver %s, %s\n", about.id, about.name, about.driver, about.version);
    cJSON_AddStringToObject(json, "device", about.id);
    cJSON_AddStringToObject(json, "name", about.name);
    cJSON_AddStringToObject(json, "driver", about.driver);
    cJSON_AddStringToObject(json, "version", about.version);
    for (int p = 0; p < BCL_PRECISIONS; p++) {
        options.precision = (bcl_precision)p;
        if (s->precision ? options.precision == only
                         : bcl_precision_offered(&about, options.precision))
            BCL_TRY(tune(s, &about, &options, list));
    }
    if (s->json) {
        BCL_TRY(bcl_json_print(&text, json));
        puts(text);
    }
out:
    cJSON_free(text);
    cJSON_Delete(json);
    bcl_config_free(&config);
    free(folder);
    free(path);
    return status;
}

int bcl_cli_tune(int argc, char **argv) {
    settings s = {0};
    const bcl_option options[] = {
        {BCL_OPTION_TEXT, "device", &s.device, "ID",
         "see bertcl devices; default: the first GPU, else CPU", .min = 0},
        {BCL_OPTION_TEXT, "model", &s.model, "DIR",
         "Hugging Face folder whose shapes are timed; default: those of MiniLM and BERT base",
         .min = 0},
        {BCL_OPTION_TEXT, "precision", &s.precision, BCL_SESSION_PRECISIONS,
         "only this one; default: all of the device's, on a CPU fp32 and bf16",
         .choices = BCL_SESSION_PRECISIONS},
        {BCL_OPTION_FLAG, "quick", &s.quick, NULL,
         "few candidates and small shapes, as a first run does", .min = 0},
        {BCL_OPTION_FLAG, "json", &s.json, NULL, "print the results as JSON", .min = 0},
        {BCL_OPTION_FLAG, "quiet", &s.quiet, NULL, "no progress", .min = 0},
        {.kind = BCL_OPTION_END},
    };
    const int code = bcl_options_parse(&command, options, argc, argv, 1);
    if (code >= 0)
        return code;
    s.bar = !s.quiet && bcl_terminal_is(stderr);
    const bcl_status status = run(&s);
    return status ? bcl_cli_error(status) : BCL_EXIT_OK;
}
