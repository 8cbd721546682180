/* The tuner's child: lists the candidates, checks and times them, and tells the parent each step.
 * It may crash or hang at any moment; the next child goes on from what the parent knows. */
#include "ops/gemm/provider.h"
#include "tune/internal.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <unistd.h>

enum { ROUNDS = 8, QUICK_ROUNDS = 3, ALONE_ROUNDS = 3, MOST_REPEATS = 16 };
static const double SAMPLE_S = 1e-3; /* a product is repeated until a time is this long */
/* Given up while being tried when slower than the best by this factor over the same shapes, and
 * after each round when below this share of its speed: machines are noisy, so the first is wide. */
static const double HOPELESS = 2.5;
static const double ROUND_SHARES[] = {0.7, 0.8, 0.9, 0.95};
enum { ROUND_SHARES_COUNT = sizeof ROUND_SHARES / sizeof *ROUND_SHARES };

typedef struct measure {
    bcl_tune_session *session;
    int fd;
    bcl_device *device;
    bcl_tune_operands *operands;
    bcl_gemm *gemms[BCL_TUNE_CANDIDATES];
} measure;

/* A parent that is gone ends the child. */
static void tell(measure *w, bcl_tune_message m) {
    if (write(w->fd, &m, sizeof m) != (ssize_t)sizeof m)
        _exit(1);
    bcl_tune_apply(w->session, &m);
}

static void tell_text(measure *w, bcl_tune_message m, const char *text) {
    snprintf(m.text, sizeof m.text, "%s", text);
    tell(w, m);
}

static void tell_state(measure *w, int c, bcl_tune_state state, double error, const char *reason) {
    tell_text(w,
              (bcl_tune_message){
                  .kind = BCL_TUNE_STATE, .candidate = c, .state = (int)state, .value = error},
              reason);
}

/* ---- the list ---- */

static void list_one(measure *w, const char *name, bcl_precision precision) {
    bcl_tune_session *s = w->session;
    for (int c = 0; c < s->candidate_count; c++)
        if (!strcmp(s->candidates[c].name, name) && s->candidates[c].precision == precision)
            return;
    if (s->candidate_count < BCL_TUNE_CANDIDATES)
        tell_text(w, (bcl_tune_message){.kind = BCL_TUNE_LISTED, .state = (int)precision}, name);
}

static const bcl_gemm_provider *provider_of(const bcl_tune_candidate *c) {
    const bcl_gemm_provider *const *p = bcl_gemm_providers();
    const size_t n = strcspn(c->name, ":");
    while (*p && (strlen((*p)->name) != n || strncmp((*p)->name, c->name, n)))
        p++;
    return *p;
}

static bcl_status list_provider(measure *w, const bcl_gemm_provider *p) {
    bcl_status status = BCL_OK;
    bcl_gemm_names names = {0};
    list_one(w, p->name, p->precision);
    if (p->candidates)
        BCL_TRY(p->candidates(&names, w->device, !w->session->options->quick));
    for (size_t i = 0; i < names.count; i++)
        list_one(w, names.items[i], p->precision);
out:
    bcl_gemm_names_free(&names);
    return status;
}

/* Every suitable provider as it is and with its parameters, ours, which fuse, before the library;
 * the plain one that is right everywhere comes last, for want of others. A first run on a CPU takes
 * only the first that suits. */
static bcl_status list(measure *w) {
    bcl_status status = BCL_OK;
    const bcl_tune_options *o = w->session->options;
    bcl_gemm *fp32 = NULL;
    const bool gpu = bcl_device_about(w->device)->gpu;
    bool found = false;
    if (o->precision != BCL_PRECISION_FP32) { /* what it has to beat */
        BCL_TRY(bcl_gemm_create(&fp32, w->device, NULL, BCL_PRECISION_FP32));
        list_one(w, bcl_gemm_name(fp32), BCL_PRECISION_FP32);
    }
    for (int fuses = 1; fuses >= 0; fuses--)
        for (const bcl_gemm_provider *const *p = bcl_gemm_providers(); *p; p++) {
            if ((*p)->precision != o->precision || *p == &bcl_gemm_reference ||
                (*p)->fuses != fuses || (o->quick && found && !gpu) || !(*p)->suits(w->device))
                continue;
            found = true;
            BCL_TRY(list_provider(w, *p));
        }
    if (o->precision == BCL_PRECISION_FP32)
        list_one(w, bcl_gemm_reference.name, BCL_PRECISION_FP32);
    tell(w, (bcl_tune_message){.kind = BCL_TUNE_BEGIN});
out:
    bcl_gemm_free(fp32);
    return status;
}

