/* TensorBoard's event files: scalars of metrics.jsonl, the options as text, histograms of
 * histograms.jsonl. A record is its length, that one's checksum, an event, its checksum. Sources:
 * tensorflow/core/lib/io/record_writer, tensorflow/core/util/event.proto,
 * tensorflow/core/framework/{summary,tensor,histogram}.proto. */
#include "track/event_file.h"
#include "track/tracker.h"

#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

struct bcl_tensorboard {
    char *folder, *path;
    FILE *file;
    bcl_points points;
    bcl_last_steps steps;  /* by tag; of all histograms together HISTOGRAMS */
    int64_t newest;        /* step of metrics.jsonl */
    off_t histograms_read; /* bytes of histograms.jsonl */
    bcl_string event, summary, value;
};

/* ---- events ---- */

enum { EVENT_TIME = 1, EVENT_STEP = 2, EVENT_VERSION = 3, EVENT_SUMMARY = 5 };
enum { SUMMARY_VALUE = 1, VALUE_TAG = 1, VALUE_SIMPLE = 2, VALUE_HISTOGRAM = 5, VALUE_TENSOR = 8 };
enum { VALUE_METADATA = 9 };
#define HISTOGRAMS "gradients/" /* their tags begin so */

static bcl_status write_record(bcl_tensorboard *b, const bcl_string *data) {
    unsigned char head[12], tail[4];
    bcl_little_put(head, data->size, 8);
    bcl_little_put(head + 8, bcl_record_sum(head, 8), 4);
    bcl_little_put(tail, bcl_record_sum(data->data, data->size), 4);
    if (fwrite(head, 1, sizeof head, b->file) != sizeof head ||
        fwrite(data->data, 1, data->size, b->file) != data->size ||
        fwrite(tail, 1, sizeof tail, b->file) != sizeof tail)
        return bcl_fail_errno("%s: cannot write", b->path);
    return BCL_OK;
}

static bcl_status begin_event(bcl_tensorboard *b) {
    b->event.size = b->summary.size = b->value.size = 0;
    return bcl_proto_double(&b->event, EVENT_TIME, bcl_unix_time());
}

/* The value is one of the event's. */
static bcl_status add_value(bcl_tensorboard *b) {
    const bcl_status status =
        bcl_proto_bytes(&b->summary, SUMMARY_VALUE, b->value.data, b->value.size);
    b->value.size = 0;
    return status;
}

static bcl_status end_event(bcl_tensorboard *b, int64_t step) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_proto_number(&b->event, EVENT_STEP, (uint64_t)step));
    BCL_TRY(bcl_proto_bytes(&b->event, EVENT_SUMMARY, b->summary.data, b->summary.size));
    BCL_TRY(write_record(b, &b->event));
out:
    return status;
}

static bcl_status write_version(bcl_tensorboard *b) {
    bcl_status status = BCL_OK;
    BCL_TRY(begin_event(b));
    BCL_TRY(bcl_proto_text(&b->event, EVENT_VERSION, "brain.Event:2"));
    BCL_TRY(write_record(b, &b->event));
out:
    return status;
}

/* eval_loss is eval/loss, dev_loss dev/loss, everything else train/…, so that TensorBoard groups
 * them. */
static void tag_of(char out[80], const char *key) {
    if (!strncmp(key, "eval_", 5))
        snprintf(out, 80, "eval/%s", key + 5);
    else if (!strncmp(key, "dev_", 4))
        snprintf(out, 80, "dev/%s", key + 4);
    else
        snprintf(out, 80, "train/%s", key);
}

static bcl_status on_point(void *context, int64_t step, const char *key, double value) {
    bcl_tensorboard *b = context;
    bcl_status status = BCL_OK;
    char tag[80];
    tag_of(tag, key);
    b->newest = step > b->newest ? step : b->newest;
    int64_t *last = bcl_last_step(&b->steps, tag);
    if (!last || step <= *last)
        return status;
    BCL_TRY(begin_event(b));
    BCL_TRY(bcl_proto_text(&b->value, VALUE_TAG, tag));
    BCL_TRY(bcl_proto_float(&b->value, VALUE_SIMPLE, (float)value));
    BCL_TRY(add_value(b));
    BCL_TRY(end_event(b, step));
    *last = step;
out:
    return status;
}

