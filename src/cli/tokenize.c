/* bertcl tokenize: lines of text or of words to ids, pieces, word ids and offsets, as JSON lines.
 * Blocks of lines are tokenized by a few threads and printed in their order. */
#include "cli/cli.h"
#include "util/printable.h"

#include <bertcl/tokenizer.h>

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

enum { BLOCK_BYTES = 1 << 20, MAX_THREADS = 64 };

static const bcl_command command = {
    .name = "tokenize",
    .usage = "--model DIR [--words] [--max-length N] [--threads N] [--count] [FILE]",
    .summary = "Prints what BERT's tokenizer makes of each line, as JSON lines.",
    .details =
        "Each line of FILE (or of standard input) is one text; with --words, a JSON array of "
        "words. A line of output has \"ids\", \"tokens\", \"word_ids\" (null for [CLS] and "
        "[SEP]) and \"offsets\" (start and end in Unicode code points of the line, or of the word "
        "with --words). A line ends with a newline only: a carriage return before it belongs to "
        "the text, in which it counts as a space.\n"
        "Without --max-length nothing is cut, whatever the model's limit is.",
};

/* Pieces as JSON strings, made once: `texts` holds them end to end. */
typedef struct piece_texts {
    bcl_string texts;
    size_t *begin; /* (size + 1) */
} piece_texts;

typedef struct block {
    char *data; /* whole lines */
    size_t size, capacity;
    size_t first_line;    /* counted from 1 */
    size_t lines, pieces; /* of them, once done */
    bcl_string out;
    bcl_status status;
    char message[1024];
    bool done;
} block;

/* What --count prints. */
typedef struct totals {
    size_t lines, bytes, pieces, threads;
    double seconds;
} totals;

typedef struct job {
    const bcl_tokenizer *tokenizer;
    const piece_texts *pieces;
    const char *name;
    bool words;
    bool count; /* print totals only */
    size_t max_length;
    size_t threads; /* 0: one a core */
    totals totals;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    block *blocks;            /* a ring of `ring` blocks */
    size_t ring, read, taken; /* blocks filled and taken so far */
    bool ended;
} job;

/* What one thread needs; grows, never shrinks. */
typedef struct worker {
    bcl_encoding encoding;
    bcl_json_words words;
} worker;

static void worker_free(worker *w) {
    bcl_encoding_free(&w->encoding);
    bcl_json_words_free(&w->words);
}

static bcl_status make_pieces(piece_texts *p, const bcl_tokenizer *t) {
    bcl_status status = BCL_OK;
    size_t size = bcl_tokenizer_size(t);
    BCL_NEW(p->begin, size + 1);
    for (size_t i = 0; i < size; i++) {
        const char *text = bcl_tokenizer_piece(t, (int32_t)i);
        p->begin[i] = p->texts.size;
        BCL_TRY(bcl_json_add_string(&p->texts, text ? text : "", text ? strlen(text) : 0));
    }
    p->begin[size] = p->texts.size;
out:
    return status;
}

static char *add_number(char *p, uint32_t x) {
    char digits[10];
    int n = 0;
    do
        digits[n++] = (char)('0' + x % 10);
    while (x /= 10);
    while (n)
        *p++ = digits[--n];
    return p;
}

static char *add_text(char *p, const char *text, size_t size) {
    memcpy(p, text, size);
    return p + size;
}
#define ADD(p, literal) add_text(p, literal, sizeof(literal) - 1)

static bcl_status print_encoding(bcl_string *out, const bcl_encoding *e,
                                 const piece_texts *pieces) {
    size_t need = 64;
    for (size_t i = 0; i < e->count; i++)
        need += pieces->begin[e->ids[i] + 1] - pieces->begin[e->ids[i]] + 56;
    bcl_status status = bcl_grow(&out->data, &out->capacity, out->size + need, 1);
    if (status)
        return status;
    char *p = ADD(out->data + out->size, "{\"ids\":[");
    for (size_t i = 0; i < e->count; i++) {
        *p = ',';
        p = add_number(p + (i > 0), (uint32_t)e->ids[i]);
    }
    p = ADD(p, "],\"tokens\":[");
    for (size_t i = 0; i < e->count; i++) {
        size_t begin = pieces->begin[e->ids[i]], end = pieces->begin[e->ids[i] + 1];
        *p = ',';
        p = add_text(p + (i > 0), pieces->texts.data + begin, end - begin);
    }
    p = ADD(p, "],\"word_ids\":[");
    for (size_t i = 0; i < e->count; i++) {
        *p = ',';
        p += i > 0;
        p = e->word_ids[i] < 0 ? ADD(p, "null") : add_number(p, (uint32_t)e->word_ids[i]);
    }
    p = ADD(p, "],\"offsets\":[");
    for (size_t i = 0; i < e->count; i++) {
        *p = ',';
        p += i > 0;
        *p++ = '[';
        p = add_number(p, e->offsets[2 * i]);
        *p++ = ',';
        p = add_number(p, e->offsets[2 * i + 1]);
        *p++ = ']';
    }
    p = ADD(p, "]}\n");
    out->size = (size_t)(p - out->data);
    return BCL_OK;
}

