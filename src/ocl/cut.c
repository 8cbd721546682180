/* Launches that may take long are queued in parts. A driver may end what runs for longer than its
 * patience, desktops' after two seconds, and a card that also draws the screen draws nothing until
 * a launch is over. How long one takes is not known before: it is estimated from its work and what
 * the slowest devices reach, so that on fast ones few are cut, and each part is long still. */
#include "ocl/internal.h"

#include <math.h>

static const double LONGEST_S = 0.1;
/* A cycle and compute unit: what the smallest reach, Intel's of eight lanes; and of memory what
 * processors share with a graphics unit. */
static const double FLOPS = 4, BYTES = 0.25, LEAST_BANDWIDTH = 10e9;
enum { USUAL_MHZ = 500 }; /* where the driver does not tell */

void bcl_launch_measure(bcl_device *d) {
    const double mhz = d->info.clock_mhz ? d->info.clock_mhz : USUAL_MHZ;
    const double cycles = 1e6 * mhz * (d->info.compute_units ? d->info.compute_units : 1);
    d->flops = FLOPS * cycles;
    d->bandwidth = fmax(BYTES * cycles, LEAST_BANDWIDTH);
}

void bcl_launch_work(bcl_device *d, double flop, double bytes) {
    d->longest_s = flop / d->flops + bytes / d->bandwidth;
}

/* A CPU has no patience that could end, and its second queue takes whole launches. */
double bcl_launch_most_flop(const bcl_device *d) {
    return d->wide ? HUGE_VAL : LONGEST_S * d->flops;
}

bcl_cut bcl_launch_cut(const bcl_device *d, const size_t groups[3]) {
    bcl_cut cut = {.dimension = 0};
    for (int i = 1; i < 3; i++)
        if (groups[i] > groups[cut.dimension])
            cut.dimension = i;
    const double all = (double)groups[cut.dimension];
    const double parts = d->wide ? 1 : fmin(fmax(ceil(d->longest_s / LONGEST_S), 1), all);
    cut.groups = parts > 1 ? (size_t)ceil(all / parts) : groups[cut.dimension];
    return cut;
}
