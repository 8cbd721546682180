/* The tagger: a model folder on a device; texts in, entities out, as transformers'
 * pipeline("token-classification") gives them. */
#ifndef BERTCL_TAGGER_H
#define BERTCL_TAGGER_H

#include <bertcl/session.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What pieces become, by the pipeline's names. */
typedef enum bcl_aggregation {
    BCL_AGGREGATION_NONE,    /* one entity a piece */
    BCL_AGGREGATION_SIMPLE,  /* neighbouring pieces of one type are one entity */
    BCL_AGGREGATION_FIRST,   /* the same over words; a word is what its first piece is */
    BCL_AGGREGATION_AVERAGE, /* the label with the highest mean score over the word's pieces */
    BCL_AGGREGATION_MAX      /* what its piece with the highest score is */
} bcl_aggregation;
/* "none", "simple", ... */
BCL_EXPORT const char *bcl_aggregation_name(bcl_aggregation aggregation);
/* Fails with BCL_ERROR_ARGUMENT on any other name. */
BCL_EXPORT bcl_status bcl_aggregation_find(bcl_aggregation *out, const char *name);

/* What happens to a text of more pieces than the model takes. */
typedef enum bcl_long {
    BCL_LONG_TRUNCATE, /* the rest is cut (on the tokenizer's side) and counted */
    BCL_LONG_WINDOW    /* overlapping windows; a piece has the scores of the window in which it is
                        * farthest from an edge, of two equal ones the earlier's */
} bcl_long;

typedef struct bcl_tagged_entity {
    const char *label; /* the label; its type ("PER" of "I-PER") when aggregated */
    float score;       /* probability; of several pieces or words the mean */
    size_t index;      /* of the piece in the sequence, [CLS] is 0; SIZE_MAX when aggregated */
    const char *word;  /* the pieces' text as the tokenizer joins them; ends in a NUL */
    size_t word_size;  /* bytes */
    size_t start, end; /* Unicode code points of the text */
    size_t start_byte, end_byte;
} bcl_tagged_entity;

typedef struct bcl_tagged_word {
    const char *label; /* "O" if the word was cut or has no piece */
    float score;       /* 0 then */
    size_t start_byte, end_byte;
} bcl_tagged_word;

/* A text's result. Everything belongs to the tagger and is valid during the call. */
typedef struct bcl_tagged {
    uint64_t number;  /* of the text, from 0 in the order of adding */
    void *user;       /* as given when adding */
    const char *text; /* of words: joined by single spaces */
    size_t size;      /* bytes */
    const bcl_tagged_entity *entities;
    size_t entity_count;
    const bcl_tagged_word *words; /* as given, or as BERT splits the text; NULL unless asked for */
    size_t word_count;
    size_t words_cut; /* words of which at least one piece was cut */
    size_t windows;   /* passes of the model over this text */
} bcl_tagged;

/* Takes the results, in the order of adding. A status other than 0 ends the call that is under way
 * with this status. */
typedef bcl_status bcl_tagger_sink(void *context, const bcl_tagged *result);

typedef struct bcl_tagger_options { /* all zero: the defaults */
    /* for bcl_tagger_open only, as in bcl_session_options */
    const char *device, *gemm, *precision;
    bcl_aggregation aggregation;
    bcl_long long_texts;
    size_t stride;       /* pieces that windows overlap by; 0: a quarter of a window */
    size_t max_length;   /* pieces, [CLS] and [SEP] included; 0: what the model takes */
    size_t batch_tokens; /* pieces that one pass holds; 0: 1024. Results do not depend on it */
    bool words;          /* fill bcl_tagged.words */
    bool constrain;      /* labels of words are the most likely ones that the labels' scheme allows
                          * (Viterbi); with an aggregation by words only */
    double min_score;    /* entities with a lower score are left out, and their words are "O" */
    double temperature;  /* that logits are divided by; 0: the model's, see bertcl eval
                          * --calibrate, or 1 */
    bcl_tagger_sink *sink;
    void *context; /* the sink's */
} bcl_tagger_options;

typedef struct bcl_tagger bcl_tagger;

/* A tagger over a session, which must outlive it. One at a time may use a session: a batch that is
 * under way in one would be lost to the other. options may be NULL. Blocking. Errors: ARGUMENT (a
 * length or stride that the model does not take), MEMORY, DEVICE_MEMORY. */
BCL_EXPORT bcl_status bcl_tagger_create(bcl_tagger **out, bcl_session *session,
                                        const bcl_tagger_options *options);
/* Opens a session of its own for it: `model` is a folder or ORG/NAME[@REVISION], errors are those
 * of bcl_session_open too. */
BCL_EXPORT bcl_status bcl_tagger_open(bcl_tagger **out, const char *model,
                                      const bcl_tagger_options *options);
/* Texts that are still waiting are dropped: flush first. Takes NULL. */
BCL_EXPORT void bcl_tagger_free(bcl_tagger *tagger);

/* Adds a text of `size` bytes, which is copied. Texts are gathered to batches, so results of
 * earlier texts reach the sink during this call and those of this one later. A text that is not
 * UTF-8 is BCL_ERROR_FORMAT and changes nothing; after any other error only free may follow. */
BCL_EXPORT bcl_status bcl_tagger_add_text(bcl_tagger *tagger, const char *text, size_t size,
                                          void *user);
/* The same for a text given as words (is_split_into_words). sizes in bytes; NULL: words end in a
 * NUL. */
BCL_EXPORT bcl_status bcl_tagger_add_words(bcl_tagger *tagger, const char *const *words,
                                           const size_t *sizes, size_t count, void *user);
/* Runs what is waiting; the sink has had all results when it returns. */
BCL_EXPORT bcl_status bcl_tagger_flush(bcl_tagger *tagger);

/* Texts whose results the sink has not had. */
BCL_EXPORT size_t bcl_tagger_waiting(const bcl_tagger *tagger);
/* The model's labels, by id. */
BCL_EXPORT size_t bcl_tagger_label_count(const bcl_tagger *tagger);
BCL_EXPORT const char *bcl_tagger_label(const bcl_tagger *tagger, size_t id);
/* The types that entities can have when aggregated: "PER" of "B-PER" and "I-PER", each once, by
 * first appearance among the labels, "O" not among them. */
BCL_EXPORT size_t bcl_tagger_type_count(const bcl_tagger *tagger);
BCL_EXPORT const char *bcl_tagger_type(const bcl_tagger *tagger, size_t type);
/* Pieces of one pass, [CLS] and [SEP] included. */
BCL_EXPORT size_t bcl_tagger_max_length(const bcl_tagger *tagger);
BCL_EXPORT const char *bcl_tagger_device(const bcl_tagger *tagger);    /* its id */
BCL_EXPORT const char *bcl_tagger_precision(const bcl_tagger *tagger); /* that it computes in */
/* A sentence, if "bf16" was wanted and the device does not compute it faster; else "". */
BCL_EXPORT const char *bcl_tagger_why_fp32(const bcl_tagger *tagger);

/* ---- documents ---- */

/* The end of the first sentence of text[0..size): just behind it, or 0 if more text is needed to
 * tell. `end_of_text`: there is no more. *from is where to look; 0 at first, kept between calls
 * while the text grows, 0 again for the next sentence. The rules are in docs/predict.md. */
BCL_EXPORT size_t bcl_sentence_end(const char *text, size_t size, bool end_of_text, size_t *from);

#ifdef __cplusplus
}
#endif
#endif
