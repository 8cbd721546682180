/* The GEMM that tuning chose for a device and precision, kept in the cache. A file is named by all
 * that the times depend on, so another driver, device or program never reads it; its checksum tells
 * damage. Does not know how the choice is made. */
#include "ocl/kernels.h"
#include "ops/gemm/gemm.h"

#include <cjson/cJSON.h>

enum { FORMAT = 1 }; /* of the file: a program of another one does not look at it */

bool bcl_gemm_tuning_on(void) {
    const char *word = getenv("BERTCL_TUNE");
    return !word || strcmp(word, "off");
}

/* Another kernel is to be tuned again. */
static uint64_t hash_kernels(void) {
    uint64_t hash = 0;
    for (const bcl_kernel_source *s = bcl_kernel_sources; s->name; s++)
        if (!strncmp(s->name, "gemm_", 5))
            hash = bcl_hash(hash, s->text, s->size);
    return hash;
}

bcl_status bcl_gemm_choice_path(char **out, const bcl_device_info *about, bcl_precision precision) {
    bcl_status status = BCL_OK;
    char *folder = NULL, key[BCL_CACHE_KEY], name[64], numbers[64];
    const char *style = getenv("BERTCL_KERNELS");
    *out = NULL;
    BCL_TRY(bcl_cache_folder(&folder, "tune"));
    if (!folder)
        goto out;
    snprintf(numbers, sizeof numbers, "%d %u %u %016llx", FORMAT, about->compute_units,
             about->float_vector, (unsigned long long)hash_kernels());
    const char *parts[] = {about->name,    about->vendor,      about->driver, about->version,
                           BERTCL_VERSION, style ? style : "", numbers};
    bcl_cache_key(key, parts, sizeof parts / sizeof *parts);
    snprintf(name, sizeof name, "%s-%s.json", key, bcl_precision_name(precision));
    BCL_TRY(bcl_path_join(out, folder, name));
out:
    free(folder);
    return status;
}

static bcl_status checksum(char out[32], const cJSON *tuning) {
    char *text = NULL;
    bcl_status status = bcl_json_print(&text, tuning);
    if (!status)
        snprintf(out, 32, "%016llx", (unsigned long long)bcl_hash(0, text, strlen(text)));
    cJSON_free(text);
    return status;
}

/* Fails on anything that bcl_gemm_choice_save would not have written for this device. */
static bcl_status parse(bcl_gemm_choice *out, const cJSON *file, const char *path,
                        const bcl_device_info *about, bcl_precision precision) {
    bcl_status status = BCL_OK;
    const cJSON *tuning = cJSON_GetObjectItemCaseSensitive(file, "tuning");
    const char *stored, *name, *reason, *device, *driver, *version, *kind;
    char sum[32];
    if (!cJSON_IsObject(tuning))
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: \"tuning\": expected an object", path);
    BCL_TRY(bcl_json_text(&stored, file, "checksum", "", path));
    BCL_TRY(checksum(sum, tuning));
    if (strcmp(stored, sum))
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: found checksum %s, the contents have %s", path, stored,
                 sum);
    BCL_TRY(bcl_json_text(&device, tuning, "device", "", path));
    BCL_TRY(bcl_json_text(&driver, tuning, "driver", "", path));
    BCL_TRY(bcl_json_text(&version, tuning, "version", "", path));
    BCL_TRY(bcl_json_text(&kind, tuning, "precision", "", path));
    if (strcmp(device, about->name) || strcmp(driver, about->driver) ||
        strcmp(version, about->version) || strcmp(kind, bcl_precision_name(precision)))
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: is of %s on %s, driver %s, %s", path, kind, device, driver,
                 version);
    BCL_TRY(bcl_json_text(&name, tuning, "choice", "", path));
    BCL_TRY(bcl_json_text(&reason, tuning, "reason", "", path));
    if (strlen(name) >= sizeof out->name)
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: \"choice\": found %zu characters, expected below %zu", path,
                 strlen(name), sizeof out->name);
    snprintf(out->name, sizeof out->name, "%s", name);
    snprintf(out->reason, sizeof out->reason, "%s", reason);
    BCL_TRY(bcl_json_double(&out->gflops, tuning, "gflops", 0, path));
    BCL_TRY(bcl_json_double(&out->error, tuning, "error", 0, path));
    BCL_TRY(bcl_json_bool(&out->quick, tuning, "quick", false, path));
out:
    return status;
}

bcl_gemm_stored bcl_gemm_choice_load(bcl_gemm_choice *out, const bcl_device_info *about,
                                     bcl_precision precision) {
    bcl_status status = BCL_OK;
    char *path = NULL;
    cJSON *file = NULL;
    bcl_gemm_stored stored = BCL_GEMM_ABSENT;
    *out = (bcl_gemm_choice){0};
    if (!bcl_gemm_tuning_on() || bcl_gemm_choice_path(&path, about, precision) || !path ||
        !bcl_path_exists(path))
        goto out;
    stored = BCL_GEMM_DAMAGED;
    BCL_TRY(bcl_json_read(&file, path));
    BCL_TRY(parse(out, file, path, about, precision));
    stored = BCL_GEMM_STORED;
out:
    if (status) {
        *out = (bcl_gemm_choice){0};
        snprintf(out->reason, sizeof out->reason, "%s", bcl_message());
    }
    cJSON_Delete(file);
    free(path);
    return stored;
}

bcl_status bcl_gemm_choice_save(char **path, const bcl_gemm_choice *choice,
                                const bcl_device_info *about, bcl_precision precision,
                                cJSON *details) {
    bcl_status status = BCL_OK;
    cJSON *file = cJSON_CreateObject(), *tuning = cJSON_CreateObject();
    char *where = NULL, *end, sum[32];
    cJSON_AddStringToObject(tuning, "bertcl", BERTCL_VERSION);
    cJSON_AddStringToObject(tuning, "device", about->name);
    cJSON_AddStringToObject(tuning, "driver", about->driver);
    cJSON_AddStringToObject(tuning, "version", about->version);
    cJSON_AddStringToObject(tuning, "precision", bcl_precision_name(precision));
    cJSON_AddStringToObject(tuning, "choice", choice->name);
    cJSON_AddStringToObject(tuning, "reason", choice->reason);
    cJSON_AddNumberToObject(tuning, "gflops", choice->gflops);
    cJSON_AddNumberToObject(tuning, "error", choice->error);
    cJSON_AddBoolToObject(tuning, "quick", choice->quick);
    if (details)
        cJSON_AddItemToObject(tuning, "details", details);
    status = checksum(sum, tuning);
    cJSON_AddStringToObject(file, "checksum", status ? "" : sum);
    cJSON_AddItemToObject(file, "tuning", tuning);
    BCL_TRY(status);
    BCL_TRY(bcl_gemm_choice_path(&where, about, precision));
    if (!where)
        BCL_FAIL(BCL_ERROR_IO, "BERTCL_CACHE_DIR is empty: there is nowhere to keep a tuning");
    end = strrchr(where, '/');
    *end = 0;
    BCL_TRY(bcl_directory_create(where));
    *end = '/';
    BCL_TRY(bcl_json_write(file, where));
    if (path) {
        *path = where;
        where = NULL;
    }
out:
    cJSON_Delete(file);
    free(where);
    return status;
}
