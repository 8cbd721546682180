/* The model's card: README.md in the model's folder, as the Hugging Face hub expects it: a YAML
 * header, figures, and how to make the model again. Texts in the header are JSON strings, which are
 * YAML too. */
#include "track/card.h"

#include <cjson/cJSON.h>
#include <math.h>

static const cJSON *get(const cJSON *json, const char *path) {
    char key[128];
    while (json && *path) {
        const size_t n = strcspn(path, "/");
        snprintf(key, sizeof key, "%.*s", (int)n, path);
        json = cJSON_GetObjectItemCaseSensitive(json, key);
        path += n + (path[n] == '/');
    }
    return json;
}

static const char *word(const cJSON *json, const char *path) {
    return cJSON_GetStringValue(get(json, path));
}

static bcl_status put(bcl_string *out, const char *text) {
    return bcl_string_add(out, text, strlen(text));
}

static bcl_status put_quoted(bcl_string *out, const char *before, const char *text) {
    bcl_status status = BCL_OK;
    BCL_TRY(put(out, before));
    BCL_TRY(bcl_json_add_string(out, text, strlen(text)));
    BCL_TRY(put(out, "\n"));
out:
    return status;
}

/* A cell of a Markdown table. */
static bcl_status put_cell(bcl_string *out, const char *text) {
    bcl_status status = BCL_OK;
    BCL_TRY(put(out, "| "));
    for (const char *p = text; *p; p++)
        BCL_TRY(bcl_string_addf(out, strchr("|\\`*_<", *p) ? "\\%c" : "%c",
                                *p == '\n' || *p == '\r' ? ' ' : *p));
    BCL_TRY(put(out, " "));
out:
    return status;
}

/* ---- the header ---- */

/* "key: value" of the base model's own card; false if it has none. */
static bool of_base(char *out, size_t size, const char *folder, const char *key) {
    char *path = NULL, *text = NULL;
    size_t length = 0;
    bool found = false;
    if (!folder || bcl_path_join(&path, folder, "README.md") || !bcl_path_exists(path) ||
        bcl_file_read(&text, &length, path) || strncmp(text, "---\n", 4))
        goto out;
    for (char *line = text + 4; *line && strncmp(line, "---", 3);) {
        const size_t n = strcspn(line, "\n"), k = strlen(key);
        if (n > k + 2 && !strncmp(line, key, k) && line[k] == ':' && n - k - 2 < size) {
            snprintf(out, size, "%.*s", (int)(n - k - 2), line + k + 2);
            out[strcspn(out, "\r#")] = 0;
            found = *out != 0;
        }
        line += n + (line[n] == '\n');
    }
out:
    free(path);
    free(text);
    return found;
}

/* ORG/NAME of the hub. */
static bool is_hub_name(const char *model) {
    const char *slash = model ? strchr(model, '/') : NULL;
    return slash && slash > model && slash[1] && !strchr(slash + 1, '/') && *model != '.' &&
           !bcl_path_exists(model) && !strchr(model, ' ');
}

static bcl_status put_metric(bcl_string *out, const char *type, const char *name,
                             const cJSON *value) {
    if (!cJSON_IsNumber(value))
        return BCL_OK;
    return bcl_string_addf(out,
                           "        - type: %s\n          value: %.6g\n          name: \"%s\"\n",
                           type, value->valuedouble, name);
}

static bcl_status put_results(bcl_string *out, const char *name, const cJSON *track,
                              const cJSON *results) {
    bcl_status status = BCL_OK;
    const cJSON *input = get(track, "inputs");
    const char *data = input && input->child ? word(input->child, "name") : NULL;
    if (!get(results, "eval"))
        return status;
    BCL_TRY(put_quoted(out, "model-index:\n  - name: ", name));
    BCL_TRY(put(out, "    results:\n      - task:\n          type: token-classification\n"
                     "          name: Named entity recognition\n        dataset:\n"));
    BCL_TRY(put_quoted(out, "          name: ", data ? data : "held-out part of the data"));
    BCL_TRY(put_quoted(out, "          type: ", data ? data : "custom"));
    BCL_TRY(put(out, "        metrics:\n"));
    BCL_TRY(put_metric(out, "f1", "entity F1 (micro)",
                       get(results, "eval/entities/micro avg/f1-score")));
    BCL_TRY(put_metric(out, "precision", "entity precision (micro)",
                       get(results, "eval/entities/micro avg/precision")));
    BCL_TRY(put_metric(out, "recall", "entity recall (micro)",
                       get(results, "eval/entities/micro avg/recall")));
    BCL_TRY(put_metric(out, "f1", "label F1 (macro, word pieces)",
                       get(results, "eval/report/macro avg/f1-score")));
    BCL_TRY(put_metric(out, "accuracy", "accuracy (word pieces)", get(results, "eval/accuracy")));
out:
    return status;
}

