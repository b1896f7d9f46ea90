/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * ONNX's node tests of RNN, LSTM and GRU, built with level 2. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onnx.h"

#include <quern/quern.h>

/* Positions of the operators' inputs. */
enum { X, W, R, B, LENGTHS, H0, C0, P, INPUTS };

struct run {
    struct onnx_case c;
    qn_graph *g;
    qn_val in[INPUTS];
    int gates;
    int64_t N, T, H;
    bool batch_first;
};

/* Part `which` of the first axis, the axis taken away. */
static qn_val direction(struct run *r, qn_val v, int64_t which)
{
    return qn_graph_squeeze(r->g, qn_graph_slice(r->g, v, 1, &which, &(int64_t){which + 1}, NULL), 0);
}

/* Blocks of H along an axis, in Quern's order: ONNX has i o f c where Quern has i f c o; peepholes likewise. */
static qn_val reorder(struct run *r, qn_val v, int axis, const int *order, int n)
{
    qn_val part[4];

    for (int i = 0; i < n; i++) {
        const int64_t start[2] = {axis ? 0 : order[i] * r->H, order[i] * r->H};
        const int64_t stop[2] = {axis ? INT64_MAX : start[0] + r->H, start[1] + r->H};

        part[i] = qn_graph_slice(r->g, v, axis + 1, start, stop, NULL);
    }
    return n == 1 ? v : qn_graph_concat(r->g, part, n, axis);
}

static const int lstm_order[4] = {0, 2, 3, 1}, same_order[4] = {0, 1, 2, 3}, peephole_order[3] = {0, 2, 1};

static qn_val kernel(struct run *r, int input, int64_t which)
{
    const qn_val w = qn_graph_transpose(r->g, direction(r, r->in[input], which), NULL, 0);

    return reorder(r, w, 1, r->gates == 4 ? lstm_order : same_order, r->gates);
}

/* Half of the bias: of the input, or of the recurrent product. */
static qn_val bias(struct run *r, int64_t which, int half)
{
    const int64_t all = r->gates * r->H, start = half * all, stop = start + all;
    const qn_val b = qn_graph_slice(r->g, direction(r, r->in[B], which), 1, &start, &stop, NULL);

    return reorder(r, b, 0, r->gates == 4 ? lstm_order : same_order, r->gates);
}

static qn_val first_state(struct run *r, int input, int64_t which)
{
    if (!r->in[input].id)
        return (qn_val){0};
    if (r->batch_first)
        return direction(r, qn_graph_transpose(r->g, r->in[input], (const int[]){1, 0, 2}, 3), which);
    return direction(r, r->in[input], which);
}

static qn_val mask(struct run *r)
{
    const struct onnx_tensor *lengths = onnx_input(&r->c, LENGTHS);
    unsigned char *real;
    qn_val v;

    if (!lengths)
        return (qn_val){0};
    real = calloc((size_t)(r->N * r->T) + 1, 1);
    for (int64_t n = 0; n < r->N; n++)
        for (int64_t t = 0; t < r->T; t++)
            real[n * r->T + t] = t < ((const int32_t *)lengths->data)[n];
    v = qn_graph_constant(r->g, QN_U8, 2, (const int64_t[]){r->N, r->T}, real);
    free(real);
    return v;
}

static qn_rnn_result run_direction(struct run *r, qn_val x, int64_t which, bool reverse)
{
    qn_graph_rnn_opt o = {.reverse = reverse, .zero_output = true, .mask = mask(r), .clip = onnx_float(&r->c, "clip", 0),
                          .h0 = first_state(r, H0, which), .c0 = first_state(r, C0, which)};
    qn_val b = {0};
    qn_rnn_result out;

    if (r->gates == 3)
        o.reset_before = onnx_int(&r->c, "linear_before_reset", 0) == 0;
    if (r->in[B].id) {
        b = bias(r, which, 0);
        if (r->gates == 3 && !o.reset_before)
            o.recurrent_bias = bias(r, which, 1);
        else
            b = qn_graph_add(r->g, b, bias(r, which, 1));
    }
    if (r->in[P].id)
        o.peephole = qn_graph_reshape(r->g, reorder(r, direction(r, r->in[P], which), 0, peephole_order, 3), 2,
                                      (const int64_t[]){3, r->H});
    (r->gates == 4 ? qn_graph_lstm : r->gates == 3 ? qn_graph_gru : qn_graph_simple_rnn)(
        r->g, x, kernel(r, W, which), kernel(r, R, which), b, &o, &out);
    return out;
}

