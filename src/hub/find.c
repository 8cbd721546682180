/* A model's folder: a path, a run's best model, or one in the hub's cache, as its client lays it
 * out: models--ORG--NAME/refs/REVISION holds a commit, snapshots/COMMIT/FILE links to blobs/ETAG.
 * What is missing is downloaded. */
#include "hub/hub.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* In the order of downloading: the weights last, so that a snapshot with weights has all else. */
static const char *const small_files[] = {"config.json",
                                          "vocab.txt",
                                          "tokenizer.json",
                                          "tokenizer_config.json",
                                          "special_tokens_map.json",
                                          "added_tokens.json"};
/* In the order of preference. */
static const struct {
    const char *single, *index;
} weights[] = {
    {"model.safetensors", "model.safetensors.index.json"},
    {"pytorch_model.bin", "pytorch_model.bin.index.json"},
};
enum {
    WEIGHTS = sizeof weights / sizeof *weights,
    REF_MOST = 4096 /* bytes of a file under refs/ */
};

typedef struct names {
    char **items;
    size_t count, capacity;
} names;

static bool has(const char *folder, const char *name) {
    char *path = NULL;
    struct stat info;
    const bool there =
        !bcl_path_join(&path, folder, name) && !stat(path, &info) && S_ISREG(info.st_mode);
    free(path);
    return there;
}

/* The files that an index names, each once. A name that leads elsewhere is refused. */
static bcl_status read_shards(names *out, const char *index) {
    bcl_status status = BCL_OK;
    cJSON *json = NULL;
    const cJSON *item;
    BCL_TRY(bcl_json_read(&json, index));
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(json, "weight_map")) {
        const char *name = cJSON_IsString(item) ? item->valuestring : "";
        size_t i = 0;
        if (!*name || strchr(name, '/') || name[0] == '.')
            BCL_FAIL(BCL_ERROR_FORMAT, "%s: weight_map: found \"%s\", expected a file's name",
                     index, name);
        while (i < out->count && strcmp(out->items[i], name))
            i++;
        if (i < out->count)
            continue;
        BCL_TRY(bcl_grow(&out->items, &out->capacity, out->count + 1, sizeof *out->items));
        BCL_TRY(bcl_strdup(&out->items[out->count], name));
        out->count++;
    }
    if (!out->count)
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: expected files in \"weight_map\"", index);
out:
    cJSON_Delete(json);
    return status;
}

/* The first weights that the snapshot lacks, as a new string; NULL if it has all. */
static bcl_status missing_weights(char **out, const char *snapshot) {
    bcl_status status = BCL_OK;
    names shards = {0};
    char *index = NULL;
    int i = 0;
    while (i < WEIGHTS && !has(snapshot, weights[i].single) && !has(snapshot, weights[i].index))
        i++;
    if (i == WEIGHTS)
        return bcl_strdup(out, weights[0].single);
    if (has(snapshot, weights[i].single))
        return BCL_OK;
    BCL_TRY(bcl_path_join(&index, snapshot, weights[i].index));
    BCL_TRY(read_shards(&shards, index));
    for (size_t k = 0; k < shards.count && !*out; k++)
        if (!has(snapshot, shards.items[k]))
            BCL_TRY(bcl_strdup(out, shards.items[k]));
out:
    bcl_strings_free(shards.items, shards.count);
    free(index);
    return status;
}

/* *out = what a snapshot lacks, as a new string; NULL: it is complete. */
static bcl_status find_missing(char **out, const char *snapshot) {
    *out = NULL;
    if (!bcl_path_is_directory(snapshot))
        return bcl_strdup(out, "all of it");
    if (!has(snapshot, "config.json"))
        return bcl_strdup(out, "config.json");
    if (!has(snapshot, "vocab.txt") && !has(snapshot, "tokenizer.json"))
        return bcl_strdup(out, "vocab.txt or tokenizer.json");
    return missing_weights(out, snapshot);
}

