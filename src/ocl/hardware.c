/* Which piece of hardware a device is, as far as its driver tells, so that the same one seen
 * through two drivers is recognised. */
#include "ocl/internal.h"

/* From the extensions' texts; Debian's headers lack some of them. */
enum {
    PCI_BUS_INFO_KHR = 0x410F,
    UUID_KHR = 0x106A,
    PCI_BUS_ID_NV = 0x4008,
    PCI_SLOT_ID_NV = 0x4009,
    PCI_DOMAIN_ID_NV = 0x400A,
    TOPOLOGY_AMD = 0x4037,
    TOPOLOGY_PCIE_AMD = 1,
    SUB_GROUP_SIZES_INTEL = 0x4108
};

static void set_pci(bcl_device_info *info, unsigned domain, unsigned bus, unsigned device,
                    unsigned function) {
    snprintf(info->pci, sizeof info->pci, "%04x:%02x:%02x.%x", domain & 0xffffffffu, bus & 0xffu,
             device & 0xffu, function & 7u);
}

static void read_pci(bcl_device_info *info, cl_device_id id, const char *extensions) {
    struct {
        cl_uint domain, bus, device, function;
    } khr;
    struct { /* cl_device_topology_amd */
        cl_uint type;
        unsigned char unused[17], bus, device, function;
    } amd;
    cl_uint bus, slot, domain = 0;
    if (strstr(extensions, "cl_khr_pci_bus_info") &&
        clGetDeviceInfo(id, PCI_BUS_INFO_KHR, sizeof khr, &khr, NULL) == CL_SUCCESS) {
        set_pci(info, khr.domain, khr.bus, khr.device, khr.function);
    } else if (strstr(extensions, "cl_nv_device_attribute_query") &&
               clGetDeviceInfo(id, PCI_BUS_ID_NV, sizeof bus, &bus, NULL) == CL_SUCCESS &&
               clGetDeviceInfo(id, PCI_SLOT_ID_NV, sizeof slot, &slot, NULL) == CL_SUCCESS) {
        if (clGetDeviceInfo(id, PCI_DOMAIN_ID_NV, sizeof domain, &domain, NULL) != CL_SUCCESS)
            domain = 0;
        set_pci(info, domain, bus, slot >> 3, slot);
    } else if (strstr(extensions, "cl_amd_device_attribute_query") &&
               clGetDeviceInfo(id, TOPOLOGY_AMD, sizeof amd, &amd, NULL) == CL_SUCCESS &&
               amd.type == TOPOLOGY_PCIE_AMD) {
        set_pci(info, 0, amd.bus, amd.device, amd.function);
    }
}

static void read_sub_group(bcl_device_info *info, cl_device_id id, const char *extensions) {
    size_t sizes[16], bytes = 0;
    if (!strstr(extensions, "cl_intel_required_subgroup_size") ||
        clGetDeviceInfo(id, SUB_GROUP_SIZES_INTEL, sizeof sizes, sizes, &bytes) != CL_SUCCESS)
        return;
    for (size_t i = 0; i < bytes / sizeof *sizes; i++)
        if (!info->sub_group || sizes[i] < info->sub_group)
            info->sub_group = sizes[i];
}

void bcl_hardware_describe(bcl_device_info *info, cl_device_id id, const char *extensions) {
    unsigned char uuid[16];
    bool any = false;
    read_sub_group(info, id, extensions);
    if (info->gpu || !info->cpu)
        read_pci(info, id, extensions);
    if (!strstr(extensions, "cl_khr_device_uuid") ||
        clGetDeviceInfo(id, UUID_KHR, sizeof uuid, uuid, NULL) != CL_SUCCESS)
        return;
    for (size_t i = 0; i < sizeof uuid; i++)
        any |= uuid[i] != 0;
    for (size_t i = 0; any && i < sizeof uuid; i++)
        snprintf(info->uuid + 2 * i, 3, "%02x", uuid[i]);
}

/* All that compute on the host's processors share its cores, emulators too. */
static bool is_same(const bcl_device_info *a, const bcl_device_info *b) {
    if (a->pci[0] && b->pci[0])
        return !strcmp(a->pci, b->pci);
    if (a->uuid[0] && b->uuid[0] && !strcmp(a->uuid, b->uuid))
        return true;
    return a->cpu && b->cpu;
}

void bcl_hardware_compare(bcl_device_info *devices, size_t count) {
    for (size_t i = 0; i < count; i++) {
        devices[i].same_as[0] = 0;
        if (!devices[i].id[0])
            continue;
        for (size_t k = 0; k < i && !devices[i].same_as[0]; k++)
            if (devices[k].id[0] && is_same(&devices[k], &devices[i]))
                memcpy(devices[i].same_as, devices[k].id, sizeof devices[i].same_as);
    }
}
