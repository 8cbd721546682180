/* A tiny model on the device with a few sentences, as the tests of the whole model pass it. */
#ifndef BCL_TEST_SUBJECT_H
#define BCL_TEST_SUBJECT_H

#include "support/device.h"
#include "support/tiny_model.h"

enum { SUBJECT_SENTENCES = 5 };
extern const uint32_t SUBJECT_ALL[SUBJECT_SENTENCES];
extern const int SUBJECT_LENGTHS[SUBJECT_SENTENCES];
extern const bcl_dropout_state SUBJECT_NOISE;

typedef struct subject {
    char *folder;
    bcl_config config;
    bcl_model *model;
    bcl_sample samples[SUBJECT_SENTENCES];
    int32_t ids[64], labels[64];
    int labelled, T;
    bcl_precision precision;
    double loss; /* of the last pass, a labelled token */
} subject;

/* A model of TINY's shape and its sentences. used: the words with gradients, NULL: all. */
void subject_begin(subject *s, const bool *used);
void subject_begin_in(subject *s, bcl_precision precision, const bool *used);
void subject_end(subject *s);
/* The weights of a folder, ready to train. */
void subject_load(subject *s, const char *folder, const bool *used);
/* Forward, loss and backward of these sentences; logits (T,K) to the caller. */
void subject_pass(subject *s, const uint32_t *which, int count, const bcl_dropout_state *dropout,
                  int64_t step, bool accumulate, float *logits);
/* The logits (T,K) of a forward pass alone; the caller's to free. */
float *subject_infer(const subject *s);
/* Steps of training on two sentences each. */
void subject_steps(subject *s, int count);
/* Every weight is the same to the bit. */
void subject_same_weights(bcl_model *a, bcl_model *b);
size_t subject_elements(const bcl_named *named);

#endif
