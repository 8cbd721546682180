/* bertcl data stats|prepare: counts what a corpus holds; writes it cleaned and split. */
#include "cli/cli.h"
#include "cli/data_store.h"

#include <bertcl/data.h>
#include <cjson/cJSON.h>
#include <unistd.h>

#define LONGEST 5

typedef struct data_options {
    bcl_list paths, test;
    bcl_cli_maps maps;
    const char *out;
    int64_t tag_column, seed;
    double split;
    bool json, split_given, seed_given, test_given;
} data_options;

typedef struct data_set {
    bcl_tag_map *map;
    bcl_corpus *corpus, *other; /* other: of --test, or NULL */
    uint32_t *train, *test;     /* rows of the split, or NULL */
    size_t train_count, test_count;
} data_set;

static const bcl_command stats_command = {
    "data stats", "PATH… [OPTION…]",
    "Counts what a CoNLL-style corpus holds and points at what a person should look at.",
    "A PATH is a file or a folder of files. --test names data whose sentences are looked for in "
    "PATH…; --split or --split-seed looks in the two parts that training would get."};
static const bcl_command prepare_command = {
    "data prepare", "PATH… --out DIR [OPTION…]",
    "Cleans, maps and splits a corpus into train.conll, test.conll, labels.txt and prepare.json.",
    "The split is that of pandas' sample(frac=X, random_state=N). With --test nothing is drawn."};

static int parse(data_options *o, const bcl_command *command, bcl_option own, int argc,
                 char **argv) {
    const bcl_option options[] = {
        {BCL_OPTION_LIST, NULL, &o->paths, "PATH…", "CoNLL files, or folders of them", .min = 0},
        BCL_CLI_MAP_OPTIONS(o->maps),
        {BCL_OPTION_INT, "tag-column", &o->tag_column, "N",
         "the tag's column, from 2; default: the last that is not empty", .min = 2, .max = 1e6},
        {BCL_OPTION_REAL, "split", &o->split, "X",
         "the share of the sentences that is drawn for training; default 0.8", .min = 0, .max = 1,
         .given = &o->split_given},
        {BCL_OPTION_INT, "split-seed", &o->seed, "N", "the seed of that draw; default 200",
         .min = 0, .max = UINT32_MAX, .given = &o->seed_given},
        {BCL_OPTION_LIST, "test", &o->test, "PATH",
         "test data instead of a split; may be given several times", .given = &o->test_given},
        own,
        {.kind = BCL_OPTION_END},
    };
    o->split = 0.8;
    o->seed = 200;
    int code = bcl_options_parse(command, options, argc, argv, 2);
    if (code >= 0)
        return code;
    if (!o->paths.count)
        return bcl_cli_usage(command, "found no PATH, expected files or folders");
    if (o->test_given && (o->split_given || o->seed_given))
        return bcl_cli_usage(command, "--test and --split exclude each other");
    return -1;
}

static void free_all(data_options *o, data_set *d) {
    bcl_list_free(&o->paths);
    bcl_list_free(&o->test);
    bcl_list_free(&o->maps.rules);
    bcl_tag_map_free(d->map);
    bcl_corpus_free(d->corpus);
    bcl_corpus_free(d->other);
    free(d->train);
    free(d->test);
}

/* Reads the corpus and, if there is one, the test data; draws the split if `draw`. */
static bcl_status load(data_set *d, const data_options *o, bool draw) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_cli_map_create(&d->map, &o->maps));
    bcl_corpus_options options = {d->map, (size_t)o->tag_column};
    BCL_TRY(bcl_corpus_read(&d->corpus, o->paths.items, o->paths.count, &options));
    if (o->test_given)
        BCL_TRY(bcl_corpus_read(&d->other, o->test.items, o->test.count, &options));
    if (draw) {
        size_t n = bcl_corpus_size(d->corpus);
        BCL_NEW(d->train, n);
        BCL_NEW(d->test, n);
        BCL_TRY(bcl_split(d->train, &d->train_count, d->test, &d->test_count, n, o->split,
                          (uint32_t)o->seed));
        if (!d->train_count)
            BCL_FAIL(BCL_ERROR_ARGUMENT,
                     "--split: %g of %zu sentences leaves none for training, expected more",
                     o->split, n);
    }
out:
    return status;
}

/* ---- JSON ---- */

/* Adds an item made by cJSON_Create...; cJSON reports a lack of memory by NULL. */
static bcl_status put(cJSON *to, const char *key, cJSON *item) {
    if (item && (key ? cJSON_AddItemToObject(to, key, item) : cJSON_AddItemToArray(to, item)))
        return BCL_OK;
    cJSON_Delete(item);
    return bcl_fail(BCL_ERROR_MEMORY, "out of memory while building JSON");
}

