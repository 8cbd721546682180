/* The model's card, see docs/store.md. */
#ifndef BCL_CARD_H
#define BCL_CARD_H

#include "util/util.h"

/* Writes RUN/model/README.md from the run's files. It is about the last model, whose figures
 * results.json has. */
bcl_status bcl_card_write(const char *folder);

#endif
