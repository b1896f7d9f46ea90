/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#ifndef QUERN_TOOL_MODELS_H
#define QUERN_TOOL_MODELS_H

#include "quern.h"

#include <quern/model.h>

/* ---- models.c: the networks the command knows by name ---- */

/* The names, separated by ", ". */
const char *models_names(char *text, size_t bytes);
bool models_has(const char *name);
/* Build a network for samples of a shape, not compiled. classes 0: one number is predicted. QN_E_ARG for an unknown
 * name, QN_E_SHAPE for data that do not suit it. */
qn_status models_build(qn_model **out, qn_device *dev, const char *name, const qn_shape *sample, int64_t classes);
/* Does a model read a text's characters? */
bool models_of_text(const char *name);
/* Compile with Adam and what suits the targets: cross-entropy and accuracy, or squared and absolute error. A model of
 * text: AdamW with a rate that warms up and then falls along a cosine for so many steps in all. lr 0: the usual one. */
qn_status models_compile(qn_model *m, const char *name, int64_t classes, float lr, int64_t steps, uint64_t seed);

/* ---- dataset.c: what --data names ---- */

#define DATASET_TEXT_LENGTH 128 /* characters of a sample */

struct dataset_options {
    const char *name;     /* "digits", "csv:FILE", ... */
    const char *dir;      /* NULL: the default places */
    const char *label;    /* CSV: the label's column, by number from 1 or by name; NULL: the last */
    bool number;          /* CSV: the label is a number to predict, not a class */
    double split;         /* CSV: share of the rows that is kept for testing; 0: every row is for testing */
    const char *vocabulary; /* text: of a model that is there already; NULL: the text's own */
};

struct dataset {
    qn_dataset *train, *test; /* train NULL when it was not asked for */
    qn_shape sample;          /* of the input */
    int64_t classes;          /* 0: a number; of a text: characters */
    const char *vocabulary;   /* of a text, lent by the parts; NULL for other data */
};

/* Open both parts, or the test part alone. */
qn_status dataset_open(struct dataset *out, qn_context *ctx, const struct dataset_options *o, bool train);
void dataset_close(struct dataset *d);
/* Images (idx) or a table without labels (a name that ends in .csv or .csv.gz), to predict for. */
qn_status dataset_open_inputs(qn_dataset **out, qn_context *ctx, const char *path);
/* The targets as numbers, [samples]; *out from qn_context_alloc. NULL where the data have none. */
qn_status dataset_targets(double **out, const qn_context *ctx, const qn_dataset *ds);

/* ---- signals.c: SIGINT and SIGTERM end a run after its current batch, a second one at once ---- */

/* From now on a signal cancels what m does. */
void signals_begin(qn_model *m);
void signals_end(void);
/* The signal that came, or 0. */
int signals_caught(void);
/* A callback for fit: cancels what a signal asked to end before fit began. */
qn_callback signals_callback(void);

#endif
