/* Inside dist/: which devices did what of a run, also before it was started again; for results.json
 * and for the checkpoints, which carry it on together with the shares. */
#ifndef BCL_DIST_LEDGER_H
#define BCL_DIST_LEDGER_H

#include "dist/shares.h"

struct cJSON;

/* A rank's device. */
typedef struct bcl_member {
    char id[64], name[256], driver[256], host[256];
} bcl_member;

typedef struct bcl_ledger bcl_ledger;
/* members (size), copied. left_out: "ID\tREASON\n" of devices that were in the run; NULL: none. */
bcl_status bcl_ledger_create(bcl_ledger **out, const bcl_member *members, int size,
                             const char *left_out);
void bcl_ledger_free(bcl_ledger *ledger);
/* What rank r's process has now, MiB. */
void bcl_ledger_memory(bcl_ledger *ledger, int r, double mb);
/* The array of results.json: the ranks, then those that are not there any more. */
struct cJSON *bcl_ledger_json(const bcl_ledger *ledger, const bcl_shares *shares);
/* *text, to free(): for a checkpoint, what was done until now and the shares of what comes. */
bcl_status bcl_ledger_keep(char **text, const bcl_ledger *ledger, const bcl_shares *shares);
/* Takes up what a checkpoint kept; the shares too, if they are of the same devices. */
bcl_status bcl_ledger_restore(bcl_ledger *ledger, bcl_shares *shares, const char *text);

#endif
