/* Labelled corpora: reading the formats that people have, tag maps, pandas' split, statistics,
 * writing and converting. docs/data.md says what each format may hold.
 *
 * A line that is not a word with its tag is never read as data in silence: what is no data (blank
 * lines, comments, headers) is counted by kind, what a person should know is a note, and everything
 * else is an error that names the file and the line. */
#ifndef BERTCL_DATA_H
#define BERTCL_DATA_H

#include <bertcl/report.h>
#include <bertcl/status.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- tag maps: what a raw tag becomes while reading ---- */

typedef struct bcl_tag_map bcl_tag_map;

BCL_EXPORT bcl_status bcl_tag_map_create(bcl_tag_map **out);
/* Tag `from` becomes `to`; a later rule for the same tag replaces the earlier. Rules do not chain.
 */
BCL_EXPORT bcl_status bcl_tag_map_add(bcl_tag_map *map, const char *from, const char *to);
/* A rule "A=B"; the first '=' divides. ARGUMENT without one. */
BCL_EXPORT bcl_status bcl_tag_map_add_rule(bcl_tag_map *map, const char *rule);
/* A file of rules, "A=B" or "A<TAB>B" a line; blank lines and lines that begin with '#' are
 * skipped. Errors: IO, FORMAT (a line that is no rule, named by its number). */
BCL_EXPORT bcl_status bcl_tag_map_add_file(bcl_tag_map *map, const char *path);
/* "un-ner": the six stray tags of the UN corpus (0, I-, I-I-MISC, I-OR, I-PRG, VMISC) become O.
 * Errors: ARGUMENT (another name). */
BCL_EXPORT bcl_status bcl_tag_map_add_preset(bcl_tag_map *map, const char *name);
/* The tag that `from` becomes: `from` itself without a rule. `map` may be NULL. */
BCL_EXPORT const char *bcl_tag_map_find(const bcl_tag_map *map, const char *from);
BCL_EXPORT void bcl_tag_map_free(bcl_tag_map *map);

/* ---- reading ---- */

typedef struct bcl_corpus bcl_corpus;

typedef enum bcl_corpus_format {
    BCL_FORMAT_AUTO,     /* found from each file's text */
    BCL_FORMAT_CONLL,    /* columns: a word and its tag a line, a blank line ends a sentence */
    BCL_FORMAT_GERMEVAL, /* columns of which the first numbers the words of a sentence */
    BCL_FORMAT_CONLLU,   /* ten columns, the tag in MISC by key */
    BCL_FORMAT_JSONL,    /* objects with words and tags: {"tokens": […], "ner_tags": […]} */
    BCL_FORMAT_DOCCANO,  /* objects with a text and spans: {"text": …, "label": [[0,3,"PER"]]} */
    BCL_FORMAT_PRODIGY,  /* {"text": …, "spans": [{"start": 0, "end": 3, "label": "PER"}]} */
    BCL_FORMAT_LABEL_STUDIO, /* an array of {"data": {"text": …}, "annotations": […]} */
    BCL_FORMAT_BRAT,         /* x.txt and x.ann */
    BCL_FORMAT_CONLL2003,    /* as CONLL when read; four columns and -DOCSTART- when written */
    BCL_FORMAT_COUNT
} bcl_corpus_format;
/* "auto", "conll", "germeval", ... */
BCL_EXPORT const char *bcl_corpus_format_name(bcl_corpus_format format);
/* Fails with BCL_ERROR_ARGUMENT on any other name. */
BCL_EXPORT bcl_status bcl_corpus_format_find(bcl_corpus_format *out, const char *name);

/* Zero-initialise: everything is found from the file. */
typedef struct bcl_corpus_options {
    const bcl_tag_map *map;       /* NULL: tags stay as they are */
    int64_t tag_column;           /* 1, 2, ...; -1 is a line's last; 0: found */
    int64_t word_column;          /* the same */
    const char *tag_name;         /* instead of the number: what the header line calls it */
    const char *word_name;        /* the same */
    bcl_corpus_format format;     /* AUTO: found for each file */
    const char *key;              /* of CoNLL-U's MISC; NULL: found */
    const char *const *tag_names; /* (tag_name_count), of the numbers that stand for tags in JSON */
    size_t tag_name_count;        /* 0: none */
    bool predicted;               /* of two columns of tags beside each other take the second */
    bool words_only;              /* no tag is looked for; every word's is "O" */
    bool keep_going;              /* lines and files that are refused are counted as odd lines */
    uint64_t max_file_size;       /* bytes; 0: BCL_MAX_FILE_SIZE */
} bcl_corpus_options;

