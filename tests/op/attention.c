/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph/step.h"
#include "ops/attn/attn.h"
#include "ops/primitive.h"
#include "optest.h"

/* What the reference knows of one weight. */
struct weight {
    double s, size; /* score, and the sum of the absolute values of its terms */
    double t;       /* tanh(s / softcap) */
    double keep;    /* 0 or 1 / (1 - rate) */
    bool seen;
};

static const uint32_t step[QNI_STEP_WORDS] = {
    [QNI_STEP_SAMPLE_LO] = 0xfffffffeu, [QNI_STEP_SAMPLE_HI] = 3, [QNI_STEP_SEED_LO] = 11, [QNI_STEP_SEED_HI] = 12,
    [QNI_STEP_NUMBER] = 5,
};

static double keep_of(const struct qni_attention *t, const struct qni_attn *n, int64_t b, int64_t h, int64_t i, int64_t j)
{
    const uint32_t e = (uint32_t)((h * n->Tq + i) * qni_round_up(n->Tk, 64) + j);
    const uint64_t sample = (uint64_t)b + (step[QNI_STEP_SAMPLE_LO] | (uint64_t)step[QNI_STEP_SAMPLE_HI] << 32);
    const uint32_t counter[4] = { e >> 6 << 4 | (e & 15), (uint32_t)sample,
                                  (uint32_t)(sample >> 32 & 0xffff) | t->stream << 16, step[QNI_STEP_NUMBER] };
    uint32_t word[4];

    if (t->rate <= 0)
        return 1;
    qni_philox(word, counter, (const uint32_t[2]){ step[QNI_STEP_SEED_LO], step[QNI_STEP_SEED_HI] });
    return (float)(word[e >> 4 & 3] >> 8) * 0x1p-24f < t->rate ? 0 : 1 / (1 - (double)t->rate);
}

static struct weight weight_of(const struct qni_problem *p, const struct qni_attn *n, double *const *in, int64_t b,
                               int64_t h, int64_t i, int64_t j)
{
    const struct qni_attention *t = p->attr;
    const int64_t hk = h / (n->Hq / n->Hkv), length = n->lengths ? (int64_t)in[QNI_ATTN_LENGTHS][b] : n->Tk;
    const int64_t place = i + (t->anchor == QNI_ATTN_START ? 0 : t->anchor == QNI_ATTN_END ? n->Tk - n->Tq : length - n->Tq);
    const double *q = in[QNI_ATTN_Q] + ((b * n->Tq + i) * n->Hq + h) * n->D;
    const double *k = in[QNI_ATTN_K] + ((b * n->Tk + j) * n->Hkv + hk) * n->D;
    const double scale = t->scale != 0 ? (double)t->scale : 1 / sqrt((double)n->D);
    struct weight w = { .keep = keep_of(t, n, b, h, i, j), .seen = true };

    for (int64_t d = 0; d < n->D; d++) {
        w.s += q[d] * k[d] * scale;
        w.size += fabs(q[d] * k[d] * scale);
    }
    if (t->softcap > 0) {
        w.t = tanh(w.s / t->softcap);
        w.s = w.t * t->softcap;
        w.size += t->softcap;
    }
    if (n->bias) {
        const double v = in[QNI_ATTN_BIAS][b * n->bias_b + h * n->bias_h + i * n->bias_i + j];

        w.s += v;
        w.size += fabs(v);
    }
    if (n->slopes) {
        const double v = in[QNI_ATTN_SLOPES][h] * fabs((double)(place - j));

        w.s -= v;
        w.size += v;
    }
    w.seen = j < length && !(t->causal && j > place) && !(t->window && llabs((long long)(place - j)) >= t->window) &&
             !(n->padding && in[QNI_ATTN_PADDING][b * n->Tk + j] == 0) && w.s > -1e38;
    return w;
}

static double row_lse(const struct weight *w, int64_t Tk, double *size)
{
    double m = -INFINITY, sum = 0;

    *size = 1;
    for (int64_t j = 0; j < Tk; j++)
        if (w[j].seen) {
            m = fmax(m, w[j].s);
            *size = fmax(*size, 1 + w[j].size);
        }
    for (int64_t j = 0; j < Tk; j++)
        sum += w[j].seen ? exp(w[j].s - m) : 0;
    return sum > 0 ? m + log(sum) : 0;
}

