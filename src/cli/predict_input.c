/* What bertcl predict reads: texts, lists of words, records and documents go to the tagger as they
 * come, so that memory holds a batch, not the input. */
#include "cli/predict.h"
#include "text/unicode.h"

#include <cjson/cJSON.h>
#include <fcntl.h>
#include <unistd.h>

enum { MOST_SENTENCE_BYTES = 1 << 20 /* of a document; then it is cut at a space */ };

/* ---- texts ---- */

static bcl_status wrong_byte(const bcl_predict_input *j, size_t byte, const char *problem) {
    return bcl_fail(BCL_ERROR_FORMAT, "%s: line %llu: byte %zu: %s", j->name,
                    (unsigned long long)j->line, j->column + byte, problem);
}

static bcl_status check_line(const bcl_predict_input *j, const char *line, size_t size) {
    unsigned n;
    for (size_t i = 0; i < size; i += n) {
        n = 1;
        if (!line[i])
            return wrong_byte(j, i, "found a NUL, expected text in UTF-8");
        if ((line[i] & 0x80) &&
            bcl_utf8_decode((const unsigned char *)line + i, size - i, &n) == UINT32_MAX)
            return wrong_byte(j, i, "not valid UTF-8");
    }
    return BCL_OK;
}

static bcl_status add_words(bcl_predict_input *j, const char *line, size_t size) {
    char message[256];
    bcl_status status = bcl_json_words_read(&j->list, line, size);
    if (!status) {
        j->texts++;
        return bcl_tagger_add_words(j->tagger, j->list.words, j->list.sizes, j->list.count, NULL);
    }
    snprintf(message, sizeof message, "%s", bcl_message());
    return bcl_fail(status, "%s: line %llu: %s", j->name, (unsigned long long)j->line, message);
}

static const char white_space[] = " \t\r\n\v\f";

static size_t count_points(const char *text, size_t size) {
    size_t points = 0;
    for (size_t i = 0; i < size; i++)
        points += (text[i] & 0xC0) != 0x80;
    return points;
}

/* Where a sentence that does not end is cut. */
static size_t forced_end(const char *text) {
    for (size_t n = MOST_SENTENCE_BYTES; n > MOST_SENTENCE_BYTES / 2; n--)
        if (strchr(white_space, text[n - 1]))
            return n;
    return MOST_SENTENCE_BYTES - bcl_predict_open_point(text, MOST_SENTENCE_BYTES);
}

/* The end of the document's next sentence, 0: it is not there yet. */
static size_t next_sentence(bcl_predict_input *j, size_t begin, bool last) {
    const char *text = j->document_text.data + begin;
    const size_t size = j->document_text.size - begin;
    const size_t n = bcl_sentence_end(text, size, last, &j->document_from);
    return (n ? n : size) > MOST_SENTENCE_BYTES ? forced_end(text) : n;
}

/* Hands out the sentences that are complete, without the white space around them. */
static bcl_status split_document(bcl_predict_input *j, bool last) {
    bcl_status status = BCL_OK;
    bcl_string *d = &j->document_text;
    size_t begin = 0, n;
    while (begin < d->size && (n = next_sentence(j, begin, last)) > 0) {
        size_t first = begin, end = begin + n;
        while (first < end && strchr(white_space, d->data[first]))
            first++;
        while (end > first && strchr(white_space, d->data[end - 1]))
            end--;
        j->document_points += first - begin; /* one byte each */
        if (end > first) {
            j->texts++;
            BCL_TRY(bcl_tagger_add_text(j->tagger, d->data + first, end - first,
                                        (void *)(uintptr_t)j->document_points));
        }
        j->document_points += count_points(d->data + first, begin + n - first);
        begin += n;
        j->document_from = 0;
    }
    if (begin) {
        memmove(d->data, d->data + begin, d->size - begin);
        d->size -= begin;
    }
out:
    return status;
}

/* ---- records ---- */

static bcl_status record_problem(const bcl_predict_input *j, const char *problem) {
    return bcl_fail(BCL_ERROR_FORMAT, "%s: line %llu: %s", j->name, (unsigned long long)j->line,
                    problem);
}

static const cJSON *find_field(const bcl_predict_input *j, const cJSON *record) {
    static const char *const usual[] = {"text", "tokens", "words", "sentence"};
    const cJSON *item = NULL;
    if (j->field)
        return cJSON_GetObjectItemCaseSensitive(record, j->field);
    for (size_t i = 0; !item && i < sizeof usual / sizeof *usual; i++)
        item = cJSON_GetObjectItemCaseSensitive(record, usual[i]);
    return item;
}

