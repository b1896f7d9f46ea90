/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Preparations inside: the frame that every kind fills in. */
#ifndef QNI_DATA_PREP_H
#define QNI_DATA_PREP_H

#include <quern/data_prep.h>

#include "base/base.h"
#include "io/json.h"

struct qni_prep_type {
    const char *name; /* in files */
    qn_prep_kind kind;
    size_t bytes;     /* of the kind's own struct */
    qn_status (*load)(const qn_prep *p, const qn_raw *raw, void *sample);
    qn_status (*finish)(const qn_prep *p, const void *sample, void *input); /* NULL: the sample is the input */
    void (*put)(const qn_prep *p, struct qni_json_out *o);                   /* members of the open object */
    qn_status (*get)(qn_prep *p, const struct qni_json_at *at);              /* fills in what put wrote, and the fields */
    void (*describe)(const qn_prep *p, struct qni_text *t);
    void (*close)(qn_prep *p); /* gives up what the kind holds; also half filled in */
};

/* The first member of every kind's own struct. */
struct qn_prep {
    atomic_int references;
    qn_context *ctx;
    const struct qni_prep_type *type;
    qn_field sample, input; /* names are constants; input only where type->finish */
};

extern const struct qni_prep_type qni_prep_classes_type, qni_prep_image_type, qni_prep_items_type, qni_prep_number_type,
    qni_prep_sound_type, qni_prep_table_type, qni_prep_text_type;

/* A zeroed struct of type->bytes with its frame filled in, for a creating function to fill in. */
qn_status qni_prep_new(void *out, qn_context *ctx, const struct qni_prep_type *type);
qn_prep *qni_prep_retain(qn_prep *p);
/* QN_E_ARG where the raw thing lacks what is needed. */
qn_status qni_prep_lacks(const char *what);
/* The number of a dataset's first input, which must be as the preparation's sample is. */
qn_status qni_prep_find_sample(int *out, const qn_prep *p, const qn_dataset *ds);
/* One JSON object. */
void qni_prep_put(const qn_prep *p, struct qni_json_out *o, const char *key);
qn_status qni_prep_get(qn_prep **out, qn_context *ctx, const struct qni_json_at *at);

/* ---- with tokenizers: tokenizer_json.c ---- */

void qni_tokenizer_put(const qn_tokenizer *t, struct qni_json_out *o, const char *key);
qn_status qni_tokenizer_get(qn_tokenizer **out, qn_context *ctx, const struct qni_json_at *at);

#endif
