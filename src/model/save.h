/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#ifndef QNI_MODEL_SAVE_H
#define QNI_MODEL_SAVE_H

#include "io/json.h"
#include "model/model.h"

#define QNI_LOSSES (QN_MAPE + 1)
#define QNI_METRICS (QN_PERPLEXITY + 1)
#define QNI_OPTIMIZERS (QN_OPTIMIZER_LION + 1)
#define QNI_SCHEDULES (QN_SCHEDULE_POLYNOMIAL + 1)

/* Names in files, by number. */
extern const char *const qni_schedule_names[QNI_SCHEDULES];
extern const char *const qni_loss_names[QNI_LOSSES];
extern const char *const qni_metric_names[QNI_METRICS];
extern const char *const qni_optimizer_names[QNI_OPTIMIZERS];

/* The tensor that holds a slot of a weight; slot -1: the weight itself. */
void qni_tensor_name(const struct qni_variable *v, int slot, char *name, size_t bytes);
bool qni_has_slots(const struct qni_variable *v);
size_t qni_largest_weight(const qn_model *m); /* bytes */

/* The device and driver whose choices of algorithms a file holds. */
void qni_model_device_text(const qn_model *m, char *text, size_t bytes);
/* Architecture, compile options and counters (the copy's, if kept is one) as JSON; QN_E_UNSUPPORTED for a model with parts that
 * are no layers. */
qn_status qni_model_text(struct qni_text *text, const qn_model *m, const struct qni_kept *kept);
/* A compiled model from such a text, which may be hostile; name is for messages. Its weights are fresh. */
qn_status qni_model_from_text(qn_model **out, qn_device *dev, const char *name, const char *text);

/* ---- history.c: the member "history", up to an epoch, and back ---- */

void qni_history_put(const qn_model *m, int64_t epochs, struct qni_json_out *o);
qn_status qni_history_get(qn_model *m, const struct qni_json_at *root);

/* ---- preps.c: the member "preparation", and back ---- */

void qni_preps_put(const qn_model *m, struct qni_json_out *o);
qn_status qni_preps_get(qn_model *m, const struct qni_json_at *root);

#endif
