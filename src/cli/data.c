/* bertcl data: what its actions share. */
#include "cli/data_command.h"
#include "cli/data_store.h"

#include <unistd.h>

int data_parse(data_options *o, const bcl_command *command, const bcl_option *options, int argc,
               char **argv) {
    o->split = 0.8;
    o->seed = 200;
    int code = bcl_options_parse(command, options, argc, argv, 2);
    if (code >= 0)
        return code;
    if (!o->paths.count)
        return bcl_cli_usage(command, "found no PATH, expected files or folders");
    if (o->test_given && (o->split_given || o->seed_given))
        return bcl_cli_usage(command, "--test and --split exclude each other");
    return -1;
}

void data_free(data_options *o, data_set *d) {
    bcl_list_free(&o->paths);
    bcl_list_free(&o->test);
    bcl_list_free(&o->reading.maps);
    bcl_tag_map_free(d->map);
    bcl_corpus_free(d->corpus);
    bcl_corpus_free(d->other);
    free(d->train);
    free(d->test);
}

bcl_status data_load(data_set *d, const data_options *o, bool draw, bool keep_going) {
    bcl_status status = BCL_OK;
    bcl_corpus *corpora[2] = {NULL, NULL};
    const bcl_texts paths[2] = {{o->paths.items, o->paths.count}, {o->test.items, o->test.count}};
    status = bcl_cli_read(&d->map, corpora, paths, 2, &o->reading, keep_going, false);
    d->corpus = corpora[0];
    d->other = corpora[1];
    BCL_TRY(status);
    if (draw) {
        size_t n = bcl_corpus_size(d->corpus);
        BCL_NEW(d->train, n);
        BCL_NEW(d->test, n);
        BCL_TRY(bcl_split(d->train, &d->train_count, d->test, &d->test_count, n, o->split,
                          (uint32_t)o->seed));
        if (!d->train_count)
            BCL_FAIL(BCL_ERROR_ARGUMENT,
                     "--split: %g of %zu sentences leaves none for training, expected more",
                     o->split, n);
    }
out:
    return status;
}

bcl_status data_write_new(const data_options *o, const data_set *d,
                          bcl_status (*fill)(const char *path, const data_options *o,
                                             const data_set *d)) {
    bcl_status status = BCL_OK;
    char *temporary = NULL;
    size_t n = strlen(o->out);
    while (n > 1 && o->out[n - 1] == '/')
        n--;
    BCL_TRY(bcl_format(&temporary, "%.*s.tmp.%ld", (int)n, o->out, (long)getpid()));
    BCL_TRY(fill(temporary, o, d));
    BCL_TRY(bcl_path_rename(temporary, o->out));
out:
    if (status && temporary) {
        char *message = NULL; /* removing must not replace the first error */
        if (!bcl_strdup(&message, bcl_message())) {
            bcl_path_remove(temporary);
            bcl_fail(status, "%s", message);
        }
        free(message);
    }
    free(temporary);
    return status;
}

int bcl_cli_data(int argc, char **argv) {
    static const bcl_cli_entry actions[] = {
        {"stats", data_run_stats,
         "what a corpus holds: format, sentences, tags, odd lines, duplicates", false},
        {"prepare", data_run_prepare, "clean, map tags, split, write", false},
        {"convert", data_run_convert, "write a corpus in another format or scheme", false},
        {"list", bcl_cli_data_list, "the datasets that the store knows", false},
        {"show", bcl_cli_data_show, "one of them: counts, files, who used it", false},
        {"diff", bcl_cli_data_diff, "two of them side by side", false},
        {NULL, NULL, NULL, false},
    };
    return bcl_cli_dispatch("data", actions, argc, argv);
}
