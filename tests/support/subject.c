#include "support/subject.h"

#include "model/internal.h"

const uint32_t SUBJECT_ALL[SUBJECT_SENTENCES] = {0, 1, 2, 3, 4};
const bcl_dropout_state SUBJECT_NOISE = {0.1f, 0.2f, 0.3f, 99, 7};
const int SUBJECT_LENGTHS[SUBJECT_SENTENCES] = {1, 9, 17, 3, 30};

void subject_load(subject *s, const char *folder, const bool *used) {
    bcl_load_report report;
    OK(bcl_model_load(&s->model, test_device, &s->config, folder,
                      s->precision == BCL_PRECISION_BF16 ? "tile-bf16"
                      : test_small                       ? "reference"
                                                         : NULL,
                      s->precision, false, 0, &report));
    bcl_load_report_free(&report);
    OK(bcl_model_train_begin(s->model, used));
    OK(bcl_model_reserve(s->model, &(bcl_capacity){64, SUBJECT_SENTENCES, true, true, false}));
}

void subject_begin_in(subject *s, bcl_precision precision, const bool *used) {
    memset(s, 0, sizeof *s);
    s->precision = precision;
    s->folder = test_folder();
    OK(tiny_model_write(s->folder, &TINY));
    OK(bcl_config_read(&s->config, s->folder));
    subject_load(s, s->folder, used);
    for (int b = 0, t = 0; b < SUBJECT_SENTENCES; b++) {
        s->samples[b] =
            (bcl_sample){s->ids + t, s->labels + t, SUBJECT_LENGTHS[b], (uint32_t)(50 + 3 * b)};
        for (int i = 0; i < SUBJECT_LENGTHS[b]; i++, t++) {
            s->ids[t] = (int32_t)(bcl_mix64((uint64_t)t) % 40); /* the others never occur */
            s->labels[t] = t % 4 ? (int32_t)(bcl_mix64(~(uint64_t)t) % 5) : -100;
            s->labelled += s->labels[t] >= 0;
        }
        s->T = t;
    }
}

void subject_begin(subject *s, const bool *used) {
    subject_begin_in(s, BCL_PRECISION_FP32, used);
}

void subject_end(subject *s) {
    bcl_model_free(s->model);
    bcl_config_free(&s->config);
    free(s->folder);
}

void subject_pass(subject *s, const uint32_t *which, int count, const bcl_dropout_state *dropout,
                  int64_t step, bool accumulate, float *logits) {
    bcl_batch batch;
    float row_loss[64];
    int32_t predicted[64];
    cl_event event;
    OK(bcl_batch_create(&batch, 64, SUBJECT_SENTENCES));
    OK(bcl_batch_pack(&batch, s->samples, which, count, bcl_model_slots(s->model)));
    OK(bcl_model_forward(s->model, &batch, dropout));
    OK(bcl_model_loss(s->model, 1.0f / (float)s->labelled, true, accumulate));
    OK(bcl_model_backward(s->model, dropout, step, accumulate));
    OK(bcl_model_read_output(s->model, row_loss, predicted, logits, &event));
    clWaitForEvents(1, &event);
    clReleaseEvent(event);
    OK(bcl_device_finish(test_device));
    s->loss = 0;
    for (int t = 0; t < batch.T; t++)
        s->loss += row_loss[t] / s->labelled;
    bcl_batch_free(&batch);
}

size_t subject_elements(const bcl_named *n) {
    return (size_t)n->shape[0] * (n->rank == 2 ? (size_t)n->shape[1] : 1);
}

void subject_steps(subject *s, int count) {
    static const bcl_adam adam = {1e-2, 0.9, 0.999, 1e-8, 0, false, 1, 0, 0};
    for (int i = 0; i < count; i++) {
        const uint32_t which[2] = {(uint32_t)(i % SUBJECT_SENTENCES),
                                   (uint32_t)((i + 2) % SUBJECT_SENTENCES)};
        float logits[64 * 5];
        subject_pass(s, which, 2, &SUBJECT_NOISE, i, false, logits);
        OK(bcl_model_update(s->model, &adam, i));
    }
    OK(bcl_device_finish(test_device));
}

void subject_same_weights(bcl_model *a, bcl_model *b) {
    const bcl_layout *layout = bcl_model_layout(a);
    for (int i = 0; i < layout->named_count; i++) {
        const size_t n = subject_elements(&layout->named[i]);
        float *x = random_floats(n, 0, 1), *y = random_floats(n, 1, 1);
        OK(bcl_model_read(a, &layout->named[i], false, x));
        OK(bcl_model_read(b, &layout->named[i], false, y));
        assert_memory_equal(x, y, n * sizeof *x);
        free(x);
        free(y);
    }
}

float *subject_infer(const subject *s) {
    bcl_batch batch;
    cl_event event;
    float *logits = calloc((size_t)s->T * (size_t)s->config.labels, sizeof *logits);
    assert_non_null(logits);
    OK(bcl_batch_create(&batch, 64, SUBJECT_SENTENCES));
    OK(bcl_batch_pack(&batch, s->samples, SUBJECT_ALL, SUBJECT_SENTENCES, NULL));
    OK(bcl_model_forward(s->model, &batch, NULL));
    OK(bcl_model_read_logits(s->model, logits, &event));
    OK(bcl_event_finish(&event));
    bcl_batch_free(&batch);
    return logits;
}
