/* The training loop. While the device computes a batch, feed.c packs the next; the only wait is for
 * the loss of the batch before. */
#include "train/trainer.h"

#include <math.h>
#include <unistd.h>

typedef bcl_status evaluation(bcl_trainer *t, bcl_train_result *out);

static bcl_dropout_state dropout_state_of(const bcl_trainer *t, int64_t step) {
    return (bcl_dropout_state){(float)t->o->hidden_dropout, (float)t->o->attention_dropout,
                               (float)t->o->classifier_dropout, t->o->seed, step};
}

static void fails_everywhere(const bcl_trainer *t) {
    if (t->job->group)
        t->job->group->common(t->job->group->context);
}

/* Once a run. */
static void tell_skipped(const bcl_trainer *t, double scale) {
    char line[256];
    snprintf(line, sizeof line,
             "step %lld: gradients overflowed in fp16 at a loss scale of %g: no update is made of "
             "such a step, the scale is now %g (said once; results.json counts them)",
             (long long)t->state.step, scale, t->state.loss_scale);
    if (t->lead)
        bcl_trainer_tell(t, (bcl_run_event){.kind = BCL_RUN_MESSAGE, .text = line});
}

/* Takes the stats of a finished step into the state, the metrics and the events. */
static bcl_status account(bcl_trainer *t, const bcl_flight *s, const float stats[4]) {
    bcl_status status = BCL_OK;
    char line[512];
    const int64_t step = s->fed->step, epoch = bcl_train_plan_epoch(t->plan, step);
    const double labelled = s->fed->labelled ? (double)s->fed->labelled : 1;
    const double weight = s->fed->weight > 0 ? s->fed->weight : 1;
    const double loss = (double)stats[0], right = (double)stats[1];
    const double scale = t->state.loss_scale;
    const bool finite = isfinite(stats[3]);
    char norm[64] = "", scaling[96] = "";
    if (!(scale > 0 ? bcl_loss_scale_take(&t->state, finite) : finite)) {
        fails_everywhere(t);
        BCL_FAIL(BCL_ERROR_DEVICE,
                 "step %lld: the gradient norm is %g at a loss of %g; a smaller --lr may help",
                 (long long)step + 1, (double)stats[3], loss / weight);
    }
    t->state.epoch_loss += loss;
    t->state.epoch_right += right;
    t->state.epoch_labelled += (double)s->fed->labelled;
    t->state.epoch_weight += s->fed->weight;
    t->state.step = step + 1;
    if (++t->steps_here == BCL_UNTIMED_STEPS)
        bcl_trainer_clock_start(t);
    else if (t->steps_here > BCL_UNTIMED_STEPS)
        t->timed_tokens += s->fed->tokens;
    if (finite)
        snprintf(norm, sizeof norm, "\"grad_norm\": %.9g, ", (double)stats[3]);
    if (scale > 0)
        snprintf(scaling, sizeof scaling, "\"loss_scale\": %.9g, \"skipped_steps\": %lld, ", scale,
                 (long long)t->state.skipped_steps);
    snprintf(line, sizeof line,
             "{\"step\": %lld, \"epoch\": %lld, \"loss\": %.9g, \"accuracy\": %.9g, \"lr\": %.9g, "
             "%s%s\"tokens\": %zu}\n",
             (long long)step + 1, (long long)epoch + 1, loss / weight, right / labelled, s->lr,
             norm, scaling, s->fed->tokens);
    BCL_TRY(bcl_trainer_write(t, line));
    if (!finite && t->state.skipped_steps == 1)
        tell_skipped(t, scale);
    bcl_trainer_tell_step(t, &(bcl_run_event){.kind = BCL_RUN_STEP,
                                              .epoch = epoch + 1,
                                              .loss = loss / weight,
                                              .accuracy = right / labelled,
                                              .lr = s->lr,
                                              .gradient_norm = finite ? (double)stats[3] : 0});
out:
    return status;
}

/* The weights are still those that it was computed with: no update is made of such a loss. */
static bcl_status fail_loss(bcl_trainer *t, const bcl_fed *fed, double loss) {
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
    bcl_trainer *t = context;
    const bcl_flight *f = &t->flights[slot->index];
    if (!isfinite(slot->stats[0]))
        BCL_TRY(fail_loss(t, f->fed, (double)slot->stats[0]));
    if (f->fed->last)
        BCL_TRY(account(t, f, slot->stats));
    bcl_feed_give_back(t->feed);
out:
    return status;
}

