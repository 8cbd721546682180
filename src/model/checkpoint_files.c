/* The tensors of a model folder: one file, safetensors or PyTorch's, or the shards that an index
 * names. */
#include "model/torch_file.h"

#include <assert.h>
#include <cjson/cJSON.h>

/* In the order of preference, which is transformers'. */
static const struct {
    const char *single, *index;
} names[] = {
    {"model.safetensors", "model.safetensors.index.json"},
    {"pytorch_model.bin", "pytorch_model.bin.index.json"},
};

/* One file, of one kind or the other. */
typedef struct shard {
    char *name; /* without the folder */
    bcl_safetensors *st;
    bcl_torch_file *torch;
} shard;

static size_t shard_size(const shard *s) {
    return s->st ? bcl_safetensors_count(s->st) : bcl_torch_file_count(s->torch);
}

static const bcl_tensor *shard_at(const shard *s, size_t i) {
    return s->st ? bcl_safetensors_at(s->st, i) : bcl_torch_file_at(s->torch, i);
}

static const bcl_tensor *shard_find(const shard *s, const char *name) {
    return s->st ? bcl_safetensors_find(s->st, name) : bcl_torch_file_find(s->torch, name);
}

/* A tensor's name and the shard that holds it. */
typedef struct place {
    const char *name; /* the index's, or the shard's */
    size_t shard;
    bool listed; /* in weight_map */
    const bcl_tensor *tensor;
} place;

struct bcl_checkpoint {
    shard *shards;
    size_t shard_count, shard_capacity;
    place *places; /* sorted by name */
    size_t count, capacity;
};

static int compare_places(const void *a, const void *b) {
    const place *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : y->listed - x->listed;
}

static int compare_keys(const void *a, const void *b) {
    const place *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static bcl_status add_place(bcl_checkpoint *ck, place p) {
    bcl_status status = bcl_grow(&ck->places, &ck->capacity, ck->count + 1, sizeof *ck->places);
    if (!status)
        ck->places[ck->count++] = p;
    return status;
}

/* The number of the shard `name`, opened at its first use. */
static bcl_status open_shard(bcl_checkpoint *ck, size_t *out, const char *folder,
                             const char *name) {
    bcl_status status = BCL_OK;
    char *path = NULL;
    for (*out = 0; *out < ck->shard_count; ++*out)
        if (!strcmp(ck->shards[*out].name, name))
            return BCL_OK;
    BCL_TRY(bcl_path_join(&path, folder, name));
    BCL_TRY(bcl_grow(&ck->shards, &ck->shard_capacity, ck->shard_count + 1, sizeof *ck->shards));
    ck->shards[ck->shard_count] = (shard){0};
    ck->shard_count++;
    BCL_TRY(bcl_strdup(&ck->shards[*out].name, name));
    const size_t n = strlen(name);
    if (n > 4 && !strcmp(name + n - 4, ".bin"))
        BCL_TRY(bcl_torch_file_open(&ck->shards[*out].torch, path));
    else
        BCL_TRY(bcl_safetensors_open(&ck->shards[*out].st, path));
out:
    free(path);
    return status;
}

static bcl_status add_listed(bcl_checkpoint *ck, const cJSON *entry, const char *folder,
                             const char *path) {
    bcl_status status = BCL_OK;
    place p = {.name = entry->string, .listed = true};
    const char *file = cJSON_GetStringValue(entry);
    if (!file)
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: weight_map: \"%.100s\": expected a shard's file name", path,
                 p.name);
    /* A file from elsewhere must not make us read outside its folder. */
    if (!*file || strpbrk(file, "/\\") || !strcmp(file, ".") || !strcmp(file, ".."))
        BCL_FAIL(BCL_ERROR_FORMAT,
                 "%s: weight_map: \"%.100s\": found \"%.100s\", expected a file name without a "
                 "folder",
                 path, p.name, file);
    BCL_TRY(open_shard(ck, &p.shard, folder, file));
    p.tensor = shard_find(&ck->shards[p.shard], p.name);
    if (!p.tensor)
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: weight_map: found no tensor \"%.100s\" in %.100s", path,
                 p.name, file);
    p.name = p.tensor->name;
    BCL_TRY(add_place(ck, p));
out:
    return status;
}

/* One place a name. What a shard holds beyond the index is loaded too, as transformers does,
 * unless two shards disagree about it. */
static bcl_status resolve(bcl_checkpoint *ck, const char *path) {
    size_t n = 0;
    if (ck->count)
        qsort(ck->places, ck->count, sizeof *ck->places, compare_places);
    for (size_t i = 0; i < ck->count; i++) {
        const place *p = &ck->places[i];
        if (!n || strcmp(ck->places[n - 1].name, p->name)) {
            ck->places[n++] = *p;
            continue;
        }
        const place *first = &ck->places[n - 1];
        if (p->listed)
            return bcl_fail(BCL_ERROR_FORMAT, "%s: weight_map: found \"%.100s\" twice", path,
                            p->name);
        if (!first->listed)
            return bcl_fail(BCL_ERROR_FORMAT,
                            "%s: tensor \"%.100s\" is in %.100s and in %.100s but not in "
                            "weight_map",
                            path, p->name, ck->shards[first->shard].name,
                            ck->shards[p->shard].name);
    }
    ck->count = n;
    return BCL_OK;
}

