/* Inside data/: the corpus in memory and the table of names. Knows nothing of models. */
#ifndef BCL_DATA_H
#define BCL_DATA_H

#include "util/util.h"

#include <bertcl/data.h>

/* Strings, each once, numbered in order of first appearance; found by hash. Zero-initialise. */
typedef struct bcl_names {
    char **items;
    size_t count, capacity;
    uint32_t *slots; /* index + 1, 0: free */
    size_t slot_count;
} bcl_names;
/* The number of a string of `size` bytes, which is added if it is new. */
bcl_status bcl_names_intern(uint32_t *out, bcl_names *names, const char *text, size_t size);
/* Its number, or SIZE_MAX. */
size_t bcl_names_find(const bcl_names *names, const char *text, size_t size);
void bcl_names_free(bcl_names *names);
uint64_t bcl_hash_bytes(const void *data, size_t size, uint64_t seed); /* FNV-1a, mixed */

typedef struct bcl_tag_table {
    bcl_names names;
    uint64_t *totals; /* words that carry the tag */
    size_t *first;    /* the first of them */
    size_t totals_capacity, first_capacity;
} bcl_tag_table;

typedef struct bcl_source {
    char *path;
    char *text; /* the file's bytes; words point into it and end in a NUL there */
    uint64_t bytes;
    size_t sentences, documents;
} bcl_source;

typedef struct bcl_odd_line {
    bcl_odd kind;
    uint32_t file;
    size_t line;
} bcl_odd_line;

typedef struct bcl_span {
    size_t first; /* word */
    size_t line;
    uint32_t file, document;
} bcl_span;

typedef struct bcl_document {
    uint32_t file, number; /* the number in its file, from 0 */
} bcl_document;

struct bcl_corpus {
    bcl_source *files;
    size_t file_count, file_capacity;
    const char **words;
    uint32_t *tags;
    size_t token_count, word_capacity, tag_capacity;
    bcl_span *sentences;
    size_t sentence_count, sentence_capacity;
    bcl_document *documents;
    size_t document_count, document_capacity;
    bcl_tag_table mapped, raw;
    size_t odd_totals[BCL_ODD_COUNT];
    bcl_odd_line *odd;
    size_t odd_count, odd_capacity;
};

#endif
