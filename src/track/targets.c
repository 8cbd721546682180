/* Where a run is told of besides its folder: a list of names, as --track has it. */
#include "track/mlflow.h"

#include <bertcl/track.h>

static const char *const names[] = {"tensorboard", "mlflow"};

bool bcl_targets_have(const char *list, const char *name) {
    const size_t n = strlen(name);
    for (const char *p = list; p && *p; p += strcspn(p, ","), p += *p == ',')
        if (strcspn(p, ",") == n && !strncmp(p, name, n))
            return true;
    return false;
}

bcl_status bcl_targets_check(const char *list) {
    for (const char *p = list; p && *p; p += strcspn(p, ","), p += *p == ',') {
        const size_t n = strcspn(p, ",");
        bool known = false;
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            known = known || (strlen(names[i]) == n && !strncmp(p, names[i], n));
        if (!known)
            return bcl_fail(BCL_ERROR_ARGUMENT,
                            "--track: found \"%.*s\", expected tensorboard, mlflow or both with a "
                            "comma between",
                            (int)n, p);
    }
    return bcl_targets_have(list, "mlflow") ? bcl_mlflow_check() : BCL_OK;
}
