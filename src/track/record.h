/* What the store adds to a run's folder: who ran it where on what (track.json), a sign of life
 * (heartbeat.json), and what people say of it (marks.json). */
#ifndef BCL_TRACK_RECORD_H
#define BCL_TRACK_RECORD_H

#include "track/store.h"

#define BCL_TRACK_FILE     "track.json"
#define BCL_HEARTBEAT_FILE "heartbeat.json"
#define BCL_MARKS_FILE     "marks.json"
#define BCL_SEEDS_FILE     "seeds.json" /* in place of run.json: runs that differ in their seed */

/* True for the files above and what else the trackers write: no artifacts of the run. */
bool bcl_track_is_own(const char *name);

/* The file that makes the folder a run's: run.json, or of several seeds seeds.json; NULL: it is no
 * run. */
bcl_status bcl_track_record_file(char **path, const char *folder);
/* The folder of the seeds that a run's folder lies in; NULL: of none. */
bcl_status bcl_track_group(char **folder, const char *run);

/* {"id", "command", "argv", "cwd", "host", "process", "git", "started"}: this process, now. */
bcl_status bcl_track_record(cJSON **out, const char *command, int argc, char *const *argv);
/* Writes the sign of life. state: "running", "finished", "failed", "stopped"; message may be NULL.
 */
bcl_status bcl_track_heartbeat(const char *folder, const char *state, const char *message,
                               const char *devices);

/* Changes RUN/marks.json under a lock of the folder. value NULL removes a tag. */
bcl_status bcl_marks_tag(const char *folder, const char *key, const char *value);
bcl_status bcl_marks_delete(const char *folder, bool deleted);

#endif
