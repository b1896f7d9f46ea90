/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Lesson 4: level 2, a graph that is differentiated and trained.
 *
 * A line is fitted to points: y = x w + b. The graph says what is computed, and has no sizes where an axis is QN_ANY and
 * no memory; variables live in a state; a plan is the graph at real sizes, with its gradient and the optimizer. No
 * building function needs a check: the graph keeps the first mistake, and planning reports it. */
#include <quern/quern.h>

#include <math.h>
#include <stdio.h>

#define POINTS 64

int main(void)
{
    static float x[POINTS], y[POINTS];
    const int64_t column[] = { QN_ANY, 1 };
    const qn_shape sizes[] = { { 2, { POINTS, 1 } }, { 2, { POINTS, 1 } } };
    const qn_optimizer sgd = qn_sgd(0.3f);
    float loss = 0.0f, slope = 0.0f, w = 0.0f, b = 0.0f;
    qn_device *dev = NULL;
    qn_graph *g = NULL;
    qn_state *state = NULL;
    qn_plan *look = NULL, *train = NULL;
    qn_val vx, vy, vw, vb, guess, error;
    qn_status st;

    for (int i = 0; i < POINTS; i++) {
        x[i] = (float)i / POINTS - 0.5f;
        y[i] = 3.0f * x[i] + 0.5f;
    }
    if ((st = qn_device_open(&dev, NULL, NULL)) || (st = qn_graph_create(&g, NULL)))
        goto done;
    vx = qn_graph_input(g, "x", QN_F32, 2, column);
    vy = qn_graph_input(g, "y", QN_F32, 2, column);
    vw = qn_graph_variable(g, &(qn_variable_opt){ .name = "w", .rank = 2, .dim = { 1, 1 } });
    vb = qn_graph_variable(g, &(qn_variable_opt){ .name = "b", .rank = 1, .dim = { 1 } });
    guess = qn_graph_add(g, qn_graph_matmul(g, vx, vw, false, false), vb);
    error = qn_graph_reduce_mean(g, qn_graph_square(g, qn_graph_sub(g, guess, vy)), NULL, 0, false);

    /* Two plans of one state: one reads the loss and its gradient by w, the other one trains. */
    if ((st = qn_state_create(&state, g, dev, &sgd, 0)) ||
        (st = qn_plan_create(&look, state, &(qn_plan_opt){ .input_shape = sizes, .loss = error, .output = &error,
                                                           .outputs = 1, .wrt = &vw, .wrts = 1 })) ||
        (st = qn_plan_create(&train, state, &(qn_plan_opt){ .input_shape = sizes, .loss = error, .training = true,
                                                            .update = true })))
        goto done;
    if ((st = qn_plan_run(look, (const void *[]){ x, y }, (void *[]){ &loss, &slope }, 0.0f)))
        goto done;
    printf("before: loss %.3f, its derivative by w %.3f\n", (double)loss, (double)slope);

    /* A run without outputs is only enqueued. */
    for (int i = 0; i < 300; i++)
        if ((st = qn_plan_run(train, (const void *[]){ x, y }, NULL, 0.0f)))
            goto done;
    if ((st = qn_plan_run(look, (const void *[]){ x, y }, (void *[]){ &loss, NULL }, 0.0f)) ||
        (st = qn_state_read(state, "w", &w, sizeof(w))) || (st = qn_state_read(state, "b", &b, sizeof(b))))
        goto done;
    printf("after: y = %.2f x + %.2f\n", (double)w, (double)b);
    if (fabsf(w - 3.0f) > 0.01f || fabsf(b - 0.5f) > 0.01f || !(loss < 1e-3f))
        st = qn_error_set(QN_E_INTERNAL, "the line does not fit");
done:
    if (st)
        fprintf(stderr, "%s: %s\n", qn_status_name(st), qn_last_error());
    qn_plan_destroy(&train);
    qn_plan_destroy(&look);
    qn_state_destroy(&state);
    qn_graph_destroy(&g);
    qn_device_close(&dev);
    return st != QN_OK;
}