static void ref(const struct qni_problem *p, double *const *in, double **out, double **scale, double *terms)
{
    struct weight *w;
    struct qni_attn n;

    qni_attn_numbers(&n, p);
    w = calloc((size_t)n.Tk + 1, sizeof(*w));
    terms[0] = terms[1] = (double)(n.Tk + n.D);
    for (int64_t row = 0; row < n.B * n.Hq * n.Tq; row++) {
        const int64_t i = row % n.Tq, h = row / n.Tq % n.Hq, b = row / n.Tq / n.Hq, hk = h / (n.Hq / n.Hkv);
        double lse, size;

        for (int64_t j = 0; j < n.Tk; j++)
            w[j] = weight_of(p, &n, in, b, h, i, j);
        lse = row_lse(w, n.Tk, &size);
        out[1][row] = lse;
        scale[1][row] = size + fabs(lse);
        for (int64_t c = 0; c < n.Dv; c++) {
            const int64_t at = ((b * n.Tq + i) * n.Hq + h) * n.Dv + c;
            double y = 0, s = 0;

            for (int64_t j = 0; j < n.Tk; j++)
                if (w[j].seen) {
                    const double v = exp(w[j].s - lse) * w[j].keep * in[QNI_ATTN_V][((b * n.Tk + j) * n.Hkv + hk) * n.Dv + c];

                    y += v;
                    s += fabs(v);
                }
            out[0][at] = y;
            scale[0][at] = s * size;
        }
    }
    free(w);
}

/* y and lse as the forward operation gives them. */
static void prepare(const struct qni_problem *p, double *const *in)
{
    struct qni_problem forward = *p;
    double *out[2], *scale[2], terms[2];

    for (int o = 0; o < 2; o++) {
        forward.out[o] = p->in[QNI_ATTN_Y + o];
        out[o] = in[QNI_ATTN_Y + o];
        scale[o] = calloc((size_t)qni_elements(&forward.out[o].shape) + 1, sizeof(double));
    }
    ref(&forward, in, out, scale, terms);
    for (int o = 0; o < 2; o++) {
        for (int64_t e = 0; e < qni_elements(&forward.out[o].shape); e++)
            out[o][e] = (double)(float)out[o][e];
        free(scale[o]);
    }
}

/* One weight's share of the gradients. */
static void add_weight(const struct qni_problem *p, const struct qni_attn *n, double *const *in, double **out,
                       double **scale, const int64_t at[4], double delta, double delta_size)
{
    const struct qni_attention *t = p->attr;
    const int64_t b = at[0], h = at[1], i = at[2], j = at[3], hk = h / (n->Hq / n->Hkv);
    const int64_t qi = ((b * n->Tq + i) * n->Hq + h) * n->D, yi = ((b * n->Tq + i) * n->Hq + h) * n->Dv;
    const int64_t ki = ((b * n->Tk + j) * n->Hkv + hk) * n->D, vi = ((b * n->Tk + j) * n->Hkv + hk) * n->Dv;
    const double factor = t->scale != 0 ? (double)t->scale : 1 / sqrt((double)n->D);
    const double lse = in[QNI_ATTN_LSE][(b * n->Hq + h) * n->Tq + i];
    const struct weight w = weight_of(p, n, in, b, h, i, j);
    const double e = w.seen ? exp(w.s - lse) : 0, size = 1 + w.size + fabs(lse);
    double dp = 0, dp_size = 0, ds, ds_size;

    for (int64_t c = 0; c < n->Dv; c++) {
        const double v = in[QNI_ATTN_DY][yi + c] * in[QNI_ATTN_V][vi + c] * w.keep;

        dp += v;
        dp_size += fabs(v);
        out[2][vi + c] += e * w.keep * in[QNI_ATTN_DY][yi + c];
        scale[2][vi + c] += fabs(e * w.keep * in[QNI_ATTN_DY][yi + c]) * size;
    }
    ds = e * (dp - delta) * (1 - w.t * w.t) * factor;
    ds_size = e * (dp_size + delta_size) * factor * size;
    for (int64_t d = 0; d < n->D; d++) {
        out[0][qi + d] += ds * in[QNI_ATTN_K][ki + d];
        scale[0][qi + d] += ds_size * fabs(in[QNI_ATTN_K][ki + d]);
        out[1][ki + d] += ds * in[QNI_ATTN_Q][qi + d];
        scale[1][ki + d] += ds_size * fabs(in[QNI_ATTN_Q][qi + d]);
    }
}

