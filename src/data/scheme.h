/* Tags as schemes read them: which scheme a set of tags is of, which tag may follow which, and the
 * best sequence of tags under that rule. Counting entities is eval/'s. */
#ifndef BCL_SCHEME_H
#define BCL_SCHEME_H

#include "data/data.h"

#include <bertcl/report.h>

/* A tag taken apart. */
typedef struct bcl_tag_parts {
    /* 'B', 'I', 'E', 'S', also for L, U and those of BMES: M is I, L is E, U and W are S; 'O' of
     * "O"; 0: no prefix, all of it is the type */
    char prefix;
    char letter;      /* as it stands in the tag; 0 without a prefix */
    const char *type; /* points into the tag */
} bcl_tag_parts;
bcl_tag_parts bcl_tag_read(const char *tag);

/* What is known of the tags whose scheme is sought. */
typedef struct bcl_scheme_evidence {
    const char *const *names; /* (K) */
    size_t K;
    const uint64_t *seen;  /* (K) gold tags of this name; NULL: none */
    size_t model;          /* the first of the names are a model's labels */
    uint64_t inside_start; /* entities of the gold that begin with I */
} bcl_scheme_evidence;

/* The scheme, never AUTO: DEFAULT if letters of several schemes are mixed. A letter is evidence if
 * one in a hundred gold tags with a prefix has it, or half of the types of the model's labels. So a
 * stray tag does not change how all others are counted. */
bcl_scheme bcl_scheme_detect(const bcl_scheme_evidence *evidence);
/* How entities of a scheme that was found are counted: as conlleval does (DEFAULT) for IOB1 and
 * IOB2, which is how those are reported, strictly for schemes that mark an entity's end. */
bcl_scheme bcl_scheme_counted(bcl_scheme found);

/* ---- sequences ---- */

/* What a scheme says of K labels. Zero-initialise. */
typedef struct bcl_transitions {
    size_t K, types;
    unsigned char *rules; /* (K) */
    uint32_t *type;       /* (K) */
    /* the work of bcl_decode */
    uint32_t *from; /* (n,K) */
    double *now, *next, *open;
    uint32_t *open_at;
    size_t from_capacity;
} bcl_transitions;
bcl_status bcl_transitions_create(bcl_transitions *out, bcl_scheme scheme, const char *const *names,
                                  size_t K);
void bcl_transitions_free(bcl_transitions *t);
/* best (n): the labels with the highest product of scores among the sequences that the scheme
 * allows. scores (n,K): probabilities. Time and memory grow with n K. */
bcl_status bcl_decode(int32_t *best, bcl_transitions *t, const float *scores, size_t n);
/* Whether the scheme allows label b behind a; -1 stands for the sentence's begin and end. */
bool bcl_transition(const bcl_transitions *t, int32_t a, int32_t b);

#endif