/* The commit of the revision as the cache knows it, or NULL. */
static bcl_status cached_commit(char **out, const bcl_hub *hub) {
    bcl_status status = BCL_OK;
    char *path = NULL;
    size_t size;
    *out = NULL;
    if (bcl_hub_is_commit(hub->revision))
        return bcl_strdup(out, hub->revision);
    BCL_TRY(bcl_format(&path, "%s/refs/%s", hub->folder, hub->revision));
    if (!bcl_path_exists(path) || bcl_path_is_directory(path))
        goto out;
    BCL_TRY(bcl_file_read_regular(out, &size, path, REF_MOST));
    (*out)[strcspn(*out, " \t\r\n")] = 0;
    if (!bcl_hub_is_commit(*out))
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: found \"%.50s\", expected a commit of 40 digits", path,
                 *out);
out:
    if (status) {
        free(*out);
        *out = NULL;
    }
    free(path);
    return status;
}

/* ---- downloading ---- */

/* The client's own lock: two processes must not write one file at once. */
static bcl_status lock_blob(int *lock, const bcl_hub *hub, const char *etag) {
    bcl_status status = BCL_OK;
    char *folder = NULL, *path = NULL;
    BCL_TRY(bcl_format(&folder, "%s/.locks/%s", hub->cache, bcl_path_name(hub->folder)));
    BCL_TRY(bcl_directory_create(folder));
    BCL_TRY(bcl_format(&path, "%s/%s.lock", folder, etag));
    *lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    while (*lock >= 0 && flock(*lock, LOCK_EX))
        if (errno != EINTR) {
            close(*lock);
            *lock = -1;
        }
    if (*lock < 0)
        status = bcl_fail_errno("%s: cannot lock", path);
out:
    free(folder);
    free(path);
    return status;
}

static bcl_status check_blob(const bcl_hub *hub, const bcl_hub_file *file, const char *name,
                             const char *path) {
    bcl_status status = BCL_OK;
    char sum[65];
    if (!bcl_hub_can_check(file->etag))
        return status;
    BCL_TRY(bcl_hub_checksum(sum, path, file->etag));
    if (strcmp(sum, file->etag)) {
        unlink(path);
        BCL_FAIL(BCL_ERROR_FORMAT,
                 "%s: %s: its checksum is %s, expected %s: removed, run again to download it anew",
                 hub->name, name, sum, file->etag);
    }
out:
    return status;
}

/* Puts the blob where snapshots/COMMIT/NAME links to it. */
static bcl_status link_blob(const bcl_hub *hub, const bcl_hub_file *file, const char *name,
                            const char *blob) {
    bcl_status status = BCL_OK;
    char *folder = NULL, *link = NULL, *target = NULL;
    BCL_TRY(bcl_format(&folder, "%s/snapshots/%s", hub->folder, file->commit));
    BCL_TRY(bcl_directory_create(folder));
    BCL_TRY(bcl_path_join(&link, folder, name));
    BCL_TRY(bcl_format(&target, "../../blobs/%s", file->etag));
    unlink(link); /* it leads nowhere, or it would not have been asked for */
    if (symlink(target, link) && errno != EEXIST) {
        if (errno != EPERM && errno != ENOTSUP)
            status = bcl_fail_errno("%s: cannot link", link);
        else /* as the client does on file systems without links */
            status = bcl_path_rename(blob, link);
    }
out:
    free(folder);
    free(link);
    free(target);
    return status;
}

static bcl_status create_blobs(const bcl_hub *hub, const char *folder) {
    bcl_status status = bcl_directory_create(folder);
    char *reason = NULL;
    if (status != BCL_ERROR_IO || bcl_strdup(&reason, bcl_message()))
        return status;
    status = bcl_fail(BCL_ERROR_IO,
                      "%s: no such folder, and no place to download it to: %s: set HF_HOME or "
                      "HF_HUB_CACHE to a folder that you can write",
                      hub->name, reason);
    free(reason);
    return status;
}

static bcl_status download(const bcl_hub *hub, const bcl_hub_file *file, const char *name) {
    bcl_status status = BCL_OK;
    char *folder = NULL, *blob = NULL, *part = NULL;
    int lock = -1;
    BCL_TRY(bcl_path_join(&folder, hub->folder, "blobs"));
    BCL_TRY(create_blobs(hub, folder));
    BCL_TRY(bcl_path_join(&blob, folder, file->etag));
    BCL_TRY(bcl_format(&part, "%s.incomplete", blob));
    BCL_TRY(lock_blob(&lock, hub, file->etag));
    if (!bcl_path_exists(blob)) {
        BCL_TRY(bcl_hub_fetch(hub, file, name, part));
        BCL_TRY(check_blob(hub, file, name, part));
        BCL_TRY(bcl_path_rename(part, blob));
    }
    BCL_TRY(link_blob(hub, file, name, blob));
out:
    if (lock >= 0)
        close(lock);
    free(folder);
    free(blob);
    free(part);
    return status;
}

