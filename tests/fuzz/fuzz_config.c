/* libFuzzer target (-DBERTCL_FUZZ=ON with clang): any JSON as config.json. */
#include "model/files.h"

#include <cjson/cJSON.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bcl_config config;
    cJSON *json = cJSON_ParseWithLength((const char *)data, size);
    if (json && bcl_config_from_json(&config, json, "fuzz") == BCL_OK) {
        if (config.labels < 1 || config.hidden != config.heads * config.head_size)
            abort();
        bcl_config_free(&config);
    }
    cJSON_Delete(json);
    return 0;
}
