/* RUN/histograms.jsonl: how the gradients of each tensor are spread, a line for each step that was
 * asked for. Two buckets an octave of the magnitude, so that a float's place is a shift of its
 * bits: 2^e to 1.5 2^e and 1.5 2^e to 2^(e+1), from 2^-40 on; what is smaller is one bucket. */
#include "train/histograms.h"

#include <math.h>
#include <unistd.h>

enum { LOW = (127 - 40) * 2, HIGH = (127 + 40) * 2, BUCKETS = HIGH - LOW };

typedef struct histogram {
    double least, greatest, sum, squares;
    size_t count, middle, other; /* other: not finite */
    size_t below[BUCKETS], above[BUCKETS];
} histogram;

struct bcl_histograms {
    char *path;
    FILE *file;
    float *values; /* of the largest tensor */
    bcl_string line;
};

/* The magnitude at which bucket i begins. */
static double edge(int i) {
    const int octave = (i + LOW) / 2 - 127;
    return ldexp((i + LOW) % 2 ? 1.5 : 1, octave);
}

static void count_values(histogram *h, const float *x, size_t n, float factor) {
    *h = (histogram){.least = HUGE_VAL, .greatest = -HUGE_VAL};
    for (size_t i = 0; i < n; i++) {
        const float single = x[i] * factor;
        const double v = (double)single;
        uint32_t bits;
        if (!isfinite(single)) {
            h->other++;
            continue;
        }
        memcpy(&bits, &single, sizeof bits);
        h->least = fmin(h->least, v);
        h->greatest = fmax(h->greatest, v);
        h->sum += v;
        h->squares += v * v;
        h->count++;
        const int k = (int)((bits & 0x7FFFFFFFu) >> 22) - LOW;
        if (k < 0)
            h->middle++;
        else
            (v < 0 ? h->below : h->above)[k < BUCKETS ? k : BUCKETS - 1]++;
    }
}

/* A bucket's upper end and count; empty ones in a row are one, at the ends none. */
typedef struct bucket {
    double limit;
    size_t count;
} bucket;

static size_t add_bucket(bucket *list, size_t n, double limit, size_t count) {
    if (!n && !count)
        return 0;
    if (n && !count && !list[n - 1].count)
        n--;
    list[n++] = (bucket){limit, count};
    return n;
}

static size_t buckets_of(bucket list[2 * BUCKETS + 1], const histogram *h) {
    size_t n = 0;
    for (int i = BUCKETS; i-- > 0;)
        n = add_bucket(list, n, -edge(i), h->below[i]);
    n = add_bucket(list, n, edge(0), h->middle);
    for (int i = 0; i < BUCKETS; i++)
        n = add_bucket(list, n, edge(i + 1), h->above[i]);
    return n && !list[n - 1].count ? n - 1 : n;
}

static bcl_status add_histogram(bcl_string *out, const char *name, const histogram *h) {
    bcl_status status = BCL_OK;
    bucket list[2 * BUCKETS + 1];
    const size_t n = buckets_of(list, h);
    BCL_TRY(bcl_string_addf(out,
                            "\"%s\": {\"count\": %zu, \"least\": %.9g, \"greatest\": %.9g, "
                            "\"sum\": %.17g, \"squares\": %.17g, \"not_finite\": %zu, "
                            "\"limits\": [",
                            name, h->count, h->count ? h->least : 0, h->count ? h->greatest : 0,
                            h->sum, h->squares, h->other));
    for (size_t i = 0; i < n; i++)
        BCL_TRY(bcl_string_addf(out, "%s%.9g", i ? ", " : "", list[i].limit));
    BCL_TRY(bcl_string_addf(out, "], \"counts\": ["));
    for (size_t i = 0; i < n; i++)
        BCL_TRY(bcl_string_addf(out, "%s%zu", i ? ", " : "", list[i].count));
    BCL_TRY(bcl_string_addf(out, "]}"));
out:
    return status;
}

/* The bytes of the whole lines up to `step`. */
static bcl_status find_end(size_t *end, const char *path, int64_t step) {
    bcl_status status = BCL_OK;
    bcl_map map = {0};
    const char *at, *stop, *line_end;
    *end = 0;
    BCL_TRY(bcl_map_open(&map, path));
    at = (const char *)map.data;
    stop = at + map.size;
    for (; at < stop && (line_end = memchr(at, '\n', (size_t)(stop - at))); at = line_end + 1) {
        long long of_line;
        char head[40];
        snprintf(head, sizeof head, "%.*s", (int)fmin(39, (double)(line_end - at)), at);
        if (sscanf(head, "{\"step\": %lld", &of_line) != 1 || of_line > step)
            break;
        *end += (size_t)(line_end + 1 - at);
    }
out:
    bcl_map_close(&map);
    return status;
}

bcl_status bcl_histograms_open(bcl_histograms **out, const char *folder, const bcl_layout *layout,
                               int64_t step) {
    bcl_status status = BCL_OK;
    bcl_histograms *h = NULL;
    size_t end = 0, most = 1;
    *out = NULL;
    BCL_NEW(h, 1);
    BCL_TRY(bcl_path_join(&h->path, folder, "histograms.jsonl"));
    for (int i = 0; i < layout->named_count; i++)
        most = bcl_named_elements(&layout->named[i]) > most ? bcl_named_elements(&layout->named[i])
                                                            : most;
    BCL_NEW(h->values, most);
    if (step && bcl_path_exists(h->path))
        BCL_TRY(find_end(&end, h->path, step));
    if (!(h->file = fopen(h->path, end ? "r+b" : "wb")) || ftruncate(fileno(h->file), (off_t)end) ||
        fseek(h->file, 0, SEEK_END)) {
        status = bcl_fail_errno("%s: cannot open", h->path);
        goto out;
    }
    *out = h;
    h = NULL;
out:
    bcl_histograms_close(h);
    return status;
}

bcl_status bcl_histograms_add(bcl_histograms *h, bcl_model *model, int64_t step, double scale) {
    bcl_status status = BCL_OK;
    const bcl_layout *layout = bcl_model_layout(model);
    histogram *count = NULL;
    bool any = false;
    BCL_NEW(count, 1);
    BCL_TRY(bcl_device_finish(bcl_model_device(model)));
    h->line.size = 0;
    BCL_TRY(bcl_string_addf(&h->line, "{\"step\": %lld, \"gradients\": {", (long long)step));
    for (int i = 0; i < layout->named_count; i++) {
        const bcl_named *named = &layout->named[i];
        if (!bcl_model_trains(model, named))
            continue;
        BCL_TRY(bcl_model_read(model, named, true, h->values));
        count_values(count, h->values, bcl_named_elements(named), (float)(1 / scale));
        BCL_TRY(any ? bcl_string_add(&h->line, ", ", 2) : BCL_OK);
        BCL_TRY(add_histogram(&h->line, named->name, count));
        any = true;
    }
    BCL_TRY(bcl_string_addf(&h->line, "}}\n"));
    if (fwrite(h->line.data, 1, h->line.size, h->file) != h->line.size || fflush(h->file))
        status = bcl_fail_errno("%s: cannot write", h->path);
out:
    free(count);
    return status;
}

void bcl_histograms_close(bcl_histograms *h) {
    if (!h)
        return;
    if (h->file)
        fclose(h->file);
    bcl_string_free(&h->line);
    free(h->values);
    free(h->path);
    free(h);
}
