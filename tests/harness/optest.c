/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The operands of a case lie in one buffer, between guard bands of NaNs that number themselves: writing there is seen
 * afterwards, and using what is read there spoils the result. The second run moves every tensor by one element, and
 * makes launches in pieces. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "ops/primitive.h"
#include "optest_internal.h"

#define GUARD_BYTES     1024
#define MOST_MISMATCHES 5
#define SMALL_ELEMENTS  6000
#define SMALL_TERMS     200000
#define SPANS           (QNI_MAX_IN + QNI_MAX_OUT + 1)
#define SCRATCH         (SPANS - 1)

/* Where the operands of one run lie in host memory, as the device sees them: inputs, outputs, scratch. */
struct span {
    size_t at, bytes;
    bool present;
};

struct layout {
    struct span span[SPANS];
    size_t bytes;
};

/* The same on the device. */
struct buffers {
    struct qni_storage *storage[SPANS];
    struct qn_tensor whole[SPANS]; /* all bytes of a storage */
    size_t at[SPANS];              /* where it begins in the image */
    int n;
    struct qn_tensor tensor[SPANS];
    qn_tensor *p[SPANS];
};

static bool switched_on(const char *name)
{
    const char *v = getenv(name);

    return v && *v && strcmp(v, "0") != 0;
}

/* All algorithms of a case see the numbers seeded by this name. */
static const char *case_name(char *text, size_t bytes, const struct optest_case *c)
{
    snprintf(text, bytes, "%s: %s", c->op->name, c->name);
    return text;
}

static struct qni_desc span_desc(const struct optest_state *r, const struct layout *l, int k)
{
    struct qni_desc bytes = {.dtype = QN_U8};

    if (k < QNI_MAX_IN)
        return r->p.in[k];
    if (k < SCRATCH)
        return r->p.out[k - QNI_MAX_IN];
    bytes.shape = qni_shape(1, (int64_t)l->span[SCRATCH].bytes);
    return bytes;
}

static void place(struct layout *l, int k, size_t bytes, size_t shift)
{
    l->bytes = (size_t)qni_round_up((int64_t)(l->bytes + GUARD_BYTES), 128);
    l->span[k] = (struct span){.at = l->bytes + shift, .bytes = bytes, .present = true};
    l->bytes += shift + bytes;
}

static void lay_out(struct layout *l, const struct optest_state *r, size_t scratch, bool shifted)
{
    memset(l, 0, sizeof(*l));
    for (int i = 0; i < r->p.inputs; i++) {
        const size_t size = qn_dtype_bytes(r->p.in[i].dtype);

        if (!(r->p.absent >> i & 1))
            place(l, i, (size_t)qni_elements(&r->p.in[i].shape) * size, shifted ? size : 0);
    }
    for (int o = 0; o < r->p.outputs; o++) {
        const size_t size = qn_dtype_bytes(r->p.out[o].dtype);

        if (!(r->p.unwanted >> o & 1))
            place(l, QNI_MAX_IN + o, (size_t)qni_elements(&r->p.out[o].shape) * size, shifted ? size : 0);
    }
    if (scratch)
        place(l, SCRATCH, scratch, 0);
    l->bytes = (size_t)qni_round_up((int64_t)(l->bytes + GUARD_BYTES), 128);
}

static void write_guards(unsigned char *image, size_t bytes)
{
    for (size_t i = 0; i + 4 <= bytes; i += 4) {
        const uint32_t w = 0x7fc00000u | (uint32_t)(i / 4 & 0x3fffff);

        memcpy(image + i, &w, 4);
    }
}

static void write_image(unsigned char *image, const struct layout *l, const struct optest_state *r)
{
    write_guards(image, l->bytes);
    for (int i = 0; i < r->p.inputs; i++) {
        const size_t size = qn_dtype_bytes(r->p.in[i].dtype);

        for (size_t e = 0; e < l->span[i].bytes / size; e++)
            optest_encode(image + l->span[i].at + e * size, r->p.in[i].dtype, r->in[i][e]);
    }
    for (int k = QNI_MAX_IN; k < SPANS; k++)
        memset(image + l->span[k].at, 0xff, l->span[k].bytes);
}

/* ---- judging ---- */

