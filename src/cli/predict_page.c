/* bertcl predict's page: the texts with their entities marked. It is written as the texts come, so
 * the counts, which are known last, are put on top by their class. */
#include "cli/predict.h"
#include "util/html.h"

size_t bcl_predict_type(const bcl_predict_output *o, const char *label) {
    const size_t n = bcl_tagger_type_count(o->tagger);
    const char *dash = strchr(label, '-'), *type = dash ? dash + 1 : label;
    for (size_t i = 0; i < n; i++)
        if (!strcmp(bcl_tagger_type(o->tagger, i), label))
            return i;
    for (size_t i = 0; i < n; i++)
        if (!strcmp(bcl_tagger_type(o->tagger, i), type))
            return i;
    return 0;
}

bcl_status bcl_predict_page_open(bcl_predict_output *o) {
    const bcl_html_fact facts[] = {{"Model", o->model}, {"Data", o->data}, {"Entities", o->how}};
    if (o->page_open)
        return BCL_OK;
    o->page_open = true;
    return bcl_html_open(&o->line, "Entities", facts, sizeof facts / sizeof *facts);
}

bcl_status bcl_predict_page_heading(bcl_predict_output *o) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_string_addf(&o->line, "<h2>"));
    BCL_TRY(bcl_html_text(&o->line, o->files[o->file].name));
    BCL_TRY(bcl_string_addf(&o->line, "</h2>\n"));
out:
    return status;
}

/* Types and scores are shown by the style, so that a copied text is the text alone. */
bcl_status bcl_predict_page_text(bcl_predict_output *o, const bcl_tagged *r) {
    bcl_string *s = &o->line;
    bcl_status status = BCL_OK;
    size_t at = 0;
    BCL_TRY(bcl_string_addf(s, "<p class=\"text\" dir=\"auto\">"));
    for (size_t i = 0; i < r->entity_count; i++) {
        const bcl_tagged_entity *e = &r->entities[i];
        if (e->start_byte < at || e->end_byte < e->start_byte)
            continue;
        BCL_TRY(bcl_html_add(s, r->text + at, e->start_byte - at));
        BCL_TRY(bcl_string_addf(s, "<mark class=\"hue\" style=\"--h:%u\" data-tag=\"",
                                bcl_html_hue(bcl_predict_type(o, e->label))));
        BCL_TRY(bcl_html_text(s, e->label));
        BCL_TRY(bcl_string_addf(s, " %.2f\">", (double)e->score));
        BCL_TRY(bcl_html_add(s, r->text + e->start_byte, e->end_byte - e->start_byte));
        BCL_TRY(bcl_string_addf(s, "</mark>"));
        at = e->end_byte;
    }
    BCL_TRY(bcl_html_add(s, r->text + at, r->size - at));
    BCL_TRY(bcl_string_addf(s, "</p>\n"));
out:
    return status;
}

bcl_status bcl_predict_page_close(bcl_predict_output *o) {
    bcl_string *s = &o->line;
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_predict_page_open(o));
    BCL_TRY(bcl_string_addf(s, "<section class=\"first\">\n<div class=\"scroll\"><table>\n"
                               "<tr><th>Type</th><th class=\"n\">Entities</th></tr>\n"));
    for (size_t i = 0; i < bcl_tagger_type_count(o->tagger); i++) {
        BCL_TRY(
            bcl_string_addf(s, "<tr><td><mark class=\"hue\" style=\"--h:%u\">", bcl_html_hue(i)));
        BCL_TRY(bcl_html_text(s, bcl_tagger_type(o->tagger, i)));
        BCL_TRY(bcl_string_addf(s, "</mark></td><td class=\"n\">%llu</td></tr>\n",
                                (unsigned long long)(o->type_counts ? o->type_counts[i] : 0)));
    }
    BCL_TRY(bcl_string_addf(s, "</table></div>\n<p class=\"soft\">%llu texts",
                            (unsigned long long)o->page_texts));
    if (o->page_words_cut)
        BCL_TRY(bcl_string_addf(s, "; %llu words were beyond the model's length and were cut",
                                (unsigned long long)o->page_words_cut));
    BCL_TRY(bcl_string_addf(s, "</p>\n</section>\n"));
    BCL_TRY(bcl_html_close(s));
out:
    return status;
}