static bcl_status put_number(cJSON *to, const char *key, double x) {
    return put(to, key, cJSON_CreateNumber(x));
}

typedef struct ranked {
    uint64_t value;
    size_t i;
} ranked;

static int compare_ranked(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    if (x->value != y->value)
        return x->value > y->value ? -1 : 1;
    return x->i < y->i ? -1 : x->i > y->i;
}

/* {tag: words}, the most frequent first, equal ones in order of appearance. */
static bcl_status put_tags(cJSON *to, const char *key, const bcl_corpus *c, bool raw) {
    bcl_status status = BCL_OK;
    cJSON *tags = cJSON_CreateObject();
    ranked *order = NULL;
    size_t n = raw ? bcl_corpus_raw_tag_count(c) : bcl_corpus_tag_count(c);
    BCL_TRY(put(to, key, tags));
    BCL_NEW(order, n);
    for (size_t i = 0; i < n; i++)
        order[i] = (ranked){raw ? bcl_corpus_raw_tag_total(c, i) : bcl_corpus_tag_total(c, i), i};
    qsort(order, n, sizeof *order, compare_ranked);
    for (size_t i = 0; i < n; i++)
        BCL_TRY(put_number(tags,
                           raw ? bcl_corpus_raw_tag(c, order[i].i) : bcl_corpus_tag(c, order[i].i),
                           (double)order[i].value));
out:
    free(order);
    return status;
}

static bcl_status put_files(cJSON *to, const char *key, const bcl_corpus *c) {
    bcl_status status = BCL_OK;
    cJSON *files = cJSON_CreateArray();
    BCL_TRY(put(to, key, files));
    for (size_t i = 0; i < bcl_corpus_file_count(c); i++) {
        cJSON *file = cJSON_CreateObject();
        BCL_TRY(put(files, NULL, file));
        BCL_TRY(put(file, "path", cJSON_CreateString(bcl_corpus_file(c, i))));
        BCL_TRY(put_number(file, "bytes", (double)bcl_corpus_file_bytes(c, i)));
        BCL_TRY(put_number(file, "sentences", (double)bcl_corpus_file_sentences(c, i)));
    }
out:
    return status;
}

static bcl_status put_odd_lines(cJSON *to, const bcl_corpus *c) {
    bcl_status status = BCL_OK;
    cJSON *lines = cJSON_CreateArray();
    BCL_TRY(put(to, "odd_lines", lines));
    cJSON *totals = cJSON_CreateObject();
    BCL_TRY(put(to, "odd_line_totals", totals));
    for (int kind = 0; kind < BCL_ODD_COUNT; kind++)
        BCL_TRY(put_number(totals, bcl_odd_name((bcl_odd)kind),
                           (double)bcl_corpus_odd_total(c, (bcl_odd)kind)));
    for (size_t i = 0; i < bcl_corpus_odd_listed(c); i++) {
        bcl_odd kind;
        const char *file;
        size_t line;
        bcl_corpus_odd_line(c, i, &kind, &file, &line);
        cJSON *item = cJSON_CreateObject();
        BCL_TRY(put(lines, NULL, item));
        BCL_TRY(put(item, "file", cJSON_CreateString(file)));
        BCL_TRY(put_number(item, "line", (double)line));
        BCL_TRY(put(item, "what", cJSON_CreateString(bcl_odd_name(kind))));
    }
out:
    return status;
}

/* The longest sentences, and how the lengths spread: ranks by the nearest-rank rule, and a
 * histogram over 1, 2, 3-4, 5-8, ... words. */
