/* Who computes wrong but finite numbers: a device's first answer, one of 64 after it and its last
 * are computed by another device too. Of two that differ, a third of another driver says which one
 * is wrong, else double precision on the host. */
#include "dist/pool_compare.h"
#include "dist/pool_state.h"

#include <stdarg.h>

/* ---- what may be wrong ---- */

static void widen(span *s, uint64_t first, uint64_t last) {
    if (!s->any || first < s->first)
        s->first = first;
    if (!s->any || last > s->last)
        s->last = last;
    s->any = true;
}

static void add_span(span *to, span *from) {
    if (from->any)
        widen(to, from->first, from->last);
    *from = (span){0};
}

static void clear_check(check *c) {
    c->state = CHECK_NONE;
    c->count = 0;
    c->asked = -1;
}

void bcl_pool_checks_clear(bcl_pool *p) {
    for (size_t i = 0; i < p->count; i++) {
        member *m = &p->members[i];
        m->trusted = false;
        m->unchecked = 0;
        m->before = m->behind = (span){0};
        clear_check(&m->check);
    }
    p->doubt = (span){0};
    p->doubtful = false;
}

void bcl_pool_checks_free(member *m) {
    bcl_string_free(&m->last);
    bcl_string_free(&m->last_answer);
    bcl_string_free(&m->check.batch);
    for (int i = 0; i < 3; i++)
        bcl_string_free(&m->check.answers[i]);
}

/* ---- beginning ---- */

static bcl_status copy(bcl_string *to, const void *data, size_t bytes) {
    to->size = 0;
    return bcl_string_add(to, data, bytes);
}

/* Of the newest answer. */
static bcl_status begin_check(bcl_pool *p, int who) {
    bcl_status status = BCL_OK;
    member *m = &p->members[who];
    check *c = &m->check;
    BCL_TRY(copy(&c->batch, m->last.data, m->last.size));
    BCL_TRY(copy(&c->answers[0], m->last_answer.data, m->last_answer.size));
    c->state = CHECK_WAITING;
    c->who[0] = who;
    c->count = 1;
    c->serial = ++p->serial;
    c->began = bcl_seconds();
    m->checks++;
    m->unchecked = 0;
    add_span(&m->before, &m->behind);
out:
    return status;
}

bcl_status bcl_pool_check_answered(bcl_pool *p, int who, job *j, const void *answer, size_t bytes) {
    bcl_status status = BCL_OK;
    member *m = &p->members[who];
    j->by = who;
    j->checks = m->checks;
    p->batches++;
    BCL_TRY(bcl_pool_write_batch(&m->last, &j->slot->batch));
    BCL_TRY(copy(&m->last_answer, answer, bytes));
    m->unchecked++;
    if (bcl_pool_in_count(p) > 1 && !m->check.state &&
        (!m->trusted || m->unchecked >= POOL_CHECK_EVERY))
        BCL_TRY(begin_check(p, who));
out:
    return status;
}

bool bcl_pool_check_lets(const bcl_pool *p, const job *j) {
    const member *by = &p->members[j->by];
    if (!by->trusted && by->check.state && bcl_seconds() - by->check.began < POOL_CHECK_SECONDS)
        return false; /* else who was asked may hang: what is wrong is found later */
    for (size_t i = 0; i < p->count; i++)
        if (p->members[i].check.state && p->members[i].check.count > 1)
            return false; /* somebody is wrong */
    return true;
}

void bcl_pool_check_collected(bcl_pool *p, const job *j) {
    member *m = &p->members[j->by];
    if (j->checks == m->checks)
        widen(&m->behind, j->slot->first, j->slot->last);
    else if (m->check.state)
        widen(&m->before, j->slot->first, j->slot->last);
}

/* ---- ending ---- */

static void end_good(member *m) {
    m->before = (span){0};
    m->trusted = true;
    clear_check(&m->check);
}

__attribute__((format(printf, 2, 3))) static void tell(const bcl_pool *p, const char *format, ...) {
    char text[600];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (p->listener)
        p->listener(p->listener_context,
                    &(bcl_session_event){.kind = BCL_SESSION_NOTE, .text = text});
}

