/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Recurrent layers. */
#include "layer/types.h"
#include "ops/rnn/rnn.h"

#define FIELD(kind, member) { #member, kind, offsetof(qn_rnn_opt, member) }

static const struct qni_field fields[] = {
    FIELD(QNI_FIELD_INT, units), FIELD(QNI_FIELD_ACT, act), FIELD(QNI_FIELD_FLOAT, act_alpha),
    FIELD(QNI_FIELD_ACT, recurrent_act), FIELD(QNI_FIELD_FLOAT, recurrent_alpha), FIELD(QNI_FIELD_BOOL, no_bias),
    FIELD(QNI_FIELD_BOOL, no_unit_forget_bias), FIELD(QNI_FIELD_BOOL, reset_before), FIELD(QNI_FIELD_INIT, kernel_init),
    FIELD(QNI_FIELD_INIT, recurrent_init), FIELD(QNI_FIELD_INIT, bias_init), FIELD(QNI_FIELD_FLOAT, init_scale),
    FIELD(QNI_FIELD_FLOAT, kernel_l1), FIELD(QNI_FIELD_FLOAT, kernel_l2), FIELD(QNI_FIELD_FLOAT, recurrent_l1),
    FIELD(QNI_FIELD_FLOAT, recurrent_l2), FIELD(QNI_FIELD_FLOAT, bias_l1), FIELD(QNI_FIELD_FLOAT, bias_l2),
    FIELD(QNI_FIELD_FLOAT, dropout), FIELD(QNI_FIELD_FLOAT, recurrent_dropout), FIELD(QNI_FIELD_BOOL, return_sequences),
    FIELD(QNI_FIELD_BOOL, go_backwards), FIELD(QNI_FIELD_BOOL, time_order), FIELD(QNI_FIELD_BOOL, zero_output),
    FIELD(QNI_FIELD_INT, stateful), FIELD(QNI_FIELD_BOOL, frozen), { 0 }
};

/* The three cells, by what differs. */
struct cell {
    int gates, states;
    qn_val (*build)(qn_graph *g, qn_val x, qn_val kernel, qn_val recurrent, qn_val bias, const qn_graph_rnn_opt *opt,
                    qn_rnn_result *out);
};

static const struct cell lstm = { 4, 2, qn_graph_lstm }, gru = { 3, 1, qn_graph_gru },
                         simple = { 1, 1, qn_graph_simple_rnn };

static bool check(qn_model *m, const struct cell *c, const qn_rnn_opt *o, int n)
{
    qn_status st = QN_OK;

    if (o->units < 1)
        st = qni_error(QN_E_ARG, "units is %d, expected 1 or more", o->units);
    else if (!(o->dropout >= 0.0f && o->dropout < 1.0f) || !(o->recurrent_dropout >= 0.0f && o->recurrent_dropout < 1.0f))
        st = qni_error(QN_E_ARG, "dropout is %g and recurrent dropout %g, expected 0 or more and below 1",
                       (double)o->dropout, (double)o->recurrent_dropout);
    else if (o->stateful < 0)
        st = qni_error(QN_E_ARG, "stateful is %d, expected a number of samples", o->stateful);
    else if (n != 1 && n != 1 + c->states)
        st = qni_error(QN_E_ARG, "%d first states are given, expected none or %d", n - 1, c->states);
    else if (n > 1 && o->stateful)
        st = qni_error(QN_E_ARG, "a stateful layer has its first states already");
    if (st)
        qni_layer_fail(m, st);
    return !st;
}

/* Ones of shape [N, size of the last axis of like], some of them dropped and the rest larger. */
static qn_val drops(qn_model *m, qn_val like, int64_t size, float rate)
{
    const int64_t start[3] = { 0 }, stop[3] = { INT64_MAX, 1, size };
    const qn_val one = qn_graph_slice(m->g, like, 3, start, stop, NULL);

    return qn_graph_dropout(m->g, qn_graph_fill_like(m->g, one, QN_F32, 1.0f), rate);
}

struct weights {
    qn_val kernel, recurrent, bias;
};