static bcl_status put_lengths(cJSON *to, const bcl_corpus *c) {
    static const struct {
        const char *name;
        double share;
    } ranks[] = {{"min", 0}, {"median", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"max", 1}};
    bcl_status status = BCL_OK;
    ranked *order = NULL;
    size_t n = bcl_corpus_size(c);
    cJSON *longest = cJSON_CreateArray();
    BCL_TRY(put(to, "longest", longest));
    cJSON *lengths = cJSON_CreateObject();
    BCL_TRY(put(to, "lengths", lengths));
    BCL_NEW(order, n);
    for (size_t i = 0; i < n; i++)
        order[i] = (ranked){bcl_corpus_sentence(c, i).size, i};
    qsort(order, n, sizeof *order, compare_ranked);
    for (size_t i = 0; i < n && i < LONGEST; i++) {
        bcl_sentence s = bcl_corpus_sentence(c, order[i].i);
        cJSON *item = cJSON_CreateObject();
        BCL_TRY(put(longest, NULL, item));
        BCL_TRY(put(item, "file", cJSON_CreateString(s.file)));
        BCL_TRY(put_number(item, "line", (double)s.line));
        BCL_TRY(put_number(item, "words", (double)s.size));
    }
    for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++) {
        size_t rank = (size_t)(ranks[i].share * (double)n + 0.999999);
        BCL_TRY(put_number(lengths, ranks[i].name, (double)order[n - (rank ? rank : 1)].value));
    }
    BCL_TRY(put_number(lengths, "mean", (double)bcl_corpus_tokens(c) / (double)n));
    cJSON *histogram = cJSON_CreateArray();
    BCL_TRY(put(lengths, "histogram", histogram));
    uint64_t from = 1, to_length = 1;
    for (size_t i = n; i; from = to_length + 1, to_length *= 2) {
        size_t before = i;
        while (i && order[i - 1].value <= to_length)
            i--;
        cJSON *item = cJSON_CreateObject();
        BCL_TRY(put(histogram, NULL, item));
        BCL_TRY(put_number(item, "from", (double)from));
        BCL_TRY(put_number(item, "to", (double)to_length));
        BCL_TRY(put_number(item, "sentences", (double)(before - i)));
    }
out:
    free(order);
    return status;
}

static bcl_status put_repeats(cJSON *to, const data_set *d) {
    bcl_status status = BCL_OK;
    bcl_repeats r;
    size_t n = bcl_corpus_size(d->corpus);
    BCL_TRY(bcl_corpus_duplicates(&r, d->corpus, NULL, n));
    BCL_TRY(put_number(to, "duplicates", (double)r.repeated));
    BCL_TRY(put_number(to, "duplicates_tagged_otherwise", (double)r.conflicting));
    if (!d->other && !d->train) {
        BCL_TRY(put(to, "overlap", cJSON_CreateNull()));
        goto out;
    }
    if (d->other)
        BCL_TRY(
            bcl_corpus_overlap(&r, d->corpus, NULL, n, d->other, NULL, bcl_corpus_size(d->other)));
    else
        BCL_TRY(bcl_corpus_overlap(&r, d->corpus, d->train, d->train_count, d->corpus, d->test,
                                   d->test_count));
    BCL_TRY(put_number(to, "overlap", (double)r.repeated));
    BCL_TRY(put_number(to, "overlap_tagged_otherwise", (double)r.conflicting));
    BCL_TRY(put_number(to, "train_sentences", (double)(d->other ? n : d->train_count)));
    BCL_TRY(put_number(to, "test_sentences",
                       (double)(d->other ? bcl_corpus_size(d->other) : d->test_count)));
out:
    return status;
}

static bcl_status put_stats(cJSON *to, const data_set *d) {
    bcl_status status = BCL_OK;
    BCL_TRY(put_files(to, "files", d->corpus));
    BCL_TRY(put_number(to, "sentences", (double)bcl_corpus_size(d->corpus)));
    BCL_TRY(put_number(to, "tokens", (double)bcl_corpus_tokens(d->corpus)));
    BCL_TRY(put_tags(to, "tags_raw", d->corpus, true));
    BCL_TRY(put_tags(to, "tags", d->corpus, false));
    BCL_TRY(put_lengths(to, d->corpus));
    BCL_TRY(put_repeats(to, d));
    BCL_TRY(put_odd_lines(to, d->corpus));
out:
    return status;
}

/* ---- stats as text, from the same JSON, so that the two cannot differ ---- */

static double number(const cJSON *json, const char *key) {
    return cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(json, key));
}

static const char *word(const cJSON *json, const char *key) {
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, key));
}

