/* What the readers of the formats put their words in, and the check of a file's bytes. */
#include "data/reader.h"

#include <utf8proc.h>

enum { ODD_LISTED = 100 /* a kind */ };

/* ---- what the readers put in ---- */

bcl_status bcl_reader_odd(bcl_reader *r, bcl_odd kind) {
    bcl_corpus *c = r->corpus;
    if (c->odd_totals[kind]++ >= ODD_LISTED)
        return BCL_OK;
    bcl_status status = bcl_grow(&c->odd, &c->odd_capacity, c->odd_count + 1, sizeof *c->odd);
    if (!status)
        c->odd[c->odd_count++] = (bcl_odd_line){kind, r->file, r->line, NULL};
    return status;
}

bcl_status bcl_reader_refuse(bcl_reader *r, bcl_status status) {
    bcl_corpus *c = r->corpus;
    if (status != BCL_ERROR_FORMAT || !r->options->keep_going)
        return status;
    const size_t listed = c->odd_count;
    status = bcl_reader_odd(r, BCL_ODD_REFUSED);
    if (!status && c->odd_count > listed)
        status = bcl_strdup(&c->odd[listed].error, bcl_message());
    return status;
}

bcl_status bcl_reader_keep(bcl_reader *r, char *text) {
    bcl_source *f = &r->corpus->files[r->file];
    bcl_status status = bcl_grow(&f->texts, &f->text_capacity, f->text_count + 1, sizeof *f->texts);
    if (status)
        free(text);
    else
        f->texts[f->text_count++] = text;
    return status;
}

bcl_status bcl_reader_clean_tag(bcl_reader *r, bcl_field *tag) {
    bcl_status status = BCL_OK;
    *tag = bcl_strip(*tag);
    if (bcl_drop_invisible(tag)) {
        *tag = bcl_strip(*tag);
        BCL_TRY(bcl_reader_odd(r, BCL_ODD_INVISIBLE));
    }
    tag->text[tag->size] = 0;
    if (!tag->size || tag->size != strcspn(tag->text, "\t\n\r"))
        BCL_FAIL(BCL_ERROR_FORMAT, "%s:%zu: found the tag \"%.*s\", expected one line of text",
                 r->path, r->line, bcl_shown(*tag), tag->text);
out:
    return status;
}

/* A tag that this file did not have among its last: its numbers, and whether it is one at all. */
static bcl_status look_up(bcl_reader *r, bcl_seen_tag *seen, bcl_field tag) {
    bcl_status status = BCL_OK;
    bcl_corpus *corpus = r->corpus;
    *seen = (bcl_seen_tag){NULL, tag.size, 0};
    if (bcl_names_find(&corpus->raw.names, tag.text, tag.size) == SIZE_MAX &&
        !bcl_is_scheme_tag(tag.text, tag.size) && memchr(tag.text, ' ', tag.size) &&
        r->options->format == BCL_FORMAT_AUTO)
        BCL_FAIL(BCL_ERROR_FORMAT,
                 "%s:%zu: found \"%.*s\" where the tag is, expected a tag without spaces; if it is "
                 "right say --format conll",
                 r->path, r->line, bcl_shown(tag), tag.text);
    if (bcl_has_other_space(tag))
        BCL_FAIL(
            BCL_ERROR_FORMAT,
            "%s:%zu: found white space or a line separator within the tag \"%.*s\", expected a "
            "tag and LF or CRLF behind it",
            r->path, r->line, bcl_shown(tag), tag.text);
    BCL_TRY(bcl_tag_table_intern(&seen->id, &corpus->raw, tag.text, corpus->token_count));
    seen->text = tag.text;
out:
    return status;
}

static bcl_status begin_sentence(bcl_reader *r, size_t n) {
    bcl_status status = BCL_OK;
    bcl_corpus *c = r->corpus;
    if (!r->in_document) {
        BCL_TRY(bcl_grow(&c->documents, &c->document_capacity, c->document_count + 1,
                         sizeof *c->documents));
        c->documents[c->document_count++] =
            (bcl_document){r->file, (uint32_t)c->files[r->file].documents++};
        r->in_document = true;
    }
    BCL_TRY(bcl_grow(&c->sentences, &c->sentence_capacity, c->sentence_count + 1,
                     sizeof *c->sentences));
    c->sentences[c->sentence_count++] =
        (bcl_span){n, r->line, r->file, (uint32_t)c->document_count - 1};
    c->files[r->file].sentences++;
    r->in_sentence = true;
out:
    return status;
}

