/* A double-array trie (Aoe 1989) over bytes. Built once, then only read. */
#include "text/text.h"

typedef struct builder {
    bcl_trie_node *nodes;
    size_t capacity; /* all of these are initialised */
    size_t free;     /* no free node below this one */
    const bcl_trie_key *keys;
} builder;

static int compare_keys(const void *a, const void *b) {
    const bcl_trie_key *x = a, *y = b;
    size_t n = x->size < y->size ? x->size : y->size;
    int c = memcmp(x->text, y->text, n);
    if (c)
        return c;
    if (x->size != y->size)
        return x->size < y->size ? -1 : 1;
    return (x->value > y->value) - (x->value < y->value);
}

static bcl_status reserve(builder *b, size_t need) {
    size_t old = b->capacity;
    bcl_status status = bcl_grow(&b->nodes, &b->capacity, need, sizeof *b->nodes);
    for (size_t i = old; !status && i < b->capacity; i++)
        b->nodes[i] = (bcl_trie_node){0, -1, -1};
    return status;
}

/* The lowest base >= 1 at which all children fit. A long search in a nearly full part gives up on
 * that part for good, which keeps building linear. */
static bcl_status find_base(builder *b, const unsigned char *children, size_t count, size_t *base) {
    size_t tries = 0;
    for (size_t at = b->free;; at++) {
        bcl_status status = reserve(b, at + 512);
        if (status)
            return status;
        if (b->nodes[at].check >= 0) {
            b->free += at == b->free;
            continue;
        }
        if (++tries > 256)
            b->free = at;
        if (at <= children[0])
            continue;
        *base = at - children[0];
        size_t i = 1;
        while (i < count && b->nodes[*base + children[i]].check < 0)
            i++;
        if (i == count)
            return BCL_OK;
    }
}

/* Places the children of `node`, whose keys are first..last-1 and agree in `depth` bytes. */
static bcl_status place(builder *b, int32_t node, size_t first, size_t last, size_t depth) {
    unsigned char children[256];
    size_t count = 0, base;
    while (first < last && b->keys[first].size == depth) {
        if (b->nodes[node].value < 0)
            b->nodes[node].value = b->keys[first].value;
        first++;
    }
    for (size_t i = first; i < last; i++) {
        unsigned char c = (unsigned char)b->keys[i].text[depth];
        if (!count || children[count - 1] != c)
            children[count++] = c;
    }
    if (!count)
        return BCL_OK;
    bcl_status status = find_base(b, children, count, &base);
    if (status)
        return status;
    if (base > INT32_MAX - 1024)
        return bcl_fail(BCL_ERROR_UNSUPPORTED, "a vocabulary of more than 2^31 trie nodes");
    b->nodes[node].base = (int32_t)base;
    for (size_t i = 0; i < count; i++)
        b->nodes[base + children[i]].check = node;
    for (size_t i = 0; i < count && !status; i++) {
        size_t end = first;
        while (end < last && (unsigned char)b->keys[end].text[depth] == children[i])
            end++;
        status = place(b, (int32_t)(base + children[i]), first, end, depth + 1);
        first = end;
    }
    return status;
}

bcl_status bcl_trie_build(bcl_trie *trie, bcl_trie_key *keys, size_t count) {
    bcl_status status = BCL_OK;
    builder b = {.free = 1, .keys = keys};
    if (count)
        qsort(keys, count, sizeof *keys, compare_keys);
    /* One level of recursion a byte: bounds the stack. */
    for (size_t i = 0; i < count; i++)
        if (keys[i].size > 4096)
            BCL_FAIL(BCL_ERROR_UNSUPPORTED, "a token of %zu bytes, expected at most 4096",
                     keys[i].size);
    BCL_TRY(reserve(&b, 1024));
    b.nodes[0].check = 0;
    BCL_TRY(place(&b, 0, 0, count, 0));
    trie->nodes = b.nodes;
    trie->size = b.capacity;
    b.nodes = NULL;
out:
    free(b.nodes);
    return status;
}

void bcl_trie_free(bcl_trie *trie) {
    free(trie->nodes);
    *trie = (bcl_trie){0};
}

int32_t bcl_trie_longest(const bcl_trie *trie, const unsigned char *text, size_t size,
                         size_t *matched) {
    int32_t node = 0, value = -1;
    for (size_t i = 0; i < size; i++) {
        if ((node = bcl_trie_step(trie, node, text[i])) < 0)
            break;
        if (trie->nodes[node].value >= 0) {
            value = trie->nodes[node].value;
            *matched = i + 1;
        }
    }
    return value;
}
