/* train --profile: the time of a step by operation and by kernel, as tables. */
#include "cli/train.h"
#include "train/run.h"

static void print_rows(const char *title, const bcl_profile_row *rows, size_t count,
                       const bcl_run_profile *p) {
    fprintf(stderr, "%-34s %9s %10s %7s %9s %7s\n", title, "launches", "ms", "share", "GFLOP/s",
            "GB/s");
    for (size_t i = 0; i < count; i++) {
        const bcl_profile_row *row = &rows[i];
        fprintf(stderr, "%-34s %9.1f %10.3f %6.2f%%", row->name, (double)row->launches / p->steps,
                row->ms / p->steps, 100 * row->ms / p->kernel_ms);
        if (row->flop > 0)
            fprintf(stderr, " %9.1f", bcl_run_profile_rate(row->flop, row->ms));
        else if (row->bytes > 0)
            fprintf(stderr, " %9s %7.1f", "", bcl_run_profile_rate(row->bytes, row->ms));
        fputc('\n', stderr);
    }
}

void bcl_cli_profile_print(const bcl_run *run) {
    const bcl_run_profile *p = &run->kept.profile;
    if (!p->device)
        return;
    if (!(p->steps > 0)) {
        fputs("profile: no step was timed\n", stderr);
        return;
    }
    fprintf(stderr,
            "profile of %.0f steps, a step's means: %.2f ms, in kernels %.2f ms; matrix products "
            "%.2f %% of these, %.1f GFLOP/s\n",
            p->steps, p->wall_ms / p->steps, p->kernel_ms / p->steps,
            100 * p->gemm.ms / p->kernel_ms, bcl_run_profile_rate(p->gemm.flop, p->gemm.ms));
    print_rows("operation", p->operations, p->operation_count, p);
    print_rows("kernel", p->kernels, p->kernel_count, p);
}
