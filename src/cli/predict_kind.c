/* What a file to predict is, where it is to be texts: JSON and lines of words are not read as texts
 * in silence. */
#include "cli/predict.h"
#include "data/reader.h"

#include <cjson/cJSON.h>
#include <sys/stat.h>

enum { SAMPLE = 50, LEAST = 3 /* lines between spaces */ };

static bool is_tagged(const bcl_cells *c) {
    return c->count > 1 && c->count <= BCL_MAX_COLUMNS &&
           bcl_is_scheme_tag(c->cells[c->count - 1].text, c->cells[c->count - 1].size);
}

/* A tag between TABs tells by itself, between spaces it may be a word of a text: then all lines of
 * a sample must have one, and as many columns. */
static bool are_tagged(char *text, char *end, bool sampled) {
    bcl_cells cells;
    size_t lines = 0, columns = 0;
    for (char *next; text < end && lines < SAMPLE; text = next) {
        const bcl_field line = bcl_skip_marks(bcl_cut_line(text, end, &next));
        if (bcl_is_blank(line) || *line.text == '#' || bcl_is_docstart(line))
            continue;
        bcl_split_cells(&cells, line);
        if (!is_tagged(&cells) || (lines && cells.count != columns))
            return next == end && lines >= LEAST; /* the last line may be cut */
        if (cells.tabs)
            return true;
        if (!sampled)
            return false;
        columns = cells.count;
        lines++;
    }
    return lines >= LEAST;
}

/* "jsonl" of an object with keys, "words" of a list of texts; NULL: no such line. */
static const char *json_of(const char *line, size_t size) {
    const char *format = NULL;
    if (!size || (*line != '{' && *line != '['))
        return NULL;
    cJSON *json = cJSON_ParseWithLength(line, size);
    if (json && json->child)
        format = cJSON_IsObject(json) ? "jsonl" : cJSON_IsString(json->child) ? "words" : NULL;
    cJSON_Delete(json);
    return format;
}

static bcl_status check_kind(const bcl_predict_input *j, char *line, size_t size) {
    struct stat st;
    const bcl_field first = bcl_skip_marks((bcl_field){line, size});
    const char *format = json_of(first.text, first.size);
    const bool sampled = !fstat(j->fd, &st) && S_ISREG(st.st_mode);
    if (!format &&
        !are_tagged(line, sampled ? j->buffer.data + j->buffer.size : line + size, sampled))
        return BCL_OK;
    return bcl_fail(BCL_ERROR_FORMAT,
                    "%s: line %llu: found %s, expected a text; --input-format %s reads it, "
                    "--input-format %s takes it as text",
                    j->name, (unsigned long long)j->line, format ? "JSON" : "a word with its tag",
                    format ? format : "conll",
                    j->source == BCL_SOURCE_DOCUMENT ? "document" : "text");
}

bcl_status bcl_predict_begin_text(bcl_predict_input *j, const char **line, size_t *size) {
    bcl_status status = BCL_OK;
    if (j->known)
        return status;
    if (j->line == 1 && !j->column) {
        BCL_TRY(bcl_text_check_kind(*line, *size, j->name));
        if (*size >= 3 && !memcmp(*line, "\xEF\xBB\xBF", 3)) {
            *line += 3;
            *size -= 3;
            j->document_points = 1;
        }
    }
    size_t blank = 0;
    while (blank < *size && strchr(" \t\r\n\v\f", (*line)[blank]))
        blank++;
    j->known = blank < *size && (*line)[blank] != '#';
    if (j->known && !j->sure && (j->source == BCL_SOURCE_TEXT || j->source == BCL_SOURCE_DOCUMENT))
        BCL_TRY(check_kind(j, j->buffer.data + (*line - j->buffer.data), *size));
out:
    return status;
}
