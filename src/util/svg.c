/* See svg.h. Coordinates are in units of a chart of WIDTH by HEIGHT. */
#include "util/svg.h"

#include "util/html.h"

#include <math.h>

enum { WIDTH = 480, HEIGHT = 280, LEFT = 76, RIGHT = 12, TOP = 30, BOTTOM = 46, LEGEND = 18 };
enum { COLUMNS = 240, TICKS = 5, COLOURS = 6 };

typedef struct axis {
    double low, high, step;
    bool log;
} axis;

/* The round step of 1, 2 or 5 times a power of ten that gives about `ticks` of them. */
static double round_step(double span, int ticks) {
    const double raw = span / ticks, power = pow(10, floor(log10(raw)));
    const double times = raw / power;
    return power * (times <= 1 ? 1 : times <= 2 ? 2 : times <= 5 ? 5 : 10);
}

static void make_axis(axis *a, bool tight) {
    if (a->log) {
        a->low = floor(log10(a->low) + 1e-7);
        a->high = ceil(log10(a->high) - 1e-7);
        if (a->high <= a->low)
            a->high = a->low + 1;
        a->step = fmax(1, ceil((a->high - a->low) / TICKS));
        return;
    }
    if (a->high <= a->low) { /* a constant: room around it */
        const double room = a->low == 0 ? 1 : fabs(a->low) * 0.5;
        a->low -= a->low == 0 ? 0 : room;
        a->high += room;
    }
    a->step = round_step(a->high - a->low, TICKS);
    if (!tight) {
        a->low = floor(a->low / a->step + 1e-9) * a->step;
        a->high = ceil(a->high / a->step - 1e-9) * a->step;
    }
}

static double place(const axis *a, double value, double from, double to) {
    const double v = a->log ? log10(value) : value;
    return from + (v - a->low) / (a->high - a->low) * (to - from);
}

static void tick_text(char out[32], const axis *a, double v) {
    if (a->log)
        snprintf(out, 32, v >= -3 && v <= 4 ? "%g" : "1e%.0f", v >= -3 && v <= 4 ? pow(10, v) : v);
    else if (fabs(v) < a->step * 1e-6)
        snprintf(out, 32, "0");
    else if (fabs(v) >= 10000 && fmod(v, 1000) == 0 && fabs(v) < 1e6)
        snprintf(out, 32, "%gk", v / 1000);
    else
        snprintf(out, 32, "%.4g", v);
}

/* ---- the frame ---- */

static bcl_status add_text(bcl_string *out, double x, double y, const char *anchor,
                           const char *class, const char *more, const char *text) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_string_addf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\"%s%s%s%s>", x, y,
                            anchor, *class ? " class=\"" : "", class, *class ? "\"" : "", more));
    BCL_TRY(bcl_html_text(out, text));
    BCL_TRY(bcl_string_addf(out, "</text>\n"));
out:
    return status;
}

/* least: pixels below which it does not shrink, its frame scrolls. */
static bcl_status open_svg(bcl_string *out, const char *title, int width, int height, int least) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_string_addf(out,
                            "<svg viewBox=\"0 0 %d %d\" role=\"img\" style=\"width: 100%%; "
                            "max-width: %dpx; min-width: %dpx; height: auto; break-inside: avoid\" "
                            "aria-label=\"",
                            width, height, width + width / 4, least));
    BCL_TRY(bcl_html_text(out, title));
    BCL_TRY(bcl_string_addf(out, "\">\n"));
    BCL_TRY(add_text(out, 4, 15, "start", "", " style=\"font-weight: 600\"", title));
out:
    return status;
}

static bcl_status add_line(bcl_string *out, double x1, double y1, double x2, double y2) {
    return bcl_string_addf(out,
                           "<line class=\"axis\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>"
                           "\n",
                           x1, y1, x2, y2);
}

