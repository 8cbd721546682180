/* The end of a command whose device does not answer. */
#include "cli/cli.h"

#include "cli/terminal.h"
#include "dist/dist.h"

#include <unistd.h>

enum { LEAST_S = 60 };

/* In the thread that watches, while the one that computes is in the driver for good. At exit a
 * driver would wait for itself, so nothing but the kernel cleans up: files are whole at any moment,
 * and locks go with the process. */
static void end(void *context, const char *message) {
    const char *advice = context;
    if (bcl_terminal_is(stderr))
        bcl_terminal_erase(stderr);
    fprintf(stderr, "bertcl: %s%s\n", message, advice ? advice : "");
    fflush(stderr);
    _exit(BCL_EXIT_FAILED);
}

bcl_status bcl_cli_watch(const char *advice) {
    return bcl_watch_start(end, (void *)advice, bcl_dist_watchdog(LEAST_S));
}
