/* Reading files into a corpus: which files of a folder, and which reader for each. */
#define _POSIX_C_SOURCE 200809L
#include "data/reader.h"

#include <strings.h>
#include <sys/stat.h>

enum { LONG_SENTENCE = 500 /* words */ };

static bool ends_in(const char *name, const char *end) {
    const size_t n = strlen(name), m = strlen(end);
    return n > m && !strcasecmp(name + n - m, end);
}

/* x.ann for x.txt and the other way round, if there is such a file; else NULL. */
static bcl_status find_twin(char **out, const char *path, const char *end, const char *other) {
    struct stat st;
    *out = NULL;
    if (!ends_in(path, end))
        return BCL_OK;
    bcl_status status = bcl_format(out, "%.*s%s", (int)(strlen(path) - strlen(end)), path, other);
    if (!status && (stat(*out, &st) || !S_ISREG(st.st_mode))) {
        free(*out);
        *out = NULL;
    }
    return status;
}

/* The readers' choice, for a text that the file keeps. */
static bcl_status read_text(bcl_reader *r, char *text, size_t size, const char *annotations) {
    bcl_status status = BCL_OK;
    const bcl_corpus_format format = r->options->format;
    if (annotations)
        return bcl_read_brat(r, annotations, text, size);
    if (format == BCL_FORMAT_JSONL || format == BCL_FORMAT_DOCCANO ||
        format == BCL_FORMAT_PRODIGY || format == BCL_FORMAT_LABEL_STUDIO ||
        (format == BCL_FORMAT_AUTO && bcl_are_records(text, size)))
        return bcl_read_records(r, text, size);
    if (format == BCL_FORMAT_AUTO || format == BCL_FORMAT_CONLL)
        BCL_TRY(bcl_csv_to_columns(r, text, &size));
    BCL_TRY(bcl_read_columns(r, text, size));
out:
    return status;
}

/* The bytes of "en:" in front of a word, 0: there is none. */
static size_t language_of(const char *word) {
    const size_t n = strspn(word, "abcdefghijklmnopqrstuvwxyz-");
    return n >= 2 && n <= 12 && word[n] == ':' && word[n + 1] ? n + 1 : 0;
}

/* WikiAnn's files have their language in front of every word. */
static bcl_status take_language(bcl_reader *r, size_t first) {
    bcl_corpus *c = r->corpus;
    const size_t count = c->token_count - first;
    if (count < 3 || !r->layout.columns)
        return BCL_OK;
    const char **words = c->words + first;
    const size_t n = language_of(words[0]);
    if (!n)
        return BCL_OK;
    for (size_t i = 0; i < count; i++)
        if (language_of(words[i]) != n || memcmp(words[i], words[0], n))
            return BCL_OK;
    const bcl_status status =
        bcl_corpus_add_note(c,
                            "%s: every word begins with \"%.*s\", which is taken off, as it is in "
                            "WikiAnn's files",
                            r->path, (int)n, words[0]);
    for (size_t i = 0; i < count; i++)
        words[i] += n;
    return status;
}

/* What a person should know of the file: columns that are not read, or one sentence that fills it.
 */
