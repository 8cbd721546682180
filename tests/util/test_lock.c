/* Locks: one holder, within a process and between processes, until it ends. */
#include "support/support.h"
#include "util/lock.h"

#include <sys/wait.h>
#include <unistd.h>

static void test_one_process(void **state) {
    char *folder = test_folder(), *path = NULL;
    bcl_lock first = {0}, second = {0};
    (void)state;
    OK(bcl_path_join(&path, folder, "lock"));
    OK(bcl_lock_take(&first, path, "run"));
    FAILS(bcl_lock_take(&second, path, "run"), BCL_ERROR_EXISTS, "run is in use by process");
    FAILS(bcl_lock_take(&second, path, "run"), BCL_ERROR_EXISTS, "run is in use by process");
    bcl_lock_release(&second); /* nothing */
    bcl_lock_release(&first);
    OK(bcl_lock_take(&second, path, "run"));
    assert_true(second.held && !second.unknown);
    bcl_lock_release(&second);
    free(path);
    free(folder);
}

/* In a child: what taking gives. */
static bcl_status take_in_child(const char *path, char *message, size_t size) {
    int fds[2], code;
    assert_int_equal(pipe(fds), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        bcl_lock lock = {0};
        const bcl_status status = bcl_lock_take(&lock, path, "run");
        const char *text = bcl_message();
        _exit(write(fds[1], text, strlen(text)) < 0 ? 1 : -status);
    }
    close(fds[1]);
    const ssize_t n = read(fds[0], message, size - 1);
    message[n > 0 ? n : 0] = 0;
    close(fds[0]);
    assert_int_equal(waitpid(child, &code, 0), child);
    return (bcl_status)-WEXITSTATUS(code);
}

static void test_processes(void **state) {
    char *folder = test_folder(), *path = NULL, message[256], expected[64];
    bcl_lock lock = {0};
    (void)state;
    OK(bcl_path_join(&path, folder, "lock"));
    OK(bcl_lock_take(&lock, path, "run"));
    assert_int_equal(take_in_child(path, message, sizeof message), BCL_ERROR_EXISTS);
    snprintf(expected, sizeof expected, "run is in use by process %ld", (long)getpid());
    assert_string_equal(message, expected);
    bcl_lock_release(&lock);
    /* the child ends without giving it back */
    assert_int_equal(take_in_child(path, message, sizeof message), BCL_OK);
    OK(bcl_lock_take(&lock, path, "run"));
    bcl_lock_release(&lock);
    free(path);
    free(folder);
}

/* Children that go on after their parent, such as a driver's probe that hangs, do not keep it. */
static void test_not_inherited(void **state) {
    char *folder = test_folder(), *path = NULL;
    int ready[2], end[2], code;
    char byte;
    (void)state;
    OK(bcl_path_join(&path, folder, "lock"));
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(end), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        bcl_lock lock = {0};
        if (bcl_lock_take(&lock, path, "run"))
            _exit(1);
        if (!fork()) { /* holds the descriptor */
            close(end[1]);
            (void)!write(ready[1], "", 1);
            (void)!read(end[0], &byte, 1);
            _exit(0);
        }
        _exit(0);
    }
    assert_int_equal(waitpid(child, &code, 0), child);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    bcl_lock lock = {0};
    OK(bcl_lock_take(&lock, path, "run"));
    bcl_lock_release(&lock);
    close(end[1]);
    close(end[0]);
    close(ready[0]);
    close(ready[1]);
    free(path);
    free(folder);
}

static void test_no_folder(void **state) {
    bcl_lock lock = {0};
    (void)state;
    FAILS(bcl_lock_take(&lock, "/nonexistent/lock", "run"), BCL_ERROR_IO, "/nonexistent/lock");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_process),
        cmocka_unit_test(test_processes),
        cmocka_unit_test(test_not_inherited),
        cmocka_unit_test(test_no_folder),
    };
    return cmocka_run_group_tests_name("lock", tests, NULL, NULL);
}
