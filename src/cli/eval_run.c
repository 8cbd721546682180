/* bertcl eval at work: results of files and of models, and what is done with them. */
#include "cli/eval_command.h"

void eval_result_free(eval_result *r) {
    bcl_score_free(r->score);
    bcl_labels_free(r->labels);
    bcl_labels_free(r->pieces);
    bcl_corpus_free(r->corpus);
    bcl_evaluation_free(&r->evaluation);
    free(r->name);
    free(r->data);
    *r = (eval_result){0};
}

/* ---- making results ---- */

/* seqeval's modes are taken as they are asked for. Without being asked a model's entities are
 * counted by the scheme that its tags are of, those of files as conlleval does. */
static bcl_status choose_scheme(eval_result *r, const eval_options *o, size_t model_labels) {
    bcl_status status = BCL_OK;
    const bool strict = o->mode_given ? !strcmp(o->mode, "strict") : o->scheme_given;
    BCL_TRY(bcl_labels_scheme(&r->found, &r->counted, r->labels, model_labels));
    if (strict && o->scheme_given)
        BCL_TRY(bcl_scheme_find(&r->counted, o->scheme));
    else if (strict)
        r->counted = model_labels && r->found != BCL_SCHEME_DEFAULT ? r->found : BCL_SCHEME_AUTO;
    else if (o->mode_given || !model_labels) {
        r->counted = BCL_SCHEME_DEFAULT;
        if ((r->found == BCL_SCHEME_BILOU || r->found == BCL_SCHEME_IO) && !o->mode_given &&
            !o->quiet)
            fprintf(stderr,
                    "%s: the gold tags are %s, which the default mode cannot read; --scheme %s "
                    "counts their entities\n",
                    r->name, bcl_scheme_name(r->found), bcl_scheme_name(r->found));
    }
out:
    return status;
}

static bcl_status score(eval_result *r, const eval_options *o, size_t model_labels) {
    bcl_status status = BCL_OK;
    BCL_TRY(choose_scheme(r, o, model_labels));
    const bcl_score_options options = {.scheme = r->counted,
                                       .zero_division = strtod(o->zero_division, NULL),
                                       .matches = o->json || o->matches,
                                       .by_sentence = o->breakdown || o->resamples,
                                       .report = r->pieces};
    BCL_TRY(bcl_score_create(&r->score, r->labels, &options));
    r->counted = bcl_score_scheme(r->score);
    uint64_t unknown = bcl_score_unknown_tags(r->score);
    if (unknown && !o->quiet)
        fprintf(stderr, "%s: %llu tags have a prefix that %s does not know and count as O\n",
                r->name, (unsigned long long)unknown, bcl_scheme_name(r->counted));
out:
    return status;
}

static bcl_status score_files(eval_result *r, const eval_options *o, const char *gold,
                              const char *pred) {
    bcl_status status = BCL_OK;
    bcl_tag_map *map = NULL;
    bcl_corpus_options reading;
    char **names = NULL;
    const bcl_reading texts = bcl_cli_reading_of(&o->reading);
    BCL_TRY(bcl_reading_map(&map, &texts));
    BCL_TRY(bcl_reading_options(&reading, &names, &texts));
    reading.map = map;
    const bcl_labels_options options = {.reading = &reading,
                                        .first_pieces = o->level && !strcmp(o->level, "word")};
    BCL_TRY(bcl_strdup(&r->name, bcl_data_name(pred)));
    BCL_TRY(bcl_strdup(&r->data, bcl_data_name(gold)));
    BCL_TRY(bcl_labels_read(&r->labels, gold, pred, &options));
    for (size_t i = 0; i < bcl_labels_note_count(r->labels) && !o->quiet; i++)
        bcl_cli_tell(bcl_labels_note(r->labels, i));
    BCL_TRY(score(r, o, 0));
out:
    bcl_strings_free(names, names ? reading.tag_name_count : 0);
    bcl_tag_map_free(map);
    return status;
}

static bcl_status join_paths(char **out, const char *const *paths, size_t count) {
    bcl_status status = BCL_OK;
    bcl_string s = {0};
    for (size_t i = 0; i < count; i++)
        BCL_TRY(bcl_string_addf(&s, "%s%s", i ? " " : "", bcl_data_name(paths[i])));
    *out = s.data;
    s.data = NULL;
out:
    bcl_string_free(&s);
    return status;
}

static bcl_status score_model(eval_result *r, const eval_options *o, eval_model *model,
                              const char *path, const char *const *data, size_t count) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_strdup(&r->name, path));
    BCL_TRY(join_paths(&r->data, data, count));
    BCL_TRY(eval_model_run(r, o, model, data, count));
    BCL_TRY(score(r, o, r->model_labels));