static qn_val bias_weight(qn_model *m, struct qni_layer *l, const struct cell *c, const qn_rnn_opt *o)
{
    const int64_t U = o->units, all = c->gates * U;
    struct qni_weight w = { .name = "bias", .shape = qni_shape(1, all), .init = o->bias_init,
                            .init_default = QN_INIT_ZEROS, .init_scale = o->init_scale, .l1 = o->bias_l1,
                            .l2 = o->bias_l2, .trained = !o->frozen, .no_decay = true };
    float *first = NULL;
    qn_val bias;
    qn_status st;

    if (c == &gru && !o->reset_before)
        w.shape = qni_shape(2, (int64_t)2, all);
    if (c == &lstm && !o->no_unit_forget_bias && (o->bias_init == QN_INIT_DEFAULT || o->bias_init == QN_INIT_ZEROS)) {
        if ((st = qni_calloc(m->ctx, &first, (size_t)all, sizeof(*first))))
            return qni_layer_fail(m, st);
        for (int64_t i = U; i < 2 * U; i++)
            first[i] = 1.0f;
    }
    w.values = first;
    bias = qni_layer_weight(m, l, &w);
    qni_free(m->ctx, &first);
    return bias;
}

static bool make_weights(qn_model *m, struct qni_layer *l, const struct cell *c, int64_t D, struct weights *out)
{
    const qn_rnn_opt *o = l->opt;
    const int64_t U = o->units;

    out->kernel = qni_layer_weight(m, l, &(struct qni_weight){
        .name = "kernel", .shape = qni_shape(2, D, c->gates * U), .init = o->kernel_init,
        .init_default = QN_INIT_GLOROT_UNIFORM, .init_scale = o->init_scale, .l1 = o->kernel_l1, .l2 = o->kernel_l2,
        .trained = !o->frozen });
    out->recurrent = qni_layer_weight(m, l, &(struct qni_weight){
        .name = "recurrent_kernel", .shape = qni_shape(2, U, c->gates * U), .init = o->recurrent_init,
        .init_default = QN_INIT_ORTHOGONAL, .init_scale = o->init_scale, .l1 = o->recurrent_l1, .l2 = o->recurrent_l2,
        .trained = !o->frozen });
    out->bias = o->no_bias ? (qn_val){ 0 } : bias_weight(m, l, c, o);
    return !m->g->status;
}

/* Row i of the bias [2,3*units]. */
static qn_val bias_row(qn_model *m, qn_val bias, int64_t i)
{
    return qn_graph_squeeze(m->g, qn_graph_slice(m->g, bias, 1, &i, &(int64_t){ i + 1 }, NULL), 0);
}

/* The states with which a batch begins, and where they are kept for the next. */
static void first_states(qn_model *m, struct qni_layer *l, const struct cell *c, const qn_val *in, int n,
                         qn_graph_rnn_opt *g, qn_val kept[2])
{
    const qn_rnn_opt *o = l->opt;
    qn_val first[2] = { { 0 } };

    for (int i = 0; i < c->states; i++) {
        if (n > 1)
            first[i] = in[1 + i];
        if (!o->stateful)
            continue;
        kept[i] = qni_layer_state(m, l, i ? "state_c" : "state_h", qni_shape(2, (int64_t)o->stateful, (int64_t)o->units));
        first[i] = qni_node_add(m->g, &qni_op_state_load, NULL, (const qn_val[]){ kept[i], in[0] }, 2, NULL);
    }
    g->h0 = first[0];
    g->c0 = first[1];
}

/* The output of the last step. */
static qn_val last_output(qn_model *m, const qn_graph_rnn_opt *g, const qn_rnn_result *r)
{
    if (!g->mask.id || (!g->h0.id && !g->zero_output))
        return r->h;
    return qn_graph_squeeze(m->g, qn_graph_slice(m->g, r->y, 2, (const int64_t[]){ 0, g->order || !g->reverse ? -1 : 0 },
                                                 (const int64_t[]){ INT64_MAX, g->order || !g->reverse ? INT64_MAX : 1 },
                                                 NULL), 1);
}

