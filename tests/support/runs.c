#include "support/runs.h"

char *run_home, *run_model, *run_data;

void run_listen(void *context, const bcl_run_event *e) {
    run_heard *h = context;
    const size_t n = strlen(h->messages);
    h->count[e->kind]++;
    if (e->kind == BCL_RUN_MESSAGE)
        snprintf(h->messages + n, sizeof h->messages - n, "%s\n", e->text);
    if (e->kind == BCL_RUN_RESUMED)
        h->resumed = e->step;
    if (e->kind == BCL_RUN_EVALUATED) {
        h->loss = e->loss;
        h->accuracy = e->accuracy;
        h->macro_f1 = e->macro_f1;
        h->entity_f1 = e->entity_f1;
    }
    if (e->kind == BCL_RUN_EVALUATING && h->stop_evaluating)
        bcl_run_stop(h->run);
    if (e->kind != BCL_RUN_STEP)
        return;
    assert_true(e->step > h->last_step && e->step <= e->steps);
    if (!h->last_step)
        h->first_loss = e->loss;
    h->last_step = e->step;
    h->last_loss = e->loss;
    if (h->run && !h->stop_evaluating && e->step == h->stop_at)
        bcl_run_stop(h->run);
}

bcl_run_options run_options(const char *out, run_heard *heard) {
    static const char *paths[1];
    bcl_run_options o;
    bcl_run_options_init(&o);
    paths[0] = run_data;
    o.model = run_model;
    o.data = (bcl_texts){paths, 1};
    o.out = out;
    o.device = getenv("BERTCL_DEVICE");
    o.batch = 4;
    o.epochs = 2;
    o.lr = 1e-3;
    o.seed = 3;
    o.listener = heard ? run_listen : NULL;
    o.context = heard;
    return o;
}

char *run_path(const char *folder, const char *name) {
    char *path = NULL;
    OK(bcl_path_join(&path, folder, name));
    return path;
}

void run_same_file(const char *a, const char *b, const char *name) {
    char *pa = run_path(a, name), *pb = run_path(b, name), *x = NULL, *y = NULL;
    size_t n, m;
    OK(bcl_file_read(&x, &n, pa));
    OK(bcl_file_read(&y, &m, pb));
    assert_int_equal(n, m);
    assert_memory_equal(x, y, n);
    free(x);
    free(y);
    free(pa);
    free(pb);
}

static void make_inputs(void) {
    bcl_string s = {0};
    run_home = test_folder();
    run_model = run_path(run_home, "model");
    run_data = run_path(run_home, "data.conll");
    OK(bcl_directory_create(run_model));
    OK(tiny_model_write(run_model, &TINY));
    for (int i = 0; i < 60; i++)
        OK(bcl_string_addf(&s, "ab%d\tO\nx%c\tI-LOC\nc\tO\n\n", i % 7, 'a' + i % 5));
    OK(bcl_file_write(run_data, s.data, s.size));
    bcl_string_free(&s);
}

static bcl_session *held; /* the driver, once loaded, stays loaded for all tests */

bool run_begin(void) {
    make_inputs();
    const bcl_session_options probe = {.model = run_model, .device = getenv("BERTCL_DEVICE")};
    const bcl_status status = bcl_session_open(&held, &probe);
    if (status == BCL_ERROR_NO_DEVICE)
        printf("skipped: %s\n", bcl_message());
    else
        OK(status);
    return !status;
}

int run_end(int failed) {
    bcl_session_free(held);
    free(run_model);
    free(run_data);
    free(run_home);
    return failed;
}
