/* Questions and downloads with libcurl. Redirects are followed here, hop by hop: the token goes to
 * the endpoint alone, wherever that sends us. */
#include "hub/hub.h"

#include <curl/curl.h>
#include <errno.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { HOPS = 10, ATTEMPTS = 5, CONNECT_SECONDS = 10, STALL_SECONDS = 30, ENOUGH_BYTES = 1 << 20 };

/* What a response says in its headers. */
typedef struct answer {
    long code;
    char commit[64], etag[256], linked_etag[256], error[64];
    uint64_t size, linked_size, range_start;
    bool body;      /* some of it has come */
    char *location; /* absolute; owned */
} answer;

typedef struct transfer {
    CURL *curl;
    const bcl_hub *hub;
    answer answer;
    char problem[CURL_ERROR_SIZE];
    /* of a download */
    const char *name;
    FILE *file;
    uint64_t at, expected; /* bytes in the file; of the whole */
    bool failed_to_write;
} transfer;

static bool header_is(const char *line, size_t size, const char *name, const char **value,
                      size_t *value_size) {
    const size_t n = strlen(name);
    if (size <= n || strncasecmp(line, name, n) || line[n] != ':')
        return false;
    const char *p = line + n + 1, *end = line + size;
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    while (end > p && strchr(" \t\r\n", end[-1]))
        end--;
    *value = p;
    *value_size = (size_t)(end - p);
    return true;
}

static void keep(char *out, size_t room, const char *value, size_t size) {
    snprintf(out, room, "%.*s", (int)size, value);
}

/* W/"abc" and "abc" are abc. */
static void keep_etag(char *out, size_t room, const char *value, size_t size) {
    if (size > 2 && !strncmp(value, "W/", 2)) {
        value += 2;
        size -= 2;
    }
    if (size >= 2 && value[0] == '"' && value[size - 1] == '"') {
        value++;
        size -= 2;
    }
    keep(out, room, value, size);
}

static size_t on_header(char *line, size_t one, size_t size, void *context) {
    answer *a = &((transfer *)context)->answer;
    const char *v;
    size_t n;
    char number[32] = "";
    (void)one;
    if (size > 5 && !strncmp(line, "HTTP/", 5)) { /* a new response: 100, a proxy's 200 */
        char *location = a->location;
        *a = (answer){.size = UINT64_MAX, .linked_size = UINT64_MAX, .range_start = UINT64_MAX};
        free(location);
    } else if (header_is(line, size, "X-Repo-Commit", &v, &n)) {
        keep(a->commit, sizeof a->commit, v, n);
    } else if (header_is(line, size, "ETag", &v, &n)) {
        keep_etag(a->etag, sizeof a->etag, v, n);
    } else if (header_is(line, size, "X-Linked-ETag", &v, &n)) {
        keep_etag(a->linked_etag, sizeof a->linked_etag, v, n);
    } else if (header_is(line, size, "X-Error-Code", &v, &n)) {
        keep(a->error, sizeof a->error, v, n);
    } else if (header_is(line, size, "Content-Length", &v, &n)) {
        keep(number, sizeof number, v, n);
        a->size = strtoull(number, NULL, 10);
    } else if (header_is(line, size, "X-Linked-Size", &v, &n)) {
        keep(number, sizeof number, v, n);
        a->linked_size = strtoull(number, NULL, 10);
    } else if (header_is(line, size, "Content-Range", &v, &n) && n > 6 &&
               !strncmp(v, "bytes ", 6)) {
        keep(number, sizeof number, v + 6, n - 6);
        a->range_start = strtoull(number, NULL, 10);
    }
    return size;
}

static size_t on_body(char *data, size_t one, size_t size, void *context) {
    transfer *t = context;
    (void)one;
    long code = 0;
    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &code);
    if (!t->file || (code != 200 && code != 206))
        return size;                      /* a page about an error */
    if (!t->answer.body && code == 200) { /* the whole file, asked for a part or not */
        t->failed_to_write = fseeko(t->file, 0, SEEK_SET) || ftruncate(fileno(t->file), 0);
        t->at = 0;
    } else if (!t->answer.body && t->answer.range_start != t->at) {
        return 0; /* another part than asked for */
    }
    t->answer.body = true;
    if (t->failed_to_write || fwrite(data, 1, size, t->file) != size) {
        t->failed_to_write = true;
        return 0;
    }
    t->at += size;
    return size;
}

