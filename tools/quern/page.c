/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The page of a run: its head, its curves and its sections in order. */
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "io/file.h"
#include "model/model.h"
#include "page.h"

#define REFRESH_S   5   /* a browser asks for a running page this often */
#define DRAW_EVERY  2.0 /* seconds at least between two drawings of the curves */
#define MOST_ROWS   500 /* of the history: the last ones */
#define MOST_DRAWN  ((size_t)1 << 24)

struct page {
    struct page_run run;
    qn_context *ctx;
    char *curves;      /* SVG, or NULL */
    const char *fault; /* why there are none, as qn_last_error() said it */
    char fault_text[256];
    double drawn;      /* when */
};

static const char style[] =
    "body{font:15px/1.4 sans-serif;margin:2em auto;max-width:60em;padding:0 1em;color:#222}"
    "table{border-collapse:collapse;margin:.5em 0}th,td{border:1px solid #ccc;padding:.15em .5em;text-align:left}"
    "#confusion td,#history td{text-align:right}.model{text-align:center;width:22em}"
    ".layer{border:1px solid #357;border-radius:6px;background:#eef4fb;padding:.3em}.layer *{display:block}"
    ".shape{font-family:monospace}.arrow{color:#357}img{image-rendering:pixelated;border:1px solid #ccc;margin:2px}"
    ".mistakes{display:flex;flex-wrap:wrap;gap:1em}.mistakes>div{width:12em;overflow-wrap:anywhere}"
    "svg{max-width:100%;height:auto}pre{white-space:pre-wrap}.scroll{overflow-x:auto}pre.scroll{white-space:pre}";

/* ---- sections ---- */

static void show_facts(struct qni_text *t, const struct page_run *r, const qn_logs *test)
{
    char text[256];

    qni_text_add(t, "<table id=\"facts\">\n");
    html_fact(t, "Model", r->model_name);
    html_fact(t, "Data", r->data_name);
    if (r->data->train)
        snprintf(text, sizeof(text), "%lld to train on, %lld to test with", (long long)qn_dataset_samples(r->data->train),
                 (long long)qn_dataset_samples(r->data->test));
    else
        snprintf(text, sizeof(text), "%lld to test with", (long long)qn_dataset_samples(r->data->test));
    html_fact(t, "Samples", text);
    html_fact(t, "Trained on", r->data->train ? NULL : qn_model_note(r->m, "trained on"));
    html_fact(t, "Device", r->device->name);
    html_fact(t, "Platform", r->device->platform);
    html_fact(t, "Driver", r->device->driver);
    html_fact(t, "OpenCL", r->device->version);
    html_fact(t, "Quern", qn_version());
    if (r->data->train)
        snprintf(text, sizeof(text), "%lld of %lld, %llu steps of %lld samples", (long long)qn_model_epochs(r->m),
                 (long long)r->epochs, (unsigned long long)r->m->step, (long long)r->batch);
    else
        snprintf(text, sizeof(text), "%lld, %llu steps", (long long)r->epochs, (unsigned long long)r->m->step);
    html_fact(t, "Epochs", text);
    for (int i = 0; test && i < test->n; i++) {
        char name[48];

        snprintf(name, sizeof(name), "Test %s", test->name[i]);
        snprintf(text, sizeof(text), "%.6g", test->value[i]);
        html_fact(t, name, text);
    }
    qni_text_add(t, "</table>\n");
}

static void show_history(struct qni_text *t, const qn_model *m)
{
    const int64_t n = qn_model_records(m);
    const qn_logs *names = n ? &qn_model_record(m, n - 1)->logs : NULL;

    if (!n)
        return;
    html_element(t, "h2", "History");
    qni_text_add(t, "<div class=\"scroll\"><table id=\"history\">\n<tr><th>epoch</th>");
    for (int k = 0; k < names->n; k++)
        html_element(t, "th", "%s", names->name[k]);
    qni_text_add(t, "<th>learning rate</th></tr>\n");
    for (int64_t i = QNI_MAX(n - MOST_ROWS, 0); i < n; i++) {
        const qn_record *r = qn_model_record(m, i);

        qni_text_add(t, "<tr><td>%lld</td>", (long long)r->epoch);
        for (int k = 0; k < names->n; k++)
            html_number(t, "td", qn_logs_get(&r->logs, names->name[k]));
        html_number(t, "td", qni_history_rate(m, r));
        qni_text_add(t, "</tr>\n");
    }
    qni_text_add(t, "</table></div>\n");
}

static void show_curves(struct qni_text *t, const struct page *p)
{
    if (!p->curves && !p->fault)
        return;
    html_element(t, "h2", "Curves");
    if (p->curves)
        qni_text_add_bytes(t, p->curves, strlen(p->curves));
    else
        html_element(t, "p", "Not drawn: %s. The numbers stand below.", p->fault);
}

