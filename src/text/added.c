/* Special and added tokens: their ids, and the patterns by which match.c finds them. Some match in
 * normalised text, so this file calls encode.c, which never calls back. */
#include "text/text.h"

static int32_t exact(const bcl_trie *trie, const char *text) {
    size_t size = strlen(text), matched = 0;
    int32_t value = bcl_trie_longest(trie, (const unsigned char *)text, size, &matched);
    return matched == size ? value : -1;
}

const bcl_added_token *bcl_added_find(const bcl_tokenizer *t, const char *text) {
    for (size_t i = 0; i < t->added_count; i++)
        if (!strcmp(t->added[i].text, text))
            return &t->added[i];
    return NULL;
}

int32_t bcl_tokenizer_id_of(const bcl_tokenizer *t, const char *piece) {
    const bcl_added_token *added = bcl_added_find(t, piece);
    if (added)
        return added->id;
    return *piece ? exact(&t->trie, piece) : -1;
}

/* The next id is the vocabulary's count, then upwards; an id that a vocabulary with holes uses
 * already would make two tokens of one id. */
static bcl_status new_id(bcl_tokenizer *t, const char *text, int32_t *id) {
    size_t next = t->vocab_count;
    for (size_t i = 0; i < t->added_count; i++)
        if ((size_t)t->added[i].id >= next)
            next = (size_t)t->added[i].id + 1;
    if (next < t->size && t->pieces[next])
        return bcl_fail(BCL_ERROR_UNSUPPORTED,
                        "%s: the vocabulary's ids have holes, so added token \"%s\" would share "
                        "id %zu with \"%s\"",
                        t->folder, text, next, t->pieces[next]);
    if (next >= t->size) {
        size_t capacity = t->size;
        bcl_status status = bcl_grow(&t->pieces, &capacity, next + 1, sizeof *t->pieces);
        if (status)
            return status;
        while (t->size <= next)
            t->pieces[t->size++] = NULL;
    }
    *id = (int32_t)next;
    return bcl_strdup(&t->pieces[next], text);
}

bcl_status bcl_added_add(bcl_tokenizer *t, const bcl_added_token *token) {
    if (!*token->text)
        return BCL_OK;
    for (size_t i = 0; i < t->added_count; i++) {
        bcl_added_token *old = &t->added[i];
        if (strcmp(old->text, token->text))
            continue;
        old->single_word = token->single_word;
        old->lstrip = token->lstrip;
        old->rstrip = token->rstrip;
        old->normalized = token->normalized;
        old->special = token->special || old->special;
        return BCL_OK;
    }
    bcl_status status = BCL_OK;
    bcl_added_token copy = *token;
    copy.text = NULL;
    size_t capacity = t->added_count;
    copy.id = bcl_tokenizer_id_of(t, token->text);
    if (copy.id < 0)
        BCL_TRY(new_id(t, token->text, &copy.id));
    BCL_TRY(bcl_strdup(&copy.text, token->text));
    BCL_TRY(bcl_grow(&t->added, &capacity, t->added_count + 1, sizeof *t->added));
    t->added[t->added_count++] = copy;
    copy.text = NULL;
out:
    free(copy.text);
    return status;
}

static bcl_status build(bcl_tokenizer *t, bcl_patterns *patterns, bool normalized) {
    bcl_status status = BCL_OK;
    bcl_trie_key *keys = NULL;
    bcl_string *texts = NULL;
    size_t count = 0;
    BCL_NEW(keys, t->added_count);
    BCL_NEW(texts, t->added_count);
    patterns->only_first = -1;
    for (size_t i = 0; i < t->added_count; i++) {
        const bcl_added_token *a = &t->added[i];
        if (a->normalized != normalized)
            continue;
        if (normalized)
            BCL_TRY(bcl_normalize(t, a->text, strlen(a->text), &texts[i]));
        else
            BCL_TRY(bcl_string_add(&texts[i], a->text, strlen(a->text)));
        if (!texts[i].size)
            BCL_FAIL(BCL_ERROR_UNSUPPORTED,
                     "%s: added token \"%s\": nothing is left of it after normalising", t->folder,
                     a->text);
        unsigned char first = (unsigned char)texts[i].data[0];
        patterns->first[first] = 1;
        patterns->only_first = !count || patterns->only_first == first ? first : -1;
        keys[count++] = (bcl_trie_key){texts[i].data, texts[i].size, (int32_t)i};
    }
    patterns->any = count > 0;
    if (count)
        BCL_TRY(bcl_trie_build(&patterns->trie, keys, count));
out:
    for (size_t i = 0; texts && i < t->added_count; i++)
        bcl_string_free(&texts[i]);
    free(texts);
    free(keys);
    return status;
}

bcl_status bcl_added_index(bcl_tokenizer *t) {
    bcl_status status = build(t, &t->raw, false);
    return status ? status : build(t, &t->normalized, true);
}

void bcl_added_free(bcl_tokenizer *t) {
    for (size_t i = 0; i < t->added_count; i++)
        free(t->added[i].text);
    free(t->added);
    bcl_trie_free(&t->raw.trie);
    bcl_trie_free(&t->normalized.trie);
}
