/* Children that report, crash, hang or are stopped. */
#include "support/support.h"

#include "util/child.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LONG = 600 }; /* s, never waited for */

static void tell(void *context, int fd) {
    if (write(fd, context, 5) != 5)
        _exit(1);
}

static void crash(void *context, int fd) {
    (void)context;
    (void)fd;
    setrlimit(RLIMIT_CORE, &(struct rlimit){0});
    signal(SIGABRT, SIG_DFL);
    kill(getpid(), SIGABRT);
}

static void leave(void *context, int fd) {
    (void)fd;
    _exit(*(int *)context);
}

static void hang(void *context, int fd) {
    (void)context;
    (void)fd;
    for (;;)
        pause();
}

static void test_told(void **state) {
    (void)state;
    bcl_child child = {0};
    char text[16], word[] = "hello";
    size_t got;
    OK(bcl_child_start(&child, tell, word));
    assert_true(child.pid > 0);
    assert_int_equal(bcl_child_hear(&child, text, sizeof text, &got, LONG), BCL_CHILD_TOLD);
    assert_int_equal(got, 5);
    assert_memory_equal(text, "hello", 5);
    assert_int_equal(bcl_child_hear(&child, text, sizeof text, &got, LONG), BCL_CHILD_CLOSED);
    assert_int_equal(got, 0);
    assert_int_equal(bcl_child_end(&child, false), 0);
    assert_int_equal(child.pid, 0);
}

static void test_ends(void **state) {
    (void)state;
    bcl_child child = {0};
    char text[16], reason[BCL_CHILD_REASON];
    size_t got;
    int three = 3;
    OK(bcl_child_start(&child, crash, NULL));
    assert_int_equal(bcl_child_hear(&child, text, sizeof text, &got, LONG), BCL_CHILD_CLOSED);
    assert_string_equal(bcl_child_reason(reason, bcl_child_end(&child, false)), strsignal(SIGABRT));
    OK(bcl_child_start(&child, leave, &three));
    assert_int_equal(bcl_child_hear(&child, text, sizeof text, &got, LONG), BCL_CHILD_CLOSED);
    assert_string_equal(bcl_child_reason(reason, bcl_child_end(&child, false)),
                        "ended the process with status 3");
}

static void test_silence(void **state) {
    (void)state;
    bcl_child child = {0};
    char text[16];
    size_t got;
    OK(bcl_child_start(&child, hang, NULL));
    assert_int_equal(bcl_child_hear(&child, text, sizeof text, &got, 0), BCL_CHILD_SILENT);
    assert_int_equal(bcl_child_hear(&child, text, sizeof text, &got, 0.01), BCL_CHILD_SILENT);
    const int code = bcl_child_end(&child, true);
    assert_true(WIFSIGNALED(code) && WTERMSIG(code) == SIGKILL);
}

/* A signal to the parent: it does not wait for the child any longer. Last, as it stays. */
static void test_interrupted(void **state) {
    (void)state;
    bcl_child child = {0};
    char text[16];
    size_t got;
    bcl_interrupt_catch();
    OK(bcl_child_start(&child, hang, NULL));
    raise(SIGINT);
    assert_int_equal(bcl_child_hear(&child, text, sizeof text, &got, LONG), BCL_CHILD_INTERRUPTED);
    assert_true(WIFSIGNALED(bcl_child_end(&child, true)));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_told), cmocka_unit_test(test_ends),
                                       cmocka_unit_test(test_silence),
                                       cmocka_unit_test(test_interrupted)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