/* The node's outputs: Y [T,dirs,N,H] or [N,T,dirs,H]; Y_h, Y_c [dirs,N,H] or [N,dirs,H]. */
static void build(struct run *r, qn_val out[3])
{
    const char *way = onnx_text(&r->c, "direction", "forward");
    const int dirs = strcmp(way, "bidirectional") == 0 ? 2 : 1;
    qn_val x = r->in[X], y[2], h[2], c[2];

    if (!r->batch_first)
        x = qn_graph_transpose(r->g, x, (const int[]){1, 0, 2}, 3);
    for (int i = 0; i < dirs; i++) {
        const qn_rnn_result one = run_direction(r, x, i, i == 1 || strcmp(way, "reverse") == 0);

        y[i] = r->batch_first ? one.y : qn_graph_transpose(r->g, one.y, (const int[]){1, 0, 2}, 3);
        h[i] = one.h;
        c[i] = one.c;
    }
    out[0] = qn_graph_stack(r->g, y, dirs, r->batch_first ? 2 : 1);
    out[1] = qn_graph_stack(r->g, h, dirs, r->batch_first ? 1 : 0);
    out[2] = r->gates == 4 ? qn_graph_stack(r->g, c, dirs, r->batch_first ? 1 : 0) : (qn_val){0};
}

static void run_and_compare(struct run *r, const qn_val out[3])
{
    qn_shape shape[INPUTS];
    const void *in[INPUTS];
    qn_val wanted[3];
    void *got[3] = {NULL};
    int which[3], n = 0, inputs = 0;
    qn_state *s = NULL;
    qn_plan *p = NULL;

    for (int i = 0; i < INPUTS; i++)
        if (r->in[i].id) {
            shape[inputs] = r->c.in[i].shape;
            in[inputs++] = r->c.in[i].data;
        }
    for (int i = 0; i < r->c.outputs && i < 3; i++)
        if (r->c.out[i].data) {
            const qn_shape made = qn_graph_shape(r->g, out[i]);

            wanted[n] = out[i];
            which[n] = i;
            got[n++] = calloc((size_t)qni_elements(&r->c.out[i].shape) + 1, sizeof(float));
            CHECK(qni_shape_equal(&made, &r->c.out[i].shape));
        }
    CHECK(n > 0);
    if (CHECK_OK(qn_graph_error(r->g)) && CHECK_OK(qn_state_create(&s, r->g, test_device(), NULL, 0)) &&
        CHECK_OK(qn_plan_create(&p, s, &(qn_plan_opt){.input_shape = shape, .output = wanted, .outputs = n})) &&
        CHECK_OK(qn_plan_run(p, in, got, 0)))
        for (int i = 0; i < n; i++)
            onnx_compare(r->c.out_name[which[i]], &r->c.out[which[i]], got[i]);
    for (int i = 0; i < n; i++)
        free(got[i]);
    qn_plan_destroy(&p);
    qn_state_destroy(&s);
}

static void one(const void *folder)
{
    struct run r = {.gates = 1};
    qn_val out[3];

    if (!test_device() || !onnx_read(&r.c, folder))
        return;
    r.gates = strcmp(r.c.op, "LSTM") == 0 ? 4 : strcmp(r.c.op, "GRU") == 0 ? 3 : 1;
    r.batch_first = onnx_int(&r.c, "layout", 0) == 1;
    r.N = r.c.in[X].shape.dim[r.batch_first ? 0 : 1];
    r.T = r.c.in[X].shape.dim[r.batch_first ? 1 : 0];
    r.H = onnx_int(&r.c, "hidden_size", 0);
    if (CHECK_OK(qn_graph_create(&r.g, NULL))) {
        for (int i = 0; i < INPUTS; i++) {
            const struct onnx_tensor *t = onnx_input(&r.c, i);
            char name[8];

            snprintf(name, sizeof(name), "in%d", i);
            if (t && i != LENGTHS)
                r.in[i] = qn_graph_input(r.g, name, t->dtype, t->shape.rank, t->shape.dim);
        }
        build(&r, out);
        run_and_compare(&r, out);
    }
    qn_graph_destroy(&r.g);
    onnx_free(&r.c);
}

/* Every test of a recurrent operator in a part of the archive. */
static int run_part(const char *folder, const char *part)
{
    char path[512], name[800];
    struct dirent *e;
    int n = 0;
    DIR *d;

    snprintf(path, sizeof(path), "%s/tests/%s", folder, part);
    if (!(d = opendir(path)))
        return 0;
    while ((e = readdir(d)))
        if (strstr(e->d_name, "_rnn_") || strstr(e->d_name, "_lstm_") || strstr(e->d_name, "_gru_")) {
            snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
            test_run_with(e->d_name, one, name);
            n++;
        }
    closedir(d);
    return n;
}

static void absent(void)
{
    test_skip("there is no shared/onnx/onnx-node-tests.tar.xz");
}

static void all_there(const void *count)
{
    CHECK_INT(*(const int *)count, 30);
}

int main(void)
{
    char folder[256];
    int n;

    if (!onnx_unpack(folder)) {
        test_run("node tests", absent);
        return test_end();
    }
    n = run_part(folder, "node") + run_part(folder, "legacy");
    test_run_with("number of tests", all_there, &n);
    onnx_remove(folder);
    return test_end();
}
