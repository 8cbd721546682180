/* bertcl data stats: counts what a corpus holds, and prints it. */
#include "cli/data_command.h"
#include "util/printable.h"

static const bcl_command command = {
    "data stats", "PATH… [OPTION…]",
    "Counts what a corpus holds and points at what a person should look at.",
    "A PATH is a file or a folder of files. --test names data whose sentences are looked for in "
    "PATH…; --split or --split-seed looks in the two parts that training would get. Lines that "
    "train and eval refuse are counted and listed; then the exit status is 1."};

static double number(const cJSON *json, const char *key) {
    return cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(json, key));
}

static const char *word(const cJSON *json, const char *key) {
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, key));
}

/* A text of the data or a path, and spaces up to a width. */
static void print_text(const char *text, size_t width) {
    char shown[512];
    bcl_printable(shown, sizeof shown, text);
    const size_t columns = bcl_columns(shown, strlen(shown));
    printf("%s%*s", shown, columns < width ? (int)(width - columns) : 0, "");
}

static int compare_names(const void *a, const void *b) {
    return strcmp((*(const cJSON *const *)a)->string, (*(const cJSON *const *)b)->string);
}

/* The items of an object by name, to free(). */
static bcl_status sort_items(const cJSON ***out, size_t *count, const cJSON *object) {
    bcl_status status = BCL_OK;
    const cJSON *item;
    *count = 0;
    BCL_NEW(*out, (size_t)cJSON_GetArraySize(object));
    cJSON_ArrayForEach(item, object)(*out)[(*count)++] = item;
    if (*count)
        qsort(*out, *count, sizeof **out, compare_names);
out:
    return status;
}

static const cJSON *find_item(const cJSON **sorted, size_t count, const cJSON *item) {
    const cJSON **found = bsearch(&item, sorted, count, sizeof *sorted, compare_names);
    return found ? *found : NULL;
}

/* Every tag before and after mapping; those that come of mapping last. */
static bcl_status print_tags(const cJSON *json) {
    bcl_status status = BCL_OK;
    const cJSON *item, *raw = cJSON_GetObjectItemCaseSensitive(json, "tags_raw");
    const cJSON *tags = cJSON_GetObjectItemCaseSensitive(json, "tags");
    const cJSON **by_raw = NULL, **by_tag = NULL;
    size_t raw_count, tag_count;
    BCL_TRY(sort_items(&by_raw, &raw_count, raw));
    BCL_TRY(sort_items(&by_tag, &tag_count, tags));
    printf("\n%-18s %9s %9s\n", "tag", "raw", "cleaned");
    cJSON_ArrayForEach(item, raw) {
        const cJSON *cleaned = find_item(by_tag, tag_count, item);
        print_text(item->string, 18);
        printf(" %9.0f %9.0f\n", item->valuedouble, cleaned ? cleaned->valuedouble : 0);
    }
    cJSON_ArrayForEach(item, tags) {
        if (find_item(by_raw, raw_count, item))
            continue;
        print_text(item->string, 18);
        printf(" %9d %9.0f\n", 0, item->valuedouble);
    }
out:
    free(by_raw);
    free(by_tag);
    return status;
}

static void print_place(const cJSON *item, const char *file) {
    fputs("  ", stdout);
    print_text(word(item, file), 0);
    printf(":%.0f: ", number(item, "line"));
}

static void print_lengths(const cJSON *json) {
    const cJSON *item, *lengths = cJSON_GetObjectItemCaseSensitive(json, "lengths");
    printf("\nwords a sentence: %.0f to %.0f, mean %.2f, median %.0f, 90 %% within %.0f, 99 %% "
           "within %.0f\n",
           number(lengths, "min"), number(lengths, "max"), number(lengths, "mean"),
           number(lengths, "median"), number(lengths, "p90"), number(lengths, "p99"));
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(lengths, "histogram"))
        printf("%6.0f to %-6.0f %9.0f\n", number(item, "from"), number(item, "to"),
               number(item, "sentences"));
    puts("longest:");
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(json, "longest")) {
        print_place(item, "file");
        printf("%.0f words\n", number(item, "words"));
    }
}