static bcl_status note_file(bcl_reader *r, size_t first_token) {
    bcl_status status = BCL_OK;
    const bcl_corpus *c = r->corpus;
    bcl_source *f = &r->corpus->files[r->file];
    const size_t words = c->token_count - first_token;
    const bcl_column_layout *l = &r->layout;
    BCL_TRY(bcl_strdup(&f->format, *l->text ? l->text : "no data"));
    f->columns = l->columns > 0;
    if (l->two_tags && !r->options->tag_column && !r->options->tag_name && !r->options->words_only)
        BCL_TRY(bcl_corpus_add_note(r->corpus,
                                    "%s: columns %lld and %lld hold tags, read column %lld; "
                                    "--tag-column takes another",
                                    r->path, (long long)(l->tag - r->options->predicted),
                                    (long long)(l->tag + !r->options->predicted),
                                    (long long)l->tag));
    if (l->other_tags && !r->options->tag_column && !r->options->tag_name &&
        !r->options->words_only)
        BCL_TRY(bcl_corpus_add_note(
            r->corpus,
            "%s: columns %zu and %lld hold tags, read column %lld; --tag-column takes another",
            r->path, l->other_tags, (long long)(l->tag ? l->tag : (int64_t)l->columns),
            (long long)(l->tag ? l->tag : (int64_t)l->columns)));
    BCL_TRY(take_language(r, first_token));
    if (f->sentences && f->sentences == f->documents && words / f->sentences > LONG_SENTENCE)
        BCL_TRY(bcl_corpus_add_note(
            r->corpus,
            "%s: found no blank line, %zu words are one sentence; a model takes some hundred at a "
            "time: --long window reads all of them, else its end is cut",
            r->path, words / f->sentences));
out:
    return status;
}

static bcl_status add_source(bcl_reader *r, const char *path) {
    bcl_status status = BCL_OK;
    bcl_corpus *c = r->corpus;
    BCL_TRY(bcl_grow(&c->files, &c->file_capacity, c->file_count + 1, sizeof *c->files));
    c->files[c->file_count] = (bcl_source){0};
    BCL_TRY(bcl_strdup(&c->files[c->file_count].path, path));
    r->path = c->files[c->file_count].path;
    r->file = (uint32_t)c->file_count++;
out:
    return status;
}

static bcl_status read_file(bcl_corpus *corpus, const char *path,
                            const bcl_corpus_options *options) {
    bcl_status status = BCL_OK;
    bcl_reader r = {.corpus = corpus, .options = options};
    char *text = NULL, *annotations = NULL, *txt = NULL;
    const size_t first_token = corpus->token_count;
    size_t size = 0;
    const bool given = bcl_is_standard_input(path); /* nothing stands beside it */
    if (options->format == BCL_FORMAT_AUTO || options->format == BCL_FORMAT_BRAT) {
        if (ends_in(path, ".ann")) {
            BCL_TRY(find_twin(&txt, path, ".ann", ".txt"));
            if (txt)
                BCL_TRY(bcl_strdup(&annotations, path));
        } else {
            BCL_TRY(find_twin(&annotations, path, ".txt", ".ann"));
        }
        if (options->format == BCL_FORMAT_BRAT && !annotations)
            BCL_FAIL(BCL_ERROR_FORMAT,
                     "%s: found no annotations, expected x.txt with x.ann beside "
                     "it, as brat writes them",
                     bcl_data_name(path));
    }
    BCL_TRY(add_source(&r, txt ? txt : bcl_data_name(path)));
    status = bcl_corpus_file_text(&text, &size, given ? path : r.path, options);
    if (!status) {
        corpus->files[r.file].bytes = size;
        BCL_TRY(bcl_reader_keep(&r, text));
        status = read_text(&r, text, size, annotations);
    }
    if (status)
        BCL_TRY(bcl_reader_refuse(&r, status));
    BCL_TRY(note_file(&r, first_token));
out:
    bcl_column_layout_free(&r.layout);
    free(annotations);
    free(txt);
    return status;
}

/* ---- folders ---- */