static void print_stats(const cJSON *json) {
    const cJSON *item, *tags = cJSON_GetObjectItemCaseSensitive(json, "tags");
    const cJSON *lengths = cJSON_GetObjectItemCaseSensitive(json, "lengths");
    printf("files      %9d\nsentences  %9.0f\ntokens     %9.0f\n",
           cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(json, "files")),
           number(json, "sentences"), number(json, "tokens"));
    printf("\n%-18s %9s %9s\n", "tag", "raw", "cleaned");
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(json, "tags_raw")) {
        const cJSON *cleaned = cJSON_GetObjectItemCaseSensitive(tags, item->string);
        printf("%-18s %9.0f %9.0f\n", item->string, item->valuedouble,
               cleaned ? cleaned->valuedouble : 0);
    }
    cJSON_ArrayForEach(item, tags) if (!cJSON_GetObjectItemCaseSensitive(
                                           cJSON_GetObjectItemCaseSensitive(json, "tags_raw"),
                                           item->string))
        printf("%-18s %9d %9.0f\n", item->string, 0, item->valuedouble);
    printf("\nwords a sentence: %.0f to %.0f, mean %.2f, median %.0f, 90 %% within %.0f, 99 %% "
           "within %.0f\n",
           number(lengths, "min"), number(lengths, "max"), number(lengths, "mean"),
           number(lengths, "median"), number(lengths, "p90"), number(lengths, "p99"));
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(lengths, "histogram"))
        printf("%6.0f to %-6.0f %9.0f\n", number(item, "from"), number(item, "to"),
               number(item, "sentences"));
    puts("longest:");
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(json, "longest")) printf(
        "  %s:%.0f: %.0f words\n", word(item, "file"), number(item, "line"), number(item, "words"));
    printf("\nsentences that repeat an earlier one: %.0f, %.0f of them tagged otherwise\n",
           number(json, "duplicates"), number(json, "duplicates_tagged_otherwise"));
    if (cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(json, "overlap")))
        printf("training %.0f, test %.0f sentences; in both: %.0f of the test's, %.0f of them "
               "tagged otherwise\n",
               number(json, "train_sentences"), number(json, "test_sentences"),
               number(json, "overlap"), number(json, "overlap_tagged_otherwise"));
    puts("\nodd lines:");
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(json, "odd_line_totals"))
        printf("  %-30s %6.0f\n", item->string, item->valuedouble);
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(json, "odd_lines"))
        printf("  %s:%.0f: %s\n", word(item, "file"), number(item, "line"), word(item, "what"));
}

static int run_stats(int argc, char **argv) {
    bcl_status status = BCL_OK;
    data_options o = {0};
    data_set d = {0};
    cJSON *json = NULL;
    char *text = NULL;
    bcl_option own = {BCL_OPTION_FLAG, "json", &o.json, NULL, "print JSON", .min = 0};
    int code = parse(&o, &stats_command, own, argc, argv);
    if (code >= 0)
        goto out;
    BCL_TRY(load(&d, &o, o.split_given || o.seed_given));
    if (!(json = cJSON_CreateObject()))
        BCL_FAIL(BCL_ERROR_MEMORY, "out of memory while building JSON");
    BCL_TRY(put_stats(json, &d));
    if (!o.json)
        print_stats(json);
    else if (!bcl_json_print(&text, json))
        puts(text);
    else
        BCL_FAIL(BCL_ERROR_MEMORY, "out of memory while printing JSON");
out:
    cJSON_free(text);
    cJSON_Delete(json);
    free_all(&o, &d);
    return status ? bcl_cli_error(status) : code > 0 ? code : BCL_EXIT_OK;
}

/* ---- prepare ---- */

/* Tags of the corpus, then those that only the test data have. */
static bcl_status list_labels(bcl_string *text, cJSON *json, const data_set *d) {
    bcl_status status = BCL_OK;
    cJSON *labels = cJSON_CreateArray();
    BCL_TRY(put(json, "labels", labels));
    for (int part = 0; part < (d->other ? 2 : 1); part++) {
        const bcl_corpus *c = part ? d->other : d->corpus;
        for (size_t i = 0; i < bcl_corpus_tag_count(c); i++) {
            const char *tag = bcl_corpus_tag(c, i);
            bool known = false;
            for (size_t k = 0; part && k < bcl_corpus_tag_count(d->corpus); k++)
                known = known || !strcmp(tag, bcl_corpus_tag(d->corpus, k));
            if (known)
                continue;
            BCL_TRY(bcl_string_addf(text, "%s\n", tag));
            BCL_TRY(put(labels, NULL, cJSON_CreateString(tag)));
        }
    }
out:
    return status;
}

/* {raw tag: what it became} for the tags that occur and changed. */
static bcl_status put_mapped(cJSON *to, const data_set *d) {
    bcl_status status = BCL_OK;
    cJSON *mapped = cJSON_CreateObject();
    BCL_TRY(put(to, "mapped", mapped));
    for (int part = 0; part < (d->other ? 2 : 1); part++) {
        const bcl_corpus *c = part ? d->other : d->corpus;
        for (size_t i = 0; i < bcl_corpus_raw_tag_count(c); i++) {
            const char *raw = bcl_corpus_raw_tag(c, i), *tag = bcl_tag_map_find(d->map, raw);
            if (strcmp(raw, tag) && !cJSON_GetObjectItemCaseSensitive(mapped, raw))
                BCL_TRY(put(mapped, raw, cJSON_CreateString(tag)));
        }
    }
out:
    return status;
}

