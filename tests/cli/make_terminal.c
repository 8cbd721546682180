/* Runs a command on a pseudo terminal: make_terminal COLUMNS [-k PATTERN KEYS]... COMMAND... What
 * the command prints there goes to stdout as it is, CR and escape sequences too; its exit status is
 * the command's, 128 and the number for a signal. -k types KEYS ("^C" is Ctrl-C, "^H" closes the
 * terminal) once PATTERN was printed, one -k behind the other. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct keys {
    const char *pattern, *text;
} keys;

static void fail(const char *what) {
    perror(what);
    exit(99);
}

static pid_t start(int terminal, const char *name, const struct winsize *size, char **command) {
    pid_t child = fork();
    if (child < 0)
        fail("fork");
    if (child)
        return child;
    setsid();
    int fd = open(name, O_RDWR); /* becomes the session's terminal */
    if (fd < 0 || ioctl(fd, TIOCSCTTY, 0) || ioctl(fd, TIOCSWINSZ, size))
        fail(name);
    for (int i = 0; i < 3; i++)
        dup2(fd, i);
    if (fd > 2)
        close(fd);
    close(terminal);
    execvp(command[0], command);
    fail(command[0]);
    return 0;
}

/* Types the keys; false: the terminal was closed. */
static int type(int terminal, const char *text) {
    if (!strcmp(text, "^H")) { /* the terminal itself: the other end hangs up */
        close(terminal);
        return 0;
    }
    if (!strcmp(text, "^C"))
        text = "\003";
    if (write(terminal, text, strlen(text)) < 0)
        fail("write");
    return 1;
}

int main(int argc, char **argv) {
    static char seen[1 << 20];
    struct winsize size = {.ws_row = 24};
    keys list[8];
    int count = 0, at = 0, i = 2, code = 0, open_terminal = 1, ended = 0;
    size_t length = 0, searched = 0;
    if (argc < 3)
        return 99;
    size.ws_col = (unsigned short)atoi(argv[1]);
    for (; i + 3 < argc && count < 8 && !strcmp(argv[i], "-k"); i += 3)
        list[count++] = (keys){argv[i + 1], argv[i + 2]};
    int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (terminal < 0 || grantpt(terminal) || unlockpt(terminal))
        fail("posix_openpt");
    unsetenv("COLUMNS");
    const int other_end = open(ptsname(terminal), O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (other_end < 0)
        fail("ptsname");
    pid_t child = start(terminal, ptsname(terminal), &size, argv + i);
    while (open_terminal) {
        /* The other end is kept open here: when its last one closes, what is on its way may be
         * lost. So the end is when the command is gone and nothing comes any more. */
        struct pollfd ready = {.fd = terminal, .events = POLLIN};
        if (poll(&ready, 1, 200) == 0) {
            if (ended)
                break;
            ended = waitpid(child, &code, WNOHANG) == child;
            continue;
        }
        if (length + 4096 > sizeof seen)
            length = searched = 0;
        ssize_t n = read(terminal, seen + length, 4095);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        fwrite(seen + length, 1, (size_t)n, stdout);
        fflush(stdout);
        length += (size_t)n;
        seen[length] = 0;
        char *found = at < count ? strstr(seen + searched, list[at].pattern) : NULL;
        if (found) {
            searched = (size_t)(found - seen) + strlen(list[at].pattern);
            open_terminal = type(terminal, list[at++].text);
        }
    }
    while (!ended && waitpid(child, &code, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(code) ? WEXITSTATUS(code) : 128 + WTERMSIG(code);
}