/* What is not collected yet is computed again. */
static void be_wrong(bcl_pool *p, int who, const char *text) {
    member *m = &p->members[who];
    span own = {0};
    const bool was_in = pool_is_in(m);
    clear_check(&m->check);
    m->unchecked = 0;
    for (size_t i = 0; i < POOL_SLOTS; i++) {
        job *j = &p->jobs[i];
        if (j->state != JOB_DONE || j->by != who)
            continue;
        j->state = JOB_WAITING;
        j->owner = j->second = j->suspect = -1;
    }
    add_span(&own, &m->before);
    add_span(&own, &m->behind);
    bcl_pool_lose(p, who, "it computes wrong numbers: %s", text);
    if (!was_in && !m->wrong)
        tell(p, "%s computed wrong numbers before it was left out: %s", m->device, text);
    m->wrong = true;
    if (!own.any)
        return;
    if (own.last)
        tell(p,
             "texts %llu to %llu were given out before that was seen: those that %s computed may "
             "be wrong",
             (unsigned long long)own.first, (unsigned long long)own.last, m->device);
    add_span(&p->doubt, &own);
    if (!p->doubtful)
        snprintf(p->why, sizeof p->why, "%s computes wrong numbers: %s", m->device, text);
    p->doubtful = true;
}

/* ---- judging ---- */

static bool rounds(const member *m) {
    return strcmp(m->about.precision, "fp32") != 0;
}

static bool same_driver(const member *a, const member *b) {
    const size_t n = strcspn(a->device, ":");
    return n == strcspn(b->device, ":") && !memcmp(a->device, b->device, n);
}

/* The two answers of a check that are compared. */
typedef struct pair {
    pool_batch batch;
    pool_answer a, b;
    const member *first, *second;
} pair;

static pair pair_of(const bcl_pool *p, const check *c, int a, int b) {
    const bool labels = (p->shape.outputs & BCL_OUTPUT_LABELS) != 0;
    pair x = {.batch = bcl_pool_batch(c->batch.data),
              .first = &p->members[c->who[a]],
              .second = &p->members[c->who[b]]};
    x.a = bcl_pool_answer(c->answers[a].data, x.batch.T, labels);
    x.b = bcl_pool_answer(c->answers[b].data, x.batch.T, labels);
    return x;
}

static bool agree(pool_difference *d, const bcl_pool *p, const check *c, int a, int b) {
    const pair x = pair_of(p, c, a, b);
    return bcl_pool_agree(d, &x.batch, x.a.logits, x.b.logits, p->shape.labels,
                          rounds(x.first) || rounds(x.second));
}

static void describe(char *text, size_t size, const pool_difference *d, const char *other) {
    snprintf(text, size, "a logit of %.6g where %s has %.6g, %.2g apart", (double)d->own, other,
             (double)d->other, d->apart);
}

/* Double precision says of each answer whether it is right. */
static bcl_status refer(bcl_pool *p, member *m, int sentence) {
    bcl_status status = BCL_OK;
    check *c = &m->check;
    char texts[3][256];
    bool wrong[3] = {false};
    int who[3], row;
    float *exact = NULL;
    const double began = bcl_seconds();
    const pool_batch all = bcl_pool_batch(c->batch.data);
    const pool_batch one = bcl_pool_sentence(&row, &all, sentence);
    const int count = c->count, K = p->shape.labels;
    BCL_TRY(bcl_pool_refer(&exact, p->session, &all, sentence));
    for (int i = 0; i < count; i++) {
        const pair x = pair_of(p, c, i, i);
        pool_difference d;
        who[i] = c->who[i];
        wrong[i] = !bcl_pool_agree(&d, &one, x.a.logits + (size_t)row * (size_t)K, exact, K,
                                   rounds(x.first));
        if (wrong[i])
            describe(texts[i], sizeof texts[i], &d, "double precision");
    }
    for (size_t i = 0; i < p->count; i++) /* nobody was listened to */
        p->members[i].heard += bcl_seconds() - began;
    if (!wrong[0])
        end_good(m);
    for (int i = 0; i < count; i++)
        if (wrong[i])
            be_wrong(p, who[i], texts[i]);
out:
    free(exact);
    return status;
}

static bool is_there_another(const bcl_pool *p, const check *c) {
    for (size_t i = 0; i < p->count; i++) {
        bool has = !pool_is_in(&p->members[i]);
        for (int k = 0; k < c->count; k++)
            has = has || c->who[k] == (int)i;
        if (!has)
            return true;
    }
    return false;
}

