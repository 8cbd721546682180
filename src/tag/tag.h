/* Inside tag/: a text on its way through the model, and what becomes of its scores. */
#ifndef BCL_TAG_H
#define BCL_TAG_H

#include "data/scheme.h"
#include "text/text.h"

#include <bertcl/tagger.h>

/* A label as the pipeline's grouping sees it. */
typedef struct bcl_tag {
    const char *label;
    const char *type; /* behind the first '-', else the whole label; what groups are called */
    int group;        /* equal for labels whose text behind "B-" or "I-" is equal */
    bool begins;      /* "B-...", and S and U where the labels' scheme has them */
    bool ends;        /* E, L, S and U there: what follows is another entity */
    bool outside;     /* the label is "O" */
    bool type_outside;
} bcl_tag;

/* A text: encoded, waiting, tagged. Reused for later texts, its arrays only grow. */
typedef struct bcl_waiting {
    struct bcl_waiting *next;
    uint64_t number;
    void *user;
    bcl_string text;
    bcl_encoding encoding; /* of the whole text, [CLS] and [SEP] included */
    size_t begin, end;     /* pieces of the encoding that are tagged */
    float *scores;         /* (end - begin,K) logits, then probabilities */
    size_t scores_capacity;
    size_t windows, windows_left;
    size_t words_cut;
    /* of given words: (word_count + 1) */
    bool given_words;
    size_t word_count;
    size_t *word_bytes, *word_points; /* where they begin in the text; the last is behind the end */
    size_t word_bytes_capacity, word_points_capacity;
} bcl_waiting;

/* Makes results; its arrays are reused from text to text. */
typedef struct bcl_aggregator {
    const bcl_tokenizer *tokenizer;
    const bcl_tag *tags; /* (K) */
    size_t K;
    bcl_aggregation aggregation;
    bool words;
    bcl_transitions *transitions; /* that labels of words must follow; NULL: any */
    double temperature, min_score;
    /* the text at hand */
    uint32_t *bytes; /* (code points + 1) where each begins; unused if the text is ASCII */
    size_t bytes_capacity;
    bool ascii;
    uint32_t *starts, *ends; /* (pieces) code points of the text */
    size_t starts_capacity, ends_capacity;
    float *mean; /* (K) */
    struct bcl_unit *units;
    float *rows; /* (units,K) scores, for the transitions */
    int32_t *decoded;
    size_t units_capacity, rows_capacity, decoded_capacity;
    bcl_string strings; /* the entities' words, NUL behind each */
    bcl_string scratch, token;
    bcl_tagged_entity *entities;
    size_t entity_count, entities_capacity;
    bcl_tagged_word *word_list;
    size_t word_count, word_list_capacity;
} bcl_aggregator;

/* Scores (logits on entry) to a result, which points into both. */
bcl_status bcl_aggregate(bcl_aggregator *a, bcl_waiting *w, bcl_tagged *out);
void bcl_aggregator_free(bcl_aggregator *a);

/* convert_tokens_to_string of a BERT tokenizer: begins with size 0 in `out`; `first` for the first
 * token of the string. */
bcl_status bcl_decode_token(bcl_string *out, bcl_string *token, const char *text, size_t size,
                            bool first);

#endif
