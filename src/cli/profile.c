/* train --profile: the time of a step by operation and by kernel, as tables. */
#include "cli/terminal.h"
#include "cli/train.h"
#include "train/run.h"

static bcl_status print_rows(const char *title, const bcl_profile_row *rows, size_t count,
                             const bcl_run_profile *p) {
    const char *const headings[] = {title, "launches", "ms", "share", "GFLOP/s", "GB/s"};
    bcl_table t = {.align = "lrrrrr"};
    for (size_t i = 0; i < sizeof headings / sizeof *headings; i++)
        bcl_table_add(&t, headings[i]);
    for (size_t i = 0; i < count; i++) {
        const bcl_profile_row *row = &rows[i];
        const bool flop = row->flop > 0, bytes = !flop && row->bytes > 0;
        bcl_table_add(&t, row->name);
        bcl_table_addf(&t, "%.1f", (double)row->launches / p->steps);
        bcl_table_addf(&t, "%.3f", row->ms / p->steps);
        bcl_table_addf(&t, "%.2f%%", 100 * row->ms / p->kernel_ms);
        bcl_table_addf(&t, flop ? "%.1f" : "", bcl_run_profile_rate(row->flop, row->ms));
        bcl_table_addf(&t, bytes ? "%.1f" : "", bcl_run_profile_rate(row->bytes, row->ms));
    }
    return bcl_table_print(&t, stderr);
}

bcl_status bcl_cli_profile_print(const bcl_run *run) {
    bcl_status status = BCL_OK;
    const bcl_run_profile *p = &run->kept.profile;
    if (!p->device)
        return BCL_OK;
    if (!(p->steps > 0)) {
        fputs("profile: no step was timed\n", stderr);
        return BCL_OK;
    }
    fprintf(stderr,
            "profile of %.0f steps, a step's means: %.2f ms, in kernels %.2f ms; matrix products "
            "%.2f %% of these, %.1f GFLOP/s\n",
            p->steps, p->wall_ms / p->steps, p->kernel_ms / p->steps,
            100 * p->gemm.ms / p->kernel_ms, bcl_run_profile_rate(p->gemm.flop, p->gemm.ms));
    BCL_TRY(print_rows("operation", p->operations, p->operation_count, p));
    BCL_TRY(print_rows("kernel", p->kernels, p->kernel_count, p));
out:
    return status;
}
