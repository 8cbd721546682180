/* From texts as a person gives them to corpora that were read: options, rules on tags, and the
 * rules that the data themselves ask for. */
#include "data/data.h"

/* A number goes to *column, any other text is a column's name. */
static bcl_status read_column(int64_t *column, const char **name, const char *text,
                              const char *option) {
    char *end;
    *column = 0;
    *name = NULL;
    if (!text)
        return BCL_OK;
    const long long x = strtoll(text, &end, 10);
    if (*text && !*end && (!x || x < -1000000 || x > 1000000))
        return bcl_fail(BCL_ERROR_ARGUMENT,
                        "--%s: found %s, expected 1, 2, … or -1, -2, … from the end, or a name",
                        option, text);
    if (*text && !*end)
        *column = x;
    else if (*text)
        *name = text;
    else
        return bcl_fail(BCL_ERROR_ARGUMENT, "--%s: found no text, expected a number or a name",
                        option);
    return BCL_OK;
}

/* "A,B,C", or the lines of a file of that name. */
static bcl_status read_names(char ***names, size_t *count, const char *text) {
    bcl_status status = BCL_OK;
    char *data = NULL, **list = NULL;
    size_t size, n = 0, capacity = 0;
    const bool file = !strchr(text, ',') && bcl_path_exists(text);
    BCL_TRY(file ? bcl_file_read_limited(&data, &size, text, 1 << 24) : bcl_strdup(&data, text));
    for (char *p = data, *next; p && *p; p = next) {
        next = strpbrk(p, file ? "\r\n" : ",");
        if (next)
            *next++ = 0;
        if (!*p && file)
            continue;
        if (!*p)
            BCL_FAIL(BCL_ERROR_ARGUMENT, "--tag-names: found \"%s\", expected names between commas",
                     text);
        BCL_TRY(bcl_grow(&list, &capacity, n + 1, sizeof *list));
        BCL_TRY(bcl_strdup(&list[n], p));
        n++;
    }
    if (!n)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "--tag-names: found no name in \"%s\", expected A,B,…", text);
    *names = list;
    *count = n;
    list = NULL;
    n = 0;
out:
    bcl_strings_free(list, n);
    free(data);
    return status;
}

bcl_status bcl_reading_options(bcl_corpus_options *o, char ***names, const bcl_reading *reading) {
    bcl_status status = BCL_OK;
    *o = (bcl_corpus_options){.key = reading->misc_key};
    *names = NULL;
    BCL_TRY(read_column(&o->word_column, &o->word_name, reading->word_column, "word-column"));
    BCL_TRY(read_column(&o->tag_column, &o->tag_name, reading->tag_column, "tag-column"));
    if (reading->format)
        BCL_TRY(bcl_corpus_format_find(&o->format, reading->format));
    if (reading->tag_names) {
        BCL_TRY(read_names(names, &o->tag_name_count, reading->tag_names));
        o->tag_names = (const char *const *)*names;
    }
out:
    return status;
}

bcl_status bcl_reading_map(bcl_tag_map **out, const bcl_reading *reading) {
    bcl_status status = BCL_OK;
    bcl_tag_map *map = NULL;
    BCL_TRY(bcl_tag_map_create(&map));
    if (reading->map_preset && strcmp(reading->map_preset, "none"))
        BCL_TRY(bcl_tag_map_add_preset(map, reading->map_preset));
    if (reading->map_file)
        BCL_TRY(bcl_tag_map_add_file(map, reading->map_file));
    for (size_t i = 0; i < reading->map_rules.count; i++)
        BCL_TRY(bcl_tag_map_add_rule(map, reading->map_rules.items[i]));
    *out = map;
    map = NULL;
out:
    bcl_tag_map_free(map);
    return status;
}

/* The UN corpus' typing errors, if no rules are given and the tags are that corpus'. */
static bcl_status map_known(bcl_tag_map *map, bcl_corpus **corpora, size_t count,
                            const bcl_reading *reading) {
    bcl_status status = BCL_OK;
    if (reading->map_preset || reading->map_file || reading->map_rules.count ||
        !bcl_corpora_are_un_ner((const bcl_corpus *const *)corpora, count))
        goto out;
    BCL_TRY(bcl_tag_map_add_preset(map, "un-ner"));
    bool told = false;
    for (size_t i = 0; i < count; i++) {
        if (!corpora[i])
            continue;
        BCL_TRY(bcl_corpus_map(corpora[i], map));
        if (!told)
            BCL_TRY(bcl_corpus_add_note(
                corpora[i], "the tags are those of the UN corpus; its stray ones are read as O, as "
                            "by --map-preset un-ner (none: they are not)"));
        told = true;
    }
out:
    return status;
}

bcl_status bcl_corpora_read(bcl_tag_map **map, bcl_corpus **corpora, const bcl_texts *paths,
                            size_t count, const bcl_reading *reading, bool keep_going) {
    bcl_status status = BCL_OK;
    bcl_corpus_options options = {0};
    char **names = NULL;
    for (size_t i = 0; i < count; i++)
        corpora[i] = NULL;
    BCL_TRY(bcl_check_standard_input(paths, count));
    BCL_TRY(bcl_reading_map(map, reading));
    BCL_TRY(bcl_reading_options(&options, &names, reading));
    options.map = *map;
    options.keep_going = keep_going;
    for (size_t i = 0; i < count; i++)
        if (paths[i].count)
            BCL_TRY(bcl_corpus_read(&corpora[i], paths[i].items, paths[i].count, &options));
    BCL_TRY(bcl_corpora_note_layouts(corpora, count));
    BCL_TRY(map_known(*map, corpora, count, reading));
out:
    bcl_strings_free(names, names ? options.tag_name_count : 0);
    return status;
}
