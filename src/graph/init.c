/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Initial values, by Keras's names and formulas; the draws are Philox's, by
 * seed, variable and element. */
#include <math.h>

#include "graph/plan.h"

/* Draws of one variable in order. */
struct draws {
    uint32_t key[2], stream;
    uint64_t next;
    uint32_t word[4];
    int left;
};

static uint32_t draw(struct draws *d)
{
    if (!d->left) {
        uint32_t counter[4] = { (uint32_t)d->next, (uint32_t)(d->next >> 32), d->stream, 0x696e6974u };

        qni_philox(d->word, counter, d->key);
        d->next++;
        d->left = 4;
    }
    return d->word[4 - d->left--];
}

static double uniform(struct draws *d)
{
    return (draw(d) + 0.5) * 0x1p-32;
}

/* Box and Muller 1958 */
static double normal(struct draws *d)
{
    double a = uniform(d), b = uniform(d);

    return sqrt(-2.0 * log(a)) * cos(6.283185307179586 * b);
}

static double truncated(struct draws *d)
{
    double v;

    do
        v = normal(d);
    while (fabs(v) > 2.0);
    return v;
}

/* Keras's compute_fans: the last two axes are channels in and out, the rest is the receptive field. */
static void fans(const qn_shape *s, double *in, double *out)
{
    double field = 1.0;

    if (s->rank < 2) {
        *in = *out = s->rank ? (double)s->dim[0] : 1.0;
        return;
    }
    for (int i = 0; i < s->rank - 2; i++)
        field *= (double)s->dim[i];
    *in = field * (double)s->dim[s->rank - 2];
    *out = field * (double)s->dim[s->rank - 1];
}

/* Rows of a Gaussian matrix made orthonormal (modified Gram-Schmidt, twice), of the flattened [rest, last] matrix. */
static qn_status orthogonal(const qn_context *ctx, struct draws *d, const qn_shape *s, double gain, float *to)
{
    int64_t n = qni_elements(s), columns = s->rank ? s->dim[s->rank - 1] : 1, rows = columns ? n / columns : 0;
    int64_t vectors = QNI_MIN(rows, columns), length = QNI_MAX(rows, columns);
    double *v = NULL;
    qn_status st;

    if ((st = qni_calloc(ctx, &v, (size_t)n, sizeof(*v))))
        return st;
    for (int64_t i = 0; i < n; i++)
        v[i] = normal(d);
    for (int64_t i = 0; i < vectors; i++) {
        double norm = 0.0;

        for (int64_t j = 0; j < 2 * i; j++) {
            const double *u = v + j % i * length;
            double dot = 0.0;

            for (int64_t k = 0; k < length; k++)
                dot += u[k] * v[i * length + k];
            for (int64_t k = 0; k < length; k++)
                v[i * length + k] -= dot * u[k];
        }
        for (int64_t k = 0; k < length; k++)
            norm += v[i * length + k] * v[i * length + k];
        for (int64_t k = 0; k < length; k++)
            v[i * length + k] /= sqrt(norm);
    }
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < columns; c++)
            to[r * columns + c] = (float)(gain * (rows <= columns ? v[r * length + c] : v[c * length + r]));
    qni_free(ctx, &v);
    return QN_OK;
}

qn_status qni_variable_init(const qn_context *ctx, const struct qni_variable *v, uint64_t seed, uint32_t stream, float *to)
{
    struct draws d = { .key = { (uint32_t)seed, (uint32_t)(seed >> 32) }, .stream = stream };
    int64_t n = qni_elements(&v->shape);
    double in, out, a = v->a;
    /* Standard deviation of a normal distribution cut at two of them. */
    const double cut = 0.87962566103423978;

    if (v->values) {
        memcpy(to, v->values, (size_t)n * sizeof(*to));
        return QN_OK;
    }
    fans(&v->shape, &in, &out);
    switch (v->init) {
    case QN_INIT_DEFAULT:
    case QN_INIT_ZEROS: memset(to, 0, (size_t)n * sizeof(*to)); break;
    case QN_INIT_ONES: a = 1.0; /* fall through */
    case QN_INIT_CONSTANT: for (int64_t i = 0; i < n; i++) to[i] = (float)a; break;
    case QN_INIT_UNIFORM: a = a != 0.0 ? a : 0.05; goto draw_uniform;
    case QN_INIT_GLOROT_UNIFORM: a = sqrt(6.0 / QNI_MAX(1.0, in + out)); goto draw_uniform;
    case QN_INIT_HE_UNIFORM: a = sqrt(6.0 / QNI_MAX(1.0, in)); goto draw_uniform;
    case QN_INIT_LECUN_UNIFORM: a = sqrt(3.0 / QNI_MAX(1.0, in));
draw_uniform:
        for (int64_t i = 0; i < n; i++)
            to[i] = (float)((2.0 * uniform(&d) - 1.0) * a);
        break;
    case QN_INIT_NORMAL:
        for (int64_t i = 0; i < n; i++)
            to[i] = (float)(normal(&d) * (a != 0.0 ? a : 0.05));
        break;
    case QN_INIT_TRUNCATED_NORMAL: a = a != 0.0 ? a : 0.05; goto draw_truncated;
    case QN_INIT_GLOROT_NORMAL: a = sqrt(2.0 / QNI_MAX(1.0, in + out)) / cut; goto draw_truncated;
    case QN_INIT_HE_NORMAL: a = sqrt(2.0 / QNI_MAX(1.0, in)) / cut; goto draw_truncated;
    case QN_INIT_LECUN_NORMAL: a = sqrt(1.0 / QNI_MAX(1.0, in)) / cut;
draw_truncated:
        for (int64_t i = 0; i < n; i++)
            to[i] = (float)(truncated(&d) * a);
        break;
    case QN_INIT_ORTHOGONAL: return orthogonal(ctx, &d, &v->shape, a != 0.0 ? a : 1.0, to);
    case QN_INIT_IDENTITY:
        if (v->shape.rank != 2)
            return qni_error(QN_E_SHAPE, "%s: the identity initialiser needs a matrix", v->name);
        for (int64_t i = 0; i < n; i++)
            to[i] = i / v->shape.dim[1] == i % v->shape.dim[1] ? (float)(a != 0.0 ? a : 1.0) : 0.0f;
        break;
    }
    return QN_OK;
}

qn_status qni_state_initialise(struct qni_state *s, uint64_t seed)
{
    const qn_context *ctx = s->dev->ctx;
    float *value = NULL;
    int64_t most = 0;
    qn_status st;

    for (size_t i = 0; i < s->variables; i++)
        most = QNI_MAX(most, qni_elements(&s->g->variable[i].shape));
    if ((st = qni_calloc(ctx, &value, (size_t)most, sizeof(*value))))
        return st;
    for (size_t i = 0; i < s->variables && !st; i++)
        if (s->g->variable[i].dtype == QN_F32 &&
            !(st = qni_variable_init(ctx, &s->g->variable[i], seed, (uint32_t)i, value)))
            st = qni_state_write(s, i, -1, value);
    qni_free(ctx, &value);
    return st;
}
