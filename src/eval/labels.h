/* Inside eval/: labelled sentences in memory. */
#ifndef BCL_LABELS_H
#define BCL_LABELS_H

#include "data/data.h"

#include <bertcl/scoring.h>

typedef struct bcl_label_span {
    size_t first; /* token */
    size_t line;
    const char *file;
    uint32_t document;
    bool has_words;
} bcl_label_span;

struct bcl_labels {
    bcl_names names;
    int32_t *gold, *pred; /* (tokens) */
    const char **words;   /* (tokens) */
    size_t tokens, gold_capacity, pred_capacity, word_capacity;
    bcl_label_span *sentences; /* (count) */
    size_t count, capacity;
    char **documents;
    size_t document_count, document_capacity;
    bcl_corpus *corpus; /* what words and files point into; NULL: the caller's */
    size_t left_out;
    char **notes; /* (note_count), on how files were read */
    size_t note_count, note_capacity;
};

/* Adds the documents of a corpus, so that a sentence's document has the same number in both. */
bcl_status bcl_labels_corpus_documents(bcl_labels *labels, const bcl_corpus *corpus);

#endif
