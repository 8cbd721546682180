/* Which parameters get which rate and decay: ranges of the arena. */
#include "model/internal.h"

#include <math.h>

/* The encoder layer of a parameter; -1: of the embeddings, L: of the classifier. */
static int layer_of(const bcl_layout *l, int parameter, int L) {
    return parameter < BCL_FIRST_LAYER ? -1
           : parameter < l->classifier ? (parameter - BCL_FIRST_LAYER) / BCL_LAYER_PARAMETERS
                                       : L;
}

static double rate_of(const bcl_update_rules *r, int layer, int L) {
    return layer == L ? r->head_rate : pow(r->layer_decay, L - layer);
}

bool bcl_model_trains(const bcl_model *m, const bcl_named *n) {
    return m->frozen < 0 || (n->parameter != BCL_WORDS &&
                             layer_of(&m->layout, n->parameter, m->config.layers) >= m->frozen);
}

bcl_status bcl_model_set_rules(bcl_model *m, const bcl_update_rules *r) {
    bcl_status status = BCL_OK;
    const bcl_layout *l = &m->layout;
    const int L = m->config.layers;
    bcl_adam_range *ranges = NULL;
    int n = 0;
    BCL_NEW(ranges, (size_t)l->parameter_count);
    for (int i = 0; i < l->parameter_count; i++) {
        const bcl_parameter *p = &l->parameters[i];
        const int layer = layer_of(l, i, L);
        const double rate = rate_of(r, layer, L);
        const bool decays = r->decay_all || p->value == BCL_NEW_RANDOM; /* else bias, LayerNorm */
        if (r->frozen >= 0 && layer < r->frozen)
            continue;
        if (n && ranges[n - 1].rate == rate && ranges[n - 1].decays == decays)
            continue;
        if (n)
            ranges[n - 1].end = p->offset;
        ranges[n++] = (bcl_adam_range){p->offset, l->dense, rate, decays};
    }
    free(m->ranges);
    m->ranges = ranges;
    m->row_rate = r->frozen >= 0 ? 0 : rate_of(r, -1, L);
    m->frozen = r->frozen;
    /* nothing that differs: the plain way, which reads the gradients once */
    m->range_count = n == 1 && !ranges[0].begin && ranges[0].rate == 1 && ranges[0].decays ? 0 : n;
    ranges = NULL;
out:
    free(ranges);
    return status;
}
