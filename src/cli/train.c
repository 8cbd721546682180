/* bertcl train: the options of a run from the command line, and what it tells on the terminal. */
#include "cli/train.h"

#include <assert.h>
#include <bertcl/report.h>

static const bcl_command command = {
    "train", "--model DIR --data PATH… --out RUN [OPTION…]",
    "Fine-tunes a BERT model for named-entity recognition and evaluates it.",
    "RUN gets model/ (the last model, a Hugging Face folder), best/ (the best epoch's: chosen on "
    "the development set of --dev or --split X,Y; without one it has the highest macro F1 on the "
    "test set, so that its scores there are too good), test.conll and dev.conll (what was drawn), "
    "metrics.jsonl, results.json, run.json and the newest checkpoint. After a kill or Ctrl-C the "
    "same command with --resume goes on, to the same "
    "bits; bertcl train --out RUN --resume is enough."};

enum { MOST_OPTIONS = 96 };

typedef struct job {
    bcl_run_options options;
    bcl_train_ranks ranks;
    bcl_list lists[MOST_OPTIONS];   /* by the recipe's row */
    bool given[MOST_OPTIONS];       /* likewise */
    bool other_given[MOST_OPTIONS]; /* of what is no row, by the place in the table */
    const char *seeds;
    const char *status; /* file */
    bcl_train_printer printer;
    bcl_option table[MOST_OPTIONS];
    size_t count;
} job;

static void add(job *j, bcl_option option) {
    assert(j->count < MOST_OPTIONS);
    if (!option.given)
        option.given = &j->other_given[j->count];
    j->table[j->count++] = option;
}

static void add_row(job *j, const bcl_run_option *row, size_t i) {
    static const bcl_option_kind kinds[] = {[BCL_RUN_INT] = BCL_OPTION_INT,
                                            [BCL_RUN_REAL] = BCL_OPTION_REAL,
                                            [BCL_RUN_TEXT] = BCL_OPTION_TEXT,
                                            [BCL_RUN_TEXTS] = BCL_OPTION_LIST,
                                            [BCL_RUN_FLAG] = BCL_OPTION_FLAG};
    void *field = (char *)&j->options + row->offset;
    add(j, (bcl_option){.kind = kinds[row->kind],
                        .name = row->name,
                        .value = row->kind == BCL_RUN_TEXTS ? &j->lists[i] : field,
                        .value_name = row->value_name,
                        .help = row->help,
                        .choices = row->choices,
                        .min = row->min,
                        .max = row->max,
                        .given = &j->given[i],
                        .next = row->pair ? &j->table[j->count + 1] : NULL});
}

static void add_rows(job *j, bool how) {
    size_t count;
    const bcl_run_option *rows = bcl_run_option_table(&count);
    for (size_t i = 0; i < count; i++)
        if (rows[i].how == how)
            add_row(j, &rows[i], i);
}

