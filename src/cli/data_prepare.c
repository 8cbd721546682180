/* bertcl data prepare: a corpus, cleaned and split, as a folder. */
#include "cli/data_command.h"
#include "cli/data_store.h"
#include "util/printable.h"

static const bcl_command command = {
    "data prepare", "PATH… --out DIR [OPTION…]",
    "Cleans, maps and splits a corpus into train.conll, test.conll, labels.txt and prepare.json.",
    "The split is that of pandas' sample(frac=X, random_state=N). With --test nothing is drawn."};

static int compare_texts(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The corpus' tags by name, to free(). */
static bcl_status sort_tags(const char ***out, const bcl_corpus *c) {
    bcl_status status = BCL_OK;
    const size_t n = bcl_corpus_tag_count(c);
    BCL_NEW(*out, n);
    for (size_t i = 0; i < n; i++)
        (*out)[i] = bcl_corpus_tag(c, i);
    qsort(*out, n, sizeof **out, compare_texts);
out:
    return status;
}

/* Tags of the corpus, then those that only the test data have. */
static bcl_status list_labels(bcl_string *text, cJSON *json, const data_set *d) {
    bcl_status status = BCL_OK;
    cJSON *labels = cJSON_CreateArray();
    const char **known = NULL;
    const size_t known_count = bcl_corpus_tag_count(d->corpus);
    BCL_TRY(data_put(json, "labels", labels));
    BCL_TRY(sort_tags(&known, d->corpus));
    for (int part = 0; part < (d->other ? 2 : 1); part++) {
        const bcl_corpus *c = part ? d->other : d->corpus;
        for (size_t i = 0; i < bcl_corpus_tag_count(c); i++) {
            const char *tag = bcl_corpus_tag(c, i);
            if (part && bsearch(&tag, known, known_count, sizeof *known, compare_texts))
                continue;
            BCL_TRY(bcl_string_addf(text, "%s\n", tag));
            BCL_TRY(data_put_text(labels, NULL, tag));
        }
    }
out:
    free(known);
    return status;
}

/* {raw tag: what it became} for the tags that occur and changed. */
static bcl_status put_mapped(cJSON *to, const data_set *d) {
    bcl_status status = BCL_OK;
    cJSON *mapped = cJSON_CreateObject();
    BCL_TRY(data_put(to, "mapped", mapped));
    for (int part = 0; part < (d->other ? 2 : 1); part++) {
        const bcl_corpus *c = part ? d->other : d->corpus;
        for (size_t i = 0; i < bcl_corpus_raw_tag_count(c); i++) {
            const char *raw = bcl_corpus_raw_tag(c, i), *tag = bcl_tag_map_find(d->map, raw);
            if (strcmp(raw, tag) && !cJSON_GetObjectItemCaseSensitive(mapped, raw))
                BCL_TRY(data_put_text(mapped, raw, tag));
        }
    }
out:
    return status;
}

static bcl_status put_prepared(cJSON *to, const data_options *o, const data_set *d) {
    bcl_status status = BCL_OK;
    size_t n = bcl_corpus_size(d->corpus);
    BCL_TRY(data_put_number(to, "version", 1));
    BCL_TRY(data_put_files(to, "sources", d->corpus));
    if (d->other)
        BCL_TRY(data_put_files(to, "test_sources", d->other));
    BCL_TRY(data_put_number(to, "train_sentences", (double)(d->other ? n : d->train_count)));
    BCL_TRY(data_put_number(to, "test_sentences",
                            (double)(d->other ? bcl_corpus_size(d->other) : d->test_count)));
    if (!d->other) {
        BCL_TRY(data_put_number(to, "split", o->split));
        BCL_TRY(data_put_number(to, "split_seed", (double)o->seed));
    }
    BCL_TRY(data_put_tags(to, "tags_raw", d->corpus, true));
    BCL_TRY(data_put_tags(to, "tags", d->corpus, false));
    BCL_TRY(put_mapped(to, d));
out:
    return status;
}

static bcl_status write_part(const char *at, const char *name, const bcl_corpus *corpus,
                             const uint32_t *rows, size_t count) {
    bcl_status status = BCL_OK;
    char *path = NULL;
    BCL_TRY(bcl_path_join(&path, at, name));
    BCL_TRY(bcl_corpus_write(path, corpus, rows, count));
out:
    free(path);
    return status;
}

/* Fills the folder `at`, which becomes --out when it is complete. */
static bcl_status write_folder(const char *at, const data_options *o, const data_set *d) {
    bcl_status status = BCL_OK;
    char *labels_path = NULL, *json_path = NULL;
    bcl_string labels = {0};
    cJSON *json = cJSON_CreateObject();
    const bcl_corpus *test = d->other ? d->other : d->corpus;
    size_t train_count = d->other ? bcl_corpus_size(d->corpus) : d->train_count;
    size_t test_count = d->other ? bcl_corpus_size(d->other) : d->test_count;
    if (!json)
        BCL_FAIL(BCL_ERROR_MEMORY, "out of memory while building JSON");
    BCL_TRY(put_prepared(json, o, d));
    BCL_TRY(list_labels(&labels, json, d));
    BCL_TRY(bcl_directory_create(at));
    BCL_TRY(write_part(at, "train.conll", d->corpus, d->train, train_count));
    if (test_count)
        BCL_TRY(write_part(at, "test.conll", test, d->test, test_count));
    BCL_TRY(bcl_path_join(&labels_path, at, "labels.txt"));
    BCL_TRY(bcl_file_write(labels_path, labels.data, labels.size));
    BCL_TRY(bcl_path_join(&json_path, at, "prepare.json"));
    BCL_TRY(bcl_json_write(json, json_path));
out:
    free(labels_path);
    free(json_path);
    bcl_string_free(&labels);
    cJSON_Delete(json);
    return status;
}

int data_run_prepare(int argc, char **argv) {
    bcl_status status = BCL_OK;
    data_options o = {0};
    data_set d = {0};
    data_about about = {0};
    const bcl_option options[] = {
        DATA_OPTIONS(&o),
        DATA_SPLIT_OPTIONS(&o),
        {BCL_OPTION_TEXT, "out", &o.out, "DIR", "the new folder", .min = 0},
        {BCL_OPTION_GROUP, .help = "In the store (see bertcl data list)"},
        {BCL_OPTION_TEXT, "name", &about.name, "NAME", "of the dataset; default: the folder's",
         .min = 0},
        {BCL_OPTION_TEXT, "description", &about.description, "TEXT", "what it is", .min = 0},
        {BCL_OPTION_TEXT, "source", &about.source, "TEXT",
         "where it comes from, such as an address; default: the PATH", .min = 0},
        {.kind = BCL_OPTION_END},
    };
    int code = data_parse(&o, &command, options, argc, argv);
    if (code < 0 && (!o.out || !*o.out))
        code = bcl_cli_usage(&command, "--out DIR is needed");
    if (code >= 0)
        goto out;
    if (bcl_path_exists(o.out))
        BCL_FAIL(BCL_ERROR_EXISTS, "%s: exists; name a new folder with --out or remove it", o.out);
    BCL_TRY(data_load(&d, &o, !o.test_given, false));
    BCL_TRY(data_write_new(&o, &d, write_folder));
    bcl_printable_put(stdout, o.out, strlen(o.out));
    printf(": %zu sentences for training, %zu for testing\n",
           d.other ? bcl_corpus_size(d.corpus) : d.train_count,
           d.other ? bcl_corpus_size(d.other) : d.test_count);
    data_register(&o, &d, &about);
out:
    data_free(&o, &d);
    return status ? bcl_cli_error(status) : code > 0 ? code : BCL_EXIT_OK;
}
