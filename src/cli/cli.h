/* What the commands share: the option parser, commands of commands, exit codes.
 * A command parses, calls the library and prints; results go to stdout, all else to stderr. */
#ifndef BCL_CLI_H
#define BCL_CLI_H

#include "data/data.h"
#include "data/reading.h"
#include "ops/gemm/gemm.h"
#include "session/session.h"

enum { BCL_EXIT_OK = 0, BCL_EXIT_FAILED = 1, BCL_EXIT_USAGE = 2, BCL_EXIT_SIGNAL = 128 };

typedef enum bcl_option_kind {
    BCL_OPTION_FLAG,  /* bool: --json */
    BCL_OPTION_INT,   /* int64_t, min <= x <= max */
    BCL_OPTION_REAL,  /* double, min <= x <= max; with `next`, "X,Y" sets that option too */
    BCL_OPTION_TEXT,  /* const char *; with `choices` ("a|b|c") only these */
    BCL_OPTION_LIST,  /* bcl_list: --data A B C, also given several times */
    BCL_OPTION_GROUP, /* a heading in the help; only `help` counts */
    BCL_OPTION_END
} bcl_option_kind;

typedef struct bcl_list {
    const char **items;
    size_t count, capacity;
} bcl_list;

typedef struct bcl_option {
    bcl_option_kind kind;
    const char *name;       /* without the dashes; NULL with LIST: the command's plain words */
    void *value;            /* of the kind's type; keeps what it has if the option is not given */
    const char *value_name; /* in the help: "PATH…", "N" */
    const char *help;
    const char *choices;
    double min, max;               /* both 0: no limit */
    bool *given;                   /* set if the option was given; may be NULL */
    const struct bcl_option *next; /* of a pair's second number, with `given`; may be NULL */
} bcl_option;

typedef struct bcl_command {
    const char *name;    /* "data stats" */
    const char *usage;   /* the words behind "bertcl NAME " */
    const char *summary; /* one line */
    const char *details; /* paragraphs behind the options, may be NULL */
} bcl_command;

/* Reads argv[first..]. Options are `--name value`, `--name=value`, `--no-name` for a flag and `--`
 * to end them; --help, --config FILE.json and --print-config are every command's. Returns -1 to go
 * on, or the exit code to leave with: 0 after --help or --print-config (printed on stdout), 1 or 2
 * after an error (one line on stderr). Lists are freed by bcl_list_free. Must be the first thing
 * that a command does: manual pages and completion are made by calling each command only that far.
 */
int bcl_options_parse(const bcl_command *command, const bcl_option *options, int argc, char **argv,
                      int first);
void bcl_list_free(bcl_list *list);
/* At the program's end: the texts of configuration files. */
void bcl_options_release(void);
/* From here on a device that does not answer ends the process, with a message on stderr that says
 * what was running, and `advice` (static, or NULL) behind it; see bcl_watch_start. */
