/* libFuzzer: any bytes as a corpus, in the format that is found; what was read is written and read
 * again. */
#include "util/util.h"

#include <bertcl/data.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static char path[256], copy[300];
    const char *paths[] = {path}, *copies[] = {copy};
    bcl_corpus *corpus = NULL, *again = NULL;
    bcl_corpus_options options = {.keep_going = size && data[0] & 1,
                                  .words_only = size > 1 && data[1] & 1};
    if (!*path) {
        const char *folder = getenv("TMPDIR"); /* in memory it is many times as fast */
        snprintf(path, sizeof path, "%s/bertcl-fuzz-%ld", folder ? folder : "/tmp", (long)getpid());
        snprintf(copy, sizeof copy, "%s.copy", path);
    }
    if (bcl_file_write(path, data, size) || bcl_corpus_read(&corpus, paths, 1, &options))
        return 0;
    for (size_t i = 0; i < bcl_corpus_size(corpus); i++) {
        const bcl_sentence s = bcl_corpus_sentence(corpus, i);
        for (size_t k = 0; k < s.size; k++)
            if (bcl_corpus_line(corpus, i, k) < s.line || !s.words[k])
                abort();
    }
    if (!bcl_corpus_export(copy, corpus, BCL_FORMAT_JSONL)) {
        options = (bcl_corpus_options){.format = BCL_FORMAT_JSONL};
        if (bcl_corpus_read(&again, copies, 1, &options) ||
            bcl_corpus_tokens(again) != bcl_corpus_tokens(corpus))
            abort();
    }
    bcl_corpus_set_scheme(corpus, BCL_SCHEME_IOBES);
    bcl_corpus_free(again);
    bcl_corpus_free(corpus);
    return 0;
}
