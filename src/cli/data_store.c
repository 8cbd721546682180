/* bertcl data list|show|diff: the store's datasets. */
#include "cli/data_store.h"
#include "cli/store_command.h"

/* ---- list ---- */

static bcl_status list_work(bcl_store *store, void *context) {
    static const char *const titles[] = {"NAME",  ">VERSION", ">SENTENCES", ">WORDS",     ">FILES",
                                         ">RUNS", "CREATED",  "SHA-256",    "DESCRIPTION"};
    const bcl_cli_store_words *o = context;
    bcl_status status = BCL_OK;
    bcl_cli_table t = {0};
    cJSON *list = NULL;
    const cJSON *d;
    char time[32];
    BCL_TRY(bcl_store_datasets(&list, store, o->words.count ? o->words.items[0] : NULL));
    if (o->json) {
        BCL_TRY(bcl_cli_print_json(list));
        goto out;
    }
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        BCL_TRY(bcl_cli_table_column(&t, titles[i]));
    cJSON_ArrayForEach(d, list) {
        static const char *const numbers[] = {"version", "sentences", "words", "files", "runs"};
        BCL_TRY(bcl_cli_table_add(&t, "%s", bcl_json_word(d, "name")));
        for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
            BCL_TRY(bcl_cli_table_add(&t, "%.0f", bcl_json_number(d, numbers[i], 0)));
        BCL_TRY(bcl_cli_table_add(&t, "%s", bcl_cli_time(time, bcl_json_number(d, "created", 0))));
        BCL_TRY(bcl_cli_table_add(&t, "%.12s", bcl_json_word(d, "sha256")));
        BCL_TRY(bcl_cli_table_add(&t, "%s", bcl_json_word(d, "description")));
    }
    if (t.cell_count)
        BCL_TRY(bcl_cli_table_print(&t));
    else
        fputs("no datasets\n", stderr);
out:
    bcl_cli_table_free(&t);
    cJSON_Delete(list);
    return status;
}

/* ---- show ---- */

/* Tags by name with their counts in each of the objects; `differences` adds the last less the
 * first.
 */
static bcl_status print_tags(const char *const *titles, const cJSON *const *counts, size_t count,
                             bool differences) {
    bcl_status status = BCL_OK;
    bcl_cli_table t = {0};
    const cJSON *tag;
    BCL_TRY(bcl_cli_table_column(&t, "TAG"));
    for (size_t i = 0; i < count; i++)
        BCL_TRY(bcl_cli_table_column(&t, titles[i]));
    if (differences)
        BCL_TRY(bcl_cli_table_column(&t, ">DIFFERENCE"));
    for (size_t k = 0; k < count; k++)
        cJSON_ArrayForEach(tag, counts[k]) {
            bool seen = false;
            for (size_t i = 0; i < k; i++)
                seen = seen || cJSON_GetObjectItemCaseSensitive(counts[i], tag->string);
            if (seen)
                continue;
            BCL_TRY(bcl_cli_table_add(&t, "%s", tag->string));
            for (size_t i = 0; i < count; i++)
                BCL_TRY(bcl_cli_table_add(&t, "%.0f", bcl_json_number(counts[i], tag->string, 0)));
            if (differences)
                BCL_TRY(bcl_cli_table_add(&t, "%+.0f",
                                          bcl_json_number(counts[count - 1], tag->string, 0) -
                                              bcl_json_number(counts[0], tag->string, 0)));
        }
    BCL_TRY(bcl_cli_table_print(&t));
out:
    bcl_cli_table_free(&t);
    return status;
}