static bcl_status put_prepared(cJSON *to, const data_options *o, const data_set *d) {
    bcl_status status = BCL_OK;
    size_t n = bcl_corpus_size(d->corpus);
    BCL_TRY(put_number(to, "version", 1));
    BCL_TRY(put_files(to, "sources", d->corpus));
    if (d->other)
        BCL_TRY(put_files(to, "test_sources", d->other));
    BCL_TRY(put_number(to, "train_sentences", (double)(d->other ? n : d->train_count)));
    BCL_TRY(put_number(to, "test_sentences",
                       (double)(d->other ? bcl_corpus_size(d->other) : d->test_count)));
    if (!d->other) {
        BCL_TRY(put_number(to, "split", o->split));
        BCL_TRY(put_number(to, "split_seed", (double)o->seed));
    }
    BCL_TRY(put_tags(to, "tags_raw", d->corpus, true));
    BCL_TRY(put_tags(to, "tags", d->corpus, false));
    BCL_TRY(put_mapped(to, d));
out:
    return status;
}

/* Fills the folder `at`, which becomes --out when it is complete. */
static bcl_status write_folder(const char *at, const data_options *o, const data_set *d) {
    bcl_status status = BCL_OK;
    char *path = NULL;
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
    BCL_TRY(bcl_path_join(&path, at, "train.conll"));
    BCL_TRY(bcl_corpus_write(path, d->corpus, d->train, train_count));
    free(path);
    path = NULL;
    BCL_TRY(bcl_path_join(&path, at, "test.conll"));
    if (test_count)
        BCL_TRY(bcl_corpus_write(path, test, d->test, test_count));
    free(path);
    path = NULL;
    BCL_TRY(bcl_path_join(&path, at, "labels.txt"));
    BCL_TRY(bcl_file_write(path, labels.data, labels.size));
    free(path);
    path = NULL;
    BCL_TRY(bcl_path_join(&path, at, "prepare.json"));
    BCL_TRY(bcl_json_write(json, path));
    printf("%s: %zu sentences for training, %zu for testing\n", o->out, train_count, test_count);
out:
    free(path);
    bcl_string_free(&labels);
    cJSON_Delete(json);
    return status;
}

static int run_prepare(int argc, char **argv) {
    bcl_status status = BCL_OK;
    data_options o = {0};
    data_set d = {0};
    char *temporary = NULL;
    size_t n = 0;
    bcl_option own = {BCL_OPTION_TEXT, "out", &o.out, "DIR", "the new folder", .min = 0};
    int code = parse(&o, &prepare_command, own, argc, argv);
    if (code < 0 && (!o.out || !*o.out))
        code = bcl_cli_usage(&prepare_command, "--out DIR is needed");
    if (code >= 0)
        goto out;
    if (bcl_path_exists(o.out))
        BCL_FAIL(BCL_ERROR_EXISTS, "%s: exists; name a new folder with --out or remove it", o.out);
    BCL_TRY(load(&d, &o, !o.test_given));
    for (n = strlen(o.out); n > 1 && o.out[n - 1] == '/';)
        n--;
    BCL_TRY(bcl_format(&temporary, "%.*s.tmp.%ld", (int)n, o.out, (long)getpid()));
    BCL_TRY(write_folder(temporary, &o, &d));
    BCL_TRY(bcl_path_rename(temporary, o.out));
out:
    if (status && temporary) {
        char *message = NULL; /* removing must not replace the first error */
        if (!bcl_strdup(&message, bcl_message())) {
            bcl_path_remove(temporary);
            bcl_fail(status, "%s", message);
        }
        free(message);
    }
    free(temporary);
    free_all(&o, &d);
    return status ? bcl_cli_error(status) : code > 0 ? code : BCL_EXIT_OK;
}

int bcl_cli_data(int argc, char **argv) {
    static const bcl_cli_entry actions[] = {
        {"stats", run_stats, "what a corpus holds: sentences, tags, odd lines, duplicates", false},
        {"prepare", run_prepare, "clean, map tags, split, write", false},
        {"list", bcl_cli_data_list, "the datasets that the store knows", false},
        {"show", bcl_cli_data_show, "one of them: counts, files, who used it", false},
        {"diff", bcl_cli_data_diff, "two of them side by side", false},
        {NULL, NULL, NULL, false},
    };
    return bcl_cli_dispatch("data", actions, argc, argv);
}
