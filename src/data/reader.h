/* Inside data/: what the readers of the formats share. A file is read whole; its format is found by
 * layout.c, and columns.c, records.c or brat.c puts its words into the corpus through reader.c. */
#ifndef BCL_READER_H
#define BCL_READER_H

#include "data/fields.h"

/* ---- header.c: the first line of a file of columns ---- */

/* Whether the cell is one of the names "a|b|c", whatever their case. */
bool bcl_is_one_of(bcl_field cell, const char *names);
/* Whether it names the column of words, of tags, of anything that stands beside words, of what
 * tells sentences apart. */
bool bcl_names_word(bcl_field cell);
bool bcl_names_tag(bcl_field cell);
bool bcl_names_other(bcl_field cell);
bool bcl_names_sentence(bcl_field cell);
/* Of "#word" the name. */
bcl_field bcl_without_hash(bcl_field cell);
/* The place of the first cell that is named so, from 1; 0: none. `name` NULL: by what it means. */
size_t bcl_find_named(const bcl_cells *cells, const char *name, bool (*means)(bcl_field));
/* A whole number; SIZE_MAX if the cell is none. */
size_t bcl_number_of(bcl_field cell);
/* Refuses files that have columns and are none of words with tags, by their first line. */
bcl_status bcl_check_first_line(const bcl_cells *cells, bcl_field line, const char *path,
                                size_t number);

/* ---- layout.c: how a file of columns is to be read ---- */

typedef struct bcl_column_layout {
    bcl_corpus_format format;
    bool tabs;         /* what divides an ordinary line */
    size_t columns;    /* of an ordinary line */
    int64_t word, tag; /* from 1; negative from the end; tag 0: the last filled */
    size_t misc;       /* from 1; 0: none */
    const char *key;   /* of the tag in MISC; NULL: none */
    char key_text[32];
    size_t sentence;   /* from 1: the column that tells sentences apart; 0: none */
    size_t other_tags; /* from 1: a column of names that is not read; 0: none */
    bool ends;         /* MISC tells where sentences end (HIPE) */
    bool two_tags;     /* another column of tags stands beside the tag's */
    bcl_field header;  /* the line of the columns' names; size 0: none */
    bcl_names plain;   /* tags of no scheme on ordinary lines of the file's start */
    char text[128];    /* for people */
} bcl_column_layout;

/* ---- reader.c: the corpus as it grows ---- */

/* A tag that was looked up: most words have one of a few. */
typedef struct bcl_seen_tag {
    const char *text; /* in the file; NULL: none yet */
    size_t size;
    uint32_t id;
} bcl_seen_tag;
enum { BCL_SEEN_TAGS = 64 };

typedef struct bcl_reader {
    bcl_corpus *corpus;
    const bcl_corpus_options *options;
    const char *path;
    uint32_t file;
    size_t line, last_line;
    bool in_sentence, in_document, glue_next;
    bool commas;        /* a table of csv.c's */
    bcl_field sentence; /* what the last word's column of sentences holds */
    bcl_column_layout layout;
    bcl_seen_tag seen[BCL_SEEN_TAGS];
} bcl_reader;

/* Finds the layout, or fails and says why the file is none of columns of words and tags. */
bcl_status bcl_column_layout_find(bcl_reader *r, char *text, char *end);
void bcl_column_layout_free(bcl_column_layout *layout);
/* Whether the tag may be one: of a scheme, or seen on ordinary lines before. */
bool bcl_column_layout_knows(const bcl_reader *r, bcl_field tag);

bcl_status bcl_reader_odd(bcl_reader *r, bcl_odd kind);
/* A word and its tag, ended by NULs, in memory that the file keeps. */
bcl_status bcl_reader_token(bcl_reader *r, const char *word, bcl_field tag);
/* Takes what nobody sees off a tag in its own memory, as bcl_reader_odd counts, and refuses one of
 * nothing or of several lines. It ends in a NUL afterwards. */
bcl_status bcl_reader_clean_tag(bcl_reader *r, bcl_field *tag);
/* The word that was added last goes on where the one before it ends. */
bcl_status bcl_reader_glue(bcl_reader *r);
/* The file keeps the text, whatever comes. */
bcl_status bcl_reader_keep(bcl_reader *r, char *text);
/* With keep_going a refused line or record is counted, and the reading goes on. */
bcl_status bcl_reader_refuse(bcl_reader *r, bcl_status status);
/* A valid UTF-8 line without NULs and carriage returns. `base`: the file's text. */
bcl_status bcl_reader_check_bytes(const bcl_reader *r, bcl_field line, const char *base);
/* A file within the limit on sizes that is UTF-8 by its first bytes; to free(). "-": standard
 * input.
 */
bcl_status bcl_corpus_file_text(char **text, size_t *size, const char *path,
                                const bcl_corpus_options *options);

/* ---- columns.c, csv.c, records.c, spans.c, brat.c ---- */

/* A table between commas or semicolons with a header, in place as one between TABs; any other text
 * stays as it is. */
bcl_status bcl_csv_to_columns(bcl_reader *r, char *text, size_t *size);
bcl_status bcl_read_columns(bcl_reader *r, char *text, size_t size);
/* Whether the file begins as JSON objects do, or an array of them. */
bool bcl_are_records(const char *text, size_t size);
bcl_status bcl_read_records(bcl_reader *r, char *text, size_t size);
bcl_status bcl_read_brat(bcl_reader *r, const char *annotations, char *text, size_t size);

typedef struct bcl_text_span {
    size_t begin, end; /* code points of the text */
    const char *label;
    size_t line; /* where it stands, for messages */
} bcl_text_span;
/* A text of which some spans are entities, as words with IOB2 tags: words are split at white space,
 * and punctuation and Chinese characters are words of their own, as BERT does. A line's end ends a
 * sentence, unless it is inside a span. words: (word_count) spans of the words, if they are known;
 * NULL: split here. Spans are sorted here. If `lines`, r->line is the line of the text's start and
 * is carried on. */
bcl_status bcl_read_spans(bcl_reader *r, const char *text, size_t size, bcl_text_span *spans,
                          size_t count, const bcl_text_span *words, size_t word_count, bool lines);

#endif
