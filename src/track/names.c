/* The store's models where a model's folder is expected: --model NAME:production. */
#include "track/store.h"

#include <bertcl/hub.h>

/* Certainly a name of the store, or only if the store knows it: the hub has revisions. */
static bool looks_like_name(const char *text, bool *certain) {
    char name[256], alias[128];
    int64_t version;
    bcl_store_split_name(text, "models:", name, &version, alias);
    *certain = !strncmp(text, "models:", 7) || strchr(text, ':');
    if (strncmp(text, "models:", 7) && (strchr(text, '/') || bcl_path_exists(text)))
        return false;
    return *certain || version;
}

bcl_status bcl_store_model_folder(char **folder, const char *text) {
    bcl_status status = BCL_OK;
    bcl_store *store = NULL;
    sqlite3_stmt *s = NULL;
    int64_t model = 0, known = 0;
    bool row, certain;
    char name[256], alias[128];
    *folder = NULL;
    if (!looks_like_name(text, &certain) || (!certain && !bcl_store_enabled()))
        return status;
    bcl_store_split_name(text, "models:", name, &model, alias);
    BCL_TRY(bcl_store_open(&store, NULL, false));
    BCL_TRY(bcl_sql_int(&known, store, 0, "SELECT 1 FROM models WHERE name = ?", "t", name));
    if (!known && !certain)
        goto out;
    BCL_TRY(bcl_store_find_model(&model, store, text));
    BCL_TRY(bcl_sql_query(&s, store, "SELECT folder FROM models WHERE id = ?", "i", model));
    BCL_TRY(bcl_sql_next(&row, store, s));
    BCL_TRY(bcl_strdup(folder, row ? bcl_sql_text(s, 0) : ""));
    bcl_sql_end(s);
    if (!bcl_path_is_directory(*folder))
        status = bcl_fail(BCL_ERROR_IO, "%s: its folder %s is gone", text, *folder);
out:
    if (status) {
        free(*folder);
        *folder = NULL;
    }
    bcl_store_close(store);
    return status;
}

void bcl_store_use_names(void) {
    bcl_hub_set_names(bcl_store_model_folder);
}
