/* What the C tests share: cmocka's includes in their order, and temporary folders. Of a program's
 * cases only those run that $BERTCL_TEST_CASE, a pattern with * and ?, names. */
#ifndef BCL_TEST_SUPPORT_H
#define BCL_TEST_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "util/util.h"

/* Under AddressSanitizer, where a test does the same work on fewer shapes. */
#if defined(__SANITIZE_ADDRESS__)
enum { test_sanitized = 1 };
#elif defined(__has_feature)
enum { test_sanitized = __has_feature(address_sanitizer) };
#else
enum { test_sanitized = 0 };
#endif

/* $BERTCL_TEST_ALL is set, as in the full tier: every shape and variant. Without it a test that
 * compiles for minutes takes a few of each. */
bool test_all(void);
/* A new empty folder, removed when the process ends. Owned by the caller (free). */
char *test_folder(void);
/* The UN corpus: $BERTCL_UN_NER, else ../shared/un-ner beside the checkout; NULL if there is none.
 */
const char *test_corpus(void);
/* The call must succeed; prints the library's message if it does not. */
#define OK(call)                                                                                   \
    do {                                                                                           \
        bcl_status ok_status = (call);                                                             \
        if (ok_status)                                                                             \
            fail_msg("%s: %d: %s", #call, ok_status, bcl_message());                               \
    } while (0)
/* The call must fail with this code and a message that contains `part`. */
#define FAILS(call, code, part)                                                                    \
    do {                                                                                           \
        bcl_status fails_status = (call);                                                          \
        if (fails_status != (code))                                                                \
            fail_msg("%s: gave %d (%s), expected %d", #call, fails_status, bcl_message(), (code)); \
        if (!strstr(bcl_message(), (part)))                                                        \
            fail_msg("%s: message \"%s\" lacks \"%s\"", #call, bcl_message(), (part));             \
    } while (0)

#endif
