/* A sentence that every process of a group computes alike, so that a device which computes wrong
 * numbers is found before they are in a checkpoint. */
#include "train/train.h"

bcl_status bcl_audit_create(bcl_audit **out, const bcl_train_plan *plan, bool rounds) {
    bcl_status status = BCL_OK;
    bcl_audit *a = NULL;
    BCL_NEW(a, 1);
    BCL_TRY(bcl_batch_create(&a->batch, plan->tokens, 1));
    a->limit = rounds ? 0.2 : 0.02;
    *out = a;
    a = NULL;
out:
    bcl_audit_free(a);
    return status;
}

void bcl_audit_free(bcl_audit *a) {
    if (a)
        bcl_batch_free(&a->batch);
    free(a);
}

/* A sentence with a label, from a place that the step chooses; its labels' number. */
static size_t choose(uint32_t *which, const bcl_dataset *data, int64_t step) {
    for (size_t k = 0; k < data->count; k++) {
        const size_t i = ((size_t)step * 7919 + k) % data->count;
        const bcl_sample *s = &data->samples[i];
        size_t labelled = 0;
        for (int t = 0; t < s->length; t++)
            labelled += s->labels[t] >= 0;
        *which = (uint32_t)i;
        if (labelled)
            return labelled;
    }
    return 0;
}

bcl_status bcl_audit_run(bcl_audit *a, bcl_model *model, const bcl_dataset *data,
                         const bcl_dropout_state *dropout, int64_t step,
                         const bcl_train_group *group) {
    bcl_status status = BCL_OK;
    uint32_t which;
    float stats[2];
    const size_t labelled = choose(&which, data, step);
    const int64_t no_step = INT32_MAX; /* whose word gradients are nobody's */
    if (!labelled)
        return BCL_OK;
    BCL_TRY(bcl_batch_pack(&a->batch, data->samples, &which, 1, bcl_model_slots(model)));
    BCL_TRY(bcl_model_forward(model, &a->batch, dropout));
    bcl_model_exchange_open(model);
    BCL_TRY(bcl_model_loss(model, (float)(1.0 / (double)labelled), true, false));
    BCL_TRY(bcl_model_backward(model, dropout, no_step, false));
    BCL_TRY(bcl_model_exchange_take(model, NULL, 0, no_step));
    BCL_TRY(bcl_model_exchange_stats(model, stats, false));
    BCL_TRY(group->audit(group->context, model, (double)stats[0] / (double)labelled, a->limit));
    BCL_TRY(bcl_model_exchange_give_back(model, no_step));
out:
    return status;
}