/* Sets *commit with the first answer; later questions are about that commit. */
static bcl_status get(const bcl_hub *hub, char **commit, const char *name, bool *found) {
    bcl_status status = BCL_OK;
    bcl_hub_file file = {0};
    char *snapshot = NULL;
    if (*commit) {
        BCL_TRY(bcl_format(&snapshot, "%s/snapshots/%s", hub->folder, *commit));
        *found = has(snapshot, name);
        if (*found)
            goto out;
    }
    BCL_TRY(bcl_hub_ask(&file, found, hub, *commit ? *commit : hub->revision, name));
    if (!*found)
        goto out;
    if (!*commit)
        BCL_TRY(bcl_strdup(commit, file.commit));
    else if (strcmp(*commit, file.commit))
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: %s: found commit %s, asked for %s", hub->name, name,
                 file.commit, *commit);
    BCL_TRY(download(hub, &file, name));
out:
    free(snapshot);
    return status;
}

static bcl_status get_shards(const bcl_hub *hub, char **commit, const char *name) {
    bcl_status status = BCL_OK;
    names shards = {0};
    char *index = NULL;
    bool found;
    BCL_TRY(bcl_format(&index, "%s/snapshots/%s/%s", hub->folder, *commit, name));
    BCL_TRY(read_shards(&shards, index));
    for (size_t i = 0; i < shards.count; i++) {
        BCL_TRY(get(hub, commit, shards.items[i], &found));
        if (!found)
            BCL_FAIL(BCL_ERROR_FORMAT, "%s: its index names %s, which it does not have", hub->name,
                     shards.items[i]);
    }
out:
    bcl_strings_free(shards.items, shards.count);
    free(index);
    return status;
}

static bcl_status get_weights(const bcl_hub *hub, char **commit) {
    bcl_status status = BCL_OK;
    bool found;
    for (int i = 0; i < WEIGHTS; i++) {
        BCL_TRY(get(hub, commit, weights[i].single, &found));
        if (found)
            goto out;
        BCL_TRY(get(hub, commit, weights[i].index, &found));
        if (found)
            return get_shards(hub, commit, weights[i].index);
    }
    BCL_FAIL(BCL_ERROR_UNSUPPORTED, "%s: found neither %s nor %s, whole or in shards", hub->name,
             weights[0].single, weights[1].single);
out:
    return status;
}

static bcl_status write_ref(const bcl_hub *hub, const char *commit) {
    bcl_status status = BCL_OK;
    char *path = NULL, *folder = NULL;
    if (bcl_hub_is_commit(hub->revision))
        return status;
    BCL_TRY(bcl_format(&path, "%s/refs/%s", hub->folder, hub->revision));
    BCL_TRY(bcl_strdup(&folder, path));
    *strrchr(folder, '/') = 0;
    BCL_TRY(bcl_directory_create(folder));
    BCL_TRY(bcl_file_write(path, commit, strlen(commit)));
out:
    free(path);
    free(folder);
    return status;
}

static bcl_status get_all(const bcl_hub *hub, char **commit) {
    bcl_status status = BCL_OK;
    bool found[sizeof small_files / sizeof *small_files];
    for (size_t i = 0; i < sizeof found / sizeof *found; i++) {
        BCL_TRY(get(hub, commit, small_files[i], &found[i]));
        if (!i && !found[i])
            BCL_FAIL(BCL_ERROR_FORMAT, "%s: found no config.json, expected a model of transformers",
                     hub->name);
    }
    if (!found[1] && !found[2])
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: found neither tokenizer.json nor vocab.txt", hub->name);
    BCL_TRY(get_weights(hub, commit));
    BCL_TRY(write_ref(hub, *commit));
out:
    return status;
}