static bcl_status put_header(bcl_string *out, const char *name, const cJSON *run,
                             const cJSON *track, const cJSON *results) {
    bcl_status status = BCL_OK;
    char text[256];
    const char *base = word(run, "options/model"), *folder = word(track, "parent/folder");
    BCL_TRY(put(out, "---\n"));
    if (of_base(text, sizeof text, folder, "language"))
        BCL_TRY(bcl_string_addf(out, "language: %s\n", text));
    if (of_base(text, sizeof text, folder, "license"))
        BCL_TRY(bcl_string_addf(out, "license: %s\n", text));
    else
        BCL_TRY(put(out, "license: unknown\n"));
    BCL_TRY(put(out,
                "library_name: transformers\npipeline_tag: token-classification\ntags:\n"
                "  - token-classification\n  - named-entity-recognition\n  - bert\n  - bertcl\n"
                "metrics:\n  - precision\n  - recall\n  - f1\n  - accuracy\n"));
    if (is_hub_name(base)) {
        snprintf(text, sizeof text, "%.*s", (int)strcspn(base, "@"), base);
        BCL_TRY(put_quoted(out, "base_model: ", text));
    }
    BCL_TRY(put_results(out, name, track, results));
    BCL_TRY(put(out, "---\n\n"));
out:
    return status;
}

/* ---- the text ---- */

static bcl_status put_report(bcl_string *out, const char *title, const cJSON *report) {
    static const char *const figures[] = {"precision", "recall", "f1-score", "support"};
    bcl_status status = BCL_OK;
    const cJSON *row;
    if (!cJSON_GetArraySize(report))
        return status;
    BCL_TRY(bcl_string_addf(out,
                            "\n%s\n\n|  | precision | recall | F1 | support |\n"
                            "| --- | ---: | ---: | ---: | ---: |\n",
                            title));
    cJSON_ArrayForEach(row, report) {
        if (!cJSON_IsObject(row))
            continue;
        BCL_TRY(put_cell(out, row->string));
        for (size_t i = 0; i < 4; i++) {
            const cJSON *value = cJSON_GetObjectItemCaseSensitive(row, figures[i]);
            BCL_TRY(bcl_string_addf(out, i == 3 ? "| %.0f " : "| %.4f ",
                                    cJSON_IsNumber(value) ? value->valuedouble : 0));
        }
        BCL_TRY(put(out, "|\n"));
    }
out:
    return status;
}

static bcl_status put_data(bcl_string *out, const cJSON *track) {
    bcl_status status = BCL_OK;
    const cJSON *input;
    if (!cJSON_GetArraySize(get(track, "inputs")))
        return status;
    BCL_TRY(put(out, "\n## Data\n\n| data | for | sentences | words | SHA-256 |\n"
                     "| --- | --- | ---: | ---: | --- |\n"));
    cJSON_ArrayForEach(input, get(track, "inputs")) {
        BCL_TRY(put_cell(out, word(input, "name") ? word(input, "name") : ""));
        BCL_TRY(put_cell(out, word(input, "role") ? word(input, "role") : ""));
        BCL_TRY(bcl_string_addf(out, "| %.0f | %.0f | `%.16s…` |\n",
                                cJSON_GetNumberValue(get(input, "sentences")),
                                cJSON_GetNumberValue(get(input, "words")),
                                word(input, "sha256") ? word(input, "sha256") : ""));
    }
out:
    return status;
}

static bcl_status put_settings(bcl_string *out, const cJSON *run) {
    bcl_status status = BCL_OK;
    const cJSON *option;
    BCL_TRY(put(out, "\n## Training\n\n| option | value |\n| --- | --- |\n"));
    cJSON_ArrayForEach(option, get(run, "options")) {
        char *text = cJSON_IsString(option) ? NULL : cJSON_PrintUnformatted(option);
        if (cJSON_IsNull(option) || (cJSON_IsArray(option) && !cJSON_GetArraySize(option))) {
            cJSON_free(text);
            continue;
        }
        status = put_cell(out, option->string);
        if (!status)
            status = put_cell(out, text ? text : option->valuestring);
        cJSON_free(text);
        BCL_TRY(status);
        BCL_TRY(put(out, "|\n"));
    }
out:
    return status;
}

