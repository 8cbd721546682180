/* The plan of a step's buffers, without a device: everything has a place, nothing that is needed at
 * the same time shares one, and lifetimes save what they should. */
#include "support/support.h"

#include "model/internal.h"

typedef struct planned {
    bcl_config made, config; /* config: with another shape */
    bcl_layout layout;
    bcl_activations a;
    bcl_plan plan;
} planned;

static void plan_as(planned *p, const int shape[5], bcl_capacity capacity, bcl_element factors,
                    size_t slab) {
    memset(p, 0, sizeof *p);
    OK(bcl_config_default(&p->made));
    p->config = p->made;
    p->config.hidden = shape[0];
    p->config.heads = shape[1];
    p->config.head_size = shape[0] / shape[1];
    p->config.intermediate = shape[2];
    p->config.layers = shape[3];
    p->config.labels = shape[4];
    OK(bcl_layout_create(&p->layout, &p->config));
    p->a.forward = calloc((size_t)shape[3] + 1, sizeof *p->a.forward);
    p->a.backward = calloc((size_t)shape[3] + 1, sizeof *p->a.backward);
    assert_true(p->a.forward && p->a.backward);
    OK(bcl_plan_create(&p->plan, &p->a, &p->config, &p->layout, &capacity, factors, slab));
}
static void plan(planned *p, const int shape[5], bcl_capacity capacity, size_t slab) {
    plan_as(p, shape, capacity, BCL_ELEMENT_F32, slab);
}

static void end(planned *p) {
    bcl_plan_free(&p->plan);
    bcl_layout_free(&p->layout);
    free(p->a.forward);
    free(p->a.backward);
    bcl_config_free(&p->made);
}

static bool has_place(const bcl_plan *p, const bcl_view *who) {
    for (size_t i = 0; i < p->count; i++)
        if (p->buffers[i].out == who || p->buffers[i].also == who)
            return true;
    return false;
}

#define IS(view, layer, name) ((view) == &(layer)->name)
static bool is_copy(const bcl_view *v, const bcl_layer_activations *l) {
    return IS(v, l, x_copy) || IS(v, l, y1_copy);
}

/* Every tensor of a pass, but backward[layers], and forward's behind the last layer but x. */
static void check_members(const planned *p, bcl_capacity c, bool halves) {
    const size_t members = sizeof(bcl_layer_activations) / sizeof(bcl_view);
    const int layers = p->config.layers;
    for (int l = 0; l < layers; l++)
        for (size_t i = 0; i < members; i++) {
            const bcl_layer_activations *f = &p->a.forward[l], *b = &p->a.backward[l];
            const bcl_view *forward = (const bcl_view *)f + i, *backward = (const bcl_view *)b + i;
            const bool backward_only = IS(forward, f, dup) || IS(forward, f, dqkv);
            const bool alone = IS(forward, f, up) && halves && !c.training; /* it is not kept */
            const bool again = c.recompute && l < layers - 1;
            const bool full = (IS(forward, f, x) || IS(forward, f, y1)) && halves && !again;
            const bool missing = is_copy(forward, f) && !halves;
            assert_true(has_place(&p->plan, forward) == !(backward_only || alone || missing));
            assert_true(has_place(&p->plan, backward) == (c.training && !full && !missing));
        }
    assert_true(has_place(&p->plan, &p->a.forward[layers].x));
    assert_true(has_place(&p->plan, &p->a.logits));
    assert_true(has_place(&p->plan, &p->a.g) == c.training);
    assert_true(has_place(&p->plan, &p->a.scratch) == (c.training && halves));
}

static void check_places(const bcl_plan *p) {
    for (size_t i = 0; i < p->count; i++) {
        const bcl_planned *a = &p->buffers[i];
        assert_true(a->bytes > 0 && a->offset % 1024 == 0 && a->born <= a->dies);
        assert_true(a->born >= 0 && a->dies <= p->time && a->offset + a->bytes <= p->bytes);
        assert_true(a->offset / p->slab == (a->offset + a->bytes - 1) / p->slab);
        for (size_t k = 0; k < i; k++) {
            const bcl_planned *b = &p->buffers[k];
            const bool together = a->born <= b->dies && b->born <= a->dies;
            assert_false(together && a->offset < b->offset + b->bytes &&
                         b->offset < a->offset + a->bytes);
        }
    }
}

/* The lowest places by looking at all buffers for each: what the plan must come to. */
static void check_lowest(const planned *p) {
    const bcl_plan *plan = &p->plan;
    for (size_t first = 0, count; first < plan->count; first += count) {
        const bcl_planned *b = &plan->buffers[first];
        size_t bytes = 0, base = 0;
        for (count = 1; b->out == &p->a.g && !b[count].out;) /* the gradients are one group */
            count++;
        for (size_t i = 0; i < count; i++)
            bytes += b[i].bytes;
        for (bool moved = true; moved;) {
            moved = false;
            if (bytes > plan->slab - base % plan->slab)
                base += plan->slab - base % plan->slab;
            for (size_t i = 0, offset = base; i < count && !moved; offset += b[i++].bytes)
                for (size_t k = 0; k < first && !moved; k++) {
                    const bcl_planned *o = &plan->buffers[k];
                    moved = o->born <= b[i].dies && b[i].born <= o->dies &&
                            o->offset < offset + b[i].bytes && offset < o->offset + o->bytes;
                    if (moved)
                        base += o->offset + o->bytes - offset;
                }
        }
        assert_int_equal(b->offset, base);
    }
}