static void fill_table(job *j) {
    bcl_run_options *o = &j->options;
    add(j, (bcl_option){BCL_OPTION_GROUP, .help = "What to train on what"});
    add_rows(j, false);
    add(j, (bcl_option){BCL_OPTION_TEXT, "out", &o->out, "RUN",
                        "the run's folder, which must not exist", .min = 0});
    add(j, (bcl_option){BCL_OPTION_GROUP, .help = "How"});
    add_rows(j, true);
    add(j, (bcl_option){BCL_OPTION_TEXT, "seeds", &j->seeds, "N|A,B,…",
                        "a run with each of the seeds 0 to N - 1, or A, B, …, in RUN/seed-0 and so "
                        "on; prints the figures of each, mean and standard deviation",
                        .min = 0});
    add(j, (bcl_option){BCL_OPTION_FLAG, "recompute", &o->recompute, NULL,
                        "keep little of the forward pass and compute it again for the backward "
                        "pass: less memory, slower by about a quarter, the same bits; may be added "
                        "when resuming",
                        .min = 0});
    add(j, (bcl_option){BCL_OPTION_TEXT, "device", &o->device, "ID",
                        "see bertcl devices; default: the first GPU, else CPU", .min = 0});
    add(j, (bcl_option){BCL_OPTION_TEXT, "devices", &j->ranks.devices, "IDS",
                        "train on several devices at once, as pocl:0,nvidia:0; all: every piece of "
                        "hardware once; gpu: every GPU (docs/distributed.md)",
                        .min = 0});
    add(j, (bcl_option){BCL_OPTION_TEXT, "device-file", &j->ranks.file, "FILE",
                        "each host's devices, a line a host: HOST ID[,ID…] [SHARE[,SHARE…]]; "
                        "in place of --devices and --shares",
                        .min = 0});
    add(j, (bcl_option){
               BCL_OPTION_TEXT, "shares", &j->ranks.shares, "X,Y,…",
               "what part of each step's tokens each of --devices computes, as 3,1; default: as "
               "fast as each is, measured while training",
               .min = 0});
    add(j, (bcl_option){BCL_OPTION_FLAG, "keep-all", &j->ranks.keep_all, NULL,
                        "keep devices whose share does not pay for its communication", .min = 0});
    add(j, (bcl_option){BCL_OPTION_TEXT, "wire", &j->ranks.wire, "TYPE",
                        "how gradients travel between --devices: fp32 (default) or bf16, which "
                        "halves the bytes; what rounding loses goes with the next step",
                        .choices = "fp32|bf16"});
    add(j,
        (bcl_option){BCL_OPTION_LIST, "cores", &j->ranks.cores, "ID=LIST",
                     "the cores of a device's process, as pocl:0=0-3; default: CPU devices share "
                     "them evenly",
                     .min = 0});
    add(j, (bcl_option){BCL_OPTION_TEXT, "gemm", &o->gemm, "NAME",
                        "matrix products by clblast, tile or reference; default: the device's best",
                        .min = 0});
    add(j, (bcl_option){BCL_OPTION_GROUP, .help = "Running"});
    add(j, (bcl_option){BCL_OPTION_FLAG, "resume", &o->resume, NULL, "go on where RUN stopped",
                        .min = 0});
    add(j, (bcl_option){BCL_OPTION_FLAG, "quiet", &j->printer.quiet, NULL,
                        "no progress, no messages", .min = 0});
    add(j, (bcl_option){BCL_OPTION_FLAG, "json", &j->printer.json, NULL,
                        "print results.json instead of the report", .min = 0});
    add(j, (bcl_option){BCL_OPTION_TEXT, "status", &j->status, "FILE.json",
                        "a file that tells other programs how far the run is, written anew each "
                        "second",
                        .min = 0});
    add(j, (bcl_option){BCL_OPTION_TEXT, "model-name", &j->printer.model_name, "NAME",
                        "the model's name in the store; default: the run's (see bertcl models)",
                        .min = 0});
    add(j, (bcl_option){BCL_OPTION_TEXT, "track", &j->printer.targets, "TARGETS",
                        "send the metrics to tensorboard (files in RUN/tensorboard), mlflow (the "
                        "server of MLFLOW_TRACKING_URI), or both with a comma between",
                        .min = 0});
    add(j, (bcl_option){BCL_OPTION_FLAG, "profile", &o->profile, NULL,
                        "time every kernel of the first epoch, without its first steps: a table on "
                        "stderr, \"profile\" in results.json; slower",
                        .min = 0});
    add(j, (bcl_option){.kind = BCL_OPTION_END});
}

/* Which rows the command line chose, and their lists. */
static void take_lists(job *j) {
    size_t count;
    const bcl_run_option *rows = bcl_run_option_table(&count);
    for (size_t i = 0; i < count; i++) {
        j->options.given |= (uint64_t)j->given[i] << i;
        if (rows[i].kind == BCL_RUN_TEXTS)
            *(bcl_texts *)((char *)&j->options + rows[i].offset) =
                (bcl_texts){j->lists[i].items, j->lists[i].count};
    }
}

/* A run reads its data again when it is resumed. */
static bcl_status check_texts(const job *j) {
    const bcl_run_options *o = &j->options;
    const struct {
        const char *name;
        bcl_texts texts;
    } sets[] = {{"data", o->data}, {"test", o->test}, {"dev", o->dev}};
    for (size_t k = 0; k < sizeof sets / sizeof *sets; k++)
        for (size_t i = 0; i < sets[k].texts.count; i++)
            if (bcl_is_standard_input(sets[k].texts.items[i]))
                return bcl_fail(BCL_ERROR_ARGUMENT,
                                "--%s -: found standard input, expected a file or folder: a run "
                                "reads its data again when it is resumed; write it to a file first",
                                sets[k].name);
    return BCL_OK;
}