static bcl_status add_y_axis(bcl_string *out, const axis *y, const char *label, int bottom) {
    bcl_status status = BCL_OK;
    char text[32], turn[64];
    for (double v = ceil(y->low / y->step - 1e-9) * y->step; v <= y->high + y->step * 1e-6;
         v += y->step) {
        const double at = bottom - (v - y->low) / (y->high - y->low) * (bottom - TOP);
        tick_text(text, y, v);
        BCL_TRY(add_line(out, LEFT, at, WIDTH - RIGHT, at));
        BCL_TRY(add_text(out, LEFT - 6, at + 4, "end", "soft", "", text));
    }
    snprintf(turn, sizeof turn, " transform=\"rotate(-90 13 %d)\"", (TOP + bottom) / 2);
    BCL_TRY(add_text(out, 13, (TOP + bottom) / 2, "middle", "soft", turn, label));
out:
    return status;
}

/* colours (count), from 1; NULL: in their order. */
static bcl_status add_legend(bcl_string *out, const char *const *names, const size_t *colours,
                             size_t count, int bottom) {
    bcl_status status = BCL_OK;
    double x = LEFT;
    int row = 0;
    for (size_t i = 0; i < count; i++) {
        char name[44];
        snprintf(name, sizeof name, strlen(names[i]) > 40 ? "%.38s…" : "%s", names[i]);
        const double width = 26 + 6.6 * (double)strlen(name);
        if (x > LEFT && x + width > WIDTH) {
            x = LEFT;
            row++;
        }
        const double y = bottom + 44 + LEGEND * row;
        BCL_TRY(bcl_string_addf(out,
                                "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" "
                                "stroke=\"var(--s%zu)\" stroke-width=\"3\"/>\n",
                                x, y, x + 14, y, colours ? colours[i] : i % COLOURS + 1));
        BCL_TRY(add_text(out, x + 18, y + 4, "start", "", "", name));
        x += width;
    }
out:
    return status;
}

static int legend_rows(const char *const *names, size_t count) {
    double x = LEFT;
    int rows = 1;
    for (size_t i = 0; i < count; i++) {
        const size_t n = strlen(names[i]) > 40 ? 41 : strlen(names[i]);
        const double width = 26 + 6.6 * (double)n;
        if (x > LEFT && x + width > WIDTH) {
            x = LEFT;
            rows++;
        }
        x += width;
    }
    return rows;
}

static bcl_status add_empty(bcl_string *out) {
    return add_text(out, WIDTH / 2.0, HEIGHT / 2.0, "middle", "soft", "", "no values");
}

/* ---- lines ---- */

static bool extremes(axis *x, axis *y, const bcl_svg_chart *c) {
    bool any = false;
    *x = *y = (axis){INFINITY, -INFINITY, 0, false};
    y->log = c->log_y;
    x->log = c->log_x;
    for (size_t s = 0; s < c->series_count; s++)
        for (size_t i = 0; i < c->series[s].count; i++) {
            const double a = c->series[s].x[i], b = c->series[s].y[i];
            if (!isfinite(a) || !isfinite(b))
                continue;
            any = true;
            y->log = y->log && b > 0;
            x->low = fmin(x->low, a);
            x->high = fmax(x->high, a);
            y->low = fmin(y->low, b);
            y->high = fmax(y->high, b);
        }
    if (c->zero && y->low > 0)
        y->low = 0;
    if (!x->log && x->low > 0 && x->low < x->high)
        x->low = 0; /* curves of one run, and of several, begin at the same place */
    /* a tenth of a decade is nothing to draw on a logarithmic axis */
    y->log = y->log && y->high > 10 * y->low;
    return any;
}

typedef struct plot {
    const axis *x, *y;
    int bottom;
} plot;

static bool usable(const plot *p, double x, double y) {
    return isfinite(x) && isfinite(y) && (!p->x->log || x > 0) && (!p->y->log || y > 0);
}

static double px(const plot *p, double x) {
    return place(p->x, x, LEFT, WIDTH - RIGHT);
}
static double py(const plot *p, double y) {
    return place(p->y, y, p->bottom, TOP);
}

