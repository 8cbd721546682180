/* The shapes that can be named, and those of files. */
#include "bench/internal.h"

#include <cjson/cJSON.h>

static const struct {
    const char *name;
    int hidden, heads, layers, intermediate;
} shapes[] = {{"tiny", 128, 2, 2, 512},
              {"MiniLM-L6", 384, 12, 6, 1536},
              {"MiniLM-L12", 384, 12, 12, 1536},
              {"bert-base", 768, 12, 12, 3072},
              {"bert-large", 1024, 16, 24, 4096}};
enum { LABELS = 7 }; /* of the UN corpus */

static bcl_status set_labels(bcl_config *config) {
    static const char *const names[LABELS] = {"O",       "LABEL_1", "LABEL_2", "LABEL_3",
                                              "LABEL_4", "LABEL_5", "LABEL_6"};
    return bcl_config_set_labels(config, names, LABELS);
}

bcl_status bcl_bench_shape(bcl_config *out, const char *model) {
    bcl_status status = BCL_OK;
    cJSON *json = NULL;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (!strcmp(model, shapes[i].name)) {
            BCL_TRY(bcl_config_default(out));
            out->hidden = shapes[i].hidden;
            out->heads = shapes[i].heads;
            out->head_size = out->hidden / out->heads;
            out->layers = shapes[i].layers;
            out->intermediate = shapes[i].intermediate;
            return set_labels(out);
        }
    if (!bcl_path_exists(model))
        BCL_FAIL(BCL_ERROR_ARGUMENT,
                 "model \"%s\": no such file or folder, and no shape's name: expected tiny, "
                 "MiniLM-L6, MiniLM-L12, bert-base or bert-large",
                 model);
    if (bcl_path_is_directory(model))
        return bcl_config_read(out, model);
    BCL_TRY(bcl_json_read(&json, model));
    BCL_TRY(bcl_config_from_json(out, json, model));
out:
    cJSON_Delete(json);
    return status;
}
