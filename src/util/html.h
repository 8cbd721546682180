/* The pages that bertcl writes: one head, one style, one way to escape. A page is one file without
 * scripts, loads nothing from anywhere, and is light or dark as the browser is set. Nothing outside
 * html.c names a colour or a font.
 *
 * Classes of elements inside <main>: "text" keeps white space; "soft" and "small"; "scroll" is
 * around a wide table; "n" on th and td of numbers; "case" is an example beside a rule; "first" on
 * what is written last and stands on top. <mark class="hue" style="--h:DEGREES" data-tag="LOC .98">
 * shows its tag behind the words, where it is not copied with them; <b> inside a mark looks the
 * same and is text. <mark> alone is right, <mark class="bad"> wrong. In an SVG: text, "soft" text,
 * "axis", "line" with stroke="var(--s1)" to var(--s6). */
#ifndef BCL_HTML_H
#define BCL_HTML_H

#include "util/util.h"

/* A line under the heading: "Model", "runs/un/model". Plain text; a NULL value leaves it out. */
typedef struct bcl_html_fact {
    const char *name, *value;
} bcl_html_fact;

/* Adds all up to <main>: head, style, heading and facts, behind which the date stands. */
bcl_status bcl_html_open(bcl_string *out, const char *title, const bcl_html_fact *facts,
                         size_t count);
/* Opens a <div> of charts beside each other where there is room; "</div>" closes it. */
bcl_status bcl_html_grid_open(bcl_string *out);
/* Adds </main> and what closes the page. */
bcl_status bcl_html_close(bcl_string *out);

/* Adds text so that nothing in it can be markup, in elements and in attributes. What is not UTF-8
 * and control characters other than TAB and line feed, which HTML does not allow, become U+FFFD. */
bcl_status bcl_html_add(bcl_string *out, const char *text, size_t size);
/* The same for what ends with a NUL. */
bcl_status bcl_html_text(bcl_string *out, const char *text);

/* The value of --h of class "hue", in degrees, of the i-th kind of thing: neighbours differ, and
 * every one of them can be read in light and dark. */
unsigned bcl_html_hue(size_t i);

/* "2026-11-26 14:30 UTC": now, or what SOURCE_DATE_EPOCH says, for pages that are to be made again
 * to the same bytes. */
void bcl_html_date(char out[32]);

#endif
