/* Evaluations of a run, and which epoch is the best. */
#include "train/trainer.h"

static void on_evaluating(void *context, size_t done, size_t all) {
    const bcl_trainer *t = context;
    if (t->job->group)
        t->job->group->busy(t->job->group->context);
    bcl_trainer_tell(context,
                     (bcl_run_event){.kind = BCL_RUN_EVALUATING, .done = done, .all = all});
}

/* RUN/predictions.conll: what the newest model makes of the test set, a word a line with its gold
 * and its predicted label. */
static bcl_status write_predictions(const bcl_trainer *t, const bcl_predictions *p) {
    bcl_status status = BCL_OK;
    bcl_labels *labels = NULL;
    char *path = NULL;
    size_t without_piece;
    BCL_TRY(bcl_path_join(&path, t->job->folder, "predictions.conll"));
    BCL_TRY(bcl_labels_of_words(&labels, &without_piece, p));
    BCL_TRY(bcl_labels_write(labels, path));
out:
    bcl_labels_free(labels);
    free(path);
    return status;
}

bcl_status bcl_trainer_evaluate(bcl_trainer *t, bcl_evaluation *out, const bcl_dataset *data,
                                const bcl_predictions *words) {
    bcl_status status = BCL_OK;
    const bcl_config *c = t->job->files.config;
    int32_t *predicted = NULL;
    if (words)
        BCL_NEW(predicted, data->pieces);
    const bcl_evaluate_options options = {.sentences = t->o->eval_sentences,
                                          .tokens = (size_t)t->o->max_tokens,
                                          .max_length = t->o->eval_length,
                                          .stride =
                                              t->o->eval_length ? (t->o->eval_length - 2) / 4 : 0,
                                          .progress = on_evaluating,
                                          .context = t,
                                          .stop = t->job->stop,
                                          .predicted = predicted};
    bcl_evaluation_free(out);
    BCL_TRY(bcl_evaluate(out, t->model, data, (const char *const *)c->label_names,
                         (size_t)c->labels, &options));
    if (words) {
        bcl_predictions p = *words;
        p.predicted = predicted;
        BCL_TRY(bcl_word_entities_create(&out->entities, &p));
        if (data == t->job->test)
            BCL_TRY(write_predictions(t, &p));
    }
out:
    free(predicted);
    return status;
}

bcl_status bcl_trainer_evaluate_test(bcl_trainer *t, bcl_train_result *out) {
    const bcl_status status =
        bcl_trainer_evaluate(t, &out->evaluation, t->job->test, t->job->words);
    out->evaluated = !status;
    return status;
}

static double entity_f1_of(const bcl_evaluation *e) {
    return e->entities.report ? bcl_entity_report_micro(e->entities.report).f1 : -1;
}

double bcl_trainer_score(const bcl_evaluation *e, bcl_select select) {
    switch (select) {
    case BCL_SELECT_ENTITY_F1:
        return entity_f1_of(e);
    case BCL_SELECT_ACCURACY:
        return e->accuracy;
    case BCL_SELECT_LOSS:
        return -e->loss;
    default:
        return bcl_report_macro(e->report).f1;
    }
}

bcl_status bcl_trainer_evaluate_epoch(bcl_trainer *t, bcl_train_result *out) {
    return t->job->dev ? bcl_trainer_evaluate(t, &out->dev, t->job->dev, t->job->dev_words)
                       : bcl_trainer_evaluate_test(t, out);
}

bcl_status bcl_trainer_note_epoch(bcl_trainer *t, int64_t epoch, const bcl_train_result *result) {
    bcl_status status = BCL_OK;
    char line[256];
    const bool dev = t->job->dev != NULL;
    const bcl_evaluation *e = dev ? &result->dev : &result->evaluation;
    const char *set = dev ? "dev" : "eval";
    const double f1 = bcl_report_macro(e->report).f1, entity_f1 = entity_f1_of(e);
    int n = snprintf(line, sizeof line,
                     "{\"step\": %lld, \"epoch\": %lld, \"%s_loss\": %.9g, \"%s_accuracy\": "
                     "%.9g, \"%s_macro_f1\": %.9g",
                     (long long)t->state.step, (long long)epoch, set, e->loss, set, e->accuracy,
                     set, f1);
    if (entity_f1 >= 0)
        n +=
            snprintf(line + n, sizeof line - (size_t)n, ", \"%s_entity_f1\": %.9g", set, entity_f1);
    snprintf(line + n, sizeof line - (size_t)n, "}\n");
    BCL_TRY(bcl_trainer_write(t, line));
    bcl_trainer_tell(t, (bcl_run_event){.kind = BCL_RUN_EVALUATED,
                                        .epoch = epoch,
                                        .loss = e->loss,
                                        .accuracy = e->accuracy,
                                        .macro_f1 = f1,
                                        .entity_f1 = entity_f1,
                                        .dev = dev});
out:
    return status;
}

bool bcl_trainer_take_score(bcl_trainer *t, double score) {
    bcl_train_state *s = &t->state;
    const bool first = !s->best_step, better = first || score > s->best_score;
    s->stale++;
    if (first || score > s->patience_score + t->o->min_delta) {
        s->patience_score = score;
        s->stale = 0;
    }
    if (better) {
        s->best_score = score;
        s->best_step = s->step;
    }
    return better;
}
