/* A file that names each host's devices, a line a host: HOST ID[,ID…] [SHARE[,SHARE…]]. */
#define _GNU_SOURCE
#include "dist/dist.h"

#include <unistd.h>

static bool is_host(const char *name, const char *host) {
    const size_t size = strcspn(host, ".");
    return !strcmp(name, host) || (strlen(name) == size && !strncmp(name, host, size));
}

static size_t count_items(const char *list) {
    size_t n = 1;
    for (; *list; list++)
        n += *list == ',';
    return n;
}

/* An empty item cannot be an id. */
static bool is_list(const char *list) {
    const size_t size = strlen(list);
    return list[0] != ',' && list[size - 1] != ',' && !strstr(list, ",,");
}

static bcl_status check_line(const char *ids, const char *shares, const char *path, int line) {
    bcl_status status = BCL_OK;
    double *numbers = NULL;
    char message[512];
    if (!is_list(ids))
        BCL_FAIL(BCL_ERROR_FORMAT, "%s:%d: found \"%s\", expected ids with commas between", path,
                 line, ids);
    if (!shares)
        goto out;
    BCL_NEW(numbers, count_items(ids));
    if (bcl_dist_shares(numbers, count_items(ids), shares)) {
        const char *text = bcl_message();
        snprintf(message, sizeof message, "%s", strchr(text, ':') ? strchr(text, ':') + 2 : text);
        BCL_FAIL(BCL_ERROR_FORMAT, "%s:%d: shares: %s", path, line, message);
    }
out:
    free(numbers);
    return status;
}

/* What is known while the lines go by. */
typedef struct reading {
    const char *path, *host;
    bcl_host_devices *out;
    char **names; /* of the hosts so far */
    size_t count, capacity;
    int shared; /* 1: lines have shares, 0: they have none, -1: not known */
} reading;

static bcl_status take_line(reading *r, char *text, int line) {
    bcl_status status = BCL_OK;
    enum { MOST = 4 };
    char *words[MOST] = {NULL}, *rest = NULL;
    size_t n = 0;
    text[strcspn(text, "#\r")] = 0;
    for (char *w = strtok_r(text, " \t", &rest); w && n < MOST; w = strtok_r(NULL, " \t", &rest))
        words[n++] = w;
    if (!n)
        return BCL_OK;
    if (n < 2 || n > 3)
        BCL_FAIL(BCL_ERROR_FORMAT, "%s:%d: found %s, expected HOST ID[,ID...] [SHARE[,SHARE...]]",
                 r->path, line, n < 2 ? "a host without devices" : "more than three columns");
    for (size_t i = 0; i < r->count; i++)
        if (!strcmp(r->names[i], words[0]))
            BCL_FAIL(BCL_ERROR_FORMAT, "%s:%d: \"%s\" has a line already", r->path, line, words[0]);
    if (r->shared >= 0 && r->shared != (n == 3))
        BCL_FAIL(BCL_ERROR_FORMAT,
                 "%s:%d: found %s shares where the lines above have %s: all or none", r->path, line,
                 n == 3 ? "" : "no", n == 3 ? "none" : "them");
    r->shared = n == 3;
    BCL_TRY(check_line(words[1], words[2], r->path, line));
    BCL_TRY(bcl_grow(&r->names, &r->capacity, r->count + 1, sizeof *r->names));
    BCL_TRY(bcl_strdup(&r->names[r->count], words[0]));
    r->count++;
    if (!is_host(words[0], r->host) || r->out->devices)
        goto out;
    BCL_TRY(bcl_strdup(&r->out->devices, words[1]));
    if (words[2])
        BCL_TRY(bcl_strdup(&r->out->shares, words[2]));
    r->out->line = line;
out:
    return status;
}

bcl_status bcl_dist_device_file(bcl_host_devices *out, const char *path) {
    bcl_status status = BCL_OK;
    char host[256] = "", *text = NULL;
    size_t size = 0;
    int line = 0;
    reading r = {.path = path, .host = host, .out = out, .shared = -1};
    *out = (bcl_host_devices){.devices = NULL};
    gethostname(host, sizeof host - 1);
    BCL_TRY(bcl_file_read(&text, &size, path));
    if (strlen(text) != size)
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: found a NUL, expected text", path);
    for (char *at = text, *next; at && *at; at = next) {
        next = strchr(at, '\n');
        if (next)
            *next++ = 0;
        BCL_TRY(take_line(&r, at, ++line));
    }
    if (!out->devices)
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: no line is for this host, \"%s\"", path, host);
out:
    bcl_strings_free(r.names, r.count);
    free(text);
    if (status)
        bcl_host_devices_free(out);
    return status;
}

void bcl_host_devices_free(bcl_host_devices *h) {
    free(h->devices);
    free(h->shares);
    *h = (bcl_host_devices){.devices = NULL};
}
