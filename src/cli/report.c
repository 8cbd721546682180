/* bertcl report: the page of one run or of several. */
#include "cli/store_command.h"

typedef struct report_options {
    bcl_list runs;
    const char *out;
} report_options;

typedef struct folders {
    char **items;
    size_t count, capacity;
} folders;

static bcl_status add(folders *f, const char *folder) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_grow(&f->items, &f->capacity, f->count + 1, sizeof *f->items));
    BCL_TRY(bcl_strdup(&f->items[f->count], folder));
    f->count++;
out:
    return status;
}

/* A run's folder by any of its names; of the run of several seeds those of its runs. */
static bcl_status add_named(folders *f, bcl_store *store, const char *name) {
    bcl_status status = BCL_OK;
    cJSON *json = NULL;
    const cJSON *member;
    char *record = NULL;
    int64_t run;
    BCL_TRY(bcl_path_join(&record, name, "run.json"));
    if (bcl_path_exists(record)) {
        status = add(f, name);
        goto out;
    }
    BCL_TRY(bcl_store_find_run(&run, store, name));
    BCL_TRY(bcl_store_run(&json, store, run));
    const cJSON *members = cJSON_GetObjectItemCaseSensitive(json, "runs");
    cJSON_ArrayForEach(member, members) BCL_TRY(add(f, bcl_json_word(member, "folder")));
    if (!members)
        BCL_TRY(add(f, bcl_json_word(json, "folder")));
out:
    cJSON_Delete(json);
    free(record);
    return status;
}

static bcl_status work(bcl_store *store, void *context) {
    const report_options *o = context;
    bcl_status status = BCL_OK;
    folders f = {0};
    for (size_t i = 0; i < o->runs.count; i++)
        BCL_TRY(add_named(&f, store, o->runs.items[i]));
    BCL_TRY(bcl_page_write(store, (const char *const *)f.items, f.count, o->out));
    printf("report: %s\n", o->out);
out:
    bcl_strings_free(f.items, f.count);
    return status;
}

/* Without a store, from folders alone. */
static bcl_status without_store(const report_options *o) {
    bcl_status status = bcl_page_write(NULL, o->runs.items, o->runs.count, o->out);
    if (!status)
        printf("report: %s\n", o->out);
    return status;
}

int bcl_cli_report(int argc, char **argv) {
    static const bcl_command command = {
        "report", "RUN… [-o FILE.html]",
        "Writes one HTML page about a run, or about several side by side.",
        "RUN is an id, a name or a folder; that of train --seeds stands for its runs. The page "
        "holds all that it shows: no scripts, nothing "
        "from elsewhere; it is light or dark as the browser is set, and prints well. One run: "
        "results, curves, report, entities, confusion matrix, errors, data, devices, settings, "
        "lineage. Several: curves over one another and tables of differences."};
    report_options o = {.out = "report.html"};
    bcl_status status = BCL_OK;
    const bcl_option options[] = {
        {BCL_OPTION_LIST, NULL, &o.runs, "RUN…", "which", .min = 0},
        {BCL_OPTION_TEXT, "out", &o.out, "FILE", "the page (-o FILE); default report.html",
         .min = 0},
        {.kind = BCL_OPTION_END},
    };
    for (int i = 1; i < argc; i++) /* -o is what people write */
        if (!strcmp(argv[i], "-o"))
            argv[i] = (char *)"--out";
    int code = bcl_options_parse(&command, options, argc, argv, 1);
    if (code < 0 && !o.runs.count)
        code = bcl_cli_usage(&command, "expected at least one run");
    if (code < 0) {
        status = bcl_store_enabled() ? bcl_cli_with_store(work, &o, false) : without_store(&o);
        code = status ? bcl_cli_error(status) : BCL_EXIT_OK;
    }
    bcl_list_free(&o.runs);
    return code;
}