static void ref_grad(const struct qni_problem *p, double *const *in, double **out, double **scale, double *terms)
{
    struct qni_attn n;

    qni_attn_numbers(&n, p);
    for (int o = 0; o < 3; o++) {
        terms[o] = (double)(n.Tk + n.Tq * n.Hq / n.Hkv + n.D + n.Dv);
        for (int64_t e = 0; e < qni_elements(&p->out[o].shape); e++)
            out[o][e] = scale[o][e] = 0;
    }
    for (int64_t row = 0; row < n.B * n.Hq * n.Tq; row++) {
        const int64_t i = row % n.Tq, h = row / n.Tq % n.Hq, b = row / n.Tq / n.Hq;
        const int64_t at = ((b * n.Tq + i) * n.Hq + h) * n.Dv;
        double delta = 0, size = 0;

        for (int64_t c = 0; c < n.Dv; c++) {
            delta += in[QNI_ATTN_DY][at + c] * in[QNI_ATTN_Y][at + c];
            size += fabs(in[QNI_ATTN_DY][at + c] * in[QNI_ATTN_Y][at + c]);
        }
        for (int64_t j = 0; j < n.Tk; j++)
            add_weight(p, &n, in, out, scale, (const int64_t[4]){ b, h, i, j }, delta, size);
    }
}

#define LENGTHS (1u << QNI_ATTN_LENGTHS)
#define PADDING (1u << QNI_ATTN_PADDING)
#define BIAS (1u << QNI_ATTN_BIAS)
#define SLOPES (1u << QNI_ATTN_SLOPES)
#define SHARED (1u << 31) /* the additive mask is one for all samples and queries, and not for all heads */
#define ALL (LENGTHS | PADDING | BIAS | SLOPES)

#define ATTR(...) &(const struct qni_attention){ __VA_ARGS__ }
#define TENSORS(B, Tq, Tk, Hq, Hkv, D, Dv, shared) \
    {QN_F32, {4, {B, Tq, Hq, D}}}, {QN_F32, {4, {B, Tk, Hkv, D}}}, {QN_F32, {4, {B, Tk, Hkv, Dv}}}, {QN_I32, {1, {B}}}, \
    {QN_U8, {2, {B, Tk}}}, {QN_F32, {4, {(shared) ? 1 : B, (shared) ? Hq : 1, (shared) ? 1 : Tq, Tk}}}, \
    {QN_F32, {1, {Hq}}}
#define FILLS(Tk) \
    .fill = {[QNI_ATTN_LENGTHS] = OPTEST_INTEGER, [QNI_ATTN_PADDING] = OPTEST_ZERO_ONE, [QNI_ATTN_SLOPES] = OPTEST_POSITIVE}, \
    .fill_max = {[QNI_ATTN_LENGTHS] = (Tk) + 1}, .step = step
/* masks: those given */
#define CASE(n, B, Tq, Tk, Hq, Hkv, D, Dv, masks, attribute, ...) \
    {.name = n, .op = &qni_op_attention, .attr = attribute, .inputs = QNI_ATTN_INPUTS, \
     .in = {TENSORS(B, Tq, Tk, Hq, Hkv, D, Dv, (masks) & SHARED)}, FILLS(Tk), .absent = ALL & ~(masks), .ref = ref, \
     .chained = true, __VA_ARGS__}
#define GRAD(n, B, Tq, Tk, Hq, Hkv, D, Dv, masks, attribute, ...) \
    {.name = n, .op = &qni_op_attention_grad, .attr = attribute, .inputs = QNI_ATTN_GRAD_INPUTS, \
     .in = {TENSORS(B, Tq, Tk, Hq, Hkv, D, Dv, (masks) & SHARED), {QN_F32, {4, {B, Tq, Hq, Dv}}}, {QN_F32, {3, {B, Hq, Tq}}}, \
            {QN_F32, {4, {B, Tq, Hq, Dv}}}}, \
     FILLS(Tk), .absent = ALL & ~(masks), .ref = ref_grad, .prepare = prepare, .chained = true, __VA_ARGS__}
#define DIFFERENCES .small_grad = true, .saved = 2, .no_grad = BIAS | SLOPES

