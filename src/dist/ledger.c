/* Which devices did what of a run. An entry is a device with what it has done; those of processes
 * before this one are the past, to which each rank adds its own. */
#include "dist/ledger.h"

#include <cjson/cJSON.h>
#include <math.h>

typedef struct entry {
    bcl_member member;
    double tokens, timed_tokens, timed_seconds, wall;
    double memory;      /* of its process, MiB; not of the past */
    char left_out[512]; /* why; "": it is among the ranks, or was when this was kept */
    bool matched;       /* with a rank, or with one that was left out since */
} entry;

struct bcl_ledger {
    entry *ranks; /* (size); figures: of the past */
    int size;
    entry *gone; /* devices that are no rank any more */
    size_t gone_count, gone_capacity;
};

static bcl_status add_gone(bcl_ledger *l, const entry *e) {
    const bcl_status status =
        bcl_grow(&l->gone, &l->gone_capacity, l->gone_count + 1, sizeof *l->gone);
    if (!status)
        l->gone[l->gone_count++] = *e;
    return status;
}

static bcl_status add_left_out(bcl_ledger *l, const char *left_out) {
    bcl_status status = BCL_OK;
    for (const char *at = left_out; at && *at;) {
        const size_t id = strcspn(at, "\t\n"), rest = strcspn(at, "\n");
        entry e = {.matched = false};
        snprintf(e.member.id, sizeof e.member.id, "%.*s", (int)id, at);
        snprintf(e.left_out, sizeof e.left_out, "%.*s", (int)(rest > id ? rest - id - 1 : 0),
                 at + id + 1);
        BCL_TRY(add_gone(l, &e));
        at += rest + (at[rest] == '\n');
    }
out:
    return status;
}

bcl_status bcl_ledger_create(bcl_ledger **out, const bcl_member *members, int size,
                             const char *left_out) {
    bcl_status status = BCL_OK;
    bcl_ledger *l = NULL;
    BCL_NEW(l, 1);
    BCL_NEW(l->ranks, (size_t)size);
    l->size = size;
    for (int r = 0; r < size; r++)
        l->ranks[r].member = members[r];
    BCL_TRY(add_left_out(l, left_out));
    *out = l;
    l = NULL;
out:
    bcl_ledger_free(l);
    return status;
}

void bcl_ledger_free(bcl_ledger *l) {
    if (!l)
        return;
    free(l->ranks);
    free(l->gone);
    free(l);
}

void bcl_ledger_memory(bcl_ledger *l, int r, double mb) {
    l->ranks[r].memory = mb;
}

/* A rank with what it did in this process too. */
static entry entry_of(const bcl_ledger *l, const bcl_shares *shares, int r, double *share) {
    const bcl_share_sum sum = bcl_shares_sum(shares, r);
    entry e = l->ranks[r];
    e.tokens += sum.tokens;
    e.timed_tokens += sum.timed_tokens;
    e.timed_seconds += sum.timed_seconds;
    e.wall += sum.wall;
    *share = sum.share;
    return e;
}

static cJSON *add_result(cJSON *list, const entry *e, double share) {
    cJSON *item = cJSON_CreateObject();
    cJSON_AddStringToObject(item, "id", e->member.id);
    cJSON_AddStringToObject(item, "name", e->member.name);
    cJSON_AddStringToObject(item, "driver", e->member.driver);
    cJSON_AddStringToObject(item, "host", e->member.host);
    cJSON_AddNumberToObject(item, "share", share);
    cJSON_AddNumberToObject(item, "tokens", e->tokens);
    cJSON_AddNumberToObject(item, "tokens_per_s",
                            e->timed_seconds > 0 ? e->timed_tokens / e->timed_seconds : 0);
    cJSON_AddNumberToObject(item, "wait_share",
                            e->wall > 0 ? fmax(0, 1 - e->timed_seconds / e->wall) : 0);
    if (e->left_out[0])
        cJSON_AddStringToObject(item, "left_out", e->left_out);
    else
        cJSON_AddNullToObject(item, "left_out");
    cJSON_AddItemToArray(list, item);
    return item;
}

