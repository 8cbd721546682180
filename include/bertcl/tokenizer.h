/* WordPiece tokenization, equal to transformers' BertTokenizerFast: ids, word ids and offsets. */
#ifndef BERTCL_TOKENIZER_H
#define BERTCL_TOKENIZER_H

#include <bertcl/status.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Immutable after loading: any number of threads may encode with one tokenizer at once. */
typedef struct bcl_tokenizer bcl_tokenizer;

/* One encoded sequence: [CLS] pieces [SEP]. Zero-initialise, reuse for any number of calls (the
 * arrays only grow), free with bcl_encoding_free. One thread at a time. */
typedef struct bcl_encoding {
    int32_t *ids;      /* (count) */
    int32_t *word_ids; /* (count) index of the word; -1 for the template's [CLS] and [SEP] */
    uint32_t *offsets; /* (count,2) start and end in Unicode code points of the text, or of the
                        * word where words were given; 0,0 for [CLS] and [SEP] */
    size_t count;      /* pieces, specials included */
    size_t words_cut;  /* words that lost at least one piece to truncation */
    size_t capacity;   /* of the three arrays, in pieces */
    void *scratch;     /* the library's */
} bcl_encoding;
BCL_EXPORT void bcl_encoding_free(bcl_encoding *encoding);

/* Reads a Hugging Face folder as AutoTokenizer.from_pretrained does. For BERT's own class: the
 * vocabulary from tokenizer.json, else vocab.txt; case, accents and CJK spacing from
 * tokenizer_config.json; the special and added tokens from tokenizer_config.json,
 * special_tokens_map.json, added_tokens.json and tokenizer.json, in the peer's order of precedence.
 * A generic class (PreTrainedTokenizerFast, TokenizersBackend) is what tokenizer.json says, if that
 * is BERT's. Errors: IO (no vocabulary), FORMAT (damaged file, duplicate token, no [UNK]),
 * UNSUPPORTED (not a BERT WordPiece tokenizer; the message says by which file). */
BCL_EXPORT bcl_status bcl_tokenizer_load(bcl_tokenizer **out, const char *folder);
BCL_EXPORT void bcl_tokenizer_free(bcl_tokenizer *tokenizer);

/* Writes vocab.txt, tokenizer.json, tokenizer_config.json and special_tokens_map.json (and
 * added_tokens.json where the source has one) into an existing folder: files of the source folder
 * byte for byte, missing ones generated so that the result loads to the same tokenizer. Errors:
 * IO. */
BCL_EXPORT bcl_status bcl_tokenizer_save(const bcl_tokenizer *tokenizer, const char *folder);

/* = tokenizer(words, is_split_into_words=True, truncation=True, max_length=max_length). `sizes` in
 * bytes; NULL if the words end in a NUL. max_length 0: no truncation; 1 is an error, as [CLS] and
 * [SEP] take two. Words that are not valid UTF-8: BCL_ERROR_FORMAT, naming word and byte. */
BCL_EXPORT bcl_status bcl_tokenizer_encode_words(const bcl_tokenizer *tokenizer,
                                                 const char *const *words, const size_t *sizes,
                                                 size_t count, size_t max_length,
                                                 bcl_encoding *out);
/* = tokenizer(text, truncation=True, max_length=max_length); `size` in bytes. Errors: FORMAT (not
 * valid UTF-8, naming the byte), ARGUMENT (max_length 1). */
BCL_EXPORT bcl_status bcl_tokenizer_encode_text(const bcl_tokenizer *tokenizer, const char *text,
                                                size_t size, size_t max_length, bcl_encoding *out);

/* Highest id + 1, added tokens included: rows that the embedding needs. */
BCL_EXPORT size_t bcl_tokenizer_size(const bcl_tokenizer *tokenizer);
/* The piece's text; NULL if the id is not in use. Owned by the tokenizer. */
BCL_EXPORT const char *bcl_tokenizer_piece(const bcl_tokenizer *tokenizer, int32_t id);
/* -1 if there is no such piece. */
BCL_EXPORT int32_t bcl_tokenizer_id_of(const bcl_tokenizer *tokenizer, const char *piece);
/* tokenizer_config.json's model_max_length; SIZE_MAX if it sets none. */
BCL_EXPORT size_t bcl_tokenizer_model_max_length(const bcl_tokenizer *tokenizer);

/* One line about a setting that is likely wrong (a cased vocabulary with lower case), for the user;
 * NULL if there is none. Owned by the tokenizer. */
BCL_EXPORT const char *bcl_tokenizer_warning(const bcl_tokenizer *tokenizer);

typedef enum bcl_special {
    BCL_SPECIAL_UNK,
    BCL_SPECIAL_SEP,
    BCL_SPECIAL_PAD,
    BCL_SPECIAL_CLS,
    BCL_SPECIAL_MASK,
    BCL_SPECIAL_COUNT
} bcl_special;
/* The id that the folder gives to [UNK], [SEP], [PAD], [CLS] or [MASK]; -1: no such token. */
BCL_EXPORT int32_t bcl_tokenizer_special_id(const bcl_tokenizer *tokenizer, bcl_special special);

#ifdef __cplusplus
}
#endif
#endif
