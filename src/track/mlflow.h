/* MLflow over its REST API: what a run's folder holds and the server has not got yet. How far that
 * is stands in RUN/mlflow.json; all else is read from the run's own files, so anything that could
 * not be sent is still there, and sending may be tried at any time by any process. */
#ifndef BCL_MLFLOW_H
#define BCL_MLFLOW_H

#include "track/tracker.h"

typedef struct bcl_mlflow bcl_mlflow;

/* ARGUMENT if MLFLOW_TRACKING_URI is no server's address. */
bcl_status bcl_mlflow_check(void);
/* Likewise. Asks no server yet. */
bcl_status bcl_mlflow_open(bcl_mlflow **out, const char *folder);
/* Sends what is new. ended: also results, artifacts, the registered model and the state. `seconds`
 * at most, 0: no limit. A failure leaves the rest for the next time. */
bcl_status bcl_mlflow_update(bcl_mlflow *m, bool ended, double seconds);
/* From another thread: an update that is under way has so many seconds left. */
void bcl_mlflow_hurry(bcl_mlflow *m, double seconds);
/* The run is at the server as a whole. */
bool bcl_mlflow_is_done(const bcl_mlflow *m);
void bcl_mlflow_close(bcl_mlflow *m); /* takes NULL */

#endif
