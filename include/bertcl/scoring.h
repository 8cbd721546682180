/* Scoring labels: gold and predicted labels of sentences, from two files or from a model, and all
 * figures that follow from them: reports, matches, intervals, comparisons, errors. */
#ifndef BERTCL_SCORING_H
#define BERTCL_SCORING_H

#include <bertcl/data.h>
#include <bertcl/report.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- labelled sentences ---- */

typedef struct bcl_labels bcl_labels;

/* One sentence. Nothing is copied but the ids: words and file must live as long as the labels. */
typedef struct bcl_labelled {
    const char *const *words;   /* (size); NULL: unknown */
    const int32_t *gold, *pred; /* (size), see bcl_labels_id */
    size_t size;
    const char *file; /* where it was read; NULL: nowhere */
    size_t line;
    size_t document; /* see bcl_labels_document */
} bcl_labelled;

BCL_EXPORT bcl_status bcl_labels_create(bcl_labels **out);
BCL_EXPORT void bcl_labels_free(bcl_labels *labels);
/* *out = the number of a label, from 0, which is added if it is new. */
BCL_EXPORT bcl_status bcl_labels_id(int32_t *out, bcl_labels *labels, const char *name);
/* A document of this name begins; its number is what bcl_labels_documents was before. */
BCL_EXPORT bcl_status bcl_labels_document(bcl_labels *labels, const char *name);
/* Adds a sentence. Errors: ARGUMENT (an id that bcl_labels_id has not given). */
BCL_EXPORT bcl_status bcl_labels_add(bcl_labels *labels, const bcl_labelled *sentence);

/* What a person should know of how files were read, one line each. */
BCL_EXPORT size_t bcl_labels_note_count(const bcl_labels *labels);
BCL_EXPORT const char *bcl_labels_note(const bcl_labels *labels, size_t i);

BCL_EXPORT size_t bcl_labels_size(const bcl_labels *labels); /* sentences */
BCL_EXPORT size_t bcl_labels_tokens(const bcl_labels *labels);
BCL_EXPORT bcl_labelled bcl_labels_sentence(const bcl_labels *labels, size_t i);
BCL_EXPORT size_t bcl_labels_count(const bcl_labels *labels); /* labels in use */
BCL_EXPORT const char *bcl_labels_name(const bcl_labels *labels, size_t id);
BCL_EXPORT size_t bcl_labels_documents(const bcl_labels *labels);
BCL_EXPORT const char *bcl_labels_document_name(const bcl_labels *labels, size_t document);

typedef struct bcl_labels_options {
    /* How both files are read; NULL: everything is found from them. Of two columns of tags beside
     * each other the gold file's is the first, the predicted file's the second. */
    const bcl_corpus_options *reading;
    bool first_pieces; /* leave out lines "##..." that go on with the word of the line before */
} bcl_labels_options;

/* Two CoNLL files, or folders of them, with the same sentences and tokens. The first difference
 * fails with BCL_ERROR_FORMAT and names the sentence and its line in both. options may be NULL. */
BCL_EXPORT bcl_status bcl_labels_read(bcl_labels **out, const char *gold, const char *pred,
                                      const bcl_labels_options *options);
/* "word<TAB>gold<TAB>predicted" lines with a blank one behind each sentence, as conlleval reads
 * them. Complete or absent. Errors: IO. */
BCL_EXPORT bcl_status bcl_labels_write(const bcl_labels *labels, const char *path);
/* Lines that first_pieces left out. */
BCL_EXPORT size_t bcl_labels_left_out(const bcl_labels *labels);

/* ---- scores ---- */

/* How predicted entities are matched with gold ones, as nervaluate 1.x does. */
typedef enum bcl_match {
    BCL_MATCH_STRICT,  /* same tokens and type */
    BCL_MATCH_EXACT,   /* same tokens, any type */
    BCL_MATCH_PARTIAL, /* overlapping tokens count half, any type */
    BCL_MATCH_TYPE,    /* overlapping tokens, same type */
    BCL_MATCH_COUNT
} bcl_match;
/* "strict", "exact", "partial", "ent_type" */
BCL_EXPORT const char *bcl_match_name(bcl_match match);

typedef struct bcl_match_counts {
    uint64_t correct, incorrect, partial, missing, spurious;
} bcl_match_counts;
/* nervaluate's precision, recall and F1; support is the number of gold entities. */
BCL_EXPORT bcl_scores bcl_match_scores(bcl_match_counts counts, bcl_match match);

/* The scheme of the labels' tags, by evidence (docs/evaluation.md has the rule): of the gold tags,
 * and of the first `model` labels, which are those of a model. *counted is how its entities are
 * counted: DEFAULT for IOB1 and IOB2, else *found itself. */
BCL_EXPORT bcl_status bcl_labels_scheme(bcl_scheme *found, bcl_scheme *counted,
                                        const bcl_labels *labels, size_t model);

typedef struct bcl_score_options {
    bcl_scheme scheme;
    double zero_division; /* 0, 1 or NaN; to entities NaN is 1, as in seqeval */
    bool matches;         /* count matches */
    bool by_sentence;     /* keep the counts of each sentence: for breakdowns and intervals */
    /* accuracy and report are of these labels of the same sentences instead, of pieces where
     * entities are of words; they must live as long as the score. NULL: of the same */
    const bcl_labels *report;
} bcl_score_options;

