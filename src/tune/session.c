/* What both processes of the tuner know: the shapes, and how far the candidates are. */
#include "tune/internal.h"

#include <math.h>

static const double LAST_BUDGETS = 3; /* more than the budget, for the first candidate alone */

/* The matrix products of training: forward, backward to the input, backward to the weights, of each
 * linear layer of a BERT layer. A layer's dX stands before its dW. */
static void add_layer(bcl_tune_session *s, const bcl_tune_layer *layer, int T) {
    const int C = layer->hidden, F = layer->intermediate;
    const int linears[4][2] = {{C, 3 * C}, {C, C}, {C, F}, {F, C}}; /* in, out */
    for (int i = 0; i < 4; i++) {
        const int in = linears[i][0], out = linears[i][1], group = s->group_count;
        s->shapes[s->shape_count++] = (bcl_tune_shape){BCL_GEMM_NN, T, out, in, group};
        s->shapes[s->shape_count++] = (bcl_tune_shape){BCL_GEMM_NT, T, in, out, group};
        s->shapes[s->shape_count++] = (bcl_tune_shape){BCL_GEMM_TN, in, out, T, group};
    }
    s->group_count++;
}

bcl_status bcl_tune_session_open(bcl_tune_session *s, const bcl_device_info *about,
                                 const bcl_tune_options *o) {
    bcl_status status = BCL_OK;
    *s = (bcl_tune_session){.about = about, .options = o, .current = -1};
    if (o->layer_count < 1 || o->layer_count > BCL_TUNE_LAYERS || o->length_count < 1 ||
        o->length_count > BCL_TUNE_LENGTHS)
        BCL_FAIL(BCL_ERROR_ARGUMENT,
                 "tuning: found %zu layers and %zu lengths, expected 1 to %d, %d", o->layer_count,
                 o->length_count, BCL_TUNE_LAYERS, BCL_TUNE_LENGTHS);
    for (size_t t = 0; t < o->length_count; t++)
        for (size_t l = 0; l < o->layer_count; l++)
            add_layer(s, &o->layers[l], o->lengths[t]);
    if (o->seconds > 0) {
        s->deadline = bcl_seconds() + o->seconds;
        s->last_deadline = s->deadline + LAST_BUDGETS * o->seconds;
    }
    BCL_NEW(s->candidates, BCL_TUNE_CANDIDATES);
out:
    return status;
}

double bcl_tune_seconds_left(const bcl_tune_session *s) {
    double end = s->deadline > 0 ? s->last_deadline : HUGE_VAL;
    for (int c = 0; s->deadline > 0 && c < s->candidate_count; c++)
        if (s->candidates[c].state == BCL_TUNE_RIGHT)
            end = s->deadline;
    return end - bcl_seconds();
}

double bcl_tune_gflops(const bcl_tune_session *s, const bcl_tune_candidate *c) {
    double sum = 0;
    int groups = 0;
    for (int g = 0; g < s->group_count; g++) {
        double operations = 0, seconds = 0;
        for (int i = 0; i < s->shape_count; i++)
            if (s->shapes[i].group == g && c->seconds[i] > 0) {
                operations += 2.0 * s->shapes[i].M * s->shapes[i].N * s->shapes[i].K;
                seconds += c->seconds[i];
            }
        if (seconds > 0) {
            sum += log(operations / seconds * 1e-9);
            groups++;
        }
    }
    return groups ? exp(sum / groups) : 0;
}

bool bcl_tune_has_attention(const bcl_tune_candidate *c) {
    const size_t n = strlen(c->name), end = sizeof BCL_GEMM_ATTENTION - 1;
    return n > end && !strcmp(c->name + n - end, BCL_GEMM_ATTENTION);
}

void bcl_tune_apply(bcl_tune_session *s, const bcl_tune_message *m) {
    bcl_tune_candidate *c = &s->candidates[m->candidate];
    switch (m->kind) {
    case BCL_TUNE_LISTED:
        c = &s->candidates[s->candidate_count++];
        snprintf(c->name, sizeof c->name, "%s", m->text);
        c->precision = (bcl_precision)m->state;
        break;
    case BCL_TUNE_BEGIN:
        s->listed = true;
        break;
    case BCL_TUNE_TRYING:
        s->current = m->candidate;
        break;
    case BCL_TUNE_NAMED:
        snprintf(c->name, sizeof c->name, "%s", m->text);
        break;
    case BCL_TUNE_TIMED:
        if (!(c->seconds[m->shape] > 0) || m->value < c->seconds[m->shape])
            c->seconds[m->shape] = m->value;
        break;
    case BCL_TUNE_STATE:
        c->state = (bcl_tune_state)m->state;
        c->error = m->value;
        snprintf(c->reason, sizeof c->reason, "%.200s", m->text);
        break;
    case BCL_TUNE_BROKEN:
        snprintf(s->broken, sizeof s->broken, "%s", m->text);
        break;
    case BCL_TUNE_ENDED:
        s->ended = true;
        break;
    }
}