const char *bcl_name_is_no_data(const char *name, bool running_text) {
    static const char *const texts[] = {"README",   "LICENSE",   "LICENCE", "COPYING",
                                        "CITATION", "CHANGELOG", "NOTICE",  "AUTHORS"};
    static const char *const brat[] = {"annotation.conf", "visual.conf", "tools.conf",
                                       "kb_shortcuts.conf"};
    static const char *const backups[] = {".bak", ".orig", ".rej", ".swp", ".swo", ".tmp"};
    const size_t n = strlen(name), stem = strcspn(name, ".");
    if (name[0] == '.')
        return "hidden";
    if (name[n - 1] == '~' || (name[0] == '#' && name[n - 1] == '#'))
        return "an editor's backup";
    for (size_t i = 0; i < sizeof backups / sizeof *backups; i++)
        if (ends_in(name, backups[i]))
            return "a backup by its name";
    if (running_text)
        return NULL;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (strlen(texts[i]) == stem && !strncasecmp(name, texts[i], stem) &&
            (!name[stem] || ends_in(name, ".md") || ends_in(name, ".txt") ||
             ends_in(name, ".rst") || ends_in(name, ".html") || ends_in(name, ".cff")))
            return "a text about the data by its name";
    if (ends_in(name, ".md") || ends_in(name, ".rst") || ends_in(name, ".html"))
        return "a document by its name";
    for (size_t i = 0; i < sizeof brat / sizeof *brat; i++)
        if (!strcmp(name, brat[i]))
            return "a setting of brat";
    return NULL;
}

static bcl_status leave_out(bcl_corpus *c, const char *path, const char *why) {
    bcl_status status = BCL_OK;
    BCL_TRY(
        bcl_grow(&c->left_out, &c->left_out_capacity, c->left_out_count + 1, sizeof *c->left_out));
    BCL_TRY(bcl_grow(&c->left_out_why, &c->why_capacity, c->left_out_count + 1,
                     sizeof *c->left_out_why));
    BCL_TRY(bcl_strdup(&c->left_out[c->left_out_count], path));
    c->left_out_why[c->left_out_count++] = why;
    if (strcmp(why, "hidden"))
        BCL_TRY(bcl_corpus_add_note(c, "%s: left out, %s", path, why));
out:
    return status;
}

static bcl_status read_folder(bcl_corpus *corpus, const char *path,
                              const bcl_corpus_options *options) {
    bcl_status status = BCL_OK;
    char **names = NULL, *child = NULL, *twin = NULL;
    size_t count = 0, before = corpus->file_count;
    bool any_brat = false;
    BCL_TRY(bcl_directory_list(&names, &count, path));
    for (size_t i = 0; i < count; i++)
        any_brat |= ends_in(names[i], ".ann") && options->format <= BCL_FORMAT_AUTO;
    any_brat |= options->format == BCL_FORMAT_BRAT;
    for (size_t i = 0; i < count; i++) {
        struct stat st;
        const char *why = bcl_name_is_no_data(names[i], false);
        free(child);
        free(twin);
        child = twin = NULL;
        BCL_TRY(bcl_path_join(&child, path, names[i]));
        if (!why && stat(child, &st)) {
            status = bcl_fail_errno("%s: cannot open", child);
            goto out;
        }
        if (!why && !S_ISREG(st.st_mode))
            why = S_ISDIR(st.st_mode) ? "a folder within the folder: name it too if it holds data"
                                      : "no file";
        if (!why && any_brat && ends_in(names[i], ".txt")) {
            BCL_TRY(find_twin(&twin, child, ".txt", ".ann"));
            if (twin)
                continue; /* read with its annotations */
            why = "a text without annotations among others that have them";
        }
        BCL_TRY(why ? leave_out(corpus, child, why) : read_file(corpus, child, options));
    }
    if (corpus->file_count == before)
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: found no file in the folder, expected CoNLL files%s", path,
                 corpus->left_out_count ? "; what is there is no data by its name" : "");
out:
    free(child);
    free(twin);
    bcl_strings_free(names, count);
    return status;
}

/* ---- all of it ---- */

static bcl_status check_options(const bcl_corpus_options *o) {
    bcl_status status = BCL_OK;
    const int64_t word = o->word_column ? o->word_column : 1;
    if (o->tag_column && o->tag_column == word && !o->word_name && !o->tag_name)
        BCL_FAIL(BCL_ERROR_ARGUMENT,
                 "tag column: found %lld, which is the word's; expected another one",
                 (long long)o->tag_column);
    if (o->format < 0 || o->format >= BCL_FORMAT_COUNT)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "format: found %d, expected a bcl_corpus_format",
                 (int)o->format);
out:
    return status;
}

