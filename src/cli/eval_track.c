/* Evaluations of models in the store. */
#include "cli/eval_command.h"
#include "cli/store_command.h"

#include <bertcl/hub.h>

static bcl_status record(bcl_store *store, const eval_options *o, const eval_result *r,
                         const char *const *paths, size_t count) {
    bcl_status status = BCL_OK;
    cJSON *results = cJSON_CreateObject(), *options = cJSON_CreateObject(), *eval = NULL;
    char *folder = NULL;
    const bcl_reading reading = bcl_cli_reading_of(&o->reading);
    BCL_TRY(eval_result_json(&eval, o, r));
    cJSON_AddItemToObject(results, "eval", eval);
    cJSON_AddStringToObject(options, "model", r->name);
    cJSON_AddItemToObject(options, "data", cJSON_CreateStringArray(paths, (int)count));
    cJSON_AddNumberToObject(options, "max-length", (double)r->max_length);
    cJSON_AddStringToObject(options, "long", o->long_sentences);
    BCL_TRY(bcl_hub_find(&folder, r->name, NULL, NULL)); /* it was loaded: nothing is asked for */
    BCL_TRY(bcl_store_record(store,
                             &(bcl_standalone){.command = "eval",
                                               .argc = o->argc,
                                               .argv = o->argv,
                                               .started = o->started,
                                               .options = options,
                                               .results = results,
                                               .device = r->device,
                                               .precision = r->precision,
                                               .model = r->name,
                                               .model_folder = folder,
                                               .data = {paths, count},
                                               .reading = &reading},
                             NULL));
out:
    cJSON_Delete(results);
    cJSON_Delete(options);
    free(folder);
    return status;
}

void eval_track(const eval_options *o, const eval_result *results, size_t count) {
    bcl_store *store = NULL;
    bcl_status status = BCL_OK;
    const size_t size = o->each ? 1 : o->data.count;
    if (!o->models.count || !bcl_store_enabled())
        return;
    status = bcl_cli_store_open(&store, true);
    for (size_t i = 0; !status && i < count; i++)
        status =
            record(store, o, &results[i], o->data.items + (o->each ? i % o->data.count : 0), size);
    if (status)
        fprintf(stderr, "bertcl: store: %s; this evaluation is not recorded\n", bcl_message());
    bcl_store_close(store);
}