static bcl_status print_dataset(const cJSON *d) {
    static const char *const titles[] = {">RAW", ">CLEANED"};
    bcl_status status = BCL_OK;
    char time[32];
    const cJSON *item, *files = cJSON_GetObjectItemCaseSensitive(d, "files");
    const cJSON *counts[2] = {cJSON_GetObjectItemCaseSensitive(d, "tags_raw"),
                              cJSON_GetObjectItemCaseSensitive(d, "tags")};
    printf("%-12s %s@%.0f\n", "dataset", bcl_json_word(d, "name"),
           bcl_json_number(d, "version", 0));
    if (*bcl_json_word(d, "description"))
        printf("%-12s %s\n", "description", bcl_json_word(d, "description"));
    if (*bcl_json_word(d, "source"))
        printf("%-12s %s\n", "source", bcl_json_word(d, "source"));
    printf("%-12s %.0f\n%-12s %.0f\n%-12s %s\n%-12s %s\n", "sentences",
           bcl_json_number(d, "sentences", 0), "words", bcl_json_number(d, "words", 0), "created",
           bcl_cli_time(time, bcl_json_number(d, "created", 0)), "sha256",
           bcl_json_word(d, "sha256"));
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(d, "parents"))
        printf("%-12s %s@%.0f\n", "made from", bcl_json_word(item, "name"),
               bcl_json_number(item, "version", 0));
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(d, "used_by"))
        printf("%-12s %s %s (%s)\n", "used by", bcl_json_word(item, "id"),
               bcl_json_word(item, "name"), bcl_json_word(item, "role"));
    if (cJSON_GetArraySize(counts[0]) + cJSON_GetArraySize(counts[1])) {
        putchar('\n');
        BCL_TRY(print_tags(titles, counts, 2, false));
    }
    printf("\n%d files\n", cJSON_GetArraySize(files));
    cJSON_ArrayForEach(item, files)
        printf("  %.12s  %10.0f  %s\n", bcl_json_word(item, "sha256"),
               bcl_json_number(item, "bytes", 0), bcl_json_word(item, "path"));
out:
    return status;
}

static bcl_status show_work(bcl_store *store, void *context) {
    const bcl_cli_store_words *o = context;
    bcl_status status = BCL_OK;
    cJSON *json = NULL;
    int64_t id;
    BCL_TRY(bcl_store_find_dataset(&id, store, o->words.items[0]));
    BCL_TRY(bcl_store_dataset(&json, store, id));
    if (!o->json)
        BCL_TRY(bcl_cli_make_printable(json));
    BCL_TRY(o->json ? bcl_cli_print_json(json) : print_dataset(json));
out:
    cJSON_Delete(json);
    return status;
}

/* ---- diff ---- */

static const cJSON *find_file(const cJSON *files, const char *key, const char *value) {
    const cJSON *file;
    cJSON_ArrayForEach(file, files) if (!strcmp(bcl_json_word(file, key), value)) return file;
    return NULL;
}

/* {"same", "changed", "moved", "removed", "added"}: lists of paths. */
static cJSON *compare_files(const cJSON *a, const cJSON *b) {
    cJSON *out = cJSON_CreateObject(), *changed, *moved, *removed, *added;
    const cJSON *file;
    double same = 0;
    changed = cJSON_AddArrayToObject(out, "changed");
    moved = cJSON_AddArrayToObject(out, "moved");
    removed = cJSON_AddArrayToObject(out, "removed");
    added = cJSON_AddArrayToObject(out, "added");
    cJSON_ArrayForEach(file, a) {
        const char *path = bcl_json_word(file, "path"), *sum = bcl_json_word(file, "sha256");
        const cJSON *other = find_file(b, "path", path);
        if (other && !strcmp(bcl_json_word(other, "sha256"), sum))
            same++;
        else
            cJSON_AddItemToArray(other                         ? changed
                                 : find_file(b, "sha256", sum) ? moved
                                                               : removed,
                                 cJSON_CreateString(path));
    }
    cJSON_ArrayForEach(file, b) {
        if (!find_file(a, "path", bcl_json_word(file, "path")) &&
            !find_file(a, "sha256", bcl_json_word(file, "sha256")))
            cJSON_AddItemToArray(added, cJSON_CreateString(bcl_json_word(file, "path")));
    }
    cJSON_AddNumberToObject(out, "same", same);
    return out;
}

