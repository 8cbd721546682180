/* What the hub's ETags say of a file's content. */
#include "hub/hub.h"
#include "util/checksum.h"

#include <sys/stat.h>

bool bcl_hub_can_check(const char *etag) {
    const size_t n = strlen(etag);
    return (n == 40 || n == 64) && strspn(etag, "0123456789abcdef") == n;
}

bcl_status bcl_hub_checksum(char *text, const char *path, const char *etag) {
    bcl_status status = BCL_OK;
    bcl_checksum s;
    struct stat info;
    bcl_checksum_begin(&s, strlen(etag) == 40);
    if (s.sha1) {
        char head[32];
        if (stat(path, &info)) {
            status = bcl_fail_errno("%s: cannot read", path);
            goto out;
        }
        bcl_checksum_add(&s, head,
                         (size_t)snprintf(head, sizeof head, "blob %lld", (long long)info.st_size) +
                             1);
    }
    BCL_TRY(bcl_checksum_add_file(&s, path));
    bcl_checksum_end(&s, text);
out:
    return status;
}
