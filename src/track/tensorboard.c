/* TensorBoard's event files: TFRecords (length, its checksum, data, its checksum) of protocol
 * buffers, of which a handful of fields are needed. Sources: tensorflow/core/lib/io/record_writer,
 * tensorflow/core/util/event.proto, tensorflow/core/framework/{summary,tensor}.proto. */
#include "track/tracker.h"

#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

struct bcl_tensorboard {
    char *folder, *path;
    FILE *file;
    bcl_points points;
    bcl_last_steps steps; /* by tag */
    bcl_string event, summary, value;
};

/* ---- checksums ---- */

static uint32_t crc32c(const unsigned char *data, size_t size) {
    static uint32_t table[256];
    uint32_t crc = 0xFFFFFFFFu;
    if (!table[1])
        for (uint32_t i = 256; i-- > 0;) { /* table[1] last: it tells that all are there */
            uint32_t c = i;
            for (int k = 0; k < 8; k++)
                c = c & 1 ? c >> 1 ^ 0x82F63B78u : c >> 1;
            table[i] = c;
        }
    for (size_t i = 0; i < size; i++)
        crc = table[(crc ^ data[i]) & 255] ^ crc >> 8;
    return ~crc;
}

static uint32_t masked(const void *data, size_t size) {
    const uint32_t crc = crc32c(data, size);
    return (crc >> 15 | crc << 17) + 0xA282EAD8u;
}

static void put_little(unsigned char *out, uint64_t x, int bytes) {
    for (int i = 0; i < bytes; i++)
        out[i] = (unsigned char)(x >> 8 * i);
}

static uint64_t get_little(const unsigned char *in, int bytes) {
    uint64_t x = 0;
    for (int i = bytes; i-- > 0;)
        x = x << 8 | in[i];
    return x;
}

/* ---- protocol buffers ---- */

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

static bcl_status put_varint(bcl_string *out, uint64_t x) {
    char bytes[10];
    size_t n = 0;
    do {
        bytes[n++] = (char)((x & 127) | (x > 127 ? 128 : 0));
        x >>= 7;
    } while (x);
    return bcl_string_add(out, bytes, n);
}

static bcl_status put_bytes(bcl_string *out, int field, const void *data, size_t size) {
    bcl_status status = BCL_OK;
    BCL_TRY(put_varint(out, (uint64_t)(field << 3 | BYTES)));
    BCL_TRY(put_varint(out, size));
    BCL_TRY(bcl_string_add(out, data, size));
out:
    return status;
}

static bcl_status put_text(bcl_string *out, int field, const char *text) {
    return put_bytes(out, field, text, strlen(text));
}

static bcl_status put_number(bcl_string *out, int field, uint64_t x) {
    const bcl_status status = put_varint(out, (uint64_t)(field << 3 | VARINT));
    return status ? status : put_varint(out, x);
}

static bcl_status put_double(bcl_string *out, int field, double x) {
    unsigned char bytes[8];
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    put_little(bytes, bits, 8);
    const bcl_status status = put_varint(out, (uint64_t)(field << 3 | FIXED64));
    return status ? status : bcl_string_add(out, bytes, 8);
}

static bcl_status put_float(bcl_string *out, int field, float x) {
    unsigned char bytes[4];
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    put_little(bytes, bits, 4);
    const bcl_status status = put_varint(out, (uint64_t)(field << 3 | FIXED32));
    return status ? status : bcl_string_add(out, bytes, 4);
}

/* ---- events ---- */

enum { EVENT_TIME = 1, EVENT_STEP = 2, EVENT_VERSION = 3, EVENT_SUMMARY = 5 };
enum { SUMMARY_VALUE = 1, VALUE_TAG = 1, VALUE_SIMPLE = 2, VALUE_TENSOR = 8, VALUE_METADATA = 9 };

static bcl_status write_record(bcl_tensorboard *b, const bcl_string *data) {
    unsigned char head[12], tail[4];
    put_little(head, data->size, 8);
    put_little(head + 8, masked(head, 8), 4);
    put_little(tail, masked(data->data, data->size), 4);
    if (fwrite(head, 1, sizeof head, b->file) != sizeof head ||
        fwrite(data->data, 1, data->size, b->file) != data->size ||
        fwrite(tail, 1, sizeof tail, b->file) != sizeof tail)
        return bcl_fail_errno("%s: cannot write", b->path);
    return BCL_OK;
}

static bcl_status begin_event(bcl_tensorboard *b) {
    b->event.size = b->summary.size = b->value.size = 0;
    return put_double(&b->event, EVENT_TIME, bcl_unix_time());
}

