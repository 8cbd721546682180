/* Histograms of a step's gradients, on request. */
#ifndef BCL_HISTOGRAMS_H
#define BCL_HISTOGRAMS_H

#include "model/model.h"

typedef struct bcl_histograms bcl_histograms;
/* FOLDER/histograms.jsonl, cut to the lines of `step` finished steps. */
bcl_status bcl_histograms_open(bcl_histograms **out, const char *folder, const bcl_layout *layout,
                               int64_t step);
/* A line for step `step`, counted from 1: of every tensor that is trained, the gradients before
 * clipping. Between the step's last backward pass and its update. Blocking. */
bcl_status bcl_histograms_add(bcl_histograms *histograms, bcl_model *model, int64_t step,
                              double scale);
void bcl_histograms_close(bcl_histograms *histograms); /* takes NULL */

#endif
