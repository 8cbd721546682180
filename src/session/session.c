/* Opening: folder, configuration, tokenizer, device, weights, each exactly once. */
#include "session/session.h"

#include "data/dataset.h"
#include "model/pipeline.h"
#include "tune/tune.h"

#include <bertcl/hub.h>

#include <stdarg.h>

/* Sessions of one process may be opened and freed one after the other only, so a plain count. */
struct bcl_session_device_use {
    bcl_device *device;
    int users;
};

/* ---- telling ---- */

static void tell(const bcl_session *s, const bcl_session_event *event) {
    if (s->listener)
        s->listener(s->context, event);
}

__attribute__((format(printf, 3, 4))) static void
tell_line(const bcl_session *s, bcl_session_event_kind kind, const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    tell(s, &(bcl_session_event){.kind = kind, .text = text});
}

static void on_download(void *context, const char *file, uint64_t done, uint64_t size) {
    bcl_session *s = context;
    s->downloaded = true;
    tell(s, &(bcl_session_event){BCL_SESSION_DOWNLOAD, file, done, size});
}

static bcl_status find_folder(bcl_session *s, const char *model) {
    const bcl_status status = bcl_hub_find(&s->folder, model, on_download, s);
    if (s->downloaded)
        tell(s, &(bcl_session_event){.kind = BCL_SESSION_DOWNLOADED});
    if (!status && bcl_path_is_directory(model) && strcmp(model, s->folder))
        tell_line(s, BCL_SESSION_NOTE, "%s is a run: its model is %s", model, s->folder);
    return status;
}

static void on_tuning(void *context, const char *line) {
    tell(context, &(bcl_session_event){.kind = BCL_SESSION_TUNING, .text = line});
}

void bcl_session_listen(bcl_session *s, bcl_session_listener *listener, void *context) {
    s->listener = listener;
    s->context = context;
}

/* ---- the steps ---- */

bcl_status bcl_session_prepare(bcl_session **out, const bcl_session_options *o) {
    bcl_status status = BCL_OK;
    bcl_session *s = NULL;
    BCL_NEW(s, 1);
    s->tune = o->tune;
    s->profile = o->profile;
    bcl_session_listen(s, o->listener, o->context);
    if (o->precision)
        BCL_TRY(bcl_precision_find(&s->precision, o->precision));
    if (!o->model || !*o->model)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "model: found no name, expected a folder or ORG/NAME");
    if (o->device)
        BCL_TRY(bcl_strdup(&s->device_id, o->device));
    if (o->gemm)
        BCL_TRY(bcl_strdup(&s->gemm, o->gemm));
    if (o->beside) {
        s->use = o->beside->use;
        s->use->users++;
        s->device = s->use->device;
    }
    BCL_TRY(find_folder(s, o->model));
    BCL_TRY(bcl_model_folder_read(&s->config, &s->tokenizer, s->folder));
    *out = s;
    s = NULL;
out:
    bcl_session_free(s);
    return status;
}

bcl_status bcl_session_open_device(bcl_session *s) {
    bcl_status status = BCL_OK;
    if (s->use)
        return BCL_OK;
    if (s->tune && !s->gemm)
        bcl_tune_first_use(s->device_id, s->precision, on_tuning, s);
    BCL_NEW(s->use, 1);
    s->use->users = 1;
    BCL_TRY(bcl_device_open(&s->use->device, s->device_id, s->profile));
    s->device = s->use->device;
out:
    if (status) {
        free(s->use);
        s->use = NULL;
    }
    return status;
}

/* Labels of a model with a CRF are the likeliest path through its transitions, which nothing here
 * computes. */
static void warn_of_crf(bcl_session *s, const bcl_load_report *report) {
    for (size_t i = 0; i < report->unused_count; i++)
        if (strstr(report->unused[i], "crf.")) {
            tell_line(s, BCL_SESSION_NOTE,
                      "%s: %s is not used: the model's labels were chosen by a CRF, here each "
                      "piece's likeliest is taken; figures will differ from its author's",
                      s->folder, report->unused[i]);
            return;
        }
}