cJSON *bcl_ledger_json(const bcl_ledger *l, const bcl_shares *shares) {
    cJSON *list = cJSON_CreateArray();
    double share;
    for (int r = 0; r < l->size; r++) {
        const entry e = entry_of(l, shares, r, &share);
        const bcl_share_sum sum = bcl_shares_sum(shares, r);
        cJSON *item = add_result(list, &e, share);
        cJSON_AddNumberToObject(item, "communication_share", sum.communication_share);
        cJSON_AddNumberToObject(item, "bytes_per_step", sum.step_bytes);
        cJSON_AddNumberToObject(item, "memory_mb", e.memory);
    }
    for (size_t i = 0; i < l->gone_count; i++)
        add_result(list, &l->gone[i], 0);
    return list;
}

/* ---- in a checkpoint ---- */

static void add_kept(cJSON *list, const entry *e) {
    cJSON *item = cJSON_CreateObject();
    cJSON_AddStringToObject(item, "id", e->member.id);
    cJSON_AddStringToObject(item, "name", e->member.name);
    cJSON_AddStringToObject(item, "driver", e->member.driver);
    cJSON_AddStringToObject(item, "host", e->member.host);
    cJSON_AddNumberToObject(item, "tokens", e->tokens);
    cJSON_AddNumberToObject(item, "timed_tokens", e->timed_tokens);
    cJSON_AddNumberToObject(item, "timed_seconds", e->timed_seconds);
    cJSON_AddNumberToObject(item, "wall", e->wall);
    if (e->left_out[0])
        cJSON_AddStringToObject(item, "left_out", e->left_out);
    cJSON_AddItemToArray(list, item);
}

/* As texts, which are exact. */
static void add_parts(cJSON *kept, const char *name, const double *parts, int size) {
    cJSON *list = cJSON_AddArrayToObject(kept, name);
    char text[40];
    for (int r = 0; r < size; r++) {
        snprintf(text, sizeof text, "%a", parts[r]);
        cJSON_AddItemToArray(list, cJSON_CreateString(text));
    }
}

bcl_status bcl_ledger_keep(char **text, const bcl_ledger *l, const bcl_shares *shares) {
    bcl_status status = BCL_OK;
    const bcl_shares_state state = bcl_shares_state_of(shares);
    cJSON *json = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(json, "devices");
    double share;
    for (int r = 0; r < l->size; r++) {
        const entry e = entry_of(l, shares, r, &share);
        add_kept(list, &e);
    }
    for (size_t i = 0; i < l->gone_count; i++)
        add_kept(list, &l->gone[i]);
    if (state.known) {
        cJSON *kept = cJSON_AddObjectToObject(json, "shares");
        cJSON_AddNumberToObject(kept, "from", (double)state.from);
        add_parts(kept, "now", state.now, l->size);
        add_parts(kept, "next", state.next, l->size);
    }
    *text = cJSON_PrintUnformatted(json);
    if (!*text)
        status = bcl_fail(BCL_ERROR_MEMORY, "out of memory");
    cJSON_Delete(json);
    return status;
}

static void read_text(char *out, size_t size, const cJSON *item, const char *key) {
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, key));
    snprintf(out, size, "%s", text ? text : "");
}

static double read_number(const cJSON *item, const char *key) {
    const cJSON *number = cJSON_GetObjectItemCaseSensitive(item, key);
    return cJSON_IsNumber(number) && number->valuedouble >= 0 ? number->valuedouble : 0;
}

