/* The parts of JSON that several actions of `bertcl data` write. */
#include "cli/data_command.h"

bcl_status data_put(cJSON *to, const char *key, cJSON *item) {
    if (item && (key ? cJSON_AddItemToObject(to, key, item) : cJSON_AddItemToArray(to, item)))
        return BCL_OK;
    cJSON_Delete(item);
    return bcl_fail(BCL_ERROR_MEMORY, "out of memory while building JSON");
}

bcl_status data_put_number(cJSON *to, const char *key, double x) {
    return data_put(to, key, cJSON_CreateNumber(x));
}

bcl_status data_put_text(cJSON *to, const char *key, const char *text) {
    return data_put(to, key, cJSON_CreateString(text));
}

int data_compare_ranked(const void *a, const void *b) {
    const data_ranked *x = a, *y = b;
    if (x->value != y->value)
        return x->value > y->value ? -1 : 1;
    return x->i < y->i ? -1 : x->i > y->i;
}

bcl_status data_put_tags(cJSON *to, const char *key, const bcl_corpus *c, bool raw) {
    bcl_status status = BCL_OK;
    cJSON *tags = cJSON_CreateObject();
    data_ranked *order = NULL;
    size_t n = raw ? bcl_corpus_raw_tag_count(c) : bcl_corpus_tag_count(c);
    BCL_TRY(data_put(to, key, tags));
    BCL_NEW(order, n);
    for (size_t i = 0; i < n; i++)
        order[i] =
            (data_ranked){raw ? bcl_corpus_raw_tag_total(c, i) : bcl_corpus_tag_total(c, i), i};
    qsort(order, n, sizeof *order, data_compare_ranked);
    for (size_t i = 0; i < n; i++)
        BCL_TRY(data_put_number(
            tags, raw ? bcl_corpus_raw_tag(c, order[i].i) : bcl_corpus_tag(c, order[i].i),
            (double)order[i].value));
out:
    free(order);
    return status;
}

bcl_status data_put_files(cJSON *to, const char *key, const bcl_corpus *c) {
    bcl_status status = BCL_OK;
    cJSON *files = cJSON_CreateArray();
    BCL_TRY(data_put(to, key, files));
    for (size_t i = 0; i < bcl_corpus_file_count(c); i++) {
        cJSON *file = cJSON_CreateObject();
        BCL_TRY(data_put(files, NULL, file));
        BCL_TRY(data_put_text(file, "path", bcl_corpus_file(c, i)));
        BCL_TRY(data_put_number(file, "bytes", (double)bcl_corpus_file_bytes(c, i)));
        BCL_TRY(data_put_number(file, "sentences", (double)bcl_corpus_file_sentences(c, i)));
        BCL_TRY(data_put_text(file, "format", bcl_corpus_file_format(c, i)));
    }
out:
    return status;
}

const char *data_format(const bcl_corpus *c) {
    const char *format = NULL;
    for (size_t i = 0; i < bcl_corpus_file_count(c); i++) {
        const char *now = bcl_corpus_file_format(c, i);
        if (!bcl_corpus_file_sentences(c, i))
            continue;
        if (format && strcmp(format, now))
            return "mixed";
        format = now;
    }
    return format ? format : "no data";
}
