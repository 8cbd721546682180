/* The training loop. While the device computes a batch, feed.c packs the next; the only wait is for
 * the loss of the batch before. */
#include "train/train.h"

#include "model/pipeline.h"

#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

enum { UNTIMED_STEPS = 2 };

/* A batch that the device has. */
typedef struct flight {
    const bcl_fed *fed;
    double lr;
} flight;

typedef struct trainer {
    const bcl_train_job *job;
    bcl_model *model;
    const bcl_train_options *o;
    const bcl_train_plan *plan;
    bcl_train_state state; /* as of the last step whose stats were read */
    bcl_feed *feed;
    bcl_pipeline *pipeline;
    flight flights[BCL_PIPELINE_SLOTS]; /* by slot */
    FILE *metrics;
    char *metrics_path;
    bool lead;    /* the one who writes */
    bool alone;   /* the group's other ranks have ended */
    bool due;     /* the group wants a checkpoint */
    bool stopped; /* one of the group was asked to end */
    /* speed of this process: from the end of its second step, without evaluation and saving */
    int64_t steps_here;
    double clock, timed_seconds;
    size_t timed_tokens;
} trainer;

static bcl_dropout_state dropout_state_of(const trainer *t, int64_t step) {
    return (bcl_dropout_state){(float)t->o->hidden_dropout, (float)t->o->attention_dropout,
                               (float)t->o->classifier_dropout, t->o->seed, step};
}

/* The clock runs only while training does. */
static void clock_start(trainer *t) {
    t->clock = bcl_seconds();
}
static void clock_stop(trainer *t) {
    if (t->steps_here > UNTIMED_STEPS)
        t->timed_seconds += bcl_seconds() - t->clock;
}

static double speed(const trainer *t) {
    double seconds = t->timed_seconds + (bcl_seconds() - t->clock);
    return t->timed_tokens && seconds > 0 ? (double)t->timed_tokens / seconds : 0;
}

static bcl_status write_metrics(trainer *t, const char *line) {
    if (t->lead && (fputs(line, t->metrics) < 0 || fflush(t->metrics)))
        return bcl_fail_errno("%s: cannot write", t->metrics_path);
    t->state.metrics_size += (int64_t)strlen(line);
    return BCL_OK;
}

/* Fills in where the run stands. */
static void tell(const trainer *t, bcl_run_event event) {
    event.step = t->state.step;
    event.steps = t->plan->steps;
    if (t->job->listener)
        t->job->listener(t->job->context, &event);
}

static void tell_step(const trainer *t, bcl_run_event *event) {
    const double spent = t->timed_seconds + bcl_seconds() - t->clock;
    event->tokens_per_s = speed(t);
    if (t->steps_here > UNTIMED_STEPS)
        event->seconds_left = spent / (double)(t->steps_here - UNTIMED_STEPS) *
                              (double)(t->plan->steps - t->state.step);
    tell(t, *event);
}

static void fails_everywhere(const trainer *t) {
    if (t->job->group)
        t->job->group->common(t->job->group->context);
}

/* Takes the stats of a finished step into the state, the metrics and the events. */
static bcl_status account(trainer *t, const flight *s, const float stats[4]) {
    bcl_status status = BCL_OK;
    char line[512];
    const int64_t step = s->fed->step, epoch = bcl_train_plan_epoch(t->plan, step);
    const double labelled = s->fed->labelled ? (double)s->fed->labelled : 1;
    const double loss = (double)stats[0], right = (double)stats[1];
    if (!isfinite((double)stats[3])) {
        fails_everywhere(t);
        BCL_FAIL(BCL_ERROR_DEVICE,
                 "step %lld: the gradient norm is %g at a loss of %g; a smaller --lr may help",
                 (long long)step + 1, (double)stats[3], loss / labelled);
    }
    t->state.epoch_loss += loss;
    t->state.epoch_right += right;
    t->state.epoch_labelled += (double)s->fed->labelled;
    t->state.step = step + 1;
    if (++t->steps_here == UNTIMED_STEPS)
        clock_start(t);
    else if (t->steps_here > UNTIMED_STEPS)
        t->timed_tokens += s->fed->tokens;
    snprintf(line, sizeof line,
             "{\"step\": %lld, \"epoch\": %lld, \"loss\": %.9g, \"accuracy\": %.9g, \"lr\": %.9g, "
             "\"grad_norm\": %.9g, \"tokens\": %zu}\n",
             (long long)step + 1, (long long)epoch + 1, loss / labelled, right / labelled, s->lr,
             (double)stats[3], s->fed->tokens);
    BCL_TRY(write_metrics(t, line));
    tell_step(t, &(bcl_run_event){.kind = BCL_RUN_STEP,
                                  .epoch = epoch + 1,
                                  .loss = loss / labelled,
                                  .accuracy = right / labelled,
                                  .lr = s->lr,
                                  .gradient_norm = (double)stats[3]});
out:
    return status;
}

