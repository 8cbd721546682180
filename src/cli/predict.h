/* bertcl predict's output: JSON lines, CoNLL, a page, counts. */
#ifndef BCL_CLI_PREDICT_H
#define BCL_CLI_PREDICT_H

#include "cli/cli.h"
#include "data/data.h"

#include <bertcl/tagger.h>

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

/* The sink's context. Zero-initialise; `format` and what follows are the caller's to set. */
typedef struct bcl_predict_output {
    bcl_predict_format format;
    bool byte_offsets;
    bool documents;           /* results carry their place in a file: `user` is its code point */
    const bcl_tagger *tagger; /* set behind bcl_tagger_open */
    bcl_predict_file *files;  /* grows while reading */
    size_t file_count, files_capacity;
    /* kept by the sink */
    size_t file; /* of the text at hand */
    bool page_open;
    uint64_t texts, texts_cut, words_cut, windowed;
    uint64_t *type_counts; /* (types) */
    bcl_string line;
    bcl_names found; /* "type<TAB>entity", for counts */
    uint64_t *found_counts;
    size_t found_capacity;
} bcl_predict_output;

bcl_status bcl_predict_print(void *output, const bcl_tagged *result);
/* What comes behind the last text. */
bcl_status bcl_predict_end(bcl_predict_output *output);
void bcl_predict_output_free(bcl_predict_output *output);

#endif