static void explain_guard(const struct layout *l, size_t at, const char *when)
{
    int64_t nearest = INT64_MAX;
    const char *side = "?";
    int k = 0;

    for (int i = 0; i < SPANS; i++) {
        const int64_t before = (int64_t)l->span[i].at - (int64_t)at;
        const int64_t after = (int64_t)at - (int64_t)(l->span[i].at + l->span[i].bytes) + 1;

        if (l->span[i].present && QNI_MAX(before, after) < nearest) {
            nearest = QNI_MAX(before, after);
            side = before > 0 ? "before" : "after the end of";
            k = i;
        }
    }
    test_fail(__FILE__, __LINE__, "%s: wrote %lld bytes %s %s %d", when, (long long)nearest, side,
              k < QNI_MAX_IN ? "input"
              : k < SCRATCH  ? "output"
                             : "scratch",
              k < QNI_MAX_IN ? k
              : k < SCRATCH  ? k - QNI_MAX_IN
                             : 0);
}

static void judge_guards(const unsigned char *image, const struct layout *l, const char *when)
{
    unsigned char *want = optest_alloc(l->bytes, 1);
    int seen = 0;

    write_guards(want, l->bytes);
    for (int k = 0; k < SPANS; k++)
        memcpy(want + l->span[k].at, image + l->span[k].at, l->span[k].bytes);
    for (size_t i = 0; i < l->bytes && seen < MOST_MISMATCHES; i++)
        if (image[i] != want[i]) {
            explain_guard(l, i, when);
            seen++;
            i |= 3;
        }
    free(want);
}

static void judge(const struct optest_state *r, const struct layout *l, const unsigned char *image)
{
    static const double unit[] = {
        [QN_MATMUL_F32] = 0, [QN_MATMUL_TF32] = 0x1p-11, [QN_MATMUL_BF16] = 0x1p-8, [QN_MATMUL_F16] = 0x1p-11};
    const double rounding = r->c->chained ? unit[r->operands] : 0;

    for (int i = 0; i < r->p.inputs; i++) {
        const size_t n = l->span[i].bytes / qn_dtype_bytes(r->p.in[i].dtype);
        const bool updated = r->c->op->updates >> i & 1;
        double *scale = optest_alloc(n, sizeof(*scale));

        for (size_t e = 0; updated && e < n; e++)
            scale[e] = fabs(r->in[i][e]) + fabs(r->after[i][e]);
        if (l->span[i].present)
            optest_compare(image + l->span[i].at, &r->p.in[i], r->after[i], scale, updated ? r->terms[0] : 0,
                           r->c->slack, rounding, updated ? "updated input" : "overwritten input", i);
        free(scale);
    }
    for (int o = 0; o < r->p.outputs; o++)
        if (l->span[QNI_MAX_IN + o].present)
            optest_compare(image + l->span[QNI_MAX_IN + o].at, &r->p.out[o], r->out[o], r->scale[o], r->terms[o],
                           r->c->slack, rounding, "output", o);
}

static void judge_repeat(const struct layout *l, unsigned char *const image[2])
{
    for (int k = 0; k < SCRATCH; k++) {
        const struct span *a = &l[0].span[k], *b = &l[1].span[k];

        if (memcmp(image[0] + a->at, image[1] + b->at, a->bytes) != 0)
            test_fail(__FILE__, __LINE__, "%s %d: the second run, one element further, leaves other bits",
                      k < QNI_MAX_IN ? "input" : "output", k < QNI_MAX_IN ? k : k - QNI_MAX_IN);
    }
}

/* ---- one run on the device ---- */

static bool add_storage(struct buffers *b, qn_device *dev, size_t at, size_t bytes)
{
    const int k = b->n;

    if (!CHECK_OK(qni_storage_create_alone(&b->storage[k], dev, bytes)))
        return false;
    b->whole[k] = (struct qn_tensor){.storage = b->storage[k], .dtype = QN_U8, .elements = (int64_t)bytes};
    b->whole[k].shape = qni_shape(1, (int64_t)bytes);
    b->at[k] = at;
    b->n++;
    return true;
}

