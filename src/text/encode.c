/* Text to pieces: BERT's clean-up, splitting and greedy WordPiece in one pass over the bytes, with
 * the origin of every byte for the offsets. Nothing is allocated but the caller's growing arrays.
 *
 * The peer normalises a whole text at once, and its NFD hands out alignments by position: in a run
 * of combining marks the i-th mark in canonical order gets the i-th mark's place in the text. Marks
 * are nearly all stripped afterwards; those that stay (newer than the peer's table of categories)
 * are what settle_marks() is for. */
#include "text/text.h"

typedef struct mark {
    uint32_t c;
    uint32_t at;
    uint8_t order;
    bool inserted; /* not the first of its decomposition: takes no place of its own */
} mark;

/* What bcl_encoding.scratch points to. */
typedef struct scratch {
    unsigned char *text; /* normalised text, where tokens are added that match in it */
    uint32_t *at;        /* the code point of the original that each of its bytes comes from */
    mark *marks;
    size_t text_capacity, at_capacity, mark_capacity;
} scratch;

typedef struct encoder {
    const bcl_tokenizer *t;
    bcl_encoding *out;
    scratch *scratch;
    uint32_t place; /* code point of the original at the read position */
    int32_t word_id;
    bool given_words;
    bool collect;     /* normalise into scratch instead of splitting into words */
    size_t text_size; /* bytes in scratch->text */
    size_t mark_count;
    /* The word being read. While it is plain, byte i comes from code point first + i. */
    bool plain;
    uint32_t first, last; /* code points of the original */
    uint32_t chars;       /* may exceed word_chars; only so many are kept */
    uint32_t bytes;
    unsigned char word[BCL_WORD_BYTES + 16];
    uint32_t at[BCL_WORD_BYTES + 4];
} encoder;

void bcl_encoding_free(bcl_encoding *e) {
    scratch *s = e->scratch;
    if (s) {
        free(s->text);
        free(s->at);
        free(s->marks);
        free(s);
    }
    free(e->ids);
    free(e->word_ids);
    free(e->offsets);
    *e = (bcl_encoding){0};
}

static bcl_status reserve(bcl_encoding *out, size_t need) {
    bcl_status status = BCL_OK;
    if (need <= out->capacity)
        return status;
    size_t want = need + out->capacity / 2 + 64, room = out->capacity;
    BCL_TRY(bcl_grow(&out->ids, &room, want, sizeof *out->ids));
    room = out->capacity;
    BCL_TRY(bcl_grow(&out->word_ids, &room, want, sizeof *out->word_ids));
    room = out->capacity;
    BCL_TRY(bcl_grow(&out->offsets, &room, want, 2 * sizeof *out->offsets));
    out->capacity = room;
out:
    return status;
}

static inline void push(encoder *e, int32_t id, uint32_t begin, uint32_t end) {
    bcl_encoding *out = e->out;
    size_t i = out->count++;
    out->ids[i] = id;
    out->word_ids[i] = e->word_id;
    out->offsets[2 * i] = begin;
    out->offsets[2 * i + 1] = end;
}

static inline int32_t whole_word(const bcl_tokenizer *t, const unsigned char *word, size_t size) {
    uint64_t key[2];
    bcl_word_key(key, word, size);
    for (size_t at = bcl_word_hash(key) & t->slot_mask;; at = (at + 1) & t->slot_mask) {
        const bcl_word_slot *slot = &t->slots[at];
        if (slot->key[0] == key[0] && slot->key[1] == key[1])
            return slot->id;
        if (!slot->key[1])
            return -1;
    }
}