bcl_status bcl_session_load(bcl_session *s, bcl_session_purpose purpose, uint64_t seed) {
    bcl_status status = BCL_OK;
    bcl_load_report report = {0};
    if (purpose != BCL_SESSION_FOR_TRAINING)
        BCL_TRY(bcl_config_check_head(&s->config, s->folder));
    BCL_TRY(bcl_session_open_device(s));
    BCL_TRY(bcl_model_load(&s->model, s->device, &s->config, s->folder, s->gemm, s->precision,
                           purpose == BCL_SESSION_FOR_TRAINING, seed, &report));
    if (purpose == BCL_SESSION_FOR_INFERENCE)
        BCL_TRY(bcl_model_pack(s->model, true));
    memcpy(s->why_fp32, report.why_fp32, sizeof s->why_fp32);
    if (bcl_tokenizer_warning(s->tokenizer))
        tell_line(s, BCL_SESSION_NOTE, "%s: %s", s->folder, bcl_tokenizer_warning(s->tokenizer));
    if (purpose != BCL_SESSION_FOR_TRAINING)
        warn_of_crf(s, &report);
    if (s->why_fp32[0])
        tell_line(s, BCL_SESSION_PRECISION, "%s", s->why_fp32);
    tell_line(s, BCL_SESSION_DEVICE, "%s (%s), matrix products by %s in %s", bcl_session_device(s),
              bcl_session_device_name(s), bcl_session_gemm(s), bcl_session_precision(s));
    for (size_t i = 0; i < report.created_count; i++)
        tell_line(s, BCL_SESSION_NEW_TENSOR, "%s", report.created[i]);
    for (size_t i = 0; i < report.unused_count; i++)
        tell_line(s, BCL_SESSION_UNUSED_TENSOR, "%s", report.unused[i]);
out:
    bcl_load_report_free(&report);
    return status;
}

bcl_status bcl_session_open(bcl_session **out, const bcl_session_options *options) {
    bcl_status status = BCL_OK;
    bcl_session *s = NULL;
    BCL_TRY(bcl_session_prepare(&s, options));
    BCL_TRY(bcl_session_load(s, BCL_SESSION_FOR_INFERENCE, 0));
    *out = s;
    s = NULL;
out:
    bcl_session_free(s);
    return status;
}

void bcl_session_free(bcl_session *s) {
    if (!s)
        return;
    bcl_model_free(s->model);
    if (s->use && --s->use->users == 0) {
        bcl_device_free(s->use->device);
        free(s->use);
    }
    bcl_tokenizer_free(s->tokenizer);
    bcl_config_free(&s->config);
    free(s->folder);
    free(s->device_id);
    free(s->gemm);
    free(s);
}

/* ---- what is open ---- */

const char *bcl_session_folder(const bcl_session *s) {
    return s->folder;
}

const char *bcl_session_device(const bcl_session *s) {
    return s->remote ? s->remote->device : bcl_device_about(s->device)->id;
}

const char *bcl_session_device_name(const bcl_session *s) {
    return s->remote ? s->remote->name : bcl_device_about(s->device)->name;
}

const char *bcl_session_gemm(const bcl_session *s) {
    return s->remote ? s->remote->gemm : bcl_model_gemm(s->model);
}

const char *bcl_session_precision(const bcl_session *s) {
    return s->remote ? s->remote->precision : bcl_precision_name(bcl_model_precision(s->model));
}

const char *bcl_session_why_fp32(const bcl_session *s) {
    return s->why_fp32;
}

size_t bcl_session_label_count(const bcl_session *s) {
    return (size_t)s->config.labels;
}

const char *bcl_session_label(const bcl_session *s, size_t id) {
    return s->config.label_names[id];
}

size_t bcl_session_positions(const bcl_session *s) {
    return (size_t)s->config.positions;
}

const bcl_tokenizer *bcl_session_tokenizer(const bcl_session *s) {
    return s->tokenizer;
}
