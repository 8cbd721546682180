/* Special and added tokens: their ids, and finding them in a text as tokenizers' AddedVocabulary
 * does (leftmost, longest, never overlapping). */
#include "text/text.h"

static int32_t exact(const bcl_trie *trie, const char *text) {
    size_t size = strlen(text), matched = 0;
    int32_t value = bcl_trie_longest(trie, (const unsigned char *)text, size, &matched);
    return matched == size ? value : -1;
}

int32_t bcl_tokenizer_id_of(const bcl_tokenizer *t, const char *piece) {
    for (size_t i = 0; i < t->added_count; i++)
        if (!strcmp(t->added[i].text, piece))
            return t->added[i].id;
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

void bcl_matcher_start(bcl_matcher *m, const bcl_tokenizer *t, const bcl_patterns *patterns,
                       const unsigned char *text, size_t size) {
    *m = (bcl_matcher){.t = t, .patterns = patterns, .text = text, .size = size};
}

/* Flags of the code point that ends at `at` or begins there; 0 outside the text and for bytes that
 * are not UTF-8 (the encoder reports those). */
static unsigned flags_before(const bcl_matcher *m, size_t at, unsigned *size) {
    size_t begin = at;
    *size = 0;
    if (!at)
        return 0;
    do
        begin--;
    while (begin && at - begin < 4 && (m->text[begin] & 0xC0) == 0x80);
    uint32_t c = bcl_utf8_decode(m->text + begin, at - begin, size);
    return c == UINT32_MAX || *size != at - begin ? 0 : bcl_unicode_find(c)->flags;
}

static unsigned flags_after(const bcl_matcher *m, size_t at, unsigned *size) {
    *size = 0;
    if (at >= m->size)
        return 0;
    uint32_t c = bcl_utf8_decode(m->text + at, m->size - at, size);
    return c == UINT32_MAX ? 0 : bcl_unicode_find(c)->flags;
}

/* Applies single_word, lstrip and rstrip; false if the match does not count. */
static bool accept(const bcl_matcher *m, bcl_match *found) {
    const bcl_added_token *a = &m->t->added[found->added];
    unsigned n;
    if (m->t->split_special_tokens && a->special)
        return false;
    if (a->single_word &&
        ((flags_before(m, found->begin, &n) | flags_after(m, found->end, &n)) & BCL_UNICODE_WORD))
        return false;
    if (a->lstrip) {
        while (flags_before(m, found->begin, &n) & BCL_UNICODE_WHITE)
            found->begin -= n;
        if (found->begin < m->done)
            found->begin = m->done;
    }
    if (a->rstrip)
        while (flags_after(m, found->end, &n) & BCL_UNICODE_WHITE)
            found->end += n;
    return true;
}

static bool find(bcl_matcher *m) {
    const bcl_patterns *p = m->patterns;
    while (m->search < m->size) {
        if (p->only_first >= 0) {
            const unsigned char *at =
                memchr(m->text + m->search, p->only_first, m->size - m->search);
            if (!at)
                break;
            m->search = (size_t)(at - m->text);
        } else if (!p->first[m->text[m->search]]) {
            m->search++;
            continue;
        }
        size_t matched = 0;
        int32_t added =
            bcl_trie_longest(&p->trie, m->text + m->search, m->size - m->search, &matched);
        if (added < 0) {
            m->search++;
            continue;
        }
        m->found = (bcl_match){m->search, m->search + matched, added};
        m->search += matched;
        if (accept(m, &m->found))
            return true;
    }
    m->search = m->size;
    return false;
}

bool bcl_matcher_next(bcl_matcher *m, bcl_match *span) {
    if (!m->found.end && !(m->patterns->any && find(m)))
        m->found = (bcl_match){m->size, 0, -1};
    if (m->done < m->found.begin) {
        *span = (bcl_match){m->done, m->found.begin, -1};
        m->done = m->found.begin;
        return true;
    }
    if (!m->found.end)
        return false;
    *span = m->found;
    m->done = m->found.end;
    m->found.end = 0;
    return true;
}