/* Every set of options is a build of six kernels: few here, of one head size but one; the argument `all` takes the others. */
static const struct optest_case few[] = {
    CASE("no samples", 0, 3, 3, 2, 1, 3, 2, 0, ATTR(0)),
    CASE("no queries", 2, 0, 3, 2, 1, 3, 2, 0, ATTR(0)),
    CASE("no keys", 2, 3, 0, 2, 1, 3, 2, 0, ATTR(0)),
    CASE("one key", 1, 1, 1, 1, 1, 3, 2, 0, ATTR(.scale = 1), DIFFERENCES),
    CASE("small", 2, 3, 5, 1, 1, 3, 2, 0, ATTR(0), DIFFERENCES),
    CASE("one head of keys", 2, 3, 4, 3, 1, 3, 2, 0, ATTR(.scale = 0.7f), DIFFERENCES),
    CASE("no lse", 2, 5, 6, 2, 1, 3, 2, 0, ATTR(0), .unwanted = 2),
    CASE("causal", 1, 5, 5, 2, 2, 3, 2, 0, ATTR(.causal = 1), DIFFERENCES),
    CASE("causal, fewer queries", 1, 3, 7, 2, 2, 3, 2, 0, ATTR(.causal = 1), DIFFERENCES),
    CASE("causal, more queries: rows that see nothing", 1, 7, 3, 1, 1, 3, 2, 0, ATTR(.causal = 1), DIFFERENCES),
    CASE("causal from the start", 1, 3, 7, 2, 2, 3, 2, 0, ATTR(.causal = 1, .anchor = QNI_ATTN_START), DIFFERENCES),
    CASE("grouped heads", 2, 3, 4, 6, 2, 3, 2, 0, ATTR(.causal = 1), DIFFERENCES),
    CASE("window, lengths and padding", 5, 9, 9, 1, 1, 3, 2, LENGTHS | PADDING, ATTR(.window = 3), DIFFERENCES),
    CASE("softcap, additive mask and slopes", 2, 3, 4, 2, 1, 3, 2, BIAS | SLOPES, ATTR(.softcap = 0.5f), DIFFERENCES),
    CASE("a mask for all", 3, 4, 5, 2, 1, 3, 2, BIAS | SLOPES | SHARED, ATTR(.softcap = 0.5f)),
    CASE("everything", 3, 9, 11, 4, 2, 3, 2, ALL, ATTR(.causal = 1, .window = 6, .softcap = 3, .rate = 0.2f, .stream = 3)),
    CASE("everything, by lengths", 5, 2, 4, 2, 2, 3, 2, ALL,
         ATTR(.causal = 1, .window = 6, .softcap = 3, .rate = 0.2f, .stream = 3, .anchor = QNI_ATTN_LENGTH)),
    CASE("tiles of everything", 2, 130, 140, 2, 1, 3, 2, ALL,
         ATTR(.causal = 1, .window = 70, .softcap = 3, .rate = 0.2f, .stream = 3)),
    CASE("tiles", 1, 129, 65, 2, 1, 33, 17, 0, ATTR(.causal = 1)),
    CASE("windows across tiles", 1, 300, 300, 1, 1, 3, 2, LENGTHS | PADDING, ATTR(.window = 33)),
    GRAD("no queries", 2, 0, 3, 2, 1, 3, 2, 0, ATTR(0)),
    GRAD("no keys", 2, 3, 0, 2, 1, 3, 2, 0, ATTR(0)),
    GRAD("one key", 1, 1, 1, 1, 1, 3, 2, 0, ATTR(.scale = 1)),
    GRAD("only dv", 2, 5, 6, 2, 1, 3, 2, 0, ATTR(0), .unwanted = 3),
    GRAD("only dq", 2, 5, 6, 2, 1, 3, 2, 0, ATTR(0), .unwanted = 6),
    GRAD("grouped heads", 2, 3, 4, 6, 2, 3, 2, 0, ATTR(.causal = 1)),
    GRAD("a mask for all", 3, 4, 5, 2, 1, 3, 2, BIAS | SLOPES | SHARED, ATTR(.softcap = 0.5f)),
    GRAD("everything", 3, 9, 11, 4, 2, 3, 2, ALL, ATTR(.causal = 1, .window = 6, .softcap = 3, .rate = 0.2f, .stream = 3)),
    GRAD("tiles of everything", 2, 130, 140, 2, 1, 3, 2, ALL,
         ATTR(.causal = 1, .window = 70, .softcap = 3, .rate = 0.2f, .stream = 3)),
    GRAD("tiles", 1, 129, 65, 2, 1, 33, 17, 0, ATTR(.causal = 1)),
    GRAD("windows across tiles", 1, 300, 300, 1, 1, 3, 2, LENGTHS | PADDING, ATTR(.window = 33)),
};

