/* Inside ocl/: the .icd files that name drivers. */
#ifndef BCL_OCL_ICD_H
#define BCL_OCL_ICD_H

#include "util/util.h"

/* The .icd files as the ICD loaders find them: those of a folder, or one file. *files is freed by
 * bcl_strings_free. */
bcl_status bcl_icd_list(char ***files, size_t *count);
/* *out = the library that a file names, its first line, as a new string. */
bcl_status bcl_icd_library(char **out, const char *icd_file);
/* Loads the library alone and says in the message why that fails: the ICD loaders do not tell. OK
 * if it loads. For a child process: drivers clash. */
bcl_status bcl_icd_try(const char *icd_file);
/* The file that a loaded library came from, without links; "" if it is not loaded. */
void bcl_icd_object(char *out, size_t size, const char *icd_file);

#endif
