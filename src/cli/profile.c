/* train --profile: the time of a step by operation and by kernel, as tables and as JSON. Knows the
 * operations' names only as far as it must tell matrix products and steps. */
#include "cli/cli.h"
#include "ops/ops.h"

#include <cjson/cJSON.h>

enum { UNTIMED_STEPS = 2 }; /* which compile kernels */

void bcl_cli_profile_start(bcl_cli_profile *p, bcl_device *device) {
    *p = (bcl_cli_profile){.device = device, .begin = bcl_seconds()};
}

void bcl_cli_profile_step(bcl_cli_profile *p) {
    if (!p->device || ++p->steps != UNTIMED_STEPS)
        return;
    (void)bcl_profile_restart(p->device); /* a device that fails here fails at the next wait, too */
    p->begin = bcl_seconds();
}

void bcl_cli_profile_end(bcl_cli_profile *p) {
    if (!p->device || p->ended)
        return;
    (void)bcl_profile_stop(p->device);
    p->wall_ms = 1e3 * (bcl_seconds() - p->begin);
    p->ended = true;
}

static bool is_gemm(const bcl_profile_row *row) {
    return !strncmp(row->name, BCL_OPERATION_GEMM, strlen(BCL_OPERATION_GEMM));
}

/* 1e9 a second of `count` in `ms` */
static double rate(double count, double ms) {
    return ms > 0 ? count / ms * 1e-6 : 0;
}

static cJSON *row_json(const bcl_profile_row *row, double steps, double all) {
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "name", row->name);
    cJSON_AddNumberToObject(json, "launches", (double)row->launches / steps);
    cJSON_AddNumberToObject(json, "ms", row->ms / steps);
    cJSON_AddNumberToObject(json, "share", row->ms / all);
    if (row->flop > 0)
        cJSON_AddNumberToObject(json, "gflops", rate(row->flop, row->ms));
    if (row->bytes > 0)
        cJSON_AddNumberToObject(json, "gb_per_s", rate(row->bytes, row->ms));
    return json;
}

static cJSON *rows_json(const bcl_profile_row *rows, size_t count, double steps, double all) {
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < count; i++)
        cJSON_AddItemToArray(list, row_json(&rows[i], steps, all));
    return list;
}

static void print_rows(const char *title, const bcl_profile_row *rows, size_t count, double steps,
                       double all) {
    fprintf(stderr, "%-34s %9s %10s %7s %9s %7s\n", title, "launches", "ms", "share", "GFLOP/s",
            "GB/s");
    for (size_t i = 0; i < count; i++) {
        const bcl_profile_row *row = &rows[i];
        fprintf(stderr, "%-34s %9.1f %10.3f %6.2f%%", row->name, (double)row->launches / steps,
                row->ms / steps, 100 * row->ms / all);
        if (row->flop > 0)
            fprintf(stderr, " %9.1f", rate(row->flop, row->ms));
        else if (row->bytes > 0)
            fprintf(stderr, " %9s %7.1f", "", rate(row->bytes, row->ms));
        fputc('\n', stderr);
    }
}

bcl_status bcl_cli_profile_report(bcl_cli_profile *p, cJSON *json) {
    bcl_status status = BCL_OK;
    bcl_profile_row *operations = NULL, *kernels = NULL, gemm = {0};
    size_t operation_count = 0, kernel_count = 0;
    double all = 0, steps = 0;
    if (!p->device)
        return status;
    BCL_TRY(bcl_device_profile(&operations, &operation_count, &kernels, &kernel_count, p->device));
    for (size_t i = 0; i < operation_count; i++) {
        const bcl_profile_row *row = &operations[i];
        all += row->ms;
        if (!strcmp(row->name, BCL_OPERATION_UPDATE))
            steps = (double)row->calls;
        if (is_gemm(row)) {
            gemm.ms += row->ms;
            gemm.flop += row->flop;
        }
    }
    if (!(steps > 0) || !(all > 0)) {
        fputs("profile: no step was timed\n", stderr);
        goto out;
    }
    fprintf(stderr,
            "profile of %.0f steps, a step's means: %.2f ms, in kernels %.2f ms; matrix products "
            "%.2f %% of these, %.1f GFLOP/s\n",
            steps, p->wall_ms / steps, all / steps, 100 * gemm.ms / all, rate(gemm.flop, gemm.ms));
    print_rows("operation", operations, operation_count, steps, all);
    print_rows("kernel", kernels, kernel_count, steps, all);
    cJSON *profile = cJSON_AddObjectToObject(json, "profile");
    cJSON_AddNumberToObject(profile, "steps", steps);
    cJSON_AddNumberToObject(profile, "step_ms", p->wall_ms / steps);
    cJSON_AddNumberToObject(profile, "kernel_ms", all / steps);
    cJSON_AddNumberToObject(profile, "gemm_share", gemm.ms / all);
    cJSON_AddNumberToObject(profile, "gemm_gflops", rate(gemm.flop, gemm.ms));
    cJSON_AddItemToObject(profile, "operations",
                          rows_json(operations, operation_count, steps, all));
    cJSON_AddItemToObject(profile, "kernels", rows_json(kernels, kernel_count, steps, all));
out:
    free(operations);
    free(kernels);
    return status;
}
