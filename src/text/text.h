/* The tokenizer's insides, shared by the files of src/text/. */
#ifndef BCL_TEXT_H
#define BCL_TEXT_H

#include <bertcl/tokenizer.h>

#include "text/unicode.h"
#include "util/util.h"

enum {
    BCL_WORD_CHARS = 100,       /* longer words are [UNK] in BERT's own classes */
    BCL_WORD_CHARS_MOST = 1000, /* that a tokenizer.json may set */
    BCL_WORD_BYTES = BCL_WORD_CHARS_MOST * 4
};

/* ---- trie.c: a double-array trie over bytes, from keys to values >= 0 ---- */

typedef struct bcl_trie_node {
    int32_t base;  /* the child for byte b is at base + b */
    int32_t check; /* the parent; -1: free */
    int32_t value; /* -1: no key ends here */
} bcl_trie_node;

typedef struct bcl_trie {
    bcl_trie_node *nodes; /* (size), root 0; children of any node lie inside */
    size_t size;
} bcl_trie;

typedef struct bcl_trie_key {
    const char *text;
    size_t size;   /* bytes, > 0 */
    int32_t value; /* of equal keys, the first in the list wins */
} bcl_trie_key;

/* Sorts the keys. */
bcl_status bcl_trie_build(bcl_trie *trie, bcl_trie_key *keys, size_t count);
void bcl_trie_free(bcl_trie *trie);

static inline int32_t bcl_trie_step(const bcl_trie *trie, int32_t node, unsigned char byte) {
    int32_t next = trie->nodes[node].base + byte;
    return trie->nodes[next].check == node ? next : -1;
}
/* The value of the longest key that is a prefix of the text, and its size; -1 if there is none. */
int32_t bcl_trie_longest(const bcl_trie *trie, const unsigned char *text, size_t size,
                         size_t *matched);

/* ---- the tokenizer ---- */

typedef struct bcl_added_token {
    char *text;
    int32_t id;
    bool single_word, lstrip, rstrip, normalized, special;
} bcl_added_token;

/* Patterns of added tokens, matched leftmost, longest first. Values index `added`. */
typedef struct bcl_patterns {
    bcl_trie trie;
    bool any;
    int only_first;     /* the byte that all patterns begin with, or -1 */
    uint8_t first[256]; /* 1: a pattern begins with this byte */
} bcl_patterns;

/* A whole word of at most 15 bytes, for one probe instead of a walk through the trie. */
typedef struct bcl_word_slot {
    uint64_t key[2]; /* the bytes, zero-padded; the last byte is the size */
    int32_t id;
    int32_t unused;
} bcl_word_slot;

/* The files that make a tokenizer, in the order of bcl_source_names. */
enum {
    BCL_SOURCE_VOCAB,
    BCL_SOURCE_TOKENIZER,
    BCL_SOURCE_CONFIG,
    BCL_SOURCE_SPECIALS,
    BCL_SOURCE_ADDED,
    BCL_SOURCE_COUNT
};
extern const char *const bcl_source_names[BCL_SOURCE_COUNT];

struct bcl_tokenizer {
    char *folder;
    bcl_string sources[BCL_SOURCE_COUNT]; /* the folder's files as read; data NULL: absent */
    /* pieces; vocabulary first, then tokens that exist only as added tokens */
    char **pieces; /* (size), NULL: unused id */
    size_t size;
    size_t vocab_count; /* tokens of the WordPiece vocabulary */
    bcl_trie trie;      /* of the vocabulary */
    int32_t inside;     /* the node behind "##", or -1 */
    bcl_word_slot *slots;
    size_t slot_mask;
    bcl_added_token *added; /* by id */
    size_t added_count;
    bcl_patterns raw, normalized;
    char *specials[BCL_SPECIAL_COUNT];
    int32_t special_ids[BCL_SPECIAL_COUNT];
    bool from_json;    /* made of tokenizer.json's own parts, see classes.c */
    size_t word_chars; /* longer words are [UNK] */
    bool lowercase, chinese, strip_accents;
    int strip_setting; /* strip_accents as set: -1 null, 0, 1 */
    bool split_special_tokens;
    bool truncate_left;
    size_t model_max_length;
    uint8_t kind[256];  /* BCL_BYTE_* of each byte of UTF-8 */
    uint8_t lower[128]; /* lower case if `lowercase`, else itself */
    char warning[256];
};

