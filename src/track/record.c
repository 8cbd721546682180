/* See record.h. */
#define _DEFAULT_SOURCE /* flock */
#include "track/record.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/utsname.h>
#include <unistd.h>

bool bcl_track_is_own(const char *name) {
    static const char *const names[] = {BCL_TRACK_FILE, BCL_HEARTBEAT_FILE, BCL_MARKS_FILE,
                                        "mlflow.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(name, names[i]))
            return true;
    return name[0] == '.';
}

bcl_status bcl_track_record_file(char **path, const char *folder) {
    static const char *const names[] = {"run.json", BCL_SEEDS_FILE};
    bcl_status status = BCL_OK;
    *path = NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        BCL_TRY(bcl_path_join(path, folder, names[i]));
        if (bcl_path_exists(*path))
            return BCL_OK;
        free(*path);
        *path = NULL;
    }
out:
    return status;
}

bcl_status bcl_track_group(char **folder, const char *run) {
    bcl_status status = BCL_OK;
    char *path = NULL;
    *folder = NULL;
    const char *slash = strrchr(run, '/');
    if (!slash || slash == run)
        return BCL_OK;
    BCL_TRY(bcl_format(folder, "%.*s", (int)(slash - run), run));
    BCL_TRY(bcl_path_join(&path, *folder, BCL_SEEDS_FILE));
    if (!bcl_path_exists(path)) {
        free(*folder);
        *folder = NULL;
    }
out:
    free(path);
    return status;
}

/* ---- track.json ---- */

/* The first line of a command's output, "" if there is none. */
static void ask(char *out, size_t size, const char *command) {
    FILE *pipe = popen(command, "r");
    out[0] = 0;
    if (!pipe)
        return;
    if (!fgets(out, (int)size, pipe))
        out[0] = 0;
    out[strcspn(out, "\n")] = 0;
    while (fgetc(pipe) != EOF)
        ;
    pclose(pipe);
}

/* The state of the working folder, where the user's own files may be under git. */
static cJSON *git_record(void) {
    char commit[80], branch[256], changed[256];
    ask(commit, sizeof commit, "git rev-parse HEAD 2>/dev/null");
    if (strlen(commit) < 40)
        return cJSON_CreateNull();
    ask(branch, sizeof branch, "git rev-parse --abbrev-ref HEAD 2>/dev/null");
    ask(changed, sizeof changed, "timeout 3 git status --porcelain -uno 2>/dev/null");
    cJSON *git = cJSON_CreateObject();
    cJSON_AddStringToObject(git, "commit", commit);
    cJSON_AddStringToObject(git, "branch", branch);
    cJSON_AddBoolToObject(git, "changed", changed[0] != 0);
    return git;
}

static cJSON *host_record(const char *name) {
    struct utsname system;
    cJSON *host = cJSON_CreateObject();
    cJSON_AddStringToObject(host, "name", name);
    if (!uname(&system)) {
        cJSON_AddStringToObject(host, "system", system.sysname);
        cJSON_AddStringToObject(host, "release", system.release);
        cJSON_AddStringToObject(host, "machine", system.machine);
    }
    cJSON_AddNumberToObject(host, "cpus", (double)sysconf(_SC_NPROCESSORS_ONLN));
    cJSON_AddNumberToObject(host, "memory_mb",
                            (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGE_SIZE) /
                                (1024.0 * 1024.0));
    return host;
}