/* ---- one candidate ---- */

/* Gradients that training has in one launch are timed so, at dX; each counts half, as both are as
 * many operations. */
static bcl_status time_shape(measure *w, int c, int shape) {
    bcl_status status = BCL_OK;
    const bool joined = bcl_tune_joins(w->operands, w->gemms[c], shape);
    const int products = joined ? 2 : 1;
    const double known = products * w->session->candidates[c].seconds[shape];
    int repeats = known > 0 ? (int)(SAMPLE_S / known) + 1 : 1;
    if (joined && w->session->shapes[shape].layout == BCL_GEMM_TN)
        return BCL_OK;
    if (repeats > MOST_REPEATS)
        repeats = MOST_REPEATS;
    const double start = bcl_seconds();
    for (int i = 0; i < repeats; i++)
        BCL_TRY(bcl_tune_run(w->operands, w->gemms[c], shape, joined));
    BCL_TRY(bcl_device_finish(w->device));
    const double seconds = (bcl_seconds() - start) / repeats / products;
    for (int i = 0; i < products; i++)
        tell(w, (bcl_tune_message){
                    .kind = BCL_TUNE_TIMED, .candidate = c, .shape = shape + i, .value = seconds});
out:
    return status;
}

/* Whether its times over the first `count` shapes are far above another's. */
static bool is_hopeless(const bcl_tune_session *s, int c, int count) {
    double mine = 0;
    for (int i = 0; i < count; i++)
        mine += s->candidates[c].seconds[i];
    for (int other = 0; other < s->candidate_count; other++) {
        double sum = 0;
        if (s->candidates[other].state != BCL_TUNE_RIGHT)
            continue;
        for (int i = 0; i < count; i++)
            sum += s->candidates[other].seconds[i];
        if (mine > HOPELESS * sum)
            return true;
    }
    return false;
}

/* Behind a group of shapes: gives the candidate up if it is far behind, also on a second
 * measurement. */
static bcl_status give_up(measure *w, int c, int count, double error, bool *given_up) {
    bcl_status status = BCL_OK;
    const bcl_tune_session *s = w->session;
    char reason[64];
    *given_up = false;
    for (int i = count - 1; i >= 0 && s->shapes[i].group == s->shapes[count - 1].group; i--)
        if (is_hopeless(s, c, count))
            BCL_TRY(time_shape(w, c, i));
    if (!is_hopeless(s, c, count))
        goto out;
    *given_up = true;
    snprintf(reason, sizeof reason, "given up after %d of %d products", count, s->shape_count);
    tell_state(w, c, BCL_TUNE_SLOWER, error, reason);
out:
    return status;
}

/* Checks and times every shape once. Ends with the state told, unless the time is up or `status`
 * says that the candidate failed. */
static bcl_status try_shapes(measure *w, int c) {
    bcl_status status = BCL_OK;
    bcl_tune_session *s = w->session;
    double worst = 0;
    for (int i = 0; i < s->shape_count && bcl_tune_seconds_left(s) > 0; i++) {
        double share, error;
        BCL_TRY(bcl_tune_check(w->operands, w->gemms[c], i, &share, &error));
        worst = error > worst ? error : worst;
        if (!(share <= 1)) {
            char reason[200];
            const bcl_tune_shape *x = &s->shapes[i];
            snprintf(reason, sizeof reason, "M %d, N %d, K %d: error %.3g times the limit", x->M,
                     x->N, x->K, share);
            tell_state(w, c, BCL_TUNE_WRONG, error, reason);
            goto out;
        }
        BCL_TRY(time_shape(w, c, i));
        const bool last = i + 1 == s->shape_count || s->shapes[i + 1].group != s->shapes[i].group;
        bool given_up = false;
        if (last)
            BCL_TRY(give_up(w, c, i + 1, worst, &given_up));
        if (given_up)
            goto out;
    }
    if (bcl_tune_seconds_left(s) > 0)
        tell_state(w, c, BCL_TUNE_RIGHT, worst, "");
out:
    return status;
}

