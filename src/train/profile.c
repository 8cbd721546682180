/* The time of a step by operation and by kernel, collected and as JSON. Knows the operations' names
 * only as far as it must tell matrix products and steps. */
#include "train/run.h"

#include <cjson/cJSON.h>

enum { UNTIMED_STEPS = 2 }; /* which compile kernels */

void bcl_run_profile_start(bcl_run_profile *p, bcl_device *device) {
    *p = (bcl_run_profile){.device = device, .begin = bcl_seconds()};
}

void bcl_run_profile_step(bcl_run_profile *p) {
    if (!p->device || ++p->seen != UNTIMED_STEPS)
        return;
    (void)bcl_profile_restart(p->device); /* a device that fails here fails at the next wait, too */
    p->begin = bcl_seconds();
}

void bcl_run_profile_end(bcl_run_profile *p) {
    if (!p->device || p->ended)
        return;
    (void)bcl_profile_stop(p->device);
    p->wall_ms = 1e3 * (bcl_seconds() - p->begin);
    p->ended = true;
}

bcl_status bcl_run_profile_collect(bcl_run_profile *p) {
    bcl_status status = BCL_OK;
    if (!p->device)
        return status;
    BCL_TRY(bcl_device_profile(&p->operations, &p->operation_count, &p->kernels, &p->kernel_count,
                               p->device));
    for (size_t i = 0; i < p->operation_count; i++) {
        const bcl_profile_row *row = &p->operations[i];
        p->kernel_ms += row->ms;
        if (!strcmp(row->name, BCL_OPERATION_UPDATE))
            p->steps = (double)row->calls;
        if (!strncmp(row->name, BCL_OPERATION_GEMM, strlen(BCL_OPERATION_GEMM))) {
            p->gemm.ms += row->ms;
            p->gemm.flop += row->flop;
        }
    }
    if (!(p->kernel_ms > 0))
        p->steps = 0;
out:
    return status;
}

double bcl_run_profile_rate(double count, double ms) {
    return ms > 0 ? count / ms * 1e-6 : 0;
}

static cJSON *row_json(const bcl_profile_row *row, const bcl_run_profile *p) {
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "name", row->name);
    cJSON_AddNumberToObject(json, "launches", (double)row->launches / p->steps);
    cJSON_AddNumberToObject(json, "ms", row->ms / p->steps);
    cJSON_AddNumberToObject(json, "share", row->ms / p->kernel_ms);
    if (row->flop > 0)
        cJSON_AddNumberToObject(json, "gflops", bcl_run_profile_rate(row->flop, row->ms));
    if (row->bytes > 0)
        cJSON_AddNumberToObject(json, "gb_per_s", bcl_run_profile_rate(row->bytes, row->ms));
    return json;
}

static cJSON *rows_json(const bcl_profile_row *rows, size_t count, const bcl_run_profile *p) {
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < count; i++) {
        cJSON *row = row_json(&rows[i], p);
        if (!cJSON_AddItemToArray(list, row))
            cJSON_Delete(row);
    }
    return list;
}

cJSON *bcl_run_profile_json(const bcl_run_profile *p) {
    if (!(p->steps > 0))
        return NULL;
    cJSON *json = cJSON_CreateObject();
    cJSON_AddNumberToObject(json, "steps", p->steps);
    cJSON_AddNumberToObject(json, "step_ms", p->wall_ms / p->steps);
    cJSON_AddNumberToObject(json, "kernel_ms", p->kernel_ms / p->steps);
    cJSON_AddNumberToObject(json, "gemm_share", p->gemm.ms / p->kernel_ms);
    cJSON_AddNumberToObject(json, "gemm_gflops", bcl_run_profile_rate(p->gemm.flop, p->gemm.ms));
    bcl_json_put(json, "operations", rows_json(p->operations, p->operation_count, p));
    bcl_json_put(json, "kernels", rows_json(p->kernels, p->kernel_count, p));
    return json;
}

void bcl_run_profile_free(bcl_run_profile *p) {
    free(p->operations);
    free(p->kernels);
    *p = (bcl_run_profile){0};
}
