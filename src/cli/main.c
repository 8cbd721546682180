/* bertcl COMMAND [OPTION…]: finds the command and hands over. */
#include "cli/cli.h"

#include <unistd.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} commands[] = {
    {"devices", bcl_cli_devices, "the OpenCL devices of this machine, tested"},
    {"data", bcl_cli_data, "count, clean and split a corpus"},
    {"tokenize", bcl_cli_tokenize, "text or words to ids, pieces, word ids and offsets"},
    {"train", bcl_cli_train, "fine-tune a model on labelled data"},
    {"eval", bcl_cli_eval, "score a model on labelled data"},
    {"predict", bcl_cli_predict, "find entities in text"},
    {"tune", bcl_cli_tune, "find a device's fastest matrix product and store it"},
    {NULL, NULL, NULL},
};

static void print_help(FILE *to) {
    fputs(
        "usage: bertcl COMMAND [OPTION…]\n\n"
        "Fine-tunes, evaluates and runs BERT for named-entity recognition on any OpenCL device.\n\n"
        "commands:\n",
        to);
    for (size_t i = 0; commands[i].name; i++)
        fprintf(to, "  %-10s  %s\n", commands[i].name, commands[i].summary);
    fputs("\nbertcl COMMAND --help tells a command's options. Results go to stdout, progress and\n"
          "messages to stderr. Exit status: 0 done, 1 failed, 2 wrong usage.\n",
          to);
}

/* A full disk or a closed pipe behind stdout must not pass for success. */
static int close_stdout(int code) {
    if (fflush(stdout) || ferror(stdout)) {
        bcl_fail_errno("standard output: cannot write");
        return code ? code : bcl_cli_error(BCL_ERROR_IO);
    }
    return code;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        print_help(stderr);
        return BCL_EXIT_USAGE;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
        print_help(stdout);
        return close_stdout(BCL_EXIT_OK);
    }
    if (!strcmp(argv[1], "--version")) {
        puts("bertcl " BERTCL_VERSION);
        return close_stdout(BCL_EXIT_OK);
    }
    for (size_t i = 0; commands[i].name; i++)
        if (!strcmp(argv[1], commands[i].name))
            return close_stdout(commands[i].run(argc - 1, argv + 1));
    fprintf(stderr, "bertcl: unknown command \"%s\" (see bertcl --help)\n", argv[1]);
    return BCL_EXIT_USAGE;
}