static void drop(measure *w, int c) {
    bcl_gemm_free(w->gemms[c]);
    w->gemms[c] = NULL;
}

/* The default of a provider, which comes first, was given up: its parameters will not make up for
 * that. */
static bool provider_is_hopeless(const bcl_tune_session *s, int c) {
    const bcl_gemm_provider *provider = provider_of(&s->candidates[c]);
    for (int i = 0; i < c; i++)
        if (provider_of(&s->candidates[i]) == provider)
            return s->candidates[i].state == BCL_TUNE_SLOWER && provider->exclusive;
    return false;
}

static bcl_status try_candidate(measure *w, int c) {
    bcl_status status = BCL_OK;
    bcl_tune_session *s = w->session;
    bcl_tune_candidate *candidate = &s->candidates[c];
    const bcl_gemm_provider *provider = provider_of(candidate);
    if (provider_is_hopeless(s, c)) {
        tell_state(w, c, BCL_TUNE_WAITING, 0, "its provider is far behind");
        return BCL_OK;
    }
    tell(w, (bcl_tune_message){.kind = BCL_TUNE_TRYING, .candidate = c});
    BCL_TRY(bcl_gemm_create(&w->gemms[c], w->device, candidate->name, candidate->precision));
    BCL_TRY(bcl_tune_operands_suit(w->operands, w->gemms[c]));
    for (int i = 0; i < c; i++) /* the default's parameters, spelt out */
        if (!strcmp(s->candidates[i].name, bcl_gemm_name(w->gemms[c]))) {
            tell_state(w, c, BCL_TUNE_SAME, 0, "");
            goto out;
        }
    tell_text(w, (bcl_tune_message){.kind = BCL_TUNE_NAMED, .candidate = c},
              bcl_gemm_name(w->gemms[c]));
    if (candidate->state == BCL_TUNE_WAITING)
        BCL_TRY(try_shapes(w, c));
    for (int r = 1; provider->exclusive && r < ALONE_ROUNDS; r++)
        for (int i = 0; candidate->state == BCL_TUNE_RIGHT && i < s->shape_count; i++)
            if (bcl_tune_seconds_left(s) > 0)
                BCL_TRY(time_shape(w, c, i));
out:
    if (status)
        tell_state(w, c, BCL_TUNE_FAILED, 0, bcl_message());
    if (candidate->state != BCL_TUNE_RIGHT || provider->exclusive)
        drop(w, c);
    return BCL_OK;
}

/* ---- all of them ---- */

static bool any_right(const bcl_tune_session *s) {
    for (int c = 0; c < s->candidate_count; c++)
        if (s->candidates[c].state == BCL_TUNE_RIGHT)
            return true;
    return false;
}

/* One after the other once each in a round, so that what slows the machine slows all. */
static void run_rounds(measure *w) {
    bcl_tune_session *s = w->session;
    const int rounds = s->options->quick ? QUICK_ROUNDS : ROUNDS;
    for (int r = 0; r < rounds; r++) {
        double best = 0;
        for (int c = 0; c < s->candidate_count; c++) {
            if (!w->gemms[c])
                continue;
            tell(w, (bcl_tune_message){.kind = BCL_TUNE_TRYING, .candidate = c});
            bcl_status status = BCL_OK;
            for (int i = 0; !status && i < s->shape_count && bcl_tune_seconds_left(s) > 0; i++)
                status = time_shape(w, c, i);
            if (status) {
                tell_state(w, c, BCL_TUNE_FAILED, 0, bcl_message());
                drop(w, c);
                continue;
            }
            const double speed = bcl_tune_gflops(s, &s->candidates[c]);
            best = speed > best ? speed : best;
        }
        const double share =
            ROUND_SHARES[r < ROUND_SHARES_COUNT ? r : ROUND_SHARES_COUNT - 1] * best;
        for (int c = 0; c < s->candidate_count; c++)
            if (w->gemms[c] && bcl_tune_gflops(s, &s->candidates[c]) < share) {
                tell_state(w, c, BCL_TUNE_SLOWER, s->candidates[c].error, "");
                drop(w, c);
            }
        if (bcl_tune_seconds_left(s) <= 0)
            return;
    }
}

