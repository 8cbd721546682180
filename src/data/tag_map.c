/* Rules that turn one tag into another while a corpus is read. */
#include "data/data.h"

struct bcl_tag_map {
    bcl_names from;
    char **to; /* (from.count) */
    size_t to_capacity;
};

/* What the tutorial calls bad tags: typing errors of the UN corpus' annotators. */
static const char *const un_ner[] = {"0", "I-", "I-I-MISC", "I-OR", "I-PRG", "VMISC"};

bcl_status bcl_tag_map_create(bcl_tag_map **out) {
    *out = bcl_calloc(1, sizeof **out);
    return *out ? BCL_OK : BCL_ERROR_MEMORY;
}

void bcl_tag_map_free(bcl_tag_map *map) {
    if (!map)
        return;
    bcl_strings_free(map->to, map->from.count);
    bcl_names_free(&map->from);
    free(map);
}

static bcl_status add(bcl_tag_map *map, const char *from, size_t from_size, const char *to) {
    bcl_status status = BCL_OK;
    char *copy = NULL;
    uint32_t i;
    size_t before = map->from.count;
    BCL_TRY(bcl_grow(&map->to, &map->to_capacity, before + 1, sizeof *map->to));
    BCL_TRY(bcl_strdup(&copy, to));
    BCL_TRY(bcl_names_intern(&i, &map->from, from, from_size));
    if (i < before)
        free(map->to[i]);
    map->to[i] = copy;
    copy = NULL;
out:
    free(copy);
    return status;
}

bcl_status bcl_tag_map_add(bcl_tag_map *map, const char *from, const char *to) {
    if (!*from || !*to)
        return bcl_fail(BCL_ERROR_ARGUMENT, "tag map: found \"%s=%s\", expected two tags", from,
                        to);
    return add(map, from, strlen(from), to);
}

bcl_status bcl_tag_map_add_rule(bcl_tag_map *map, const char *rule) {
    size_t n = strcspn(rule, "=");
    if (!n || !rule[n] || !rule[n + 1])
        return bcl_fail(BCL_ERROR_ARGUMENT, "tag map: found \"%s\", expected FROM=TO", rule);
    return add(map, rule, n, rule + n + 1);
}

/* Without the white space at both ends; changes the text. */
static char *trim(char *text) {
    text += strspn(text, " \t\r\v\f");
    size_t n = strlen(text);
    while (n && strchr(" \t\r\v\f", text[n - 1]))
        n--;
    text[n] = 0;
    return text;
}

bcl_status bcl_tag_map_add_file(bcl_tag_map *map, const char *path) {
    bcl_status status = BCL_OK;
    char *text = NULL;
    size_t size, line = 0;
    BCL_TRY(bcl_file_read(&text, &size, path));
    if (strlen(text) != size)
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: byte %zu: found a NUL byte, expected text", path,
                 strlen(text));
    char *p = strncmp(text, "\xEF\xBB\xBF", 3) ? text : text + 3, *next;
    for (; p; p = next) {
        line++;
        next = strchr(p, '\n');
        if (next)
            *next++ = 0;
        p = trim(p);
        if (!*p || *p == '#')
            continue;
        size_t n = strcspn(p, strchr(p, '\t') ? "\t" : "=");
        if (!p[n])
            BCL_FAIL(BCL_ERROR_FORMAT, "%s:%zu: found \"%s\", expected FROM=TO or FROM<TAB>TO",
                     path, line, p);
        p[n] = 0;
        char *from = trim(p), *to = trim(p + n + 1);
        if (!*from || !*to)
            BCL_FAIL(BCL_ERROR_FORMAT, "%s:%zu: found \"%s=%s\", expected two tags", path, line,
                     from, to);
        BCL_TRY(bcl_tag_map_add(map, from, to));
    }
out:
    free(text);
    return status;
}

bcl_status bcl_tag_map_add_preset(bcl_tag_map *map, const char *name) {
    bcl_status status = BCL_OK;
    if (strcmp(name, "un-ner"))
        BCL_FAIL(BCL_ERROR_ARGUMENT, "tag map: found preset \"%s\", expected un-ner", name);
    for (size_t i = 0; i < sizeof un_ner / sizeof *un_ner; i++)
        BCL_TRY(bcl_tag_map_add(map, un_ner[i], "O"));
out:
    return status;
}

const char *bcl_tag_map_find(const bcl_tag_map *map, const char *from) {
    size_t i = map ? bcl_names_find(&map->from, from, strlen(from)) : SIZE_MAX;
    return i == SIZE_MAX ? from : map->to[i];
}
