/* Shares by measured speed. A device is slower, a token, at a small part than at a large one, so
 * the speed that counts is that at its own part: each change of the parts is measured again. */
#include "dist/shares.h"

#include <math.h>
#include <pthread.h>

enum {
    FIRST = 1,         /* the first step compiles kernels */
    MEASURED = 6,      /* steps that are decided one by one, the thread that packs waiting */
    EVERY = 16,        /* steps of a window, behind which the parts may be corrected */
    LASTING = 2,       /* windows in a row that must say so */
    AHEAD = 6,         /* steps that may be packed already */
    JUDGED = FIRST + 3 /* steps before a device is judged */
};

/* Smaller changes are noise. */
static const double NOISE = 0.03;

/* What a correction must save of a step. Below it the parts stay as they are, so that a run that is
 * stopped and goes on mostly has the parts, and with them the bits, of one that never was. */
static const double GAIN = 0.08;

typedef struct rank_sums {
    double tokens, seconds;               /* of all steps */
    double timed_tokens, timed_seconds;   /* behind FIRST */
    double window_tokens, window_seconds; /* since the last change */
} rank_sums;

struct bcl_shares {
    int size;
    bool forced;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    double *now, *next;   /* (size): until step `from`, and from it on */
    int64_t from;         /* of next */
    int64_t decided;      /* steps below may be packed */
    int64_t seen;         /* steps that were measured */
    int64_t window_began; /* step */
    int uneven;           /* windows in a row in which the ranks did not end together */
    bool settled;         /* the first whole window has been taken into account */
    rank_sums *ranks;     /* (size) */
    double sent, sent_steps;
    double wall, slowest; /* sums behind FIRST: of steps, of each step's slowest rank */
    int64_t timed;        /* steps */
};

bcl_status bcl_shares_create(bcl_shares **out, int size, const double *forced) {
    bcl_status status = BCL_OK;
    bcl_shares *s = NULL;
    BCL_NEW(s, 1);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    s->size = size;
    s->forced = forced != NULL;
    s->decided = forced || size == 1 ? INT64_MAX : -1;
    BCL_NEW(s->now, (size_t)size);
    BCL_NEW(s->next, (size_t)size);
    BCL_NEW(s->ranks, (size_t)size);
    for (int r = 0; r < size; r++)
        s->now[r] = s->next[r] = forced ? forced[r] : 1;
    *out = s;
    s = NULL;
out:
    bcl_shares_free(s);
    return status;
}

void bcl_shares_free(bcl_shares *s) {
    if (!s)
        return;
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->changed);
    free(s->now);
    free(s->next);
    free(s->ranks);
    free(s);
}

void bcl_shares_of(bcl_shares *s, int64_t step, double *out) {
    pthread_mutex_lock(&s->lock);
    if (s->decided < 0) /* the run's first step in this process */
        s->decided = step + 1;
    while (step >= s->decided)
        pthread_cond_wait(&s->changed, &s->lock);
    memcpy(out, step >= s->from ? s->next : s->now, (size_t)s->size * sizeof *out);
    pthread_mutex_unlock(&s->lock);
}

bcl_shares_state bcl_shares_state_of(const bcl_shares *s) {
    return (bcl_shares_state){s->now, s->next, s->from, !s->forced && s->decided == INT64_MAX};
}

void bcl_shares_restore(bcl_shares *s, const bcl_shares_state *state) {
    if (s->forced || !state->known)
        return;
    memcpy(s->now, state->now, (size_t)s->size * sizeof *s->now);
    memcpy(s->next, state->next, (size_t)s->size * sizeof *s->next);
    s->from = state->from;
    s->settled = true;
    s->decided = INT64_MAX;
}

void bcl_shares_sent(bcl_shares *s, double bytes) {
    s->sent += bytes;
    s->sent_steps++;
}