/* A text is a tensor of one string, which the plugin "text" shows as Markdown. */
static bcl_status write_text(bcl_tensorboard *b, const char *tag, const char *text) {
    bcl_status status = BCL_OK;
    bcl_string part = {0}, inner = {0};
    BCL_TRY(begin_event(b));
    BCL_TRY(bcl_proto_text(&b->value, VALUE_TAG, tag));
    BCL_TRY(bcl_proto_number(&part, 1, 7));  /* dtype: DT_STRING */
    BCL_TRY(bcl_proto_number(&inner, 1, 1)); /* size of the one dimension */
    bcl_string shape = {0};
    status = bcl_proto_bytes(&shape, 2, inner.data, inner.size);
    if (!status)
        status = bcl_proto_bytes(&part, 2, shape.data, shape.size);
    bcl_string_free(&shape);
    BCL_TRY(status);
    BCL_TRY(bcl_proto_text(&part, 8, text));
    BCL_TRY(bcl_proto_bytes(&b->value, VALUE_TENSOR, part.data, part.size));
    part.size = inner.size = 0;
    BCL_TRY(bcl_proto_text(&inner, 1, "text"));                 /* plugin_name */
    BCL_TRY(bcl_proto_bytes(&part, 1, inner.data, inner.size)); /* plugin_data */
    BCL_TRY(bcl_proto_bytes(&b->value, VALUE_METADATA, part.data, part.size));
    BCL_TRY(add_value(b));
    BCL_TRY(end_event(b, 0));
out:
    bcl_string_free(&part);
    bcl_string_free(&inner);
    return status;
}

/* The run's options as a table. */
static bcl_status write_options(bcl_tensorboard *b) {
    bcl_status status = BCL_OK;
    char *path = NULL, *value = NULL;
    cJSON *run = NULL;
    const cJSON *item;
    bcl_string text = {0};
    BCL_TRY(bcl_path_join(&path, b->folder, "run.json"));
    BCL_TRY(bcl_json_read_own(&run, path));
    BCL_TRY(bcl_string_addf(&text, "| option | value |\n| --- | --- |\n"));
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(run, "options")) {
        cJSON_free(value);
        if (!(value = cJSON_PrintUnformatted(item)))
            BCL_FAIL(BCL_ERROR_MEMORY, "out of memory while printing JSON");
        BCL_TRY(bcl_string_addf(&text, "| %s | `%s` |\n", item->string, value));
    }
    BCL_TRY(write_text(b, "options", text.data));
    *bcl_last_step(&b->steps, "options") = 0;
out:
    cJSON_Delete(run);
    cJSON_free(value);
    free(path);
    bcl_string_free(&text);
    return status;
}

/* ---- histograms ---- */

static bcl_status add_doubles(bcl_string *out, int field, const cJSON *list) {
    bcl_status status = BCL_OK;
    double *x = NULL;
    size_t n = 0;
    const cJSON *item;
    BCL_NEW(x, (size_t)cJSON_GetArraySize(list));
    cJSON_ArrayForEach(item, list) x[n++] = item->valuedouble;
    BCL_TRY(bcl_proto_doubles(out, field, x, n));
out:
    free(x);
    return status;
}

static bcl_status add_histogram(bcl_tensorboard *b, const cJSON *h) {
    static const char *const figures[] = {"least", "greatest", "count", "sum", "squares"};
    bcl_status status = BCL_OK;
    char tag[80];
    bcl_string proto = {0};
    snprintf(tag, sizeof tag, HISTOGRAMS "%s", h->string);
    for (int i = 0; i < 5; i++)
        BCL_TRY(bcl_proto_double(
            &proto, i + 1, cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(h, figures[i]))));
    BCL_TRY(add_doubles(&proto, 6, cJSON_GetObjectItemCaseSensitive(h, "limits")));
    BCL_TRY(add_doubles(&proto, 7, cJSON_GetObjectItemCaseSensitive(h, "counts")));
    BCL_TRY(bcl_proto_text(&b->value, VALUE_TAG, tag));
    BCL_TRY(bcl_proto_bytes(&b->value, VALUE_HISTOGRAM, proto.data, proto.size));
    BCL_TRY(add_value(b));
