/* Where the cache is and whom to ask, by the variables that Hugging Face's client reads. */
#include "hub/hub.h"

#include <ctype.h>
#include <pwd.h>
#include <strings.h>
#include <unistd.h>

enum {
    NAME_MOST = 96,    /* the hub's limit */
    TOKEN_MOST = 65536 /* bytes of the token's file */
};

static const char *variable(const char *name) {
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static bool is_true(const char *name) {
    const char *value = variable(name);
    return value && (!strcmp(value, "1") || !strcasecmp(value, "on") || !strcasecmp(value, "yes") ||
                     !strcasecmp(value, "true"));
}

static bool is_part(const char *text, size_t size) {
    if (!size || size > NAME_MOST || text[0] == '-' || text[0] == '.' || text[size - 1] == '-' ||
        text[size - 1] == '.')
        return false;
    for (size_t i = 0; i < size; i++) {
        if (!isalnum((unsigned char)text[i]) && !strchr("._-", text[i]))
            return false;
        if (i && text[i] == text[i - 1] && (text[i] == '.' || text[i] == '-'))
            return false;
    }
    return true;
}

/* A revision becomes a path in the cache: no step may lead out of it. */
static bool is_revision(const char *text) {
    if (!*text || *text == '/' || strlen(text) > 200 || strstr(text, "..") || strstr(text, "//"))
        return false;
    for (const char *p = text; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("._-/+", *p))
            return false;
    return text[strlen(text) - 1] != '/';
}

bool bcl_hub_is_name(const char *model) {
    const char *at = strchr(model, '@'), *end = at ? at : model + strlen(model);
    const char *slash = memchr(model, '/', (size_t)(end - model));
    const char *name = slash ? slash + 1 : model; /* old models have no organisation */
    return (!slash || is_part(model, (size_t)(slash - model))) &&
           is_part(name, (size_t)(end - name)) && (!at || is_revision(at + 1));
}

bool bcl_hub_is_commit(const char *revision) {
    return strlen(revision) == 40 && strspn(revision, "0123456789abcdef") == 40;
}

/* Without $HOME the user's entry counts, as for Python's expanduser. */
static bcl_status expand_home(char **out, const char *path) {
    const char *home = getenv("HOME");
    if (path[0] != '~' || (path[1] != '/' && path[1]))
        return bcl_strdup(out, path);
    const struct passwd *user = home ? NULL : getpwuid(getuid());
    if (user)
        home = user->pw_dir;
    return home ? bcl_format(out, "%s%s", home, path + 1) : bcl_strdup(out, path);
}

static bcl_status find_home(char **out) {
    const char *home = variable("HF_HOME"), *base = variable("XDG_CACHE_HOME");
    bcl_status status = BCL_OK;
    char *expanded = NULL;
    if (home)
        return expand_home(out, home);
    BCL_TRY(expand_home(&expanded, base ? base : "~/.cache"));
    BCL_TRY(bcl_format(out, "%s/huggingface", expanded));
out:
    free(expanded);
    return status;
}

/* HF_TOKEN, else what `hf auth login` has kept. */
static bcl_status find_token(char **out, const char *home) {
    const char *token = variable("HF_TOKEN"), *path = variable("HF_TOKEN_PATH");
    bcl_status status = BCL_OK;
    char *name = NULL, *text = NULL;
    if (!token)
        token = variable("HUGGING_FACE_HUB_TOKEN");
    if (!token && is_true("HF_HUB_DISABLE_IMPLICIT_TOKEN"))
        goto out;
    if (!token) {
        size_t size;
        BCL_TRY(path ? expand_home(&name, path) : bcl_path_join(&name, home, "token"));
        if (!bcl_path_exists(name))
            goto out;
        BCL_TRY(bcl_file_read_regular(&text, &size, name, TOKEN_MOST));
        token = text;
    }
    token += strspn(token, " \t\r\n");
    BCL_TRY(bcl_strdup(out, token));
    (*out)[strcspn(*out, " \t\r\n")] = 0; /* a line break would end the header */
    if (!**out) {
        free(*out);
        *out = NULL;
    }
out:
    free(name);
    free(text);
    return status;
}

bcl_status bcl_hub_open(bcl_hub *hub, const char *model) {
    bcl_status status = BCL_OK;
    const char *at = strchr(model, '@');
    const char *cache = variable("HF_HUB_CACHE"), *endpoint = variable("HF_ENDPOINT");
    char *home = NULL;
    if (!cache)
        cache = variable("HUGGINGFACE_HUB_CACHE");
    BCL_TRY(find_home(&home));
    BCL_TRY(cache ? expand_home(&hub->cache, cache) : bcl_path_join(&hub->cache, home, "hub"));
    BCL_TRY(bcl_strdup(&hub->endpoint, endpoint ? endpoint : "https://huggingface.co"));
    for (size_t n = strlen(hub->endpoint); n && hub->endpoint[n - 1] == '/'; n--)
        hub->endpoint[n - 1] = 0;
    BCL_TRY(find_token(&hub->token, home));
    hub->offline = is_true("HF_HUB_OFFLINE") ||
                   (!variable("HF_HUB_OFFLINE") && is_true("TRANSFORMERS_OFFLINE"));
    BCL_TRY(bcl_format(&hub->name, "%.*s", at ? (int)(at - model) : (int)strlen(model), model));
    BCL_TRY(bcl_strdup(&hub->revision, at ? at + 1 : "main"));
    const char *slash = strchr(hub->name, '/');
    const int owner = slash ? (int)(slash - hub->name) : 0;
    BCL_TRY(bcl_format(&hub->folder, "%s/models--%.*s%s%s", hub->cache, owner, hub->name,
                       slash ? "--" : "", slash ? slash + 1 : hub->name));
out:
    free(home);
    return status;
}

void bcl_hub_close(bcl_hub *hub) {
    free(hub->cache);
    free(hub->endpoint);
    free(hub->token);
    free(hub->name);
    free(hub->revision);
    free(hub->folder);
    *hub = (bcl_hub){0};
}
