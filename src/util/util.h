/* What every folder may use: status and message, memory, strings, files, threads, random numbers,
 * JSON. Knows nothing of BERT or OpenCL. */
#ifndef BCL_UTIL_H
#define BCL_UTIL_H

#include <bertcl/status.h>
#include <bertcl/version.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- status: set the message where the error is seen, pass the code up unchanged ---- */

/* Formats the thread's message and returns `code`, so that a failure is one statement. */
bcl_status bcl_fail(bcl_status code, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* As bcl_fail(BCL_ERROR_IO, ...), with ": " and strerror(errno) appended. */
bcl_status bcl_fail_errno(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Needs a local `bcl_status status` and a label `out:`, where everything is freed. */
#define BCL_TRY(call)                                                                              \
    do {                                                                                           \
        if ((status = (call)) != BCL_OK)                                                           \
            goto out;                                                                              \
    } while (0)

/* Fails with a code and a message and goes to `out:`. */
#define BCL_FAIL(...)                                                                              \
    do {                                                                                           \
        status = bcl_fail(__VA_ARGS__);                                                            \
        goto out;                                                                                  \
    } while (0)

/* ---- memory ---- */

/* Zeroed memory for `count` elements of `size` bytes; NULL with the message set when the product
 * overflows or memory is short. A count of 0 gives a valid pointer. */
void *bcl_calloc(size_t count, size_t size);
/* p = zeroed array of n elements, else goes to `out:` */
#define BCL_NEW(p, n)                                                                              \
    do {                                                                                           \
        if (((p) = bcl_calloc((n), sizeof *(p))) == NULL) {                                        \
            status = BCL_ERROR_MEMORY;                                                             \
            goto out;                                                                              \
        }                                                                                          \
    } while (0)
/* Makes room for `need` elements in the array at *pointer of *capacity elements (doubling). New
 * elements are not zeroed. On failure the array stays as it was. */
bcl_status bcl_grow(void *pointer, size_t *capacity, size_t need, size_t element_size);
/* *out = a * b; false on overflow. */
bool bcl_multiply(size_t *out, size_t a, size_t b);
bcl_status bcl_strdup(char **out, const char *text);
/* printf into a new string */
bcl_status bcl_format(char **out, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A growable byte string; always NUL-terminated once something was added. Zero-initialise. */
typedef struct bcl_string {
    char *data;
    size_t size; /* bytes, without the NUL */
    size_t capacity;
} bcl_string;
bcl_status bcl_string_add(bcl_string *s, const void *bytes, size_t size);
bcl_status bcl_string_addf(bcl_string *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void bcl_string_free(bcl_string *s);

/* ---- files ---- */

/* Fails if these bytes of a file are what Git leaves where the file itself lies in LFS. */
bcl_status bcl_refuse_pointer(const void *data, size_t size, const char *path);
/* Reads a whole file into new memory, with a NUL behind it. */
bcl_status bcl_file_read(char **data, size_t *size, const char *path);
/* The same, and fails with BCL_ERROR_FORMAT before more than `limit` bytes are read. A file that
 * never ends, such as /dev/zero, is refused sooner: by its first NULs or its endless line. */
bcl_status bcl_file_read_limited(char **data, size_t *size, const char *path, uint64_t limit);
/* The same of a file that is open, to its end; `path` is for messages. */
bcl_status bcl_stream_read(char **data, size_t *size, FILE *file, const char *path, uint64_t limit);
/* The same for a regular file: a pipe or a device is refused before anything is read. */
bcl_status bcl_file_read_regular(char **data, size_t *size, const char *path, uint64_t limit);
enum { BCL_DESCRIPTION_MAX = 64 << 20 }; /* bytes of a model's JSON files and vocabulary */
bool bcl_path_exists(const char *path);
bool bcl_path_is_directory(const char *path);
bcl_status bcl_path_join(char **out, const char *directory, const char *name);
/* The last component of a path (points into it). */
const char *bcl_path_name(const char *path);
/* mkdir -p */
bcl_status bcl_directory_create(const char *path);
/* Names in a directory without "." and "..", sorted by bytes as sorted(os.listdir()) does. */
bcl_status bcl_directory_list(char ***names, size_t *count, const char *path);
void bcl_strings_free(char **strings, size_t count);
/* rm -r; a path that does not exist is fine. */
bcl_status bcl_path_remove(const char *path);
/* Renames and syncs the directory that holds the new name. */
bcl_status bcl_path_rename(const char *from, const char *to);

/* A file that appears under its name only when it is complete: written as a temporary name beside
 * it, synced, renamed. A device or a pipe is written to instead. Every path ends in commit or
 * discard. */
typedef struct bcl_writer {
    FILE *file;
    char *path;
    char *temporary;
    bool unsynced; /* to be set behind opening: a file of the moment, not worth waiting for the disk
                    */
} bcl_writer;
bcl_status bcl_writer_open(bcl_writer *w, const char *path);
bcl_status bcl_writer_write(bcl_writer *w, const void *data, size_t size);
bcl_status bcl_writer_commit(bcl_writer *w);
/* Removes the temporary file; does nothing after a commit or on a zeroed writer. */
void bcl_writer_discard(bcl_writer *w);
/* Open, write, commit. */
bcl_status bcl_file_write(const char *path, const void *data, size_t size);

/* A read-only memory map of a file. An empty file gives data NULL, size 0. */
typedef struct bcl_map {
    const unsigned char *data;
    size_t size;
} bcl_map;
bcl_status bcl_map_open(bcl_map *map, const char *path);
void bcl_map_close(bcl_map *map);
/* A part of a map that was read and will hardly be read again: its memory may go. */
void bcl_map_release(const void *data, size_t size);

/* ---- time and process ---- */
double bcl_seconds(void);     /* monotonic, s */
double bcl_peak_rss_mb(void); /* of this process, MiB */
double bcl_host_load(void);   /* processes that want a core, mean of the last minute; -1: unknown */
double bcl_rss_mb(void);      /* what it has now */

/* Signals that end a program tidily: SIGINT (Ctrl-C), SIGTERM and SIGHUP. The first one sets a flag
 * that long work asks for; a SIGINT that follows ends the process at once. */
void bcl_interrupt_catch(void);
/* At the program's start: was SIGHUP ignored, as nohup has it? Then it stays so. Drivers' compilers
 * install handlers of their own, so that it cannot be asked later. */
void bcl_interrupt_remember(void);
bool bcl_interrupted(void);
int bcl_interrupt_signal(void); /* the first signal's number, 0: none yet */
/* Written to stderr by the first signal, at once; NULL (the default): nothing. Must stay. */
void bcl_interrupt_notice(const char *text);

/* ---- threads ---- */

/* Work on items 0..count-1 by a few threads (one a core, 16 at most; the caller is one of them),
 * `grain` items at a time. work() runs anywhere, at most once at a time for each `worker`; merge()
 * in the order of the items, one at a time, right after the same worker's work(). The first failure
 * in that order ends it and is returned with its message. */
typedef struct bcl_parallel {
    size_t count, grain; /* grain > 0 */
    bcl_status (*work)(void *context, size_t worker, size_t begin, size_t end);
    bcl_status (*merge)(void *context, size_t worker, size_t begin, size_t end);
    void *context;
} bcl_parallel;
size_t bcl_parallel_workers(const bcl_parallel *job); /* workers are 0..this-1 */
bcl_status bcl_parallel_run(const bcl_parallel *job);

/* ---- random numbers ---- */

/* Philox4x32-10 (Salmon et al., SC 2011): four words for a counter and a key; the same function as
 * cl/philox.h, so that host and device draw the same numbers. */
void bcl_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]);
/* SplitMix64's finaliser: spreads seeds and step numbers over keys. */
uint64_t bcl_mix64(uint64_t x);
/* Carries a hash on over more bytes (FNV-1a, then mixed with their number). */
uint64_t bcl_hash(uint64_t hash, const void *data, size_t size);
/* order = a permutation of 0..n-1 drawn from the seed (Fisher-Yates). */
void bcl_shuffle(uint32_t *order, size_t n, uint64_t seed);
/* n draws of N(0, std^2). */
void bcl_normal(float *out, size_t n, float std, uint64_t seed);

/* ---- JSON over cJSON ---- */
struct cJSON;
/* Parses a whole file; the message names the file and the byte. */
bcl_status bcl_json_read(struct cJSON **out, const char *path);
/* The same for a file that bcl_json_write wrote, whose file names may hold any bytes. */
bcl_status bcl_json_read_own(struct cJSON **out, const char *path);
/* True if some bytes are no UTF-8. */
bool bcl_json_has_bytes(const char *text, size_t size);
/* Adds JSON text with each such byte as \udc80 to \udcff, so that it is valid whatever file names
 * are in it; and back, in place: returns the size. */
bcl_status bcl_json_escape_bytes(bcl_string *out, const char *text, size_t size);
size_t bcl_json_unescape_bytes(char *text, size_t size);
/* Pretty-printed, bytes that are no UTF-8 escaped, every number in the shortest form that reads
 * back equal, which cJSON_Print does not promise. *out is freed by cJSON_free. What was made while
 * memory was short, in this thread, is BCL_ERROR_MEMORY: who makes JSON need not check each call.
 */
bcl_status bcl_json_print(char **out, const struct cJSON *json);
/* object[key] = item, which the object takes; frees it where it cannot, see above. */
void bcl_json_put(struct cJSON *object, const char *key, struct cJSON *item);
/* Writes bcl_json_print's text with a final newline, atomically. */
bcl_status bcl_json_write(const struct cJSON *json, const char *path);
/* Adds a text of `size` bytes as a JSON string, quotes included; bytes that are no UTF-8 escaped.
 */
bcl_status bcl_json_add_string(bcl_string *out, const char *text, size_t size);

/* A line that is a JSON array of strings. Zero-initialise, reuse, free with bcl_json_words_free. */
typedef struct bcl_json_words {
    const char **words; /* (count), not ended by a NUL */
    size_t *sizes;      /* (count), bytes */
    size_t count;
    bcl_string text; /* the words end to end */
    size_t *starts;  /* (count + 1) */
    size_t words_capacity, sizes_capacity, starts_capacity;
} bcl_json_words;
/* A line of anything else is BCL_ERROR_FORMAT and names the byte. UTF-8 is not checked. */
bcl_status bcl_json_words_read(bcl_json_words *w, const char *line, size_t size);
void bcl_json_words_free(bcl_json_words *w);
/* item = object[key] as a number >= min and <= max and whole; `fallback` if absent or null. */
bcl_status bcl_json_int(int64_t *out, const struct cJSON *object, const char *key, int64_t fallback,
                        int64_t min, int64_t max, const char *path);
bcl_status bcl_json_double(double *out, const struct cJSON *object, const char *key,
                           double fallback, const char *path);
bcl_status bcl_json_bool(bool *out, const struct cJSON *object, const char *key, bool fallback,
                         const char *path);
/* object[key], or "" and `fallback` where it is no text or no number: for what was checked, or is
 * only shown. */
const char *bcl_json_word(const struct cJSON *object, const char *key);
double bcl_json_number(const struct cJSON *object, const char *key, double fallback);
/* Points into the object; `fallback` (may be NULL) if absent or null. */
bcl_status bcl_json_text(const char **out, const struct cJSON *object, const char *key,
                         const char *fallback, const char *path);

#endif
