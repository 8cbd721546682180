/* Opening the index: where it is, on what file system, in what state. */
#include "track/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "track/filesystem.h"

enum { BUSY_MS = 20000 };

void bcl_store_say(bcl_store *store, const char *format, ...) {
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (!bcl_string_add(&store->notes, line, strlen(line)))
        (void)bcl_string_add(&store->notes, "\n", 1);
}

char *bcl_store_notes(bcl_store *store) {
    char *text = store->notes.data ? store->notes.data : bcl_calloc(1, 1);
    store->notes = (bcl_string){0};
    return text;
}

const char *bcl_store_home(const bcl_store *store) {
    return store->home;
}

bool bcl_store_damaged(const bcl_store *store) {
    return store->damaged;
}

bool bcl_store_enabled(void) {
    const char *home = getenv("BERTCL_HOME");
    return !home || strcmp(home, "off");
}

static bcl_status absolute(char **out, const char *path) {
    char *real = realpath(path, NULL), *cwd;
    if (real) {
        *out = real;
        return BCL_OK;
    }
    if (path[0] == '/')
        return bcl_strdup(out, path);
    if (!(cwd = getcwd(NULL, 0)))
        return bcl_fail_errno("%s: the working folder is gone", path);
    const bcl_status status = bcl_path_join(out, cwd, path);
    free(cwd);
    return status;
}

static void close_database(bcl_store *store) {
    for (size_t i = 0; i < store->cached; i++)
        sqlite3_finalize(store->cache[i].statement);
    store->cached = 0;
    sqlite3_close(store->db);
    store->db = NULL;
}

void bcl_store_close(bcl_store *store) {
    if (!store)
        return;
    close_database(store);
    free(store->home);
    free(store->path);
    free(store->journal);
    bcl_string_free(&store->notes);
    free(store);
}

static bcl_status open_database(bcl_store *store, const char *name, int flags) {
    const int code = sqlite3_open_v2(name, &store->db, flags | SQLITE_OPEN_URI, NULL);
    struct stat info;
    if (!store->db)
        return bcl_fail(BCL_ERROR_MEMORY, "%s: out of memory", store->path);
    store->inode = stat(store->path, &info) ? 0 : info.st_ino;
    sqlite3_busy_timeout(store->db, BUSY_MS);
    sqlite3_extended_result_codes(store->db, 1);
    return code ? bcl_sql_fail(store, code) : BCL_OK;
}

/* Changing the mode does not wait for locks, so that is done here. */
static bcl_status set_journal_mode(bcl_store *store, const char *mode) {
    bcl_status status = BCL_OK;
    char sql[64];
    sqlite3_stmt *statement = NULL;
    bool is = false;
    snprintf(sql, sizeof sql, "PRAGMA journal_mode = %s", mode);
    for (int i = 0; i < 200 && !is; i++) {
        int code = sqlite3_prepare_v2(store->db, i % 2 ? sql : "PRAGMA journal_mode", -1,
                                      &statement, NULL);
        if (!code)
            code = sqlite3_step(statement);
        is = code == SQLITE_ROW && !sqlite3_stricmp(bcl_sql_text(statement, 0), mode);
        if (code != SQLITE_ROW && (code & 0xff) != SQLITE_BUSY)
            status = bcl_sql_fail(store, code);
        sqlite3_finalize(statement);
        if (status || is)
            return status;
        if (i % 2)
            nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    }
    return bcl_fail(BCL_ERROR_IO, "%s: cannot change the journal's mode to %s", store->path, mode);
}

static bcl_status open_writing(bcl_store *store) {
    bcl_status status = BCL_OK;
    struct statfs fs;
    const char *network = NULL, *wal = getenv("BERTCL_STORE_WAL");
    BCL_TRY(bcl_directory_create(store->home));
    BCL_TRY(open_database(store, store->path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE));
    if (!statfs(store->home, &fs))
        network = bcl_network_file_system((unsigned long)fs.f_type);
    if (network)
        bcl_store_say(store,
                      "store: %s is on a network file system (%s), where SQLite's write-ahead log "
                      "is not safe: the index goes without it",
                      store->home, network);
    BCL_TRY(bcl_store_check_version(store)); /* before anything is changed */
    if (network || (wal && !strcmp(wal, "off"))) {
        BCL_TRY(set_journal_mode(store, "delete"));
        BCL_TRY(bcl_sql_exec(store, "PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL"));
    } else {
        BCL_TRY(set_journal_mode(store, "wal"));
        BCL_TRY(bcl_sql_exec(store, "PRAGMA foreign_keys = ON; PRAGMA synchronous = NORMAL"));
    }
    BCL_TRY(bcl_store_migrate(store));
out:
    return status;
}