/* The third agrees with one of two that differ. Of one driver, they may have the same fault. */
static bcl_status vote(bcl_pool *p, member *m) {
    check *c = &m->check;
    char text[256];
    pool_difference d, other;
    const bool first = agree(&d, p, c, 0, 2), second = agree(&other, p, c, 1, 2);
    const int right = first ? 0 : 1, wrong = 1 - right, who = c->who[wrong];
    const pool_difference *far = first ? &other : &d;
    if (first == second || same_driver(&p->members[c->who[right]], &p->members[c->who[2]]))
        return refer(p, m, (first && second) || !first ? d.sentence : other.sentence);
    describe(text, sizeof text, far, p->members[c->who[2]].device);
    if (wrong)
        end_good(m);
    be_wrong(p, who, text);
    return BCL_OK;
}

/* Whether an answer contradicts itself: then nobody needs to be asked. */
static bool is_unsound(bcl_pool *p, member *m) {
    const check *c = &m->check;
    char text[256];
    for (int i = 0; i < c->count; i++) {
        const pair x = pair_of(p, c, i, i);
        const int who = c->who[i];
        if (bcl_pool_is_sound(text, sizeof text, &x.batch, &x.a, p->shape.labels))
            continue;
        if (i) { /* the device's own is to be computed by another */
            m->check.count = i;
            m->check.state = CHECK_WAITING;
        }
        be_wrong(p, who, text);
        return true;
    }
    return false;
}

static bcl_status judge(bcl_pool *p, member *m) {
    pool_difference d;
    check *c = &m->check;
    c->state = CHECK_WAITING;
    if (is_unsound(p, m))
        return BCL_OK;
    if (c->count == 3)
        return vote(p, m);
    if (agree(&d, p, c, 0, 1)) {
        end_good(m);
        return BCL_OK;
    }
    return is_there_another(p, c) ? BCL_OK : refer(p, m, d.sentence);
}

bcl_status bcl_pool_check_take(bcl_pool *p, int who, const pool_head *head, const void *answer) {
    bcl_status status = BCL_OK;
    const size_t about = head->slot - POOL_SLOTS;
    member *m = about < p->count ? &p->members[about] : NULL;
    check *c = m ? &m->check : NULL;
    if (!c || c->state != CHECK_GIVEN || c->serial != head->serial || c->asked != who)
        return BCL_OK;
    if (head->bytes != c->answers[0].size)
        return bcl_pool_fail_size(p, who, head);
    c->asked = -1;
    c->who[c->count] = who;
    BCL_TRY(copy(&c->answers[c->count], answer, (size_t)head->bytes));
    c->count++;
    p->checked++;
    BCL_TRY(judge(p, m));
out:
    return status;
}

/* ---- who checks ---- */

/* Nobody is left who could say more. */
static bcl_status give_up(bcl_pool *p, member *m) {
    pool_difference d;
    if (m->check.count > 1 && !agree(&d, p, &m->check, 0, 1))
        return refer(p, m, d.sentence);
    end_good(m);
    return BCL_OK;
}

bcl_status bcl_pool_check_hand_out(bcl_pool *p) {
    bcl_status status = BCL_OK;
    for (size_t i = 0; i < p->count; i++) {
        member *m = &p->members[i];
        check *c = &m->check;
        if (c->state != CHECK_WAITING)
            continue;
        if (!is_there_another(p, c)) {
            BCL_TRY(give_up(p, m));
            continue;
        }
        const int who = bcl_pool_choose(p, c->who, c->count);
        if (who < 0)
            continue;
        BCL_TRY(bcl_pool_send(p, who, POOL_SLOTS + (uint32_t)i, c->serial, c->batch.data,
                              c->batch.size));
        c->asked = who;
        c->state = CHECK_GIVEN;
    }
out:
    return status;
}

bool bcl_pool_check_any(const bcl_pool *p) {
    for (size_t i = 0; i < p->count; i++)
        if (p->members[i].check.state)
            return true;
    return false;
}

bcl_status bcl_pool_check_last(bcl_pool *p) {
    bcl_status status = BCL_OK;
    for (size_t i = 0; i < p->count; i++)
        if (p->members[i].unchecked && !p->members[i].check.state)
            BCL_TRY(begin_check(p, (int)i));
out:
    return status;
}
