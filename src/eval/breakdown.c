/* Scores by document and by sentence length, from the counts of each sentence. */
#include "eval/report.h"
#include "eval/score.h"
#include "util/printable.h"

#include <cjson/cJSON.h>

typedef struct part {
    const char *name;
    uint64_t sentences, tokens, right, entities[3]; /* gold, predicted, both */
} part;

/* Upper ends of the classes of lengths, in tokens. */
static const struct {
    const char *name;
    uint32_t most;
} lengths[] = {{"1-5", 5},    {"6-10", 10},    {"11-20", 20},       {"21-30", 30},
               {"31-50", 50}, {"51-100", 100}, {"101-", UINT32_MAX}};
#define LENGTHS (sizeof lengths / sizeof *lengths)

typedef struct breakdown {
    part *documents, lengths[LENGTHS];
    size_t document_count;
} breakdown;

static void add_row(part *p, const bcl_rows *r, size_t sentence) {
    p->sentences++;
    for (size_t i = r->starts[sentence]; i < r->starts[sentence + 1]; i++) {
        const bcl_row_cell *c = &r->cells[i];
        if (c->column == BCL_ROW_TOKENS)
            p->tokens += c->count;
        else if (c->column == BCL_ROW_RIGHT)
            p->right += c->count;
        else if (c->column < BCL_ROW_TYPES + 3 * r->types)
            p->entities[(c->column - BCL_ROW_TYPES) % 3] += c->count;
    }
}

static bcl_status compute(breakdown *out, const bcl_score *s) {
    bcl_status status = BCL_OK;
    const bcl_rows *r = &s->rows;
    *out = (breakdown){.document_count = s->labels->document_count};
    if (!s->options.by_sentence)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "breakdown: the score was made without by_sentence");
    BCL_NEW(out->documents, out->document_count);
    for (size_t i = 0; i < out->document_count; i++)
        out->documents[i].name = s->labels->documents[i];
    for (size_t i = 0; i < LENGTHS; i++)
        out->lengths[i].name = lengths[i].name;
    for (size_t i = 0; i < r->sentences; i++) {
        const uint32_t tokens = bcl_rows_at(r, i, BCL_ROW_TOKENS);
        size_t length = 0;
        while (tokens > lengths[length].most)
            length++;
        add_row(&out->lengths[length], r, i);
        if (s->labels->sentences[i].document < out->document_count)
            add_row(&out->documents[s->labels->sentences[i].document], r, i);
    }
out:
    return status;
}

static bcl_scores scores(const part *p, const bcl_score *s) {
    const double zero = bcl_entity_zero_division(s->options.zero_division);
    double precision = p->entities[1] ? (double)p->entities[2] / (double)p->entities[1] : zero;
    double recall = p->entities[0] ? (double)p->entities[2] / (double)p->entities[0] : zero;
    double sum = precision + recall;
    return (bcl_scores){precision, recall, 2 * precision * recall / (sum == 0 ? 1 : sum),
                        p->entities[0]};
}

static double accuracy(const part *p) {
    return p->tokens ? (double)p->right / (double)p->tokens : 0;
}

static bcl_status part_json(cJSON *list, const part *p, const bcl_score *s) {
    bcl_status status = BCL_OK;
    bcl_scores x = scores(p, s);
    cJSON *item = cJSON_CreateObject();
    if (!item || !cJSON_AddItemToArray(list, item)) {
        cJSON_Delete(item);
        BCL_FAIL(BCL_ERROR_MEMORY, "breakdown: out of memory");
    }
    BCL_TRY(bcl_report_put(item, "name", cJSON_CreateString(p->name)));
    BCL_TRY(bcl_report_put(item, "sentences", cJSON_CreateNumber((double)p->sentences)));
    BCL_TRY(bcl_report_put(item, "tokens", cJSON_CreateNumber((double)p->tokens)));
    BCL_TRY(bcl_report_put(item, "accuracy", cJSON_CreateNumber(accuracy(p))));
    BCL_TRY(bcl_report_put(item, "precision", cJSON_CreateNumber(x.precision)));
    BCL_TRY(bcl_report_put(item, "recall", cJSON_CreateNumber(x.recall)));
    BCL_TRY(bcl_report_put(item, "f1-score", cJSON_CreateNumber(x.f1)));
    BCL_TRY(bcl_report_put(item, "support", cJSON_CreateNumber((double)x.support)));
out:
    return status;
}

bcl_status bcl_breakdown_json(cJSON **out, const bcl_score *score) {
    bcl_status status = BCL_OK;
    breakdown b = {0};
    cJSON *json = cJSON_CreateObject();
    cJSON *documents = cJSON_AddArrayToObject(json, "documents");
    cJSON *by_length = cJSON_AddArrayToObject(json, "lengths");
    BCL_TRY(compute(&b, score));
    for (size_t i = 0; i < b.document_count; i++)
        BCL_TRY(part_json(documents, &b.documents[i], score));
    for (size_t i = 0; i < LENGTHS; i++)
        if (b.lengths[i].sentences)
            BCL_TRY(part_json(by_length, &b.lengths[i], score));
    *out = json;
    json = NULL;
out:
    cJSON_Delete(json);
    free(b.documents);
    return status;
}

static bcl_status part_line(bcl_string *text, const part *p, const bcl_score *s, int digits) {
    char name[1024];
    bcl_scores x = scores(p, s);
    return bcl_string_addf(
        text, "%9llu %9llu %9.*f %9.*f %9.*f %9.*f %9llu  %s\n", (unsigned long long)p->sentences,
        (unsigned long long)p->tokens, digits, accuracy(p), digits, x.precision, digits, x.recall,
        digits, x.f1, (unsigned long long)x.support, bcl_printable(name, sizeof name, p->name));
}

static bcl_status heading(bcl_string *text, const char *last) {
    return bcl_string_addf(text, "%9s %9s %9s %9s %9s %9s %9s  %s\n", "sentences", "tokens",
                           "accuracy", "precision", "recall", "f1-score", "support", last);
}

bcl_status bcl_breakdown_text(char **out, const bcl_score *score, int digits) {
    bcl_status status = BCL_OK;
    breakdown b = {0};
    bcl_string text = {0};
    BCL_TRY(compute(&b, score));
    BCL_TRY(heading(&text, "document"));
    for (size_t i = 0; i < b.document_count; i++)
        BCL_TRY(part_line(&text, &b.documents[i], score, digits));
    BCL_TRY(bcl_string_add(&text, "\n", 1));
    BCL_TRY(heading(&text, "tokens of the sentence"));
    for (size_t i = 0; i < LENGTHS; i++)
        if (b.lengths[i].sentences)
            BCL_TRY(part_line(&text, &b.lengths[i], score, digits));
    *out = text.data;
    text.data = NULL;
out:
    free(b.documents);
    bcl_string_free(&text);
    return status;
}
