/* The slots and their events. */
#include "model/pipeline.h"

#include <math.h>

struct bcl_pipeline {
    bcl_model *model;         /* NULL: */
    const bcl_remote *remote; /* there */
    bcl_pipeline_options options;
    size_t slot_count;
    bcl_slot *slots;  /* (slot_count) */
    cl_event *events; /* (slot_count) set while the slot is on its way in the model */
    bool *sent;       /* (slot_count) likewise, to the remote */
    size_t next;
};

static bcl_status create(bcl_pipeline **out, bcl_model *model, const bcl_remote *remote,
                         const bcl_pipeline_options *options) {
    bcl_status status = BCL_OK;
    bcl_pipeline *p = NULL;
    const size_t tokens = (size_t)options->tokens;
    BCL_NEW(p, 1);
    p->model = model;
    p->remote = remote;
    p->options = *options;
    p->slot_count = remote ? remote->slots : BCL_PIPELINE_SLOTS;
    BCL_NEW(p->slots, p->slot_count);
    BCL_NEW(p->events, p->slot_count);
    BCL_NEW(p->sent, p->slot_count);
    if (remote)
        BCL_TRY(remote->prepare(remote->context, options));
    for (size_t i = 0; i < p->slot_count; i++) {
        bcl_slot *s = &p->slots[i];
        s->index = i;
        if (!tokens)
            continue;
        BCL_TRY(bcl_batch_create(&s->batch, options->tokens, options->sentences));
        if (options->outputs & BCL_OUTPUT_LABELS) {
            BCL_NEW(s->row_loss, tokens);
            BCL_NEW(s->predicted, tokens);
        }
        if (options->outputs & BCL_OUTPUT_LOGITS)
            BCL_NEW(s->logits, tokens * (size_t)options->labels);
    }
    *out = p;
    p = NULL;
out:
    bcl_pipeline_free(p);
    return status;
}

bcl_status bcl_pipeline_create(bcl_pipeline **out, bcl_model *model,
                               const bcl_pipeline_options *options) {
    return create(out, model, NULL, options);
}

bcl_status bcl_pipeline_create_remote(bcl_pipeline **out, const bcl_remote *remote,
                                      const bcl_pipeline_options *options) {
    return create(out, NULL, remote, options);
}

size_t bcl_pipeline_slots(const bcl_pipeline *p) {
    return p->slot_count;
}

void bcl_pipeline_free(bcl_pipeline *p) {
    if (!p)
        return;
    if (p->remote)
        p->remote->forget(p->remote->context);
    else
        (void)bcl_device_finish(bcl_model_device(p->model));
    for (size_t i = 0; p->slots && i < p->slot_count; i++) {
        bcl_slot *s = &p->slots[i];
        if (p->events)
            (void)bcl_event_finish(&p->events[i]);
        bcl_batch_free(&s->batch);
        free(s->row_loss);
        free(s->predicted);
        free(s->logits);
    }
    free(p->slots);
    free(p->events);
    free(p->sent);
    free(p);
}

/* A rounded loss may lie below 0 by this. */
static const float BELOW_ZERO = 1e-3F;

/* What no logits have, whatever the model: so much of a device that errs is seen at once. Values
 * that are not finite are the caller's to judge. */
static bcl_status check_labels(const bcl_pipeline *p, const bcl_slot *s) {
    const int K = p->options.labels;
    for (int t = 0; t < s->batch.T; t++) {
        const float loss = s->row_loss[t];
        const int32_t label = s->predicted[t];
        if (!isfinite(loss) || (label >= 0 && label < K && loss > -BELOW_ZERO))
            continue;
        return bcl_fail(BCL_ERROR_DEVICE,
                        "the device computes wrong numbers: a token's label is %d (0 to %d are "
                        "possible) and its loss %g; 'bertcl bench verify' looks further",
                        label, K - 1, (double)loss);
    }
    return BCL_OK;
}

static bcl_status collect(bcl_pipeline *p, size_t i) {
    bcl_status status = BCL_OK;
    if (!p->events[i] && !p->sent[i])
        return BCL_OK;
    if (p->remote)
        BCL_TRY(p->remote->finish(p->remote->context, &p->slots[i]));
    else
        BCL_TRY(bcl_event_await(bcl_model_device(p->model), &p->events[i]));
    p->sent[i] = false;
    if (p->slots[i].predicted)
        BCL_TRY(check_labels(p, &p->slots[i]));
    BCL_TRY(p->options.collect(p->options.context, &p->slots[i]));
out:
    return status;
}

bcl_status bcl_pipeline_next(bcl_slot **out, bcl_pipeline *p) {
    *out = &p->slots[p->next];
    return collect(p, p->next);
}

bcl_status bcl_pipeline_send(bcl_pipeline *p) {
    bcl_status status = BCL_OK;
    bcl_slot *s = &p->slots[p->next];
    cl_event *event = &p->events[p->next];
    if (p->options.outputs & BCL_OUTPUT_STATS)
        BCL_TRY(bcl_model_read_stats(p->model, s->stats, event));
    else if (p->options.outputs & BCL_OUTPUT_LABELS)
        BCL_TRY(bcl_model_read_output(p->model, s->row_loss, s->predicted, s->logits, event));
    else
        BCL_TRY(bcl_model_read_logits(p->model, s->logits, event));
    p->next = (p->next + 1) % p->slot_count;
out:
    return status;
}

bcl_status bcl_pipeline_compute(bcl_pipeline *p) {
    bcl_status status = BCL_OK;
    bcl_slot *s = &p->slots[p->next];
    if (p->remote) {
        BCL_TRY(p->remote->begin(p->remote->context, s));
        p->sent[p->next] = true;
        p->next = (p->next + 1) % p->slot_count;
        goto out;
    }
    BCL_TRY(bcl_model_forward(p->model, &s->batch, NULL));
    if (p->options.outputs & BCL_OUTPUT_LABELS)
        BCL_TRY(bcl_model_loss(p->model, 0, false, false));
    BCL_TRY(bcl_pipeline_send(p));
out:
    return status;
}

bcl_status bcl_pipeline_find_overflow(char out[BCL_MODEL_PLACE], bcl_pipeline *p,
                                      const bcl_slot *slot) {
    if (p->model)
        return bcl_model_find_overflow(out, p->model, &slot->batch, NULL);
    snprintf(out, BCL_MODEL_PLACE, "%s", slot->place);
    return BCL_OK;
}

bcl_status bcl_pipeline_drain(bcl_pipeline *p) {
    bcl_status status = BCL_OK;
    for (size_t i = 0; i < p->slot_count; i++)
        BCL_TRY(collect(p, (p->next + i) % p->slot_count));
out:
    return status;
}
