/* Inside track/: outputs that follow a run by its files. Each can be begun anew at any time, by any
 * process, and goes on where it was: nothing is missing and nothing twice. */
#ifndef BCL_TRACKER_H
#define BCL_TRACKER_H

#include "track/store.h"

/* ---- points.c: metrics.jsonl, point by point ---- */

enum { BCL_POINT_KEYS = 64 };

/* Reads what is new in a growing file, and all of it again if it was cut. Zero-initialise. */
typedef struct bcl_points {
    int64_t at; /* bytes that were read */
    bool cut;   /* the last reading began anew: the file was shorter than before */
    size_t odd; /* lines that are no figures of a step, left out */
} bcl_points;
/* Calls sink for every value of every new line, in the order of the file. */
typedef bcl_status bcl_point_sink(void *context, int64_t step, const char *key, double value);
bcl_status bcl_points_read(bcl_points *points, const char *folder, bcl_point_sink *sink,
                           void *context);

/* The last step of each key. */
typedef struct bcl_last_steps {
    struct {
        char key[64];
        int64_t step;
    } keys[BCL_POINT_KEYS];
    size_t count;
} bcl_last_steps;
/* Where the key's last step stands; NULL if there are too many keys. A new one is -1. */
int64_t *bcl_last_step(bcl_last_steps *steps, const char *key);

/* ---- tensorboard.c ---- */

typedef struct bcl_tensorboard bcl_tensorboard;
/* RUN/tensorboard/events.out.tfevents.…: goes on with the file that is there. */
bcl_status bcl_tensorboard_open(bcl_tensorboard **out, const char *folder);
bcl_status bcl_tensorboard_update(bcl_tensorboard *board);
void bcl_tensorboard_close(bcl_tensorboard *board); /* takes NULL */

#endif