/* A folder that is not there is an empty store. Where nothing may be written, SQLite cannot make
 * its shared memory, and the file is read as if nobody wrote to it. */
static bcl_status open_reading(bcl_store *store) {
    bcl_status status = BCL_OK;
    char *uri = NULL;
    int64_t unused;
    if (!bcl_path_exists(store->path)) {
        if (bcl_path_exists(store->journal))
            return open_writing(store); /* the index is gone: it is made again */
        BCL_TRY(open_database(store, ":memory:", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE));
        BCL_TRY(bcl_store_migrate(store));
        store->fresh = false;
        store->replaying = true; /* folders may be read into it, but nothing is kept */
        goto out;
    }
    if (!access(store->path, W_OK) && !access(store->home, W_OK))
        return open_writing(store);
    store->read_only = true;
    BCL_TRY(open_database(store, store->path, SQLITE_OPEN_READONLY));
    if (bcl_sql_int(&unused, store, 0, "SELECT count(*) FROM sqlite_schema", "")) {
        close_database(store);
        BCL_TRY(bcl_format(&uri, "file:%s?immutable=1", store->path));
        BCL_TRY(open_database(store, uri, SQLITE_OPEN_READONLY));
    }
    BCL_TRY(bcl_store_check_version(store));
out:
    free(uri);
    return status;
}

/* Keeps a damaged index beside the new one. The lock makes one of several processes do it. */
static bcl_status set_aside(bcl_store *store) {
    static const char *const parts[] = {"", "-wal", "-shm", "-journal"};
    bcl_status status = BCL_OK;
    char *from = NULL, *to = NULL, *kept = NULL;
    struct stat now;
    const int folder = open(store->home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0 || flock(folder, LOCK_EX)) {
        status = bcl_fail_errno("%s: cannot lock", store->home);
        goto out;
    }
    if (stat(store->path, &now) || now.st_ino != store->inode)
        goto out; /* another process was faster */
    for (int i = 0; !kept; i++) {
        BCL_TRY(bcl_format(&kept, "%s.damaged-%lld%s%.0d", store->path, (long long)time(NULL),
                           i ? "-" : "", i));
        if (bcl_path_exists(kept)) {
            free(kept);
            kept = NULL;
        }
    }
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        free(from);
        free(to);
        from = to = NULL;
        BCL_TRY(bcl_format(&from, "%s%s", store->path, parts[i]));
        BCL_TRY(bcl_format(&to, "%s%s", kept, parts[i]));
        if (bcl_path_exists(from))
            BCL_TRY(bcl_path_rename(from, to));
    }
    bcl_store_say(store, "store: %s was damaged: kept as %s, and made again", store->path, kept);
out:
    if (folder >= 0)
        close(folder);
    free(from);
    free(to);
    free(kept);
    return status;
}

bcl_status bcl_store_set_aside(bcl_store *store) {
    close_database(store);
    store->damaged = false;
    return set_aside(store);
}

/* The first page may be whole while others are not; this reads the pages of what lists begin with.
 */
static bcl_status look(bcl_store *store) {
    int64_t unused;
    bcl_status status = bcl_sql_int(&unused, store, 0, "SELECT max(id) FROM runs", "");
    if (!status)
        status = bcl_sql_int(&unused, store, 0, "SELECT max(id) FROM models", "");
    return status;
}

static bcl_status open_index(bcl_store *store, bool write) {
    bcl_status status = write ? open_writing(store) : open_reading(store);
    if (!status)
        status = look(store);
    if (status && store->damaged && !store->read_only) {
        status = bcl_store_set_aside(store);
        if (!status)
            status = open_writing(store);
    }
    return status;
}

bcl_status bcl_store_open_index(bcl_store **out, const char *home, bool write) {
    bcl_status status = BCL_OK;
    bcl_store *store = NULL;
    const char *set = getenv("BERTCL_HOME");
    *out = NULL;
    if (!home)
        home = set && *set ? set : "bertcl-runs";
    if (!strcmp(home, "off"))
        BCL_FAIL(BCL_ERROR_ARGUMENT,
                 "BERTCL_HOME is \"off\": there is no store; set it to a folder");
    BCL_NEW(store, 1);
    BCL_TRY(absolute(&store->home, home));
    BCL_TRY(bcl_path_join(&store->path, store->home, BCL_STORE_FILE));
    BCL_TRY(bcl_path_join(&store->journal, store->home, BCL_STORE_JOURNAL));
    BCL_TRY(open_index(store, write));
    *out = store;
    store = NULL;
out:
    bcl_store_close(store);
    return status;
}
