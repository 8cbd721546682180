/* CLBlast's own parameters, for clblast.c. */
#ifndef BCL_CLBLAST_PARAMETERS_H
#define BCL_CLBLAST_PARAMETERS_H

#include "ops/gemm/provider.h"

/* Makes CLBlast take these for the device in this process, NULL: its database's. It keeps one set
 * and has no way back: a kernel that was given parameters before must be given some again, else it
 * is BCL_ERROR_ARGUMENT, as what CLBlast or the device would not take is. */
bcl_status bcl_clblast_set_parameters(bcl_device *device, const char *parameters);
/* Adds the sets that tuning tries, in an order in which one process can try them all. */
bcl_status bcl_clblast_candidates(bcl_gemm_names *names, const bcl_device *device, bool thorough);

#endif