static bool make_buffers(struct buffers *b, qn_device *dev, const struct optest_state *r, const struct layout *l)
{
    const bool alone = switched_on("QUERN_DEBUG_ALLOC");

    memset(b, 0, sizeof(*b));
    if (!alone && !add_storage(b, dev, 0, l->bytes))
        return false;
    for (int k = 0; k < SPANS; k++) {
        const struct span *s = &l->span[k];
        const struct qni_desc d = span_desc(r, l, k);
        struct qn_tensor *t = &b->tensor[k];

        if (!s->present)
            continue;
        if (alone && !add_storage(b, dev, s->at, s->bytes))
            return false;
        *t = (struct qn_tensor){.storage = b->storage[b->n - 1], .dtype = d.dtype, .shape = d.shape};
        t->elements = qni_elements(&d.shape);
        t->offset = s->at - b->at[b->n - 1];
        b->p[k] = t;
    }
    return true;
}

static bool run_once(qn_op *op, qn_device *dev, const struct optest_state *r, const struct layout *l,
                     unsigned char *image)
{
    struct buffers b;
    bool ok = make_buffers(&b, dev, r, l);

    write_image(image, l, r);
    for (int k = 0; ok && k < b.n; k++)
        ok = CHECK_OK(qn_tensor_write(&b.whole[k], image + b.at[k], (size_t)b.whole[k].elements));
    ok = ok && CHECK_OK(qn_op_run(op, b.p, r->p.inputs, b.p + QNI_MAX_IN, r->p.outputs, b.p[SCRATCH])) &&
         CHECK_OK(qn_device_finish(dev));
    for (int k = 0; ok && k < b.n; k++)
        ok = CHECK_OK(qn_tensor_read(&b.whole[k], image + b.at[k], (size_t)b.whole[k].elements));
    for (int k = 0; k < b.n; k++)
        qni_storage_release(&b.storage[k]);
    return ok;
}

static void one_algorithm(const void *arg)
{
    const struct optest_state *r = arg;
    const struct optest_case *c = r->c;
    qn_device *dev = test_device();
    const uint64_t before = dev->launch_ns;
    qn_op *op = NULL;
    struct layout l[2];
    unsigned char *image[2] = {NULL, NULL};
    char seed[256];

    test_seed(case_name(seed, sizeof(seed), c));
    if (!CHECK_OK(qni_primitive_create(&op, dev, c->op, c->attr, c->in, c->inputs, c->absent, c->unwanted, &c->epilogue,
                                       r->algo)))
        return;
    CHECK_STR(qn_op_algorithm(op), r->algo->name);
    if (c->step || c->device) {
        static const uint32_t zeros[QNI_STEP_WORDS];

        CHECK_OK(qni_primitive_set_blocks(op, c->step ? c->step : zeros, c->device ? c->device : zeros));
    }
    for (int k = 0; k < 2; k++) {
        lay_out(&l[k], r, qn_op_scratch_bytes(op), k == 1);
        image[k] = optest_alloc(l[k].bytes, 1);
    }
    if (run_once(op, dev, r, &l[0], image[0])) {
        judge_guards(image[0], &l[0], "first run");
        judge(r, &l[0], image[0]);
        dev->launch_ns = UINT64_C(1000000000);
        if (run_once(op, dev, r, &l[1], image[1])) {
            judge_guards(image[1], &l[1], "second run");
            judge_repeat(l, image);
        }
    }
    dev->launch_ns = before;
    free(image[0]);
    free(image[1]);
    qn_op_destroy(&op);
}

/* ---- a case ---- */

static qn_status case_problem(struct qni_problem *p, const struct optest_case *c, const qn_device *dev)
{
    const struct qni_epilogue *ep = &c->epilogue;
    const int own = c->inputs - (ep->bias ? 1 : 0) - (ep->residual ? 1 : 0) - (ep->act_grad ? 1 : 0);
    const qn_status st = qni_problem_init(p, c->op, c->attr, c->in, own, c->absent);

    for (int i = own; i < c->inputs; i++)
        p->in[i] = c->in[i];
    p->inputs = c->inputs;
    p->unwanted = c->unwanted;
    p->epilogue = c->epilogue;
    p->caps = &dev->caps;
    p->ctx = dev->ctx;
    return st;
}

/* A case whose algorithms cannot even be asked is one failed test. */
static void no_algorithm(const void *arg)
{
    struct qni_problem p;

    if (CHECK_OK(case_problem(&p, arg, test_device())))
        test_fail(__FILE__, __LINE__, "no algorithm takes this case");
}

static bool all_written(const double *v, int64_t n)
{
    unsigned char untouched[sizeof(double)];

    memset(untouched, 0xff, sizeof(untouched));
    for (int64_t i = 0; i < n; i++)
        if (memcmp(&v[i], untouched, sizeof(untouched)) == 0)
            return false;
    return true;
}