/* A folder of the cache with this model of some organisation, for a name that has none: the hub
 * knows bert-base-cased as google-bert/bert-base-cased, but its client looks under the name given.
 */
static bcl_status find_namesake(char **out, const bcl_hub *hub) {
    bcl_status status = BCL_OK;
    char **entries = NULL, *tail = NULL;
    size_t count = 0;
    *out = NULL;
    if (strchr(hub->name, '/') || !bcl_path_is_directory(hub->cache))
        return BCL_OK;
    BCL_TRY(bcl_format(&tail, "--%s", hub->name));
    BCL_TRY(bcl_directory_list(&entries, &count, hub->cache));
    for (size_t i = 0; i < count && !*out; i++) {
        const size_t n = strlen(entries[i]), t = strlen(tail), head = strlen("models--");
        if (n > head + t && !strncmp(entries[i], "models--", head) &&
            !strcmp(entries[i] + n - t, tail))
            BCL_TRY(bcl_format(out, "%.*s/%s", (int)(n - t - head), entries[i] + head, hub->name));
    }
out:
    free(tail);
    bcl_strings_free(entries, count);
    return status;
}

static bcl_status fail_offline(const bcl_hub *hub, const char *model, const char *missing) {
    bcl_status status = BCL_OK;
    char *namesake = NULL;
    BCL_TRY(find_namesake(&namesake, hub));
    BCL_FAIL(BCL_ERROR_IO,
             "%s: no such folder, it is not complete in %s (missing: %s), and HF_HUB_OFFLINE "
             "forbids to download it%s%s",
             model, hub->folder, missing, namesake ? "; the cache has " : "",
             namesake ? namesake : "");
out:
    free(namesake);
    return status;
}

/* A run of bertcl train holds several models: the best one, else the last. */
static bcl_status find_in_run(char **out, const char *run) {
    static const char *const models[] = {"best", "model"};
    bcl_status status = BCL_OK;
    char *folder = NULL;
    for (int i = 0; i < 2; i++) {
        BCL_TRY(bcl_path_join(&folder, run, models[i]));
        if (has(folder, "config.json")) {
            *out = folder;
            return BCL_OK;
        }
        free(folder);
        folder = NULL;
    }
    BCL_FAIL(
        BCL_ERROR_IO,
        "%s: a run that has neither %s nor %s yet: finish it with bertcl train --resume %s, or "
        "name a checkpoint's model, %s/checkpoint-N/model",
        run, models[0], models[1], run, run);
out:
    free(folder);
    return status;
}

static bcl_status find_path(char **out, const char *path) {
    if (has(path, "run.json") && !has(path, "config.json"))
        return find_in_run(out, path);
    return bcl_strdup(out, path);
}

static bcl_hub_names *own_names;

void bcl_hub_set_names(bcl_hub_names *find) {
    own_names = find;
}

bcl_status bcl_hub_find(char **out, const char *model, bcl_hub_progress *progress, void *context) {
    bcl_status status = BCL_OK;
    bcl_hub hub = {.progress = progress, .context = context};
    char *commit = NULL, *snapshot = NULL, *missing = NULL;
    *out = NULL;
    if (own_names && ((status = own_names(out, model)) || *out))
        return status;
    if (bcl_path_exists(model) || !bcl_hub_is_name(model))
        return find_path(out, model);
    BCL_TRY(bcl_hub_open(&hub, model));
    BCL_TRY(cached_commit(&commit, &hub));
    if (commit) {
        BCL_TRY(bcl_format(&snapshot, "%s/snapshots/%s", hub.folder, commit));
        BCL_TRY(find_missing(&missing, snapshot));
        if (!missing)
            goto out;
    }
    if (hub.offline) {
        status = fail_offline(&hub, model, missing ? missing : "all of it");
        goto out;
    }
    BCL_TRY(get_all(&hub, &commit));
    free(snapshot);
    snapshot = NULL;
    BCL_TRY(bcl_format(&snapshot, "%s/snapshots/%s", hub.folder, commit));
out:
    if (!status) {
        *out = snapshot;
        snapshot = NULL;
    }
    free(snapshot);
    free(commit);
    free(missing);
    bcl_hub_close(&hub);
    return status;
}
