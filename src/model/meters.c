/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Numbers summed up on the device. */
#include <math.h>
#include <stdio.h>

#include "model/model.h"
#include "ops/metric/metric.h"

static qn_status place(const qn_model *m, int i, struct qni_place *at)
{
    *at = m->state->place[m->meter[i].variable];
    return QN_OK;
}

qn_status qni_meters_reset(qn_model *m)
{
    const struct qni_cl *cl = m->dev->cl;
    cl_uint zero = 0;

    for (int i = 0; i < m->meters; i++) {
        struct qni_place at;
        cl_int err;

        place(m, i, &at);
        err = cl->EnqueueFillBuffer(m->dev->queue, at.storage->mem, &zero, sizeof(zero), at.storage->offset + at.offset,
                                    4 * sizeof(float), 0, NULL, NULL);
        if (err)
            return qni_device_error(m->dev, err, "resetting meter %s", m->meter[i].name);
    }
    return QN_OK;
}

/* In order on the queue, so the last event stands for all. */
qn_status qni_meters_read(qn_model *m, bool block, float (*to)[4], cl_event *event)
{
    const struct qni_cl *cl = m->dev->cl;

    for (int i = 0; i < m->meters; i++) {
        bool last = i == m->meters - 1;
        struct qni_place at;
        cl_int err;

        place(m, i, &at);
        err = cl->EnqueueReadBuffer(m->dev->queue, at.storage->mem, block && last, at.storage->offset + at.offset,
                                    4 * sizeof(float), to[i], 0, NULL, last ? event : NULL);
        if (err) {
            /* The first error a failed step shows may be this one. And reads before it may still be under way. */
            m->state->torn = true;
            (void)qni_queue_finish(m->dev, m->dev->queue);
            return qni_device_error(m->dev, err, "reading meter %s", m->meter[i].name);
        }
    }
    return QN_OK;
}

void qni_logs_add(qn_logs *logs, const char *prefix, const char *name, double value)
{
    if (logs->n == QN_MAX_LOGS)
        return;
    snprintf(logs->name[logs->n], sizeof(logs->name[0]), "%s%s", prefix, name);
    logs->value[logs->n++] = value;
}

double qn_logs_get(const qn_logs *logs, const char *name)
{
    for (int i = 0; logs && i < logs->n; i++)
        if (!strcmp(logs->name[i], name))
            return logs->value[i];
    return NAN;
}

void qni_meters_logs(const qn_model *m, float (*from)[4], const char *prefix, qn_logs *out)
{
    for (int i = 0; i < m->meters; i++) {
        const qn_metric metric = m->meter[i].metric;
        double v = qni_metric_value(from[i]);

        if (metric == QN_METRIC_RMSE)
            v = sqrt(v);
        else if (metric == QN_PERPLEXITY)
            v = exp(v);
        else if ((metric == QN_PRECISION || metric == QN_RECALL) && from[i][2] == 0.0f)
            v = 0.0; /* as Keras: nothing found is no success */
        qni_logs_add(out, prefix, m->meter[i].name, v);
    }
}