#define BCL_MAX_FILE_SIZE (UINT64_C(1) << 30) /* bytes of a file */
#define BCL_MAX_LINE_SIZE (UINT64_C(1) << 26) /* bytes of a line */

/* Reads files and folders in the order given. Of a folder every regular file is read, sorted by the
 * bytes of the names; folders inside are not entered, and files that are no data by their names are
 * left out (see bcl_corpus_left_out). "-" is standard input. options may be NULL. Errors: IO (a
 * path that cannot be read), FORMAT (a line that is no data, or no sentence at all), ARGUMENT
 * (options that exclude each other). */
BCL_EXPORT bcl_status bcl_corpus_read(bcl_corpus **out, const char *const *paths, size_t count,
                                      const bcl_corpus_options *options);
BCL_EXPORT void bcl_corpus_free(bcl_corpus *corpus);

/* What a person should know of how the corpus was read, one line each. */
BCL_EXPORT size_t bcl_corpus_note_count(const bcl_corpus *corpus);
BCL_EXPORT const char *bcl_corpus_note(const bcl_corpus *corpus, size_t i);
/* Files of folders that were not read, and why: "hidden", ... */
BCL_EXPORT size_t bcl_corpus_left_out_count(const bcl_corpus *corpus);
BCL_EXPORT void bcl_corpus_left_out(const bcl_corpus *corpus, size_t i, const char **path,
                                    const char **why);

/* Maps the tags of a corpus, as they are now. */
BCL_EXPORT bcl_status bcl_corpus_map(bcl_corpus *corpus, const bcl_tag_map *map);
/* Whether the tags of the corpora together are those of the UN corpus with its typing errors: no
 * others than it has, at least two kinds of the six stray ones, and those at most one word in 500.
 */
BCL_EXPORT bool bcl_corpora_are_un_ner(const bcl_corpus *const *corpora, size_t count);

typedef struct bcl_texts {
    const char *const *items; /* (count) */
    size_t count;
} bcl_texts;

/* How corpora are to be read, in texts as a person gives them: the options of these names. All may
 * be NULL. */
typedef struct bcl_reading {
    const char *format;      /* format: see bcl_corpus_format_find */
    const char *word_column; /* word-column: "2", "-1", or a name of the header line */
    const char *tag_column;  /* tag-column: the same */
    const char *misc_key;    /* misc-key: see bcl_corpus_options.key */
    const char *tag_names;   /* tag-names: "O,B-PER", or a file with one a line */
    bcl_texts map_rules;     /* map: "A=B", tag A is read as B */
    const char *map_file;    /* map-file: rules, one a line */
    const char *map_preset;  /* map-preset: "un-ner" or "none" */
} bcl_reading;

/* The rules of a reading, the preset's first, then the file's, then the others; may be none. */
BCL_EXPORT bcl_status bcl_reading_map(bcl_tag_map **out, const bcl_reading *reading);
/* All but the map. *names holds the tags' names, (options->tag_name_count), as long as the options
 * are used; the caller frees each and the list. */
BCL_EXPORT bcl_status bcl_reading_options(bcl_corpus_options *options, char ***names,
                                          const bcl_reading *reading);
/* Reads a corpus of each of `count` lists of paths, which belong together as training and test data
 * do; NULL of an empty list. Without any rule the preset un-ner is taken if the tags are that
 * corpus' (see bcl_corpora_are_un_ner), which a note says. *map: the rules that were used. On
 * failure what was read by then is the caller's to free all the same. */
BCL_EXPORT bcl_status bcl_corpora_read(bcl_tag_map **map, bcl_corpus **corpora,
                                       const bcl_texts *paths, size_t count,
                                       const bcl_reading *reading, bool keep_going);

