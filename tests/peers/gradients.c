/* peer_gradients MODEL DATA OUT MAX-LENGTH SIZE...: forward, loss and backward without dropout over
 * the sentences of DATA in batches of the given sizes, accumulated; all gradients under their names
 * in OUT, a safetensors file. Prints the mean loss. For gradients.py.
 * peer_gradients --train MODEL DATA OUT MAX-LENGTH BATCH STEPS DROPOUT SEED LR: steps of Adam with
 * all dropout rates at DROPOUT over DATA's sentences in turn; each step's gradients in OUT-STEP,
 * its mean loss on a line. For dropout.py. peer_gradients --order SEED N EPOCHS: the sentences'
 * order in each epoch of bertcl train. */
#include "train/train.h"

static bcl_device *device;
static bcl_model *model;
static bcl_config config;
static bcl_tokenizer *tokenizer;
static bcl_corpus *corpus;
static bcl_dataset data;

static bcl_status load(const char *folder, const char *path, size_t max_length) {
    bcl_status status = BCL_OK;
    bcl_load_report report = {0};
    int32_t *ids = NULL;
    BCL_TRY(bcl_config_read(&config, folder));
    BCL_TRY(bcl_tokenizer_load(&tokenizer, folder));
    BCL_TRY(bcl_corpus_read(&corpus, &path, 1, NULL));
    BCL_NEW(ids, bcl_corpus_tag_count(corpus));
    BCL_TRY(bcl_corpus_label_ids(ids, corpus, (const char *const *)config.label_names,
                                 (size_t)config.labels));
    BCL_TRY(bcl_dataset_encode(&data, corpus, NULL, bcl_corpus_size(corpus), tokenizer, ids,
                               max_length, BCL_LABEL_ALL));
    BCL_TRY(bcl_device_open(&device, getenv("BERTCL_DEVICE"), false));
    BCL_TRY(bcl_model_load(&model, device, &config, folder, getenv("BERTCL_GEMM"),
                           BCL_PRECISION_FP32, false, 0, &report));
    BCL_TRY(bcl_model_train_begin(model, NULL));
    BCL_TRY(bcl_model_reserve(model, &(bcl_capacity){(int)data.pieces, (int)data.count, true, true,
                                                     getenv("BERTCL_RECOMPUTE") != NULL}));
out:
    free(ids);
    bcl_load_report_free(&report);
    return status;
}

static bcl_status read_stats(float *stats) {
    bcl_status status = BCL_OK;
    cl_event event = NULL;
    BCL_TRY(bcl_model_read_stats(model, stats, &event));
    BCL_TRY(bcl_event_finish(&event));
out:
    return status;
}

static bcl_status backward(int count, char **sizes) {
    bcl_status status = BCL_OK;
    bcl_batch batch = {0};
    uint32_t *which = NULL;
    float stats[4];
    size_t from = 0;
    BCL_NEW(which, data.count);
    for (size_t i = 0; i < data.count; i++)
        which[i] = (uint32_t)i;
    BCL_TRY(bcl_batch_create(&batch, (int)data.pieces, (int)data.count));
    for (int i = 0; i < count; i++) {
        const int n = atoi(sizes[i]);
        if (n <= 0 || from + (size_t)n > data.count)
            BCL_FAIL(BCL_ERROR_ARGUMENT, "sizes beyond %zu sentences", data.count);
        BCL_TRY(bcl_batch_pack(&batch, data.samples, which + from, n, bcl_model_slots(model)));
        BCL_TRY(bcl_model_forward(model, &batch, NULL));
        BCL_TRY(bcl_model_loss(model, (float)(1.0 / (double)data.labelled), true, i > 0));
        BCL_TRY(bcl_model_backward(model, NULL, 0, i > 0));
        BCL_TRY(bcl_device_finish(device)); /* the batch is packed anew */
        from += (size_t)n;
    }
    if (from != data.count)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "%zu of %zu sentences", from, data.count);
    BCL_TRY(read_stats(stats));
    printf("%.9g\n", (double)stats[0] / (double)data.labelled);
out:
    free(which);
    bcl_batch_free(&batch);
    return status;
}