static bcl_status end_event(bcl_tensorboard *b, int64_t step) {
    bcl_status status = BCL_OK;
    BCL_TRY(put_number(&b->event, EVENT_STEP, (uint64_t)step));
    BCL_TRY(put_bytes(&b->summary, SUMMARY_VALUE, b->value.data, b->value.size));
    BCL_TRY(put_bytes(&b->event, EVENT_SUMMARY, b->summary.data, b->summary.size));
    BCL_TRY(write_record(b, &b->event));
out:
    return status;
}

static bcl_status write_version(bcl_tensorboard *b) {
    bcl_status status = BCL_OK;
    BCL_TRY(begin_event(b));
    BCL_TRY(put_text(&b->event, EVENT_VERSION, "brain.Event:2"));
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
    int64_t *last = bcl_last_step(&b->steps, tag);
    if (!last || step <= *last)
        return status;
    BCL_TRY(begin_event(b));
    BCL_TRY(put_text(&b->value, VALUE_TAG, tag));
    BCL_TRY(put_float(&b->value, VALUE_SIMPLE, (float)value));
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
    BCL_TRY(put_text(&b->value, VALUE_TAG, tag));
    BCL_TRY(put_number(&part, 1, 7));  /* dtype: DT_STRING */
    BCL_TRY(put_number(&inner, 1, 1)); /* size of the one dimension */
    bcl_string shape = {0};
    status = put_bytes(&shape, 2, inner.data, inner.size);
    if (!status)
        status = put_bytes(&part, 2, shape.data, shape.size);
    bcl_string_free(&shape);
    BCL_TRY(status);
    BCL_TRY(put_text(&part, 8, text));
    BCL_TRY(put_bytes(&b->value, VALUE_TENSOR, part.data, part.size));
    part.size = inner.size = 0;
    BCL_TRY(put_text(&inner, 1, "text"));                 /* plugin_name */
    BCL_TRY(put_bytes(&part, 1, inner.data, inner.size)); /* plugin_data */
    BCL_TRY(put_bytes(&b->value, VALUE_METADATA, part.data, part.size));
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

/* ---- reading back: what is in the file already ---- */

/* One field; false at the end or where the bytes make no sense. */
static bool get_varint(const unsigned char **p, const unsigned char *end, uint64_t *x) {
    *x = 0;
    for (int shift = 0; *p < end && shift < 64; shift += 7) {
        const unsigned char byte = *(*p)++;
        *x |= (uint64_t)(byte & 127) << shift;
        if (byte < 128)
            return true;
    }
    return false;
}

static bool get_field(const unsigned char **p, const unsigned char *end, int *field,
                      uint64_t *number, const unsigned char **data, size_t *size) {
    uint64_t key, n = 0;
    *data = NULL;
    *size = 0;
    *number = 0;
    if (!get_varint(p, end, &key))
        return false;
    *field = (int)(key >> 3);
    switch (key & 7) {
    case VARINT:
        return get_varint(p, end, number);
    case FIXED64:
    case FIXED32:
        n = (key & 7) == FIXED64 ? 8 : 4;
        break;
    case BYTES:
        if (!get_varint(p, end, &n))
            return false;
        break;
    default:
        return false;
    }
    if (n > (uint64_t)(end - *p))
        return false;
    *data = *p;
    *size = (size_t)n;
    *p += n;
    return true;
}

/* The step and the tag of an event with one value; false for others. */
static bool read_event(const unsigned char *p, size_t size, int64_t *step, char tag[80]) {
    const unsigned char *end = p + size, *data;
    int field;
    uint64_t number;
    *step = 0;
    tag[0] = 0;
    while (get_field(&p, end, &field, &number, &data, &size)) {
        if (field == EVENT_STEP)
            *step = (int64_t)number;
        if (field != EVENT_SUMMARY || !data)
            continue;
        const unsigned char *q = data, *q_end = data + size, *value, *text;
        size_t n, text_size;
        while (get_field(&q, q_end, &field, &number, &value, &n)) {
            const unsigned char *r = value;
            while (field == SUMMARY_VALUE && value &&
                   get_field(&r, value + n, &field, &number, &text, &text_size)) {
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
        const uint64_t size = get_little(p, 8);
        if (masked(p, 8) != (uint32_t)get_little(p + 8, 4) || size > map.size - at - 16 ||
            masked(p + 12, (size_t)size) != (uint32_t)get_little(p + 12 + size, 4))
            break;
        if (read_event(p + 12, (size_t)size, &step, tag)) {
            int64_t *last = bcl_last_step(&b->steps, tag);
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