static bcl_status train(job *j) {
    bcl_status status = BCL_OK;
    bcl_run *run = NULL;
    bcl_train_printer *p = &j->printer;
    const bcl_train_group *group = j->options.group;
    p->follows = group && group->rank > 0;
    p->quiet = p->quiet || p->follows;
    p->session = (bcl_cli_session){.quiet = p->quiet, .tell_device = true, .tell_unused = true};
    BCL_TRY(bcl_targets_check(p->targets));
    j->options.tune = true;
    j->options.listener = bcl_train_print_event;
    j->options.context = p;
    BCL_TRY(bcl_run_open(&run, &j->options));
    bcl_control_tell(BCL_CONTROL_OPENED, 0, "");
    const bcl_run_record *record = bcl_run_record_of(run);
    p->complete = record->complete;
    p->progress = (bcl_progress){.run = record->folder,
                                 .status_path = p->complete || p->follows ? NULL : j->status,
                                 .epochs = record->options->epochs,
                                 .quiet = p->quiet,
                                 .devices = group ? group->devices : NULL,
                                 .devices_context = group ? group->context : NULL};
    p->run = run;
    BCL_TRY(bcl_progress_start(&p->progress));
    bcl_interrupt_catch();
    bcl_train_track_expect(p);
    BCL_TRY(bcl_run_train(run));
    if (!p->follows)
        BCL_TRY(bcl_train_print_results(p, run));
out:
    bcl_train_track_end(p, status);
    bcl_progress_end(&p->progress, status);
    bcl_run_free(run);
    return status;
}

/* On several devices: as one of the ranks, or as their launcher. */
static int train_ranks(job *j) {
    bcl_train_ranks *r = &j->ranks;
    int code = BCL_EXIT_OK;
    bcl_status status = BCL_OK;
    if (j->options.device)
        return bcl_cli_usage(&command, "--device and --devices: give one of them");
    if (r->file && (r->devices || r->shares))
        return bcl_cli_usage(&command, "--device-file excludes --devices and --shares");
    if ((status = bcl_train_read_devices(r)))
        return bcl_cli_error(status);
    if (!bcl_train_is_rank(r))
        return bcl_train_launch(r, j->options.out, j->printer.argc, j->printer.argv,
                                j->printer.quiet);
    status = bcl_train_rank_begin(r, &j->options);
    if (!status)
        status = train(j);
    else
        r->alone = true;
    code = bcl_train_rank_end(r, status);
    return code;
}

/* On one device. */
static int train_alone(job *j) {
    const bcl_train_ranks *r = &j->ranks;
    const char *name = r->shares        ? "shares"
                       : r->keep_all    ? "keep-all"
                       : r->wire        ? "wire"
                       : r->cores.count ? "cores"
                                        : NULL;
    if (name)
        return bcl_cli_usage(&command, "--%s goes with --devices", name);
    bcl_status status =
        bcl_cli_watch("; the run's last checkpoint stays: the same command with --resume goes on");
    if (!status)
        status = train(j);
    return status ? bcl_cli_error(status) : BCL_EXIT_OK;
}

/* A seed for each run, where several are asked for or are there. */
static int train_seeds(const job *j) {
    size_t count;
    const bcl_run_option *rows = bcl_run_option_table(&count);
    for (size_t i = 0; i < count; i++)
        if (j->given[i] && !strcmp(rows[i].name, "seed"))
            return bcl_cli_usage(&command, "--seed and --seeds exclude each other: "
                                           "--seeds A,B,… names the seeds");
    if (bcl_train_is_rank(&j->ranks))
        return bcl_cli_usage(&command, "--seeds starts each run itself, with --devices too: it is "
                                       "not for a process that mpirun has started");
    return bcl_train_seeds_run(&(bcl_train_seeds){.text = j->seeds,
                                                  .out = j->options.out,
                                                  .resume = j->options.resume,
                                                  .quiet = j->printer.quiet,
                                                  .json = j->printer.json,
                                                  .argc = j->printer.argc,
                                                  .argv = j->printer.argv,
                                                  .options = j->table});
}

int bcl_cli_train(int argc, char **argv) {
    job j = {.count = 0};
    bcl_run_options_init(&j.options);
    fill_table(&j);
    int code = bcl_options_parse(&command, j.table, argc, argv, 1);
    if (code < 0) {
        take_lists(&j);
        j.printer.argc = argc;
        j.printer.argv = argv;
        const bcl_status status = check_texts(&j);
        if (status)
            code = bcl_cli_error(status);
        else if (j.seeds || (j.options.resume && bcl_train_is_seeds(j.options.out)))
            code = train_seeds(&j);
        else
            code = j.ranks.devices || j.ranks.file ? train_ranks(&j) : train_alone(&j);
    }
    bcl_list_free(&j.ranks.cores);
    bcl_host_devices_free(&j.ranks.host);
    for (size_t i = 0; i < MOST_OPTIONS; i++)
        bcl_list_free(&j.lists[i]);
    return code;
}
