/* Inside dist/: what of each step a rank computes, from how fast it was. Every rank computes the
 * same from the same measurements, so that nothing has to be said about it. */
#ifndef BCL_DIST_SHARES_H
#define BCL_DIST_SHARES_H

#include "util/util.h"

/* A rank's part of one step. */
typedef struct bcl_share_measure {
    double tokens, seconds; /* until its gradients were there */
} bcl_share_measure;

typedef struct bcl_shares bcl_shares;
/* forced (size): these for all steps; NULL: equal ones until something is measured. */
bcl_status bcl_shares_create(bcl_shares **out, int size, const double *forced);
void bcl_shares_free(bcl_shares *shares);
/* The parts of a step, (size). While the first steps are measured this waits for the step before;
 * called from the thread that packs. */
void bcl_shares_of(bcl_shares *shares, int64_t step, double *out);
/* What the ranks (size) measured in a step that took `wall` seconds, the sum of gradients included.
 */
void bcl_shares_add(bcl_shares *shares, int64_t step, const bcl_share_measure *ranks, double wall);
/* What a later process goes on with. from: the step from which `next` holds, until then `now`. */
typedef struct bcl_shares_state {
    double *now, *next; /* (size) */
    int64_t from;
    bool known; /* they were measured; else there is nothing to go on with */
} bcl_shares_state;
/* Points into the shares. */
bcl_shares_state bcl_shares_state_of(const bcl_shares *shares);
/* The parts that a run of the same devices had: nothing is measured anew, and a correction comes
 * only where it pays. Before the first step. */
void bcl_shares_restore(bcl_shares *shares, const bcl_shares_state *state);
/* What this rank sent of a step's gradients. */
void bcl_shares_sent(bcl_shares *shares, double bytes);
/* Lets go who waits in bcl_shares_of. */
void bcl_shares_release(bcl_shares *shares);
/* The rank without which steps would be shorter, and the numbers in a sentence; -1: none, or not
 * yet known. Ranks' speeds add up, and communication grows with the ranks. */
int bcl_shares_useless(char *text, size_t size, const bcl_shares *shares);

/* Over all steps but the first ones. */
typedef struct bcl_share_sum {
    double tokens;                            /* of all steps */
    double tokens_per_s;                      /* of the rank's own time; 0: not known */
    double wait_share;                        /* of the steps' time that was not its own */
    double share;                             /* of the last step's tokens */
    double timed_tokens, timed_seconds, wall; /* what these are made of */
    double communication_share; /* of the steps' time, beyond that of each step's slowest rank */
    double step_bytes;          /* that a rank sends, see bcl_shares_sent */
} bcl_share_sum;
bcl_share_sum bcl_shares_sum(const bcl_shares *shares, int rank);

#endif
