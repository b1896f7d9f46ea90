/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Where the time goes: what each launch took, by the device's clock. */
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#include "model/model.h"
#include "ops/primitive.h"

static int by_time(const void *a, const void *b)
{
    const struct qni_timing *x = *(struct qni_timing *const *)a, *y = *(struct qni_timing *const *)b;

    return (x->ns < y->ns) - (x->ns > y->ns);
}

/* How often a run makes a launch: as often as its loop goes round. */
static uint64_t launches_a_run(const struct qni_exec *e, const struct qni_launch *l)
{
    return l->loop ? (uint64_t)e->recorder.loop[l->loop - 1].times : 1;
}

void profile_print(FILE *to, struct qni_exec *e, const char *title,
                   const char *(*node_name)(const void *user, int node, char *text, size_t bytes), const void *user)
{
    size_t n = e->recorder.launches;
    struct qni_timing **order = NULL;
    uint64_t total = 0, runs = 0, launches = 0;

    if (!e->timing || !n || !(order = malloc(n * sizeof(*order))))
        return;
    for (size_t i = 0; i < n; i++) {
        order[i] = &e->timing[i];
        total += e->timing[i].ns;
        if (e->timing[i].runs)
            runs = QNI_MAX(runs, e->timing[i].runs / launches_a_run(e, &e->recorder.launch[i]));
        launches += e->timing[i].runs;
    }
    qsort(order, n, sizeof(*order), by_time);
    fprintf(to, "\n%s: %llu launches and %.3f ms a run on the device, %llu runs\n", title,
            (unsigned long long)(runs ? launches / runs : 0), runs ? 1e-6 * (double)total / (double)runs : 0.0,
            (unsigned long long)runs);
    fprintf(to, "%9s %6s %8s %9s %8s  %-40s %s\n", "ms", "%", "launches", "GFLOP/s", "GB/s", "kernel", "node");
    for (size_t i = 0; i < n && order[i]->ns; i++) {
        const struct qni_launch *l = &e->recorder.launch[order[i] - e->timing];
        const uint64_t rounds = launches_a_run(e, l); /* the work is that of all of them */
        double ns = (double)order[i]->ns / (double)order[i]->runs * (double)rounds;
        char kernel[128], text[256];

        snprintf(kernel, sizeof(kernel), "%s:%s", l->source ? l->source : "library", l->kernel ? l->kernel : "call");
        fprintf(to, "%9.4f %6.1f %8llu %9.1f %8.1f  %-40s %s\n", 1e-6 * (double)order[i]->ns / (double)runs,
                100.0 * (double)order[i]->ns / (double)total, (unsigned long long)rounds, (double)l->flops / ns,
                (double)l->bytes / ns, kernel, node_name ? node_name(user, l->node, text, sizeof(text)) : "");
    }
    free(order);
    memset(e->timing, 0, n * sizeof(*e->timing));
}

/* "conv2d_1: conv2d_backward_data [64,26,26,32]" */
static const char *name_node(const void *user, int node, char *text, size_t bytes)
{
    const qn_graph *g = user;
    const struct qni_node *n;
    const char *label;
    char shape[160];

    if (node < 0 || (size_t)node >= g->nodes)
        return "";
    n = &g->node[node];
    label = n->label > 0 && (size_t)n->label < g->labels ? g->label[n->label] : NULL;
    snprintf(text, bytes, "%s%s%s %s", label ? label : "", label ? ": " : "", n->op->name,
             n->outputs ? qni_shape_text(&g->value[n->out[0]].shape, shape, sizeof(shape)) : "");
    return text;
}

void profile_model(FILE *to, qn_model *m, const char *title)
{
    for (int i = 0; i < m->plans; i++) {
        struct qni_plan *p = m->plan[i].plan;
        bool ran = false;

        for (size_t k = 0; p->exec->timing && k < p->exec->recorder.launches; k++)
            ran = ran || p->exec->timing[k].ns;
        if (ran)
            profile_print(to, p->exec, title, name_node, p->g);
    }
}

void profile_op(FILE *to, qn_op *op, const char *title)
{
    profile_print(to, op->exec, title, NULL, NULL);
}
