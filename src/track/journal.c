/* The store's journal: one JSON object a line for what belongs to no run folder (datasets, models,
 * aliases), and where the run folders are. It only grows, and the index can be made from it. */
#include "track/store.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

bcl_status bcl_journal_add(bcl_store *store, cJSON *event) {
    bcl_status status = BCL_OK;
    char *text = NULL, *line = NULL;
    int file = -1;
    if (store->replaying)
        goto out;
    if (!event || !cJSON_AddNumberToObject(event, "time", bcl_unix_time()) ||
        !(text = cJSON_PrintUnformatted(event)))
        BCL_FAIL(BCL_ERROR_MEMORY, "out of memory while building JSON");
    BCL_TRY(bcl_format(&line, "%s\n", text));
    /* one write at the end of the file: lines of several processes do not mix */
    file = open(store->journal, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (file < 0 || write(file, line, strlen(line)) != (ssize_t)strlen(line))
        status = bcl_fail_errno("%s: cannot write", store->journal);
out:
    if (file >= 0)
        close(file);
    cJSON_free(text);
    free(line);
    cJSON_Delete(event);
    return status;
}
