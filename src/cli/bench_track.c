/* Benchmarks in the store: a run whose figures are the rows' values, by device and name. */
#include "cli/bench_command.h"
#include "cli/store_command.h"

static bcl_status add_values(cJSON *figures, const cJSON *result) {
    const cJSON *row;
    cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(result, "rows")) {
        const char *device = bcl_json_word(row, "device");
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(row, "value");
        cJSON *of_device = cJSON_GetObjectItemCaseSensitive(figures, device);
        if (!cJSON_IsNumber(value)) /* a row without a speed */
            continue;
        if (!of_device)
            of_device = cJSON_AddObjectToObject(figures, device);
        if (!cJSON_AddNumberToObject(of_device, bcl_json_word(row, "name"), value->valuedouble))
            return bcl_fail(BCL_ERROR_MEMORY, "out of memory");
    }
    return BCL_OK;
}

/* The devices that were measured, by their ids. */
static bcl_status name_devices(bcl_string *out, const cJSON *figures) {
    bcl_status status = BCL_OK;
    const cJSON *device;
    cJSON_ArrayForEach(device, figures)
        BCL_TRY(bcl_string_addf(out, "%s%s", out->size ? "," : "", device->string));
out:
    return status;
}

static bcl_status record(bcl_store *store, const cJSON *result, int argc, char **argv,
                         double started) {
    bcl_status status = BCL_OK;
    bcl_string devices = {0};
    cJSON *results = cJSON_CreateObject();
    cJSON *figures = cJSON_AddObjectToObject(results, "bench");
    BCL_TRY(add_values(figures, result));
    BCL_TRY(name_devices(&devices, figures));
    BCL_TRY(bcl_store_record(
        store,
        &(bcl_standalone){.command = "bench",
                          .argc = argc,
                          .argv = argv,
                          .started = started,
                          .options = cJSON_GetObjectItemCaseSensitive(result, "options"),
                          .results = results,
                          .device = devices.data,
                          .file_name = "bench.json",
                          .file = result},
        NULL));
out:
    cJSON_Delete(results);
    bcl_string_free(&devices);
    return status;
}

void bcl_cli_bench_track(const cJSON *result, int argc, char **argv, double started) {
    bcl_store *store = NULL;
    bcl_status status = BCL_OK;
    if (!bcl_store_enabled())
        return;
    status = bcl_cli_store_open(&store, true);
    if (!status)
        status = record(store, result, argc, argv, started);
    if (status)
        fprintf(stderr, "bertcl: store: %s; this benchmark is not recorded\n", bcl_message());
    bcl_store_close(store);
}