static bcl_status write_gradients(const char *path) {
    bcl_status status = BCL_OK;
    const bcl_layout *layout = bcl_model_layout(model);
    bcl_tensor *tensors = NULL;
    float **values = NULL;
    BCL_NEW(tensors, (size_t)layout->named_count);
    BCL_NEW(values, (size_t)layout->named_count);
    for (int i = 0; i < layout->named_count; i++) {
        const bcl_named *n = &layout->named[i];
        bcl_tensor *t = &tensors[i];
        *t = (bcl_tensor){.name = n->name,
                          .dtype = BCL_F32,
                          .rank = n->rank,
                          .shape = {n->shape[0], n->rank == 2 ? n->shape[1] : 0}};
        t->bytes = bcl_tensor_elements(t) * sizeof(float);
        BCL_NEW(values[i], bcl_tensor_elements(t));
        BCL_TRY(bcl_model_read(model, n, true, values[i]));
        t->data = values[i];
    }
    BCL_TRY(bcl_safetensors_write(path, tensors, (size_t)layout->named_count, NULL, 0));
out:
    for (int i = 0; values && i < layout->named_count; i++)
        free(values[i]);
    free(values);
    free(tensors);
    return status;
}

/* As bertcl train's loop, without shuffling; steps are counted from 0. */
static bcl_status train(const char *out, int batch_size, int steps, float rate, uint64_t seed,
                        double lr) {
    bcl_status status = BCL_OK;
    bcl_batch batch = {0};
    uint32_t *which = NULL;
    const bcl_adam adam = {.lr = lr, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8};
    BCL_NEW(which, (size_t)batch_size);
    BCL_TRY(bcl_batch_create(&batch, (int)data.pieces, batch_size));
    for (int step = 0; step < steps; step++) {
        const bcl_dropout_state dropout = {rate, rate, rate, seed, step};
        char path[4096];
        float stats[4];
        for (int i = 0; i < batch_size; i++)
            which[i] = (uint32_t)(step * batch_size + i) % (uint32_t)data.count;
        BCL_TRY(bcl_batch_pack(&batch, data.samples, which, batch_size, bcl_model_slots(model)));
        const double labelled = batch.labelled;
        BCL_TRY(bcl_model_forward(model, &batch, &dropout));
        BCL_TRY(bcl_model_loss(model, (float)(1.0 / labelled), true, false));
        BCL_TRY(bcl_model_backward(model, &dropout, step, false));
        snprintf(path, sizeof path, "%s-%d", out, step);
        BCL_TRY(write_gradients(path));
        BCL_TRY(bcl_model_update(model, &adam, step));
        BCL_TRY(read_stats(stats));
        printf("%.9g\n", (double)stats[0] / labelled);
    }
out:
    free(which);
    bcl_batch_free(&batch);
    return status;
}

static bcl_status print_order(uint64_t seed, size_t n, int epochs) {
    bcl_status status = BCL_OK;
    uint32_t *order = NULL;
    BCL_NEW(order, n);
    for (int epoch = 0; epoch < epochs; epoch++) {
        bcl_train_order(order, n, seed, epoch);
        for (size_t i = 0; i < n; i++)
            printf("%u%c", order[i], i + 1 < n ? ' ' : '\n');
    }
out:
    free(order);
    return status;
}

int main(int argc, char **argv) {
    bcl_status status = BCL_OK;
    if (argc == 5 && !strcmp(argv[1], "--order")) {
        status =
            print_order(strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10), atoi(argv[4]));
    } else if (argc == 11 && !strcmp(argv[1], "--train")) {
        BCL_TRY(load(argv[2], argv[3], strtoull(argv[5], NULL, 10)));
        BCL_TRY(train(argv[4], atoi(argv[6]), atoi(argv[7]), strtof(argv[8], NULL),
                      strtoull(argv[9], NULL, 10), strtod(argv[10], NULL)));
    } else if (argc < 6) {
        return 2;
    } else {
        BCL_TRY(load(argv[1], argv[2], strtoull(argv[4], NULL, 10)));
        BCL_TRY(backward(argc - 5, argv + 5));
        BCL_TRY(write_gradients(argv[3]));
    }
out:
    if (status)
        fprintf(stderr, "%s\n", bcl_message());
    bcl_model_free(model);
    bcl_device_free(device);
    bcl_dataset_free(&data);
    bcl_corpus_free(corpus);
    bcl_tokenizer_free(tokenizer);
    bcl_config_free(&config);
    return status ? 1 : 0;
}