out:
    bcl_string_free(&proto);
    return status;
}

/* A line of histograms.jsonl is one event, so that a step's are there or not. *later: of a step
 * that metrics.jsonl does not have yet. */
static bcl_status add_histograms(bcl_tensorboard *b, const char *line, bool *later) {
    bcl_status status = BCL_OK;
    cJSON *json = cJSON_Parse(line);
    const cJSON *h, *step = cJSON_GetObjectItemCaseSensitive(json, "step");
    int64_t *last = bcl_last_step(&b->steps, HISTOGRAMS);
    const int64_t at = cJSON_IsNumber(step) ? (int64_t)step->valuedouble : -1;
    *later = at > b->newest;
    if (*later || !last || at <= *last) /* no JSON: the same */
        goto out;
    BCL_TRY(begin_event(b));
    cJSON_ArrayForEach(h, cJSON_GetObjectItemCaseSensitive(json, "gradients"))
        BCL_TRY(add_histogram(b, h));
    BCL_TRY(end_event(b, at));
    *last = at;
out:
    cJSON_Delete(json);
    return status;
}

static bcl_status update_histograms(bcl_tensorboard *b) {
    bcl_status status = BCL_OK;
    char *path = NULL, *line = NULL;
    size_t capacity = 0;
    FILE *file = NULL;
    bool later = false;
    BCL_TRY(bcl_path_join(&path, b->folder, "histograms.jsonl"));
    if (!(file = fopen(path, "rb")) || fseeko(file, b->histograms_read, SEEK_SET))
        goto out; /* none were asked for */
    for (ssize_t n; (n = getline(&line, &capacity, file)) > 0 && line[n - 1] == '\n';) {
        BCL_TRY(add_histograms(b, line, &later));
        if (later)
            break;
        b->histograms_read += n;
    }
out:
    if (file)
        fclose(file);
    free(line);
    free(path);
    return status;
}

/* ---- reading back: what is in the file already ---- */

/* The step and the tag of an event with one value; false for others. */
static bool read_event(const unsigned char *p, size_t size, int64_t *step, char tag[80]) {
    const unsigned char *end = p + size, *data;
    int field;
    uint64_t number;
    *step = 0;
    tag[0] = 0;
    while (bcl_proto_next(&p, end, &field, &number, &data, &size)) {
        if (field == EVENT_STEP)
            *step = (int64_t)number;
        if (field != EVENT_SUMMARY || !data)
            continue;
        const unsigned char *q = data, *q_end = data + size, *value, *text;
        size_t n, text_size;
        while (bcl_proto_next(&q, q_end, &field, &number, &value, &n)) {
            const unsigned char *r = value;
            while (field == SUMMARY_VALUE && value &&
                   bcl_proto_next(&r, value + n, &field, &number, &text, &text_size)) {
                if (field == VALUE_TAG && text && text_size < 80) {
                    memcpy(tag, text, text_size);
                    tag[text_size] = 0;
                }
                field = SUMMARY_VALUE;
            }
        }
    }
    return tag[0] != 0;
}

/* Learns the last step of each tag; the file is cut behind its last whole record, and behind the
 * first event of a step beyond `most`. */
static bcl_status read_back(bcl_tensorboard *b, int64_t most) {
    bcl_status status = BCL_OK;
    bcl_map map = {0};
    size_t at = 0;
    char tag[80];
    int64_t step;
    b->steps.count = 0;
    BCL_TRY(bcl_map_open(&map, b->path));
    while (map.size - at >= 16) {
        const unsigned char *p = map.data + at;
        const uint64_t size = bcl_little_get(p, 8);
        if (bcl_record_sum(p, 8) != (uint32_t)bcl_little_get(p + 8, 4) ||
            size > map.size - at - 16 ||
            bcl_record_sum(p + 12, (size_t)size) != (uint32_t)bcl_little_get(p + 12 + size, 4))
            break;
        if (read_event(p + 12, (size_t)size, &step, tag)) {
            const bool histograms = !strncmp(tag, HISTOGRAMS, strlen(HISTOGRAMS));
            int64_t *last = bcl_last_step(&b->steps, histograms ? HISTOGRAMS : tag);
            if (step > most)
                break;
            if (last && step > *last)
                *last = step;
        }
        at += (size_t)size + 16;
    }
out:
    bcl_map_close(&map);
    if (!status && truncate(b->path, (off_t)at))
        status = bcl_fail_errno("%s: cannot cut", b->path);
    return status;
}

