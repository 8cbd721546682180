/* Manual pages with the macros of man(7), which groff and mandoc both read. */
#include "cli/docs/docs.h"

#include <ctype.h>
#include <time.h>

/* The day of the sources where the build is to be repeatable (reproducible-builds.org). */
static bcl_status add_head(bcl_string *out, const char *name) {
    bcl_status status = BCL_OK;
    const char *epoch = getenv("SOURCE_DATE_EPOCH");
    const time_t now = epoch ? (time_t)strtoll(epoch, NULL, 10) : time(NULL);
    char date[16] = "", upper[64];
    struct tm day;
    size_t n = 0;
    if (gmtime_r(&now, &day))
        strftime(date, sizeof date, "%Y-%m-%d", &day);
    for (; name[n] && n + 1 < sizeof upper; n++)
        upper[n] = (char)toupper((unsigned char)name[n]);
    upper[n] = 0;
    BCL_TRY(bcl_string_addf(out,
                            ".\\\" Written by bertcl_docs from the command's table of options.\n"
                            ".TH %s 1 %s \"bertcl " BERTCL_VERSION "\" \"bertcl\"\n.nh\n.ad l\n",
                            upper, date));
out:
    return status;
}

static const char *escape_of(char c, bool at_start) {
    return c == '\\'              ? "\\e"
           : c == '-'             ? "\\-" /* so that options can be copied */
           : c == '^'             ? "\\(ha"
           : c == '~'             ? "\\(ti"
           : c == '`'             ? "\\(ga"
           : c == '\''            ? "\\(aq"
           : c == '.' && at_start ? "\\&."
                                  : NULL;
}

/* What a byte of the source counts: readers turn other than ASCII into \[u2026]. */
static size_t source_width(char c) {
    enum { ESCAPE = 8 };
    const unsigned char byte = (unsigned char)c;
    return byte < 0x80 ? 1 : byte >= 0xC0 ? ESCAPE : 0;
}

/* A space, or a line break where the word that follows would make the source's line too long; both
 * read the same. */
static bcl_status add_space(bcl_string *out, const char *next) {
    enum { LINE = 78 };
    size_t n = 1;
    for (const char *c = next; *c && *c != ' ' && *c != '\n'; c++)
        n += escape_of(*c, false) ? strlen(escape_of(*c, false)) : source_width(*c);
    for (size_t i = out->size; n <= LINE && i && out->data[i - 1] != '\n'; i--)
        n += source_width(out->data[i - 1]);
    return bcl_string_add(out, n <= LINE ? " " : "\n", 1);
}

/* Running text; "\n\n" begins a paragraph, "\n" a line. */
static bcl_status add_text(bcl_string *out, const char *text, size_t size) {
    bcl_status status = BCL_OK;
    for (size_t i = 0; i < size; i++) {
        const bool at_start = !out->size || out->data[out->size - 1] == '\n';
        const char *by = escape_of(text[i], at_start);
        if (text[i] == ' ') {
            BCL_TRY(add_space(out, text + i + 1));
        } else if (text[i] == '\n') {
            const bool paragraph = i + 1 < size && text[i + 1] == '\n';
            BCL_TRY(bcl_string_addf(out, paragraph ? "\n.PP\n" : "\n.br\n"));
            i += paragraph;
        } else {
            BCL_TRY(by ? bcl_string_add(out, by, strlen(by)) : bcl_string_add(out, text + i, 1));
        }
    }
out:
    return status;
}

static bcl_status add_line(bcl_string *out, const char *text) {
    bcl_status status = BCL_OK;
    BCL_TRY(add_text(out, text, strlen(text)));
    BCL_TRY(bcl_string_add(out, "\n", 1));
out:
    return status;
}

/* A word of the synopsis: options bold, what stands for something else in italics. */
static bcl_status add_usage_word(bcl_string *out, const char *word, size_t n) {
    bcl_status status = BCL_OK;
    while (n && (*word == '[' || *word == '(')) {
        BCL_TRY(bcl_string_add(out, word++, 1));
        n--;
    }
    size_t inner = n;
    while (inner && strchr("])", word[inner - 1]))
        inner--;
    const bool option = inner > 1 && word[0] == '-';
    const bool variable = inner && isupper((unsigned char)word[0]);
    if (option || variable)
        BCL_TRY(bcl_string_addf(out, option ? "\\fB" : "\\fI"));
    BCL_TRY(add_text(out, word, inner));
    if (option || variable)
        BCL_TRY(bcl_string_addf(out, "\\fR"));
    BCL_TRY(bcl_string_add(out, word + inner, n - inner));
out:
    return status;
}

