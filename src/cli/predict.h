/* bertcl predict: reading (predict_input.c), what it writes (predict_output.c, predict_page.c). */
#ifndef BCL_CLI_PREDICT_H
#define BCL_CLI_PREDICT_H

#include "cli/cli.h"
#include "data/data.h"
#include "dist/dist.h"

#include <bertcl/tagger.h>

/* ---- output ---- */

typedef enum bcl_predict_format {
    BCL_PREDICT_JSONL,
    BCL_PREDICT_CONLL,
    BCL_PREDICT_HTML,
    BCL_PREDICT_COUNTS
} bcl_predict_format;

typedef struct bcl_predict_file {
    const char *name;
    uint64_t first; /* number of its first text */
} bcl_predict_file;

/* The sink's context. Zero-initialise; what stands above the line is the caller's to set. */
typedef struct bcl_predict_output {
    bcl_predict_format format;
    bool byte_offsets;
    bool documents;   /* results carry their place in a file: `user` is its code point */
    bool keeps_lines; /* results come with the lines that they were read from: see
                       * bcl_predict_keep_lines */
    const char *model, *data, *how; /* for the head of a page */
    const bcl_tagger *tagger;
    bcl_predict_file *files; /* grows while reading */
    size_t file_count, files_capacity;
    /* ---- */
    struct kept_lines *lines, **last_line; /* of results that are still to come */
    bcl_writer writer;                     /* with --out */
    FILE *to;
    const char *to_name;
    size_t file; /* of the text at hand */
    bool page_open;
    uint64_t page_texts, page_words_cut; /* of what is being written */
    uint64_t texts, texts_cut, words_cut;
    uint64_t *type_counts; /* (types) */
    bcl_string line;
    bcl_names found; /* "type<TAB>entity", for counts */
    uint64_t *found_counts;
    size_t found_capacity;
} bcl_predict_output;

/* Output goes to a file, complete or absent, or to standard output (path NULL). */
bcl_status bcl_predict_begin(bcl_predict_output *output, const char *path);
bcl_status bcl_predict_print(void *output, const bcl_tagged *result);
/* What comes behind the last text. */
bcl_status bcl_predict_end(bcl_predict_output *output);
void bcl_predict_output_free(bcl_predict_output *output);

/* Lines of a CoNLL file around one sentence. A line is its kind, its text and '\n': BCL_LINE_WORD
 * gets the word's label as a last column, any other stays as it is. In the order of the results. */
enum { BCL_LINE_WORD = 'w', BCL_LINE_OTHER = 'o' };
/* Takes the text over. */
bcl_status bcl_predict_keep_lines(bcl_predict_output *output, bcl_string *text);
/* What is left over when a file ends: comments behind its last sentence. */
bcl_status bcl_predict_other_lines(bcl_predict_output *output, const char *text, size_t size);

/* ---- predict_page.c ---- */
size_t bcl_predict_type(const bcl_predict_output *o, const char *label);
bcl_status bcl_predict_page_open(bcl_predict_output *o);
bcl_status bcl_predict_page_heading(bcl_predict_output *o);
bcl_status bcl_predict_page_text(bcl_predict_output *o, const bcl_tagged *r);
bcl_status bcl_predict_page_close(bcl_predict_output *o);

/* ---- input ---- */

typedef enum bcl_predict_source {
    BCL_SOURCE_TEXT,     /* a line is a text */
    BCL_SOURCE_WORDS,    /* a line is a JSON array of words */
    BCL_SOURCE_DOCUMENT, /* running text */
    BCL_SOURCE_CONLL,    /* a word a line, in one of its columns */
    BCL_SOURCE_RECORDS   /* a line is a JSON object with a field of text or words */
} bcl_predict_source;

/* Zero-initialise; what stands above the line is the caller's to set. */
typedef struct bcl_predict_input {
    bcl_predict_source source;
    const char *field;       /* of records; NULL: text, tokens, words or sentence */
    const char *word_column; /* a number or a name; NULL: found */
    bool sure;               /* the source was named: what looks like another is no error */
    bool quiet;
    bcl_tagger *tagger;
    bcl_predict_output *output;
    /* ---- */
    bcl_json_words list;
    const char **words; /* of a record */
    size_t *sizes;
    size_t word_count, words_capacity, sizes_capacity;
    uint64_t texts; /* handed to the tagger */
    /* the file at hand */
    int fd;
    const char *name;
    bcl_string buffer;
    size_t at, searched; /* the next line, and how far no newline was found */
    bool ended, known;   /* known: what kind of file it is */
    uint64_t line;
    size_t column,
        next_column; /* bytes of the line in front of what was read last, and behind it */
    /* the document at hand */
    bcl_string document_text;
    size_t document_from, document_points;
    /* the CoNLL file at hand */
    bcl_string lines; /* see bcl_predict_keep_lines */
} bcl_predict_input;

/* "-": standard input. */
bcl_status bcl_predict_read(bcl_predict_input *input, const char *path);
void bcl_predict_input_free(bcl_predict_input *input);

/* ---- predict_files.c ---- */

/* Zero-initialise; what stands above the line is the caller's to set. */
typedef struct bcl_predict_paths {
    bool running_text; /* any file of a folder may be a text, a README too */
    bool quiet;
    /* ---- */
    char **items;   /* (count) files; "-" is standard input */
    char **targets; /* (count) what each is written to; NULL without `out` */
    size_t count, capacity;
    uint64_t *begins; /* (count) texts in front of each; of the first `begun`, which were read */
    size_t begun;
} bcl_predict_paths;
/* Files, and those of folders. */
bcl_status bcl_predict_paths_list(bcl_predict_paths *paths, const bcl_list *given, const char *out,
                                  bcl_predict_format format);
void bcl_predict_paths_free(bcl_predict_paths *paths);

/* ---- predict_doubt.c ---- */
/* Has the devices' last answers checked. An error names the texts whose answers may be wrong;
 * *doubtful: there are some. printed: they have been given out. */
bcl_status bcl_predict_settle(bool *doubtful, bcl_pool *pool, const bcl_predict_paths *paths,
                              bool printed);

/* ---- predict_lines.c ---- */

/* The next line, its newline included where it has one; size 0 at the end. Of a document, whose
 * lines may be of any length, also a part of one. */
bcl_status bcl_predict_next_line(bcl_predict_input *input, const char **line, size_t *size);
/* All of the file at hand goes to `buffer`, a NUL behind it. */
bcl_status bcl_predict_read_whole(bcl_predict_input *input);
/* A code point at the end of text[0..size) that may go on behind it: its bytes. */
size_t bcl_predict_open_point(const char *text, size_t size);

/* ---- predict_kind.c ---- */
/* Looks at the first lines of a file: archives, and what is no text where texts are expected, are
 * errors; a byte order mark is taken off. */
bcl_status bcl_predict_begin_text(bcl_predict_input *input, const char **line, size_t *size);

/* ---- predict_conll.c: lines of words, a whole file ---- */
bcl_status bcl_predict_conll(bcl_predict_input *input);

#endif