static bcl_status encode_line(worker *w, const job *j, const char *line, size_t size) {
    bcl_status status = BCL_OK;
    bcl_json_words *words = &w->words;
    if (!j->words)
        return bcl_tokenizer_encode_text(j->tokenizer, line, size, j->max_length, &w->encoding);
    BCL_TRY(bcl_json_words_read(words, line, size));
    BCL_TRY(bcl_tokenizer_encode_words(j->tokenizer, words->words, words->sizes, words->count,
                                       j->max_length, &w->encoding));
out:
    return status;
}

static void run_block(worker *w, const job *j, block *b) {
    size_t line = b->first_line;
    b->status = BCL_OK;
    b->out.size = b->lines = b->pieces = 0;
    for (size_t at = 0; at < b->size && !b->status; line++) {
        const char *text = b->data + at, *end = memchr(text, '\n', b->size - at);
        size_t size = end ? (size_t)(end - text) : b->size - at;
        b->status = encode_line(w, j, text, size);
        if (!b->status && !j->count)
            b->status = print_encoding(&b->out, &w->encoding, j->pieces);
        b->pieces += w->encoding.count;
        b->lines++;
        if (b->status)
            snprintf(b->message, sizeof b->message, "%s: line %zu: %s", j->name, line,
                     bcl_message());
        at += size + 1;
    }
}

static void *work(void *argument) {
    job *j = argument;
    worker w = {0};
    pthread_mutex_lock(&j->mutex);
    for (;;) {
        while (j->taken == j->read && !j->ended)
            pthread_cond_wait(&j->changed, &j->mutex);
        if (j->taken == j->read)
            break;
        block *b = &j->blocks[j->taken++ % j->ring];
        pthread_mutex_unlock(&j->mutex);
        run_block(&w, j, b);
        pthread_mutex_lock(&j->mutex);
        b->done = true;
        pthread_cond_broadcast(&j->changed);
    }
    pthread_mutex_unlock(&j->mutex);
    worker_free(&w);
    return NULL;
}

/* Fills a block with whole lines: about BLOCK_BYTES, or what a pipe has to give. `rest` keeps the
 * unfinished line. Sets *more to false at the end of the input. */
static bcl_status fill_block(block *b, bcl_string *rest, int fd, const char *name, bool *more) {
    bcl_status status = BCL_OK;
    size_t whole = 0;
    b->size = 0;
    BCL_TRY(bcl_grow(&b->data, &b->capacity, rest->size + BLOCK_BYTES, 1));
    if (rest->size)
        memcpy(b->data, rest->data, rest->size);
    b->size = rest->size;
    rest->size = 0;
    while (!whole && *more) {
        BCL_TRY(bcl_grow(&b->data, &b->capacity, b->size + BLOCK_BYTES, 1));
        ssize_t n = read(fd, b->data + b->size, BLOCK_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            status = bcl_fail_errno("%s: cannot read", name);
            goto out;
        }
        *more = n > 0;
        for (size_t i = b->size + (size_t)n; i > b->size; i--)
            if (b->data[i - 1] == '\n') {
                whole = i;
                break;
            }
        b->size += (size_t)n;
    }
    if (*more) {
        BCL_TRY(bcl_string_add(rest, b->data + whole, b->size - whole));
        b->size = whole;
    }
out:
    return status;
}

/* Reads, hands out and prints; the main thread's part. */
static bcl_status pump(job *j, int fd) {
    bcl_status status = BCL_OK;
    bcl_string rest = {0};
    size_t printed = 0, line = 1;
    bool more = true;
    while (more || printed < j->read) {
        if (more && j->read - printed < j->ring) {
            block *b = &j->blocks[j->read % j->ring];
            BCL_TRY(fill_block(b, &rest, fd, j->name, &more));
            b->first_line = line;
            b->done = false;
            for (const char *p = b->data, *end = b->data + b->size;
                 p < end && (p = memchr(p, '\n', (size_t)(end - p))); p++)
                line++;
            pthread_mutex_lock(&j->mutex);
            j->read++;
            pthread_cond_broadcast(&j->changed);
            pthread_mutex_unlock(&j->mutex);
        }
        block *b = &j->blocks[printed % j->ring];
        pthread_mutex_lock(&j->mutex);
        /* A full ring, the end, or slow input (a block that a pipe filled only partly): print. */
        bool wait = !more || j->read - printed == j->ring ||
                    j->blocks[(j->read - 1) % j->ring].size < BLOCK_BYTES / 2;
        while (wait && printed < j->read && !b->done)
            pthread_cond_wait(&j->changed, &j->mutex);
        bool ready = printed < j->read && b->done;
        pthread_mutex_unlock(&j->mutex);
        if (!ready)
            continue;
        printed++;
        if (b->out.size && fwrite(b->out.data, 1, b->out.size, stdout) != b->out.size)
            BCL_FAIL(BCL_ERROR_IO, "standard output: cannot write");
        if (b->status)
            BCL_FAIL(b->status, "%s", b->message);
        j->totals.lines += b->lines;
        j->totals.bytes += b->size;
        j->totals.pieces += b->pieces;
        if (wait)
            fflush(stdout);
    }
out:
    pthread_mutex_lock(&j->mutex);
    j->ended = true;
    if (status)
        j->taken = j->read; /* nobody needs the rest */
    pthread_cond_broadcast(&j->changed);
    pthread_mutex_unlock(&j->mutex);
    bcl_string_free(&rest);
    return status;
}