static int on_progress(void *context, curl_off_t total, curl_off_t now, curl_off_t up_total,
                       curl_off_t up) {
    const transfer *t = context;
    (void)total, (void)now, (void)up_total, (void)up;
    if (t->file && t->hub->progress)
        t->hub->progress(t->hub->context, t->name, t->at,
                         t->expected == UINT64_MAX ? 0 : t->expected);
    return bcl_interrupted();
}

/* True if the address is the endpoint's: same scheme, host and port. */
static bool same_host(const char *url, const char *endpoint) {
    bool same = false;
    CURLU *a = curl_url(), *b = curl_url();
    char *x[3] = {0}, *y[3] = {0};
    static const CURLUPart parts[3] = {CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT};
    if (a && b && !curl_url_set(a, CURLUPART_URL, url, 0) &&
        !curl_url_set(b, CURLUPART_URL, endpoint, 0)) {
        same = true;
        for (int i = 0; i < 3; i++) {
            curl_url_get(a, parts[i], &x[i], CURLU_DEFAULT_PORT);
            curl_url_get(b, parts[i], &y[i], CURLU_DEFAULT_PORT);
            same = same && x[i] && y[i] && !strcasecmp(x[i], y[i]);
        }
    }
    for (int i = 0; i < 3; i++) {
        curl_free(x[i]);
        curl_free(y[i]);
    }
    curl_url_cleanup(a);
    curl_url_cleanup(b);
    return same;
}

/* One request, no redirect followed. `code` of the answer is 0 if there was none. */
static CURLcode request(transfer *t, const char *url, bool head) {
    struct curl_slist *headers = NULL;
    CURL *c = t->curl;
    char text[4096];
    free(t->answer.location);
    t->answer = (answer){.size = UINT64_MAX, .linked_size = UINT64_MAX, .range_start = UINT64_MAX};
    t->problem[0] = 0;
    curl_easy_reset(c);
    if (t->hub->token && same_host(url, t->hub->endpoint)) {
        snprintf(text, sizeof text, "Authorization: Bearer %s", t->hub->token);
        headers = curl_slist_append(headers, text);
    }
    /* compressed sizes and checksums would not be the file's */
    headers = curl_slist_append(headers, "Accept-Encoding: identity");
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "bertcl");
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, t->problem);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)STALL_SECONDS);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, t);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(c, CURLOPT_NOBODY, head ? 1L : 0L);
    if (!head && t->at) {
        snprintf(text, sizeof text, "%llu-", (unsigned long long)t->at);
        curl_easy_setopt(c, CURLOPT_RANGE, text);
    }
    CURLcode code = curl_easy_perform(c);
    char *location = NULL;
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &t->answer.code);
    curl_easy_getinfo(c, CURLINFO_REDIRECT_URL, &location);
    if (location)
        t->answer.location = strdup(location);
    curl_slist_free_all(headers);
    return code;
}

static bool is_redirect(const answer *a) {
    return (a->code == 301 || a->code == 302 || a->code == 303 || a->code == 307 ||
            a->code == 308) &&
           a->location;
}

static bcl_status make_url(char **out, const bcl_hub *hub, const char *revision, const char *name) {
    bcl_status status = BCL_OK;
    char *escaped = curl_easy_escape(NULL, revision, 0), *file = curl_easy_escape(NULL, name, 0);
    if (!escaped || !file)
        BCL_FAIL(BCL_ERROR_MEMORY, "out of memory for an address");
    BCL_TRY(bcl_format(out, "%s/%s/resolve/%s/%s", hub->endpoint, hub->name, escaped, file));
out:
    curl_free(escaped);
    curl_free(file);
    return status;
}

static bcl_status begin(transfer *t, const bcl_hub *hub) {
    static bool ready;
    *t = (transfer){.hub = hub, .expected = UINT64_MAX};
    if (!ready && curl_global_init(CURL_GLOBAL_DEFAULT))
        return bcl_fail(BCL_ERROR_IO, "libcurl does not start");
    ready = true;
    t->curl = curl_easy_init();
    return t->curl ? BCL_OK : bcl_fail(BCL_ERROR_MEMORY, "out of memory for a transfer");
}