/* The weights are still those that it was computed with: no update is made of such a loss. */
static bcl_status fail_loss(trainer *t, const bcl_fed *fed, double loss) {
    bcl_status status = BCL_OK;
    char place[BCL_MODEL_PLACE];
    fails_everywhere(t);
    const bcl_dropout_state dropout = dropout_state_of(t, fed->step);
    if (!fed->batch.B)
        BCL_FAIL(BCL_ERROR_DEVICE, "step %lld: the loss is %g, and no sentence of it was here",
                 (long long)fed->step + 1, loss);
    BCL_TRY(bcl_model_find_overflow(place, t->model, &fed->batch, &dropout));
    BCL_FAIL(BCL_ERROR_DEVICE,
             "step %lld: the loss is %g; the first values that are not finite are %s; a smaller "
             "--lr or a --clip may help",
             (long long)fed->step + 1, loss, place);
out:
    return status;
}

/* The stats are complete with the last batch of a step. */
static bcl_status collect(void *context, bcl_slot *slot) {
    bcl_status status = BCL_OK;
    trainer *t = context;
    const flight *f = &t->flights[slot->index];
    if (!isfinite(slot->stats[0]))
        BCL_TRY(fail_loss(t, f->fed, (double)slot->stats[0]));
    if (f->fed->last)
        BCL_TRY(account(t, f, slot->stats));
    bcl_feed_give_back(t->feed);
out:
    return status;
}

/* Behind a step's last batch: this process' gradients and sums become the whole step's. */
static bcl_status reduce(trainer *t, const bcl_fed *fed, bool none) {
    bcl_status status = BCL_OK;
    const bcl_train_group *g = t->job->group;
    bcl_train_part part = {.model = t->model,
                           .step = fed->step,
                           .tokens = fed->own_tokens,
                           .stop = bcl_interrupted() || (t->job->stop && *t->job->stop)};
    if (none)
        BCL_TRY(bcl_model_exchange_none(t->model));
    BCL_TRY(bcl_model_exchange_take(t->model, fed->slots, fed->slot_count, fed->step));
    BCL_TRY(g->reduce(g->context, &part));
    BCL_TRY(bcl_model_exchange_give_back(t->model, fed->step));
    t->stopped = part.stop;
    t->due = part.save;
out:
    return status;
}

/* Queues the batches of one optimizer step, and the update behind the last. */
static bcl_status queue_step(trainer *t, int64_t step) {
    bcl_status status = BCL_OK;
    const bcl_dropout_state dropout = dropout_state_of(t, step);
    const bcl_fed *fed = NULL;
    bcl_adam adam = t->o->adam;
    adam.lr = bcl_schedule_rate(t->o->schedule, adam.lr, t->o->warmup, step, t->plan->steps);
    if (t->job->group)
        t->job->group->begin(t->job->group->context);
    bool begun = false; /* a batch of the step had sentences */
    do {
        bcl_slot *slot;
        BCL_TRY(bcl_pipeline_next(&slot, t->pipeline));
        BCL_TRY(bcl_feed_next(&fed, t->feed));
        t->flights[slot->index] = (flight){fed, adam.lr};
        const float weight = fed->labelled ? (float)(1.0 / (double)fed->labelled) : 0;
        if (t->job->group && fed->last)
            bcl_model_exchange_open(t->model);
        if (fed->batch.B) { /* none, perhaps, in a group */
            BCL_TRY(bcl_model_forward(t->model, &fed->batch, &dropout));
            BCL_TRY(bcl_model_loss(t->model, weight, true, begun));
            BCL_TRY(bcl_model_backward(t->model, &dropout, step, begun));
            begun = true;
        }
        if (t->job->group && fed->last)
            BCL_TRY(reduce(t, fed, !begun));
        if (fed->last)
            BCL_TRY(bcl_model_update(t->model, &adam, step));
        BCL_TRY(bcl_pipeline_send(t->pipeline));
    } while (!fed->last);
out:
    return status;
}

