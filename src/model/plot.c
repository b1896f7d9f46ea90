/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Curves of the history, drawn by gnuplot. It reads a script from a file, and writes a file that takes its name only when it
 * is complete. */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "device/qualify.h"
#include "io/file.h"
#include "model/model.h"

#define LIMIT_S 30
#define WIDTH   800 /* of the picture, and */
#define HEIGHT  260 /* of each panel in it */

enum panel { LOSSES, METRICS, RATE, PANELS };

static const char *const titles[PANELS] = { "Loss", "Metrics", "Learning rate" };

/* ---- the program ---- */

static qn_status find(char *out, size_t bytes, const qn_context *ctx)
{
    const char *at = qni_env(ctx, "PATH");

    while (at && *at) {
        size_t n = strcspn(at, ":");
        int length = snprintf(out, bytes, "%.*s/gnuplot", (int)QNI_MIN(n, (size_t)PATH_MAX), at);

        if (n && length > 0 && (size_t)length < bytes && access(out, X_OK) == 0)
            return QN_OK;
        at += n + (at[n] == ':');
    }
    return qni_error(QN_E_UNSUPPORTED, "curves are drawn by gnuplot, which is not on the PATH: install it (Debian's gnuplot-nox)");
}

static qn_status run(char *program, char *script)
{
    struct qni_helper h;
    char line[64];
    qn_status st;

    if ((st = qni_helper_start(&h, program, (char *[]){ program, "-d", script, NULL })))
        return st;
    while (qni_helper_line(&h, line, sizeof(line), LIMIT_S))
        ;
    if (h.end != QNI_HELPER_ENDED || strcmp(h.how, "status 0"))
        st = qni_error(QN_E_IO, "gnuplot failed (%s)%s%s", h.how, *h.complaint ? ": " : "", h.complaint);
    qni_helper_stop(&h);
    return st;
}

/* ---- the script ---- */

static enum panel panel_of(const char *name)
{
    const size_t n = strlen(name);

    return n >= 4 && !strcmp(name + n - 4, "loss") ? LOSSES : METRICS;
}

/* In gnuplot's quotes; names in a file may be anybody's. */
static void add_name(struct qni_text *t, const char *name)
{
    qni_text_add(t, "'");
    for (; *name; name++)
        qni_text_add(t, "%c", *name == '\'' || (unsigned char)*name < 32 ? ' ' : *name);
    qni_text_add(t, "'");
}

static void add_number(struct qni_text *t, double v)
{
    char text[32];

    qni_text_add(t, " %s", isfinite((float)v) ? qni_float_text((float)v, text, sizeof(text)) : "NaN");
}

static void add_data(struct qni_text *t, const qn_model *m, const qn_logs *names)
{
    qni_text_add(t, "$data << END\n");
    for (int64_t i = 0; i < qn_model_records(m); i++) {
        const qn_record *r = qn_model_record(m, i);

        qni_text_add(t, "%lld", (long long)r->epoch);
        add_number(t, qni_history_rate(m, r));
        for (int k = 0; k < names->n; k++)
            add_number(t, qn_logs_get(&r->logs, names->name[k]));
        qni_text_add(t, "\n");
    }
    qni_text_add(t, "END\n");
}

static bool any_finite(const qn_model *m, const char *name)
{
    for (int64_t i = 0; i < qn_model_records(m); i++)
        if (isfinite((float)qn_logs_get(&qn_model_record(m, i)->logs, name)))
            return true;
    return false;
}

/* How many curves a panel has; with a text, they are plotted. */
static int add_panel(struct qni_text *t, const qn_model *m, const qn_logs *names, enum panel panel)
{
    int n = 0;

    for (int k = panel == RATE ? -1 : 0; k < (panel == RATE ? 0 : names->n); k++) {
        const char *name = k < 0 ? "learning rate" : names->name[k];

        if (k >= 0 && (panel_of(name) != panel || !any_finite(m, name)))
            continue;
        if (t) {
            if (!n)
                qni_text_add(t, "set title '%s'\nplot", titles[panel]);
            qni_text_add(t, "%s $data using 1:%d with linespoints pointtype 7 pointsize 0.4 title ", n ? "," : "", k + 3);
            add_name(t, name);
        }
        n++;
    }
    if (t && n)
        qni_text_add(t, "\n");
    return n;
}

