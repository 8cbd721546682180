/* A corpus as a model reads it: pieces with labels, ready to be packed. */
#ifndef BCL_DATASET_H
#define BCL_DATASET_H

#include "model/model.h"

#include <bertcl/data.h>
#include <bertcl/tokenizer.h>

/* config.json and the tokenizer of a model folder, which must fit each other. */
bcl_status bcl_model_folder_read(bcl_config *config, bcl_tokenizer **tokenizer, const char *folder);
/* Pieces of a sequence, specials included: `wanted`, which the model must have positions for, or if
 * it is 0 what tokenizer and model take. */
bcl_status bcl_sequence_limit(size_t *out, size_t wanted, const bcl_config *config,
                              const bcl_tokenizer *tokenizer);

typedef struct bcl_dataset {
    bcl_sample *samples; /* (count); number is the index */
    size_t count;
    int32_t *storage;
    size_t pieces;                   /* specials included */
    size_t labelled;                 /* pieces that count */
    size_t words_cut, sentences_cut; /* by max_length */
    size_t words;                    /* of the sentences, those that were cut included */
    size_t words_without_piece;      /* empty, or all of it dropped: the model does not see them */
    size_t words_unknown;            /* whose pieces are all [UNK] */
    bool cut_left;                   /* their beginnings were: the tokenizer's truncation side */
    int longest;                     /* pieces */
} bcl_dataset;

/* What would be missed of the data called `name` ("training"): words without a piece, text of
 * mostly unknown words. Returns how many lines. */
enum { BCL_DATASET_NOTES = 2, BCL_DATASET_NOTE = 256 };
size_t bcl_dataset_notes(const bcl_dataset *dataset, const char *name,
                         char notes[BCL_DATASET_NOTES][BCL_DATASET_NOTE]);

/* Encodes sentences `rows` (NULL: the first `count`) of a corpus. label_ids: by the corpus' tags;
 * NULL: no labels. max_length: pieces, specials included; 0: no limit. */
bcl_status bcl_dataset_encode(bcl_dataset *out, const bcl_corpus *corpus, const uint32_t *rows,
                              size_t count, const bcl_tokenizer *tokenizer,
                              const int32_t *label_ids, size_t max_length,
                              bcl_label_pieces label_pieces);
void bcl_dataset_free(bcl_dataset *dataset);

/* Batches in a given order: up to `sentences` and up to `tokens`, 0 for no limit, but at least one
 * sentence. Returns how many of order[from..] are the next batch; *tokens_out their pieces.
 */
size_t bcl_dataset_take(const bcl_dataset *dataset, const uint32_t *order, size_t from, size_t end,
                        size_t sentences, size_t tokens, size_t *tokens_out);

#endif
