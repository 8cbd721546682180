/* The WordPiece vocabulary: read from tokenizer.json or vocab.txt, indexed for encoding. */
#include "text/text.h"

#include <cjson/cJSON.h>

enum { MAX_ID = 1 << 24 }; /* a damaged id must not make us allocate by it */

bcl_status bcl_vocabulary_from_json(bcl_tokenizer *t, const cJSON *vocab, const char *path) {
    bcl_status status = BCL_OK;
    if (!cJSON_IsObject(vocab))
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: model.vocab: expected an object of tokens and ids", path);
    for (const cJSON *item = vocab->child; item; item = item->next) {
        double id = item->valuedouble;
        if (!cJSON_IsNumber(item) || !(id >= 0 && id < MAX_ID) || id != (double)(int32_t)id)
            BCL_FAIL(BCL_ERROR_FORMAT, "%s: model.vocab: token \"%s\": expected an id from 0 to %d",
                     path, item->string, MAX_ID - 1);
        t->size = t->size > (size_t)id + 1 ? t->size : (size_t)id + 1;
        t->vocab_count++;
    }
    if (!t->vocab_count)
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: model.vocab: no tokens", path);
    BCL_NEW(t->pieces, t->size);
    for (const cJSON *item = vocab->child; item; item = item->next) {
        char **piece = &t->pieces[(size_t)item->valuedouble];
        if (*piece)
            BCL_FAIL(BCL_ERROR_FORMAT, "%s: model.vocab: tokens \"%s\" and \"%s\" share id %.0f",
                     path, *piece, item->string, item->valuedouble);
        BCL_TRY(bcl_strdup(piece, item->string));
    }
out:
    return status;
}

/* Rust's trim_end: also a final \r, as the peer's line reader drops it. Fails on invalid UTF-8. */
static bcl_status trim(size_t *size, const char *line, size_t length, const char *path,
                       size_t number) {
    unsigned n;
    *size = 0;
    for (size_t i = 0; i < length; i += n) {
        uint32_t c = bcl_utf8_decode((const unsigned char *)line + i, length - i, &n);
        if (c == UINT32_MAX || !c)
            return bcl_fail(BCL_ERROR_FORMAT, "%s: line %zu: byte %zu: found %s, expected UTF-8",
                            path, number, i, c ? "an invalid sequence" : "a NUL");
        if (!(bcl_unicode_find(c)->flags & BCL_UNICODE_WHITE))
            *size = i + n;
    }
    return BCL_OK;
}

bcl_status bcl_vocabulary_from_text(bcl_tokenizer *t, const bcl_string *text, const char *path) {
    bcl_status status = BCL_OK;
    size_t capacity = 0, size;
    for (size_t at = 0; at < text->size;) {
        const char *line = text->data + at, *end = memchr(line, '\n', text->size - at);
        size_t length = end ? (size_t)(end - line) : text->size - at;
        if (t->size >= MAX_ID)
            BCL_FAIL(BCL_ERROR_FORMAT, "%s: more than %d lines", path, MAX_ID);
        BCL_TRY(trim(&size, line, length, path, t->size + 1));
        BCL_TRY(bcl_grow(&t->pieces, &capacity, t->size + 1, sizeof *t->pieces));
        BCL_TRY(bcl_format(&t->pieces[t->size], "%.*s", (int)size, line));
        t->size++;
        at += length + 1;
    }
    if (!t->size)
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: empty, expected one token a line", path);
    t->vocab_count = t->size;
out:
    return status;
}

static bcl_status index_words(bcl_tokenizer *t, const bcl_trie_key *keys, size_t count) {
    bcl_status status = BCL_OK;
    size_t room = 64;
    while (room < 2 * count)
        room *= 2;
    BCL_NEW(t->slots, room);
    t->slot_mask = room - 1;
    for (size_t i = 0; i < count; i++) {
        unsigned char word[16] = {0};
        bcl_word_slot slot = {.id = keys[i].value};
        if (keys[i].size > 15)
            continue;
        memcpy(word, keys[i].text, keys[i].size);
        bcl_word_key(slot.key, word, keys[i].size);
        size_t at = bcl_word_hash(slot.key) & t->slot_mask;
        while (t->slots[at].key[1]) /* the size makes it non-zero */
            at = (at + 1) & t->slot_mask;
        t->slots[at] = slot;
    }
out:
    return status;
}

bcl_status bcl_vocabulary_index(bcl_tokenizer *t, const char *path) {
    bcl_status status = BCL_OK;
    bcl_trie_key *keys = NULL;
    size_t count = 0, empty = SIZE_MAX;
    BCL_NEW(keys, t->size);
    for (size_t i = 0; i < t->size; i++) {
        if (!t->pieces[i])
            continue;
        size_t size = strlen(t->pieces[i]);
        if (size) {
            keys[count++] = (bcl_trie_key){t->pieces[i], size, (int32_t)i};
        } else {
            if (empty != SIZE_MAX)
                BCL_FAIL(BCL_ERROR_FORMAT, "%s: ids %zu and %zu: both are empty tokens", path,
                         empty, i);
            empty = i;
        }
    }
    BCL_TRY(bcl_trie_build(&t->trie, keys, count));
    for (size_t i = 1; i < count; i++)
        if (keys[i].size == keys[i - 1].size && !strcmp(keys[i].text, keys[i - 1].text))
            BCL_FAIL(BCL_ERROR_FORMAT, "%s: token \"%s\" occurs twice, with ids %d and %d", path,
                     keys[i].text, keys[i - 1].value, keys[i].value);
    t->inside = bcl_trie_step(&t->trie, 0, '#');
    if (t->inside >= 0)
        t->inside = bcl_trie_step(&t->trie, t->inside, '#');
    BCL_TRY(index_words(t, keys, count));
out:
    free(keys);
    return status;
}