/* Numbers that TF32, bf16 and f16 have. */
static void round_numbers(double *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        v[i] = rint(v[i] * 256) / 256;
}

/* The numbers, and what the reference makes of them. */
static void case_numbers(struct optest_state *r)
{
    const struct optest_case *c = r->c;
    char seed[256];

    test_seed(case_name(seed, sizeof(seed), c));
    for (int i = 0; i < c->inputs; i++) {
        const size_t n = (size_t)qni_elements(&c->in[i].shape);

        if (c->absent >> i & 1)
            continue;
        r->in[i] = optest_alloc(n, sizeof(double));
        r->after[i] = optest_alloc(n, sizeof(double));
        optest_fill(r->in[i], &c->in[i], c->fill[i], c->fill_max[i]);
        if (r->operands && !c->unrounded && c->in[i].dtype == QN_F32)
            round_numbers(r->in[i], n);
    }
    if (c->prepare)
        c->prepare(&r->p, r->in);
    for (int i = 0; i < c->inputs; i++)
        if (r->in[i])
            memcpy(r->after[i], r->in[i], (size_t)qni_elements(&c->in[i].shape) * sizeof(double));
    for (int o = 0; o < r->p.outputs; o++) {
        const size_t n = (size_t)qni_elements(&r->p.out[o].shape);

        r->out[o] = optest_alloc(n, sizeof(double));
        r->scale[o] = optest_alloc(n, sizeof(double));
        memset(r->out[o], 0xff, n * sizeof(double));
    }
    c->ref(&r->p, r->after, r->out, r->scale, r->terms);
    for (int i = 0; i < c->inputs; i++)
        if (r->in[i] && !(c->op->updates >> i & 1) &&
            memcmp(r->in[i], r->after[i], (size_t)qni_elements(&c->in[i].shape) * sizeof(double)) != 0)
            test_fail(__FILE__, __LINE__, "%s: ref changed input %d", seed, i);
    for (int o = 0; o < r->p.outputs; o++)
        if (!(c->unwanted >> o & 1) && !all_written(r->out[o], qni_elements(&r->p.out[o].shape)))
            test_fail(__FILE__, __LINE__, "%s: ref left parts of output %d unwritten", seed, o);
}

static bool small_enough(const struct optest_state *r)
{
    int64_t elements = 0;
    double terms = 0;

    for (int i = 0; i < r->p.inputs; i++)
        elements += r->in[i] ? qni_elements(&r->p.in[i].shape) : 0;
    for (int o = 0; o < r->p.outputs; o++) {
        elements += qni_elements(&r->p.out[o].shape);
        terms += (double)qni_elements(&r->p.out[o].shape) * fmax(r->terms[o], 1);
    }
    return elements <= SMALL_ELEMENTS && terms <= SMALL_TERMS;
}

static void case_free(struct optest_state *r)
{
    for (int i = 0; i < QNI_MAX_IN; i++) {
        free(r->in[i]);
        free(r->after[i]);
    }
    for (int o = 0; o < QNI_MAX_OUT; o++) {
        free(r->out[o]);
        free(r->scale[o]);
    }
}

/* By the algorithms that round operands so; gives how many there are. */
static int run_rounded(const struct optest_case *c, qn_device *dev, qn_matmul operands)
{
    struct optest_state r = {.c = c, .operands = operands, .caps = dev->caps};
    const struct qni_algo *algo[64];
    char name[64][256];
    int n = 0, wanted = 0;

    if (case_problem(&r.p, c, dev) == QN_OK)
        for (int i = 0; c->op->algos[i] && n < 63; i++)
            if (c->op->algos[i]->operands == operands && c->op->algos[i]->applies(&r.p)) {
                algo[n] = c->op->algos[i];
                snprintf(name[n], sizeof(name[n]), "%s/%s: %s", c->op->name, algo[n]->name, c->name);
                wanted += test_selected(name[n++]);
            }
    if (!n)
        return 0;
    r.caps.matmul = operands;
    r.p.caps = &r.caps;
    if (c->small_grad && !operands) {
        algo[n] = NULL;
        snprintf(name[n], sizeof(name[n]), "%s/gradient: %s", c->op->name, c->name);
        wanted += test_selected(name[n++]);
    }
    if (!wanted)
        return n;
    case_numbers(&r);
    for (int i = 0; i < n && (!switched_on("QUERN_TEST_SMALL") || small_enough(&r)); i++) {
        r.algo = algo[i];
        test_run_with(name[i], algo[i] ? one_algorithm : optest_gradient, &r);
    }
    case_free(&r);
    return n;
}

