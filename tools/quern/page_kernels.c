/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The page of a run: where the time of a step goes. */
#include <stdio.h>

#include "bench.h"
#include "model/model.h"
#include "page.h"

#define STEPS 8

/* The same network on another device; what it has learned does not matter. */
static qn_status make_copy(qn_model **out, qn_device *dev, const struct page_run *r)
{
    qn_status st;

    if (r->file)
        return qn_model_load(out, dev, r->file);
    if ((st = task_build(out, dev, r->task, r->data)))
        return st;
    if ((st = task_compile(*out, r->task, r->data, &(struct training){ 0 })))
        qn_model_destroy(out);
    return st;
}

/* Of training, or where there is nothing to train on, of the test part. */
static qn_status take_steps(qn_model *m, const struct page_run *r)
{
    qn_dataset *part = NULL;
    qn_logs logs;
    qn_status st = qn_dataset_take(&part, r->data->train ? r->data->train : r->data->test, STEPS * r->batch);

    if (!st && r->data->train)
        st = qn_model_fit(m, part, &(qn_fit_opt){ .batch = (int)r->batch, .no_shuffle = true, .no_keep = true });
    else if (!st)
        st = qn_model_evaluate(m, part, (int)r->batch, &logs);
    qn_dataset_close(&part);
    return st;
}

static void show_times(struct qni_text *t, FILE *f)
{
    char line[512];

    rewind(f);
    qni_text_add(t, "<pre id=\"kernels\" class=\"scroll\">");
    while (fgets(line, sizeof(line), f))
        html_text(t, line);
    qni_text_add(t, "</pre>\n");
}

/* A copy takes a few steps on a device that measures each launch, so that the run itself need not wait for any. */
static qn_status measure_copy(FILE *f, const struct page_run *r)
{
    qn_device *dev = NULL;
    qn_model *m = NULL;
    qn_status st;

    if ((st = qni_device_open_measuring(&dev, r->m->dev->ctx, r->device->select)) || (st = make_copy(&m, dev, r)) ||
        (st = take_steps(m, r)))
        goto done;
    profile_model(f, m, r->data->train ? "A training step" : "A step of the test");
done:
    qn_model_destroy(&m);
    qn_device_close(&dev);
    return st;
}

qn_status page_kernels(struct qni_text *t, const struct page_run *r)
{
    FILE *f = tmpfile();
    qn_status st = QN_OK;

    if (!f)
        return qn_error_set(QN_E_IO, "no temporary file for the times of the kernels");
    html_element(t, "h2", "Time per kernel");
    if (r->m->dev->profiling)
        profile_model(f, r->m, "A plan");
    else
        st = measure_copy(f, r);
    if (st) {
        html_element(t, "p", "Not measured: %s", qn_last_error());
    } else {
        html_element(t, "p", "%s, with each launch waited for.",
                     r->m->dev->profiling ? "Of the run" : "Of a few steps of another copy of the network");
        show_times(t, f);
    }
    fclose(f);
    return QN_OK;
}
