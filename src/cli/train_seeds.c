/* bertcl train --seeds: the same run with several seeds. Each is a process of its own, so that one
 * that dies takes no other with it; what they were started with is in RUN/seeds.json. */
#define _GNU_SOURCE /* prctl */
#include "cli/train.h"
#include "util/lock.h"
#include "util/printable.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SEEDS "seeds.json"

typedef struct group {
    const bcl_train_seeds *o;
    bcl_seeds all, now; /* as recorded; the words of this command line */
    char *folder, *path, *results;
    char program[4096];
    bcl_lock lock;
    bcl_seeds_track track;
    size_t done;
    int code; /* of the process that failed; 0: none has */
} group;

/* ---- the folder ---- */

bool bcl_train_is_seeds(const char *folder) {
    char *path = NULL;
    const bool is =
        folder && *folder && !bcl_path_join(&path, folder, SEEDS) && bcl_path_exists(path);
    free(path);
    return is;
}

/* Whether nothing is in the folder but what a start leaves that was killed early. */
static bcl_status check_new(const group *g) {
    bcl_status status = BCL_OK;
    char **names = NULL;
    size_t count = 0;
    if (!bcl_path_exists(g->folder))
        return BCL_OK;
    if (!g->o->resume || !bcl_path_is_directory(g->folder))
        return bcl_fail(BCL_ERROR_EXISTS, "%s: exists; choose another --out, or --resume to go on",
                        g->folder);
    BCL_TRY(bcl_directory_list(&names, &count, g->folder));
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], ".lock") && strncmp(names[i], SEEDS ".tmp.", strlen(SEEDS ".tmp.")))
            BCL_FAIL(BCL_ERROR_EXISTS,
                     "%s: holds files but no " SEEDS ": it is no folder of --seeds; choose another "
                     "--out",
                     g->folder);
out:
    bcl_strings_free(names, count);
    return status;
}

/* The seeds asked for may be more than there were, not fewer. */
static bcl_status add_seeds(group *g) {
    bcl_status status = BCL_OK;
    int64_t *asked = NULL;
    size_t count = 0, known = 0;
    if (!g->o->text)
        return BCL_OK;
    BCL_TRY(bcl_seeds_parse(&asked, &count, g->o->text));
    for (size_t i = 0; i < g->all.count; i++)
        for (size_t k = 0; k < count; k++)
            known += g->all.seeds[i] == asked[k];
    if (known < g->all.count)
        BCL_FAIL(BCL_ERROR_ARGUMENT,
                 "%s: --seeds: there are %zu seeds, of which %s names %zu; leave it out, or name "
                 "more",
                 g->path, g->all.count, g->o->text, known);
    free(g->all.seeds);
    g->all.seeds = asked;
    g->all.count = count;
    asked = NULL;
out:
    free(asked);
    return status;
}

static bcl_status take_folder(group *g) {
    bcl_status status = BCL_OK;
    char *lock = NULL;
    if (!g->o->out || !*g->o->out)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "--out is needed: the runs' folder");
    BCL_TRY(bcl_strdup(&g->folder, g->o->out));
    for (size_t end = strlen(g->folder); end > 1 && g->folder[end - 1] == '/';)
        g->folder[--end] = 0;
    BCL_TRY(bcl_path_join(&g->path, g->folder, SEEDS));
    BCL_TRY(bcl_path_join(&g->results, g->folder, "results.json"));
    BCL_TRY(bcl_path_join(&lock, g->folder, ".lock"));
    const bool fresh = !bcl_path_exists(g->path);
    if (!fresh && !g->o->resume)
        BCL_FAIL(BCL_ERROR_EXISTS, "%s: exists; choose another --out, or --resume to go on",
                 g->folder);
    if (fresh) {
        BCL_TRY(check_new(g));
        BCL_TRY(bcl_seeds_parse(&g->all.seeds, &g->all.count, g->o->text));
        BCL_TRY(bcl_directory_create(g->folder));
    }
    BCL_TRY(bcl_lock_take(&g->lock, lock, g->folder));
    if (!fresh) {
        BCL_TRY(bcl_seeds_read(&g->all, g->path));
        BCL_TRY(add_seeds(g));
    }
