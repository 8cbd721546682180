/* train_and_score MODEL DATA RUN: fine-tunes a model on CoNLL data with a part of it held out,
 * prints a line an epoch, and then what the trained model makes of a sentence. Started again, it
 * goes on. */
#include <bertcl/bertcl.h>

#include <stdio.h>
#include <stdlib.h>

static void follow(void *context, const bcl_run_event *e) {
    (void)context;
    if (e->kind == BCL_RUN_MESSAGE)
        fprintf(stderr, "%s\n", e->text);
    else if (e->kind == BCL_RUN_RESUMED)
        fprintf(stderr, "going on after step %lld\n", (long long)e->step);
    else if (e->kind == BCL_RUN_EVALUATED)
        printf("epoch %lld: loss %.4f, accuracy %.4f, macro F1 %.4f\n", (long long)e->epoch,
               e->loss, e->accuracy, e->macro_f1);
}

static bcl_status train(const char *model, const char *data, const char *folder) {
    bcl_run_options options;
    bcl_run *run = NULL;
    char *text = NULL;
    bcl_run_options_init(&options);
    options.model = model;
    options.data = (bcl_texts){&data, 1};
    options.out = folder;
    options.epochs = 2;
    options.batch = 16;
    options.lr = 2e-4;
    options.schedule = "linear";
    options.resume = true; /* if there is such a run; else it begins */
    options.listener = follow;
    bcl_status status = bcl_run_open(&run, &options);
    if (!status)
        status = bcl_run_train(run);
    const bcl_run_record *record = status ? NULL : bcl_run_record_of(run);
    if (record && record->report && !(status = bcl_report_text(&text, record->report, 4)))
        printf("\n%s\n", text);
    else if (record && record->evaluated)
        printf("macro F1 %.4f after %lld steps\n", record->eval_macro_f1, (long long)record->steps);
    free(text);
    bcl_run_free(run);
    return status;
}

static bcl_status print(void *context, const bcl_tagged *result) {
    (void)context;
    for (size_t i = 0; i < result->entity_count; i++)
        printf("%s: %s (%.2f)\n", result->entities[i].label, result->entities[i].word,
               (double)result->entities[i].score);
    return BCL_OK;
}

int main(int argc, char **argv) {
    static const char sentence[] = "The Secretary-General of the United Nations met in Geneva.";
    const bcl_tagger_options options = {.aggregation = BCL_AGGREGATION_FIRST, .sink = print};
    bcl_tagger *tagger = NULL;
    if (argc != 4) {
        fprintf(stderr, "usage: train_and_score MODEL DATA RUN\n");
        return 2;
    }
    bcl_status status = train(argv[1], argv[2], argv[3]);
    if (!status)
        status = bcl_tagger_open(&tagger, argv[3], &options); /* the run's best model */
    if (!status)
        status = bcl_tagger_add_text(tagger, sentence, sizeof sentence - 1, NULL);
    if (!status)
        status = bcl_tagger_flush(tagger);
    if (status)
        fprintf(stderr, "train_and_score: %s\n", bcl_message());
    bcl_tagger_free(tagger);
    return status != BCL_OK;
}