static qn_val build(qn_model *m, struct qni_layer *l, const qn_val *in, int n, const struct cell *c)
{
    const qn_rnn_opt *o = l->opt;
    qn_graph_rnn_opt g = {
        .act = o->act, .act_alpha = o->act_alpha, .recurrent_act = c->gates > 1 ? o->recurrent_act : QN_LINEAR,
        .recurrent_alpha = o->recurrent_alpha, .reverse = o->go_backwards, .order = o->go_backwards && !o->time_order,
        .zero_output = o->zero_output, .reset_before = c == &gru && o->reset_before };
    qn_val kept[2] = { { 0 } }, x = in[0], y;
    struct weights w;
    qn_rnn_result r;
    qn_shape s;
    int64_t D;

    if (!check(m, c, o, n) || !qni_layer_rank(m, x, 3, 3, &s) || !(D = qni_layer_axis(m, &s, 2)) ||
        !make_weights(m, l, c, D, &w))
        return (qn_val){ 0 };
    g.mask = qni_layer_mask(m, in[0]);
    first_states(m, l, c, in, n, &g, kept);
    if (o->dropout > 0.0f)
        x = qn_graph_mul(m->g, x, drops(m, x, D, o->dropout));
    if (w.bias.id && c == &gru && !o->reset_before) {
        g.recurrent_bias = bias_row(m, w.bias, 1);
        w.bias = bias_row(m, w.bias, 0);
    }
    if (o->recurrent_dropout > 0.0f) {
        /* The product is made here, for its shape. */
        x = qn_graph_dense(m->g, x, w.kernel, w.bias, QN_LINEAR, 0.0f);
        w.kernel = w.bias = (qn_val){ 0 };
        g.recurrent_drop = qn_graph_squeeze(m->g, drops(m, x, o->units, o->recurrent_dropout), 1);
    }
    y = c->build(m->g, x, w.kernel, w.recurrent, w.bias, &g, &r);
    if (m->g->status)
        return y;
    for (int i = 0; i < c->states && o->stateful; i++)
        qni_layer_carry(m, kept[i], i ? r.c : r.h);
    if (!o->return_sequences)
        y = last_output(m, &g, &r);
    else if (g.mask.id)
        qni_layer_mask_set(m, y, g.mask);
    qni_layer_states_set(m, y, (const qn_val[]){ r.h, r.c }, c->states);
    return y;
}

static qn_val build_lstm(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    return build(m, l, in, n, &lstm);
}

static qn_val build_gru(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    return build(m, l, in, n, &gru);
}

static qn_val build_simple(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    return build(m, l, in, n, &simple);
}

#define TYPE(id, text, function) \
    { .name = id, .title = text, .opt_bytes = sizeof(qn_rnn_opt), .name_offset = offsetof(qn_rnn_opt, name), \
      .reuse_offset = offsetof(qn_rnn_opt, reuse), .reserved_offset = offsetof(qn_rnn_opt, reserved), .fields = fields, \
      .build = function }

const struct qni_layer_type qni_layer_lstm = TYPE("lstm", "LSTM", build_lstm);
const struct qni_layer_type qni_layer_gru = TYPE("gru", "GRU", build_gru);
const struct qni_layer_type qni_layer_simple_rnn = TYPE("simple_rnn", "SimpleRNN", build_simple);

static qn_val add(qn_model *m, const struct qni_layer_type *type, qn_val x, const qn_rnn_opt *opt)
{
    qn_val in[5] = { x };
    int n = 1;

    for (int i = 0; opt && i < 4; i++)
        if (opt->initial_state[i].id)
            in[n++] = opt->initial_state[i];
    return qni_layer_add(m, type, opt, in, n);
}

qn_val qn_lstm(qn_model *m, qn_val x, const qn_rnn_opt *opt)
{
    return add(m, &qni_layer_lstm, x, opt);
}

qn_val qn_gru(qn_model *m, qn_val x, const qn_rnn_opt *opt)
{
    return add(m, &qni_layer_gru, x, opt);
}

qn_val qn_simple_rnn(qn_model *m, qn_val x, const qn_rnn_opt *opt)
{
    return add(m, &qni_layer_simple_rnn, x, opt);
}

/* ---- states ---- */

struct state_opt { int which; };

static const struct qni_field state_fields[] = { { "which", QNI_FIELD_INT, offsetof(struct state_opt, which) }, { 0 } };

static qn_val build_state(qn_model *m, struct qni_layer *l, const qn_val *in, int n)
{
    const struct state_opt *o = l->opt;
    const qn_val state = qni_layer_state_of(m, in[0], o->which);

    (void)n;
    if (!state.id)
        return qni_layer_fail(m, qni_error(QN_E_ARG, "the value has no state %d of a recurrent layer", o->which));
    return state;
}

const struct qni_layer_type qni_layer_rnn_state = {
    .name = "rnn_state", .title = "RNNState", .opt_bytes = sizeof(struct state_opt), .name_offset = SIZE_MAX,
    .reuse_offset = SIZE_MAX, .reserved_offset = SIZE_MAX, .fields = state_fields, .build = build_state,
};

qn_val qn_rnn_state(qn_model *m, qn_val y, int which)
{
    return qni_layer_add(m, &qni_layer_rnn_state, &(struct state_opt){ which }, &y, 1);
}