static void print_odd_lines(const cJSON *json) {
    const cJSON *item;
    bool any = false;
    puts("\nodd lines:");
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(json, "odd_line_totals")) {
        if (item->valuedouble > 0)
            printf("  %-30s %6.0f\n", item->string, item->valuedouble);
        any |= item->valuedouble > 0;
    }
    if (!any)
        puts("  none");
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(json, "odd_lines")) {
        if (word(item, "error")) { /* which names the place */
            fputs("  refused: ", stdout);
            print_text(word(item, "error"), 0);
        } else {
            print_place(item, "file");
            fputs(word(item, "what"), stdout);
        }
        putchar('\n');
    }
}

static bcl_status print_stats(const cJSON *json) {
    bcl_status status = BCL_OK;
    const cJSON *item, *files = cJSON_GetObjectItemCaseSensitive(json, "files");
    const char *format = word(json, "format");
    printf("format     %s\n", format);
    if (!strcmp(format, "mixed"))
        cJSON_ArrayForEach(item, files) {
            fputs("  ", stdout);
            print_text(word(item, "path"), 0);
            printf(": %s\n", word(item, "format"));
        }
    printf("files      %9d\nsentences  %9.0f\ntokens     %9.0f\n", cJSON_GetArraySize(files),
           number(json, "sentences"), number(json, "tokens"));
    BCL_TRY(print_tags(json));
    print_lengths(json);
    printf("\nsentences that repeat an earlier one: %.0f, %.0f of them tagged otherwise\n",
           number(json, "duplicates"), number(json, "duplicates_tagged_otherwise"));
    if (cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(json, "overlap")))
        printf("training %.0f, test %.0f sentences; in both: %.0f of the test's, %.0f of them "
               "tagged otherwise\n",
               number(json, "train_sentences"), number(json, "test_sentences"),
               number(json, "overlap"), number(json, "overlap_tagged_otherwise"));
    print_odd_lines(json);
out:
    return status;
}

/* What train and eval would refuse; the report stands on stdout by then. */
static bcl_status tell_refused(const data_set *d) {
    size_t n = bcl_corpus_odd_total(d->corpus, BCL_ODD_REFUSED);
    const bcl_corpus *first = n ? d->corpus : d->other;
    n += d->other ? bcl_corpus_odd_total(d->other, BCL_ODD_REFUSED) : 0;
    for (size_t i = 0; n && i < bcl_corpus_odd_listed(first); i++)
        if (bcl_corpus_odd_error(first, i))
            return bcl_fail(BCL_ERROR_FORMAT, "%s (refused: %zu; train and eval read no such data)",
                            bcl_corpus_odd_error(first, i), n);
    return BCL_OK;
}

int data_run_stats(int argc, char **argv) {
    bcl_status status = BCL_OK;
    data_options o = {0};
    data_set d = {0};
    cJSON *json = NULL;
    char *text = NULL;
    const bcl_option options[] = {
        DATA_OPTIONS(&o),
        DATA_SPLIT_OPTIONS(&o),
        {BCL_OPTION_FLAG, "json", &o.json, NULL, "print JSON", .min = 0},
        {.kind = BCL_OPTION_END},
    };
    int code = data_parse(&o, &command, options, argc, argv);
    if (code >= 0)
        goto out;
    BCL_TRY(data_load(&d, &o, o.split_given || o.seed_given, true));
    if (!(json = cJSON_CreateObject()))
        BCL_FAIL(BCL_ERROR_MEMORY, "out of memory while building JSON");
    BCL_TRY(data_put_stats(json, &d));
    if (!o.json)
        BCL_TRY(print_stats(json));
    if (o.json) {
        BCL_TRY(bcl_json_print(&text, json));
        puts(text);
    }
    BCL_TRY(tell_refused(&d));
out:
    cJSON_free(text);
    cJSON_Delete(json);
    data_free(&o, &d);
    return status ? bcl_cli_error(status) : code > 0 ? code : BCL_EXIT_OK;
}