static bcl_status save(trainer *t) {
    bcl_status status = BCL_OK;
    char *folder = NULL;
    const bcl_train_group *group = t->job->group;
    BCL_TRY(bcl_pipeline_drain(t->pipeline));
    clock_stop(t);
    if (group && !t->alone)
        BCL_TRY(group->sync(group->context, t->model, t->state.step));
    if (!t->lead) {
        clock_start(t);
        goto out;
    }
    if (fsync(fileno(t->metrics))) {
        status = bcl_fail_errno("%s: cannot write", t->metrics_path);
        goto out;
    }
    BCL_TRY(bcl_format(&folder, "%s/checkpoint-%lld", t->job->folder, (long long)t->state.step));
    BCL_TRY(bcl_train_checkpoint_save(t->job->folder, t->model, &t->job->files, &t->state));
    tell(t, (bcl_run_event){.kind = BCL_RUN_CHECKPOINT, .text = folder});
    clock_start(t);
out:
    free(folder);
    return status;
}

static void on_evaluating(void *context, size_t done, size_t all) {
    const trainer *t = context;
    if (t->job->group)
        t->job->group->busy(t->job->group->context);
    tell(context, (bcl_run_event){.kind = BCL_RUN_EVALUATING, .done = done, .all = all});
}

/* RUN/predictions.conll: what the newest model makes of the test set, a word a line with its gold
 * and its predicted label. */