static bcl_status add_usage(bcl_string *out, const char *name, const char *usage) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_string_addf(out, ".SH SYNOPSIS\n\\fBbertcl %s\\fR", name));
    while (*usage) {
        const size_t n = strcspn(usage, " \n");
        if (n && out->data[out->size - 1] != '\n')
            BCL_TRY(add_space(out, usage));
        if (n == 6 && !strncmp(usage, "bertcl", n))
            BCL_TRY(bcl_string_addf(out, "\\fBbertcl\\fR"));
        else
            BCL_TRY(add_usage_word(out, usage, n));
        usage += n;
        if (*usage == '\n')
            BCL_TRY(bcl_string_addf(out, "\n.br\n"));
        usage += *usage != 0;
    }
    BCL_TRY(bcl_string_add(out, "\n", 1));
out:
    return status;
}

static bcl_status add_option(bcl_string *out, const bcl_option *o) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_string_addf(out, ".TP\n"));
    if (o->name) {
        BCL_TRY(bcl_string_addf(out, "\\fB\\-\\-"));
        BCL_TRY(add_text(out, o->name, strlen(o->name)));
        BCL_TRY(bcl_string_addf(out, "\\fR"));
    }
    if (o->value_name) {
        BCL_TRY(bcl_string_addf(out, "%s\\fI", o->name ? " " : ""));
        BCL_TRY(add_text(out, o->value_name, strlen(o->value_name)));
        BCL_TRY(bcl_string_addf(out, "\\fR"));
    }
    BCL_TRY(bcl_string_add(out, "\n", 1));
    BCL_TRY(add_line(out, o->help));
out:
    return status;
}

static bcl_status add_options(bcl_string *out, const bcl_option *options) {
    bcl_status status = BCL_OK;
    for (const bcl_option *o = options; o->kind != BCL_OPTION_END; o++) {
        if (o->kind != BCL_OPTION_GROUP) {
            BCL_TRY(add_option(out, o));
            continue;
        }
        BCL_TRY(bcl_string_addf(out, ".SS "));
        BCL_TRY(add_line(out, o->help));
    }
out:
    return status;
}

/* "data stats" is bertcl-data-stats; NULL is bertcl. */
enum { NAME_SIZE = 128 };
static void page_name(char out[NAME_SIZE], const char *command) {
    snprintf(out, NAME_SIZE, "bertcl%s%s", command ? "-" : "", command ? command : "");
    for (char *p = out; *p; p++)
        if (*p == ' ')
            *p = '-';
}

static bcl_status write_page(const bcl_docs *docs, const char *name, const bcl_string *text) {
    bcl_status status = BCL_OK;
    char *path = NULL;
    BCL_TRY(bcl_format(&path, "%s/man1/%s.1", docs->folder, name));
    BCL_TRY(bcl_file_write(path, text->data, text->size));
out:
    free(path);
    return status;
}

static bcl_status add_name(bcl_string *out, const char *page, const char *summary) {
    bcl_status status = BCL_OK;
    BCL_TRY(add_head(out, page));
    BCL_TRY(bcl_string_addf(out, ".SH NAME\n"));
    BCL_TRY(add_text(out, page, strlen(page)));
    BCL_TRY(bcl_string_addf(out, " \\- "));
    BCL_TRY(add_line(out, summary));
out:
    return status;
}

bcl_status bcl_docs_man(bcl_docs *docs, const bcl_command *c, const bcl_option *options) {
    bcl_status status = BCL_OK;
    bcl_string s = {0};
    char page[NAME_SIZE], parent[NAME_SIZE];
    page_name(page, c->name);
    page_name(parent, docs->family);
    BCL_TRY(add_name(&s, page, bcl_docs_summary(docs, c->name)));
    BCL_TRY(add_usage(&s, c->name, c->usage));
    BCL_TRY(bcl_string_addf(&s, ".SH DESCRIPTION\n"));
    BCL_TRY(add_line(&s, c->summary));
    if (c->details) {
        BCL_TRY(bcl_string_addf(&s, ".PP\n"));
        BCL_TRY(add_line(&s, c->details));
    }
    BCL_TRY(bcl_string_addf(&s, ".SH OPTIONS\n"));
    BCL_TRY(add_options(&s, options));
    if (options->kind == BCL_OPTION_GROUP)
        BCL_TRY(bcl_string_addf(&s, ".SS With every command\n"));
    BCL_TRY(add_options(&s, bcl_options_of_all));
    BCL_TRY(bcl_string_addf(&s, ".SH SEE ALSO\n.BR "));
    BCL_TRY(add_text(&s, parent, strlen(parent)));
    BCL_TRY(bcl_string_addf(&s, " (1)\n"));
    BCL_TRY(write_page(docs, page, &s));
out:
    bcl_string_free(&s);
    return status;
}

