/* bertcl train --devices: the launcher's side and a rank's. */
#include "cli/terminal.h"
#include "cli/train.h"

#include <errno.h>
#include <unistd.h>

#define RANK_PROGRAM "bertcl-rank"

/* ---- the launcher ---- */

/* mpirun, srun or another launcher has started this process as one of several. */
static bool is_started_as_rank(void) {
    static const char *const names[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (getenv(names[i]))
            return true;
    return false;
}

bcl_status bcl_train_read_devices(bcl_train_ranks *r) {
    bcl_status status = BCL_OK;
    if (!r->file)
        return BCL_OK;
    BCL_TRY(bcl_dist_device_file(&r->host, r->file));
    r->devices = r->host.devices;
    r->shares = r->host.shares;
out:
    return status;
}

bool bcl_train_is_rank(const bcl_train_ranks *ranks) {
    (void)ranks;
    return is_started_as_rank();
}

/* *out = bertcl-rank, which lies beside this program. */
static bcl_status find_program(char **out) {
    bcl_status status = BCL_OK;
    char self[4096];
    const ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
    *out = NULL;
    if (size < 0)
        return bcl_fail_errno("/proc/self/exe: cannot read");
    self[size] = 0;
    char *name = strrchr(self, '/');
    if (!name)
        BCL_FAIL(BCL_ERROR_IO, "/proc/self/exe: found \"%s\", expected a path", self);
    *name = 0;
    BCL_TRY(bcl_path_join(out, self, RANK_PROGRAM));
    if (access(*out, X_OK))
        status =
            bcl_fail(BCL_ERROR_UNSUPPORTED,
                     "--devices: %s is not there: bertcl was built without MPI; install Open "
                     "MPI (Debian: libopenmpi-dev openmpi-bin) and build again, or train on one "
                     "device with --device",
                     *out);
out:
    if (status) {
        free(*out);
        *out = NULL;
    }
    return status;
}

/* The words for the ranks: all but what the launcher sets itself. */
static bcl_status rank_words(char ***out, int argc, char *const *argv) {
    bcl_status status = BCL_OK;
    static const char *const own[] = {"--devices", "--device-file", "--shares", "--cores"};
    char **words;
    size_t count = 0;
    bool skip = false, values = false;
    BCL_NEW(words, (size_t)argc + 1);
    *out = words;
    for (int i = 0; i < argc; i++) {
        const bool option = !strncmp(argv[i], "--", 2);
        if (option)
            skip = values = false;
        for (size_t k = 0; option && k < sizeof own / sizeof *own; k++) {
            const size_t n = strlen(own[k]);
            if (!strncmp(argv[i], own[k], n) && (!argv[i][n] || argv[i][n] == '=')) {
                skip = true;
                values = !argv[i][n];
            }
        }
        if (!option && skip && !values)
            skip = false;
        if (!skip)
            words[count++] = argv[i];
    }
out:
    return status;
}

/* The devices of this machine, an error with the file's line. */
static bcl_status find_devices(bcl_device_info **devices, size_t *count, const bcl_train_ranks *r) {
    char message[1024];
    const bcl_status status = bcl_dist_devices(devices, count, r->devices);
    if (!status || !r->file)
        return status;
    snprintf(message, sizeof message, "%s", bcl_message());
    return bcl_fail(status, "%s:%d: %s", r->file, r->host.line, message);
}

/* Of a rank that has ended without doing it. */
static void erase_progress(void) {
    if (bcl_terminal_is(stderr))
        bcl_terminal_erase(stderr);
}

static bcl_status launch(int *code, bcl_train_ranks *r, const char *run, int argc,
                         char *const *argv, bool quiet) {
    bcl_status status = BCL_OK;
    bcl_device_info *devices = NULL;
    bcl_rank_place *ranks = NULL;
    double *shares = NULL;
    char *program = NULL, **words = NULL;
    size_t count;
    BCL_TRY(find_program(&program));
    BCL_TRY(find_devices(&devices, &count, r));
    BCL_NEW(ranks, count);
    BCL_NEW(shares, count);
    if (r->shares)
        BCL_TRY(bcl_dist_shares(shares, count, r->shares));
    bcl_dist_place(ranks, devices, count);
    BCL_TRY(bcl_dist_take_cores(ranks, count, r->cores.items, r->cores.count));
    BCL_TRY(rank_words(&words, argc, argv));
    bcl_ranks l = {.program = program,
                   .argv = words,
                   .ranks = ranks,
                   .rank_count = count,
                   .shares = r->shares,
                   .run = run,
                   .before_message = quiet ? NULL : erase_progress};
    bcl_interrupt_catch();
    status = bcl_ranks_run(code, &l);
    if (status && !quiet)
        erase_progress();
out:
    free(words);
    free(program);
    free(shares);
    free(ranks);
    free(devices);
    return status;
}

int bcl_train_launch(bcl_train_ranks *r, const char *run, int argc, char *const *argv, bool quiet) {
    int code = BCL_EXIT_FAILED;
    const bcl_status status = launch(&code, r, run, argc, argv, quiet);
    return status ? bcl_cli_error(status) : code;
}

/* ---- a rank ---- */

static int number_of(const char *const *names, size_t count, int otherwise) {
    for (size_t i = 0; i < count; i++)
        if (getenv(names[i]))
            return atoi(getenv(names[i]));
    return otherwise;
}

/* This rank's device: by its number among all ranks if the list is as long, else among those of its
 * machine. */
static bcl_status choose_device(bcl_train_ranks *r, const bcl_transport *t) {
    bcl_status status = BCL_OK;
    static const char *const ranks[] = {"OMPI_COMM_WORLD_LOCAL_RANK", "SLURM_LOCALID",
                                        "MPI_LOCALRANKID"};
    bcl_device_info *devices = NULL;
    size_t count;
    BCL_TRY(find_devices(&devices, &count, r));
    const bool named = strcmp(r->devices, "all") && strcmp(r->devices, "gpu");
    const bool list = named && !r->file;
    while (!named && count && !devices[count - 1].available) /* behind those that can be used */
        count--;
    const int local = number_of(ranks, sizeof ranks / sizeof *ranks, t->rank);
    const size_t place = (size_t)(list && count == (size_t)t->size ? t->rank : local);
    if (place >= count)
        BCL_FAIL(BCL_ERROR_ARGUMENT,
                 "--devices: found %zu for rank %d, the machine's number %d; start at most as many "
                 "ranks on a machine as it has devices",
                 count, t->rank, local);
    if ((list || r->file) && count > (size_t)t->size)
        BCL_FAIL(
            BCL_ERROR_ARGUMENT,
            "--devices: found %zu for %d %s in all, and %s would be left idle; start a rank for "
            "each device, or name fewer",
            count, t->size, t->size == 1 ? "rank" : "ranks", devices[count - 1].id);
    if (!devices[place].available)
        BCL_FAIL(BCL_ERROR_NO_DEVICE, "--devices: %s cannot be used: %s", devices[place].id,
                 devices[place].problem);
    r->device = devices[place];
    r->place = place;
out:
    free(devices);
    return status;
}

/* Each host's line has the shares of its own ranks. */
static bcl_status gather_shares(double *shares, const bcl_train_ranks *r, const bcl_transport *t) {
    bcl_status status = BCL_OK;
    double *own = NULL;
    size_t count = 1;
    if (!r->shares)
        return BCL_OK;
    for (const char *c = r->shares; *c; c++)
        count += *c == ',';
    BCL_NEW(own, count);
    BCL_TRY(bcl_dist_shares(own, count, r->shares));
    BCL_TRY(t->gather(t->context, &own[r->place], shares, sizeof *own));
out:
    free(own);
    return status;
}

/* To the launcher, if it can go on without this device, else to the user. Returns the exit code. */
static int tell_failure(bcl_status status, bool common) {
    const bool device = status == BCL_ERROR_DEVICE || status == BCL_ERROR_DEVICE_MEMORY ||
                        status == BCL_ERROR_NO_DEVICE;
    if (!device || common || !bcl_control_has())
        return bcl_cli_error(status);
    bcl_control_tell(BCL_CONTROL_FAULT, BCL_FAULT_OF_DEVICE, bcl_message());
    return BCL_EXIT_FAILED;
}

bcl_status bcl_train_rank_begin(bcl_train_ranks *r, bcl_run_options *options) {
    bcl_status status = BCL_OK;
    bcl_transport transport = {0};
    double *shares = NULL;
    if (!bcl_transport_open) {
        char *program = NULL;
        BCL_TRY(find_program(&program));
        BCL_FAIL(BCL_ERROR_UNSUPPORTED, "under mpirun the program to start is %s", program);
    }
    BCL_TRY(bcl_control_open());
    BCL_TRY(bcl_control_bind());
    BCL_TRY(bcl_transport_open(&transport));
    BCL_TRY(choose_device(r, &transport));
    BCL_NEW(shares, (size_t)transport.size);
    if (r->file)
        BCL_TRY(gather_shares(shares, r, &transport));
    else if (r->shares)
        BCL_TRY(bcl_dist_shares(shares, (size_t)transport.size, r->shares));
    BCL_TRY(bcl_group_create(&r->group, &transport,
                             &(bcl_group_options){.shares = r->shares ? shares : NULL,
                                                  .device = &r->device,
                                                  .keep_all = r->keep_all,
                                                  .bf16 = r->wire && !strcmp(r->wire, "bf16"),
                                                  .left_out = getenv("BERTCL_LEFT_OUT")}));
    options->device = r->device.id;
    options->group = bcl_group_of(r->group);
out:
    if (status && transport.close && !r->group) { /* ends all ranks */
        const int told = tell_failure(status, false);
        bcl_control_tell(BCL_CONTROL_BYE, told, "");
        transport.close(transport.context, true);
    }
    free(shares);
    return status;
}

int bcl_train_rank_end(bcl_train_ranks *r, bcl_status status) {
    int code = BCL_EXIT_OK, told = BCL_EXIT_OK;
    if (r->group && bcl_group_leaves(r->group)) {
        bcl_control_tell(BCL_CONTROL_FAULT, BCL_FAULT_IN_PEACE, bcl_group_leaves(r->group));
    } else if (status && r->group && bcl_group_is_broken(r->group) && bcl_control_has()) {
        bcl_control_tell(BCL_CONTROL_FAULT, BCL_FAULT_OF_OTHERS, bcl_message());
        code = BCL_EXIT_FAILED;
    } else if (status && r->group && bcl_group_tells(r->group)) {
        code = told = tell_failure(status, bcl_group_is_common(r->group));
    } else if (status) { /* another one tells */
        code = BCL_EXIT_FAILED;
    }
    bcl_control_tell(BCL_CONTROL_BYE, told, "");
    fflush(stdout);
    bcl_group_free(r->group, !status || status == BCL_ERROR_INTERRUPTED);
    r->group = NULL;
    return code;
}
