/* Reads what a report shows of a run: its files alone, so that a folder that came from elsewhere
 * gives the same page. */
#include "track/page_run.h"

#include "track/tracker.h"

#include <bertcl/data.h>
#include <math.h>

const cJSON *bcl_page_get(const cJSON *json, const char *path) {
    char key[128];
    while (json && *path) {
        const size_t n = strcspn(path, "/");
        snprintf(key, sizeof key, "%.*s", (int)n, path);
        json = cJSON_GetObjectItemCaseSensitive(json, key);
        path += n + (path[n] == '/');
    }
    return json;
}

const bcl_page_series *bcl_page_run_series(const bcl_page_run *run, const char *key) {
    for (size_t i = 0; i < run->series_count; i++)
        if (!strcmp(run->series[i].key, key))
            return &run->series[i];
    return NULL;
}

void bcl_page_run_free(bcl_page_run *r) {
    for (size_t i = 0; i < r->series_count; i++) {
        free(r->series[i].x);
        free(r->series[i].y);
    }
    free(r->folder);
    cJSON_Delete(r->run);
    cJSON_Delete(r->results);
    cJSON_Delete(r->track);
    cJSON_Delete(r->heartbeat);
    cJSON_Delete(r->index);
    cJSON_Delete(r->scored);
    bcl_score_free(r->score);
    bcl_labels_free(r->labels);
    bcl_corpus_free(r->gold);
    bcl_corpus_free(r->pred);
    free(r->ids);
    free(r->problem);
    *r = (bcl_page_run){0};
}

/* ---- metrics ---- */

static bcl_status add_point(void *context, int64_t step, const char *key, double value) {
    bcl_page_run *r = context;
    bcl_status status = BCL_OK;
    size_t i = 0;
    while (i < r->series_count && strcmp(r->series[i].key, key))
        i++;
    if (i == BCL_PAGE_SERIES)
        return status;
    bcl_page_series *s = &r->series[i];
    if (i == r->series_count) {
        snprintf(s->key, sizeof s->key, "%s", key);
        r->series_count++;
    }
    BCL_TRY(bcl_grow(&s->x, &s->x_capacity, s->count + 1, sizeof *s->x));
    BCL_TRY(bcl_grow(&s->y, &s->y_capacity, s->count + 1, sizeof *s->y));
    s->x[s->count] = (double)step;
    s->y[s->count++] = value;
out:
    return status;
}

/* ---- predictions ---- */

static bcl_status add_labels(bcl_page_run *r) {
    bcl_status status = BCL_OK;
    int32_t *names[2] = {NULL, NULL};
    const bcl_corpus *corpora[2] = {r->gold, r->pred};
    size_t at = 0;
    BCL_NEW(r->ids, 2 * bcl_corpus_tokens(r->gold));
    BCL_TRY(bcl_labels_create(&r->labels));
    for (int c = 0; c < 2; c++) {
        BCL_NEW(names[c], bcl_corpus_tag_count(corpora[c]));
        for (size_t i = 0; i < bcl_corpus_tag_count(corpora[c]); i++)
            BCL_TRY(bcl_labels_id(&names[c][i], r->labels, bcl_corpus_tag(corpora[c], i)));
    }
    BCL_TRY(bcl_labels_document(r->labels, "test.conll"));
    for (size_t i = 0; i < bcl_corpus_size(r->gold); i++) {
        const bcl_sentence g = bcl_corpus_sentence(r->gold, i), p = bcl_corpus_sentence(r->pred, i);
        int32_t *gold = r->ids + at, *pred = r->ids + at + g.size;
        for (size_t k = 0; k < g.size; k++) {
            gold[k] = names[0][g.tags[k]];
            pred[k] = names[1][p.tags[k]];
        }
        at += 2 * g.size;
        BCL_TRY(bcl_labels_add(r->labels, &(bcl_labelled){.words = g.words,
                                                          .gold = gold,
                                                          .pred = pred,
                                                          .size = g.size,
                                                          .file = "test.conll",
                                                          .line = g.line}));
    }
out:
    free(names[0]);
    free(names[1]);
    return status;
}

/* "word<TAB>gold<TAB>predicted" lines of the test set. */
static bcl_status read_predictions(bcl_page_run *r) {
    bcl_status status = BCL_OK;
    char *path = NULL;
    bcl_scheme found, counted;
    BCL_TRY(bcl_path_join(&path, r->folder, "predictions.conll"));
    if (!bcl_path_exists(path))
        goto out;
    const char *const paths[] = {path};
    BCL_TRY(bcl_corpus_read(
        &r->gold, paths, 1,
        &(bcl_corpus_options){.format = BCL_FORMAT_CONLL, .word_column = 1, .tag_column = 2}));
    BCL_TRY(bcl_corpus_read(
        &r->pred, paths, 1,
        &(bcl_corpus_options){.format = BCL_FORMAT_CONLL, .word_column = 1, .tag_column = 3}));
    BCL_TRY(add_labels(r));
    BCL_TRY(bcl_labels_scheme(&found, &counted, r->labels, 0));
    BCL_TRY(bcl_score_create(&r->score, r->labels, &(bcl_score_options){.scheme = counted}));
    BCL_TRY(bcl_score_json(&r->scored, r->score));
out:
    free(path);
    return status;
}

/* ---- */

static bcl_status read_part(cJSON **out, const char *folder, const char *name) {
    char *path = NULL;
    bcl_status status = bcl_path_join(&path, folder, name);
    if (!status && bcl_path_exists(path))
        status = bcl_json_read_own(out, path);
    free(path);
    return status;
}

bcl_status bcl_page_run_read(bcl_page_run *r, const char *folder) {
    bcl_status status = BCL_OK;
    char *path = NULL;
    bcl_points points = {0};
    *r = (bcl_page_run){0};
    if (!(r->folder = realpath(folder, NULL))) {
        status = bcl_fail_errno("%s: cannot open folder", folder);
        goto out;
    }
    BCL_TRY(bcl_path_join(&path, r->folder, "run.json"));
    if (!bcl_path_exists(path))
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: holds no run.json, it is not a run", folder);
    BCL_TRY(bcl_json_read_own(&r->run, path));
    BCL_TRY(read_part(&r->results, r->folder, "results.json"));
    BCL_TRY(read_part(&r->track, r->folder, "track.json"));
    BCL_TRY(read_part(&r->heartbeat, r->folder, "heartbeat.json"));
    BCL_TRY(bcl_points_read(&points, r->folder, add_point, r));
    r->odd_lines = points.odd;
    if (read_predictions(r)) { /* the rest of the page does not need them */
        bcl_score_free(r->score);
        r->score = NULL;
        BCL_TRY(bcl_strdup(&r->problem, bcl_message()));
    }
    const char *name = cJSON_GetStringValue(bcl_page_get(r->track, "name"));
    r->name = name ? name : bcl_path_name(r->folder);
out:
    free(path);
    if (status)
        bcl_page_run_free(r);
    return status;
}
