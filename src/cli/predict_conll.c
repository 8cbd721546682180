/* CoNLL files to predict: read as corpora are (src/data), all but the tags; every line comes back,
 * words with their label behind. */
#include "cli/predict.h"
#include "data/reader.h"
#include "util/printable.h"

typedef struct lines {
    char *at, *end;
    size_t number; /* of the line at `at`, from 1 */
    bool word;     /* the last line that was kept is one */
} lines;

/* The line as it was, without white space behind and byte order marks in front. */
static bcl_status keep(bcl_predict_input *j, lines *l, char kind) {
    bcl_status status = BCL_OK;
    bcl_field line = bcl_skip_marks(bcl_cut_line(l->at, l->end, &l->at));
    l->number++;
    l->word = kind == BCL_LINE_WORD;
    if (!j->output->keeps_lines)
        return status;
    while (line.size && strchr(" \t\r\v\f", line.text[line.size - 1]))
        line.size--;
    BCL_TRY(bcl_string_add(&j->lines, &kind, 1));
    BCL_TRY(bcl_string_add(&j->lines, line.text, line.size));
    BCL_TRY(bcl_string_add(&j->lines, "\n", 1));
out:
    return status;
}

static bcl_status send(bcl_predict_input *j, const bcl_corpus *corpus, size_t i, lines *l) {
    bcl_status status = BCL_OK;
    const bcl_sentence s = bcl_corpus_sentence(corpus, i);
    for (size_t k = 0; k < s.size; k++) {
        while (l->number < bcl_corpus_line(corpus, i, k))
            BCL_TRY(keep(j, l, BCL_LINE_OTHER));
        BCL_TRY(keep(j, l, BCL_LINE_WORD));
    }
    if (j->output->keeps_lines)
        BCL_TRY(bcl_predict_keep_lines(j->output, &j->lines));
    j->texts++;
    BCL_TRY(bcl_tagger_add_words(j->tagger, s.words, NULL, s.size, NULL));
out:
    return status;
}

/* What stands behind the last sentence: at least the blank line that ends it. */
static bcl_status send_rest(bcl_predict_input *j, lines *l) {
    bcl_status status = BCL_OK;
    static const char blank[] = {BCL_LINE_OTHER, '\n'};
    if (l->word && l->at == l->end && j->output->keeps_lines)
        BCL_TRY(bcl_string_add(&j->lines, blank, sizeof blank));
    while (l->at < l->end)
        BCL_TRY(keep(j, l, BCL_LINE_OTHER));
    if (!j->lines.size)
        return status;
    BCL_TRY(bcl_tagger_flush(j->tagger));
    BCL_TRY(bcl_predict_other_lines(j->output, j->lines.data, j->lines.size));
out:
    return status;
}

bcl_status bcl_predict_conll(bcl_predict_input *j) {
    bcl_status status = BCL_OK;
    bcl_corpus *corpus = NULL;
    bcl_corpus_options options;
    char **names, *text = NULL;
    const bcl_reading reading = {.word_column = j->word_column};
    BCL_TRY(bcl_reading_options(&options, &names, &reading));
    options.words_only = true;
    BCL_TRY(bcl_predict_read_whole(j));
    const size_t size = j->buffer.size;
    if (bcl_are_records(j->buffer.data, size))
        BCL_FAIL(BCL_ERROR_FORMAT,
                 "%s: found JSON, expected lines of words; --input-format jsonl reads objects, "
                 "--words lists of words",
                 j->name);
    /* The reader ends words where they stand; the lines are needed as they were. */
    BCL_NEW(text, size + 1);
    memcpy(text, j->buffer.data, size);
    status = bcl_corpus_read_text(&corpus, j->name, text, size, &options);
    text = NULL;
    BCL_TRY(status);
    for (size_t i = 0; i < bcl_corpus_note_count(corpus) && !j->quiet; i++)
        bcl_cli_tell(bcl_corpus_note(corpus, i));
    lines l = {.at = j->buffer.data, .end = j->buffer.data + size, .number = 1};
    for (size_t i = 0; i < bcl_corpus_size(corpus); i++)
        BCL_TRY(send(j, corpus, i, &l));
    BCL_TRY(send_rest(j, &l));
out:
    bcl_corpus_free(corpus);
    free(text);
    return status;
}
