/* --class-weights: a weight of the loss for each label, counted, listed or read from a file. */
#include "train/run.h"

#include <ctype.h>
#include <math.h>

/* As scikit-learn's compute_class_weight("balanced"): n / (K count), of the labels that there are.
 * A label that training has not keeps 1: only smoothing could make use of it. */
static bcl_status balance(double *weights, size_t labels, const bcl_dataset *train) {
    bcl_status status = BCL_OK;
    size_t *counts = NULL, n = 0, seen = 0;
    BCL_NEW(counts, labels);
    for (size_t i = 0; i < train->count; i++)
        for (int k = 0; k < train->samples[i].length; k++)
            if (train->samples[i].labels[k] >= 0) {
                counts[train->samples[i].labels[k]]++;
                n++;
            }
    for (size_t i = 0; i < labels; i++)
        seen += counts[i] > 0;
    for (size_t i = 0; i < labels; i++)
        if (counts[i])
            weights[i] = (double)n / ((double)seen * (double)counts[i]);
out:
    free(counts);
    return status;
}

static bcl_status fail_tag(const char *at, const char *tag, const char *const *names,
                           size_t labels) {
    bcl_status status = BCL_OK;
    bcl_string known = {0};
    for (size_t i = 0; i < labels && known.size < 400; i++)
        BCL_TRY(bcl_string_addf(&known, "%s%s", i ? ", " : "", names[i]));
    status =
        bcl_fail(BCL_ERROR_ARGUMENT, "%s: found the tag \"%s\", expected one of the data's: %s", at,
                 tag, known.data);
out:
    bcl_string_free(&known);
    return status;
}

/* Takes one weight. item: TAG, then `separators` (one or more), then a number; is changed. */
static bcl_status take_item(double *weights, bool *given, char *item, const char *separators,
                            const char *at, const char *const *names, size_t labels) {
    char *end = item + strlen(item), *number = end, *rest = NULL;
    while (number > item && !strchr(separators, number[-1]))
        number--;
    const double x = strtod(number, &rest);
    end = number;
    while (end > item && strchr(separators, end[-1]))
        end--;
    if (end == item || !*number || *rest || !isfinite(x) || x < 0)
        return bcl_fail(BCL_ERROR_ARGUMENT,
                        "%s: found \"%s\", expected a tag and a number from 0 on, as I-LOC%c2.5",
                        at, item, *separators);
    *end = 0;
    for (size_t i = 0; i < labels; i++)
        if (!strcmp(names[i], item)) {
            if (given[i])
                return bcl_fail(BCL_ERROR_ARGUMENT, "%s: \"%s\" has two weights", at, item);
            given[i] = true;
            weights[i] = x;
            return BCL_OK;
        }
    return fail_tag(at, item, names, labels);
}

/* Items between commas, or lines of a file. */
static bcl_status take_text(double *weights, char *text, const char *path, const char *const *names,
                            size_t labels) {
    bcl_status status = BCL_OK;
    bool *given = NULL;
    char *at = NULL, *next;
    const char *between = path ? "\n" : ",";
    BCL_NEW(given, labels);
    size_t line = 0;
    for (char *item = text; item; item = next) {
        line++;
        if ((next = strpbrk(item, between)))
            *next++ = 0;
        for (size_t n = strlen(item); n && isspace((unsigned char)item[n - 1]);)
            item[--n] = 0;
        if (!*item && path)
            continue;
        free(at);
        at = NULL;
        if (path)
            BCL_TRY(bcl_format(&at, "%s:%zu", path, line));
        else
            BCL_TRY(bcl_strdup(&at, "--class-weights"));
        BCL_TRY(take_item(weights, given, item, path ? "\t =" : "=", at, names, labels));
    }
out:
    free(at);
    free(given);
    return status;
}

bcl_status bcl_run_class_weights(double **out, const char *chosen, const char *const *names,
                                 size_t labels, const bcl_dataset *train) {
    bcl_status status = BCL_OK;
    double *weights = NULL, sum = 0;
    char *text = NULL;
    size_t size;
    BCL_NEW(weights, labels);
    for (size_t i = 0; i < labels; i++)
        weights[i] = 1;
    if (!strcmp(chosen, "balanced")) {
        BCL_TRY(balance(weights, labels, train));
    } else if (bcl_path_exists(chosen)) {
        BCL_TRY(bcl_file_read_regular(&text, &size, chosen, 1 << 24));
        BCL_TRY(take_text(weights, text, chosen, names, labels));
    } else if (strchr(chosen, '=')) {
        BCL_TRY(bcl_strdup(&text, chosen));
        BCL_TRY(take_text(weights, text, NULL, names, labels));
    } else {
        BCL_FAIL(
            BCL_ERROR_ARGUMENT,
            "--class-weights: found \"%s\", which is no file; expected balanced, a file with a "
            "tag and a number a line, or TAG=X,TAG=X",
            chosen);
    }
    for (size_t i = 0; i < labels; i++)
        sum += weights[i];
    if (!(sum > 0))
        BCL_FAIL(BCL_ERROR_ARGUMENT, "--class-weights: all weights are 0: nothing would be learnt");
    *out = weights;
    weights = NULL;
out:
    free(text);
    free(weights);
    return status;
}