/* Epochs are whole numbers; of many gnuplot marks such by itself. */
static void add_axis(struct qni_text *t, int64_t first, int64_t last)
{
    qni_text_add(t, "set xlabel 'epoch'\n");
    if (last - first < 10)
        qni_text_add(t, "set xtics 1\nset autoscale xfix\n");
    if (last == first)
        qni_text_add(t, "set xrange [%lld:%lld]\n", (long long)first - 1, (long long)first + 1);
}

static void add_script(struct qni_text *t, const qn_model *m, const char *to, bool png)
{
    const qn_logs *names = &qn_model_record(m, qn_model_records(m) - 1)->logs;
    int panels = 0;

    for (int i = 0; i < PANELS; i++)
        panels += add_panel(NULL, m, names, (enum panel)i) > 0;
    add_data(t, m, names);
    qni_text_add(t, "set terminal %s size %d,%d noenhanced background 'white'\nset output '", png ? "pngcairo" : "svg", WIDTH,
                 HEIGHT * panels);
    for (; *to; to++)
        qni_text_add(t, "%s%c", *to == '\'' ? "'" : "", *to);
    qni_text_add(t, "'\nset grid\nset key outside right\nset offsets graph 0.01, graph 0.01, 0, 0\n");
    add_axis(t, qn_model_record(m, 0)->epoch, qn_model_record(m, qn_model_records(m) - 1)->epoch);
    qni_text_add(t, "set multiplot layout %d,1\n", panels);
    for (int i = 0; i < PANELS; i++)
        add_panel(t, m, names, (enum panel)i);
    qni_text_add(t, "unset multiplot\nset output\n");
}

static bool ends_in(const char *text, const char *end)
{
    const size_t n = strlen(text), k = strlen(end);

    return n >= k && !strcmp(text + n - k, end);
}

qn_status qn_history_plot(const qn_model *m, const char *path)
{
    char program[PATH_MAX], script[PATH_MAX], part[PATH_MAX];
    struct qni_text text = { 0 };
    qn_context *ctx;
    char *data = NULL;
    size_t bytes;
    qn_status st;

    if (!m || !path)
        return qni_error(QN_E_ARG, "m or path is NULL");
    if (!ends_in(path, ".svg") && !ends_in(path, ".png"))
        return qni_error(QN_E_ARG, "%.300s: curves are drawn as .svg or .png", path);
    if (strlen(path) + 16 > sizeof(part) || strchr(path, '\n'))
        return qni_error(QN_E_IO, "the name of the file for the curves is too long, or has a line's end in it");
    if (!qn_model_records(m))
        return qni_error(QN_E_STATE, "no epoch has been trained: there are no curves");
    ctx = m->dev->ctx;
    /* What begins with '-' or '|' would be an option or a command to gnuplot. */
    snprintf(script, sizeof(script), "%s%s.gnuplot", *path == '/' ? "" : "./", path);
    snprintf(part, sizeof(part), "%s%s.part", *path == '/' ? "" : "./", path);
    if ((st = find(program, sizeof(program), ctx)))
        return st;
    text.ctx = ctx;
    add_script(&text, m, part, ends_in(path, ".png"));
    if (!(st = text.status) && !(st = qni_file_replace(ctx, script, text.data, text.length)) && !(st = run(program, script)) &&
        !(st = qni_file_read(ctx, part, (size_t)1 << 28, &data, &bytes)))
        st = qni_file_replace(ctx, path, data, bytes);
    qni_free(ctx, &data);
    qni_text_free(&text);
    unlink(script);
    unlink(part);
    return st;
}