bcl_status bcl_cli_watch(const char *advice);
/* "bertcl: MESSAGE" on stderr; returns the exit code that goes with the status. */
int bcl_cli_error(bcl_status status);
/* "bertcl NAME: MESSAGE" with a hint at --help; returns BCL_EXIT_USAGE. */
int bcl_cli_usage(const bcl_command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The folder of a --model, to free(): the path itself, or ORG/NAME[@REVISION] from the hub's cache,
 * downloaded if need be, with a bar on a terminal unless `quiet`. */
bcl_status bcl_cli_model(char **folder, const char *model, bool quiet);

/* What a session tells, as lines on stderr, and downloads as a bar on a terminal. Zero-initialise,
 * fill in, and hand over as the session's context. */
typedef struct bcl_cli_session {
    bool quiet;
    bool tell_device, tell_unused; /* the device; tensors that the model does not take */
    char file[256];                /* that the bar is about; "": there is none */
    double drawn;                  /* s */
} bcl_cli_session;
void bcl_cli_session_told(void *context, const bcl_session_event *event);

/* ---- reading.c: how corpora are read, the same in every command ---- */
struct bcl_dataset;
typedef struct bcl_cli_reading {
    bcl_reading texts; /* all but the rules */
    bcl_list maps;     /* these */
    bool given[8];
} bcl_cli_reading;
#define BCL_CLI_READING_OPTIONS(r)                                                                 \
    {BCL_OPTION_TEXT,       "format",                                                              \
     &(r).texts.format,     "NAME",                                                                \
     BCL_HELP_FORMAT,       .choices = BCL_CHOICES_FORMAT,                                         \
     .given = &(r).given[0]},                                                                      \
        {BCL_OPTION_TEXT, "word-column",        &(r).texts.word_column,                            \
         "N|NAME",        BCL_HELP_WORD_COLUMN, .given = &(r).given[1]},                           \
        {BCL_OPTION_TEXT, "tag-column",        &(r).texts.tag_column,                              \
         "N|NAME",        BCL_HELP_TAG_COLUMN, .given = &(r).given[2]},                            \
        {BCL_OPTION_TEXT, "misc-key",        &(r).texts.misc_key,                                  \
         "KEY",           BCL_HELP_MISC_KEY, .given = &(r).given[3]},                              \
        {BCL_OPTION_TEXT, "tag-names",        &(r).texts.tag_names,                                \
         "A,B,…",         BCL_HELP_TAG_NAMES, .given = &(r).given[4]},                             \
        {BCL_OPTION_LIST, "map", &(r).maps, "A=B", BCL_HELP_MAP, .given = &(r).given[5]},          \
        {BCL_OPTION_TEXT, "map-file",        &(r).texts.map_file,                                  \
         "FILE",          BCL_HELP_MAP_FILE, .given = &(r).given[6]},                              \
    {                                                                                              \
        BCL_OPTION_TEXT, "map-preset", &(r).texts.map_preset, "NAME", BCL_HELP_MAP_PRESET,         \
            .choices = BCL_CHOICES_MAP_PRESET, .given = &(r).given[7]                              \
    }
bcl_reading bcl_cli_reading_of(const bcl_cli_reading *reading);
/* A note on data, as a line on stderr. */
void bcl_cli_tell(const char *note);
/* bcl_corpora_read, and its notes on stderr unless `quiet`. */
bcl_status bcl_cli_read(bcl_tag_map **map, bcl_corpus **corpora, const bcl_texts *paths,
                        size_t count, const bcl_cli_reading *reading, bool keep_going, bool quiet);
/* Says of encoded data what would be missed: words without a piece, text of unknown words. */
void bcl_cli_tell_dataset(const struct bcl_dataset *data, const char *name, bool quiet);

/* ---- commands.c ---- */

/* A command, or an action of a command such as data stats. */
typedef struct bcl_cli_entry {
    const char *name;
    int (*run)(int argc, char **argv); /* argv[0] is the command's name; returns the exit code */
    const char *summary;               /* a few words */
    bool outlives_stdout; /* goes on when the reader of its output is gone: results are in files */
} bcl_cli_entry;
extern const bcl_cli_entry bcl_cli_commands[]; /* ends with a NULL name */

/* Runs the action that argv[1] names: `family` is "data" and argv[0] its name. Knows --help, `help
 * ACTION`, and what was probably meant. The actions end with a NULL name. */
int bcl_cli_dispatch(const char *family, const bcl_cli_entry *actions, int argc, char **argv);

/* While this is not NULL commands do nothing: they tell it of themselves and return 0. For the
 * program that writes manual pages and completion at build time. */
typedef struct bcl_cli_visitor {
    void *context;
    void (*family)(void *context, const char *family, const bcl_cli_entry *actions);
    void (*command)(void *context, const bcl_command *command, const bcl_option *options);
} bcl_cli_visitor;
extern const bcl_cli_visitor *bcl_cli_visiting;

/* One file each; argv[0] is the command's name. Each returns the exit code. */
int bcl_cli_data(int argc, char **argv);
int bcl_cli_devices(int argc, char **argv);
int bcl_cli_eval(int argc, char **argv);
int bcl_cli_models(int argc, char **argv);
int bcl_cli_predict(int argc, char **argv);
int bcl_cli_report(int argc, char **argv);
int bcl_cli_runs(int argc, char **argv);
int bcl_cli_tokenize(int argc, char **argv);
int bcl_cli_train(int argc, char **argv);
int bcl_cli_bench(int argc, char **argv);
int bcl_cli_tune(int argc, char **argv);

#endif
