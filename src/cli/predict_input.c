/* What bertcl predict reads, a line or a stretch of a document at a time: memory holds a batch, not
 * the input. */
#include "cli/predict.h"
#include "text/unicode.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

enum {
    READ_BYTES = 1 << 16,
    MOST_LINE_BYTES =
        1 << 24, /* a text is in memory whole, and its pieces take several times that */
    MOST_SENTENCE_BYTES = 1 << 20 /* of a document; then it is cut at a space */
};

/* ---- lines ---- */

/* Nobody should wait for an answer because the next question has not come. */
static bcl_status before_read(bcl_predict_input *j) {
    bcl_status status = BCL_OK;
    struct pollfd wait = {.fd = j->fd, .events = POLLIN};
    if (poll(&wait, 1, 0) != 0)
        return status;
    BCL_TRY(bcl_tagger_flush(j->tagger));
    if (fflush(j->output->to))
        status = bcl_fail_errno("%s: cannot write", j->output->to_name);
out:
    return status;
}

static bcl_status read_more(bcl_predict_input *j) {
    bcl_status status = BCL_OK;
    if (j->at) {
        memmove(j->buffer.data, j->buffer.data + j->at, j->buffer.size - j->at);
        j->buffer.size -= j->at;
        j->at = 0;
    }
    j->searched = j->buffer.size;
    BCL_TRY(before_read(j));
    BCL_TRY(bcl_grow(&j->buffer.data, &j->buffer.capacity, j->buffer.size + READ_BYTES, 1));
    ssize_t n;
    do
        n = read(j->fd, j->buffer.data + j->buffer.size, READ_BYTES);
    while (n < 0 && errno == EINTR);
    if (n < 0) {
        status = bcl_fail_errno("%s: cannot read", j->name);
        goto out;
    }
    j->buffer.size += (size_t)n;
    j->ended = !n;
out:
    return status;
}

bcl_status bcl_predict_read_whole(bcl_predict_input *j) {
    bcl_status status = BCL_OK;
    size_t seen = 0;
    /* What holds a NUL is no text, and may have no end. */
    while (!j->ended &&
           !(j->buffer.size > seen && memchr(j->buffer.data + seen, 0, j->buffer.size - seen))) {
        seen = j->buffer.size;
        BCL_TRY(read_more(j));
        if (j->buffer.size > BCL_MAX_FILE_SIZE)
            BCL_FAIL(BCL_ERROR_FORMAT, "%s: found more than %llu bytes, expected at most that many",
                     j->name, (unsigned long long)BCL_MAX_FILE_SIZE);
    }
    BCL_TRY(bcl_grow(&j->buffer.data, &j->buffer.capacity, j->buffer.size + 1, 1));
    j->buffer.data[j->buffer.size] = 0;
out:
    return status;
}

/* A code point at the end of text[0..size) that may go on behind it: its bytes. */
static size_t open_point(const char *text, size_t size) {
    size_t n = 0;
    while (n < 3 && n < size && (text[size - 1 - n] & 0xC0) == 0x80)
        n++;
    return n < size && (text[size - 1 - n] & 0xC0) == 0xC0 ? n + 1 : 0;
}

/* The next line, its newline included where it has one; size 0 at the end. Of a document, whose
 * lines may be of any length, also a part of one. */
static bcl_status next_line(bcl_predict_input *j, const char **line, size_t *size) {
    bcl_status status = BCL_OK;
    const char *end = NULL;
    j->column = j->next_column;
    j->line += !j->column;
    for (;;) {
        const size_t from = j->searched > j->at ? j->searched : j->at;
        const size_t have = j->buffer.size - j->at;
        if (from < j->buffer.size)
            end = memchr(j->buffer.data + from, '\n', j->buffer.size - from);
        if (end || j->ended || (j->source == BCL_SOURCE_DOCUMENT && have >= READ_BYTES))
            break;
        if (have > MOST_LINE_BYTES)
            BCL_FAIL(
                BCL_ERROR_FORMAT,
                "%s: line %llu: found more than %d MiB without a line break, expected one text; "
                "--document reads running text",
                j->name, (unsigned long long)j->line, MOST_LINE_BYTES >> 20);
        BCL_TRY(read_more(j));
    }
    *line = j->buffer.data + j->at;
    *size = end ? (size_t)(end + 1 - *line) : j->buffer.size - j->at;
    if (!end && !j->ended)
        *size -= open_point(*line, *size);
    j->at += *size;
    j->next_column = end ? 0 : j->column + *size;
out:
    return status;
}

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
    return MOST_SENTENCE_BYTES - open_point(text, MOST_SENTENCE_BYTES);
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
    const bool standard_input = !path || !strcmp(path, "-");
    j->name = standard_input ? "standard input" : path;
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
        BCL_TRY(next_line(j, &line, &size));
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
