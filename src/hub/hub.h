/* Inside hub/: the environment, the cache's layout, HTTP. Knows nothing of what models are for. */
#ifndef BCL_HUB_INTERNAL_H
#define BCL_HUB_INTERNAL_H

#include "util/util.h"

#include <bertcl/hub.h>

/* ---- environment.c ---- */

typedef struct bcl_hub {
    char *cache;    /* the folder with models--ORG--NAME, or models--NAME */
    char *endpoint; /* without a '/' at the end */
    char *token;    /* NULL: none */
    bool offline;
    char *name;     /* ORG/NAME, or NAME */
    char *revision; /* a branch, a tag or a commit */
    char *folder;   /* cache/models--ORG--NAME */
    bcl_hub_progress *progress;
    void *context;
} bcl_hub;

/* False if the text cannot be [ORG/]NAME[@REVISION]. */
bool bcl_hub_is_name(const char *model);
bcl_status bcl_hub_open(bcl_hub *hub, const char *model);
void bcl_hub_close(bcl_hub *hub);
/* 40 hexadecimal digits. */
bool bcl_hub_is_commit(const char *revision);

/* ---- checksum.c ---- */

/* What the hub's ETags are: SHA-256 of the content (64 digits) for large files, git's blob SHA-1
 * (40 digits) for the others. False: another kind of ETag, nothing to check. */
bool bcl_hub_can_check(const char *etag);
/* The file's checksum of the ETag's kind in hexadecimal. text: at least 65 bytes. */
bcl_status bcl_hub_checksum(char *text, const char *path, const char *etag);

/* ---- http.c ---- */

typedef struct bcl_hub_file {
    char commit[41];
    char etag[256]; /* a file name of letters, digits and ".-_" */
    uint64_t size;  /* UINT64_MAX: not told */
} bcl_hub_file;

/* Asks what the hub has under a name. *found is false if it has the model but not this file. */
bcl_status bcl_hub_ask(bcl_hub_file *out, bool *found, const bcl_hub *hub, const char *revision,
                       const char *name);
/* Downloads it to `path`, going on with what is there; the file is complete when it returns. */
bcl_status bcl_hub_fetch(const bcl_hub *hub, const bcl_hub_file *file, const char *name,
                         const char *path);

#endif
