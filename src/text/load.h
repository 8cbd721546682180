/* Shared by the files that load a tokenizer: the folder's files while they are read. */
#ifndef BCL_TEXT_LOAD_H
#define BCL_TEXT_LOAD_H

#include "text/text.h"

#include <cjson/cJSON.h>

typedef struct bcl_reading {
    bcl_tokenizer *t;
    char *paths[BCL_SOURCE_COUNT];
    cJSON *json[BCL_SOURCE_COUNT]; /* NULL for vocab.txt and absent files */
    const char *config_path;
    bcl_added_token *tokens; /* in the peer's order; texts point into the JSON */
    size_t count, capacity;
} bcl_reading;

/* ---- source.c ---- */

/* A token as a string or as an AddedToken's fields; its text points into the JSON. `special` is
 * what it is if it does not say. */
bcl_status bcl_token_parse(bcl_added_token *token, const cJSON *item, bool special, const char *key,
                           const char *path);

/* ---- classes.c ---- */

/* Which class transformers would take, by tokenizer_config.json, config.json and the model's type:
 * sets t->from_json. UNSUPPORTED, with the reason and what to do, for a class that is not BERT's.
 */
bcl_status bcl_class_read(bcl_reading *r);
/* After the vocabulary was read: UNSUPPORTED if it is not WordPiece's; else sets t->warning where
 * its letters do not fit the setting of lower case. */
bcl_status bcl_class_check_vocabulary(bcl_reading *r);

/* ---- backend.c: what a class that is made of tokenizer.json's own parts takes from it ---- */

/* Case, accents, CJK spacing and the longest word, instead of tokenizer_config.json's. */
bcl_status bcl_backend_settings(bcl_reading *r);
/* Adds the file's tokens, and sets [UNK] from the model, [CLS] and [SEP] from the template. */
bcl_status bcl_backend_tokens(bcl_reading *r);

#endif
