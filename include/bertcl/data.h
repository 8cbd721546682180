/* CoNLL-style corpora: reading, tag maps, pandas' split, statistics, writing.
 *
 * What the reader accepts:
 *   - a line holds a word and its tag; a blank or whitespace-only line, a "-DOCSTART-" line and the
 *     end of a file end a sentence;
 *   - a line with a TAB is split at TABs (so a word may hold spaces), any other at spaces; the word
 *     is the first column, the tag the last that is not empty, or the column that is asked for;
 *   - LF or CRLF, with or without a byte order mark; UTF-8 only;
 *   - CoNLL-U comments: "# ..." without a TAB before a sentence's first word (see docs/data.md for
 *     how a word "#" is told from a comment).
 * Everything else is an error that names the file and the line. */
#ifndef BERTCL_DATA_H
#define BERTCL_DATA_H

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
/* A rule "A=B"; the first '=' divides. */
BCL_EXPORT bcl_status bcl_tag_map_add_rule(bcl_tag_map *map, const char *rule);
/* A file of rules, "A=B" or "A<TAB>B" a line; blank lines and lines that begin with '#' are
 * skipped. */
BCL_EXPORT bcl_status bcl_tag_map_add_file(bcl_tag_map *map, const char *path);
/* "un-ner": the six stray tags of the UN corpus (0, I-, I-I-MISC, I-OR, I-PRG, VMISC) become O. */
BCL_EXPORT bcl_status bcl_tag_map_add_preset(bcl_tag_map *map, const char *name);
/* The map that the options --map (rules), --map-file and --map-preset make: the preset's rules, the
 * file's, then the others. preset NULL: "un-ner" where there is nothing else, else "none". */
BCL_EXPORT bcl_status bcl_tag_map_make(bcl_tag_map **out, const char *const *rules, size_t count,
                                       const char *file, const char *preset);
/* The tag that `from` becomes: `from` itself without a rule. `map` may be NULL. */
BCL_EXPORT const char *bcl_tag_map_find(const bcl_tag_map *map, const char *from);
BCL_EXPORT void bcl_tag_map_free(bcl_tag_map *map);

/* ---- reading ---- */

typedef struct bcl_corpus bcl_corpus;

typedef struct bcl_corpus_options {
    const bcl_tag_map *map; /* NULL: tags stay as they are */
    size_t tag_column;      /* 2, 3, ...; 0: the last column that is not empty */
} bcl_corpus_options;

/* Reads files, and folders (every regular file in them whose name does not begin with '.', sorted
 * by bytes; folders inside are not entered), in the order given. options may be NULL. Fails with
 * BCL_ERROR_FORMAT if there is no sentence at all. */
BCL_EXPORT bcl_status bcl_corpus_read(bcl_corpus **out, const char *const *paths, size_t count,
                                      const bcl_corpus_options *options);
BCL_EXPORT void bcl_corpus_free(bcl_corpus *corpus);

/* One sentence. Owned by the corpus. Word k stands in line `line` + k of `file`. */
typedef struct bcl_sentence {
    const char *const *words; /* (size), UTF-8; may be empty strings */
    const uint32_t *tags;     /* (size), index of the mapped tag, see bcl_corpus_tag */
    size_t size;              /* at least 1 */
    const char *file;
    size_t line;     /* from 1 */
    size_t document; /* see bcl_corpus_document */
} bcl_sentence;

BCL_EXPORT size_t bcl_corpus_size(const bcl_corpus *corpus);   /* sentences */
BCL_EXPORT size_t bcl_corpus_tokens(const bcl_corpus *corpus); /* words */
BCL_EXPORT bcl_sentence bcl_corpus_sentence(const bcl_corpus *corpus, size_t i);

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
    BCL_ODD_COUNT
} bcl_odd;
/* "empty columns", ... */
BCL_EXPORT const char *bcl_odd_name(bcl_odd kind);
BCL_EXPORT size_t bcl_corpus_odd_total(const bcl_corpus *corpus, bcl_odd kind);
/* The first odd lines of every kind, at most 100 a kind, in the order of reading. */
BCL_EXPORT size_t bcl_corpus_odd_listed(const bcl_corpus *corpus);
BCL_EXPORT void bcl_corpus_odd_line(const bcl_corpus *corpus, size_t i, bcl_odd *kind,
                                    const char **file, size_t *line);

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

#ifdef __cplusplus
}
#endif
#endif