/* Words whose tags are of no scheme in a corpus where most are of one. They are few, and so are
 * looked for behind the reading. */
static bcl_status list_odd_tags(bcl_corpus *c) {
    bcl_status status = BCL_OK;
    uint64_t others = 0;
    bool *odd = NULL;
    BCL_NEW(odd, c->raw.names.count);
    for (size_t i = 0; i < c->raw.names.count; i++) {
        const char *name = c->raw.names.items[i];
        odd[i] = !bcl_is_scheme_tag(name, strlen(name));
        others += odd[i] ? c->raw.totals[i] : 0;
    }
    for (size_t s = 0; others && others * 10 <= c->token_count && s < c->sentence_count; s++) {
        const bcl_span *span = &c->sentences[s];
        const size_t end = s + 1 < c->sentence_count ? span[1].first : c->token_count;
        for (size_t t = span->first; t < end; t++)
            if (odd[c->tags[t]]) {
                bcl_reader r = {.corpus = c, .file = span->file};
                r.line = bcl_corpus_token_line(c, span, t);
                BCL_TRY(bcl_reader_odd(&r, BCL_ODD_TAG));
            }
    }
out:
    free(odd);
    return status;
}

bcl_status bcl_corpus_read_text(bcl_corpus **out, const char *name, char *text, size_t size,
                                const bcl_corpus_options *options) {
    bcl_status status = BCL_OK;
    bcl_corpus *corpus = NULL;
    bcl_reader r = {.options = options};
    BCL_TRY(check_options(options));
    BCL_NEW(corpus, 1);
    r.corpus = corpus;
    BCL_TRY(add_source(&r, name));
    BCL_TRY(bcl_text_check_kind(text, size, name));
    corpus->files[r.file].bytes = size;
    status = bcl_reader_keep(&r, text);
    char *kept = text;
    text = NULL;
    BCL_TRY(status);
    BCL_TRY(read_text(&r, kept, size, NULL));
    BCL_TRY(note_file(&r, 0));
    BCL_TRY(bcl_corpus_note_odd(corpus));
    BCL_TRY(bcl_corpus_map(corpus, options->map));
    *out = corpus;
    corpus = NULL;
out:
    bcl_column_layout_free(&r.layout);
    bcl_corpus_free(corpus);
    free(text);
    return status;
}

bcl_status bcl_corpus_read(bcl_corpus **out, const char *const *paths, size_t count,
                           const bcl_corpus_options *options) {
    static const bcl_corpus_options defaults = {0};
    bcl_status status = BCL_OK;
    bcl_corpus *corpus = NULL;
    if (!options)
        options = &defaults;
    if (!count)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "corpus: found no path, expected files or folders");
    BCL_TRY(check_options(options));
    BCL_TRY(bcl_check_standard_input(&(bcl_texts){paths, count}, 1));
    BCL_NEW(corpus, 1);
    for (size_t i = 0; i < count; i++)
        BCL_TRY(!bcl_is_standard_input(paths[i]) && bcl_path_is_directory(paths[i])
                    ? read_folder(corpus, paths[i], options)
                    : read_file(corpus, paths[i], options));
    if (!corpus->sentence_count && corpus->odd_totals[BCL_ODD_REFUSED])
        BCL_FAIL(BCL_ERROR_FORMAT, "%s", bcl_corpus_first_refused(corpus));
    if (!corpus->sentence_count)
        BCL_FAIL(BCL_ERROR_FORMAT,
                 "%s%s: found no sentence, expected lines with a word and its tag",
                 bcl_data_name(paths[0]), count > 1 ? " and the other paths" : "");
    BCL_TRY(list_odd_tags(corpus));
    BCL_TRY(bcl_corpus_note_layouts(corpus));
    BCL_TRY(bcl_corpus_note_odd(corpus));
    BCL_TRY(bcl_corpus_map(corpus, options->map));
    *out = corpus;
    corpus = NULL;
out:
    bcl_corpus_free(corpus);
    return status;
}