static bcl_status open_sharded(bcl_checkpoint *ck, const char *folder, const char *path) {
    bcl_status status = BCL_OK;
    cJSON *json = NULL;
    const cJSON *entry;
    BCL_TRY(bcl_json_read(&json, path));
    const cJSON *map = cJSON_GetObjectItemCaseSensitive(json, "weight_map");
    if (!cJSON_IsObject(map) || !map->child)
        BCL_FAIL(BCL_ERROR_FORMAT,
                 "%s: expected an object \"weight_map\" of tensor names and shards", path);
    cJSON_ArrayForEach(entry, map) BCL_TRY(add_listed(ck, entry, folder, path));
    for (size_t i = 0; i < ck->shard_count; i++)
        for (size_t k = 0; k < shard_size(&ck->shards[i]); k++) {
            const bcl_tensor *t = shard_at(&ck->shards[i], k);
            BCL_TRY(add_place(ck, (place){.name = t->name, .shard = i, .tensor = t}));
        }
    BCL_TRY(resolve(ck, path));
out:
    cJSON_Delete(json);
    return status;
}

/* No file that is read: say what is there instead, and what to do. */
static bcl_status explain_missing(const char *folder) {
    static const char *const others[] = {"tf_model.h5", "flax_model.msgpack", "model.onnx",
                                         "adapter_model.safetensors", "adapter_model.bin"};
    bcl_status status = BCL_OK;
    char *path = NULL;
    if (!bcl_path_is_directory(folder))
        BCL_FAIL(BCL_ERROR_IO, "%s: %s, expected a model's folder", folder,
                 bcl_path_exists(folder) ? "not a folder" : "no such folder");
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        BCL_TRY(bcl_path_join(&path, folder, others[i]));
        if (bcl_path_exists(path))
            BCL_FAIL(BCL_ERROR_UNSUPPORTED,
                     "%s: found %s, expected %s: load the model with transformers once and "
                     "save_pretrained() it, which writes safetensors",
                     folder, others[i], names[0].single);
        free(path);
        path = NULL;
    }
    status = bcl_fail(BCL_ERROR_IO, "%s: found neither %s nor %s, nor an index of shards of either",
                      folder, names[0].single, names[1].single);
out:
    free(path);
    return status;
}

static bcl_status open_single(bcl_checkpoint *ck, const char *folder, const char *name,
                              const char *path) {
    bcl_status status = BCL_OK;
    size_t first;
    BCL_TRY(open_shard(ck, &first, folder, name));
    for (size_t i = 0; i < shard_size(&ck->shards[first]); i++) {
        const bcl_tensor *t = shard_at(&ck->shards[first], i);
        BCL_TRY(add_place(ck, (place){.name = t->name, .tensor = t}));
    }
    BCL_TRY(resolve(ck, path));
out:
    return status;
}

bcl_status bcl_checkpoint_open(bcl_checkpoint **out, const char *folder) {
    bcl_status status = BCL_OK;
    bcl_checkpoint *ck = NULL;
    char *single = NULL, *index = NULL;
    bool found = false;
    *out = NULL;
    BCL_NEW(ck, 1);
    for (size_t i = 0; !found && i < sizeof names / sizeof *names; i++) {
        BCL_TRY(bcl_path_join(&single, folder, names[i].single));
        BCL_TRY(bcl_path_join(&index, folder, names[i].index));
        found = true;
        if (bcl_path_exists(single))
            BCL_TRY(open_single(ck, folder, names[i].single, single));
        else if (bcl_path_exists(index))
            BCL_TRY(open_sharded(ck, folder, index));
        else
            found = false;
        free(single);
        free(index);
        single = index = NULL;
    }
    if (!found)
        BCL_TRY(explain_missing(folder));
    *out = ck;
    ck = NULL;
out:
    free(single);
    free(index);
    bcl_checkpoint_close(ck);
    return status;
}

void bcl_checkpoint_close(bcl_checkpoint *ck) {
    if (!ck)
        return;
    for (size_t i = 0; i < ck->shard_count; i++) {
        bcl_safetensors_close(ck->shards[i].st);
        bcl_torch_file_close(ck->shards[i].torch);
        free(ck->shards[i].name);
    }
    free(ck->shards);
    free(ck->places);
    free(ck);
}

size_t bcl_checkpoint_count(const bcl_checkpoint *ck) {
    return ck->count;
}

const bcl_tensor *bcl_checkpoint_at(const bcl_checkpoint *ck, size_t index) {
    assert(index < ck->count);
    return ck->places[index].tensor;
}

const bcl_tensor *bcl_checkpoint_find(const bcl_checkpoint *ck, const char *name) {
    place key = {.name = name};
    if (!ck->count)
        return NULL;
    const place *found = bsearch(&key, ck->places, ck->count, sizeof key, compare_keys);
    return found ? found->tensor : NULL;
}
