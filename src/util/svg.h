/* Charts as inline SVG for the pages of util/html.h, whose classes and colours they use: they are
 * light or dark as the page is, scale with it, and carry their data's extremes as text. */
#ifndef BCL_SVG_H
#define BCL_SVG_H

#include "util/util.h"

typedef struct bcl_svg_series {
    const char *name;    /* in the legend; NULL: none */
    const double *x, *y; /* (count), x rising; what is not finite is a gap */
    size_t count;
    bool dots;     /* mark the points: for few of them */
    bool unjoined; /* the points alone */
    size_t colour; /* 1 to 6; 0: by its place among the series */
} bcl_svg_series;

typedef struct bcl_svg_chart {
    const char *title, *x_label, *y_label; /* labels with their unit: "loss (nats a piece)" */
    const bcl_svg_series *series;
    size_t series_count;
    bool log_y; /* if all values are above 0 */
    bool log_x; /* all x must be above 0 */
    bool zero;  /* the y axis begins at 0 */
} bcl_svg_chart;

/* Lines over x. A series of many more points than the chart has columns is drawn as the mean of
 * each column within a band from the least to the greatest. Without a finite point, a sentence
 * stands in its place. */
bcl_status bcl_svg_lines(bcl_string *out, const bcl_svg_chart *chart);

typedef struct bcl_svg_bars {
    const char *title, *x_label, *y_label;
    const char *const *labels; /* (count) below the bars */
    const char *const *groups; /* (group_count) in the legend; NULL with one group */
    const double *values;      /* (group_count, count) */
    size_t count, group_count; /* group_count 1 to 6 */
    const size_t *colours;     /* (group_count) 1 to 6; NULL: in their order */
} bcl_svg_bars;

/* Bars from 0 with their values above them where there is room. */
bcl_status bcl_svg_bars_add(bcl_string *out, const bcl_svg_bars *bars);

/* A table of counts as a heat map, gold rows and predicted columns; shades by the row's share. */
typedef struct bcl_svg_matrix {
    const char *title;
    const char *const *names; /* (n) */
    const double *counts;     /* (n, n) */
    size_t n;
} bcl_svg_matrix;
bcl_status bcl_svg_matrix_add(bcl_string *out, const bcl_svg_matrix *matrix);

#endif
