/* Entity errors as text or as one HTML page without scripts or anything from elsewhere. */
#include "eval/errors.h"
#include "util/html.h"
#include "util/printable.h"

enum { SHOWN_SENTENCES = 5, LONG = 100, AROUND = 40 }; /* a group; tokens */

static const char *const kind_names[BCL_ENTITY_KINDS] = {
    "missing", "spurious", "wrong type", "wrong boundary", "wrong boundary and type"};

typedef struct page {
    bcl_string text;
    const bcl_errors *errors;
    bool html, part; /* HTML; of another page, which has the heading above */
} page;

static bcl_status put(page *p, const char *literal) {
    return bcl_string_add(&p->text, literal, strlen(literal));
}

/* What comes from the data: in HTML nothing in it can be markup, in text nothing is obeyed by a
 * terminal. */
static bcl_status put_data(page *p, const char *data) {
    return p->html ? bcl_html_text(&p->text, data)
                   : bcl_printable_add(&p->text, data, strlen(data));
}

static bcl_status put_token(page *p, bcl_labelled s, size_t i) {
    return put_data(p, s.words && s.words[i] ? s.words[i] : "?");
}

/* ---- one sentence ---- */

static bool right(bcl_marked m, const bcl_marked *others, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (others[i].start == m.start && others[i].end == m.end && !strcmp(others[i].type, m.type))
            return true;
    return false;
}

static bcl_status open_mark(page *p, bool is_right) {
    if (p->html)
        return put(p, is_right ? "<mark>" : "<mark class=\"bad\">");
    return put(p, is_right ? "[" : "*[");
}

/* The type stands behind the words. */
static bcl_status close_mark(page *p, const char *type) {
    bcl_status status = BCL_OK;
    BCL_TRY(put(p, p->html ? "\xC2\xA0<b>" : " ")); /* a line does not end between them */
    BCL_TRY(put_data(p, type));
    BCL_TRY(put(p, p->html ? "</b></mark>" : "]"));
out:
    return status;
}

/* Tokens from..to with the marks; a mark that begins within another is not shown. */
static bcl_status put_side(page *p, bcl_labelled s, size_t from, size_t to, const bcl_marked *marks,
                           size_t n, const bcl_marked *others, size_t other_count) {
    bcl_status status = BCL_OK;
    size_t k = 0, end = 0;
    const char *type = NULL;
    if (from)
        BCL_TRY(put(p, "\xE2\x80\xA6 "));
    for (size_t i = from; i < to; i++) {
        if (i > from)
            BCL_TRY(put(p, " "));
        while (k < n && (marks[k].start < i || marks[k].end <= i))
            k++;
        if (i >= end && k < n && marks[k].start == i) {
            end = marks[k].end;
            type = marks[k].type;
            BCL_TRY(open_mark(p, right(marks[k], others, other_count)));
        }
        BCL_TRY(put_token(p, s, i));
        if (end && (i + 1 == end || (i + 1 == to && end > to))) {
            BCL_TRY(close_mark(p, type));
            end = 0;
        }
    }
    if (to < s.size)
        BCL_TRY(put(p, " \xE2\x80\xA6"));
out:
    return status;
}

static bcl_status put_sentence(page *p, const bcl_error *error) {
    bcl_status status = BCL_OK;
    const bcl_errors *e = p->errors;
    const size_t i = error->sentence;
    bcl_labelled s = bcl_labels_sentence(e->score->labels, i);
    const bcl_marked *gold = e->gold_marks + e->gold_starts[i];
    const bcl_marked *pred = e->pred_marks + e->pred_starts[i];
    size_t n = e->gold_starts[i + 1] - e->gold_starts[i];
    size_t m = e->pred_starts[i + 1] - e->pred_starts[i];
    size_t from = 0, to = s.size;
    if (s.size > LONG) {
        size_t a = error->gold.type ? error->gold.start : error->pred.start;
        size_t b = error->gold.type ? error->gold.end : error->pred.end;
        from = a > AROUND ? a - AROUND : 0;
        to = b + AROUND < to ? b + AROUND : to;
    }
    BCL_TRY(put(p, p->html ? "<div class=\"case\"><p class=\"soft small\">" : "   "));
    if (s.file)
        BCL_TRY(put_data(p, s.file));
    BCL_TRY(bcl_string_addf(&p->text, ":%zu", s.line));
    BCL_TRY(put(p, p->html ? "</p>\n<p dir=\"auto\"><span class=\"soft small\">gold</span> "
                           : "\n      gold  "));
    BCL_TRY(put_side(p, s, from, to, gold, n, pred, m));
    BCL_TRY(put(p, p->html ? "</p>\n<p dir=\"auto\"><span class=\"soft small\">predicted</span> "
                           : "\n      pred  "));
    BCL_TRY(put_side(p, s, from, to, pred, m, gold, n));
    BCL_TRY(put(p, p->html ? "</p></div>\n" : "\n"));
out:
    return status;
}

/* ---- groups ---- */

static bcl_status put_words(page *p, const bcl_error *error, bcl_marked m) {
    bcl_status status = BCL_OK;
    bcl_labelled s = bcl_labels_sentence(p->errors->score->labels, error->sentence);
    BCL_TRY(put_data(p, m.type));
    BCL_TRY(put(p, p->html ? " <q>" : " \""));
    for (size_t i = m.start; i < m.end; i++) {
        BCL_TRY(put(p, i > m.start ? " " : ""));
        BCL_TRY(put_token(p, s, i));
    }
    BCL_TRY(put(p, p->html ? "</q>" : "\""));
out:
    return status;
}

