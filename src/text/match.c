/* Finding special and added tokens in a text as tokenizers' AddedVocabulary does: leftmost,
 * longest, never overlapping. Knows the patterns, not how they came about. */
#include "text/text.h"

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
