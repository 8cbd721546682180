/* bertcl devices: what is installed, and whether it works. */
#include "cli/cli.h"
#include "ocl/ocl.h"

#include <cjson/cJSON.h>

static const bcl_command command = {
    "devices", "[--json]",
    "Lists every OpenCL device of every installed driver. Each driver is loaded and tested in a "
    "process of its own; one that fails is listed with the reason.",
    "Ids such as pocl:0 are what --device takes. Without --device the first GPU is used, else the "
    "first CPU. Drivers are the .icd files in /etc/OpenCL/vendors, or where OCL_ICD_VENDORS "
    "points."};

static void print_json(const bcl_device_info *devices, size_t count) {
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < count; i++) {
        const bcl_device_info *d = &devices[i];
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "id", d->id);
        cJSON_AddStringToObject(item, "name", d->name);
        cJSON_AddStringToObject(item, "vendor", d->vendor);
        cJSON_AddStringToObject(item, "driver", d->driver);
        cJSON_AddStringToObject(item, "version", d->version);
        cJSON_AddStringToObject(item, "library", d->library);
        cJSON_AddStringToObject(item, "type", d->gpu ? "gpu" : d->cpu ? "cpu" : "other");
        cJSON_AddNumberToObject(item, "memory", (double)d->memory);
        cJSON_AddNumberToObject(item, "max_allocation", (double)d->max_allocation);
        cJSON_AddNumberToObject(item, "local_memory", (double)d->local_memory);
        cJSON_AddNumberToObject(item, "compute_units", d->compute_units);
        cJSON_AddNumberToObject(item, "clock_mhz", d->clock_mhz);
        cJSON_AddNumberToObject(item, "max_work_group", (double)d->max_work_group);
        cJSON_AddBoolToObject(item, "fp16", d->fp16);
        cJSON_AddBoolToObject(item, "fp64", d->fp64);
        cJSON_AddBoolToObject(item, "available", d->available);
        if (!d->available)
            cJSON_AddStringToObject(item, "problem", d->problem);
        cJSON_AddItemToArray(list, item);
    }
    char *text = cJSON_Print(list);
    puts(text ? text : "[]");
    cJSON_free(text);
    cJSON_Delete(list);
}

int bcl_cli_devices(int argc, char **argv) {
    bool json = false;
    bcl_device_info *devices = NULL;
    size_t count = 0, usable = 0;
    const bcl_option options[] = {
        {BCL_OPTION_FLAG, "json", &json, NULL, "print a JSON array", NULL, 0, 0, NULL},
        {.kind = BCL_OPTION_END},
    };
    int code = bcl_options_parse(&command, options, argc, argv, 1);
    if (code >= 0)
        return code;
    bcl_status status = bcl_devices_probe(&devices, &count);
    if (status)
        return bcl_cli_error(status);
    if (json)
        print_json(devices, count);
    for (size_t i = 0; i < count; i++) {
        const bcl_device_info *d = &devices[i];
        usable += d->available;
        if (json)
            continue;
        if (!d->available) {
            printf("%-12s skipped: %s\n", d->id[0] ? d->id : "-", d->problem);
            continue;
        }
        printf("%-12s %s\n%12s driver %s, %s\n", d->id, d->name, "", d->driver, d->version);
        printf("%12s %s, %u compute units, %.1f GiB (%.1f GiB in one piece), local %.0f KiB, "
               "work-group %zu, fp32%s%s; self-test passed\n",
               "",
               d->gpu   ? "GPU"
               : d->cpu ? "CPU"
                        : "accelerator",
               d->compute_units, (double)d->memory / (1 << 30),
               (double)d->max_allocation / (1 << 30), (double)d->local_memory / 1024,
               d->max_work_group, d->fp16 ? " fp16" : "", d->fp64 ? " fp64" : "");
    }
    free(devices);
    if (!usable)
        return bcl_cli_error(bcl_fail(BCL_ERROR_NO_DEVICE,
                                      "no usable OpenCL device; install a driver, e.g. "
                                      "pocl-opencl-icd"));
    return BCL_EXIT_OK;
}