/* Greedy longest match; the caller has made room. */
static void wordpiece(encoder *e) {
    const bcl_tokenizer *t = e->t;
    const bcl_trie_node *nodes = t->trie.nodes;
    size_t count = e->out->count;
    for (uint32_t start = 0, end; start < e->bytes; start = end) {
        int32_t node = start ? t->inside : 0, id = -1;
        end = start;
        for (uint32_t i = start; node >= 0 && i < e->bytes; i++) {
            int32_t next = nodes[node].base + e->word[i];
            if (nodes[next].check != node)
                break;
            node = next;
            if (nodes[node].value >= 0) {
                id = nodes[node].value;
                end = i + 1;
            }
        }
        if (id < 0) {
            e->out->count = count;
            push(e, t->special_ids[BCL_SPECIAL_UNK], e->first, e->last + 1);
            return;
        }
        if (e->plain)
            push(e, id, e->first + start, e->first + end);
        else
            push(e, id, e->at[start], e->at[end - 1] + 1);
    }
}

static inline bcl_status end_word(encoder *e) {
    if (!e->chars)
        return BCL_OK;
    bcl_status status = reserve(e->out, e->out->count + e->bytes + 2);
    if (status)
        return status;
    const bool too_long = e->chars > e->t->word_chars;
    int32_t id = e->bytes < 16 && !too_long ? whole_word(e->t, e->word, e->bytes) : -1;
    if (id >= 0)
        push(e, id, e->first, e->last + 1);
    else if (too_long)
        push(e, e->t->special_ids[BCL_SPECIAL_UNK], e->first, e->last + 1);
    else
        wordpiece(e);
    e->word_id += !e->given_words;
    e->chars = e->bytes = 0;
    return status;
}

static void append(encoder *e, uint32_t c, uint32_t at) {
    if (!e->chars) {
        e->first = at;
        e->plain = true;
    }
    if (e->plain && (c >= 0x80 || at != e->first + e->bytes)) {
        for (uint32_t i = 0; i < e->bytes; i++)
            e->at[i] = e->first + i;
        e->plain = false;
    }
    if (e->chars < e->t->word_chars) {
        unsigned n = bcl_utf8_encode(e->word + e->bytes, c);
        for (unsigned i = 0; !e->plain && i < n; i++)
            e->at[e->bytes + i] = at;
        e->bytes += n;
    }
    e->chars++;
    e->last = at;
}

static bcl_status collect(encoder *e, uint32_t c, uint32_t at) {
    scratch *s = e->scratch;
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_grow(&s->text, &s->text_capacity, e->text_size + 4, 1));
    BCL_TRY(bcl_grow(&s->at, &s->at_capacity, e->text_size + 4, sizeof *s->at));
    unsigned n = bcl_utf8_encode(s->text + e->text_size, c);
    for (unsigned i = 0; i < n; i++)
        s->at[e->text_size++] = at;
out:
    return status;
}

/* Takes one code point of the normalised text. */
static bcl_status feed(encoder *e, uint32_t c, uint32_t at) {
    if (e->collect)
        return collect(e, c, at);
    if (c == ' ')
        return end_word(e);
    if (!(bcl_unicode_find(c)->flags & BCL_UNICODE_PUNCT)) {
        append(e, c, at);
        return BCL_OK;
    }
    bcl_status status = end_word(e);
    append(e, c, at);
    return status ? status : end_word(e);
}

/* The steps behind NFD: marks are stripped, the rest made lower case. */
static bcl_status feed_decomposed(encoder *e, uint32_t c, uint32_t at) {
    const bcl_unicode_record *r = bcl_unicode_find(c);
    bcl_status status = BCL_OK;
    if (e->t->strip_accents && r->flags & BCL_UNICODE_MARK)
        return status;
    if (!e->t->lowercase || !(r->flags & BCL_UNICODE_LOWER))
        return feed(e, c, at);
    status = feed(e, (uint32_t)((int32_t)c + r->lower), at);
    return status || c != 0x130 ? status : feed(e, 0x307, at);
}

static bcl_status add_mark(encoder *e, uint32_t c, uint32_t at, bool inserted) {
    scratch *s = e->scratch;
    bcl_status status = bcl_grow(&s->marks, &s->mark_capacity, e->mark_count + 1, sizeof(mark));
    if (!status)
        s->marks[e->mark_count++] = (mark){c, at, bcl_unicode_find(c)->order, inserted};
    return status;
}