static bcl_status refused(const transfer *t, const char *name) {
    const answer *a = &t->answer;
    const bcl_hub *h = t->hub;
    const char *hint = h->token ? "HF_TOKEN is not accepted or has no access to it"
                                : "set HF_TOKEN if it is private or gated";
    if (a->code == 404 && !strcmp(a->error, "RevisionNotFound"))
        return bcl_fail(BCL_ERROR_IO, "%s: %s has no revision \"%s\"", h->name, h->endpoint,
                        h->revision);
    if (a->code == 401 || a->code == 403)
        return bcl_fail(BCL_ERROR_IO,
                        "%s: no such folder, and %s gives no access to it (HTTP %ld): "
                        "%s",
                        h->name, h->endpoint, a->code, hint);
    if (a->code == 404)
        return bcl_fail(BCL_ERROR_IO, "%s: no such folder, and %s has no such model (HTTP 404): %s",
                        h->name, h->endpoint, hint);
    return bcl_fail(BCL_ERROR_IO, "%s: %s answers HTTP %ld for %s, expected 200", h->name,
                    h->endpoint, a->code, name);
}

static bcl_status unreachable(const transfer *t, CURLcode code, const char *name) {
    if (bcl_interrupted())
        return bcl_fail(BCL_ERROR_INTERRUPTED, "interrupted while downloading");
    return bcl_fail(BCL_ERROR_IO, "%s: no such folder, and %s cannot be reached for its %s: %s",
                    t->hub->name, t->hub->endpoint, name,
                    t->problem[0] ? t->problem : curl_easy_strerror(code));
}

static void wait_a_little(int attempt) {
    const struct timespec pause = {attempt / 4, (attempt % 4) * 250000000L};
    nanosleep(&pause, NULL);
}

/* Worth another try: a server that is busy or a line that broke. */
static bool is_passing(long code) {
    return code == 0 || code == 408 || code == 429 || code >= 500;
}

static bool is_file_name(const char *text) {
    return *text && *text != '.' &&
           strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") ==
               strlen(text);
}

bcl_status bcl_hub_ask(bcl_hub_file *out, bool *found, const bcl_hub *hub, const char *revision,
                       const char *name) {
    bcl_status status = BCL_OK;
    transfer t;
    char *url = NULL;
    CURLcode code = CURLE_OK;
    *found = false;
    BCL_TRY(begin(&t, hub));
    BCL_TRY(make_url(&url, hub, revision, name));
    for (int attempt = 0, hop = 0; attempt < ATTEMPTS && hop < HOPS;) {
        code = request(&t, url, true);
        /* a redirect inside the hub is a renamed model; one elsewhere is where the bytes are */
        if (!code && is_redirect(&t.answer) && same_host(t.answer.location, hub->endpoint) &&
            !t.answer.linked_etag[0]) {
            free(url);
            url = NULL;
            BCL_TRY(bcl_strdup(&url, t.answer.location));
            hop++;
            continue;
        }
        if (code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_CONNECT ||
            bcl_interrupted() || (!code && !is_passing(t.answer.code)))
            break;
        wait_a_little(++attempt);
    }
    const answer *a = &t.answer;
    if (code) {
        status = unreachable(&t, code, name);
        goto out;
    }
    if (a->code == 404 && (!strcmp(a->error, "EntryNotFound") || a->commit[0]))
        goto out;
    if (a->code != 200 && !is_redirect(a)) {
        status = refused(&t, name);
        goto out;
    }
    keep(out->etag, sizeof out->etag, a->linked_etag[0] ? a->linked_etag : a->etag,
         sizeof out->etag - 1);
    keep(out->commit, sizeof out->commit, a->commit, 40);
    out->size = a->linked_size != UINT64_MAX ? a->linked_size
                : a->code == 200             ? a->size
                                             : UINT64_MAX;
    if (!bcl_hub_is_commit(out->commit) || strlen(a->commit) != 40 || !is_file_name(out->etag))
        BCL_FAIL(BCL_ERROR_FORMAT,
                 "%s: %s: the answer for %s lacks X-Repo-Commit or ETag: is HF_ENDPOINT a hub?",
                 hub->name, hub->endpoint, name);
    *found = true;
out:
    free(url);
    free(t.answer.location);
    curl_easy_cleanup(t.curl);
    return status;
}

