/* A dataset's record: files by SHA-256, sentences, words, tags raw and cleaned, lengths. */
#include "track/tracker.h"

#include <bertcl/data.h>
#include <math.h>

#include "data/data.h"
#include "util/checksum.h"

/* ---- a name from paths ---- */

/* "corpus/un-ner/" is un-ner, "a/b.conll" is b; several are their common folder's name, or the
 * first one's. */
static bcl_status name_of(char **out, const char *const *paths, size_t count) {
    bcl_status status = BCL_OK;
    char *real = realpath(paths[0], NULL), *text = NULL;
    BCL_TRY(bcl_strdup(&text, real                              ? real
                              : bcl_is_standard_input(paths[0]) ? "standard-input"
                                                                : paths[0]));
    if (count > 1) {
        size_t common = strlen(text);
        for (size_t i = 1; i < count; i++) {
            char *other = realpath(paths[i], NULL);
            size_t n = 0;
            while (other && n < common && other[n] == text[n])
                n++;
            common = other ? n : common;
            free(other);
        }
        while (common > 0 && text[common - 1] != '/')
            common--;
        if (common > 1)
            text[common - 1] = 0;
    }
    const char *name = bcl_path_name(text);
    const char *dot = strrchr(name, '.');
    const size_t n = dot && dot > name && count == 1 ? (size_t)(dot - name) : strlen(name);
    BCL_TRY(bcl_format(out, "%.*s", n ? (int)n : 4, n ? name : "data"));
out:
    free(real);
    free(text);
    return status;
}

/* ---- counts ---- */

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

/* {tag: words}, the most frequent first. */
static bcl_status add_tags(cJSON *record, const char *key, const bcl_corpus *c, bool raw) {
    bcl_status status = BCL_OK;
    ranked *order = NULL;
    const size_t n = raw ? bcl_corpus_raw_tag_count(c) : bcl_corpus_tag_count(c);
    cJSON *tags = cJSON_AddObjectToObject(record, key);
    BCL_NEW(order, n);
    for (size_t i = 0; i < n; i++)
        order[i] = (ranked){raw ? bcl_corpus_raw_tag_total(c, i) : bcl_corpus_tag_total(c, i), i};
    if (n)
        qsort(order, n, sizeof *order, compare_ranked);
    for (size_t i = 0; i < n; i++)
        cJSON_AddNumberToObject(
            tags, raw ? bcl_corpus_raw_tag(c, order[i].i) : bcl_corpus_tag(c, order[i].i),
            (double)order[i].value);
out:
    free(order);
    return status;
}

/* Sentences of 1, 2, 3-4, 5-8, … words, as bertcl data stats counts them. */
static void add_lengths(cJSON *record, const bcl_corpus *c) {
    size_t bins[64] = {0}, last = 0;
    for (size_t i = 0; i < bcl_corpus_size(c); i++) {
        const size_t size = bcl_corpus_sentence(c, i).size;
        size_t bin = 0;
        while (bin < 63 && size > (size_t)1 << bin)
            bin++;
        bins[bin]++;
        last = bin > last ? bin : last;
    }
    cJSON *histogram =
        cJSON_AddArrayToObject(cJSON_AddObjectToObject(record, "lengths"), "histogram");
    for (size_t i = 0; i <= last; i++) {
        cJSON *bin = cJSON_CreateObject();
        cJSON_AddNumberToObject(bin, "from", i ? (double)((size_t)1 << (i - 1)) + 1 : 1);
        cJSON_AddNumberToObject(bin, "to", (double)((size_t)1 << i));
        cJSON_AddNumberToObject(bin, "sentences", (double)bins[i]);
        cJSON_AddItemToArray(histogram, bin);
    }
}

/* ---- files ---- */

static bool has_standard_input(const bcl_dataset_about *about) {
    for (size_t i = 0; i < about->path_count; i++)
        if (bcl_is_standard_input(about->paths[i]))
            return true;
    return false;
}

