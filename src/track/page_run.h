/* Inside the report: a run's files as it needs them, and its parts. */
#ifndef BCL_PAGE_RUN_H
#define BCL_PAGE_RUN_H

#include "util/html.h"
#include "util/svg.h"

#include <bertcl/scoring.h>
#include <cjson/cJSON.h>

enum { BCL_PAGE_SERIES = 32 };

typedef struct bcl_page_series {
    char key[64];
    double *x, *y;
    size_t count, x_capacity, y_capacity;
} bcl_page_series;

typedef struct bcl_page_run {
    char *folder;
    const char *name;                         /* points into the folder or the record */
    cJSON *run, *results, *track, *heartbeat; /* NULL: not there */
    cJSON *index;                             /* what the store has of it; NULL: nothing */
    bcl_page_series series[BCL_PAGE_SERIES];
    size_t series_count;
    size_t odd_lines; /* of metrics.jsonl, which could not be read */
    char *problem;    /* with predictions.conll; NULL: none */
    /* of predictions.conll, NULL without it */
    struct bcl_corpus *gold, *pred;
    int32_t *ids; /* gold and predicted labels, sentence behind sentence */
    bcl_labels *labels;
    bcl_score *score;
    cJSON *scored;
} bcl_page_run;

bcl_status bcl_page_run_read(bcl_page_run *out, const char *folder);
void bcl_page_run_free(bcl_page_run *run);
/* NULL if the run has no such metric. */
const bcl_page_series *bcl_page_run_series(const bcl_page_run *run, const char *key);

/* Shared by the parts: escaped text in a tag; numbers. */
const cJSON *bcl_page_get(const cJSON *json, const char *path); /* "eval/report"; NULL: absent */
bcl_status bcl_page_cell(bcl_string *out, const char *tag, bool number, const char *text);
/* A number as it is read best, a text as it is, a list joined; to free(). */
bcl_status bcl_page_value(char **out, const cJSON *value);
/* A row of a table of two columns; an absent value is left out. */
bcl_status bcl_page_row(bcl_string *out, const char *name, const cJSON *value);
bcl_status bcl_page_table_open(bcl_string *out, const char *const *titles, size_t count,
                               size_t texts);
bcl_status bcl_page_table_close(bcl_string *out);

/* page_parts.c: each adds a section, or nothing where the run has nothing of it */
bcl_status bcl_page_figures(bcl_string *out, const bcl_page_run *run);
bcl_status bcl_page_curves(bcl_string *out, const bcl_page_run *runs, size_t count);
bcl_status bcl_page_settings(bcl_string *out, const bcl_page_run *run);
bcl_status bcl_page_data(bcl_string *out, const bcl_page_run *run);
bcl_status bcl_page_lineage(bcl_string *out, const bcl_page_run *run);
/* page_devices.c */
bcl_status bcl_page_devices(bcl_string *out, const bcl_page_run *run);
/* page_scores.c */
bcl_status bcl_page_scores(bcl_string *out, const bcl_page_run *run);
bcl_status bcl_page_errors(bcl_string *out, const bcl_page_run *run);

#endif
