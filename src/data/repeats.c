/* Sentences that occur twice: within a corpus, and in training and test data alike. */
#include "data/data.h"

typedef struct entry {
    uint64_t hash;
    size_t order; /* place among the rows */
    uint32_t row;
} entry;

static uint64_t hash_words(bcl_sentence s) {
    uint64_t h = 0;
    for (size_t i = 0; i < s.size; i++) /* with the NUL, so that "a b" is not "ab" */
        h = bcl_hash_bytes(s.words[i], strlen(s.words[i]) + 1, h);
    return h;
}

static bool same_words(bcl_sentence a, bcl_sentence b) {
    if (a.size != b.size)
        return false;
    for (size_t i = 0; i < a.size; i++)
        if (strcmp(a.words[i], b.words[i]))
            return false;
    return true;
}

static bool same_tags(const bcl_corpus *ca, bcl_sentence a, const bcl_corpus *cb, bcl_sentence b) {
    for (size_t i = 0; i < a.size; i++)
        if (strcmp(bcl_corpus_tag(ca, a.tags[i]), bcl_corpus_tag(cb, b.tags[i])))
            return false;
    return true;
}

static int compare_entries(const void *a, const void *b) {
    const entry *x = a, *y = b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static bcl_status index_rows(entry **out, const bcl_corpus *corpus, const uint32_t *rows,
                             size_t count) {
    bcl_status status = BCL_OK;
    entry *list = NULL;
    BCL_NEW(list, count);
    for (size_t i = 0; i < count; i++) {
        uint32_t row = rows ? rows[i] : (uint32_t)i;
        list[i] = (entry){hash_words(bcl_corpus_sentence(corpus, row)), i, row};
    }
    qsort(list, count, sizeof *list, compare_entries);
    *out = list;
out:
    return status;
}

static size_t first_with_hash(const entry *list, size_t count, uint64_t hash) {
    size_t low = 0;
    while (count) {
        size_t half = count / 2;
        if (list[low + half].hash < hash) {
            low += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return low;
}

bcl_status bcl_corpus_duplicates(bcl_repeats *out, const bcl_corpus *corpus, const uint32_t *rows,
                                 size_t count) {
    bcl_status status = BCL_OK;
    entry *list = NULL;
    *out = (bcl_repeats){0};
    BCL_TRY(index_rows(&list, corpus, rows, count));
    size_t start = 0; /* of the run of equal hashes */
    for (size_t i = 1; i < count; i++) {
        if (list[i].hash != list[start].hash) {
            start = i;
            continue;
        }
        bcl_sentence s = bcl_corpus_sentence(corpus, list[i].row);
        for (size_t j = start; j < i; j++) { /* the first that is equal: nearly always the start */
            bcl_sentence earlier = bcl_corpus_sentence(corpus, list[j].row);
            if (!same_words(s, earlier))
                continue;
            out->repeated++;
            out->conflicting += !same_tags(corpus, s, corpus, earlier);
            break;
        }
    }
out:
    free(list);
    return status;
}

bcl_status bcl_corpus_overlap(bcl_repeats *out, const bcl_corpus *train, const uint32_t *train_rows,
                              size_t train_count, const bcl_corpus *test, const uint32_t *test_rows,
                              size_t test_count) {
    bcl_status status = BCL_OK;
    entry *list = NULL;
    *out = (bcl_repeats){0};
    BCL_TRY(index_rows(&list, train, train_rows, train_count));
    for (size_t i = 0; i < test_count; i++) {
        bcl_sentence s = bcl_corpus_sentence(test, test_rows ? test_rows[i] : i);
        uint64_t hash = hash_words(s);
        for (size_t j = first_with_hash(list, train_count, hash);
             j < train_count && list[j].hash == hash; j++) {
            bcl_sentence other = bcl_corpus_sentence(train, list[j].row);
            if (!same_words(s, other))
                continue;
            out->repeated++;
            out->conflicting += !same_tags(test, s, train, other);
            break;
        }
    }
out:
    free(list);
    return status;
}
