/* See request.h. */
#include "track/request.h"

#include <curl/curl.h>
#include <sys/stat.h>

enum { CONNECT_SECONDS = 5, ANSWER_SECONDS = 30, STALL_SECONDS = 20 };

static bcl_status copy_variable(char **out, const char *name) {
    const char *value = getenv(name);
    return value && *value ? bcl_strdup(out, value) : BCL_OK;
}

bcl_status bcl_server_open(bcl_server *server) {
    bcl_status status = BCL_OK;
    const char *insecure = getenv("MLFLOW_TRACKING_INSECURE_TLS");
    char *name = NULL, *password = NULL;
    memset(server, 0, sizeof *server);
    server->insecure = insecure && !strcmp(insecure, "true");
    BCL_TRY(copy_variable(&server->uri, "MLFLOW_TRACKING_URI"));
    if (!server->uri || (strncmp(server->uri, "http://", 7) && strncmp(server->uri, "https://", 8)))
        BCL_FAIL(BCL_ERROR_ARGUMENT,
                 "MLFLOW_TRACKING_URI: found \"%s\", expected the address of a server such as "
                 "http://127.0.0.1:5000",
                 server->uri ? server->uri : "");
    for (size_t n = strlen(server->uri); n && server->uri[n - 1] == '/'; n--)
        server->uri[n - 1] = 0;
    BCL_TRY(copy_variable(&server->token, "MLFLOW_TRACKING_TOKEN"));
    BCL_TRY(copy_variable(&name, "MLFLOW_TRACKING_USERNAME"));
    BCL_TRY(copy_variable(&password, "MLFLOW_TRACKING_PASSWORD"));
    if (name)
        BCL_TRY(bcl_format(&server->user, "%s:%s", name, password ? password : ""));
    if (!(server->curl = curl_easy_init()))
        BCL_FAIL(BCL_ERROR_MEMORY, "%s: cannot start libcurl", server->uri);
out:
    free(name);
    free(password);
    if (status)
        bcl_server_close(server);
    return status;
}

void bcl_server_close(bcl_server *server) {
    if (server->curl)
        curl_easy_cleanup(server->curl);
    free(server->uri);
    free(server->token);
    free(server->user);
    memset(server, 0, sizeof *server);
}

static size_t on_body(char *data, size_t one, size_t size, void *context) {
    enum { MOST = 64 << 20 };
    bcl_string *body = context;
    (void)one;
    return body->size + size > MOST || bcl_string_add(body, data, size) ? 0 : size;
}

static int on_progress(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d) {
    const double until = atomic_load(&((bcl_server *)context)->until);
    (void)a, (void)b, (void)c, (void)d;
    return until > 0 && bcl_seconds() > until;
}

static void set_common(bcl_server *server, const char *url, bcl_string *body, char *problem) {
    CURL *curl = server->curl;
    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, server);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, problem);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "bertcl/" BERTCL_VERSION);
    if (server->insecure) {
        curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (server->user) {
        curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        curl_easy_setopt(curl, CURLOPT_USERPWD, server->user);
    }
}

/* The server's own words: MLflow's are {"error_code", "message"}. */
static bcl_status refused(const char *url, long code, const bcl_string *body) {
    cJSON *json = body->data ? cJSON_ParseWithLength(body->data, body->size) : NULL;
    const char *message = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "message"));
    const bcl_status status = bcl_fail(BCL_ERROR_IO, "%s: the server answered %ld%s%.300s", url,
                                       code, message ? ": " : "", message ? message : "");
    cJSON_Delete(json);
    return status;
}

static bcl_status perform(long *code, bcl_server *server, const char *url, const bcl_string *body,
                          const char *problem) {
    const double until = atomic_load(&server->until);
    if (until > 0 && bcl_seconds() > until)
        return bcl_fail(BCL_ERROR_IO, "%s: there was no time left to ask the server", url);
    const CURLcode result = curl_easy_perform(server->curl);
    if (result)
        return bcl_fail(BCL_ERROR_IO, "%s: %s", url,
                        problem[0] ? problem : curl_easy_strerror(result));
    curl_easy_getinfo(server->curl, CURLINFO_RESPONSE_CODE, code);
    return *code >= 400 ? refused(url, *code, body) : BCL_OK;
}

