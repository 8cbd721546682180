/* CoNLL files to predict: words of one column; every line comes back with its label behind it. */
#include "cli/predict.h"

typedef struct columns {
    const char *word, *last;
    size_t word_size, last_size, count;
} columns;

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

/* The next column of a line: between TABs if it has one, else between spaces. */
static bool next_column(const char **at, const char *end, bool tabs, const char **from,
                        size_t *size) {
    const char *p = *at;
    while (!tabs && p < end && is_blank(*p))
        p++;
    if (p >= end)
        return false;
    *from = p;
    while (p < end && (tabs ? *p != '\t' : !is_blank(*p)))
        p++;
    *size = (size_t)(p - *from);
    *at = p < end ? p + 1 : p;
    while (tabs && *size && is_blank((*from)[*size - 1]))
        --*size;
    return true;
}

/* wanted: the word's column, from 1 or, negative, from the end. */
static columns split(const char *line, size_t size, int64_t wanted) {
    const bool tabs = memchr(line, '\t', size) != NULL;
    columns c = {0};
    const char *at = line, *end = line + size, *from;
    for (size_t n; next_column(&at, end, tabs, &from, &n);) {
        c.last = from;
        c.last_size = n;
        c.count++;
    }
    const int64_t number = wanted < 0 ? (int64_t)c.count + 1 + wanted : wanted;
    at = line;
    for (int64_t i = 1; next_column(&at, end, tabs, &from, &size); i++)
        if (i == number) {
            c.word = from;
            c.word_size = size;
        }
    return c;
}

static bool looks_like_a_tag(const char *text, size_t size) {
    return (size == 1 && *text == 'O') || (size > 2 && strchr("BIESLUMW", *text) && text[1] == '-');
}

/* A line that begins with '#' is a word if it has the other lines' columns, and either a tag, or
 * stands within a sentence. */
static bool is_comment(const bcl_predict_input *j, const char *line, size_t size,
                       const columns *c) {
    if (line[0] != '#' || size == 1)
        return false;
    if (c->count != j->columns)
        return true;
    const bool spaces = !memchr(line, '\t', size);
    return !looks_like_a_tag(c->last, c->last_size) && spaces && !j->word_count;
}

static bcl_status keep(bcl_predict_input *j, char kind, const char *line, size_t size) {
    bcl_status status = BCL_OK;
    if (!j->output->keeps_lines)
        return status;
    BCL_TRY(bcl_string_add(&j->lines, &kind, 1));
    BCL_TRY(bcl_string_add(&j->lines, line, size));
    BCL_TRY(bcl_string_add(&j->lines, "\n", 1));
out:
    return status;
}

/* Words point into `sentence`, which has stopped moving. */
static bcl_status send(bcl_predict_input *j) {
    bcl_status status = BCL_OK;
    const char *at = j->sentence.data;
    BCL_TRY(bcl_grow(&j->words, &j->words_capacity, j->word_count, sizeof *j->words));
    for (size_t i = 0; i < j->word_count; i++, at += strlen(at) + 1)
        j->words[i] = at;
    if (j->output->keeps_lines)
        BCL_TRY(bcl_predict_keep_lines(j->output, &j->lines));
    j->texts++;
    BCL_TRY(bcl_tagger_add_words(j->tagger, j->words, NULL, j->word_count, NULL));
    j->sentence.size = j->word_count = 0;
out:
    return status;
}

static bcl_status end_sentence(bcl_predict_input *j, const char *line, size_t size) {
    bcl_status status = BCL_OK;
    BCL_TRY(keep(j, BCL_LINE_OTHER, line, size));
    if (j->word_count)
        BCL_TRY(send(j));
out:
    return status;
}

bcl_status bcl_predict_conll_line(bcl_predict_input *j, const char *line, size_t size) {
    static const char docstart[] = "-DOCSTART-", mark[] = "\xEF\xBB\xBF";
    bcl_status status = BCL_OK;
    if (size >= 3 && !memcmp(line, mark, 3)) {
        line += 3;
        size -= 3;
    }
    while (size && is_blank(line[size - 1]))
        size--;
    const columns c = split(line, size, j->word_column);
    if (!c.count || (size >= sizeof docstart - 1 && !memcmp(line, docstart, sizeof docstart - 1)))
        return end_sentence(j, line, size);
    if (is_comment(j, line, size, &c))
        return keep(j, BCL_LINE_OTHER, line, size);
    if (!c.word)
        BCL_FAIL(BCL_ERROR_FORMAT,
                 "%s: line %llu: found %zu columns, expected a word in column %lld", j->name,
                 (unsigned long long)j->line, c.count, (long long)j->word_column);
    j->columns = c.count;
    BCL_TRY(keep(j, BCL_LINE_WORD, line, size));
    BCL_TRY(bcl_string_add(&j->sentence, c.word, c.word_size));
    BCL_TRY(bcl_string_add(&j->sentence, "", 1));
    j->word_count++;
out:
    return status;
}

bcl_status bcl_predict_conll_end(bcl_predict_input *j) {
    bcl_status status = BCL_OK;
    if (j->word_count)
        BCL_TRY(end_sentence(j, "", 0));
    if (!j->lines.size)
        return status;
    BCL_TRY(bcl_tagger_flush(j->tagger));
    BCL_TRY(bcl_predict_other_lines(j->output, j->lines.data, j->lines.size));
out:
    return status;
}
