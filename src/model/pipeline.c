/* The slots and their events. */
#include "model/pipeline.h"

struct bcl_pipeline {
    bcl_model *model;
    bcl_pipeline_options options;
    bcl_slot slots[BCL_PIPELINE_SLOTS];
    cl_event events[BCL_PIPELINE_SLOTS]; /* set while the slot is on its way */
    size_t next;
};

bcl_status bcl_pipeline_create(bcl_pipeline **out, bcl_model *model,
                               const bcl_pipeline_options *options) {
    bcl_status status = BCL_OK;
    bcl_pipeline *p = NULL;
    const size_t tokens = (size_t)options->tokens;
    BCL_NEW(p, 1);
    p->model = model;
    p->options = *options;
    for (size_t i = 0; i < BCL_PIPELINE_SLOTS; i++) {
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

void bcl_pipeline_free(bcl_pipeline *p) {
    if (!p)
        return;
    (void)bcl_device_finish(bcl_model_device(p->model));
    for (size_t i = 0; i < BCL_PIPELINE_SLOTS; i++) {
        bcl_slot *s = &p->slots[i];
        (void)bcl_event_finish(&p->events[i]);
        bcl_batch_free(&s->batch);
        free(s->row_loss);
        free(s->predicted);
        free(s->logits);
    }
    free(p);
}

static bcl_status collect(bcl_pipeline *p, size_t i) {
    bcl_status status = BCL_OK;
    if (!p->events[i])
        return BCL_OK;
    BCL_TRY(bcl_event_finish(&p->events[i]));
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
    p->next = (p->next + 1) % BCL_PIPELINE_SLOTS;
out:
    return status;
}

bcl_status bcl_pipeline_drain(bcl_pipeline *p) {
    bcl_status status = BCL_OK;
    for (size_t i = 0; i < BCL_PIPELINE_SLOTS; i++)
        BCL_TRY(collect(p, (p->next + i) % BCL_PIPELINE_SLOTS));
out:
    return status;
}