static bcl_status add_jump(bcl_reader *r, size_t token) {
    bcl_corpus *c = r->corpus;
    bcl_status status = BCL_OK;
    if (c->files[r->file].one_line)
        return BCL_OK;
    BCL_TRY(bcl_grow(&c->jumps, &c->jump_capacity, c->jump_count + 1, sizeof *c->jumps));
    c->jumps[c->jump_count++] = (bcl_line_jump){token, r->line};
out:
    return status;
}

bcl_status bcl_reader_token(bcl_reader *r, const char *word, bcl_field tag) {
    bcl_status status = BCL_OK;
    bcl_corpus *corpus = r->corpus;
    const size_t n = corpus->token_count;
    const unsigned char *t = (const unsigned char *)tag.text;
    bcl_seen_tag *seen =
        &r->seen[(tag.size * 5 + t[0] * 29u + t[tag.size - 1] * 3u) % BCL_SEEN_TAGS];
    if (!seen->text || seen->size != tag.size || memcmp(seen->text, tag.text, tag.size))
        BCL_TRY(look_up(r, seen, tag));
    BCL_TRY(bcl_grow(&corpus->words, &corpus->word_capacity, n + 1, sizeof *corpus->words));
    BCL_TRY(bcl_grow(&corpus->tags, &corpus->tag_capacity, n + 1, sizeof *corpus->tags));
    if (!r->in_sentence)
        BCL_TRY(begin_sentence(r, n));
    else if (r->line != r->last_line + 1)
        BCL_TRY(add_jump(r, n));
    corpus->raw.totals[seen->id]++;
    r->last_line = r->line;
    corpus->words[n] = word;
    corpus->tags[n] = seen->id;
    corpus->token_count++;
out:
    return status;
}

bcl_status bcl_reader_glue(bcl_reader *r) {
    bcl_status status = BCL_OK;
    bcl_corpus *c = r->corpus;
    const size_t before = c->glued_count;
    BCL_TRY(bcl_grow(&c->glued, &c->glued_capacity, c->token_count, 1));
    memset(c->glued + before, 0, c->token_count - before);
    c->glued_count = c->token_count;
    c->glued[c->token_count - 1] = 1;
out:
    return status;
}

/* ---- bytes ---- */

/* Eight bytes of ASCII without a NUL or a carriage return; may say no when they are. */
static bool are_plain(const char *text) {
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t x, y;
    memcpy(&x, text, sizeof x);
    y = x ^ ones * '\r';
    return !((x | ((x - ones) & ~x) | ((y - ones) & ~y)) & ones << 7);
}

bcl_status bcl_reader_check_bytes(const bcl_reader *r, bcl_field line, const char *base) {
    for (size_t i = 0; i < line.size;) {
        if (line.size - i >= 8 && are_plain(line.text + i)) {
            i += 8;
            continue;
        }
        unsigned char byte = (unsigned char)line.text[i];
        utf8proc_int32_t c = byte;
        utf8proc_ssize_t n = 1;
        if (byte >= 0x80)
            n = utf8proc_iterate((const utf8proc_uint8_t *)line.text + i,
                                 (utf8proc_ssize_t)(line.size - i), &c);
        const size_t offset = (size_t)(line.text + i - base);
        if (n <= 0)
            return bcl_fail(BCL_ERROR_FORMAT,
                            "%s:%zu: byte %zu of the line (%zu of the file): found 0x%02X, "
                            "expected UTF-8 text; convert the file, say iconv -f latin1 -t utf-8",
                            r->path, r->line, i + 1, offset, byte);
        if (!byte)
            return bcl_fail(BCL_ERROR_FORMAT,
                            "%s:%zu: byte %zu of the line (%zu of the file): found a NUL byte, "
                            "expected UTF-8 text; UTF-16 is converted by iconv -f utf-16 -t utf-8",
                            r->path, r->line, i + 1, offset);
        if (byte == '\r')
            return bcl_fail(BCL_ERROR_FORMAT,
                            "%s:%zu: byte %zu of the line (%zu of the file): found a carriage "
                            "return, expected text with lines that end in LF or CRLF; convert the "
                            "file, say tr '\\r' '\\n'",
                            r->path, r->line, i + 1, offset);
        i += (size_t)n;
    }
    return BCL_OK;
}

