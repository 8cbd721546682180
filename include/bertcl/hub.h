/* Models by name: the cache of Hugging Face's hub, and downloads into it. */
#ifndef BERTCL_HUB_H
#define BERTCL_HUB_H

#include <bertcl/status.h>

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A file is being downloaded: `done` of `size` bytes (0: not known). */
typedef void bcl_hub_progress(void *context, const char *file, uint64_t done, uint64_t size);

/* *out = the folder of a model, to free(): MODEL itself if it is an existing path; of a run of
 * bertcl train (a folder with run.json) its best, else its model; else the snapshot of [ORG/]NAME
 * or [ORG/]NAME@REVISION in the hub's cache, downloaded first where it is not complete. Cache,
 * endpoint, token and offline mode come from the environment, as the hub's own client takes them
 * (docs/models.md). What is in the cache is used without asking the network. progress may be NULL.
 * Errors: IO (no such path or model, no access, a broken transfer), FORMAT (a file that is not what
 * its checksum says; it is removed). */
BCL_EXPORT bcl_status bcl_hub_find(char **out, const char *model, bcl_hub_progress *progress,
                                   void *context);

/* A program's own names of models, looked up before folders and the hub: leaves *out NULL if the
 * text is none of them, else sets it to a folder, to free(), or fails. One a process, set before
 * threads start; NULL: none. */
typedef bcl_status bcl_hub_names(char **out, const char *model);
BCL_EXPORT void bcl_hub_set_names(bcl_hub_names *names);

#ifdef __cplusplus
}
#endif
#endif
