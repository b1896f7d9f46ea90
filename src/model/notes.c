/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Texts that travel with a model, such as the vocabulary that its numbers stand for. */
#include "model/model.h"

static int find(const qn_model *m, const char *key)
{
    for (int i = 0; i < m->notes; i++)
        if (!strcmp(m->note[i].key, key))
            return i;
    return -1;
}

static void remove_note(qn_model *m, int i)
{
    qni_free(m->ctx, &m->note[i].key);
    qni_free(m->ctx, &m->note[i].text);
    m->note[i] = m->note[--m->notes];
}

qn_status qn_model_set_note(qn_model *m, const char *key, const char *text)
{
    struct qni_note n = { 0 };
    int old;
    qn_status st;

    if (!m || !key || !*key)
        return qni_error(QN_E_ARG, "m or key is NULL, or the key is empty");
    old = find(m, key);
    if (!text) {
        if (old >= 0)
            remove_note(m, old);
        return QN_OK;
    }
    if (old < 0 && m->notes == QNI_MAX_NOTES)
        return qni_error(QN_E_ARG, "a model has at most %d notes", QNI_MAX_NOTES);
    if ((st = qni_strdup(m->ctx, &n.key, key)) || (st = qni_strdup(m->ctx, &n.text, text))) {
        qni_free(m->ctx, &n.key);
        return st;
    }
    if (old >= 0)
        remove_note(m, old);
    m->note[m->notes++] = n;
    return QN_OK;
}

const char *qn_model_note(const qn_model *m, const char *key)
{
    const int i = m && key ? find(m, key) : -1;

    return i < 0 ? NULL : m->note[i].text;
}

void qni_notes_free(qn_model *m)
{
    while (m->notes)
        remove_note(m, m->notes - 1);
}
