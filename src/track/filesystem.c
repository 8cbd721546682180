/* See filesystem.h. The numbers are those of Linux' statfs(2) and of the file systems' own sources.
 */
#include "track/filesystem.h"

#include <stddef.h>

const char *bcl_network_file_system(unsigned long type) {
    static const struct {
        unsigned long type;
        const char *name;
    } list[] = {
        {0x6969, "NFS"},        {0x517B, "SMB"},        {0xFE534D42, "SMB2"},
        {0xFF534D42, "CIFS"},   {0x0BD00BD0, "Lustre"}, {0x65735546, "FUSE"},
        {0x47504653, "GPFS"},   {0x00C36400, "Ceph"},   {0x5346414F, "AFS"},
        {0x6B414653, "kAFS"},   {0x01021997, "9P"},     {0xAAD7AAEA, "PanFS"},
        {0x19830326, "BeeGFS"}, {0x7461636F, "OCFS2"},  {0x01161970, "GFS2"},
        {0x73757245, "Coda"},   {0x786F4256, "vboxsf"}, {0x20030528, "OrangeFS"},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        if ((type & 0xFFFFFFFFul) == list[i].type)
            return list[i].name;
    return NULL;
}