static bcl_status add_path(bcl_string *out, const plot *p, const bcl_svg_series *s, size_t colour) {
    bcl_status status = BCL_OK;
    bool pen = false;
    for (size_t i = 0; s->dots && i < s->count; i++)
        if (usable(p, s->x[i], s->y[i]))
            BCL_TRY(bcl_string_addf(out,
                                    "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" "
                                    "fill=\"var(--s%zu)\"><title>%g: %.6g</title></circle>\n",
                                    px(p, s->x[i]), py(p, s->y[i]), colour, s->x[i], s->y[i]));
    if (s->unjoined)
        return status;
    BCL_TRY(bcl_string_addf(out, "<path class=\"line\" stroke=\"var(--s%zu)\" d=\"", colour));
    for (size_t i = 0; i < s->count; i++) {
        const bool there = usable(p, s->x[i], s->y[i]);
        if (there)
            BCL_TRY(bcl_string_addf(out, "%s%.1f %.1f", pen ? "L" : "M", px(p, s->x[i]),
                                    py(p, s->y[i])));
        pen = there;
    }
    BCL_TRY(bcl_string_addf(out, "\"/>\n"));
out:
    return status;
}

typedef struct column {
    double x, sum, least, most;
    size_t count;
} column;

/* The means as a line, and the band around them. */
static bcl_status add_columns(bcl_string *out, const plot *p, const column *columns,
                              size_t colour) {
    bcl_status status = BCL_OK;
    double x[COLUMNS], mean[COLUMNS];
    size_t n = 0;
    BCL_TRY(bcl_string_addf(
        out, "<path fill=\"var(--s%zu)\" fill-opacity=\".18\" stroke=\"none\" d=\"", colour));
    for (size_t i = 0; i < COLUMNS; i++)
        if (columns[i].count) {
            x[n] = columns[i].x / (double)columns[i].count;
            mean[n] = columns[i].sum / (double)columns[i].count;
            BCL_TRY(bcl_string_addf(out, "%s%.1f %.1f", n ? "L" : "M", px(p, x[n]),
                                    py(p, columns[i].most)));
            n++;
        }
    size_t k = n;
    for (size_t i = COLUMNS; i-- > 0;)
        if (columns[i].count) {
            k--;
            BCL_TRY(bcl_string_addf(out, "L%.1f %.1f", px(p, x[k]), py(p, columns[i].least)));
        }
    BCL_TRY(bcl_string_addf(out, "Z\"/>\n"));
    BCL_TRY(add_path(out, p, &(bcl_svg_series){.x = x, .y = mean, .count = n}, colour));
out:
    return status;
}

static bcl_status add_many(bcl_string *out, const plot *p, const bcl_svg_series *s, size_t colour) {
    column columns[COLUMNS] = {0};
    for (size_t i = 0; i < s->count; i++) {
        if (!usable(p, s->x[i], s->y[i]))
            continue;
        size_t at = (size_t)((s->x[i] - p->x->low) / (p->x->high - p->x->low) * COLUMNS);
        column *c = &columns[at < COLUMNS ? at : COLUMNS - 1];
        c->x += s->x[i];
        c->sum += s->y[i];
        c->least = c->count ? fmin(c->least, s->y[i]) : s->y[i];
        c->most = c->count ? fmax(c->most, s->y[i]) : s->y[i];
        c->count++;
    }
    return add_columns(out, p, columns, colour);
}