/* Puts the run of marks behind the starter at `base` into canonical order and feeds it. */
static bcl_status settle_marks(encoder *e, uint32_t base) {
    const mark *m = e->scratch->marks;
    size_t left = e->mark_count, next = 0;
    uint32_t at = base;
    for (unsigned order = 1; left && order < 256; order++)
        for (size_t i = 0; i < e->mark_count; i++) {
            if (m[i].order != order)
                continue;
            left--;
            if (!m[i].inserted) {
                while (m[next].inserted)
                    next++;
                at = m[next++].at;
            }
            bcl_status status = feed_decomposed(e, m[i].c, at);
            if (status)
                return status;
        }
    e->mark_count = 0;
    return BCL_OK;
}

/* One code point through NFD. Its marks wait for the rest of their run. */
static bcl_status decompose(encoder *e, uint32_t c, const bcl_unicode_record *r, uint32_t at) {
    bcl_status status = BCL_OK;
    if (c >= 0xAC00 && c < 0xD7A4) { /* Hangul syllables, The Unicode Standard 3.12 */
        uint32_t s = c - 0xAC00;
        BCL_TRY(feed(e, 0x1100 + s / 588, at));
        BCL_TRY(feed(e, 0x1161 + s % 588 / 28, at));
        return s % 28 ? feed(e, 0x11A7 + s % 28, at) : status;
    }
    if (!r->length)
        return r->order ? add_mark(e, c, at, false) : feed_decomposed(e, c, at);
    for (unsigned i = 0; i < r->length; i++) {
        uint32_t d = bcl_unicode_decompositions[r->at + i];
        if (bcl_unicode_find(d)->order)
            BCL_TRY(add_mark(e, d, at, i > 0));
        else
            BCL_TRY(feed_decomposed(e, d, at));
    }
out:
    return status;
}

/* True if the code point's NFD begins with a mark, so that it belongs to the run before it. */
static bool continues_run(const bcl_unicode_record *r) {
    if (r->length)
        return bcl_unicode_find(bcl_unicode_decompositions[r->at])->order != 0;
    return r->order != 0;
}

static bcl_status take(encoder *e, uint32_t c, uint32_t at, uint32_t *base) {
    const bcl_unicode_record *r = bcl_unicode_find(c);
    bcl_status status = BCL_OK;
    if (r->flags & BCL_UNICODE_DROP)
        return status;
    if (e->mark_count && !continues_run(r))
        BCL_TRY(settle_marks(e, *base));
    if (!continues_run(r))
        *base = at;
    if (r->flags & BCL_UNICODE_SPACE)
        return feed(e, ' ', at);
    bool spaced = e->t->chinese && r->flags & BCL_UNICODE_CHINESE;
    if (spaced)
        BCL_TRY(feed(e, ' ', at));
    BCL_TRY(e->t->strip_accents ? decompose(e, c, r, at) : feed_decomposed(e, c, at));
    if (spaced)
        BCL_TRY(feed(e, ' ', at));
out:
    return status;
}

/* Reads plain ASCII letters into the word; returns how many. */
static inline size_t run_plain(encoder *e, const unsigned char *p, const unsigned char *end) {
    const uint8_t *kind = e->t->kind, *lower = e->t->lower;
    const unsigned char *q = p;
    uint32_t n = e->bytes;
    const ptrdiff_t room = (ptrdiff_t)e->t->word_chars - (ptrdiff_t)n;
    const unsigned char *stop = end - p > room ? p + room : end;
    if (!n)
        e->first = e->place;
    while (q < stop && kind[*q] == BCL_BYTE_PLAIN)
        e->word[n++] = lower[*q++];
    while (q < end && kind[*q] == BCL_BYTE_PLAIN)
        q++;
    e->plain = true;
    e->bytes = n;
    e->chars += (uint32_t)(q - p);
    e->place += (uint32_t)(q - p);
    e->last = e->place - 1;
    return (size_t)(q - p);
}