out:
    free(lock);
    return status;
}

/* A folder in which no run has begun goes again. */
static void leave_folder(group *g) {
    char *run = NULL;
    bool begun = !g->lock.held;
    for (size_t i = 0; i < g->all.count && !begun; i++) {
        if (bcl_format(&run, "%s/seed-%lld", g->folder, (long long)g->all.seeds[i]))
            break;
        begun = bcl_path_exists(run);
        free(run);
        run = NULL;
    }
    if (!begun) {
        (void)bcl_path_remove(g->path);
        (void)unlink(g->lock.path);
        (void)rmdir(g->folder);
    }
    bcl_lock_release(&g->lock);
    free(g->folder);
    free(g->path);
    free(g->results);
    bcl_seeds_free(&g->all);
    bcl_seeds_free(&g->now);
}

/* ---- the words ---- */

/* What was given now, and with what was recorded. */
static bcl_status take_words(group *g) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_train_seeds_words(&g->now, g->o->options));
    for (size_t i = 0; i < g->now.word_count; i++)
        bcl_seeds_drop_option(&g->all, g->now.words[i]);
    for (size_t i = 0; i < g->now.word_count; i++)
        BCL_TRY(bcl_seeds_add_word(&g->all, g->now.words[i]));
out:
    return status;
}

/* ---- a run ---- */

/* Never comes back. In a group of its own: a signal of the terminal comes to the command alone,
 * which passes it on; one of each could be taken for a second Ctrl-C. The run's own report is one
 * of many: stdout is for the figures of all. */
static void become_run(const group *g, char **argv) {
    const int null = open("/dev/null", O_WRONLY);
    setpgid(0, 0);
    signal(SIGTTOU, SIG_IGN); /* and may write to the terminal all the same */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    dup2(null, STDOUT_FILENO);
    execv(g->program, argv);
    fprintf(stderr, "bertcl: %s: %s\n", g->program, strerror(errno));
    _exit(BCL_EXIT_FAILED);
}

/* Waits for it, and passes a signal on. */
static int wait_for(group *g, pid_t child, const char *folder) {
    const struct timespec pause = {0, 20000000};
    bool passed = false;
    int state;
    pid_t got;
    while (!(got = waitpid(child, &state, WNOHANG)) || (got < 0 && errno == EINTR)) {
        if (bcl_interrupted() && !passed) {
            kill(child, bcl_interrupt_signal());
            passed = true;
        }
        bcl_train_seeds_track(&g->track, g->o, g->folder, folder);
        nanosleep(&pause, NULL);
    }
    if (got < 0)
        return BCL_EXIT_FAILED;
    return WIFEXITED(state) ? WEXITSTATUS(state) : BCL_EXIT_SIGNAL + WTERMSIG(state);
}

static bcl_status run_words(const group *g, char ***out, const char *folder, int64_t seed) {
    bcl_status status = BCL_OK;
    char *run = NULL, *begun = NULL, **argv = NULL;
    size_t n = 0;
    BCL_TRY(bcl_path_join(&begun, folder, "run.json"));
    const bcl_seeds *words = bcl_path_exists(begun) ? &g->now : &g->all; /* it has its own */
    BCL_NEW(argv, words->word_count + 8);
    BCL_TRY(bcl_strdup(&argv[n++], "bertcl"));
    BCL_TRY(bcl_strdup(&argv[n++], "train"));
    for (size_t i = 0; i < words->word_count; i++)
        BCL_TRY(bcl_strdup(&argv[n++], words->words[i]));
    BCL_TRY(bcl_format(&argv[n++], "--seed=%lld", (long long)seed));
    BCL_TRY(bcl_format(&argv[n++], "--out=%s", folder));
    BCL_TRY(bcl_strdup(&argv[n++], "--resume"));
    if (g->o->quiet)
        BCL_TRY(bcl_strdup(&argv[n++], "--quiet"));
    *out = argv;
    argv = NULL;
out:
    if (argv)
        bcl_strings_free(argv, n);
    free(run);
    free(begun);
    return status;
}

