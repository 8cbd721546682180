/* A line of text or of words to its line of JSON. Knows nothing of threads and files. */
#include "cli/tokenize.h"

void bcl_tokenize_worker_free(bcl_tokenize_worker *w) {
    bcl_encoding_free(&w->encoding);
    bcl_json_words_free(&w->words);
}

void bcl_tokenize_job_free(bcl_tokenize_job *j) {
    bcl_string_free(&j->texts);
    free(j->begin);
}

bcl_status bcl_tokenize_job_prepare(bcl_tokenize_job *j, const bcl_tokenizer *t) {
    bcl_status status = BCL_OK;
    const size_t size = bcl_tokenizer_size(t);
    j->tokenizer = t;
    BCL_NEW(j->begin, size + 1);
    for (size_t i = 0; i < size; i++) {
        const char *text = bcl_tokenizer_piece(t, (int32_t)i);
        j->begin[i] = j->texts.size;
        BCL_TRY(bcl_json_add_string(&j->texts, text ? text : "", text ? strlen(text) : 0));
    }
    j->begin[size] = j->texts.size;
out:
    return status;
}

static char *add_number(char *p, uint32_t x) {
    char digits[10];
    int n = 0;
    do
        digits[n++] = (char)('0' + x % 10);
    while (x /= 10);
    while (n)
        *p++ = digits[--n];
    return p;
}

static char *add_text(char *p, const char *text, size_t size) {
    memcpy(p, text, size);
    return p + size;
}
#define ADD(p, literal) add_text(p, literal, sizeof(literal) - 1)

static bcl_status print_encoding(bcl_string *out, const bcl_encoding *e,
                                 const bcl_tokenize_job *job) {
    size_t need = 64;
    for (size_t i = 0; i < e->count; i++)
        need += job->begin[e->ids[i] + 1] - job->begin[e->ids[i]] + 56;
    bcl_status status = bcl_grow(&out->data, &out->capacity, out->size + need, 1);
    if (status)
        return status;
    char *p = ADD(out->data + out->size, "{\"ids\":[");
    for (size_t i = 0; i < e->count; i++) {
        *p = ',';
        p = add_number(p + (i > 0), (uint32_t)e->ids[i]);
    }
    p = ADD(p, "],\"tokens\":[");
    for (size_t i = 0; i < e->count; i++) {
        size_t begin = job->begin[e->ids[i]], end = job->begin[e->ids[i] + 1];
        *p = ',';
        p = add_text(p + (i > 0), job->texts.data + begin, end - begin);
    }
    p = ADD(p, "],\"word_ids\":[");
    for (size_t i = 0; i < e->count; i++) {
        *p = ',';
        p += i > 0;
        p = e->word_ids[i] < 0 ? ADD(p, "null") : add_number(p, (uint32_t)e->word_ids[i]);
    }
    p = ADD(p, "],\"offsets\":[");
    for (size_t i = 0; i < e->count; i++) {
        *p = ',';
        p += i > 0;
        *p++ = '[';
        p = add_number(p, e->offsets[2 * i]);
        *p++ = ',';
        p = add_number(p, e->offsets[2 * i + 1]);
        *p++ = ']';
    }
    p = ADD(p, "]}\n");
    out->size = (size_t)(p - out->data);
    return BCL_OK;
}

static bcl_status encode(bcl_tokenize_worker *w, const bcl_tokenize_job *j, const char *line,
                         size_t size) {
    bcl_status status = BCL_OK;
    bcl_json_words *words = &w->words;
    if (!j->words)
        return bcl_tokenizer_encode_text(j->tokenizer, line, size, j->max_length, &w->encoding);
    BCL_TRY(bcl_json_words_read(words, line, size));
    BCL_TRY(bcl_tokenizer_encode_words(j->tokenizer, words->words, words->sizes, words->count,
                                       j->max_length, &w->encoding));
out:
    return status;
}

bcl_status bcl_tokenize_line(bcl_string *out, bcl_tokenize_worker *w, const bcl_tokenize_job *j,
                             const char *line, size_t size) {
    const bcl_status status = encode(w, j, line, size);
    return status || j->count ? status : print_encoding(out, &w->encoding, j);
}