void bcl_shares_release(bcl_shares *s) {
    pthread_mutex_lock(&s->lock);
    s->decided = INT64_MAX;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

/* The part of a step that other shares would save, by the speeds of the window. */
static double gain(const bcl_shares *s) {
    double all = 0, old = 0, slowest = 0;
    for (int r = 0; r < s->size; r++) {
        const rank_sums *k = &s->ranks[r];
        if (!(k->window_seconds > 0) || !(k->window_tokens > 0))
            return 0;
        all += k->window_tokens / k->window_seconds;
        old += s->next[r];
    }
    for (int r = 0; r < s->size; r++) {
        const rank_sums *k = &s->ranks[r];
        slowest = fmax(slowest, s->next[r] / old * k->window_seconds / k->window_tokens);
    }
    return slowest > 0 ? 1 - 1 / (all * slowest) : 0;
}

/* Parts by the speeds of the window, from step `from` on. */
static void correct(bcl_shares *s, int64_t from) {
    double all = 0, old = 0, most = 0;
    for (int r = 0; r < s->size; r++) {
        const rank_sums *k = &s->ranks[r];
        if (!(k->window_seconds > 0))
            return;
        /* a rank that had no token is as fast as it was thought to be */
        all += k->window_tokens / k->window_seconds;
        old += s->next[r];
    }
    if (!(all > 0))
        return;
    for (int r = 0; r < s->size; r++) {
        const rank_sums *k = &s->ranks[r];
        const double change = k->window_tokens / k->window_seconds / all - s->next[r] / old;
        most = fmax(most, fabs(change) * s->size);
    }
    if (most < NOISE)
        return;
    memcpy(s->now, s->next, (size_t)s->size * sizeof *s->now);
    for (int r = 0; r < s->size; r++) {
        rank_sums *k = &s->ranks[r];
        const double measured = k->window_tokens / k->window_seconds / all;
        s->next[r] = fmax(measured, 1e-4);
    }
    s->from = from;
}

static void begin_window(bcl_shares *s, int64_t step) {
    s->window_began = step;
    for (int r = 0; r < s->size; r++)
        s->ranks[r].window_tokens = s->ranks[r].window_seconds = 0;
}

static void add(bcl_shares *s, const bcl_share_measure *ranks, double wall) {
    double slowest = 0;
    for (int r = 0; r < s->size; r++) {
        rank_sums *k = &s->ranks[r];
        k->tokens += ranks[r].tokens;
        k->seconds += ranks[r].seconds;
        k->window_tokens += ranks[r].tokens;
        k->window_seconds += ranks[r].seconds;
        slowest = fmax(slowest, ranks[r].seconds);
        if (s->seen >= FIRST) {
            k->timed_tokens += ranks[r].tokens;
            k->timed_seconds += ranks[r].seconds;
        }
    }
    if (s->seen >= FIRST) {
        s->wall += wall;
        s->slowest += slowest;
        s->timed++;
    }
    s->seen++;
}

void bcl_shares_add(bcl_shares *s, int64_t step, const bcl_share_measure *ranks, double wall) {
    pthread_mutex_lock(&s->lock);
    if (!s->seen)
        begin_window(s, step);
    add(s, ranks, wall);
    if (!s->forced && s->size > 1 && s->decided < INT64_MAX) {
        correct(s, step + 1);
        begin_window(s, step + 1);
        s->decided = s->seen < MEASURED ? step + 2 : INT64_MAX;
        pthread_cond_broadcast(&s->changed);
    } else if (!s->forced && step >= s->from + AHEAD && step - s->window_began >= EVERY) {
        s->uneven = gain(s) > GAIN ? s->uneven + 1 : 0;
        if (s->uneven == LASTING || !s->settled) {
            s->uneven = 0;
            s->settled = true;
            correct(s, step + AHEAD);
        }
        begin_window(s, step + 1);
    } else if (step < s->from) { /* the window is of one distribution */
        begin_window(s, s->from);
    }
    pthread_mutex_unlock(&s->lock);
}

/* Tokens per second; of one that was so slow at first that it has had no token since, of the first
 * step, with the compiling of its kernels. 0: not known. */
static double speed_of(const rank_sums *k) {
    if (k->timed_tokens > 0 && k->timed_seconds > 0)
        return k->timed_tokens / k->timed_seconds;
    return k->tokens > 0 && k->seconds > 0 ? k->tokens / k->seconds : 0;
}

int bcl_shares_useless(char *text, size_t size, const bcl_shares *s) {
    double speed = 0, tokens = 0;
    int worst = -1;
    double most = 0;
    if (s->forced || s->size < 2 || s->timed < JUDGED)
        return -1;
    for (int r = 0; r < s->size; r++) {
        const rank_sums *k = &s->ranks[r];
        tokens += k->timed_tokens / (double)s->timed;
        speed += speed_of(k);
    }
    /* what a step takes beyond the time of its slowest rank, shared by all ranks but one */
    const double carrying = fmax(0, s->wall - s->slowest) / (double)s->timed;
    const double each = carrying / (s->size - 1);
    for (int r = 0; r < s->size; r++) {
        const rank_sums *k = &s->ranks[r];
        const double own = speed_of(k);
        if (!(speed - own > 0))
            continue;
        const double saves = tokens / (speed - own) - tokens / speed;
        /* a fifth more than it saves: what is close is kept */
        if (each > saves * 1.2 && each - saves > most) {
            most = each - saves;
            worst = r;
            snprintf(text, size,
                     "%.*f tokens/s would cost %.1f ms a step, it saves %.1f; "
                     "--keep-all keeps it",
                     own < 10, own, each * 1e3, saves * 1e3);
        }
    }
    return worst;
}

bcl_share_sum bcl_shares_sum(const bcl_shares *s, int rank) {
    const rank_sums *k = &s->ranks[rank];
    double all = 0;
    for (int r = 0; r < s->size; r++)
        all += s->next[r];
    return (bcl_share_sum){.tokens = k->tokens,
                           .tokens_per_s = speed_of(k),
                           .wait_share = s->wall > 0 ? fmax(0, 1 - k->timed_seconds / s->wall) : 0,
                           .share = s->next[rank] / all,
                           .timed_tokens = k->timed_tokens > 0 ? k->timed_tokens : k->tokens,
                           .timed_seconds = k->timed_tokens > 0 ? k->timed_seconds : k->seconds,
                           .wall = s->wall,
                           .communication_share =
                               s->wall > 0 ? fmax(0, 1 - s->slowest / s->wall) : 0,
                           .step_bytes = s->sent_steps > 0 ? s->sent / s->sent_steps : 0};
}