static bcl_status invalid(const encoder *e, size_t at) {
    if (e->given_words)
        return bcl_fail(BCL_ERROR_FORMAT, "word %d: byte %zu: not valid UTF-8", e->word_id + 1, at);
    return bcl_fail(BCL_ERROR_FORMAT, "byte %zu: not valid UTF-8", at);
}

/* Normalises text[begin..end) and splits it into words, or collects it. */
static bcl_status read_span(encoder *e, const unsigned char *text, size_t begin, size_t end) {
    bcl_status status = BCL_OK;
    uint32_t base = 0;
    for (size_t p = begin; p < end;) {
        unsigned kind = e->t->kind[text[p]], n = 1;
        if (kind != BCL_BYTE_MULTI && !e->collect && !e->mark_count) {
            base = e->place;
            if (kind == BCL_BYTE_PLAIN) {
                if (!e->chars || (e->plain && e->place == e->first + e->chars)) {
                    p += run_plain(e, text + p, text + end);
                    continue;
                }
                append(e, e->t->lower[text[p]], e->place);
            } else if (kind != BCL_BYTE_DROP) {
                if (e->chars)
                    BCL_TRY(end_word(e));
                if (kind == BCL_BYTE_PUNCT) {
                    append(e, text[p], e->place);
                    BCL_TRY(end_word(e));
                }
            }
        } else {
            uint32_t c = bcl_utf8_decode(text + p, end - p, &n);
            if (c == UINT32_MAX) {
                status = invalid(e, p);
                goto out;
            }
            BCL_TRY(take(e, c, e->place, &base));
        }
        p += n;
        e->place++;
    }
    if (e->mark_count)
        BCL_TRY(settle_marks(e, base));
    if (!e->collect)
        BCL_TRY(end_word(e));
out:
    return status;
}

static bcl_status push_added(encoder *e, int32_t added, uint32_t begin, uint32_t end) {
    bcl_status status = reserve(e->out, e->out->count + 2);
    if (status)
        return status;
    push(e, e->t->added[added].id, begin, end);
    e->word_id += !e->given_words;
    return status;
}

/* A span without raw tokens, where some tokens match in normalised text: normalises it as a whole,
 * finds them, and splits what is between. */
static bcl_status read_normalized(encoder *e, const unsigned char *text, size_t begin, size_t end) {
    bcl_status status = BCL_OK;
    bcl_matcher m;
    bcl_match span;
    e->text_size = 0;
    e->collect = true;
    status = read_span(e, text, begin, end);
    e->collect = false;
    if (status)
        goto out;
    bcl_matcher_start(&m, e->t, &e->t->normalized, e->scratch->text, e->text_size);
    while (bcl_matcher_next(&m, &span)) {
        const uint32_t *at = e->scratch->at;
        if (span.added >= 0) {
            BCL_TRY(push_added(e, span.added, at[span.begin], at[span.end - 1] + 1));
            continue;
        }
        unsigned n;
        for (size_t p = span.begin; p < span.end; p += n)
            BCL_TRY(feed(e, bcl_utf8_decode(e->scratch->text + p, span.end - p, &n), at[p]));
        BCL_TRY(end_word(e));
    }
out:
    return status;
}

static bcl_status encode(encoder *e, const char *data, size_t size) {
    const unsigned char *text = (const unsigned char *)data;
    bcl_status status = BCL_OK;
    bcl_matcher m;
    bcl_match span;
    if (size >= INT32_MAX)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "a text of %zu bytes, expected less than 2 GiB", size);
    e->place = 0;
    bcl_matcher_start(&m, e->t, &e->t->raw, text, size);
    while (bcl_matcher_next(&m, &span)) {
        if (span.added < 0) {
            BCL_TRY((e->t->normalized.any ? read_normalized : read_span)(e, text, span.begin,
                                                                         span.end));
            continue;
        }
        uint32_t begin = e->place;
        for (size_t p = span.begin; p < span.end; p++)
            e->place += (text[p] & 0xC0) != 0x80;
        BCL_TRY(push_added(e, span.added, begin, e->place));
    }
