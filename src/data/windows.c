/* Where windows lie, and a data set cut into them. */
#include "data/windows.h"

/* ---- one sequence ---- */

bcl_status bcl_window_stride(size_t *out, size_t wanted, size_t max_length) {
    const size_t room = max_length - 2;
    if (wanted >= room)
        return bcl_fail(BCL_ERROR_ARGUMENT,
                        "stride: found %zu, expected less than the %zu pieces of a window", wanted,
                        room);
    *out = wanted ? wanted : room / 4;
    return BCL_OK;
}

size_t bcl_window_count(size_t n, size_t room, size_t stride) {
    const size_t step = room - stride;
    return !n ? 0 : n <= room ? 1 : 1 + (n - room + step - 1) / step;
}

/* The border between two windows is in the middle of what they share. */
bool bcl_window_next(bcl_window *w, size_t n, size_t room, size_t stride) {
    const size_t step = room - stride, last = n > room ? n - room : 0;
    if (w->end == n)
        return false;
    const size_t begin = !w->end ? 0 : w->begin + step < last ? w->begin + step : last;
    const size_t end = begin + room < n ? begin + room : n;
    const size_t next = begin + step < last ? begin + step : last;
    *w = (bcl_window){begin, end, w->hi, end == n ? n : (end - 1 + next) / 2 + 1};
    return true;
}

/* ---- a data set ---- */

static bool fits(const bcl_sample *s, size_t max_length) {
    return !max_length || (size_t)s->length <= max_length;
}

static void measure(bcl_dataset *out, size_t *cut_pieces, const bcl_dataset *whole,
                    size_t max_length, size_t stride) {
    *out = (bcl_dataset){.labelled = whole->labelled,
                         .words_cut = whole->words_cut,
                         .sentences_cut = whole->sentences_cut,
                         .words = whole->words,
                         .words_without_piece = whole->words_without_piece,
                         .words_unknown = whole->words_unknown};
    *cut_pieces = 0;
    for (size_t i = 0; i < whole->count; i++) {
        const bcl_sample *s = &whole->samples[i];
        if (fits(s, max_length)) {
            out->count++;
            out->pieces += (size_t)s->length;
            out->longest = s->length > out->longest ? s->length : out->longest;
            continue;
        }
        const size_t n = bcl_window_count((size_t)s->length - 2, max_length - 2, stride);
        out->count += n;
        out->longest = (int)max_length;
        *cut_pieces += n * max_length;
    }
    out->pieces += *cut_pieces;
}

/* ids and labels (length of the window each) of a window, and its part. */
static void fill(bcl_part *part, int32_t *ids, int32_t *labels, const bcl_sample *s,
                 const bcl_window *w) {
    const size_t length = w->end - w->begin + 2, n = (size_t)s->length - 2;
    ids[0] = s->ids[0];
    memcpy(ids + 1, s->ids + 1 + w->begin, (w->end - w->begin) * sizeof *ids);
    ids[length - 1] = s->ids[s->length - 1];
    part->first = w->lo ? (int)(1 + w->lo - w->begin) : 0;
    part->last = w->hi < n ? (int)(1 + w->hi - w->begin) : (int)length;
    part->at = w->lo ? (int)(1 + w->lo) : 0;
    for (int k = 0; k < (int)length; k++)
        labels[k] =
            k < part->first || k >= part->last ? -100 : s->labels[part->at + k - part->first];
}

bcl_status bcl_windows_create(bcl_windows *out, const bcl_dataset *whole, size_t max_length,
                              size_t stride) {
    bcl_status status = BCL_OK;
    size_t cut_pieces, k = 0;
    *out = (bcl_windows){0};
    measure(&out->data, &cut_pieces, whole, max_length, stride);
    BCL_NEW(out->data.samples, out->data.count);
    BCL_NEW(out->data.storage, 2 * cut_pieces);
    BCL_NEW(out->parts, out->data.count);
    int32_t *storage = out->data.storage;
    for (size_t i = 0; i < whole->count; i++) {
        const bcl_sample *s = &whole->samples[i];
        bcl_window w = {0};
        if (fits(s, max_length)) {
            out->parts[k] = (bcl_part){.sentence = i, .last = s->length};
            out->data.samples[k] = *s;
            out->data.samples[k].number = (uint32_t)k;
            k++;
            continue;
        }
        out->sentences_windowed++;
        while (bcl_window_next(&w, (size_t)s->length - 2, max_length - 2, stride)) {
            out->parts[k].sentence = i;
            fill(&out->parts[k], storage, storage + max_length, s, &w);
            out->data.samples[k] =
                (bcl_sample){storage, storage + max_length, (int)max_length, (uint32_t)k};
            storage += 2 * max_length;
            k++;
        }
    }
out:
    if (status)
        bcl_windows_free(out);
    return status;
}

void bcl_windows_free(bcl_windows *windows) {
    bcl_dataset_free(&windows->data);
    free(windows->parts);
    *windows = (bcl_windows){0};
}