static bcl_status put_command(bcl_string *out, const cJSON *track, const cJSON *run) {
    bcl_status status = BCL_OK;
    const cJSON *argument;
    if (!cJSON_GetArraySize(get(track, "argv")))
        return status;
    BCL_TRY(put(out, "\n## How to make it again\n\n```sh\nbertcl"));
    cJSON_ArrayForEach(argument, get(track, "argv")) {
        const char *text = cJSON_IsString(argument) ? argument->valuestring : "";
        const bool plain = *text && !strpbrk(text, " \t\n'\"\\$`*?[]{}()<>|&;~!#");
        BCL_TRY(put(out, plain ? " " : " '"));
        for (const char *p = text; *p; p++)
            BCL_TRY(*p == '\'' ? put(out, "'\\''") : bcl_string_add(out, p, 1));
        BCL_TRY(put(out, plain ? "" : "'"));
    }
    BCL_TRY(bcl_string_addf(out,
                            "\n```\n\nThe same bertcl (%s), data, seed and device (%s) give the "
                            "same bytes.\n",
                            word(run, "bertcl") ? word(run, "bertcl") : "?",
                            word(run, "device") ? word(run, "device") : "?"));
out:
    return status;
}

static bcl_status put_text(bcl_string *out, const char *name, const cJSON *run, const cJSON *track,
                           const cJSON *results) {
    bcl_status status = BCL_OK;
    const char *base = word(run, "options/model");
    const cJSON *label, *labels = get(run, "labels");
    BCL_TRY(bcl_string_addf(out, "# %s\n\nA BERT model that finds named entities", name));
    if (base)
        BCL_TRY(bcl_string_addf(out, ", fine-tuned from `%s`", base));
    BCL_TRY(put(out, " with bertcl. Its labels:"));
    cJSON_ArrayForEach(label, labels) if (cJSON_IsString(label))
        BCL_TRY(bcl_string_addf(out, " `%s`", label->valuestring));
    BCL_TRY(put(out,
                ".\n\n```python\nfrom transformers import pipeline\n"
                "pipeline(\"token-classification\", model=\".\", "
                "aggregation_strategy=\"simple\")(\"Kofi Annan was born in Kumasi.\")\n```\n"));
    if (get(results, "eval")) {
        BCL_TRY(put(out, "\n## Evaluation\n\nOn data that it was not trained on.\n"));
        BCL_TRY(put_report(out, "Entities of words:", get(results, "eval/entities")));
        BCL_TRY(put_report(out, "Labels of word pieces:", get(results, "eval/report")));
    }
    BCL_TRY(put_data(out, track));
    BCL_TRY(put_settings(out, run));
    BCL_TRY(put_command(out, track, run));
out:
    return status;
}

/* ---- */

static bcl_status read_part(cJSON **out, const char *folder, const char *name) {
    char *path = NULL;
    bcl_status status = bcl_path_join(&path, folder, name);
    *out = NULL;
    if (!status && bcl_path_exists(path))
        status = bcl_json_read(out, path);
    free(path);
    return status;
}

bcl_status bcl_card_write(const char *folder) {
    bcl_status status = BCL_OK;
    cJSON *run = NULL, *track = NULL, *results = NULL;
    bcl_string text = {0};
    char *path = NULL;
    BCL_TRY(bcl_format(&path, "%s/model/README.md", folder));
    BCL_TRY(read_part(&run, folder, "run.json"));
    BCL_TRY(read_part(&track, folder, "track.json"));
    BCL_TRY(read_part(&results, folder, "results.json"));
    const char *given = word(track, "model_name"), *name = given ? given : bcl_path_name(folder);
    BCL_TRY(put_header(&text, name, run, track, results));
    BCL_TRY(put_text(&text, name, run, track, results));
    BCL_TRY(bcl_file_write(path, text.data, text.size));
out:
    cJSON_Delete(run);
    cJSON_Delete(track);
    cJSON_Delete(results);
    bcl_string_free(&text);
    free(path);
    return status;
}