static bcl_status add_x_axis(bcl_string *out, const plot *p, const char *label) {
    bcl_status status = BCL_OK;
    char text[32];
    const axis *x = p->x;
    for (double v = ceil(x->low / x->step - 1e-9) * x->step; v <= x->high + x->step * 1e-6;
         v += x->step) {
        const double at = LEFT + (v - x->low) / (x->high - x->low) * (WIDTH - RIGHT - LEFT);
        tick_text(text, x, v);
        const bool over = at + 3.3 * (double)strlen(text) > WIDTH; /* the edge would cut it */
        BCL_TRY(add_text(out, over ? WIDTH : at, p->bottom + 15, over ? "end" : "middle", "soft",
                         "", text));
    }
    BCL_TRY(
        add_text(out, (LEFT + WIDTH - RIGHT) / 2.0, p->bottom + 32, "middle", "soft", "", label));
out:
    return status;
}

static size_t colour_of(const bcl_svg_chart *c, size_t i) {
    return c->series[i].colour ? c->series[i].colour : i % COLOURS + 1;
}

bcl_status bcl_svg_lines(bcl_string *out, const bcl_svg_chart *c) {
    bcl_status status = BCL_OK;
    axis x, y;
    const char **names = NULL;
    size_t named = 0, *colours = NULL;
    BCL_NEW(names, c->series_count);
    BCL_NEW(colours, c->series_count);
    for (size_t i = 0; i < c->series_count; i++)
        if (c->series[i].name) {
            names[named] = c->series[i].name;
            colours[named++] = colour_of(c, i);
        }
    const int extra = named > 1 ? LEGEND * legend_rows(names, named) + 4 : 0;
    BCL_TRY(open_svg(out, c->title, WIDTH, HEIGHT + extra, 0));
    if (!extremes(&x, &y, c)) {
        BCL_TRY(add_empty(out));
    } else {
        const plot p = {&x, &y, HEIGHT - BOTTOM};
        make_axis(&x, true);
        make_axis(&y, false);
        BCL_TRY(add_y_axis(out, &y, c->y_label, p.bottom));
        BCL_TRY(add_x_axis(out, &p, c->x_label));
        for (size_t i = 0; i < c->series_count; i++) {
            const bcl_svg_series *s = &c->series[i];
            const size_t colour = colour_of(c, i);
            BCL_TRY(s->count > 2 * COLUMNS && !c->log_x ? add_many(out, &p, s, colour)
                                                        : add_path(out, &p, s, colour));
        }
        if (named > 1)
            BCL_TRY(add_legend(out, names, colours, named, p.bottom));
    }
    BCL_TRY(bcl_string_addf(out, "</svg>\n"));
out:
    free(names);
    free(colours);
    return status;
}

/* ---- bars ---- */

static bcl_status add_bar(bcl_string *out, double x, double width, double value, double top,
                          int bottom, size_t colour) {
    bcl_status status = BCL_OK;
    char text[32];
    BCL_TRY(bcl_string_addf(out,
                            "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
                            "fill=\"var(--s%zu)\"><title>%.6g</title></rect>\n",
                            x, top, width, fmax(0, bottom - top), colour, value));
    snprintf(text, sizeof text, value >= 10000 ? "%.0fk" : "%.4g",
             value >= 10000 ? value / 1000 : value);
    if (width > 7.0 * (double)strlen(text))
        BCL_TRY(add_text(out, x + width / 2, top - 3, "middle", "soft", "", text));
out:
    return status;
}