typedef struct bcl_score bcl_score;

/* The labels must live as long as the score. Without any token: BCL_ERROR_ARGUMENT. */
BCL_EXPORT bcl_status bcl_score_create(bcl_score **out, const bcl_labels *labels,
                                       const bcl_score_options *options);
BCL_EXPORT void bcl_score_free(bcl_score *score);
/* Owned by the score. */
BCL_EXPORT const bcl_report *bcl_score_report(const bcl_score *score);
BCL_EXPORT const bcl_entity_report *bcl_score_entities(const bcl_score *score);
BCL_EXPORT bcl_scheme bcl_score_scheme(const bcl_score *score);
BCL_EXPORT uint64_t bcl_score_unknown_tags(const bcl_score *score);
/* Over all types; with a type, of its entities alone. Zeros for a type that does not occur. */
BCL_EXPORT bcl_match_counts bcl_score_matches(const bcl_score *score, bcl_match match,
                                              const char *type);
/* accuracy, report, entities, mode, scheme, confusion, counts, and what else the options made. */
BCL_EXPORT bcl_status bcl_score_json(struct cJSON **out, const bcl_score *score);
/* nervaluate's figures as a table, one row a way of matching, then one a type. */
BCL_EXPORT bcl_status bcl_score_matches_text(char **out, const bcl_score *score, int digits);

/* ---- intervals and comparisons ---- */

/* A figure of the reports with its 95 % interval, and that of a second score on the same sentences.
 */
typedef struct bcl_interval {
    const char *group;  /* "report", "entities"; NULL for the accuracy */
    const char *row;    /* "accuracy", "micro avg", ..., or a type */
    const char *metric; /* "precision", "recall", "f1-score"; NULL for the accuracy */
    double value, low, high;
    double other, other_low, other_high;                /* of the second score */
    double difference, difference_low, difference_high; /* the second's less the first's */
    double p; /* two-sided: the share of resamples whose difference lies as far from the measured
               * one as that lies from 0 */
} bcl_interval;

typedef struct bcl_bootstrap bcl_bootstrap;

/* Percentile intervals from resamples of the sentences, the same ones for both scores, which were
 * made with by_sentence. second may be NULL. The result depends on the seed, not on the number of
 * processors, of which up to 16 are used. The scores must live as long. */
BCL_EXPORT bcl_status bcl_bootstrap_create(bcl_bootstrap **out, const bcl_score *first,
                                           const bcl_score *second, size_t resamples,
                                           uint64_t seed);
BCL_EXPORT void bcl_bootstrap_free(bcl_bootstrap *bootstrap);
BCL_EXPORT size_t bcl_bootstrap_size(const bcl_bootstrap *bootstrap); /* figures */
BCL_EXPORT bcl_interval bcl_bootstrap_interval(const bcl_bootstrap *bootstrap, size_t i);
/* {"resamples", "seed", "level", "accuracy": {...}, "report": {"macro avg": {"f1-score": {"value",
 * "low", "high", ...}}}, "entities": ...} */
BCL_EXPORT bcl_status bcl_bootstrap_json(struct cJSON **out, const bcl_bootstrap *bootstrap);
BCL_EXPORT bcl_status bcl_bootstrap_text(char **out, const bcl_bootstrap *bootstrap, int digits);

/* ---- where the scores come from ---- */

/* Scores by document and by sentence length, made with by_sentence: {"documents": [...],
 * "lengths": [...]}, each with name, sentences, tokens, accuracy and the entities' precision,
 * recall, f1-score and support. */
BCL_EXPORT bcl_status bcl_breakdown_json(struct cJSON **out, const bcl_score *score);
BCL_EXPORT bcl_status bcl_breakdown_text(char **out, const bcl_score *score, int digits);

/* ---- errors ---- */

/* Entities that are missing, spurious, or have the wrong type or boundary; those alike are grouped.
 */
typedef struct bcl_errors bcl_errors;

/* The score and its labels must live as long. */
BCL_EXPORT bcl_status bcl_errors_create(bcl_errors **out, const bcl_score *score);
BCL_EXPORT void bcl_errors_free(bcl_errors *errors);
BCL_EXPORT size_t bcl_errors_count(const bcl_errors *errors);
/* What is said on top. Texts may be NULL: not said. */
typedef struct bcl_errors_about {
    const char *model, *data; /* what was scored on what */
    const char *entities;     /* how they were counted: "of words; IOBES, strict" */
    size_t most;              /* groups that are shown, the most frequent first */
} bcl_errors_about;

/* The most frequent groups with up to five of their sentences each, as text, or as one HTML page if
 * the path ends in .html or .htm. Complete or absent. */
BCL_EXPORT bcl_status bcl_errors_write(const bcl_errors *errors, const char *path,
                                       const bcl_errors_about *about);
/* The same groups as a part of an HTML page, to free(), with the classes of util/html.h. */
BCL_EXPORT bcl_status bcl_errors_html(char **out, const bcl_errors *errors, size_t most);

#ifdef __cplusplus
}
#endif
#endif
