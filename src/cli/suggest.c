/* "Did you mean": the nearest of the names that there are. */
#include "cli/options.h"

#include <ctype.h>

enum { LONGEST = 40 }; /* bytes of a name that is compared */

/* Insertions, deletions, exchanges and swaps of neighbours that make one the other, upper and lower
 * case alike (optimal string alignment). */
static size_t distance(const char *a, size_t n, const char *b, size_t m) {
    size_t rows[3][LONGEST + 1];
    size_t *before = rows[0], *above = rows[1], *row = rows[2];
    for (size_t j = 0; j <= m; j++)
        above[j] = j;
    for (size_t i = 1; i <= n; i++) {
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            const int x = tolower((unsigned char)a[i - 1]), y = tolower((unsigned char)b[j - 1]);
            size_t least = above[j - 1] + (x != y);
            least = above[j] + 1 < least ? above[j] + 1 : least;
            least = row[j - 1] + 1 < least ? row[j - 1] + 1 : least;
            if (i > 1 && j > 1 && x == tolower((unsigned char)b[j - 2]) &&
                y == tolower((unsigned char)a[i - 2]) && before[j - 2] + 1 < least)
                least = before[j - 2] + 1;
            row[j] = least;
        }
        size_t *free_row = before;
        before = above;
        above = row;
        row = free_row;
    }
    return above[m];
}

static bool begins(const char *text, size_t size, const char *with, size_t n) {
    enum { LEAST = 3 };
    return n >= LEAST && n <= size && !strncmp(text, with, n);
}

void bcl_suggestion_offer(bcl_suggestion *s, const char *name, size_t size) {
    if (s->size > LONGEST || size > LONGEST)
        return;
    size_t far = distance(s->wrong, s->size, name, size);
    if (begins(name, size, s->wrong, s->size)) /* cut short: --max-tok */
        far = 1;
    else if (begins(s->wrong, s->size, name, size) && far > 2) /* too long: --batch-size */
        far = 2;
    if (far > 1 + s->size / 4 || far >= s->size || (s->name && far >= s->far))
        return;
    s->name = name;
    s->name_size = size;
    s->far = far;
}

void bcl_suggestion_offer_choices(bcl_suggestion *s, const char *choices) {
    for (const char *c = choices; *c; c += strcspn(c, "|"), c += *c == '|')
        bcl_suggestion_offer(s, c, strcspn(c, "|"));
}

const char *bcl_suggestion_text(bcl_suggestion *s, const char *before, const char *behind) {
    s->text[0] = 0;
    if (s->name)
        snprintf(s->text, sizeof s->text, "; did you mean %s%.*s%s?", before, (int)s->name_size,
                 s->name, behind);
    return s->text;
}