/* ---- bertcl and its families ---- */

static const char about[] =
    ".SH DESCRIPTION\n"
    "Fine\\-tunes, evaluates and runs BERT for named\\-entity recognition on any\n"
    "OpenCL device: GPUs of NVIDIA, AMD and Intel, or the CPU.\n"
    "Models are Hugging Face folders, read and written.\n"
    "Results go to standard output, progress and messages to standard error.\n";

static const char rest[] =
    ".SH EXIT STATUS\n"
    ".TP\n0\ndone\n"
    ".TP\n1\nfailed: a file, a device, the disk\n"
    ".TP\n2\nwrong usage\n"
    ".TP\n128 + N\nstopped by signal N: 130 by Ctrl\\-C; training saves a checkpoint first\n"
    ".SH ENVIRONMENT\n"
    ".TP\n\\fBBERTCL_HOME\\fR\nthe store of runs, models and datasets; default: ./bertcl\\-runs\n"
    ".TP\n\\fBBERTCL_CACHE_DIR\\fR\n"
    "where compiled kernels and tunings are kept; default:\n"
    "$XDG_CACHE_HOME/bertcl, else \\(ti/.cache/bertcl; empty: nowhere\n"
    ".TP\n\\fBBERTCL_TUNE\\fR\n\\(dqoff\\(dq: a first run on a device does not tune it\n"
    ".TP\n\\fBHF_HOME\\fR, \\fBHF_HUB_CACHE\\fR, \\fBHF_HUB_OFFLINE\\fR, \\fBHF_ENDPOINT\\fR, "
    "\\fBHF_TOKEN\\fR\n"
    "models by name, as Hugging Face\\(aqs own client reads them\n"
    ".TP\n\\fBOCL_ICD_VENDORS\\fR\nthe folder of the .icd files that name OpenCL drivers; "
    "default:\n"
    "/etc/OpenCL/vendors\n"
    ".TP\n\\fBCOLUMNS\\fR, \\fBTERM\\fR\n"
    "the width of help and tables; \\(dqdumb\\(dq: no progress line\n";

static const char examples[] =
    ".SH EXAMPLES\n"
    ".nf\n"
    "bertcl data stats my\\-corpus/\n"
    "bertcl train \\-\\-model bert\\-base\\-cased \\-\\-data my\\-corpus/ \\-\\-out runs/first "
    "\\-\\-epochs 3\n"
    "bertcl eval \\-\\-model runs/first/best \\-\\-data other\\-corpus/\n"
    "bertcl predict \\-\\-model runs/first/best speech.txt\n"
    ".fi\n";

bcl_status bcl_docs_man_family(bcl_docs *docs) {
    bcl_status status = BCL_OK;
    bcl_string s = {0};
    char page[NAME_SIZE], other[NAME_SIZE], full[64];
    const char *family = docs->family, *summary = "BERT for named-entity recognition on OpenCL";
    page_name(page, family);
    for (const bcl_cli_entry *e = bcl_cli_commands; family && e->name; e++)
        if (!strcmp(e->name, family))
            summary = e->summary;
    BCL_TRY(add_name(&s, page, summary));
    BCL_TRY(bcl_string_addf(
        &s, ".SH SYNOPSIS\n\\fBbertcl%s%s\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR]...\n",
        family ? " " : "", family ? family : ""));
    if (!family)
        BCL_TRY(bcl_string_addf(&s, "%s", about));
    BCL_TRY(bcl_string_addf(&s, ".SH COMMANDS\n"));
    for (const bcl_cli_entry *e = docs->entries; e->name; e++) {
        snprintf(full, sizeof full, "%s%s%s", family ? family : "", family ? " " : "", e->name);
        page_name(other, full);
        BCL_TRY(bcl_string_addf(&s, ".TP\n.BR "));
        BCL_TRY(add_text(&s, other, strlen(other)));
        BCL_TRY(bcl_string_addf(&s, " (1)\n"));
        BCL_TRY(add_line(&s, e->summary));
    }
    BCL_TRY(bcl_string_addf(&s, "%s", family ? ".SH SEE ALSO\n.BR bertcl (1)\n" : rest));
    if (!family)
        BCL_TRY(bcl_string_addf(&s, "%s", examples));
    BCL_TRY(write_page(docs, page, &s));
out:
    bcl_string_free(&s);
    return status;
}
