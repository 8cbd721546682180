/* bertcl_docs FOLDER: writes the manual pages into FOLDER/man1 and bash's, zsh's and fish's scripts
 * into FOLDER/completion. */
#include "cli/docs/docs.h"

static void on_family(void *context, const char *family, const bcl_cli_entry *entries) {
    bcl_docs *docs = context;
    bcl_status status = docs->status;
    BCL_TRY(status);
    docs->family = family;
    docs->entries = entries;
    BCL_TRY(bcl_docs_man_family(docs));
    BCL_TRY(bcl_docs_bash_family(docs));
    BCL_TRY(bcl_docs_zsh_family(docs));
    BCL_TRY(bcl_docs_fish_family(docs));
out:
    docs->status = status;
}

static void on_command(void *context, const bcl_command *command, const bcl_option *options) {
    bcl_docs *docs = context;
    bcl_status status = docs->status;
    BCL_TRY(status);
    if (!strchr(command->name, ' ')) { /* behind a family's actions comes bertcl's next command */
        docs->family = NULL;
        docs->entries = bcl_cli_commands;
    }
    BCL_TRY(bcl_docs_man(docs, command, options));
    BCL_TRY(bcl_docs_bash(docs, command, options));
    BCL_TRY(bcl_docs_zsh(docs, command, options));
    BCL_TRY(bcl_docs_fish(docs, command, options));
out:
    docs->status = status;
}

static bcl_status write_script(const bcl_docs *docs, const char *name,
                               bcl_status (*make)(bcl_string *, const bcl_docs *)) {
    bcl_status status = BCL_OK;
    bcl_string text = {0};
    char *path = NULL;
    BCL_TRY(make(&text, docs));
    BCL_TRY(bcl_format(&path, "%s/completion/%s", docs->folder, name));
    BCL_TRY(bcl_file_write(path, text.data, text.size));
out:
    bcl_string_free(&text);
    free(path);
    return status;
}

static bcl_status write_all(bcl_docs *docs) {
    bcl_status status = BCL_OK;
    char *folder = NULL;
    BCL_TRY(bcl_format(&folder, "%s/man1", docs->folder));
    BCL_TRY(bcl_directory_create(folder));
    free(folder);
    folder = NULL;
    BCL_TRY(bcl_format(&folder, "%s/completion", docs->folder));
    BCL_TRY(bcl_directory_create(folder));
    const int code = bcl_cli_dispatch(NULL, bcl_cli_commands, 0, NULL);
    BCL_TRY(docs->status);
    if (code)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "a command did something before it read its options, or does "
                                     "not find its actions by bcl_cli_dispatch");
    BCL_TRY(write_script(docs, "bertcl", bcl_docs_bash_script));
    BCL_TRY(write_script(docs, "_bertcl", bcl_docs_zsh_script));
    BCL_TRY(write_script(docs, "bertcl.fish", bcl_docs_fish_script));
out:
    free(folder);
    return status;
}

int main(int argc, char **argv) {
    bcl_docs docs = {.folder = argc > 1 ? argv[1] : NULL};
    const bcl_cli_visitor visitor = {&docs, on_family, on_command};
    if (argc != 2) {
        fputs("usage: bertcl_docs FOLDER\n", stderr);
        return BCL_EXIT_USAGE;
    }
    bcl_cli_visiting = &visitor;
    const bcl_status status = write_all(&docs);
    bcl_string_free(&docs.bash);
    bcl_string_free(&docs.bash_families);
    bcl_string_free(&docs.zsh);
    bcl_string_free(&docs.zsh_families);
    bcl_string_free(&docs.fish);
    return status ? bcl_cli_error(status) : BCL_EXIT_OK;
}