static void new_id(char out[33], const bcl_process *self) {
    unsigned char bytes[16];
    const int file = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    const bool drawn = file >= 0 && read(file, bytes, sizeof bytes) == (ssize_t)sizeof bytes;
    if (file >= 0)
        close(file);
    if (!drawn) {
        uint64_t parts[2] = {bcl_mix64((uint64_t)(bcl_unix_time() * 1e6)),
                             bcl_mix64((uint64_t)self->pid)};
        memcpy(bytes, parts, sizeof bytes);
    }
    for (int i = 0; i < 16; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

bcl_status bcl_track_record(cJSON **out, const char *command, int argc, char *const *argv) {
    bcl_process self;
    char id[33], *cwd = getcwd(NULL, 0);
    bcl_process_self(&self);
    new_id(id, &self);
    cJSON *record = cJSON_CreateObject(), *process = cJSON_CreateObject();
    cJSON_AddNumberToObject(record, "version", 1);
    cJSON_AddStringToObject(record, "id", id);
    cJSON_AddStringToObject(record, "command", command);
    cJSON_AddItemToObject(record, "argv", cJSON_CreateStringArray((const char *const *)argv, argc));
    cJSON_AddStringToObject(record, "cwd", cwd ? cwd : "");
    cJSON_AddStringToObject(record, "bertcl", BERTCL_VERSION);
    cJSON_AddStringToObject(record, "compiler", __VERSION__);
    cJSON_AddItemToObject(record, "host", host_record(self.host));
    cJSON_AddItemToObject(record, "git", git_record());
    cJSON_AddNumberToObject(process, "pid", (double)self.pid);
    cJSON_AddStringToObject(process, "boot", self.boot);
    cJSON_AddNumberToObject(process, "start", (double)self.start);
    cJSON_AddItemToObject(record, "process", process);
    free(cwd);
    if (!cJSON_AddNumberToObject(record, "started", bcl_unix_time())) {
        cJSON_Delete(record);
        return bcl_fail(BCL_ERROR_MEMORY, "out of memory while building JSON");
    }
    *out = record;
    return BCL_OK;
}

/* ---- heartbeat.json ---- */

bcl_status bcl_track_heartbeat(const char *folder, const char *state, const char *message,
                               const char *devices) {
    bcl_status status = BCL_OK;
    char *path = NULL;
    const double now = bcl_unix_time();
    cJSON *json = cJSON_CreateObject();
    cJSON_AddNumberToObject(json, "time", now);
    cJSON_AddStringToObject(json, "state", state);
    if (message)
        cJSON_AddStringToObject(json, "message", message);
    if (devices)
        cJSON_AddRawToObject(json, "devices", devices);
    if (strcmp(state, "running"))
        cJSON_AddNumberToObject(json, "ended", now);
    BCL_TRY(bcl_path_join(&path, folder, BCL_HEARTBEAT_FILE));
    BCL_TRY(bcl_json_write(json, path));
out:
    cJSON_Delete(json);
    free(path);
    return status;
}

/* ---- marks.json ---- */

typedef void change(cJSON *marks, const char *key, const char *value);

static bcl_status change_marks(const char *folder, change *apply, const char *key,
                               const char *value) {
    bcl_status status = BCL_OK;
    char *path = NULL;
    cJSON *marks = NULL;
    const int lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock < 0 || flock(lock, LOCK_EX)) {
        status = bcl_fail_errno("%s: cannot lock", folder);
        goto out;
    }
    BCL_TRY(bcl_path_join(&path, folder, BCL_MARKS_FILE));
    if (bcl_path_exists(path))
        BCL_TRY(bcl_json_read_own(&marks, path));
    else
        marks = cJSON_CreateObject();
    apply(marks, key, value);
    BCL_TRY(bcl_json_write(marks, path));
out:
    if (lock >= 0)
        close(lock);
    cJSON_Delete(marks);
    free(path);
    return status;
}

static void set_tag(cJSON *marks, const char *key, const char *value) {
    cJSON *tags = cJSON_GetObjectItemCaseSensitive(marks, "tags");
    if (!tags)
        tags = cJSON_AddObjectToObject(marks, "tags");
    cJSON_DeleteItemFromObjectCaseSensitive(tags, key);
    if (value)
        cJSON_AddStringToObject(tags, key, value);
}

static void set_deleted(cJSON *marks, const char *key, const char *value) {
    cJSON_DeleteItemFromObjectCaseSensitive(marks, key);
    if (value)
        cJSON_AddTrueToObject(marks, key);
}

bcl_status bcl_marks_tag(const char *folder, const char *key, const char *value) {
    return change_marks(folder, set_tag, key, value);
}

bcl_status bcl_marks_delete(const char *folder, bool deleted) {
    return change_marks(folder, set_deleted, "deleted", deleted ? "" : NULL);
}
