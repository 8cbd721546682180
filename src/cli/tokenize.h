/* Inside cli/: the files of bertcl tokenize. */
#ifndef BCL_CLI_TOKENIZE_H
#define BCL_CLI_TOKENIZE_H

#include "cli/cli.h"

#include <bertcl/tokenizer.h>

/* What is done to each line; the same for all threads. */
typedef struct bcl_tokenize_job {
    const bcl_tokenizer *tokenizer;
    bcl_string texts;  /* the pieces as JSON strings, end to end */
    size_t *begin;     /* of each in texts (size + 1) */
    const char *name;  /* of the input, for messages */
    bool words;        /* a line is a JSON array of words */
    bool count;        /* print nothing of the lines */
    size_t max_length; /* pieces; 0: no limit */
    size_t threads;    /* 0: one a core */
} bcl_tokenize_job;

/* ---- tokenize_line.c ---- */

/* What one thread needs; grows, never shrinks. Zero-initialise. */
typedef struct bcl_tokenize_worker {
    bcl_encoding encoding;
    bcl_json_words words;
} bcl_tokenize_worker;
void bcl_tokenize_worker_free(bcl_tokenize_worker *worker);

/* Sets the tokenizer, and makes the pieces' texts once. */
bcl_status bcl_tokenize_job_prepare(bcl_tokenize_job *job, const bcl_tokenizer *tokenizer);
void bcl_tokenize_job_free(bcl_tokenize_job *job);
/* Encodes a line, and appends its line of JSON to `out` unless the job only counts. */
bcl_status bcl_tokenize_line(bcl_string *out, bcl_tokenize_worker *worker,
                             const bcl_tokenize_job *job, const char *line, size_t size);

/* ---- tokenize_blocks.c ---- */

enum { BCL_TOKENIZE_THREADS = 64 }; /* at most */

/* What --count prints. */
typedef struct bcl_tokenize_totals {
    size_t lines, bytes, pieces, threads;
    double seconds; /* from the first byte read to the last line tokenized */
} bcl_tokenize_totals;
/* Reads all lines of the file descriptor, and prints theirs on stdout in the same order. */
bcl_status bcl_tokenize_lines(bcl_tokenize_totals *totals, const bcl_tokenize_job *job, int fd);

#endif
