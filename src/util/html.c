/* See html.h. Every colour stands in `style`, once for light and once for dark;
 * tests/util/test_html.c computes their contrast, of every hue too. */
#include "util/html.h"

#include <time.h>
#include <utf8proc.h>

/* Variables: --ink text, --soft lesser text, --paper behind all, --line rules, --link; --ok and
 * --bad behind what is right and wrong, with --edge around it; --s1 to --s6 the series of charts.
 * --mark-s and --mark-l are saturation and lightness behind a hue, --tag-s and --tag-l of text upon
 * it. Long words may run out of a table's cell, which scrolls, but break nowhere else. */
static const char style[] =
    ":root { color-scheme: light dark; --font: system-ui, -apple-system, \"Segoe UI\", Roboto,\n"
    "  \"Noto Sans\", \"DejaVu Sans\", sans-serif;\n"
    "  --ink: #1c2128; --soft: #57606a; --paper: #ffffff; --line: #d0d7de; --link: #0a58ca;\n"
    "  --ok: #d8f0de; --bad: #ffdeda; --edge: #b3261e;\n"
    "  --s1: #0a58ca; --s2: #a83f00; --s3: #1a7035; --s4: #8a2f9e; --s5: #86610a; --s6: #0b6e78;\n"
    "  --mark-s: 70%; --mark-l: 89%; --tag-s: 80%; --tag-l: 22%; }\n"
    "@media (prefers-color-scheme: dark) { :root {\n"
    "  --ink: #e6eaef; --soft: #a3adb8; --paper: #14171b; --line: #39414a; --link: #8ab8ff;\n"
    "  --ok: #1c4029; --bad: #5a2421; --edge: #ff8a80;\n"
    "  --s1: #8ab8ff; --s2: #ffab70; --s3: #7ee094; --s4: #e0a3f0; --s5: #e8c468; --s6: #6fd6e2;\n"
    "  --mark-s: 40%; --mark-l: 24%; --tag-s: 60%; --tag-l: 82%; } }\n"
    "* { box-sizing: border-box; }\n"
    "body { font: 16px/1.6 var(--font); color: var(--ink); background: var(--paper);\n"
    "  max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; overflow-wrap: break-word; }\n"
    "h1, h2, h3 { line-height: 1.25; margin: 2rem 0 .5rem; } h1 { font-size: 1.5rem; margin-top: "
    "0; }\n"
    "h2 { font-size: 1.2rem; } h3 { font-size: 1rem; }\n"
    "p { margin: 0 0 .8rem; } a { color: var(--link); }\n"
    "main { display: flex; flex-direction: column; } main > * { max-width: 100%; }\n"
    ".first { order: -1; } .soft { color: var(--soft); } small, .small { font-size: .85rem; }\n"
    ".facts { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: 0 0\n"
    "  1.5rem; font-size: .9rem; } .facts dt { color: var(--soft); }\n"
    ".facts dd { margin: 0; min-width: 0; overflow-wrap: anywhere; }\n"
    ".scroll { overflow-x: auto; }\n"
    "table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 0 0 1rem; }\n"
    "th, td { border-bottom: 1px solid var(--line); padding: .25rem 1rem .25rem 0; text-align:\n"
    "  left; vertical-align: top; overflow-wrap: normal; } th { font-weight: 600; }\n"
    "th.n, td.n { text-align: right; white-space: nowrap; }\n"
    ".text { white-space: pre-wrap; line-height: 1.9; }\n"
    "mark { color: inherit; background: var(--ok); padding: .1em .25em; border-radius: .25em;\n"
    "  -webkit-box-decoration-break: clone; box-decoration-break: clone; }\n"
    "mark.bad { background: var(--bad); outline: 1px solid var(--edge); }\n"
    ".hue { background: hsl(var(--h) var(--mark-s) var(--mark-l)); }\n"
    "mark b, mark[data-tag]::after { font-size: .75rem; font-weight: 600; white-space: nowrap;\n"
    "  margin-inline-start: .4em; unicode-bidi: isolate; font-variant-numeric: tabular-nums; }\n"
    "mark b { margin-inline-start: .1em; }\n"
    "mark[data-tag]::after { content: attr(data-tag); }\n"
    ".hue b, .hue[data-tag]::after { color: hsl(var(--h) var(--tag-s) var(--tag-l)); }\n"
    ".case { border-left: 3px solid var(--line); padding-left: .8rem; margin: .6rem 0; }\n"
    ".case p { margin: .2rem 0; line-height: 1.9; }\n"
    "svg text { fill: var(--ink); font: 12px var(--font); } svg .soft { fill: var(--soft); }\n"
    "svg .axis { stroke: var(--line); } svg .line { fill: none; stroke-width: 1.5; }\n"
    /* five columns of scores beside each other on a telephone */
    "@media (max-width: 30rem) { table { font-size: .82rem; } th, td { padding-right: .45rem; } }\n"
    "@media print { body { max-width: none; padding: 0; } }\n";