/* One attempt, from where the file ends. */
static bcl_status attempt_fetch(transfer *t, const char *first_url, CURLcode *code) {
    bcl_status status = BCL_OK;
    char *url = NULL;
    BCL_TRY(bcl_strdup(&url, first_url));
    for (int hop = 0; hop < HOPS; hop++) {
        *code = request(t, url, false);
        if (*code || !is_redirect(&t->answer))
            break;
        if (!strncmp(url, "https:", 6) && strncmp(t->answer.location, "https:", 6))
            BCL_FAIL(BCL_ERROR_IO, "%s: %s: redirected from https to http", t->hub->name, t->name);
        free(url);
        url = NULL;
        BCL_TRY(bcl_strdup(&url, t->answer.location));
    }
    if (t->failed_to_write || fflush(t->file))
        status = bcl_fail_errno("%s: cannot write", t->name);
out:
    free(url);
    return status;
}

bcl_status bcl_hub_fetch(const bcl_hub *hub, const bcl_hub_file *file, const char *name,
                         const char *path) {
    bcl_status status = BCL_OK;
    transfer t;
    char *url = NULL;
    CURLcode code = CURLE_OK;
    BCL_TRY(begin(&t, hub));
    t.name = name;
    t.expected = file->size;
    BCL_TRY(make_url(&url, hub, file->commit, name));
    t.file = fopen(path, "ab");
    if (t.file)
        fclose(t.file);
    if (!(t.file = fopen(path, "r+b")) || fseeko(t.file, 0, SEEK_END)) {
        status = bcl_fail_errno("%s: cannot write", path);
        goto out;
    }
    t.at = (uint64_t)ftello(t.file);
    for (int attempt = 0; attempt < ATTEMPTS; wait_a_little(++attempt)) {
        if (t.expected != UINT64_MAX && t.at == t.expected)
            break;
        if (t.expected != UINT64_MAX && t.at > t.expected) { /* not this file */
            if (ftruncate(fileno(t.file), 0) || fseeko(t.file, 0, SEEK_SET)) {
                status = bcl_fail_errno("%s: cannot write", path);
                goto out;
            }
            t.at = 0;
        }
        const uint64_t before = t.at;
        BCL_TRY(attempt_fetch(&t, url, &code));
        if (bcl_interrupted())
            break;
        if (!code && (t.answer.code == 200 || t.answer.code == 206) && t.expected == UINT64_MAX)
            break;
        if (!code && t.answer.code == 416) { /* what we have is no beginning of it */
            t.expected = file->size;
            if (ftruncate(fileno(t.file), 0) || fseeko(t.file, 0, SEEK_SET)) {
                status = bcl_fail_errno("%s: cannot write", path);
                goto out;
            }
            t.at = 0;
        } else if (!code && !is_passing(t.answer.code) && t.answer.code != 200 &&
                   t.answer.code != 206) {
            status = refused(&t, name);
            goto out;
        }
        if (t.at >= before + ENOUGH_BYTES)
            attempt = 0; /* it goes on, if in pieces */
    }
    if (bcl_interrupted())
        BCL_FAIL(BCL_ERROR_INTERRUPTED, "interrupted while downloading %s; run again to go on",
                 name);
    if (code || (t.answer.code && is_passing(t.answer.code)) ||
        (t.expected != UINT64_MAX && t.at != t.expected))
        BCL_FAIL(BCL_ERROR_IO,
                 "%s: %s: the transfer broke off at byte %llu of %llu (%s); run again to go on",
                 hub->name, name, (unsigned long long)t.at,
                 (unsigned long long)(t.expected == UINT64_MAX ? 0 : t.expected),
                 t.problem[0] ? t.problem : "the server sent no more");
    if (fsync(fileno(t.file)))
        status = bcl_fail_errno("%s: cannot sync", path);
out:
    if (t.file)
        fclose(t.file);
    free(url);
    free(t.answer.location);
    curl_easy_cleanup(t.curl);
    return status;
}