static bcl_status put_group(page *p, size_t number) {
    bcl_status status = BCL_OK;
    const bcl_error_group *g = &p->errors->groups[number];
    const bcl_error *e = &p->errors->items[g->first];
    size_t shown = g->count < SHOWN_SENTENCES ? g->count : SHOWN_SENTENCES;
    BCL_TRY(bcl_string_addf(&p->text, p->html ? "<h3>%zu. %zu &times; %s: " : "%zu. %zu x %s: ",
                            number + 1, g->count, kind_names[e->kind]));
    if (e->gold.type)
        BCL_TRY(put_words(p, e, e->gold));
    if (e->gold.type && e->pred.type)
        BCL_TRY(put(p, p->html ? " &rarr; " : " as "));
    if (e->pred.type)
        BCL_TRY(put_words(p, e, e->pred));
    BCL_TRY(put(p, p->html ? "</h3>\n" : "\n"));
    for (size_t i = 0; i < shown; i++)
        BCL_TRY(put_sentence(p, e + i));
    if (g->count > shown)
        BCL_TRY(bcl_string_addf(
            &p->text, p->html ? "<p class=\"soft small\">and %zu more</p>\n" : "   and %zu more\n",
            g->count - shown));
    BCL_TRY(put(p, "\n"));
out:
    return status;
}

static bcl_status put_kinds(page *p) {
    bcl_status status = BCL_OK;
    const bcl_errors *e = p->errors;
    const int level = p->part ? 3 : 2;
    if (p->html)
        BCL_TRY(bcl_string_addf(&p->text,
                                "<h%d>By kind</h%d>\n<div class=\"scroll\"><table>\n<tr><th "
                                "class=\"n\">errors</th><th>kind</th><th>gold</th>"
                                "<th>predicted</th></tr>\n",
                                level, level));
    else
        BCL_TRY(put(p, "By kind\n"));
    for (size_t i = 0; i < e->classes.count; i++) {
        const bcl_error *x = &e->items[e->kinds[i].first];
        BCL_TRY(bcl_string_addf(
            &p->text, p->html ? "<tr><td class=\"n\">%zu</td><td>%s</td><td>" : "%8zu  %-24s ",
            e->kinds[i].count, kind_names[x->kind]));
        BCL_TRY(put_data(p, x->gold.type ? x->gold.type : ""));
        BCL_TRY(put(p, p->html ? "</td><td>" : x->gold.type && x->pred.type ? " as " : ""));
        BCL_TRY(put_data(p, x->pred.type ? x->pred.type : ""));
        BCL_TRY(put(p, p->html ? "</td></tr>\n" : "\n"));
    }
    if (p->html)
        BCL_TRY(
            bcl_string_addf(&p->text, "</table></div>\n<h%d>Most frequent</h%d>\n", level, level));
    else
        BCL_TRY(put(p, "\nMost frequent\n\n"));
out:
    return status;
}

static bcl_status put_head(page *p, const bcl_errors_about *about) {
    bcl_status status = BCL_OK;
    const bcl_errors *e = p->errors;
    const bcl_html_fact facts[] = {
        {"Model", about->model}, {"Data", about->data}, {"Entities", about->entities}};
    if (p->html) {
        BCL_TRY(bcl_html_open(&p->text, "Entity errors", facts, sizeof facts / sizeof *facts));
        BCL_TRY(put(p, "<p>"));
    } else {
        BCL_TRY(put(p, "Entity errors\n"));
        for (size_t i = 0; i < sizeof facts / sizeof *facts; i++)
            if (facts[i].value) {
                BCL_TRY(bcl_string_addf(&p->text, "%s: ", facts[i].name));
                BCL_TRY(put_data(p, facts[i].value));
                BCL_TRY(put(p, "\n"));
            }
    }
    BCL_TRY(bcl_string_addf(&p->text,
                            "%zu errors in %zu of %zu sentences; %zu gold entities, %zu predicted, "
                            "%zu right.",
                            e->count, e->sentences, e->score->labels->count, e->gold, e->pred,
                            e->right));
    BCL_TRY(
        put(p, p->html ? " An outline marks what differs.</p>\n" : " *[ marks what differs.\n\n"));
out:
    return status;
}

static bool is_html(const char *path) {
    const char *dot = strrchr(bcl_path_name(path), '.');
    return dot && (!strcmp(dot, ".html") || !strcmp(dot, ".htm"));
}

bcl_status bcl_errors_write(const bcl_errors *errors, const char *path,
                            const bcl_errors_about *about) {
    bcl_status status = BCL_OK;
    page p = {.errors = errors, .html = is_html(path)};
    size_t shown = errors->keys.count < about->most ? errors->keys.count : about->most;
    BCL_TRY(put_head(&p, about));
    if (errors->count)
        BCL_TRY(put_kinds(&p));
    for (size_t i = 0; i < shown; i++)
        BCL_TRY(put_group(&p, i));
    if (errors->keys.count > shown)
        BCL_TRY(bcl_string_addf(&p.text,
                                p.html ? "<p>%zu rarer ones are not shown.</p>\n"
                                       : "%zu rarer ones are not shown.\n",
                                errors->keys.count - shown));
    if (p.html)
        BCL_TRY(bcl_html_close(&p.text));
    BCL_TRY(bcl_file_write(path, p.text.data, p.text.size));
out:
    bcl_string_free(&p.text);
    return status;
}

bcl_status bcl_errors_html(char **out, const bcl_errors *errors, size_t most) {
    bcl_status status = BCL_OK;
    page p = {.errors = errors, .html = true, .part = true};
    *out = NULL;
    BCL_TRY(put_kinds(&p));
    for (size_t i = 0; i < errors->keys.count && i < most; i++)
        BCL_TRY(put_group(&p, i));
    *out = p.text.data;
    p.text.data = NULL;
out:
    bcl_string_free(&p.text);
    return status;
}