static entry read_entry(const cJSON *item) {
    entry e = {.tokens = read_number(item, "tokens"),
               .timed_tokens = read_number(item, "timed_tokens"),
               .timed_seconds = read_number(item, "timed_seconds"),
               .wall = read_number(item, "wall")};
    read_text(e.member.id, sizeof e.member.id, item, "id");
    read_text(e.member.name, sizeof e.member.name, item, "name");
    read_text(e.member.driver, sizeof e.member.driver, item, "driver");
    read_text(e.member.host, sizeof e.member.host, item, "host");
    read_text(e.left_out, sizeof e.left_out, item, "left_out");
    return e;
}

static void take(entry *to, const entry *past) {
    const bcl_member member = past->member;
    to->member = member;
    to->tokens = past->tokens;
    to->timed_tokens = past->timed_tokens;
    to->timed_seconds = past->timed_seconds;
    to->wall = past->wall;
    to->matched = true;
}

/* A device that was among the ranks is one of them again, or was left out, or is not asked for. */
static bcl_status match(bcl_ledger *l, entry *past) {
    for (int r = 0; !past->left_out[0] && r < l->size; r++)
        if (!l->ranks[r].matched && !strcmp(l->ranks[r].member.id, past->member.id) &&
            !strcmp(l->ranks[r].member.host, past->member.host)) {
            take(&l->ranks[r], past);
            return BCL_OK;
        }
    for (size_t i = 0; i < l->gone_count; i++)
        if (!l->gone[i].matched && !strcmp(l->gone[i].member.id, past->member.id) &&
            (!past->left_out[0] || !strcmp(l->gone[i].left_out, past->left_out))) {
            take(&l->gone[i], past);
            return BCL_OK;
        }
    if (!past->left_out[0])
        snprintf(past->left_out, sizeof past->left_out, "the run went on without it");
    past->matched = true;
    return add_gone(l, past);
}

static bool read_parts(double *out, const cJSON *array, int size) {
    int i = 0;
    const cJSON *part;
    if (cJSON_GetArraySize(array) != size)
        return false;
    cJSON_ArrayForEach(part, array) {
        const char *text = cJSON_GetStringValue(part);
        out[i] = text ? strtod(text, NULL) : 0;
        if (!(out[i] > 0) || !isfinite(out[i]))
            return false;
        i++;
    }
    return true;
}

/* The shares, if the ranks are those that they were measured of. */
static bcl_status restore_shares(const bcl_ledger *l, bcl_shares *shares, const cJSON *json) {
    bcl_status status = BCL_OK;
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(json, "devices"),
                *kept = cJSON_GetObjectItemCaseSensitive(json, "shares"), *item;
    bcl_shares_state state = {.from = (int64_t)read_number(kept, "from")};
    int r = 0;
    BCL_NEW(state.now, (size_t)l->size);
    BCL_NEW(state.next, (size_t)l->size);
    state.known = read_parts(state.now, cJSON_GetObjectItemCaseSensitive(kept, "now"), l->size) &&
                  read_parts(state.next, cJSON_GetObjectItemCaseSensitive(kept, "next"), l->size);
    cJSON_ArrayForEach(item, list) {
        const entry e = read_entry(item);
        if (e.left_out[0])
            continue;
        state.known = state.known && r < l->size && !strcmp(e.member.id, l->ranks[r].member.id) &&
                      !strcmp(e.member.driver, l->ranks[r].member.driver) &&
                      !strcmp(e.member.host, l->ranks[r].member.host);
        r++;
    }
    state.known = state.known && r == l->size;
    bcl_shares_restore(shares, &state);
out:
    free(state.now);
    free(state.next);
    return status;
}

bcl_status bcl_ledger_restore(bcl_ledger *l, bcl_shares *shares, const char *text) {
    bcl_status status = BCL_OK;
    cJSON *json = cJSON_Parse(text);
    const cJSON *item;
    BCL_TRY(restore_shares(l, shares, json));
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(json, "devices")) {
        entry past = read_entry(item);
        BCL_TRY(match(l, &past));
    }
out:
    cJSON_Delete(json);
    return status;
}