static bcl_status find_most(void *context, int64_t step, const char *key, double value) {
    int64_t *most = context;
    (void)key, (void)value;
    *most = step > *most ? step : *most;
    return BCL_OK;
}

/* Opens the file for adding, cut to what metrics.jsonl knows. */
static bcl_status reopen(bcl_tensorboard *b) {
    bcl_status status = BCL_OK;
    bcl_points all = {0};
    int64_t most = 0;
    if (b->file)
        fclose(b->file);
    b->file = NULL;
    BCL_TRY(bcl_points_read(&all, b->folder, find_most, &most));
    if (bcl_path_exists(b->path))
        BCL_TRY(read_back(b, most));
    if (!(b->file = fopen(b->path, "ab"))) {
        status = bcl_fail_errno("%s: cannot open", b->path);
        goto out;
    }
    struct stat info;
    if (fstat(fileno(b->file), &info) || info.st_size == 0)
        BCL_TRY(write_version(b));
    if (*bcl_last_step(&b->steps, "options") < 0)
        BCL_TRY(write_options(b));
    b->points = (bcl_points){0};
    b->newest = most;
    b->histograms_read = 0;
out:
    return status;
}

/* ---- */

/* One file a run: the first that is there, else a new one. */
static bcl_status choose_path(char **out, const char *folder) {
    bcl_status status = BCL_OK;
    char **names = NULL, host[256] = "host", *board = NULL;
    size_t count = 0;
    BCL_TRY(bcl_path_join(&board, folder, "tensorboard"));
    BCL_TRY(bcl_directory_create(board));
    BCL_TRY(bcl_directory_list(&names, &count, board));
    for (size_t i = 0; i < count && !*out; i++)
        if (!strncmp(names[i], "events.out.tfevents.", 20))
            BCL_TRY(bcl_path_join(out, board, names[i]));
    if (*out)
        goto out;
    if (gethostname(host, sizeof host - 1))
        strcpy(host, "host");
    BCL_TRY(bcl_format(out, "%s/events.out.tfevents.%010.0f.%s.%ld.0", board, bcl_unix_time(), host,
                       (long)getpid()));
out:
    bcl_strings_free(names, count);
    free(board);
    return status;
}

bcl_status bcl_tensorboard_open(bcl_tensorboard **out, const char *folder) {
    bcl_status status = BCL_OK;
    bcl_tensorboard *b = NULL;
    BCL_NEW(b, 1);
    BCL_TRY(bcl_strdup(&b->folder, folder));
    BCL_TRY(choose_path(&b->path, folder));
    BCL_TRY(reopen(b));
    *out = b;
    b = NULL;
out:
    bcl_tensorboard_close(b);
    return status;
}

bcl_status bcl_tensorboard_update(bcl_tensorboard *b) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_points_read(&b->points, b->folder, on_point, b));
    if (b->points.cut) { /* resumed from an earlier step */
        BCL_TRY(reopen(b));
        BCL_TRY(bcl_points_read(&b->points, b->folder, on_point, b));
    }
    BCL_TRY(update_histograms(b));
    if (fflush(b->file))
        status = bcl_fail_errno("%s: cannot write", b->path);
out:
    return status;
}

void bcl_tensorboard_close(bcl_tensorboard *b) {
    if (!b)
        return;
    if (b->file)
        fclose(b->file);
    bcl_string_free(&b->event);
    bcl_string_free(&b->summary);
    bcl_string_free(&b->value);
    free(b->folder);
    free(b->path);
    free(b);
}