static void run_case(const struct optest_case *c, qn_device *dev)
{
    char name[256];
    int n = 0;

    for (int operands = QN_MATMUL_F32; operands <= QN_MATMUL_F16; operands++)
        n += run_rounded(c, dev, (qn_matmul)operands);
    if (!n)
        test_run_with(case_name(name, sizeof(name), c), no_algorithm, c);
}

void optest_run(const struct optest_case *cases, size_t n)
{
    qn_device *dev = test_device();

    for (size_t i = 0; dev && i < n; i++)
        run_case(&cases[i], dev);
}

void optest_run_played_as(const struct optest_case *cases, size_t n, qn_matmul operands, enum qni_matrix maker)
{
    static const char *const makers[] = {
        [QNI_MATRIX_NVIDIA] = "NVIDIA",       [QNI_MATRIX_AMD] = "AMD",       [QNI_MATRIX_INTEL16] = "Intel of 16",
        [QNI_MATRIX_INTEL8] = "Intel of 8", [QNI_MATRIX_WMMA] = "WMMA",     [QNI_MATRIX_XMX8] = "XMX of 8",
        [QNI_MATRIX_XMX16] = "XMX of 16"};
    static const char *const names[] = {[QN_MATMUL_F32] = "matrix", [QN_MATMUL_TF32] = "matrix_tf32",
                                        [QN_MATMUL_BF16] = "matrix_bf16", [QN_MATMUL_F16] = "matrix_f16"};
    qn_device *dev = test_device();
    struct qni_caps before;

    if (!dev)
        return;
    before = dev->caps;
    *(operands < QN_MATMUL_BF16 ? &dev->caps.matrix : &dev->caps.matrix_half) = maker;
    dev->caps.simd = maker == QNI_MATRIX_INTEL8 || maker == QNI_MATRIX_XMX8 ? 8
                     : maker == QNI_MATRIX_INTEL16 || maker == QNI_MATRIX_XMX16 ? 16 : 0;
    dev->caps.matrix_played = true;
    for (size_t i = 0; i < n; i++) {
        const struct qni_algo *const algos[] = {qni_algo_find(cases[i].op, names[operands]), NULL};
        struct optest_case one = cases[i];
        struct qni_op op = *one.op;
        char name[160];

        snprintf(name, sizeof(name), "as %s: %s", makers[maker], one.name);
        op.algos = algos;
        one.name = name;
        one.op = &op;
        one.small_grad = false;
        optest_run(&one, 1);
    }
    dev->caps = before;
}

void optest_run_played(const struct optest_case *cases, size_t n)
{
    static const enum qni_matrix whole[] = {QNI_MATRIX_NVIDIA, QNI_MATRIX_AMD, QNI_MATRIX_INTEL16, QNI_MATRIX_INTEL8};
    static const enum qni_matrix half[] = {QNI_MATRIX_NVIDIA, QNI_MATRIX_AMD, QNI_MATRIX_WMMA, QNI_MATRIX_XMX8,
                                           QNI_MATRIX_XMX16};

    for (size_t i = 0; i < QNI_COUNT(whole); i++)
        optest_run_played_as(cases, n, QN_MATMUL_F32, whole[i]);
    optest_run_played_as(cases, n, QN_MATMUL_TF32, QNI_MATRIX_NVIDIA);
    for (size_t i = 0; i < QNI_COUNT(half); i++) {
        optest_run_played_as(cases, n, QN_MATMUL_BF16, half[i]);
        optest_run_played_as(cases, n, QN_MATMUL_F16, half[i]);
    }
}

struct qni_caps optest_matrix_caps(void)
{
    struct qni_caps caps = test_device()->caps;

    caps.shape = QNI_GPU_SHAPED;
    caps.group_items = 256;
    caps.matrix = caps.matrix_half = QNI_MATRIX_NVIDIA;
    caps.qualified[0] = caps.left_out[0] = caps.algo[0] = '\0';
    return caps;
}
