/* bertcl data convert: a corpus in another format, its tags in another scheme. */
#include "cli/data_command.h"
#include "util/printable.h"

static const bcl_command command = {
    "data convert", "PATH… --out PATH --to FORMAT [OPTION…]",
    "Writes a corpus in another format, and with --scheme its tags in another scheme.",
    "brat makes a folder with x.txt and x.ann for every document, the others make a file. Formats "
    "that hold a text join the words by spaces, except where the source says that there is none."};

static bcl_status write_out(const char *path, const data_options *o, const data_set *d) {
    bcl_corpus_format format;
    bcl_status status = bcl_corpus_format_find(&format, o->to);
    return status ? status : bcl_corpus_export(path, d->corpus, format);
}

static bcl_status convert(const data_options *o, data_set *d) {
    bcl_status status = BCL_OK;
    bcl_scheme scheme;
    if (bcl_path_exists(o->out))
        BCL_FAIL(BCL_ERROR_EXISTS, "%s: exists; name a new file or folder with --out or remove it",
                 o->out);
    BCL_TRY(data_load(d, o, false, false));
    if (o->scheme) {
        BCL_TRY(bcl_scheme_find(&scheme, o->scheme));
        BCL_TRY(bcl_corpus_set_scheme(d->corpus, scheme));
    }
    BCL_TRY(data_write_new(o, d, write_out));
    bcl_printable_put(stdout, o->out, strlen(o->out));
    printf(": %zu sentences, %zu words, %s\n", bcl_corpus_size(d->corpus),
           bcl_corpus_tokens(d->corpus), o->to);
out:
    return status;
}

int data_run_convert(int argc, char **argv) {
    data_options o = {0};
    data_set d = {0};
    const bcl_option options[] = {
        DATA_OPTIONS(&o),
        {BCL_OPTION_TEXT, "out", &o.out, "PATH", "the new file, or folder", .min = 0},
        {BCL_OPTION_TEXT, "to", &o.to, "NAME", "what it is written as",
         .choices = "conll|conll2003|germeval|conllu|jsonl|doccano|prodigy|label-studio|brat"},
        {BCL_OPTION_TEXT, "scheme", &o.scheme, "NAME",
         "the tags' scheme; default: as they are. Formats with spans have none",
         .choices = "IOB1|IOB2|IOBES|BILOU"},
        {.kind = BCL_OPTION_END},
    };
    int code = data_parse(&o, &command, options, argc, argv);
    if (code < 0 && (!o.out || !*o.out))
        code = bcl_cli_usage(&command, "--out PATH is needed");
    if (code < 0 && !o.to)
        code = bcl_cli_usage(&command, "--to FORMAT is needed");
    if (code < 0) {
        bcl_status status = convert(&o, &d);
        code = status ? bcl_cli_error(status) : BCL_EXIT_OK;
    }
    data_free(&o, &d);
    return code;
}