enum { BCL_BYTE_PLAIN, BCL_BYTE_SPACE, BCL_BYTE_PUNCT, BCL_BYTE_DROP, BCL_BYTE_MULTI };

/* ---- vocabulary.c: the WordPiece vocabulary ---- */
struct cJSON;
extern const char *const bcl_special_names[BCL_SPECIAL_COUNT]; /* "unk", ... */
/* Set pieces, size and vocab_count from tokenizer.json's model.vocab, or from vocab.txt. */
bcl_status bcl_vocabulary_from_json(bcl_tokenizer *t, const struct cJSON *vocab, const char *path);
bcl_status bcl_vocabulary_from_text(bcl_tokenizer *t, const bcl_string *text, const char *path);
/* Builds trie, inside and slots; fails on a duplicate. `path` is for the message. */
bcl_status bcl_vocabulary_index(bcl_tokenizer *t, const char *path);
/* The key of a word of at most 15 bytes, which lies in at least 16 readable ones. */
static inline void bcl_word_key(uint64_t key[2], const unsigned char *word, size_t size) {
    memcpy(key, word, 16);
    if (size < 8) {
        key[0] &= (UINT64_C(1) << 8 * size) - 1;
        key[1] = 0;
    } else {
        key[1] &= (UINT64_C(1) << 8 * (size - 8)) - 1;
    }
    key[1] |= (uint64_t)size << 56;
}
static inline size_t bcl_word_hash(const uint64_t key[2]) {
    uint64_t h = (key[0] ^ key[1] * UINT64_C(0x9E3779B97F4A7C15)) * UINT64_C(0xBF58476D1CE4E5B9);
    return (size_t)(h >> 32 ^ h >> 17);
}

/* ---- match.c: special and added tokens in a text ---- */

typedef struct bcl_match {
    size_t begin, end; /* bytes */
    int32_t added;     /* index in `added`; -1: ordinary text */
} bcl_match;

typedef struct bcl_matcher {
    const bcl_tokenizer *t;
    const bcl_patterns *patterns;
    const unsigned char *text;
    size_t size;
    size_t search;   /* where to look for the next match */
    size_t done;     /* end of what was handed out */
    bcl_match found; /* waits until the text before it is handed out; end 0: none */
} bcl_matcher;

void bcl_matcher_start(bcl_matcher *m, const bcl_tokenizer *t, const bcl_patterns *patterns,
                       const unsigned char *text, size_t size);
/* The next span of the text, in order, together covering it; false at the end. */
bool bcl_matcher_next(bcl_matcher *m, bcl_match *span);

/* ---- encode.c (calls match.c): the normalised form of a text, for tokens that match in it ---- */
bcl_status bcl_normalize(const bcl_tokenizer *t, const char *text, size_t size, bcl_string *out);

/* ---- added.c (calls encode.c): the tokenizer's special and added tokens ---- */

/* = tokenizers' add_tokens for one token: an existing text keeps its id, a new one gets the next
 * id behind the vocabulary. Copies the text. */
bcl_status bcl_added_add(bcl_tokenizer *t, const bcl_added_token *token);
/* NULL if no added token has this text. */
const bcl_added_token *bcl_added_find(const bcl_tokenizer *t, const char *text);
/* Builds `raw` and `normalized` after the last token was added. */
bcl_status bcl_added_index(bcl_tokenizer *t);
void bcl_added_free(bcl_tokenizer *t);

#endif