/* Without a byte order mark; texts of Latin letters and digits. NULL: it is not. */
static const char *utf16_of(const char *data, size_t size) {
    size_t zeros[2] = {0, 0}; /* at even and odd places */
    const size_t n = size < 64 ? size / 2 * 2 : 64;
    for (size_t i = 0; i < n; i++)
        zeros[i % 2] += !data[i];
    const bool little = zeros[1] == n / 2 && !zeros[0], big = zeros[0] == n / 2 && !zeros[1];
    return n < 4 || (!little && !big) ? NULL : little ? "utf-16le" : "utf-16be";
}

bcl_status bcl_text_check_kind(const char *data, size_t size, const char *path) {
#define BEGINS(text) text, sizeof(text) - 1
    static const struct {
        const char *begin;
        size_t size;
        const char *name, *what;
    } kinds[] = {
        {BEGINS("\xFF\xFE\0\0"), "UTF-32", "convert the file, say iconv -f utf-32 -t utf-8"},
        {BEGINS("\0\0\xFE\xFF"), "UTF-32", "convert the file, say iconv -f utf-32 -t utf-8"},
        {BEGINS("\xFF\xFE"), "UTF-16", "convert the file, say iconv -f utf-16 -t utf-8"},
        {BEGINS("\xFE\xFF"), "UTF-16", "convert the file, say iconv -f utf-16 -t utf-8"},
        {BEGINS("\x1F\x8B"), "gzip", "unpack the file, say gzip -d"},
        {BEGINS("\xFD"
                "7zXZ"),
         "xz", "unpack the file, say xz -d"},
        {BEGINS("\x28\xB5\x2F\xFD"), "zstd", "unpack the file, say zstd -d"},
        {BEGINS("BZh91AY&SY"), "bzip2", "unpack the file, say bzip2 -d"},
        {BEGINS("PK\x03\x04"), "a zip archive", "unpack the file"},
        {BEGINS("7z\xBC\xAF"), "a 7-Zip archive", "unpack the file"},
        {BEGINS("PAR1\x15"), "Parquet", "convert the file to JSON lines"},
        {BEGINS("ARROW1\0"), "Arrow", "convert the file to JSON lines"},
        {BEGINS("SQLite format 3\0"), "an SQLite database", "write its text to a file"},
        {BEGINS("%PDF-"), "PDF", "write its text to a file, say by pdftotext"},
        {BEGINS("\xD0\xCF\x11\xE0"), "an office document", "save it as text"},
        {BEGINS("version https://git-lfs"), "a Git LFS pointer",
         "fetch the file itself, say git lfs pull"},
        {BEGINS("#FORMAT=WebAnno"), "WebAnno's TSV", "export it as CoNLL 2002"},
        {BEGINS("\x89PNG"), "an image", "name a file of text"},
        {BEGINS("\x80\x03"), "a Python pickle", "write its data to JSON lines"},
        {BEGINS("\x80\x04"), "a Python pickle", "write its data to JSON lines"},
        {BEGINS("\x80\x05"), "a Python pickle", "write its data to JSON lines"},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (size > kinds[i].size && !memcmp(data, kinds[i].begin, kinds[i].size))
            return bcl_fail(BCL_ERROR_FORMAT,
                            "%s:1: byte 0: found %s, expected plain text in UTF-8; %s", path,
                            kinds[i].name, kinds[i].what);
#undef BEGINS
    const char *utf16 = utf16_of(data, size);
    if (utf16)
        return bcl_fail(BCL_ERROR_FORMAT,
                        "%s:1: byte 0: found UTF-16, expected plain text in UTF-8; convert the "
                        "file, say iconv -f %s -t utf-8",
                        path, utf16);
    if (size > 262 && !memcmp(data + 257, "ustar", 5))
        return bcl_fail(
            BCL_ERROR_FORMAT,
            "%s:1: byte 0: found a tar archive, expected plain text in UTF-8; unpack the file, say "
            "tar -x",
            path);
    return BCL_OK;
}

bcl_status bcl_corpus_file_text(char **text, size_t *size, const char *path,
                                const bcl_corpus_options *options) {
    bcl_status status = BCL_OK;
    char *data = NULL;
    const uint64_t limit = options->max_file_size ? options->max_file_size : BCL_MAX_FILE_SIZE;
    BCL_TRY(bcl_is_standard_input(path) ? bcl_standard_input_read(&data, size, limit)
                                        : bcl_file_read_limited(&data, size, path, limit));
    BCL_TRY(bcl_text_check_kind(data, *size, bcl_data_name(path)));
    *text = data;
    data = NULL;
out:
    free(data);
    return status;
}