void bcl_html_date(char out[32]) {
    const char *fixed = getenv("SOURCE_DATE_EPOCH");
    char *end = NULL;
    time_t now = fixed && *fixed ? (time_t)strtoll(fixed, &end, 10) : time(NULL);
    struct tm utc;
    if ((end && *end) || !gmtime_r(&now, &utc) || !strftime(out, 32, "%Y-%m-%d %H:%M UTC", &utc))
        strcpy(out, "unknown");
}

unsigned bcl_html_hue(size_t i) {
    return (unsigned)((40 + i % 360 * 137) % 360); /* a golden angle apart */
}

bcl_status bcl_html_add(bcl_string *out, const char *text, size_t size) {
    bcl_status status = BCL_OK;
    size_t run = 0; /* where what needs no change begins */
    for (size_t i = 0; i < size;) {
        utf8proc_int32_t c;
        const utf8proc_ssize_t n =
            utf8proc_iterate((const utf8proc_uint8_t *)text + i, (utf8proc_ssize_t)(size - i), &c);
        const size_t step = n > 0 ? (size_t)n : 1;
        const bool control = (c < 0x20 && c != '\t' && c != '\n') || (c >= 0x7F && c < 0xA0);
        const char *by = n <= 0 || control ? "\xEF\xBF\xBD"
                         : c == '&'        ? "&amp;"
                         : c == '<'        ? "&lt;"
                         : c == '>'        ? "&gt;"
                         : c == '"'        ? "&quot;"
                         : c == '\''       ? "&#39;"
                                           : NULL;
        if (by) {
            BCL_TRY(bcl_string_add(out, text + run, i - run));
            BCL_TRY(bcl_string_add(out, by, strlen(by)));
            run = i + step;
        }
        i += step;
    }
    BCL_TRY(bcl_string_add(out, text + run, size - run));
out:
    return status;
}

bcl_status bcl_html_text(bcl_string *out, const char *text) {
    return bcl_html_add(out, text, strlen(text));
}

static bcl_status add_fact(bcl_string *out, const char *name, const char *value) {
    bcl_status status = BCL_OK;
    if (!value)
        return status;
    BCL_TRY(bcl_string_addf(out, "<dt>"));
    BCL_TRY(bcl_html_text(out, name));
    BCL_TRY(bcl_string_addf(out, "</dt><dd>"));
    BCL_TRY(bcl_html_text(out, value));
    BCL_TRY(bcl_string_addf(out, "</dd>\n"));
out:
    return status;
}

bcl_status bcl_html_open(bcl_string *out, const char *title, const bcl_html_fact *facts,
                         size_t count) {
    bcl_status status = BCL_OK;
    char date[32];
    bcl_html_date(date);
    BCL_TRY(bcl_string_addf(
        out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
             "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
             "'unsafe-inline'\">\n"
             "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>"));
    BCL_TRY(bcl_html_text(out, title));
    BCL_TRY(bcl_string_addf(out, "</title>\n<style>\n"));
    BCL_TRY(bcl_string_add(out, style, sizeof style - 1));
    BCL_TRY(bcl_string_addf(out, "</style>\n</head>\n<body>\n<header>\n<h1>"));
    BCL_TRY(bcl_html_text(out, title));
    BCL_TRY(bcl_string_addf(out, "</h1>\n<dl class=\"facts\">\n"));
    for (size_t i = 0; i < count; i++)
        BCL_TRY(add_fact(out, facts[i].name, facts[i].value));
    BCL_TRY(add_fact(out, "Date", date));
    BCL_TRY(bcl_string_addf(out, "</dl>\n</header>\n<main>\n"));
out:
    return status;
}

bcl_status bcl_html_grid_open(bcl_string *out) {
    return bcl_string_addf(out, "<div style=\"display: grid; grid-template-columns: "
                                "repeat(auto-fit, minmax(min(100%%, 24rem), 1fr)); gap: 1rem\">\n");
}

bcl_status bcl_html_close(bcl_string *out) {
    static const char end[] = "</main>\n</body>\n</html>\n";
    return bcl_string_add(out, end, sizeof end - 1);
}
