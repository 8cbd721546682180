/* What a run is tied to: the data as the model sees them, the weights it began with, the
 * vocabulary. */
#include "train/run.h"
#include "util/checksum.h"

#include <cjson/cJSON.h>

/* Integers by their bytes, little-endian, whatever the host's order. */
static void add_int(bcl_checksum *s, int64_t x) {
    unsigned char bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)((uint64_t)x >> 8 * i);
    bcl_checksum_add(s, bytes, sizeof bytes);
}

void bcl_run_hash_data(bcl_run_part *part, const bcl_dataset *data) {
    bcl_checksum words, tags;
    part->sentences = data->count;
    part->pieces = data->pieces;
    bcl_checksum_begin(&words, false);
    bcl_checksum_begin(&tags, false);
    for (size_t i = 0; i < data->count; i++) {
        const bcl_sample *s = &data->samples[i];
        add_int(&words, s->length);
        for (int k = 0; k < s->length; k++) {
            add_int(&words, s->ids[k]);
            add_int(&tags, s->labels[k]);
        }
    }
    bcl_checksum_end(&words, part->words);
    bcl_checksum_end(&tags, part->tags);
}

/* The shards of an index, each once, sorted. */
static bcl_status add_shards(bcl_checksum *s, const char *folder, const char *index) {
    bcl_status status = BCL_OK;
    cJSON *json = NULL;
    const cJSON *entry;
    char **names = NULL, *path = NULL;
    size_t count = 0;
    BCL_TRY(bcl_json_read(&json, index));
    const cJSON *map = cJSON_GetObjectItemCaseSensitive(json, "weight_map");
    BCL_TRY(bcl_directory_list(&names, &count, folder));
    for (size_t i = 0; i < count; i++) {
        bool named = false;
        cJSON_ArrayForEach(entry, map) named =
            named || (cJSON_IsString(entry) && !strcmp(entry->valuestring, names[i]));
        if (!named)
            continue;
        BCL_TRY(bcl_path_join(&path, folder, names[i]));
        bcl_checksum_add(s, names[i], strlen(names[i]) + 1);
        BCL_TRY(bcl_checksum_add_file(s, path));
        free(path);
        path = NULL;
    }
out:
    free(path);
    bcl_strings_free(names, count);
    cJSON_Delete(json);
    return status;
}

bcl_status bcl_run_hash_weights(char out[65], const char *folder) {
    bcl_status status = BCL_OK;
    bcl_checksum s;
    char *one = NULL, *index = NULL;
    BCL_TRY(bcl_path_join(&one, folder, "model.safetensors"));
    BCL_TRY(bcl_path_join(&index, folder, "model.safetensors.index.json"));
    bcl_checksum_begin(&s, false);
    if (bcl_path_exists(one))
        BCL_TRY(bcl_checksum_add_file(&s, one));
    else
        BCL_TRY(add_shards(&s, folder, index));
    bcl_checksum_end(&s, out);
out:
    free(one);
    free(index);
    return status;
}

void bcl_run_hash_vocabulary(char out[65], const bcl_tokenizer *tokenizer) {
    bcl_checksum s;
    bcl_checksum_begin(&s, false);
    for (size_t id = 0; id < bcl_tokenizer_size(tokenizer); id++) {
        const char *piece = bcl_tokenizer_piece(tokenizer, (int32_t)id);
        if (piece)
            bcl_checksum_add(&s, piece, strlen(piece));
        bcl_checksum_add(&s, "\n", 1);
    }
    bcl_checksum_end(&s, out);
}