/* One sentence. Owned by the corpus. */
typedef struct bcl_sentence {
    const char *const *words; /* (size), UTF-8; may be empty strings */
    const uint32_t *tags;     /* (size), index of the mapped tag, see bcl_corpus_tag */
    size_t size;              /* at least 1 */
    const char *file;
    size_t line;     /* of its first word, from 1 */
    size_t document; /* see bcl_corpus_document */
} bcl_sentence;

BCL_EXPORT size_t bcl_corpus_size(const bcl_corpus *corpus);   /* sentences */
BCL_EXPORT size_t bcl_corpus_tokens(const bcl_corpus *corpus); /* words */
BCL_EXPORT bcl_sentence bcl_corpus_sentence(const bcl_corpus *corpus, size_t i);
/* The line in which word k of sentence i stands. */
BCL_EXPORT size_t bcl_corpus_line(const bcl_corpus *corpus, size_t i, size_t k);
/* Whether the word goes on where the one before it in the sentence ends, without a space. Known of
 * formats that have a text, false elsewhere. */
BCL_EXPORT bool bcl_corpus_glued(const bcl_corpus *corpus, size_t i, size_t k);

/* Tags after mapping, in order of first appearance; the names are owned by the corpus. */
BCL_EXPORT size_t bcl_corpus_tag_count(const bcl_corpus *corpus);
BCL_EXPORT const char *bcl_corpus_tag(const bcl_corpus *corpus, size_t tag);
BCL_EXPORT const char *const *bcl_corpus_tags(const bcl_corpus *corpus);
/* Words that carry the tag. */
BCL_EXPORT uint64_t bcl_corpus_tag_total(const bcl_corpus *corpus, size_t tag);
/* The same before mapping. */
BCL_EXPORT size_t bcl_corpus_raw_tag_count(const bcl_corpus *corpus);
BCL_EXPORT const char *bcl_corpus_raw_tag(const bcl_corpus *corpus, size_t tag);
BCL_EXPORT uint64_t bcl_corpus_raw_tag_total(const bcl_corpus *corpus, size_t tag);

/* The files that were read. */
BCL_EXPORT size_t bcl_corpus_file_count(const bcl_corpus *corpus);
BCL_EXPORT const char *bcl_corpus_file(const bcl_corpus *corpus, size_t file);
BCL_EXPORT uint64_t bcl_corpus_file_bytes(const bcl_corpus *corpus, size_t file);
BCL_EXPORT size_t bcl_corpus_file_sentences(const bcl_corpus *corpus, size_t file);
/* What it was read as: "germeval 2014, word column 2, tag column 3". */
BCL_EXPORT const char *bcl_corpus_file_format(const bcl_corpus *corpus, size_t file);

/* Documents: a file is one, or as many as its -DOCSTART- lines make of it. *number counts in the
 * file from 1, *of is how many the file holds. */
BCL_EXPORT size_t bcl_corpus_document_count(const bcl_corpus *corpus);
BCL_EXPORT void bcl_corpus_document(const bcl_corpus *corpus, size_t document, const char **file,
                                    size_t *number, size_t *of);

/* Lines that are read, but that a person may want to look at. */
typedef enum bcl_odd {
    BCL_ODD_EMPTY_COLUMNS, /* empty columns behind the tag */
    BCL_ODD_COLUMNS,       /* more or fewer columns than the file's first word line */
    BCL_ODD_EMPTY_WORD,    /* the word's column is empty; the word is kept as "" */
    BCL_ODD_SPACE_IN_WORD, /* a TAB-separated word that holds a space */
    BCL_ODD_BLANK,         /* white space only; ends a sentence as an empty line does */
    BCL_ODD_DOCSTART,      /* a -DOCSTART- line; ends a sentence */
    BCL_ODD_COMMENT,       /* a comment, skipped */
    BCL_ODD_HEADER,        /* the columns' names, skipped */
    BCL_ODD_RANGE,         /* a multiword range or an empty node of CoNLL-U, skipped */
    BCL_ODD_BOM,           /* a byte order mark, skipped */
    BCL_ODD_INVISIBLE,     /* invisible characters in a tag, left out of it */
    BCL_ODD_TAG,           /* a tag of no scheme in a file whose tags are of one */
    BCL_ODD_RECORD,        /* a record that was not annotated or was rejected, skipped */
    BCL_ODD_CUT_WORD,      /* a span that begins or ends inside a word; the whole word is tagged */
    BCL_ODD_OVERLAP,       /* a span that shares words with another, left out */
    BCL_ODD_DISCONTINUOUS, /* a span of several parts, left out */
    BCL_ODD_REFUSED,       /* not a word with its tag; an error unless keep_going */
    BCL_ODD_COUNT
} bcl_odd;
/* "empty columns behind the tag", ... */
BCL_EXPORT const char *bcl_odd_name(bcl_odd kind);
BCL_EXPORT size_t bcl_corpus_odd_total(const bcl_corpus *corpus, bcl_odd kind);
/* The first odd lines of every kind, at most 100 a kind, in the order of reading. */
BCL_EXPORT size_t bcl_corpus_odd_listed(const bcl_corpus *corpus);
BCL_EXPORT void bcl_corpus_odd_line(const bcl_corpus *corpus, size_t i, bcl_odd *kind,
                                    const char **file, size_t *line);