static void show_preparation(struct qni_text *t, const struct page_run *r)
{
    char words[4096];
    const qn_prep *in = qn_model_prep(r->m, QN_FIELD_INPUT, 0), *out = qn_model_prep(r->m, QN_FIELD_TARGET, 0);

    if (!in && !out && !r->data->report)
        return;
    html_element(t, "h2", "Preparation");
    if (in)
        html_element(t, "p", "Input: %s", qn_prep_describe(in, words, sizeof(words)));
    if (out)
        html_element(t, "p", "Output: %s", qn_prep_describe(out, words, sizeof(words)));
    if (r->data->report) {
        qni_text_add(t, "<pre>");
        html_text(t, r->data->report);
        qni_text_add(t, "</pre>\n");
    }
}

/* ---- the page ---- */

enum when { RUNNING, ENDED, INTERRUPTED, FAILED };

/* why: it failed, or NULL. */
static qn_status write_page(struct page *p, enum when when, const qn_logs *test, const char *why)
{
    static const char *const words[] = { "running", "ended", "ended early", "failed" };
    struct qni_text t = { .ctx = p->ctx };
    const struct page_run *r = &p->run;
    const bool over = when == ENDED || when == INTERRUPTED;
    qn_status st = QN_OK;

    qni_text_add(&t, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\" />\n");
    if (when == RUNNING)
        qni_text_add(&t, "<meta http-equiv=\"refresh\" content=\"%d\" />\n", REFRESH_S);
    html_element(&t, "title", "%s on %s", r->model_name ? r->model_name : "a model", r->data_name);
    qni_text_add(&t, "<style>%s</style>\n</head>\n<body>\n", style);
    html_element(&t, "h1", "%s on %s, %s", r->model_name ? r->model_name : "A model", r->data_name, words[when]);
    if (why)
        html_element(&t, "p", "%s", why);
    show_facts(&t, r, test);
    show_curves(&t, p);
    show_history(&t, r->m);
    if (when == ENDED && (st = page_test(&t, r)))
        goto done;
    page_layers(&t, r->m);
    if (over && (st = page_filters(&t, r->m)))
        goto done;
    show_preparation(&t, r);
    if (when == ENDED && (st = page_kernels(&t, r)))
        goto done;
    qni_text_add(&t, "</body>\n</html>\n");
    if (!(st = t.status))
        st = qni_file_replace(p->ctx, r->path, t.data, t.length);
done:
    qni_text_free(&t);
    return st;
}

/* Without gnuplot the page says so, and has the numbers. */
static void draw(struct page *p)
{
    char path[PATH_MAX];
    char *data = NULL, *svg = NULL;
    size_t bytes;
    int n = snprintf(path, sizeof(path), "%s.svg", p->run.path);

    p->drawn = qni_now();
    if (!qn_model_records(p->run.m) || n < 0 || (size_t)n >= sizeof(path))
        return;
    if (qn_history_plot(p->run.m, path) || qni_file_read(p->ctx, path, MOST_DRAWN, &data, &bytes)) {
        snprintf(p->fault_text, sizeof(p->fault_text), "%s", qn_last_error());
        p->fault = p->fault_text;
        return;
    }
    unlink(path);
    /* Inside a page there is no declaration. */
    if (strstr(data, "<svg") && qni_strdup(p->ctx, &svg, strstr(data, "<svg")) == QN_OK) {
        qni_free(p->ctx, &p->curves);
        p->curves = svg;
    }
    qni_free(p->ctx, &data);
}

qn_status page_open(struct page **out, const struct page_run *run)
{
    qn_context *ctx = run->m->dev->ctx;
    struct page *p = NULL;
    qn_status st = qni_calloc(ctx, &p, 1, sizeof(*p));

    *out = NULL;
    if (st)
        return st;
    p->run = *run;
    p->ctx = ctx;
    if ((st = write_page(p, RUNNING, NULL, NULL)))
        page_close(&p);
    *out = p;
    return st;
}

static qn_status call(void *user, qn_model *m, const qn_progress *progress, bool *stop)
{
    struct page *p = user;

    (void)m;
    (void)stop;
    if (progress->event != QN_EVENT_EPOCH_END)
        return QN_OK;
    if (p->drawn <= 0.0 || qni_now() - p->drawn > DRAW_EVERY)
        draw(p);
    return write_page(p, RUNNING, NULL, NULL);
}

qn_callback page_callback(struct page *p)
{
    return (qn_callback){ .call = call, .user = p };
}

qn_status page_end(struct page *p, const qn_logs *test)
{
    draw(p);
    return write_page(p, test ? ENDED : INTERRUPTED, test, NULL);
}

qn_status page_fail(struct page *p, qn_status st)
{
    char why[1024];

    snprintf(why, sizeof(why), "%s", qn_last_error());
    write_page(p, FAILED, NULL, why);
    return qn_error_set(st, why);
}

void page_close(struct page **p)
{
    qn_context *ctx = *p ? (*p)->ctx : NULL;

    if (!*p)
        return;
    qni_free(ctx, &(*p)->curves);
    qni_free(ctx, p);
}