/* The most that is needed at one time: no plan can do with less. */
static size_t lower_bound(const bcl_plan *p) {
    size_t most = 0;
    for (int time = 0; time <= p->time; time++) {
        size_t sum = 0;
        for (size_t i = 0; i < p->count; i++)
            if (p->buffers[i].born <= time && time <= p->buffers[i].dies)
                sum += p->buffers[i].bytes;
        most = sum > most ? sum : most;
    }
    return most;
}

static const int SHAPES[][5] = {
    {32, 4, 45, 2, 5}, {8, 2, 100, 1, 2}, {384, 12, 1536, 6, 9}, {768, 12, 3072, 12, 9}};
enum { SHAPE_COUNT = sizeof SHAPES / sizeof *SHAPES };

static void check_plan(const int shape[5], int tokens, int mode, bcl_element factors, bool small) {
    const bool training = mode > 0;
    const bcl_capacity capacity = {tokens, 10, training, mode & 1 && training, mode > 2};
    planned p;
    plan_as(&p, shape, capacity, factors, 1u << 31);
    const size_t whole = p.plan.bytes, dense = p.layout.dense * sizeof(float);
    if (small) { /* slabs that just hold the largest piece */
        const int C = shape[0], F = shape[2];
        const size_t up = (size_t)tokens * (size_t)(F > 3 * C ? F : 3 * C) * sizeof(float);
        end(&p);
        plan_as(&p, shape, capacity, factors, (training && dense > up ? dense : up) + 4096);
    }
    check_members(&p, capacity, factors != BCL_ELEMENT_F32);
    check_places(&p.plan);
    check_lowest(&p);
    assert_true(p.plan.bytes >= lower_bound(&p.plan));
    assert_true(small || (double)whole <= 1.25 * (double)lower_bound(&p.plan) + 1e5);
    end(&p);
}

static void test_places(void **state) {
    static const int tokens[] = {1, 100, 1000};
    (void)state;
    for (int s = 0; s < SHAPE_COUNT; s++)
        for (int t = 0; t < 3; t++)
            for (int mode = 0; mode < 5; mode++)
                for (int small = 0; small < 2; small++) {
                    check_plan(SHAPES[s], tokens[t], mode, BCL_ELEMENT_F32, small);
                    check_plan(SHAPES[s], tokens[t], mode, BCL_ELEMENT_BF16, small);
                }
}

static size_t bytes_as(const int shape[5], bcl_capacity capacity, bcl_element factors) {
    planned p;
    plan_as(&p, shape, capacity, factors, 1u << 31);
    const size_t n = p.plan.bytes;
    end(&p);
    return n;
}

static size_t bytes(const int shape[5], bcl_capacity capacity) {
    return bytes_as(shape, capacity, BCL_ELEMENT_F32);
}

/* Gradients take dead activations' memory, recomputing keeps a tenth, inference shares layers. */
static void test_savings(void **state) {
    const int *base = SHAPES[3];
    const size_t C = 768, T = 2000, kept = 12 * 16 * C * T * sizeof(float);
    (void)state;
    const size_t apart = bytes(base, (bcl_capacity){2000, 64, true, true, false});
    const size_t shared = bytes(base, (bcl_capacity){2000, 64, true, false, false});
    const size_t again = bytes(base, (bcl_capacity){2000, 64, true, false, true});
    const size_t inference = bytes(base, (bcl_capacity){2000, 64, false, false, false});
    assert_true(shared < kept + kept / 6);
    assert_true(apart > shared + 10 * 12 * C * C * sizeof(float)); /* of 12 layers' gradients */
    assert_true(again < shared - kept / 3);
    assert_true(inference < 8 * C * T * sizeof(float));
    /* what products read, in 16 bits: x and y1, the context and GELU's result of 16 C a layer */
    for (int mode = 0; mode < 3; mode++) {
        const bcl_capacity c = {2000, 64, mode > 0, mode == 1, mode == 2};
        const size_t saved = mode == 1 ? 12 * 7 * C * T * sizeof(float) / 2 : 1;
        assert_true(bytes_as(base, c, BCL_ELEMENT_F16) + saved <= bytes(base, c));
    }
}

/* A buffer finds its place without looking at all the others. */
static void test_many_layers(void **state) {
    (void)state;
    for (int mode = 0; mode < 5; mode++) {
        const bool training = mode > 0;
        const bcl_capacity capacity = {100, 10, training, mode & 1 && training, mode > 2};
        const int many[] = {32, 4, 45, 4096, 5};
        planned p;
        plan(&p, many, capacity, SIZE_MAX);
        const double steps = (double)p.plan.steps / (double)p.plan.count;
        print_message("mode %d: %zu buffers, %.0f steps for each\n", mode, p.plan.count, steps);
        assert_true(steps < 2000);
        end(&p);
    }
}

static void test_too_large(void **state) {
    planned p = {0};
    (void)state;
    const bcl_capacity capacity = {1000, 10, true, false, false};
    plan(&p, SHAPES[0], capacity, 1u << 31);
    bcl_plan_free(&p.plan);
    FAILS(
        bcl_plan_create(&p.plan, &p.a, &p.config, &p.layout, &capacity, BCL_ELEMENT_F32, 64 << 10),
        BCL_ERROR_DEVICE_MEMORY, "--max-tokens");
    end(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places), cmocka_unit_test(test_savings),
        cmocka_unit_test(test_many_layers), cmocka_unit_test(test_too_large)};
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