/* The error of a line that was refused, NULL of other kinds. */
BCL_EXPORT const char *bcl_corpus_odd_error(const bcl_corpus *corpus, size_t i);

/* ---- labels ---- */

/* ids[tag] = the index in `names` of the corpus' tag. The corpus' tags must all be among the names;
 * the error names the first line with one that is not. ids: (tag count). */
BCL_EXPORT bcl_status bcl_corpus_label_ids(int32_t *ids, const bcl_corpus *corpus,
                                           const char *const *names, size_t name_count);

/* ---- split ---- */

/* The rows of pandas' DataFrame.sample(frac=fraction, random_state=seed): train, in the order
 * drawn, *train_count = round(fraction * n), halves to even; the rest goes to test in ascending
 * order. train and test have room for n numbers each. fraction is within 0 and 1, n below 2^32. */
BCL_EXPORT bcl_status bcl_split(uint32_t *train, size_t *train_count, uint32_t *test,
                                size_t *test_count, size_t n, double fraction, uint32_t seed);

/* ---- comparing sentences by their words ---- */

typedef struct bcl_repeats {
    size_t repeated;    /* sentences whose words equal an earlier sentence's */
    size_t conflicting; /* those of them whose tags differ from that sentence's */
} bcl_repeats;
/* Within the sentences `rows` (NULL: the first `count`) of a corpus. */
BCL_EXPORT bcl_status bcl_corpus_duplicates(bcl_repeats *out, const bcl_corpus *corpus,
                                            const uint32_t *rows, size_t count);
/* Sentences of `test` whose words equal those of a sentence of `train`. The corpora may be one and
 * the same; rows as above. */
BCL_EXPORT bcl_status bcl_corpus_overlap(bcl_repeats *out, const bcl_corpus *train,
                                         const uint32_t *train_rows, size_t train_count,
                                         const bcl_corpus *test, const uint32_t *test_rows,
                                         size_t test_count);

/* ---- writing ---- */

/* Sentences as `word<TAB>tag` lines with a blank line behind each; complete or absent. rows NULL:
 * the first `count` sentences. */
BCL_EXPORT bcl_status bcl_corpus_write(const char *path, const bcl_corpus *corpus,
                                       const uint32_t *rows, size_t count);
/* The whole corpus in a format; complete or absent. BRAT makes a new folder with x.txt and x.ann
 * for every document, the others a file. Formats with a text join the words by spaces, where they
 * were not glued when read, and leave out empty words; spans are entities as conlleval finds them.
 */
BCL_EXPORT bcl_status bcl_corpus_export(const char *path, const bcl_corpus *corpus,
                                        bcl_corpus_format format);
/* Writes the tags in another scheme: BCL_SCHEME_IOB1, IOB2, IOBES or BILOU. Entities are found as
 * conlleval finds them, in any of these schemes; of tags without prefixes (PER, LOC, O) equal ones
 * beside each other are one. Fails on a tag of no scheme among others, and names its line. */
BCL_EXPORT bcl_status bcl_corpus_set_scheme(bcl_corpus *corpus, bcl_scheme scheme);

#ifdef __cplusplus
}
#endif
#endif