/* Behind a step's last batch: this process' gradients and sums become the whole step's. */
static bcl_status reduce(bcl_trainer *t, const bcl_fed *fed, bool none) {
    bcl_status status = BCL_OK;
    const bcl_train_group *g = t->job->group;
    bcl_train_part part = {.model = t->model,
                           .step = fed->step,
                           .tokens = fed->own_tokens,
                           .slots = fed->slots,
                           .slot_count = (size_t)fed->slot_count,
                           .scaled = t->state.loss_scale > 0,
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
static bcl_status queue_step(bcl_trainer *t, int64_t step) {
    bcl_status status = BCL_OK;
    const bcl_dropout_state dropout = dropout_state_of(t, step);
    const bcl_fed *fed = NULL;
    bcl_adam adam = t->o->adam;
    adam.lr = bcl_schedule_rate(t->o->schedule, adam.lr, t->o->warmup, step, t->plan->steps);
    if (t->state.loss_scale > 0) { /* the step before says what it is, and whether it counts */
        BCL_TRY(bcl_pipeline_drain(t->pipeline));
        adam.loss_scale = (float)t->state.loss_scale;
        adam.skipped = t->state.skipped_steps;
    }
    if (t->job->group)
        t->job->group->begin(t->job->group->context);
    bool begun = false; /* a batch of the step had sentences */
    do {
        bcl_slot *slot;
        BCL_TRY(bcl_pipeline_next(&slot, t->pipeline));
        BCL_TRY(bcl_feed_next(&fed, t->feed));
        t->flights[slot->index] = (bcl_flight){fed, adam.lr};
        const double scale = t->state.loss_scale > 0 ? t->state.loss_scale : 1;
        const float weight = fed->weight > 0 ? (float)(scale / fed->weight) : 0;
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
        if (fed->last && t->histograms && (step + 1) % t->o->histograms == 0)
            BCL_TRY(bcl_histograms_add(t->histograms, t->model, step + 1, scale));
        if (fed->last)
            BCL_TRY(bcl_model_update(t->model, &adam, step));
        BCL_TRY(bcl_pipeline_send(t->pipeline));
    } while (!fed->last);
out:
    return status;
}

/* That the group's devices compute the same. */
static bcl_status audit(bcl_trainer *t) {
    bcl_status status = BCL_OK;
    const bcl_dropout_state dropout = dropout_state_of(t, t->state.step);
    const bcl_capacity capacity = bcl_train_capacity(t->plan, t->o);
    if (!t->job->group || t->job->group->size == 1)
        return BCL_OK;
    BCL_TRY(bcl_pipeline_drain(t->pipeline));
    BCL_TRY(bcl_model_reserve(t->model, &capacity)); /* evaluation has its own */
    BCL_TRY(
        bcl_audit_run(t->audit, t->model, t->job->train, &dropout, t->state.step, t->job->group));
out:
    return status;
}

static bcl_status write_checkpoint(char **written, bcl_trainer *t) {
    bcl_status status = BCL_OK;
    char *ranks = NULL;
    const bcl_train_group *group = t->job->group;
    if (fsync(fileno(t->metrics))) {
        status = bcl_fail_errno("%s: cannot write", t->metrics_path);
        goto out;
    }
    if (group) {
        BCL_TRY(group->keep(group->context, &ranks));
        group->patience(group->context);
    }
    BCL_TRY(bcl_train_checkpoint_write(written, t->job->folder, t->model, &t->job->files, &t->state,
                                       ranks));
out:
    free(ranks);
    return status;
}

/* A device that errs may do so in what the lead reads of it, too: the checkpoint counts if all are
 * the same before and behind. */
static bcl_status save(bcl_trainer *t) {
    bcl_status status = BCL_OK;
    char *folder = NULL, *written = NULL;
    const bcl_train_group *group = t->job->group;
    BCL_TRY(bcl_pipeline_drain(t->pipeline));
    bcl_trainer_clock_stop(t);
    if (group)
        BCL_TRY(group->sync(group->context, t->model, t->state.step));
    if (t->lead)
        BCL_TRY(write_checkpoint(&written, t));
    BCL_TRY(audit(t));
    if (written)
        BCL_TRY(bcl_train_checkpoint_publish(t->job->folder, written, t->state.step));
    if (t->lead) {
        BCL_TRY(
            bcl_format(&folder, "%s/checkpoint-%lld", t->job->folder, (long long)t->state.step));
        bcl_trainer_tell(t, (bcl_run_event){.kind = BCL_RUN_CHECKPOINT, .text = folder});
    }
    bcl_trainer_clock_start(t);
out:
    if (status && written)
        status = bcl_train_checkpoint_discard(written, status);
    free(folder);
    free(written);
    return status;
}

static bcl_status stop(bcl_trainer *t) {
    const bcl_status status = save(t);
    return status ? status
                  : bcl_fail(BCL_ERROR_INTERRUPTED,
                             "%s: stopped at step %lld of %lld; --resume goes on", t->job->folder,
                             (long long)t->state.step, (long long)t->plan->steps);
}

/* A group ends together. */
static bcl_status stop_if_asked(bcl_trainer *t) {
    const bool asked = bcl_interrupted() || (t->job->stop && *t->job->stop);
    return (t->job->group ? t->stopped : asked) ? stop(t) : BCL_OK;
}

/* The lead evaluates and the others wait. Then all show that their devices still compute the same:
 * figures of a device that errs would be the run's. */
static bcl_status evaluate_together(bcl_trainer *t, evaluation *evaluate, bcl_train_result *out) {
    bcl_status status = t->lead ? evaluate(t, out) : BCL_OK;
    if (t->job->group)
        status = t->job->group->agree(t->job->group->context, status);
    BCL_TRY(status == BCL_ERROR_INTERRUPTED ? stop(t) : status);
    BCL_TRY(audit(t));
    t->evaluated = true;
out:
    return status;
}

static bool is_patience_out(const bcl_trainer *t) {
    return t->o->patience && t->state.stale >= t->o->patience;
}

/* The end of an epoch, or of a run that --max-steps ends within one. */
static bcl_status end_epoch(bcl_trainer *t, int64_t epoch, bcl_train_result *out) {
    bcl_status status = BCL_OK;
    const bcl_train_group *group = t->job->group;
    char *model = NULL, *best = NULL;
    BCL_TRY(bcl_pipeline_drain(t->pipeline));
    bcl_trainer_clock_stop(t);
    const double labelled = t->state.epoch_labelled > 0 ? t->state.epoch_labelled : 1;
    t->state.last_loss =
        t->state.epoch_loss / (t->state.epoch_weight > 0 ? t->state.epoch_weight : 1);
    bcl_trainer_tell(t, (bcl_run_event){.kind = BCL_RUN_EPOCH,
                                        .epoch = epoch,
                                        .loss = t->state.last_loss,
                                        .accuracy = t->state.epoch_right / labelled});
    bool better = false;
    if (t->job->dev || t->job->test) {
        double score = 0;
        BCL_TRY(evaluate_together(t, bcl_trainer_evaluate_epoch, out));
        if (t->lead) {
            BCL_TRY(bcl_trainer_note_epoch(t, epoch, out));
            score = bcl_trainer_score(t->job->dev ? &out->dev : &out->evaluation, t->o->select);
        }
        if (group)
            BCL_TRY(group->tell(group->context, &score, sizeof score));
        better = bcl_trainer_take_score(t, score);
    }
    t->state.epoch_loss = t->state.epoch_right = 0;
    t->state.epoch_labelled = t->state.epoch_weight = 0;
    bcl_trainer_clock_start(t);
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

/* Goes on from the checkpoint. */
static bcl_status restore(bcl_trainer *t) {
    bcl_status status = BCL_OK;
    char *model = NULL, *best = NULL, *ranks = NULL;
    const char *checkpoint = t->job->checkpoint;
    const bcl_train_group *group = t->job->group;
    BCL_TRY(bcl_train_checkpoint_load(&t->state, t->model, checkpoint));
    if (group)
        BCL_TRY(bcl_train_checkpoint_ranks(&ranks, checkpoint));
    if (ranks)
        BCL_TRY(group->restore(group->context, ranks));
    if (t->state.step > t->plan->steps)
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: is beyond the run's %lld steps", checkpoint,
                 (long long)t->plan->steps);
    if (t->lead && t->state.best_step && t->state.best_step == t->state.step) {
        /* a kill may have come between the checkpoint and this */
        BCL_TRY(bcl_path_join(&model, checkpoint, "model"));
        BCL_TRY(bcl_path_join(&best, t->job->folder, "best"));
        BCL_TRY(bcl_folder_publish(model, best));
    }
    bcl_trainer_tell(t, (bcl_run_event){.kind = BCL_RUN_RESUMED});
out:
    free(ranks);
    free(model);
    free(best);
    return status;
}

static bcl_status prepare(bcl_trainer *t) {
    bcl_status status = BCL_OK;
    if (t->job->checkpoint)
        BCL_TRY(restore(t));
    if (bcl_model_precision(t->model) == BCL_PRECISION_FP16)
        bcl_loss_scale_begin(&t->state, t->o->loss_scale);
    BCL_TRY(bcl_trainer_open_metrics(t));
    if (t->lead && t->o->histograms)
        BCL_TRY(bcl_histograms_open(&t->histograms, t->job->folder, bcl_model_layout(t->model),
                                    t->state.step));
    if (t->job->group)
        BCL_TRY(bcl_audit_create(&t->audit, t->plan, t->job->rounds));
    BCL_TRY(bcl_pipeline_create(
        &t->pipeline, t->model,
        &(bcl_pipeline_options){.outputs = BCL_OUTPUT_STATS, .collect = collect, .context = t}));
    BCL_TRY(bcl_feed_start(&t->feed, t->job->train, t->o, t->plan, bcl_model_slots(t->model),
                           t->state.step, t->job->group));
    bcl_trainer_clock_start(t);
out:
    return status;
}

/* Whether the run was stopped behind an epoch's last step: the epoch's sums are still there. */
static bool has_open_end(const bcl_trainer *t) {
    const int64_t step = t->state.step;
    return step > 0 && t->state.epoch_labelled > 0 &&
           step == t->plan->first_step[bcl_train_plan_epoch(t->plan, step - 1) + 1];
}

static bcl_status run_epochs(bcl_trainer *t, bcl_train_result *out) {
    bcl_status status = BCL_OK;
    const bcl_capacity capacity = bcl_train_capacity(t->plan, t->o);
    int64_t step = t->state.step;
    const int64_t begun = step;
    if (has_open_end(t))
        BCL_TRY(end_epoch(t, bcl_train_plan_epoch(t->plan, step - 1) + 1, out));
    while (step < t->plan->steps && !is_patience_out(t)) {
        const int64_t epoch = bcl_train_plan_epoch(t->plan, step);
        BCL_TRY(bcl_model_reserve(t->model, &capacity)); /* evaluation reserves its own */
        do {
            if (step == begun || step % BCL_AUDIT_EVERY == 0)
                BCL_TRY(audit(t));
            if (t->job->group && step == begun + BCL_UNTIMED_STEPS) /* or the clock would start */
                BCL_TRY(bcl_pipeline_drain(t->pipeline));           /* behind this step's sum */
            BCL_TRY(queue_step(t, step));
            bcl_device_give_up(bcl_model_device(t->model),
                               false); /* from here on a checkpoint keeps it */
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

static bcl_status evaluate_best(bcl_trainer *t, bcl_train_result *out) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_trainer_evaluate(t, &out->dev, t->job->dev, t->job->dev_words));
    if (t->job->test)
        BCL_TRY(bcl_trainer_evaluate_test(t, out));
    out->best_step = t->state.best_step;
    out->best_epoch = bcl_train_plan_epoch(t->plan, t->state.best_step - 1) + 1;
    out->last_epoch = bcl_train_plan_epoch(t->plan, t->state.step - 1) + 1;
    out->stopped_early = t->state.step < t->plan->steps;
out:
    return status;
}

/* With a dev set: the figures of best/, on the dev set again and on the test set for the only time.
 */
static bcl_status end_with_best(bcl_trainer *t, bcl_train_result *out) {
    bcl_status status = BCL_OK;
    char *best = NULL;
    bcl_load_report report = {0};
    if (t->job->group) /* the lead has published it */
        BCL_TRY(t->job->group->agree(t->job->group->context, BCL_OK));
    BCL_TRY(bcl_path_join(&best, t->job->folder, "best"));
    BCL_TRY(bcl_model_load_weights(t->model, best, false, 0, &report));
    BCL_TRY(evaluate_together(t, evaluate_best, out));
out:
    bcl_load_report_free(&report);
    free(best);
    return status;
}

/* RUN/model is the last checkpoint's. */
static bcl_status publish(const bcl_trainer *t) {
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
    bcl_trainer t = {.job = job, .model = job->model, .o = job->options, .plan = job->plan};
    *out = (bcl_train_result){0};
    if (!job->train->labelled)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "nothing to train on: no labelled word in %zu sentences",
                 job->train->count);
    t.lead = !job->group || job->group->rank == 0;
    BCL_TRY(prepare(&t));
    BCL_TRY(run_epochs(&t, out));
    bcl_trainer_clock_stop(&t);
    if (job->dev)
        BCL_TRY(end_with_best(&t, out));
    else if (job->test && !t.evaluated) /* killed between the last checkpoint and the results */
        BCL_TRY(evaluate_together(&t, bcl_trainer_evaluate_test, out));
    out->loss = t.state.last_loss;
    out->steps = t.state.step;
    out->loss_scale = t.state.loss_scale;
    out->skipped_steps = t.state.skipped_steps;
    out->tokens_per_s = t.timed_seconds > 0 ? (double)t.timed_tokens / t.timed_seconds : 0;
    if (t.lead)
        BCL_TRY(publish(&t));
out:
    bcl_pipeline_free(t.pipeline);
    if (job->group)
        job->group->release(job->group->context);
    bcl_feed_stop(t.feed);
    bcl_audit_free(t.audit);
    if (t.metrics)
        fclose(t.metrics);
    free(t.metrics_path);
    bcl_histograms_close(t.histograms);
    if (status) {
        bcl_evaluation_free(&out->evaluation);
        bcl_evaluation_free(&out->dev);
    }
    return status;
}
