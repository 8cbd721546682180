/* bertcl devices: what is installed, and whether it works. */
#include "cli/cli.h"
#include "cli/terminal.h"
#include "ops/gemm/gemm.h"

#include <cjson/cJSON.h>
#include <stdarg.h>

static const bcl_command command = {
    "devices", "[--json]",
    "Lists every OpenCL device of every installed driver. Each driver is loaded and tested in a "
    "process of its own; one that fails is listed with the reason.",
    "Ids such as pocl:0 are what --device takes. Without --device the first GPU is used, else the "
    "first CPU. Drivers are the .icd files in /etc/OpenCL/vendors, or where OCL_ICD_VENDORS "
    "points. Below each device is what bertcl tune found for its matrix products."};

/* What tuning stored, by precision; null where it did not. */
static cJSON *choices_json(const bcl_device_info *d) {
    cJSON *choices = cJSON_CreateObject();
    for (int p = 0; p < BCL_PRECISIONS; p++) {
        if (!bcl_precision_offered(d, (bcl_precision)p))
            continue;
        bcl_gemm_choice c;
        cJSON *item = NULL;
        if (bcl_gemm_choice_load(&c, d, (bcl_precision)p) == BCL_GEMM_STORED) {
            item = cJSON_CreateObject();
            if (c.name[0])
                cJSON_AddStringToObject(item, "choice", c.name);
            else
                cJSON_AddNullToObject(item, "choice");
            if (c.reason[0])
                cJSON_AddStringToObject(item, "reason", c.reason);
            cJSON_AddNumberToObject(item, "gflops", c.gflops);
            cJSON_AddNumberToObject(item, "error", c.error);
            cJSON_AddBoolToObject(item, "quick", c.quick);
        }
        cJSON_AddItemToObject(choices, bcl_precision_name((bcl_precision)p),
                              item ? item : cJSON_CreateNull());
    }
    return choices;
}

/* A line behind a device's id, wrapped to the terminal; drivers' texts are escaped. */
__attribute__((format(printf, 2, 3))) static void print_line(const char *id, const char *format,
                                                             ...) {
    enum { INDENT = 13 };
    char text[1024], shown[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const int n = printf("%-*s", INDENT - 1, id);
    bcl_print_wrapped(stdout, bcl_printable(shown, sizeof shown, text), (size_t)n, INDENT,
                      bcl_terminal_room(stdout));
}

static void print_choices(const bcl_device_info *d) {
    for (int p = 0; p < BCL_PRECISIONS; p++) {
        if (!bcl_precision_offered(d, (bcl_precision)p))
            continue;
        const char *precision = bcl_precision_name((bcl_precision)p);
        bcl_gemm_choice c;
        switch (bcl_gemm_choice_load(&c, d, (bcl_precision)p)) {
        case BCL_GEMM_STORED:
            if (c.name[0])
                print_line("", "products in %s: %s, %.1f GFLOP/s, error %.1e%s", precision, c.name,
                           c.gflops, c.error, c.quick ? " (quick tuning)" : "");
            else
                print_line("", "products in %s: %s%s", precision, c.reason,
                           c.quick ? " (quick tuning)" : "");
            break;
        case BCL_GEMM_DAMAGED:
            print_line("", "products in %s: not tuned; %s", precision, c.reason);
            break;
        case BCL_GEMM_ABSENT:
            print_line("", "products in %s: not tuned", precision);
            break;
        }
    }
}

static void add_if_told(cJSON *item, const char *key, const char *text) {
    if (text[0])
        cJSON_AddStringToObject(item, key, text);
    else
        cJSON_AddNullToObject(item, key);
}

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
        add_if_told(item, "pci", d->pci);
        add_if_told(item, "uuid", d->uuid);
        add_if_told(item, "same_hardware_as", d->same_as);
        cJSON_AddBoolToObject(item, "available", d->available);
        if (!d->available)
            cJSON_AddStringToObject(item, "problem", d->problem);
        else
            cJSON_AddItemToObject(item, "gemm", choices_json(d));
        cJSON_AddItemToArray(list, item);
    }
    char *text = NULL;
    puts(bcl_json_print(&text, list) ? "[]" : text);
    cJSON_free(text);
    cJSON_Delete(list);
}

int bcl_cli_devices(int argc, char **argv) {
    bool json = false;
    bcl_device_info *devices = NULL;
    size_t count = 0, usable = 0;
    const bcl_option options[] = {
        {BCL_OPTION_FLAG, "json", &json, NULL, "print a JSON array", .min = 0},
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
            print_line(d->id[0] ? d->id : "-", "skipped: %s", d->problem);
            continue;
        }
        print_line(d->id, "%s", d->name);
        print_line("", "driver %s, %s", d->driver, d->version);
        print_line("",
                   "%s, %u compute units, %.1f GiB (%.1f GiB in one piece), local %.0f KiB, "
                   "work-group %zu, fp32%s%s; self-test passed",
                   d->gpu   ? "GPU"
                   : d->cpu ? "CPU"
                            : "accelerator",
                   d->compute_units, (double)d->memory / (1 << 30),
                   (double)d->max_allocation / (1 << 30), (double)d->local_memory / 1024,
                   d->max_work_group, d->fp16 ? " fp16" : "", d->fp64 ? " fp64" : "");
        if (d->same_as[0])
            print_line("", "same hardware as %s", d->same_as);
        print_choices(d);
    }
    free(devices);
    if (!usable)
        return bcl_cli_error(bcl_fail(BCL_ERROR_NO_DEVICE,
                                      "no usable OpenCL device; install a driver, e.g. "
                                      "pocl-opencl-icd"));
    return BCL_EXIT_OK;
}