/* Runs one seed to its end; its figures go to *result. g->code: how it failed, which it has told.
 */
static bcl_status run_seed(group *g, size_t i, bcl_seed_result *result) {
    bcl_status status = BCL_OK;
    const int64_t seed = g->all.seeds[i];
    char *folder = NULL, *results = NULL, **argv = NULL;
    BCL_TRY(bcl_format(&folder, "%s/seed-%lld", g->folder, (long long)seed));
    BCL_TRY(bcl_path_join(&results, folder, "results.json"));
    BCL_TRY(run_words(g, &argv, folder, seed));
    if (!g->o->quiet)
        fprintf(stderr, "seed %lld, %zu of %zu\n", (long long)seed, i + 1, g->all.count);
    fflush(NULL);
    const pid_t child = fork();
    if (child < 0)
        status = bcl_fail_errno("cannot start a process for seed %lld", (long long)seed);
    BCL_TRY(status);
    if (!child)
        become_run(g, argv);
    const int code = wait_for(g, child, folder);
    bcl_train_seeds_track(&g->track, g->o, g->folder, folder);
    if (bcl_path_exists(folder))
        bcl_train_seeds_tag(g->folder, folder);
    if (bcl_interrupted())
        BCL_FAIL(BCL_ERROR_INTERRUPTED, "%s: stopped in seed %lld, %zu of %zu; --resume goes on",
                 g->folder, (long long)seed, i + 1, g->all.count);
    if (!(g->code = code))
        BCL_TRY(bcl_seed_result_read(result, seed, results));
out:
    for (char **word = argv; word && *word; word++)
        free(*word);
    free(argv);
    free(results);
    free(folder);
    return status;
}

/* ---- all of them ---- */

static bcl_status print_results(const group *g, const bcl_seed_result *results) {
    bcl_status status = BCL_OK;
    char *text = NULL, shown[4096];
    size_t size;
    if (g->o->json) {
        BCL_TRY(bcl_file_read(&text, &size, g->results));
        fwrite(text, 1, size, stdout);
    } else {
        BCL_TRY(bcl_train_seeds_print(results, g->all.count));
        printf("results: %s\n", bcl_printable(shown, sizeof shown, g->results));
    }
out:
    free(text);
    return status;
}

static bcl_status run_all(group *g) {
    bcl_status status = BCL_OK;
    bcl_seed_result *results = NULL;
    BCL_TRY(take_folder(g));
    BCL_TRY(take_words(g));
    const ssize_t size = readlink("/proc/self/exe", g->program, sizeof g->program - 1);
    if (size < 0)
        status = bcl_fail_errno("/proc/self/exe: cannot read");
    BCL_TRY(status);
    g->program[size] = 0;
    BCL_NEW(results, g->all.count);
    bcl_interrupt_catch();
    const bool known = bcl_path_exists(g->path); /* then changed only by what its runs take */
    if (!known)
        BCL_TRY(bcl_seeds_write(&g->all, g->path));
    for (; g->done < g->all.count; g->done++) {
        status = run_seed(g, g->done, &results[g->done]);
        if (known && !g->done && !g->code && (!status || status == BCL_ERROR_INTERRUPTED)) {
            BCL_TRY(bcl_path_remove(g->results)); /* never older than what it is of */
            BCL_TRY(bcl_seeds_write(&g->all, g->path));
        }
        BCL_TRY(status);
        if (g->code)
            goto out;
    }
    BCL_TRY(bcl_seeds_results_write(results, g->all.count, g->results));
    BCL_TRY(print_results(g, results));
out:
    free(results);
    return status;
}

int bcl_train_seeds_run(const bcl_train_seeds *o) {
    group g = {.o = o};
    const bcl_status status = run_all(&g);
    int code = status ? bcl_cli_error(status) : g.code;
    bcl_train_seeds_track_end(&g.track, status, code);
    if (g.done && g.code) {
        char shown[1024];
        fprintf(stderr, "bertcl: %s: %zu of %zu seeds are complete; --resume goes on\n",
                bcl_printable(shown, sizeof shown, g.folder), g.done, g.all.count);
    }
    leave_folder(&g);
    return code;
}
