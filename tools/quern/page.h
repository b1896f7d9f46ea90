/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * A page that shows a run, for quern train --report and quern report: one file that loads nothing from elsewhere and needs no
 * script. It is well-formed XML as well as HTML. */
#ifndef QUERN_TOOL_PAGE_H
#define QUERN_TOOL_PAGE_H

#include "models.h"

#include "base/base.h"

/* ---- html.c: elements; whatever a text holds, it is shown as it is ---- */

/* With the characters that mean something escaped, and those that no page may hold replaced. */
void html_text(struct qni_text *t, const char *text);
/* <name>text</name>; the text's format is printf's. */
void html_element(struct qni_text *t, const char *name, const char *format, ...) QNI_PRINTF(3, 4);
/* A row of two: what it is, and its value. */
void html_fact(struct qni_text *t, const char *what, const char *value);
/* A number of at most six digits, or a dash for none. */
void html_number(struct qni_text *t, const char *name, double value);

/* Values as a picture: [height, width, channels] by steps, brought from their range to black and white. */
struct html_picture {
    int64_t height, width, channels; /* channels: 1 or 3 */
    int64_t step_y, step_x, step_channel;
    bool upside_down;
};
void html_picture(struct qni_text *t, const struct html_picture *p, const float *value, const char *about);

/* ---- page.c ---- */

struct page;

/* What is shown; borrowed until the page is closed. */
struct page_run {
    qn_model *m;
    const qn_device_info *device;
    const struct dataset *data;
    const char *path, *data_name, *model_name; /* model_name may be NULL */
    const struct task *task;                   /* that makes the network anew; NULL: file does */
    const char *file;                          /* that has the network, in whatever state; NULL: none yet */
    int64_t batch, epochs;
};

/* The page of a run that begins. A place that cannot be written is found here. */
qn_status page_open(struct page **out, const struct page_run *run);
/* Writes it anew after every epoch. */
qn_callback page_callback(struct page *p);
/* The page of a run that has ended, with what the model makes of the test part. test NULL: it was interrupted. */
qn_status page_end(struct page *p, const qn_logs *test);
/* The page of a run that has failed with st, which is given back with its message. */
qn_status page_fail(struct page *p, qn_status st);
void page_close(struct page **p);

/* ---- page_model.c ---- */

void page_layers(struct qni_text *t, const qn_model *m);
/* Of the first layer, if it is a convolution. */
qn_status page_filters(struct qni_text *t, qn_model *m);

/* ---- page_kernels.c: what each kernel of a step takes ---- */

qn_status page_kernels(struct qni_text *t, const struct page_run *run);

/* ---- page_test.c: confusion matrix and the worst mistakes ---- */

qn_status page_test(struct qni_text *t, const struct page_run *run);

#endif
