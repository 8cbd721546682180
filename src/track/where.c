/* Recursive descent: or < and < not < comparison. The tree is an array, children by index. */
#include "track/where.h"

#include <ctype.h>
#include <math.h>

typedef enum kind { AND, OR, NOT, EQUAL, UNEQUAL, LESS, AT_MOST, MORE, AT_LEAST, HOLDS } kind;

typedef struct node {
    kind kind;
    size_t left, right; /* of AND, OR; NOT has left only */
    char key[128], text[256];
    double number;
    bool is_number;
} node;

struct bcl_where {
    node *nodes;
    size_t count, capacity, root;
};

enum { DEPTH = 64 };

typedef struct parser {
    const char *text, *at;
    bcl_where *out;
    int depth;
} parser;

static bcl_status expected(const parser *p, const char *what) {
    return bcl_fail(BCL_ERROR_ARGUMENT, "--where: character %zu: found \"%.20s\", expected %s",
                    (size_t)(p->at - p->text) + 1, *p->at ? p->at : "the end", what);
}

static void skip(parser *p) {
    while (isspace((unsigned char)*p->at))
        p->at++;
}

static bool is_word(char c) {
    return isalnum((unsigned char)c) || (c && strchr("._-/+:@%", c)) || (unsigned char)c >= 0x80;
}

/* Takes a word if it stands there alone. */
static bool take_word(parser *p, const char *word) {
    const size_t n = strlen(word);
    skip(p);
    if (strncmp(p->at, word, n) || is_word(p->at[n]))
        return false;
    p->at += n;
    return true;
}

static bcl_status take_text(parser *p, char *out, size_t size, const char *quotes, const char *what,
                            bool *quoted) {
    skip(p);
    const char quote = *p->at && strchr(quotes, *p->at) ? *p->at : 0;
    *quoted = quote != 0;
    const char *begin = p->at + (quote != 0), *end = begin;
    while (quote ? *end && *end != quote : is_word(*end))
        end++;
    if ((quote && !*end) || end == begin || (size_t)(end - begin) >= size)
        return expected(p, what);
    memcpy(out, begin, (size_t)(end - begin));
    out[end - begin] = 0;
    p->at = end + (quote != 0);
    return BCL_OK;
}

static bool take_operator(parser *p, kind *out) {
    static const struct {
        const char *text;
        kind kind;
    } list[] = {{"==", EQUAL}, {"!=", UNEQUAL}, {"<=", AT_MOST}, {">=", AT_LEAST},
                {"=", EQUAL},  {"<", LESS},     {">", MORE},     {"~", HOLDS}};
    skip(p);
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        if (!strncmp(p->at, list[i].text, strlen(list[i].text))) {
            p->at += strlen(list[i].text);
            *out = list[i].kind;
            return true;
        }
    return false;
}

static bcl_status add(parser *p, const node *n, size_t *index) {
    bcl_where *w = p->out;
    const bcl_status status = bcl_grow(&w->nodes, &w->capacity, w->count + 1, sizeof *w->nodes);
    if (status)
        return status;
    w->nodes[w->count] = *n;
    *index = w->count++;
    return BCL_OK;
}

static bcl_status parse_or(parser *p, size_t *index);

static bcl_status parse_term(parser *p, size_t *index) {
    bcl_status status = BCL_OK;
    node n = {0};
    bool quoted;
    char *end;
    if (++p->depth > DEPTH)
        return expected(p, "fewer parentheses");
    if (take_word(p, "not")) {
        n.kind = NOT;
        BCL_TRY(parse_term(p, &n.left));
    } else if (*p->at == '(') {
        p->at++;
        BCL_TRY(parse_or(p, index));
        skip(p);
        if (*p->at != ')') {
            status = expected(p, "\")\"");
            goto out;
        }
        p->at++;
        p->depth--;
        return BCL_OK;
    } else {
        BCL_TRY(take_text(p, n.key, sizeof n.key, "`", "a key such as eval.macro_f1", &quoted));
        if (!take_operator(p, &n.kind)) {
            status = expected(p, "one of = != < <= > >= ~");
            goto out;
        }
        BCL_TRY(take_text(p, n.text, sizeof n.text, "\"'", "a number or a text", &quoted));
        n.number = strtod(n.text, &end);
        n.is_number = !quoted && end != n.text && !*end;
    }
    BCL_TRY(add(p, &n, index));
out:
    p->depth--;
    return status;
}

static bcl_status parse_and(parser *p, size_t *index) {
    bcl_status status = BCL_OK;
    BCL_TRY(parse_term(p, index));
    while (take_word(p, "and")) {
        node n = {.kind = AND, .left = *index};
        BCL_TRY(parse_term(p, &n.right));
        BCL_TRY(add(p, &n, index));
    }
out:
    return status;
}

static bcl_status parse_or(parser *p, size_t *index) {
    bcl_status status = BCL_OK;
    BCL_TRY(parse_and(p, index));
    while (take_word(p, "or")) {
        node n = {.kind = OR, .left = *index};
        BCL_TRY(parse_and(p, &n.right));
        BCL_TRY(add(p, &n, index));
    }
out:
    return status;
}

bcl_status bcl_where_create(bcl_where **out, const char *text) {
    bcl_status status = BCL_OK;
    parser p = {.text = text, .at = text};
    BCL_NEW(p.out, 1);
    BCL_TRY(parse_or(&p, &p.out->root));
    skip(&p);
    if (*p.at) {
        status = expected(&p, "\"and\", \"or\" or the end");
        goto out;
    }
    *out = p.out;
    p.out = NULL;
out:
    bcl_where_free(p.out);
    return status;
}

void bcl_where_free(bcl_where *where) {
    if (where)
        free(where->nodes);
    free(where);
}

static bool compare(const node *n, const bcl_field *f) {
    if (n->kind == HOLDS)
        return strstr(f->text, n->text) != NULL;
    if (f->is_number && n->is_number) {
        const double x = f->number, y = n->number; /* a NaN is not equal, less or more */
        return n->kind == EQUAL     ? x == y
               : n->kind == UNEQUAL ? x != y
               : n->kind == LESS    ? x < y
               : n->kind == AT_MOST ? x <= y
               : n->kind == MORE    ? x > y
                                    : x >= y;
    }
    const int order = strcmp(f->text, n->text);
    return n->kind == EQUAL     ? !order
           : n->kind == UNEQUAL ? order != 0
           : n->kind == LESS    ? order < 0
           : n->kind == AT_MOST ? order <= 0
           : n->kind == MORE    ? order > 0
                                : order >= 0;
}

static bcl_status holds(bool *out, const bcl_where *w, size_t index, bcl_field_finder *find,
                        void *context) {
    const node *n = &w->nodes[index];
    bcl_status status = BCL_OK;
    bcl_field field = {0};
    if (n->kind > NOT) {
        BCL_TRY(find(&field, context, n->key));
        *out = field.found && compare(n, &field);
        goto out;
    }
    BCL_TRY(holds(out, w, n->left, find, context));
    if (n->kind == NOT)
        *out = !*out;
    else if (*out == (n->kind == AND))
        BCL_TRY(holds(out, w, n->right, find, context));
out:
    return status;
}

bcl_status bcl_where_holds(bool *out, const bcl_where *where, bcl_field_finder *find,
                           void *context) {
    return holds(out, where, where->root, find, context);
}