out:
    return status;
}

static bcl_status write_errors(const eval_result *r, const eval_options *o) {
    bcl_status status = BCL_OK;
    bcl_errors *errors = NULL;
    char scheme[BCL_SCHEME_TEXT], how[BCL_SCHEME_TEXT + 16];
    const char *level = eval_level(o, r);
    snprintf(how, sizeof how, "of %ss (%s)", level ? level : "line", eval_scheme_text(scheme, r));
    const bcl_errors_about about = {
        .model = r->name, .data = r->data, .entities = how, .most = (size_t)o->errors_most};
    BCL_TRY(bcl_errors_create(&errors, r->score));
    BCL_TRY(bcl_errors_write(errors, o->errors_path, &about));
    if (!o->quiet)
        fprintf(stderr, "errors: %zu written to %s\n", bcl_errors_count(errors), o->errors_path);
out:
    bcl_errors_free(errors);
    return status;
}

static bcl_status write_predictions(const eval_result *r, const eval_options *o) {
    bcl_status status = bcl_labels_write(r->labels, o->predictions_path);
    if (!status && !o->quiet)
        fprintf(stderr, "predictions: %zu written to %s\n", bcl_labels_tokens(r->labels),
                o->predictions_path);
    return status;
}

/* ---- the ways to call it ---- */

/* Each --pred with its --gold, or all with the one. */
static bcl_status run_files(eval_result *results, const eval_options *o) {
    bcl_status status = BCL_OK;
    for (size_t i = 0; i < o->pred.count; i++)
        BCL_TRY(score_files(&results[i], o, o->gold.items[o->gold.count > 1 ? i : 0],
                            o->pred.items[i]));
out:
    return status;
}

static bcl_status run_models(eval_result *results, eval_model **models, const eval_options *o) {
    bcl_status status = BCL_OK;
    const size_t sets = o->each ? o->data.count : o->data.count > 0;
    const size_t size = o->each ? 1 : o->data.count;
    for (size_t m = 0; m < o->models.count; m++) {
        BCL_TRY(eval_model_load(&models[m], models[0], o, o->models.items[m]));
        if (o->calibrate.count)
            BCL_TRY(eval_model_calibrate(o, models[m]));
        for (size_t i = 0; i < sets; i++)
            BCL_TRY(score_model(results++, o, models[m], o->models.items[m],
                                o->data.items + i * size, size));
    }
out:
    return status;
}

bcl_status eval_run(const eval_options *o) {
    bcl_status status = BCL_OK;
    eval_result *results = NULL, second = {0};
    eval_model **models = NULL, *other = NULL;
    const size_t count =
        o->pred.count ? o->pred.count : o->models.count * (o->each ? o->data.count : 1);
    const bcl_texts named[] = {{o->gold.items, o->gold.count},
                               {o->pred.items, o->pred.count},
                               {&o->pred2, o->pred2 != NULL},
                               {o->data.items, o->data.count},
                               {o->calibrate.items, o->calibrate.count}};
    BCL_TRY(bcl_check_standard_input(named, sizeof named / sizeof *named));
    if (!o->pred.count && !o->pool.devices) /* else each is watched, see dist.h */
        BCL_TRY(bcl_cli_watch(NULL));
    BCL_NEW(results, count);
    BCL_NEW(models, o->models.count + 1);
    BCL_TRY(o->pred.count ? run_files(results, o) : run_models(results, models, o));
    if (o->pred2)
        BCL_TRY(score_files(&second, o, o->gold.items[0], o->pred2));
    if (o->compare) {
        BCL_TRY(eval_model_load(&other, models[0], o, o->compare));
        BCL_TRY(score_model(&second, o, other, o->compare, o->data.items, o->data.count));
    }
    if (!count || !results[0].score) /* --calibrate alone */
        goto out;
    if (o->errors_path)
        BCL_TRY(write_errors(&results[0], o));
    if (o->predictions_path)
        BCL_TRY(write_predictions(&results[0], o));
    if (count == 1 && !o->table)
        BCL_TRY(eval_print_one(o, &results[0], second.score ? &second : NULL));
    else
        BCL_TRY(o->json ? eval_print_all_json(o, results, count)
                        : eval_print_table(o, results, count));
    eval_track(o, results, count);
out:
    for (size_t i = 0; results && i < count; i++)
        eval_result_free(&results[i]);
    eval_result_free(&second);
    for (size_t i = 0; models && i < o->models.count; i++)
        eval_model_free(models[i]);
    eval_model_free(other);
    free(models);
    free(results);
    return status;
}