static bcl_status print_diff(const cJSON *a, const cJSON *b, const cJSON *files,
                             const char *const *names) {
    static const char *const kinds[] = {"changed", "moved", "removed", "added"};
    bcl_status status = BCL_OK;
    char titles[2][80];
    const char *const pointers[2] = {titles[0], titles[1]};
    const cJSON *path, *sets[2] = {a, b}, *counts[2];
    snprintf(titles[0], sizeof titles[0], ">%.70s", names[0]);
    snprintf(titles[1], sizeof titles[1], ">%.70s", names[1]);
    for (int i = 0; i < 2; i++)
        printf("%s@%.0f: %.0f sentences, %.0f words, %s\n", bcl_json_word(sets[i], "name"),
               bcl_json_number(sets[i], "version", 0), bcl_json_number(sets[i], "sentences", 0),
               bcl_json_number(sets[i], "words", 0), bcl_json_word(sets[i], "sha256"));
    for (int raw = 1; raw >= 0; raw--) {
        for (int i = 0; i < 2; i++)
            counts[i] = cJSON_GetObjectItemCaseSensitive(sets[i], raw ? "tags_raw" : "tags");
        printf("\n%s tags\n", raw ? "raw" : "cleaned");
        BCL_TRY(print_tags(pointers, counts, 2, true));
    }
    printf("\nfiles: %.0f the same\n", bcl_json_number(files, "same", 0));
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        cJSON_ArrayForEach(path, cJSON_GetObjectItemCaseSensitive(files, kinds[i]))
            printf("  %-8s %s\n", kinds[i], path->valuestring);
out:
    return status;
}

static bcl_status diff_work(bcl_store *store, void *context) {
    const bcl_cli_store_words *o = context;
    bcl_status status = BCL_OK;
    cJSON *sets[2] = {NULL, NULL}, *files = NULL, *json = NULL;
    for (int i = 0; i < 2; i++) {
        int64_t id;
        BCL_TRY(bcl_store_find_dataset(&id, store, o->words.items[i]));
        BCL_TRY(bcl_store_dataset(&sets[i], store, id));
    }
    files = compare_files(cJSON_GetObjectItemCaseSensitive(sets[0], "files"),
                          cJSON_GetObjectItemCaseSensitive(sets[1], "files"));
    if (o->json) {
        json = cJSON_CreateObject();
        cJSON_AddItemReferenceToObject(json, "first", sets[0]);
        cJSON_AddItemReferenceToObject(json, "second", sets[1]);
        cJSON_AddItemReferenceToObject(json, "files", files);
        BCL_TRY(bcl_cli_print_json(json));
    } else {
        for (int i = 0; i < 2; i++)
            BCL_TRY(bcl_cli_make_printable(sets[i]));
        BCL_TRY(bcl_cli_make_printable(files));
        BCL_TRY(print_diff(sets[0], sets[1], files, o->words.items));
    }
out:
    cJSON_Delete(json);
    cJSON_Delete(files);
    cJSON_Delete(sets[0]);
    cJSON_Delete(sets[1]);
    return status;
}

/* ---- registering ---- */

