/* bertcl eval's table of several models, predictions or data sets. */
#include "cli/eval_command.h"
#include "cli/terminal.h"
#include "eval/report.h"

#include <cjson/cJSON.h>
#include <math.h>

enum {
    MODEL,
    DATA,
    SENTENCES,
    TOKENS,
    LOSS,
    ACCURACY,
    PRECISION,
    RECALL,
    F1,
    F1_LOW,
    F1_HIGH,
    MACRO_F1,
    LEVEL,
    SCHEME,
    WORDS_CUT,
    COLUMNS
};
static const char *const headings[COLUMNS] = {
    [MODEL] = "model",         [DATA] = "data",       [SENTENCES] = "sentences",
    [TOKENS] = "tokens",       [LOSS] = "loss",       [ACCURACY] = "accuracy",
    [PRECISION] = "precision", [RECALL] = "recall",   [F1] = "f1-score",
    [F1_LOW] = "f1 low",       [F1_HIGH] = "f1 high", [MACRO_F1] = "macro f1",
    [LEVEL] = "entities",      [SCHEME] = "scheme",   [WORDS_CUT] = "words cut"};

typedef struct row {
    char *cells[COLUMNS];
} row;

static bcl_status number(char **out, double x, int digits) {
    return isnan(x) ? bcl_strdup(out, "nan") : bcl_format(out, "%.*f", digits, x);
}

/* The interval of the entities' micro F1. */
static bcl_status add_interval(row *r, const eval_options *o, const eval_result *x, int digits) {
    bcl_status status = BCL_OK;
    bcl_bootstrap *b = NULL;
    BCL_TRY(bcl_bootstrap_create(&b, x->score, NULL, (size_t)o->resamples, (uint64_t)o->seed));
    for (size_t i = 0; i < bcl_bootstrap_size(b); i++) {
        bcl_interval v = bcl_bootstrap_interval(b, i);
        if (v.group && !strcmp(v.group, "entities") && !strcmp(v.row, "micro avg") &&
            !strcmp(v.metric, "f1-score") && !r->cells[F1_LOW]) {
            BCL_TRY(number(&r->cells[F1_LOW], v.low, digits));
            BCL_TRY(number(&r->cells[F1_HIGH], v.high, digits));
        }
    }
out:
    bcl_bootstrap_free(b);
    return status;
}

static bcl_status fill(row *r, const eval_options *o, const eval_result *x) {
    bcl_status status = BCL_OK;
    const int digits = o->digits_given ? (int)o->digits : 4;
    bcl_scores micro = bcl_entity_report_micro(bcl_score_entities(x->score));
    BCL_TRY(bcl_strdup(&r->cells[MODEL], x->name));
    BCL_TRY(bcl_strdup(&r->cells[DATA], x->data));
    BCL_TRY(bcl_format(&r->cells[SENTENCES], "%zu", bcl_labels_size(x->labels)));
    BCL_TRY(
        bcl_format(&r->cells[TOKENS], "%zu", bcl_labels_tokens(x->pieces ? x->pieces : x->labels)));
    if (x->has_evaluation)
        BCL_TRY(number(&r->cells[LOSS], x->evaluation.loss, digits));
    if (x->has_evaluation && x->evaluation.words_cut)
        BCL_TRY(bcl_format(&r->cells[WORDS_CUT], "%zu", x->evaluation.words_cut));
    BCL_TRY(number(&r->cells[ACCURACY], bcl_report_accuracy(bcl_score_report(x->score)), digits));
    BCL_TRY(number(&r->cells[PRECISION], micro.precision, digits));
    BCL_TRY(number(&r->cells[RECALL], micro.recall, digits));
    BCL_TRY(number(&r->cells[F1], micro.f1, digits));
    BCL_TRY(number(&r->cells[MACRO_F1], bcl_entity_report_macro(bcl_score_entities(x->score)).f1,
                   digits));
    if (x->has_evaluation) {
        char scheme[BCL_SCHEME_TEXT];
        BCL_TRY(bcl_format(&r->cells[LEVEL], "of %ss", eval_level(o, x)));
        BCL_TRY(bcl_strdup(&r->cells[SCHEME], eval_scheme_text(scheme, x)));
    }
    if (o->resamples)
        BCL_TRY(add_interval(r, o, x, digits));
out:
    return status;
}

static bool is_text(int column) {
    return column <= DATA || column == LEVEL || column == SCHEME;
}

/* What a terminal shows. */
static size_t shown(const char *text) {
    char out[1024];
    bcl_printable(out, sizeof out, text);
    return bcl_columns(out, strlen(out));
}

