/* Which answers of several devices may be wrong, for who has read them. */
#include "cli/predict.h"
#include "util/printable.h"

/* "text N", and of which file where there are several. number: from 1. */
static void place_of(char *out, size_t size, const bcl_predict_paths *p, uint64_t number) {
    size_t i = 0;
    char shown[1024];
    while (i + 1 < p->begun && p->begins[i + 1] < number)
        i++;
    const char *path = bcl_data_name(p->items[i]);
    if (p->count == 1)
        snprintf(out, size, "text %llu", (unsigned long long)number);
    else
        snprintf(out, size, "text %llu of %s", (unsigned long long)(number - p->begins[i]),
                 bcl_printable(shown, sizeof shown, path));
}

bcl_status bcl_predict_settle(bool *doubtful, bcl_pool *pool, const bcl_predict_paths *paths,
                              bool printed) {
    bcl_pool_findings found;
    char first[1200], last[1200];
    const bcl_status status = bcl_pool_settle(&found, pool);
    *doubtful = found.doubtful;
    if (!found.doubtful)
        return status;
    if (!printed)
        return bcl_fail(BCL_ERROR_DEVICE, "nothing is printed, it would be wrong: %s; start again",
                        found.why);
    place_of(first, sizeof first, paths, found.first);
    place_of(last, sizeof last, paths, found.last);
    return bcl_fail(BCL_ERROR_DEVICE, "answers from %s to %s may be wrong: %s; give them again",
                    first, last, found.why);
}