static bcl_status write_predictions(const trainer *t, const bcl_predictions *p) {
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

static bcl_status evaluate(trainer *t, bcl_evaluation *out, const bcl_dataset *data,
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

static bcl_status evaluate_test(trainer *t, bcl_train_result *out) {
    const bcl_status status = evaluate(t, &out->evaluation, t->job->test, t->job->words);
    out->evaluated = !status;
    return status;
}

static double entity_f1_of(const bcl_evaluation *e) {
    return e->entities.report ? bcl_entity_report_micro(e->entities.report).f1 : -1;
}

/* The larger the better. */
static double score_of(const bcl_evaluation *e, bcl_select select) {
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

/* The evaluation of an epoch, with its line in the metrics. */
static bcl_status evaluate_epoch(trainer *t, int64_t epoch, bcl_train_result *out) {
    bcl_status status = BCL_OK;
    char line[256];
    const bool dev = t->job->dev != NULL;
    const bcl_evaluation *e = dev ? &out->dev : &out->evaluation;
    const char *set = dev ? "dev" : "eval";
    BCL_TRY(dev ? evaluate(t, &out->dev, t->job->dev, t->job->dev_words) : evaluate_test(t, out));
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
    BCL_TRY(write_metrics(t, line));
    tell(t, (bcl_run_event){.kind = BCL_RUN_EVALUATED,
                            .epoch = epoch,
                            .loss = e->loss,
                            .accuracy = e->accuracy,
                            .macro_f1 = f1,
                            .entity_f1 = entity_f1,
                            .dev = dev});
out:
    return status;
}

static bcl_status stop(trainer *t) {
    const bcl_status status = save(t);
    return status ? status
                  : bcl_fail(BCL_ERROR_INTERRUPTED,
                             "%s: stopped at step %lld of %lld; --resume goes on", t->job->folder,
                             (long long)t->state.step, (long long)t->plan->steps);
}

/* A group ends together. */
static bcl_status stop_if_asked(trainer *t) {
    const bool asked = bcl_interrupted() || (t->job->stop && *t->job->stop);
    return (t->job->group ? t->stopped : asked) ? stop(t) : BCL_OK;
}

/* Takes the epoch's score into the state; returns whether the epoch is the best so far. */
static bool take_score(trainer *t, double score) {
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

static bool is_patience_out(const trainer *t) {
    return t->o->patience && t->state.stale >= t->o->patience;
}

/* The end of an epoch, or of a run that --max-steps ends within one. */
static bcl_status end_epoch(trainer *t, int64_t epoch, bcl_train_result *out) {
    bcl_status status = BCL_OK;
    const bcl_train_group *group = t->job->group;
    char *model = NULL, *best = NULL;
    BCL_TRY(bcl_pipeline_drain(t->pipeline));
    clock_stop(t);
    const double labelled = t->state.epoch_labelled > 0 ? t->state.epoch_labelled : 1;
    t->state.last_loss = t->state.epoch_loss / labelled;
    tell(t, (bcl_run_event){.kind = BCL_RUN_EPOCH,
                            .epoch = epoch,
                            .loss = t->state.last_loss,
                            .accuracy = t->state.epoch_right / labelled});
    bool better = false;
    if (t->job->dev || t->job->test) {
        double score = 0;
        status = t->lead ? evaluate_epoch(t, epoch, out) : BCL_OK;
        if (group) /* the others wait for it */
            status = group->agree(group->context, status);
        BCL_TRY(status == BCL_ERROR_INTERRUPTED ? stop(t) : status);
        if (t->lead)
            score = score_of(t->job->dev ? &out->dev : &out->evaluation, t->o->select);
        if (group)
            BCL_TRY(group->tell(group->context, &score, sizeof score));
        better = take_score(t, score);
    }
    t->state.epoch_loss = t->state.epoch_right = t->state.epoch_labelled = 0;
    clock_start(t);
    BCL_TRY(save(t));
    if (!t->lead)
        goto out;
    BCL_TRY(
        bcl_format(&model, "%s/checkpoint-%lld/model", t->job->folder, (long long)t->state.step));
    BCL_TRY(bcl_path_join(&best, t->job->folder, "best"));
    if (better)
        BCL_TRY(bcl_folder_publish(model, best));
out:
    free(model);
    free(best);
    return status;
}

/* Cut to what the checkpoint knows, never filled up to it. */
static bcl_status open_metrics(trainer *t) {
    bcl_status status = BCL_OK;
    struct stat st;
    const long long known = (long long)t->state.metrics_size;
    if (!t->lead)
        return BCL_OK;
    BCL_TRY(bcl_path_join(&t->metrics_path, t->job->folder, "metrics.jsonl"));
    if (!(t->metrics = fopen(t->metrics_path, known ? "r+b" : "wb")) ||
        fstat(fileno(t->metrics), &st))
        status = bcl_fail_errno("%s: cannot open", t->metrics_path);
    else if (st.st_size < known)
        status = bcl_fail(BCL_ERROR_FORMAT,
                          "%s: found %lld bytes, %s knows of %lld: a part is lost; bring the file "
                          "back, or start another run",
                          t->metrics_path, (long long)st.st_size, t->job->checkpoint, known);
    else if (ftruncate(fileno(t->metrics), (off_t)known) || fseek(t->metrics, 0, SEEK_END))
        status = bcl_fail_errno("%s: cannot cut to %lld bytes", t->metrics_path, known);
out:
    return status;
}

/* Goes on from the checkpoint. */
static bcl_status restore(trainer *t) {
    bcl_status status = BCL_OK;
    char *model = NULL, *best = NULL;
    const char *checkpoint = t->job->checkpoint;
    BCL_TRY(bcl_train_checkpoint_load(&t->state, t->model, checkpoint));
    if (t->state.step > t->plan->steps)
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: is beyond the run's %lld steps", checkpoint,
                 (long long)t->plan->steps);
    if (t->lead && t->state.best_step && t->state.best_step == t->state.step) {
        /* a kill may have come between the checkpoint and this */
        BCL_TRY(bcl_path_join(&model, checkpoint, "model"));
        BCL_TRY(bcl_path_join(&best, t->job->folder, "best"));
        BCL_TRY(bcl_folder_publish(model, best));
    }
    tell(t, (bcl_run_event){.kind = BCL_RUN_RESUMED});
out:
    free(model);
    free(best);
    return status;
}

static bcl_status prepare(trainer *t) {
    bcl_status status = BCL_OK;
    if (t->job->checkpoint)
        BCL_TRY(restore(t));
    BCL_TRY(open_metrics(t));
    BCL_TRY(bcl_pipeline_create(
        &t->pipeline, t->model,
        &(bcl_pipeline_options){.outputs = BCL_OUTPUT_STATS, .collect = collect, .context = t}));
    BCL_TRY(bcl_feed_start(&t->feed, t->job->train, t->o, t->plan, bcl_model_slots(t->model),
                           t->state.step, t->job->group));
    clock_start(t);
out:
    return status;
}

/* Whether the run was stopped behind an epoch's last step: the epoch's sums are still there. */
static bool has_open_end(const trainer *t) {
    const int64_t step = t->state.step;
    return step > 0 && t->state.epoch_labelled > 0 &&
           step == t->plan->first_step[bcl_train_plan_epoch(t->plan, step - 1) + 1];
}

static bcl_status run_epochs(trainer *t, bcl_train_result *out) {
    bcl_status status = BCL_OK;
    const bcl_capacity capacity = bcl_train_capacity(t->plan, t->o);
    int64_t step = t->state.step;
    if (has_open_end(t))
        BCL_TRY(end_epoch(t, bcl_train_plan_epoch(t->plan, step - 1) + 1, out));
    while (step < t->plan->steps && !is_patience_out(t)) {
        const int64_t epoch = bcl_train_plan_epoch(t->plan, step);
        BCL_TRY(bcl_model_reserve(t->model, &capacity)); /* evaluation reserves its own */
        do {
            BCL_TRY(queue_step(t, step));
            step++;
            const bool ended = step == t->plan->first_step[epoch + 1];
            if (!ended && (t->due || (t->o->save_every && step % t->o->save_every == 0)))
                BCL_TRY(save(t));
            BCL_TRY(stop_if_asked(t));
        } while (step < t->plan->first_step[epoch + 1]);
        BCL_TRY(end_epoch(t, epoch + 1, out));
    }
out:
    return status;
}

/* With a dev set: the figures of best/, on the dev set again and on the test set for the only time.
 */
static bcl_status evaluate_best(trainer *t, bcl_train_result *out) {
    bcl_status status = BCL_OK;
    char *best = NULL;
    bcl_load_report report = {0};
    BCL_TRY(bcl_path_join(&best, t->job->folder, "best"));
    BCL_TRY(bcl_model_load_weights(t->model, best, false, 0, &report));
    BCL_TRY(evaluate(t, &out->dev, t->job->dev, t->job->dev_words));
    if (t->job->test)
        BCL_TRY(evaluate_test(t, out));
    out->best_step = t->state.best_step;
    out->best_epoch = bcl_train_plan_epoch(t->plan, t->state.best_step - 1) + 1;
    out->last_epoch = bcl_train_plan_epoch(t->plan, t->state.step - 1) + 1;
    out->stopped_early = t->state.step < t->plan->steps;
out:
    bcl_load_report_free(&report);
    free(best);
    return status == BCL_ERROR_INTERRUPTED ? stop(t) : status;
}

/* RUN/model is the last checkpoint's. */
static bcl_status publish(const trainer *t) {
    bcl_status status = BCL_OK;
    char *from = NULL, *to = NULL;
    BCL_TRY(
        bcl_format(&from, "%s/checkpoint-%lld/model", t->job->folder, (long long)t->state.step));
    BCL_TRY(bcl_path_join(&to, t->job->folder, "model"));
    BCL_TRY(bcl_folder_publish(from, to));
    BCL_TRY(bcl_train_checkpoint_prune(t->job->folder, 1));
out:
    free(from);
    free(to);
    return status;
}

bcl_status bcl_train(bcl_train_result *out, const bcl_train_job *job) {
    bcl_status status = BCL_OK;
    trainer t = {.job = job, .model = job->model, .o = job->options, .plan = job->plan};
    *out = (bcl_train_result){0};
    if (!job->train->labelled)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "nothing to train on: no labelled word in %zu sentences",
                 job->train->count);
    t.lead = !job->group || job->group->rank == 0;
    BCL_TRY(prepare(&t));
    BCL_TRY(run_epochs(&t, out));
    clock_stop(&t);
    t.alone = true; /* the others have ended */
    if (t.lead && job->dev)
        BCL_TRY(evaluate_best(&t, out));
    else if (t.lead && job->test &&
             !out->evaluated) /* killed between the last checkpoint and the results */
        BCL_TRY(evaluate_test(&t, out));
    out->loss = t.state.last_loss;
    out->steps = t.state.step;
    out->tokens_per_s = t.timed_seconds > 0 ? (double)t.timed_tokens / t.timed_seconds : 0;
    if (t.lead)
        BCL_TRY(publish(&t));
out:
    bcl_pipeline_free(t.pipeline);
    if (job->group)
        job->group->release(job->group->context);
    bcl_feed_stop(t.feed);
    if (t.metrics)
        fclose(t.metrics);
    free(t.metrics_path);
    if (status) {
        bcl_evaluation_free(&out->evaluation);
        bcl_evaluation_free(&out->dev);
    }
    return status;
}
