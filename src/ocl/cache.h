/* Inside ocl/: what is kept on disk between runs. bcl_cache_folder and bcl_cache_key are in ocl.h.
 */
#ifndef BCL_OCL_CACHE_H
#define BCL_OCL_CACHE_H

#include "ocl/internal.h"

/* *out = a folder of this user alone under $TMPDIR (/tmp), for who has no home or none that can be
 * written; NULL if there is none that is safe. */
bcl_status bcl_private_folder(char **out);
/* Points PoCL's own cache there too ($POCL_CACHE_DIR), where its default cannot be written: without
 * a cache PoCL fails. Before its driver is loaded. */
void bcl_pocl_cache_settle(void);
/* What to add to a failure of PoCL's; "" if its cache can be written. */
const char *bcl_pocl_cache_hint(void);

/* A program's place in the cache. */
typedef struct bcl_program_entry {
    char *path; /* NULL: there is no place for it, and loading and storing do nothing */
    bcl_string key;
} bcl_program_entry;
bcl_status bcl_program_entry_open(bcl_program_entry *out, const bcl_device *device,
                                  const char *source, const char *options);
void bcl_program_entry_close(bcl_program_entry *entry);
/* False if there is no entry, or none that can be used. */
bool bcl_program_cache_load(cl_program *out, const bcl_device *device,
                            const bcl_program_entry *entry, const char *options);
void bcl_program_cache_store(cl_program program, const bcl_program_entry *entry);
/* The bytes of an entry's file; what cannot be written is left. */
void bcl_program_entry_write(const bcl_program_entry *entry, const void *data, size_t size);

#endif