/* Of other heads; these, unlike the rest, are also for matrix instructions, whose every build takes PoCL long. */
static const struct optest_case heads[] = {
    CASE("1", 1, 1, 1, 1, 1, 1, 1, 0, ATTR(.scale = 1), DIFFERENCES),
    CASE("whole tiles", 1, 128, 128, 2, 2, 32, 64, 0, ATTR(.causal = 1)),
    CASE("wide heads", 2, 33, 40, 1, 1, 80, 96, LENGTHS, ATTR(.causal = 1)),
    CASE("wider heads", 1, 17, 70, 1, 1, 128, 128, 0, ATTR(.causal = 1)),
    GRAD("1", 1, 1, 1, 1, 1, 1, 1, 0, ATTR(.scale = 1)),
    GRAD("whole tiles", 1, 128, 128, 2, 2, 32, 64, 0, ATTR(.causal = 1)),
    GRAD("wide heads", 2, 33, 40, 1, 1, 80, 96, LENGTHS, ATTR(.causal = 1)),
    GRAD("wider heads", 1, 17, 70, 1, 1, 128, 128, 0, ATTR(.causal = 1)),
};

static const struct optest_case others[] = {
    CASE("window", 1, 9, 9, 1, 1, 3, 2, 0, ATTR(.window = 3), DIFFERENCES),
    CASE("causal window", 1, 9, 9, 1, 1, 3, 2, 0, ATTR(.causal = 1, .window = 4), DIFFERENCES),
    CASE("one head of keys", 2, 3, 4, 3, 1, 3, 5, 0, ATTR(.scale = 0.7f), DIFFERENCES),
    CASE("softcap", 1, 3, 4, 2, 1, 3, 2, 0, ATTR(.softcap = 0.5f), DIFFERENCES),
    CASE("lengths", 5, 2, 4, 1, 1, 3, 2, LENGTHS, ATTR(0), DIFFERENCES),
    CASE("causal by lengths", 5, 2, 4, 1, 1, 3, 2, LENGTHS, ATTR(.causal = 1, .anchor = QNI_ATTN_LENGTH), DIFFERENCES),
    CASE("padding", 3, 2, 4, 1, 1, 3, 2, PADDING, ATTR(0), DIFFERENCES),
    CASE("additive mask", 2, 3, 4, 2, 1, 3, 2, BIAS, ATTR(0), DIFFERENCES),
    CASE("slopes", 2, 3, 4, 2, 1, 3, 2, SLOPES, ATTR(.causal = 1), DIFFERENCES),
    CASE("dropout", 2, 3, 70, 2, 1, 3, 2, 0, ATTR(.rate = 0.4f, .stream = 9)),
    CASE("everything", 3, 9, 11, 4, 2, 5, 7, ALL,
         ATTR(.causal = 1, .window = 6, .softcap = 3, .rate = 0.2f, .stream = 3)),
    CASE("a mask for all", 3, 4, 5, 2, 1, 3, 2, BIAS | SHARED, ATTR(0)),
    CASE("tiles less one", 1, 63, 127, 1, 1, 15, 31, 0, ATTR(0)),
    CASE("very wide heads", 1, 9, 35, 1, 1, 256, 256, 0, ATTR(.causal = 1)),
    CASE("tiles of everything", 2, 130, 140, 2, 1, 16, 16, ALL,
         ATTR(.causal = 1, .window = 70, .softcap = 3, .rate = 0.2f, .stream = 3)),
    CASE("windows across tiles", 1, 300, 300, 1, 1, 8, 8, 0, ATTR(.causal = 1, .window = 33)),
    CASE("one query", 2, 1, 200, 4, 2, 16, 16, LENGTHS, ATTR(.causal = 1, .anchor = QNI_ATTN_LENGTH)),
    GRAD("dropout", 2, 3, 70, 2, 1, 3, 2, 0, ATTR(.rate = 0.4f, .stream = 9)),
    GRAD("everything", 3, 9, 11, 4, 2, 5, 7, ALL, ATTR(.causal = 1, .window = 6, .softcap = 3, .rate = 0.2f, .stream = 3)),
    GRAD("a mask for all", 3, 4, 5, 2, 1, 3, 2, BIAS | SHARED, ATTR(0)),
    GRAD("tiles less one", 1, 63, 127, 1, 1, 15, 31, 0, ATTR(0)),
    GRAD("whole tiles of equal heads", 2, 128, 192, 4, 2, 32, 32, 0, ATTR(.causal = 1)),
    GRAD("very wide heads", 1, 9, 35, 1, 1, 256, 256, 0, ATTR(.causal = 1)),
    GRAD("tiles of everything", 2, 130, 140, 2, 1, 16, 16, ALL,
         ATTR(.causal = 1, .window = 70, .softcap = 3, .rate = 0.2f, .stream = 3)),
    GRAD("windows across tiles", 1, 300, 300, 1, 1, 8, 8, 0, ATTR(.causal = 1, .window = 33)),
};