/* A name and a password go before a token, as with MLflow's own client. */
static struct curl_slist *headers_of(const bcl_server *server, const char *type) {
    char *line = NULL;
    struct curl_slist *list = curl_slist_append(NULL, type);
    if (server->token && !server->user &&
        !bcl_format(&line, "Authorization: Bearer %s", server->token))
        list = curl_slist_append(list, line);
    free(line);
    return curl_slist_append(list, "Expect:");
}

bcl_status bcl_server_call(cJSON **answer, long *code, bcl_server *server, const char *path,
                           const cJSON *body) {
    bcl_status status = BCL_OK;
    char *url = NULL, *text = NULL, problem[CURL_ERROR_SIZE] = "";
    bcl_string got = {0};
    long unused;
    struct curl_slist *headers = headers_of(server, "Content-Type: application/json");
    code = code ? code : &unused;
    *code = 0;
    if (answer)
        *answer = NULL;
    BCL_TRY(bcl_format(&url, "%s/%s", server->uri, path));
    set_common(server, url, &got, problem);
    curl_easy_setopt(server->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(server->curl, CURLOPT_TIMEOUT, (long)ANSWER_SECONDS);
    if (body) {
        if (!(text = cJSON_PrintUnformatted(body)))
            BCL_FAIL(BCL_ERROR_MEMORY, "out of memory while printing JSON");
        curl_easy_setopt(server->curl, CURLOPT_POSTFIELDS, text);
        curl_easy_setopt(server->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(text));
    }
    BCL_TRY(perform(code, server, url, &got, problem));
    if (answer && !(*answer = cJSON_ParseWithLength(got.data ? got.data : "", got.size)))
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: the answer is no JSON: is it an MLflow server?", url);
out:
    curl_slist_free_all(headers);
    bcl_string_free(&got);
    cJSON_free(text);
    free(url);
    return status;
}

bcl_status bcl_server_upload(bcl_server *server, const char *path, const char *file) {
    bcl_status status = BCL_OK;
    char *url = NULL, problem[CURL_ERROR_SIZE] = "";
    bcl_string got = {0};
    struct stat info;
    long code;
    struct curl_slist *headers = headers_of(server, "Content-Type: application/octet-stream");
    FILE *source = fopen(file, "rb");
    if (!source || fstat(fileno(source), &info)) {
        status = bcl_fail_errno("%s: cannot open", file);
        goto out;
    }
    BCL_TRY(bcl_format(&url, "%s/%s", server->uri, path));
    set_common(server, url, &got, problem);
    curl_easy_setopt(server->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(server->curl, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(server->curl, CURLOPT_READDATA, source);
    curl_easy_setopt(server->curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)info.st_size);
    curl_easy_setopt(server->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(server->curl, CURLOPT_LOW_SPEED_TIME, (long)STALL_SECONDS);
    BCL_TRY(perform(&code, server, url, &got, problem));
out:
    if (source)
        fclose(source);
    curl_slist_free_all(headers);
    bcl_string_free(&got);
    free(url);
    return status;
}

bcl_status bcl_server_escape(char **out, bcl_server *server, const char *text) {
    bcl_status status = BCL_OK;
    bcl_string s = {0};
    for (const char *p = text; *p;) {
        const size_t n = strcspn(p, "/");
        char *part = n ? curl_easy_escape(server->curl, p, (int)n) : NULL;
        status = part ? bcl_string_add(&s, part, strlen(part)) : BCL_OK;
        curl_free(part);
        BCL_TRY(status);
        p += n;
        if (*p == '/')
            BCL_TRY(bcl_string_add(&s, p++, 1));
    }
    BCL_TRY(bcl_string_add(&s, "", 0));
    *out = s.data;
    s.data = NULL;
out:
    bcl_string_free(&s);
    return status;
}