out:
    return status;
}

/* Cuts to max_length and adds [SEP]. */
static bcl_status finish(encoder *e, size_t max_length) {
    bcl_encoding *out = e->out;
    bool left = e->t->truncate_left;
    out->words_cut = 0;
    if (max_length && out->count + 1 > max_length) {
        size_t keep = max_length - 2, cut = out->count - 1 - keep;
        size_t begin = left ? 1 : 1 + keep;
        for (size_t i = begin; i < begin + cut; i++)
            out->words_cut += i == begin || out->word_ids[i] != out->word_ids[i - 1];
        if (left) {
            memmove(out->ids + 1, out->ids + 1 + cut, keep * sizeof *out->ids);
            memmove(out->word_ids + 1, out->word_ids + 1 + cut, keep * sizeof *out->word_ids);
            memmove(out->offsets + 2, out->offsets + 2 + 2 * cut, keep * 2 * sizeof *out->offsets);
        }
        out->count = 1 + keep;
    }
    e->word_id = -1;
    bcl_status status = reserve(out, out->count + 1);
    if (!status)
        push(e, e->t->special_ids[BCL_SPECIAL_SEP], 0, 0);
    return status;
}

static bcl_status begin(encoder *e, const bcl_tokenizer *t, bcl_encoding *out, size_t max_length) {
    /* The large arrays of the struct are written before they are read. */
    e->t = t;
    e->out = out;
    e->place = 0;
    e->word_id = -1;
    e->given_words = e->collect = e->plain = false;
    e->text_size = e->mark_count = 0;
    e->chars = e->bytes = e->first = e->last = 0;
    memset(e->word, 0, 16);
    out->count = out->words_cut = 0;
    if (max_length == 1)
        return bcl_fail(BCL_ERROR_ARGUMENT,
                        "max_length 1: expected at least 2, for [CLS] and [SEP]");
    if (!out->scratch && !(out->scratch = bcl_calloc(1, sizeof(scratch))))
        return BCL_ERROR_MEMORY;
    e->scratch = out->scratch;
    bcl_status status = reserve(out, 2);
    if (!status)
        push(e, t->special_ids[BCL_SPECIAL_CLS], 0, 0);
    return status;
}

bcl_status bcl_tokenizer_encode_text(const bcl_tokenizer *t, const char *text, size_t size,
                                     size_t max_length, bcl_encoding *out) {
    bcl_status status = BCL_OK;
    encoder e;
    BCL_TRY(begin(&e, t, out, max_length));
    e.word_id = 0;
    BCL_TRY(encode(&e, text, size));
    BCL_TRY(finish(&e, max_length));
out:
    if (status)
        out->count = 0;
    return status;
}

bcl_status bcl_tokenizer_encode_words(const bcl_tokenizer *t, const char *const *words,
                                      const size_t *sizes, size_t count, size_t max_length,
                                      bcl_encoding *out) {
    bcl_status status = BCL_OK;
    encoder e;
    BCL_TRY(begin(&e, t, out, max_length));
    e.given_words = true;
    if (count >= INT32_MAX)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "%zu words, expected less than 2^31", count);
    for (size_t i = 0; i < count; i++) {
        e.word_id = (int32_t)i;
        BCL_TRY(encode(&e, words[i], sizes ? sizes[i] : strlen(words[i])));
    }
    BCL_TRY(finish(&e, max_length));
out:
    if (status)
        out->count = 0;
    return status;
}

bcl_status bcl_normalize(const bcl_tokenizer *t, const char *text, size_t size, bcl_string *out) {
    bcl_status status = BCL_OK;
    bcl_encoding encoding = {0};
    encoder e;
    BCL_TRY(begin(&e, t, &encoding, 0));
    e.collect = true;
    BCL_TRY(read_span(&e, (const unsigned char *)text, 0, size));
    BCL_TRY(bcl_string_add(out, e.scratch->text, e.text_size));
out:
    bcl_encoding_free(&encoding);
    return status;
}
