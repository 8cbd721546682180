/* The figures of `bertcl data stats`, as JSON: what is printed comes from it, so that the two
 * cannot differ. */
#include "cli/data_command.h"

enum { LONGEST = 5 };

static bcl_status put_odd_lines(cJSON *to, const bcl_corpus *c) {
    bcl_status status = BCL_OK;
    cJSON *lines = cJSON_CreateArray();
    BCL_TRY(data_put(to, "odd_lines", lines));
    cJSON *totals = cJSON_CreateObject();
    BCL_TRY(data_put(to, "odd_line_totals", totals));
    for (int kind = 0; kind < BCL_ODD_COUNT; kind++)
        BCL_TRY(data_put_number(totals, bcl_odd_name((bcl_odd)kind),
                                (double)bcl_corpus_odd_total(c, (bcl_odd)kind)));
    for (size_t i = 0; i < bcl_corpus_odd_listed(c); i++) {
        bcl_odd kind;
        const char *file;
        size_t line;
        bcl_corpus_odd_line(c, i, &kind, &file, &line);
        cJSON *item = cJSON_CreateObject();
        BCL_TRY(data_put(lines, NULL, item));
        BCL_TRY(data_put_text(item, "file", file));
        BCL_TRY(data_put_number(item, "line", (double)line));
        BCL_TRY(data_put_text(item, "what", bcl_odd_name(kind)));
        if (bcl_corpus_odd_error(c, i))
            BCL_TRY(data_put_text(item, "error", bcl_corpus_odd_error(c, i)));
    }
out:
    return status;
}

/* The longest sentences, and how the lengths spread: ranks by the nearest-rank rule, and a
 * histogram over 1, 2, 3-4, 5-8, ... words. */
static bcl_status put_lengths(cJSON *to, const bcl_corpus *c) {
    static const struct {
        const char *name;
        double share;
    } ranks[] = {{"min", 0}, {"median", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"max", 1}};
    bcl_status status = BCL_OK;
    data_ranked *order = NULL;
    size_t n = bcl_corpus_size(c);
    cJSON *longest = cJSON_CreateArray();
    BCL_TRY(data_put(to, "longest", longest));
    cJSON *lengths = cJSON_CreateObject();
    BCL_TRY(data_put(to, "lengths", lengths));
    BCL_NEW(order, n);
    for (size_t i = 0; i < n; i++)
        order[i] = (data_ranked){bcl_corpus_sentence(c, i).size, i};
    qsort(order, n, sizeof *order, data_compare_ranked);
    for (size_t i = 0; i < n && i < LONGEST; i++) {
        bcl_sentence s = bcl_corpus_sentence(c, order[i].i);
        cJSON *item = cJSON_CreateObject();
        BCL_TRY(data_put(longest, NULL, item));
        BCL_TRY(data_put_text(item, "file", s.file));
        BCL_TRY(data_put_number(item, "line", (double)s.line));
        BCL_TRY(data_put_number(item, "words", (double)s.size));
    }
    for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++) {
        size_t rank = (size_t)(ranks[i].share * (double)n + 0.999999);
        BCL_TRY(
            data_put_number(lengths, ranks[i].name, (double)order[n - (rank ? rank : 1)].value));
    }
    BCL_TRY(data_put_number(lengths, "mean", (double)bcl_corpus_tokens(c) / (double)n));
    cJSON *histogram = cJSON_CreateArray();
    BCL_TRY(data_put(lengths, "histogram", histogram));
    uint64_t from = 1, to_length = 1;
    for (size_t i = n; i; from = to_length + 1, to_length *= 2) {
        size_t before = i;
        while (i && order[i - 1].value <= to_length)
            i--;
        cJSON *item = cJSON_CreateObject();
        BCL_TRY(data_put(histogram, NULL, item));
        BCL_TRY(data_put_number(item, "from", (double)from));
        BCL_TRY(data_put_number(item, "to", (double)to_length));
        BCL_TRY(data_put_number(item, "sentences", (double)(before - i)));
    }
out:
    free(order);
    return status;
}

static bcl_status put_repeats(cJSON *to, const data_set *d) {
    bcl_status status = BCL_OK;
    bcl_repeats r;
    size_t n = bcl_corpus_size(d->corpus);
    BCL_TRY(bcl_corpus_duplicates(&r, d->corpus, NULL, n));
    BCL_TRY(data_put_number(to, "duplicates", (double)r.repeated));
    BCL_TRY(data_put_number(to, "duplicates_tagged_otherwise", (double)r.conflicting));
    if (!d->other && !d->train) {
        BCL_TRY(data_put(to, "overlap", cJSON_CreateNull()));
        goto out;
    }
    if (d->other)
        BCL_TRY(
            bcl_corpus_overlap(&r, d->corpus, NULL, n, d->other, NULL, bcl_corpus_size(d->other)));
    else
        BCL_TRY(bcl_corpus_overlap(&r, d->corpus, d->train, d->train_count, d->corpus, d->test,
                                   d->test_count));
    BCL_TRY(data_put_number(to, "overlap", (double)r.repeated));
    BCL_TRY(data_put_number(to, "overlap_tagged_otherwise", (double)r.conflicting));
    BCL_TRY(data_put_number(to, "train_sentences", (double)(d->other ? n : d->train_count)));
    BCL_TRY(data_put_number(to, "test_sentences",
                            (double)(d->other ? bcl_corpus_size(d->other) : d->test_count)));
out:
    return status;
}

/* What was not read of folders, and what a person should know. */
static bcl_status put_notes(cJSON *to, const bcl_corpus *c) {
    bcl_status status = BCL_OK;
    cJSON *list = cJSON_CreateArray();
    BCL_TRY(data_put(to, "left_out", list));
    for (size_t i = 0; i < bcl_corpus_left_out_count(c); i++) {
        const char *path, *why;
        cJSON *item = cJSON_CreateObject();
        bcl_corpus_left_out(c, i, &path, &why);
        BCL_TRY(data_put(list, NULL, item));
        BCL_TRY(data_put_text(item, "path", path));
        BCL_TRY(data_put_text(item, "why", why));
    }
    list = cJSON_CreateArray();
    BCL_TRY(data_put(to, "notes", list));
    for (size_t i = 0; i < bcl_corpus_note_count(c); i++)
        BCL_TRY(data_put_text(list, NULL, bcl_corpus_note(c, i)));
out:
    return status;
}

bcl_status data_put_stats(cJSON *to, const data_set *d) {
    bcl_status status = BCL_OK;
    BCL_TRY(data_put_text(to, "format", data_format(d->corpus)));
    BCL_TRY(data_put_files(to, "files", d->corpus));
    BCL_TRY(data_put_number(to, "sentences", (double)bcl_corpus_size(d->corpus)));
    BCL_TRY(data_put_number(to, "tokens", (double)bcl_corpus_tokens(d->corpus)));
    BCL_TRY(data_put_tags(to, "tags_raw", d->corpus, true));
    BCL_TRY(data_put_tags(to, "tags", d->corpus, false));
    BCL_TRY(put_lengths(to, d->corpus));
    BCL_TRY(put_repeats(to, d));
    BCL_TRY(put_odd_lines(to, d->corpus));
    BCL_TRY(put_notes(to, d->corpus));
out:
    return status;
}