/* The new folder's files with the counters of what they were made from. */
static bcl_status record_prepared(cJSON **out, bcl_store *store, const data_options *o,
                                  const data_set *d, const data_about *about) {
    static const bcl_reading plain = {.map_preset = "none"};
    bcl_status status = BCL_OK;
    bcl_corpus *corpus = NULL;
    bcl_tag_map *map = NULL;
    cJSON *parent = NULL;
    const char *paths[2] = {NULL, NULL};
    char *train = NULL, *test = NULL, *name = NULL;
    BCL_TRY(bcl_path_join(&train, o->out, "train.conll"));
    BCL_TRY(bcl_path_join(&test, o->out, "test.conll"));
    paths[0] = train;
    paths[1] = test;
    const bcl_texts files = {paths, bcl_path_exists(test) ? 2 : 1};
    BCL_TRY(bcl_corpora_read(&map, &corpus, &files, 1, &plain, false));
    size_t n = strlen(o->out);
    while (n > 1 && o->out[n - 1] == '/')
        n--;
    BCL_TRY(bcl_format(&name, "%.*s", (int)n, o->out));
    BCL_TRY(bcl_store_dataset_record(
        out, store, corpus,
        &(bcl_dataset_about){.paths = paths,
                             .path_count = files.count,
                             .name = about->name ? about->name : bcl_path_name(name),
                             .description = about->description,
                             .source = about->source}));
    BCL_TRY(bcl_store_dataset_record(&parent, store, d->corpus,
                                     &(bcl_dataset_about){.paths = o->paths.items,
                                                          .path_count = o->paths.count,
                                                          .map = d->map,
                                                          .description = about->description,
                                                          .source = about->source}));
    cJSON_DeleteItemFromObjectCaseSensitive(*out, "tags_raw");
    cJSON_AddItemToObject(
        *out, "tags_raw",
        cJSON_Duplicate(cJSON_GetObjectItemCaseSensitive(parent, "tags_raw"), true));
    cJSON_AddItemToArray(cJSON_AddArrayToObject(*out, "parents"), parent);
out:
    bcl_corpus_free(corpus);
    bcl_tag_map_free(map);
    free(train);
    free(test);
    free(name);
    return status;
}

void data_register(const data_options *o, const data_set *d, const data_about *about) {
    bcl_status status = BCL_OK;
    bcl_store *store = NULL;
    cJSON *record = NULL, *json = NULL;
    int64_t id;
    if (!bcl_store_enabled())
        return;
    BCL_TRY(bcl_cli_store_open(&store, true));
    BCL_TRY(record_prepared(&record, store, o, d, about));
    BCL_TRY(bcl_store_add_dataset(store, record, &id));
    BCL_TRY(bcl_store_dataset(&json, store, id));
    printf("registered as %s@%.0f\n", bcl_json_word(json, "name"),
           bcl_json_number(json, "version", 0));
out:
    if (status)
        fprintf(stderr, "bertcl: store: %s; the dataset is not registered\n", bcl_message());
    cJSON_Delete(record);
    cJSON_Delete(json);
    bcl_store_close(store);
}

/* ---- */

int bcl_cli_data_list(int argc, char **argv) {
    static const bcl_cli_store_action action = {
        .command = {"data list", "[NAME] [OPTION…]",
                    "The datasets that the store knows, newest versions first.",
                    "bertcl data prepare and train register what they read and write. Identical "
                    "files are one version."},
        .work = list_work,
        .most = 1};
    return bcl_cli_store_act_on_words(&action, "[NAME]", argc, argv);
}

int bcl_cli_data_show(int argc, char **argv) {
    static const bcl_cli_store_action action = {
        .command = {"data show", "NAME[@VERSION] [OPTION…]",
                    "One dataset: sentences, words, both counters of tags, files, what it was made "
                    "from and who used it.",
                    NULL},
        .work = show_work,
        .least = 1,
        .most = 1};
    return bcl_cli_store_act_on_words(&action, "NAME[@VERSION]", argc, argv);
}

int bcl_cli_data_diff(int argc, char **argv) {
    static const bcl_cli_store_action action = {
        .command = {"data diff", "NAME[@VERSION] NAME[@VERSION] [OPTION…]",
                    "Two datasets: counts of tags, and files that differ.", NULL},
        .work = diff_work,
        .least = 2,
        .most = 2};
    return bcl_cli_store_act_on_words(&action, "NAME[@VERSION] NAME[@VERSION]", argc, argv);
}
