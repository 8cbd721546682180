/* Energy by the counters that a host may have: NVIDIA's management library for its cards, Linux'
 * powercap (RAPL) for CPUs. Neither is needed to build or to run. */
#include "bench/internal.h"

#include <dlfcn.h>

enum { PACKAGES = 16 };

/* ---- powercap ---- */

static bool read_number(double *out, int package, const char *file) {
    char path[128];
    bool read = false;
    snprintf(path, sizeof path, "/sys/class/powercap/intel-rapl:%d/%s", package, file);
    FILE *f = fopen(path, "r");
    if (f) {
        read = fscanf(f, "%lf", out) == 1;
        fclose(f);
    }
    return read;
}

static const char *open_packages(bcl_bench_energy *e) {
    while (e->packages < PACKAGES && read_number(&e->first[e->packages], e->packages, "energy_uj"))
        e->packages++;
    e->source = "RAPL, the host's processors in all";
    return e->packages ? NULL : "no /sys/class/powercap/intel-rapl:0/energy_uj that can be read";
}

static bool read_packages(double *joules, const bcl_bench_energy *e) {
    double sum = 0, now, range;
    for (int i = 0; i < e->packages; i++) {
        if (!read_number(&now, i, "energy_uj"))
            return false;
        if (now < e->first[i]) { /* it went round */
            if (!read_number(&range, i, "max_energy_range_uj"))
                return false;
            now += range;
        }
        sum += now - e->first[i];
    }
    *joules = sum * 1e-6;
    return true;
}

/* ---- NVML ---- */

typedef int nvml_init(void);
typedef int nvml_handle(const char *pci, void **device);

static void *symbol(void *library, const char *name) {
    return library ? dlsym(library, name) : NULL;
}

static const char *open_card(bcl_bench_energy *e, const char *pci) {
    void *library = dlopen("libnvidia-ml.so.1", RTLD_NOW);
    /* a pointer to a function by way of one to data, as POSIX has it */
    nvml_init *init = NULL;
    nvml_handle *handle = NULL;
    *(void **)&init = symbol(library, "nvmlInit_v2");
    *(void **)&handle = symbol(library, "nvmlDeviceGetHandleByPciBusId_v2");
    *(void **)&e->energy = symbol(library, "nvmlDeviceGetTotalEnergyConsumption");
    unsigned long long mj;
    e->source = "NVML, the card";
    if (!library || !init || !handle || !e->energy)
        return "libnvidia-ml.so.1 is not there";
    if (init() || handle(pci, &e->device) || e->energy(e->device, &mj))
        return "NVML has no counter of this card";
    e->first[0] = (double)mj;
    return NULL;
}

/* ---- either ---- */

void bcl_bench_energy_open(bcl_bench_energy *e, const bcl_device_info *about) {
    *e = (bcl_bench_energy){0};
    e->problem = about->cpu ? open_packages(e)
                 : about->pci[0] && strstr(about->vendor, "NVIDIA")
                     ? open_card(e, about->pci)
                     : "no counter is known for such a device";
}

bool bcl_bench_energy_read(double *joules, const bcl_bench_energy *e) {
    unsigned long long mj;
    if (e->problem)
        return false;
    if (e->packages)
        return read_packages(joules, e);
    if (e->energy(e->device, &mj))
        return false;
    *joules = ((double)mj - e->first[0]) * 1e-3;
    return true;
}
