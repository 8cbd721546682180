/* Inside data/: the corpus in memory and the table of names. Knows nothing of models. */
#ifndef BCL_DATA_H
#define BCL_DATA_H

#include "util/util.h"

#include <bertcl/data.h>

/* ---- standard_input.c: "-" where data are named ---- */

#define BCL_STANDARD_INPUT "standard input" /* as messages, results and records call it */
bool bcl_is_standard_input(const char *path);
/* Its name, or the path. */
const char *bcl_data_name(const char *path);
/* An error where it is named more than once among sets (count) of paths. */
bcl_status bcl_check_standard_input(const bcl_texts *sets, size_t count);
/* All of it, as bcl_file_read_limited; also again. */
bcl_status bcl_standard_input_read(char **text, size_t *size, uint64_t limit);

/* Strings, each once, numbered in order of first appearance; found by hash. Zero-initialise. */
typedef struct bcl_names {
    char **items;
    size_t count, capacity;
    uint32_t *slots; /* index + 1, 0: free */
    size_t slot_count;
} bcl_names;
/* The number of a string of `size` bytes, which is added if it is new. */
bcl_status bcl_names_intern(uint32_t *out, bcl_names *names, const char *text, size_t size);
/* Its number, or SIZE_MAX. */
size_t bcl_names_find(const bcl_names *names, const char *text, size_t size);
void bcl_names_free(bcl_names *names);
uint64_t bcl_hash_bytes(const void *data, size_t size, uint64_t seed); /* FNV-1a, mixed */

typedef struct bcl_tag_table {
    bcl_names names;
    uint64_t *totals; /* words that carry the tag */
    size_t *first;    /* the first of them */
    size_t totals_capacity, first_capacity;
} bcl_tag_table;
/* The tag's number; it is added, with `token` as its first, if it is new. */
bcl_status bcl_tag_table_intern(uint32_t *out, bcl_tag_table *t, const char *tag, size_t token);
void bcl_tag_table_free(bcl_tag_table *t);

typedef struct bcl_source {
    char *path, *format;
    char **texts; /* (text_count), bytes of the file or made of it; words point into them */
    size_t text_count, text_capacity;
    uint64_t bytes;
    size_t sentences, documents;
    bool columns;  /* of which `format` says the word's and the tag's */
    bool one_line; /* the words of a sentence stand in one line */
} bcl_source;

typedef struct bcl_odd_line {
    bcl_odd kind;
    uint32_t file;
    size_t line;
    char *error; /* of REFUSED */
} bcl_odd_line;

typedef struct bcl_span {
    size_t first; /* word */
    size_t line;
    uint32_t file, document;
} bcl_span;

/* Inside a sentence a word does not stand in the line behind its neighbour's: comments between. */
typedef struct bcl_line_jump {
    size_t token, line;
} bcl_line_jump;

typedef struct bcl_document {
    uint32_t file, number; /* the number in its file, from 0 */
} bcl_document;

struct bcl_corpus {
    bcl_source *files;
    size_t file_count, file_capacity;
    const char **words;
    uint32_t *tags;
    size_t token_count, word_capacity, tag_capacity;
    uint8_t *glued; /* (glued_count), behind that no word is */
    size_t glued_count, glued_capacity;
    bcl_span *sentences;
    size_t sentence_count, sentence_capacity;
    bcl_line_jump *jumps;
    size_t jump_count, jump_capacity;
    bcl_document *documents;
    size_t document_count, document_capacity;
    bcl_tag_table mapped, raw;
    size_t odd_totals[BCL_ODD_COUNT];
    bcl_odd_line *odd;
    size_t odd_count, odd_capacity;
    char **notes;
    size_t note_count, note_capacity;
    size_t tag_note, tag_notes; /* the first of those on tags, and how many */
    size_t equal_tags;          /* that are written like another, but for capitals */
    char **left_out;            /* paths */
    const char **left_out_why;
    size_t left_out_count, left_out_capacity, why_capacity;
};

bcl_status bcl_corpus_add_note(bcl_corpus *corpus, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Reads a text that is in memory, a file of columns or of JSON, under a name for messages. Takes
 * the text (size + 1 bytes, the last a NUL) over, whatever comes. It may hold no sentence. */
bcl_status bcl_corpus_read_text(bcl_corpus **out, const char *name, char *text, size_t size,
                                const bcl_corpus_options *options);
/* What is no text in UTF-8 by its first bytes (UTF-16, archives), and what to do about it. */
bcl_status bcl_text_check_kind(const char *text, size_t size, const char *name);
/* Why a file of a folder is no data by its name ("hidden", "an editor's backup"); NULL: it may be.
 * running_text: documents are what is wanted. */
const char *bcl_name_is_no_data(const char *name, bool running_text);
/* Notes on files of columns that are read otherwise than the first of them is: within a corpus, and
 * of corpora that belong together, whose first files are compared. */
bcl_status bcl_corpus_note_layouts(bcl_corpus *corpus);
bcl_status bcl_corpora_note_layouts(bcl_corpus *const *corpora, size_t count);
/* Notes on the odd lines that change what is read. */
bcl_status bcl_corpus_note_odd(bcl_corpus *corpus);
/* The error of the first line that was refused; "" if there is none. */
const char *bcl_corpus_first_refused(const bcl_corpus *corpus);
/* The sentence that holds a word, numbered over the whole corpus. */
size_t bcl_corpus_sentence_of(const bcl_corpus *corpus, size_t token);
/* The line of a word, numbered over the whole corpus, of sentence s. */
size_t bcl_corpus_token_line(const bcl_corpus *corpus, const bcl_span *s, size_t token);

#endif
