/* bertcl COMMAND [OPTION…]: sees to the standard streams and hands over. */
#include "cli/cli.h"

#ifdef BERTCL_RANK
#include "dist/dist.h"
#endif

#include <bertcl/track.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* A file opened by the run must not take the number of a standard stream that was closed: messages
 * would land in it. What stands in for it fails where the stream would be used for good: reading
 * stdin, writing stdout. */
static void open_standard_streams(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF &&
            open("/dev/null", fd == STDOUT_FILENO ? O_RDONLY : O_WRONLY) != fd)
            _exit(BCL_EXIT_FAILED); /* there is nobody to tell */
}

/* A full disk or a closed pipe behind stdout must not pass for success, unless the results are in
 * files and the reader only had seen enough. */
static int close_stdout(int code, bool results_in_files) {
    errno = 0;
    if (!fflush(stdout) && !ferror(stdout))
        return code;
    if (results_in_files && (errno == EPIPE || errno == EBADF || !errno))
        return code;
    bcl_fail_errno("standard output: cannot write");
    return code ? code : bcl_cli_error(BCL_ERROR_IO);
}

static bool outlives_stdout(const char *name) {
    for (const bcl_cli_entry *e = bcl_cli_commands; name && e->name; e++)
        if (!strcmp(e->name, name))
            return e->outlives_stdout;
    return false;
}

int main(int argc, char **argv) {
    int code;
    open_standard_streams();
    bcl_interrupt_remember();
    bcl_store_use_names();
#ifdef BERTCL_RANK
    bcl_transport_open = bcl_transport_open_mpi;
#endif
    if (argc > 1 && !strcmp(argv[1], "--version")) {
        puts("bertcl " BERTCL_VERSION);
        code = BCL_EXIT_OK;
    } else {
        code = bcl_cli_dispatch(NULL, bcl_cli_commands, argc, argv);
    }
    bcl_watch_stop();
    code = close_stdout(code, argc > 1 && outlives_stdout(argv[1]));
    bcl_options_release();
    return code;
}