/* The fastest right one, with attention on its matrix unit: a candidate of its own, whose products'
 * times are known. */
static bcl_status try_attention(measure *w) {
    bcl_status status = BCL_OK;
    bcl_tune_session *s = w->session;
    const bcl_precision precision = s->options->precision;
    int best = -1;
    char name[BCL_GEMM_NAME], reason[200] = "";
    bcl_gemm_unit unit;
    bcl_tune_state state;
    double error;
    for (int c = 0; c < s->candidate_count; c++)
        if (w->gemms[c] && s->candidates[c].state == BCL_TUNE_RIGHT &&
            s->candidates[c].precision == precision &&
            (best < 0 ||
             bcl_tune_gflops(s, &s->candidates[c]) > bcl_tune_gflops(s, &s->candidates[best])))
            best = c;
    if (best < 0 || !bcl_gemm_find_unit(&unit, w->gemms[best]) || bcl_tune_seconds_left(s) <= 0)
        return BCL_OK;
    const int count = s->candidate_count;
    snprintf(name, sizeof name, "%.400s" BCL_GEMM_ATTENTION, s->candidates[best].name);
    list_one(w, name, precision);
    if (s->candidate_count == count) /* it was tried, or there is no place */
        return BCL_OK;
    tell(w, (bcl_tune_message){.kind = BCL_TUNE_TRYING, .candidate = count});
    for (int i = 0; i < s->shape_count; i++)
        if (s->candidates[best].seconds[i] > 0)
            tell(w, (bcl_tune_message){.kind = BCL_TUNE_TIMED,
                                       .candidate = count,
                                       .shape = i,
                                       .value = s->candidates[best].seconds[i]});
    BCL_TRY(bcl_tune_attention(&state, &error, reason, sizeof reason, w->device, name,
                               s->candidates[best].name, precision));
    tell_state(w, count, state, fmax(error, s->candidates[best].error), reason);
out:
    if (status)
        tell_state(w, count, BCL_TUNE_FAILED, 0, bcl_message());
    return BCL_OK;
}

static bcl_status work(measure *w) {
    bcl_status status = BCL_OK;
    bcl_tune_session *s = w->session;
    BCL_TRY(bcl_device_open(&w->device, s->about->id, false));
    if (!s->listed)
        BCL_TRY(list(w));
    BCL_TRY(bcl_tune_operands_create(&w->operands, w->device, s));
    for (int c = 0; c < s->candidate_count && bcl_tune_seconds_left(s) > 0; c++) {
        const bcl_tune_candidate *candidate = &s->candidates[c];
        const bcl_gemm_provider *provider = provider_of(candidate);
        const bool waiting = candidate->state == BCL_TUNE_WAITING;
        /* one that was right before another crashed only has to be made again */
        const bool again = candidate->state == BCL_TUNE_RIGHT && !provider->exclusive;
        if (bcl_tune_has_attention(candidate))
            continue;
        if ((waiting || again) && (provider != &bcl_gemm_reference || !any_right(s)))
            BCL_TRY(try_candidate(w, c));
    }
    run_rounds(w);
    BCL_TRY(try_attention(w));
out:
    for (int c = 0; c < BCL_TUNE_CANDIDATES; c++)
        drop(w, c);
    bcl_tune_operands_free(w->operands);
    bcl_device_free(w->device);
    return status;
}

void bcl_tune_measure(bcl_tune_session *s, int fd) {
    measure w = {.session = s, .fd = fd};
    /* a crash is to end this process, whatever the program does about its own */
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGPIPE};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        signal(signals[i], SIG_DFL);
    const int null = open("/dev/null", O_WRONLY);
    if (null >= 0) { /* drivers chat */
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
    }
    if (work(&w))
        tell_text(&w, (bcl_tune_message){.kind = BCL_TUNE_BROKEN}, bcl_message());
    else
        tell(&w, (bcl_tune_message){.kind = BCL_TUNE_ENDED});
}