static bcl_status add_words_of(bcl_predict_input *j, const cJSON *list) {
    bcl_status status = BCL_OK;
    const cJSON *word;
    j->word_count = 0;
    cJSON_ArrayForEach(word, list) {
        if (!cJSON_IsString(word))
            BCL_FAIL(BCL_ERROR_FORMAT, "%s: line %llu: \"%.40s\": expected strings in the array",
                     j->name, (unsigned long long)j->line, list->string);
        BCL_TRY(bcl_grow(&j->words, &j->words_capacity, j->word_count + 1, sizeof *j->words));
        j->words[j->word_count++] = word->valuestring;
    }
    BCL_TRY(bcl_tagger_add_words(j->tagger, j->words, NULL, j->word_count, NULL));
out:
    return status;
}

static bcl_status add_record(bcl_predict_input *j, const char *line, size_t size) {
    bcl_status status = BCL_OK;
    const char *end = NULL;
    cJSON *record = cJSON_ParseWithLengthOpts(line, size, &end, false);
    const cJSON *item = find_field(j, record);
    size_t rest = end ? (size_t)(end - line) : size;
    while (rest < size && strchr(white_space, line[rest]))
        rest++;
    j->texts++;
    if (!cJSON_IsObject(record) || rest < size) {
        status = record_problem(j, "expected a JSON object");
    } else if (!item && j->field) {
        status = bcl_fail(BCL_ERROR_FORMAT, "%s: line %llu: found no field \"%.40s\"", j->name,
                          (unsigned long long)j->line, j->field);
    } else if (!item) {
        status = record_problem(j, "found none of the fields text, tokens, words and sentence; "
                                   "name it by --field");
    } else if (cJSON_IsArray(item)) {
        status = add_words_of(j, item);
    } else if (cJSON_IsString(item)) {
        status = bcl_tagger_add_text(j->tagger, item->valuestring, strlen(item->valuestring), NULL);
    } else {
        status = bcl_fail(BCL_ERROR_FORMAT,
                          "%s: line %llu: field \"%.40s\": expected a text or an array of words",
                          j->name, (unsigned long long)j->line, item->string);
    }
    cJSON_Delete(record);
    return status;
}

/* ---- files ---- */

static bcl_status add_line(bcl_predict_input *j, const char *line, size_t size) {
    bcl_status status = BCL_OK;
    BCL_TRY(check_line(j, line, size));
    if (j->source == BCL_SOURCE_DOCUMENT) {
        BCL_TRY(bcl_string_add(&j->document_text, line, size));
        return split_document(j, false);
    }
    if (size && line[size - 1] == '\n')
        size--;
    if (size && line[size - 1] == '\r')
        size--;
    switch (j->source) {
    case BCL_SOURCE_WORDS:
        return add_words(j, line, size);
    case BCL_SOURCE_RECORDS:
        return add_record(j, line, size);
    default:
        j->texts++;
        return bcl_tagger_add_text(j->tagger, line, size, NULL);
    }
out:
    return status;
}

static void begin_file(bcl_predict_input *j) {
    j->buffer.size = j->at = j->searched = 0;
    j->document_text.size = j->document_from = j->document_points = 0;
    j->lines.size = 0;
    j->line = j->next_column = 0;
    j->ended = j->known = false;
}

bcl_status bcl_predict_read(bcl_predict_input *j, const char *path) {
    bcl_status status = BCL_OK;
    bcl_predict_output *o = j->output;
    const bool standard_input = bcl_is_standard_input(path);
    j->name = bcl_data_name(path);
    j->fd = standard_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (j->fd < 0)
        return bcl_fail_errno("%s: cannot open", path);
    begin_file(j);
    BCL_TRY(bcl_grow(&o->files, &o->files_capacity, o->file_count + 1, sizeof *o->files));
    o->files[o->file_count++] = (bcl_predict_file){
        standard_input && j->source != BCL_SOURCE_DOCUMENT ? NULL : j->name, j->texts};
    if (j->source == BCL_SOURCE_CONLL) {
        BCL_TRY(bcl_predict_conll(j));
        goto out;
    }
    for (;;) {
        const char *line = NULL;
        size_t size = 0;
        BCL_TRY(bcl_predict_next_line(j, &line, &size));
        if (!size)
            break;
        BCL_TRY(bcl_predict_begin_text(j, &line, &size));
        BCL_TRY(add_line(j, line, size));
    }
    if (j->source == BCL_SOURCE_DOCUMENT)
        BCL_TRY(split_document(j, true));
out:
    if (!standard_input)
        close(j->fd);
    return status;
}

void bcl_predict_input_free(bcl_predict_input *j) {
    bcl_json_words_free(&j->list);
    free(j->words);
    free(j->sizes);
    bcl_string_free(&j->buffer);
    bcl_string_free(&j->document_text);
    bcl_string_free(&j->lines);
}
