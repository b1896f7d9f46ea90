/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * What each epoch came to, saved with the model: nothing that depends on the clock, so that the same training makes the
 * same file. */
#include "model/save.h"

#define MOST_EPOCHS 10000 /* the last ones are kept */

int64_t qn_model_records(const qn_model *m)
{
    return m ? (int64_t)m->records : 0;
}

const qn_record *qn_model_record(const qn_model *m, int64_t i)
{
    return i >= 0 && i < qn_model_records(m) ? &m->record[i] : NULL;
}

double qni_history_rate(const qn_model *m, const qn_record *r)
{
    const int64_t step = m->epoch > 0 ? (int64_t)((double)m->step / (double)m->epoch * (double)r->epoch) : 0;

    return (double)r->lr * qn_schedule_factor(&m->optimizer.schedule, step);
}

static qn_status add(qn_model *m, const qn_record *r)
{
    qn_status st;

    if (m->records == MOST_EPOCHS)
        memmove(m->record, m->record + 1, --m->records * sizeof(*m->record));
    if ((st = qni_reserve(m->ctx, &m->record, &m->record_room, m->records, sizeof(*m->record))))
        return st;
    m->record[m->records++] = *r;
    return QN_OK;
}

qn_status qni_history_add(qn_model *m, const qn_logs *logs)
{
    return add(m, &(qn_record){ .epoch = m->epoch, .lr = m->lr, .logs = *logs });
}

void qni_history_free(qn_model *m)
{
    qni_free(m->ctx, &m->record);
    m->records = m->record_room = 0;
}

void qni_history_put(const qn_model *m, int64_t epochs, struct qni_json_out *o)
{
    qni_json_open(o, "history", '[');
    for (size_t i = 0; i < m->records && m->record[i].epoch <= epochs; i++) {
        const qn_record *r = &m->record[i];

        qni_json_open(o, NULL, '{');
        qni_json_put_int(o, "epoch", r->epoch);
        qni_json_put_float(o, "lr", r->lr);
        qni_json_open(o, "logs", '{');
        for (int k = 0; k < r->logs.n; k++)
            qni_json_put_double(o, r->logs.name[k], r->logs.value[k]);
        qni_json_close(o, '}');
        qni_json_close(o, '}');
    }
    qni_json_close(o, ']');
}

static qn_status get_logs(qn_logs *logs, const struct qni_json_at *at)
{
    struct qni_json_at child = { 0 };
    qn_status st;

    if (qni_json_type(at) != QNI_JSON_OBJECT)
        return qni_json_expected(at, "an object of numbers");
    while (qni_json_next(at, &child)) {
        if (logs->n == QN_MAX_LOGS || strlen(qni_json_key(&child)) >= sizeof(logs->name[0]))
            return qni_json_error(&child, "too many numbers, or too long a name");
        if ((st = qni_json_double(&child, &logs->value[logs->n])))
            return st;
        snprintf(logs->name[logs->n++], sizeof(logs->name[0]), "%s", qni_json_key(&child));
    }
    return QN_OK;
}

qn_status qni_history_get(qn_model *m, const struct qni_json_at *root)
{
    struct qni_json_at list, child = { 0 }, logs;
    double lr;
    qn_status st = QN_OK;

    if (!qni_json_find(&list, root, "history"))
        return QN_OK; /* an older file */
    if (qni_json_type(&list) != QNI_JSON_ARRAY)
        return qni_json_expected(&list, "an array of epochs");
    while (!st && qni_json_next(&list, &child)) {
        qn_record r = { 0 };

        if ((st = qni_json_get_int(&child, "epoch", 1, INT64_MAX, &r.epoch)) ||
            (st = qni_json_get_double(&child, "lr", &lr)) || (st = qni_json_member(&logs, &child, "logs")) ||
            (st = get_logs(&r.logs, &logs)))
            return st;
        r.lr = (float)lr;
        st = add(m, &r);
    }
    return st;
}