static void print_cell(const char *text, size_t width, bool left) {
    size_t n = shown(text), pad = n < width ? width - n : 0;
    printf("%*s", left ? 0 : (int)pad, "");
    bcl_printable_put(stdout, text, strlen(text));
    printf("%*s", left ? (int)pad : 0, "");
}

static void print_markdown(const row *rows, size_t count, const bool *used) {
    size_t width[COLUMNS] = {0};
    for (size_t i = 0; i < count; i++)
        for (int c = 0; c < COLUMNS; c++)
            if (used[c] && rows[i].cells[c] && shown(rows[i].cells[c]) > width[c])
                width[c] = shown(rows[i].cells[c]);
    for (size_t i = 0; i < count; i++) {
        for (int c = 0; c < COLUMNS; c++)
            if (used[c]) {
                printf("| ");
                print_cell(rows[i].cells[c] ? rows[i].cells[c] : "", width[c], is_text(c));
                putchar(' ');
            }
        printf("|\n");
        for (int c = 0; !i && c < COLUMNS; c++)
            if (used[c])
                printf("|%s", is_text(c) ? " --- " : " ---: ");
        if (!i)
            printf("|\n");
    }
}

static bcl_status print_text(const row *rows, size_t count, const bool *used) {
    char align[COLUMNS + 1];
    size_t columns = 0;
    for (int c = 0; c < COLUMNS; c++)
        if (used[c])
            align[columns++] = c <= DATA ? 'p' : is_text(c) ? 'l' : 'r';
    align[columns] = 0;
    bcl_table t = {.align = align};
    for (size_t i = 0; i < count; i++)
        for (int c = 0; c < COLUMNS; c++)
            if (used[c])
                bcl_table_add(&t, rows[i].cells[c]);
    return bcl_table_print(&t, stdout);
}

/* RFC 4180, with LF. */
static void print_csv(const row *rows, size_t count, const bool *used) {
    for (size_t i = 0; i < count; i++) {
        const char *comma = "";
        for (int c = 0; c < COLUMNS; c++) {
            if (!used[c])
                continue;
            const char *text = rows[i].cells[c] ? rows[i].cells[c] : "";
            printf("%s", comma);
            comma = ",";
            if (!text[strcspn(text, ",\"\r\n")]) {
                printf("%s", text);
                continue;
            }
            putchar('"');
            for (; *text; text++)
                printf(*text == '"' ? "\"\"" : "%c", *text);
            putchar('"');
        }
        printf("\n");
    }
}

/* '|' would end a cell. */
static bcl_status escape_markdown(row *r) {
    bcl_status status = BCL_OK;
    for (int c = 0; c <= DATA; c++) {
        bcl_string s = {0};
        for (const char *p = r->cells[c]; *p; p++)
            BCL_TRY(bcl_string_addf(&s, *p == '|' ? "\\%c" : "%c", *p));
        free(r->cells[c]);
        r->cells[c] = s.data;
    }
out:
    return status;
}

bcl_status eval_print_table(const eval_options *o, const eval_result *results, size_t count) {
    bcl_status status = BCL_OK;
    const bool markdown = !strcmp(o->table, "markdown");
    bool used[COLUMNS] = {0};
    row *rows = NULL;
    BCL_NEW(rows, count + 1);
    for (int c = 0; c < COLUMNS; c++)
        BCL_TRY(bcl_strdup(&rows[0].cells[c], headings[c]));
    if (!results[0].has_evaluation) {
        free(rows[0].cells[MODEL]);
        rows[0].cells[MODEL] = NULL;
        BCL_TRY(bcl_strdup(&rows[0].cells[MODEL], "pred"));
        free(rows[0].cells[DATA]);
        rows[0].cells[DATA] = NULL;
        BCL_TRY(bcl_strdup(&rows[0].cells[DATA], "gold"));
    }
    for (size_t i = 0; i < count; i++) {
        BCL_TRY(fill(&rows[i + 1], o, &results[i]));
        if (markdown)
            BCL_TRY(escape_markdown(&rows[i + 1]));
        for (int c = 0; c < COLUMNS; c++)
            used[c] = used[c] || rows[i + 1].cells[c];
    }
    if (!strcmp(o->table, "csv"))
        print_csv(rows, count + 1, used);
    else if (markdown)
        print_markdown(rows, count + 1, used);
    else
        BCL_TRY(print_text(rows, count + 1, used));
out:
    for (size_t i = 0; rows && i <= count; i++)
        for (int c = 0; c < COLUMNS; c++)
            free(rows[i].cells[c]);
    free(rows);
    return status;
}