static bcl_status run(job *j, int fd) {
    bcl_status status = BCL_OK;
    pthread_t threads[MAX_THREADS];
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    size_t started = 0, want = j->threads ? j->threads : cores < 1 ? 1 : (size_t)cores;
    want = want > MAX_THREADS ? MAX_THREADS : want;
    pthread_mutex_init(&j->mutex, NULL);
    pthread_cond_init(&j->changed, NULL);
    j->ring = 2 * want + 1;
    BCL_NEW(j->blocks, j->ring);
    while (started < want && !pthread_create(&threads[started], NULL, work, j))
        started++;
    if (!started)
        BCL_FAIL(BCL_ERROR_MEMORY, "cannot start a thread");
    const double begin = bcl_seconds();
    status = pump(j, fd);
    j->totals.seconds = bcl_seconds() - begin;
    j->totals.threads = started;
    for (size_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
out:
    for (size_t i = 0; j->blocks && i < j->ring; i++) {
        free(j->blocks[i].data);
        bcl_string_free(&j->blocks[i].out);
    }
    free(j->blocks);
    pthread_cond_destroy(&j->changed);
    pthread_mutex_destroy(&j->mutex);
    return status;
}

int bcl_cli_tokenize(int argc, char **argv) {
    const char *model = NULL;
    bcl_list files = {0};
    int64_t max_length = 0, threads = 0;
    bool words = false, count = false;
    bcl_tokenizer *tokenizer = NULL;
    char *folder = NULL;
    piece_texts pieces = {0};
    FILE *file = NULL;
    bcl_status status = BCL_OK;
    const bcl_option options[] = {
        {.kind = BCL_OPTION_TEXT,
         .name = "model",
         .value = &model,
         .value_name = "DIR",
         .help = "folder with the tokenizer's files"},
        {.kind = BCL_OPTION_FLAG,
         .name = "words",
         .value = &words,
         .help = "a line is a JSON array of words"},
        {.kind = BCL_OPTION_INT,
         .name = "max-length",
         .value = &max_length,
         .value_name = "N",
         .help = "cut to N pieces, [CLS] and [SEP] included",
         .min = 2,
         .max = INT32_MAX},
        {.kind = BCL_OPTION_INT,
         .name = "threads",
         .value = &threads,
         .value_name = "N",
         .help = "threads that tokenize; all cores if absent",
         .min = 1,
         .max = MAX_THREADS},
        {.kind = BCL_OPTION_FLAG,
         .name = "count",
         .value = &count,
         .help = "print only one JSON object: lines, bytes, pieces, threads, and the seconds from "
                 "the first byte read to the last line tokenized"},
        {.kind = BCL_OPTION_LIST,
         .value = &files,
         .value_name = "FILE",
         .help = "lines to tokenize; standard input if absent or -"},
        {.kind = BCL_OPTION_END},
    };
    int code = bcl_options_parse(&command, options, argc, argv, 1);
    if (code < 0 && !model)
        code = bcl_cli_usage(&command, "--model DIR is missing");
    if (code < 0 && files.count > 1)
        code = bcl_cli_usage(&command, "expected one FILE, found %zu", files.count);
    if (code >= 0)
        goto out;
    job j = {.name = "standard input",
             .words = words,
             .count = count,
             .max_length = (size_t)max_length,
             .threads = (size_t)threads,
             .pieces = &pieces};
    BCL_TRY(bcl_cli_model(&folder, model, false));
    BCL_TRY(bcl_tokenizer_load(&tokenizer, folder));
    if (bcl_tokenizer_warning(tokenizer)) {
        char shown[1024];
        fprintf(stderr, "bertcl: %s: %s\n", bcl_printable(shown, sizeof shown, folder),
                bcl_tokenizer_warning(tokenizer));
    }
    BCL_TRY(make_pieces(&pieces, tokenizer));
    j.tokenizer = tokenizer;
    if (files.count && strcmp(files.items[0], "-")) {
        j.name = files.items[0];
        if (!(file = fopen(j.name, "rb"))) {
            status = bcl_fail_errno("%s: cannot open", j.name);
            goto out;
        }
    }
    BCL_TRY(run(&j, fileno(file ? file : stdin)));
    if (count)
        printf("{\"lines\":%zu,\"bytes\":%zu,\"pieces\":%zu,\"threads\":%zu,\"seconds\":%.6f}\n",
               j.totals.lines, j.totals.bytes, j.totals.pieces, j.totals.threads, j.totals.seconds);
out:
    if (file)
        fclose(file);
    bcl_string_free(&pieces.texts);
    free(pieces.begin);
    free(folder);
    bcl_tokenizer_free(tokenizer);
    bcl_list_free(&files);
    return status ? bcl_cli_error(status) : code >= 0 ? code : BCL_EXIT_OK;
}