bcl_status bcl_svg_bars_add(bcl_string *out, const bcl_svg_bars *b) {
    bcl_status status = BCL_OK;
    axis y = {0, 0, 0, false};
    const int bottom = HEIGHT - BOTTOM,
              extra = b->group_count > 1 ? LEGEND * legend_rows(b->groups, b->group_count) + 4 : 0;
    for (size_t i = 0; i < b->count * b->group_count; i++)
        y.high = fmax(y.high, isfinite(b->values[i]) ? b->values[i] : 0);
    BCL_TRY(open_svg(out, b->title, WIDTH, HEIGHT + extra, 0));
    if (!b->count || y.high <= 0) {
        BCL_TRY(add_empty(out));
        goto close;
    }
    make_axis(&y, false);
    BCL_TRY(add_y_axis(out, &y, b->y_label, bottom));
    const double slot = (double)(WIDTH - LEFT - RIGHT) / (double)b->count;
    const double width = fmin(60, slot * 0.8) / (double)b->group_count;
    double last = -1000;
    for (size_t i = 0; i < b->count; i++) {
        const double middle = LEFT + slot * ((double)i + 0.5);
        for (size_t g = 0; g < b->group_count; g++) {
            const double value = b->values[g * b->count + i];
            BCL_TRY(add_bar(out, middle + width * ((double)g - (double)b->group_count / 2), width,
                            value, place(&y, value, bottom, TOP), bottom,
                            b->colours ? b->colours[g] : g + 1));
        }
        const double room = 6.6 * (double)strlen(b->labels[i]) + 6;
        if (middle - room / 2 < last)
            continue; /* no room for this label */
        BCL_TRY(add_text(out, middle, bottom + 15, "middle", "soft", "", b->labels[i]));
        last = middle + room / 2;
    }
    BCL_TRY(
        add_text(out, (LEFT + WIDTH - RIGHT) / 2.0, bottom + 32, "middle", "soft", "", b->x_label));
    if (b->group_count > 1)
        BCL_TRY(add_legend(out, b->groups, b->colours, b->group_count, bottom));
close:

    BCL_TRY(bcl_string_addf(out, "</svg>\n"));
out:
    return status;
}

/* ---- matrix ---- */

bcl_status bcl_svg_matrix_add(bcl_string *out, const bcl_svg_matrix *m) {
    enum { CELL_HEIGHT = 26, HEAD = 96 };
    bcl_status status = BCL_OK;
    size_t longest = 4;
    for (size_t i = 0; i < m->n; i++)
        longest = strlen(m->names[i]) > longest ? strlen(m->names[i]) : longest;
    const int left = (int)(7.2 * (double)(longest < 24 ? longest : 24)) + 34;
    const int cell = m->n <= 8 ? 62 : 50, width = left + cell * (int)m->n + 60;
    char text[32], turn[64];
    BCL_TRY(open_svg(out, m->title, width, HEAD + CELL_HEIGHT * (int)m->n + 12, width * 5 / 6));
    BCL_TRY(add_text(out, left, 34, "start", "soft", "", "predicted →"));
    BCL_TRY(add_text(out, left - 8, HEAD - 8, "end", "soft", "", "gold ↓"));
    for (size_t r = 0; r < m->n; r++) {
        double sum = 0;
        const double y = HEAD + CELL_HEIGHT * (double)r, at = left + cell * ((double)r + 0.5);
        snprintf(turn, sizeof turn, " transform=\"rotate(-30 %.1f %d)\"", at, HEAD - 6);
        BCL_TRY(add_text(out, at, HEAD - 6, "start", "soft", turn, m->names[r]));
        BCL_TRY(add_text(out, left - 8, y + 17, "end", "soft", "", m->names[r]));
        for (size_t c = 0; c < m->n; c++)
            sum += m->counts[r * m->n + c];
        for (size_t c = 0; c < m->n; c++) {
            const double count = m->counts[r * m->n + c], share = sum > 0 ? count / sum : 0;
            const double x = left + cell * (double)c;
            BCL_TRY(bcl_string_addf(out,
                                    "<rect x=\"%.1f\" y=\"%.1f\" width=\"%d\" height=\"%d\" "
                                    "fill=\"var(%s)\" fill-opacity=\"%.3f\" class=\"axis\"/>\n",
                                    x, y, cell, CELL_HEIGHT, r == c ? "--s3" : "--s2",
                                    count > 0 ? 0.06 + 0.5 * sqrt(share) : 0));
            snprintf(text, sizeof text, "%.0f", count);
            BCL_TRY(
                add_text(out, x + cell / 2.0, y + 17, "middle", count > 0 ? "" : "soft", "", text));
        }
    }
    BCL_TRY(bcl_string_addf(out, "</svg>\n"));
out:
    return status;
}
