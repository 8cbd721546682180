/* The table of what several devices do, below the progress line. */
#include "cli/progress.h"
#include "cli/terminal.h"

#include <cjson/cJSON.h>

/* Empty where there is no such number. */
static void add_number(bcl_table *t, const cJSON *device, const char *key, double factor,
                       const char *unit) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(device, key);
    if (cJSON_IsNumber(item))
        bcl_table_addf(t, "%.0f%s", item->valuedouble * factor, unit);
    else
        bcl_table_add(t, NULL);
}

static void add_device(bcl_table *t, const cJSON *device) {
    bcl_table_add(t, bcl_json_word(device, "id"));
    if (*bcl_json_word(device, "left_out")) {
        bcl_table_add(t, "left out");
        for (int i = 0; i < 4; i++)
            bcl_table_add(t, NULL);
        return;
    }
    add_number(t, device, "share", 100, " %");
    add_number(t, device, "tokens_per_s", 1, "");
    add_number(t, device, "wait_share", 100, " %");
    add_number(t, device, "communication_share", 100, " %");
    add_number(t, device, "memory_mb", 1, " MiB");
}

bcl_status bcl_progress_table(bcl_string *out, const cJSON *devices) {
    static const char *const heads[] = {"device",  "share",         "tokens/s",
                                        "waiting", "communication", "memory"};
    bcl_status status = BCL_OK;
    bcl_table table = {.align = "lrrrrr"};
    const cJSON *device;
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    if (!f)
        return bcl_fail(BCL_ERROR_MEMORY, "out of memory");
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        bcl_table_add(&table, heads[i]);
    cJSON_ArrayForEach(device, devices) add_device(&table, device);
    status = bcl_table_print(&table, f);
    if (fclose(f) && !status)
        status = bcl_fail(BCL_ERROR_MEMORY, "out of memory");
    if (!status)
        status = bcl_string_add(out, text, size);
    free(text);
    return status;
}