/* Of a file of the corpus, which may be what came from standard input. */
static bcl_status hash_file(char text[65], bcl_store *store, const char *path,
                            const bcl_dataset_about *about) {
    bcl_status status = BCL_OK;
    char *data = NULL;
    size_t size;
    if (strcmp(path, BCL_STANDARD_INPUT) != 0 || !has_standard_input(about))
        return store ? bcl_store_hash(text, store, path) : bcl_sha256_file(text, path);
    BCL_TRY(bcl_standard_input_read(&data, &size, UINT64_MAX));
    bcl_sha256(text, data, size);
out:
    free(data);
    return status;
}

/* The whole's SHA-256 is that of the files' in their order, and of the tags that were read as
 * others: the same files with another map are another dataset. */
static bcl_status add_files(cJSON *record, bcl_store *store, const bcl_corpus *c,
                            const bcl_dataset_about *about) {
    bcl_status status = BCL_OK;
    const bcl_tag_map *map = about->map;
    bcl_checksum sum;
    char text[65];
    cJSON *files = cJSON_AddArrayToObject(record, "files");
    bcl_checksum_begin(&sum, false);
    for (size_t i = 0; i < bcl_corpus_file_count(c); i++) {
        const char *path = bcl_corpus_file(c, i);
        char *real = realpath(path, NULL);
        status = hash_file(text, store, real ? real : path, about);
        cJSON *file = cJSON_CreateObject();
        cJSON_AddItemToArray(files, file);
        cJSON_AddStringToObject(file, "path", real ? real : path);
        free(real);
        BCL_TRY(status);
        cJSON_AddStringToObject(file, "sha256", text);
        cJSON_AddNumberToObject(file, "bytes", (double)bcl_corpus_file_bytes(c, i));
        cJSON_AddNumberToObject(file, "sentences", (double)bcl_corpus_file_sentences(c, i));
        bcl_checksum_add(&sum, text, 64);
    }
    for (size_t i = 0; i < bcl_corpus_raw_tag_count(c); i++) {
        const char *raw = bcl_corpus_raw_tag(c, i), *tag = bcl_tag_map_find(map, raw);
        if (strcmp(raw, tag)) {
            bcl_checksum_add(&sum, raw, strlen(raw) + 1);
            bcl_checksum_add(&sum, tag, strlen(tag) + 1);
        }
    }
    bcl_checksum_end(&sum, text);
    if (!cJSON_AddStringToObject(record, "sha256", text))
        BCL_FAIL(BCL_ERROR_MEMORY, "out of memory while building JSON");
out:
    return status;
}

bcl_status bcl_store_dataset_record(cJSON **out, bcl_store *store, const bcl_corpus *corpus,
                                    const bcl_dataset_about *about) {
    bcl_status status = BCL_OK;
    char *name = NULL, *real = NULL;
    cJSON *record = cJSON_CreateObject();
    *out = NULL;
    if (about->name)
        BCL_TRY(bcl_strdup(&name, about->name));
    else
        BCL_TRY(name_of(&name, about->paths, about->path_count));
    if (about->role)
        cJSON_AddStringToObject(record, "role", about->role);
    cJSON_AddStringToObject(record, "name", name);
    if (about->description)
        cJSON_AddStringToObject(record, "description", about->description);
    if (about->source)
        cJSON_AddStringToObject(record, "source", about->source);
    real = realpath(about->paths[0], NULL);
    cJSON_AddStringToObject(record, "path", real ? real : bcl_data_name(about->paths[0]));
    cJSON_AddNumberToObject(record, "created", floor(bcl_unix_time() * 1000) / 1000);
    cJSON_AddNumberToObject(record, "sentences", (double)bcl_corpus_size(corpus));
    cJSON_AddNumberToObject(record, "words", (double)bcl_corpus_tokens(corpus));
    BCL_TRY(add_tags(record, "tags_raw", corpus, true));
    BCL_TRY(add_tags(record, "tags", corpus, false));
    add_lengths(record, corpus);
    BCL_TRY(add_files(record, store, corpus, about));
    *out = record;
    record = NULL;
out:
    cJSON_Delete(record);
    free(name);
    free(real);
    return status;
}