/* Forwards alone: a build takes PoCL seconds. */
static const struct optest_case played[] = {
    CASE("tiles of everything, two chunks", 1, 70, 140, 2, 1, 33, 35, ALL,
         ATTR(.causal = 1, .window = 70, .softcap = 3, .rate = 0.2f, .stream = 3)),
};

/* Matrix instructions are off until the device has qualified, each operation by itself. */
static void untried(void)
{
    const struct qni_desc in[QNI_ATTN_INPUTS] = {TENSORS(2, 256, 256, 2, 2, 64, 64, false)};
    struct qni_caps caps = optest_matrix_caps();
    struct qni_problem p;

    if (!CHECK_OK(qni_problem_init(&p, &qni_op_attention, ATTR(0), in, QNI_ATTN_INPUTS, ALL)))
        return;
    p.caps = &caps;
    CHECK(qni_attn_matrix.applies(&p) && qni_algo_choose(&p) == &qni_attn_group);
    snprintf(caps.qualified, sizeof(caps.qualified), "attention_grad/matrix matmul/matrix ");
    CHECK(qni_algo_choose(&p) == &qni_attn_group);
    snprintf(caps.qualified, sizeof(caps.qualified), "attention/matrix ");
    CHECK(qni_algo_choose(&p) == &qni_attn_matrix);
    caps.matrix = QNI_MATRIX_INTEL16;
    caps.subgroups = false;
    CHECK(!qni_attn_matrix.applies(&p) && qni_algo_choose(&p) == &qni_attn_group);
    caps.matrix = QNI_MATRIX_NONE;
    CHECK(!qni_attn_matrix.applies(&p) && qni_algo_choose(&p) == &qni_attn_group);
    snprintf(caps.algo, sizeof(caps.algo), "attention=matrix");
    CHECK(qni_attn_matrix.applies(&p) && qni_algo_choose(&p) == &qni_attn_matrix);
    caps.local_bytes = 31 * 1024;
    CHECK(!qni_attn_matrix.applies(&p));
}

static void as_makers(const struct optest_case *cases, size_t n)
{
    static const enum qni_matrix makers[] = {QNI_MATRIX_NVIDIA, QNI_MATRIX_AMD, QNI_MATRIX_INTEL16, QNI_MATRIX_INTEL8};

    for (size_t i = 0; i < QNI_COUNT(makers); i++)
        optest_run_played_as(cases, n, QN_MATMUL_F32, makers[i]);
}

/* "all": every case. "played": as each maker's matrix instructions do them: few; and heads, also with rounded operands. */
int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "played")) {
        as_makers(few, QNI_COUNT(few));
        optest_run_played(heads, QNI_COUNT(heads));
        return test_end();
    }
    optest_run(few, QNI_COUNT(few));
    as_makers(played, QNI_COUNT(played));
    optest_run_played_as(played, QNI_COUNT(played), QN_MATMUL_BF16, QNI_MATRIX_XMX8);
    if (test_device())
        test_run("attention: an untried algorithm is off", untried);
    if (argc > 1 && strcmp(argv[1], "all") == 0) {
        optest_run(heads, QNI_COUNT(heads));
        optest_run(others, QNI_COUNT(others));
    }
    return test_end();
}
