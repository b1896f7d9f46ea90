/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Progress on a stream the caller handed over: a bar on a terminal, a line an
 * epoch elsewhere. */
#include <math.h>
#include <unistd.h>

#include "model/model.h"

void qni_bar_init(struct qni_bar *b, FILE *to)
{
    memset(b, 0, sizeof(*b));
    b->to = to;
    b->terminal = to && isatty(fileno(to));
}

static void show_time(FILE *to, double s)
{
    if (s < 100.0)
        fprintf(to, "%.0fs", s);
    else
        fprintf(to, "%.0f:%02d", floor(s / 60.0), (int)fmod(s, 60.0));
}

static void show_logs(FILE *to, const qn_logs *logs)
{
    for (int i = 0; logs && i < logs->n; i++)
        fprintf(to, "  %s %.4f", logs->name[i], logs->value[i]);
}

static void show_bar(struct qni_bar *b, const qn_progress *p)
{
    enum { WIDTH = 24 };
    char bar[WIDTH + 1];
    int filled = p->steps > 0 ? (int)(p->step * WIDTH / p->steps) : 0;
    double left = p->step > 0 ? p->seconds / (double)p->step * (double)(p->steps - p->step) : 0.0;

    for (int i = 0; i < WIDTH; i++)
        bar[i] = i < filled ? '=' : i == filled ? '>' : '.';
    bar[WIDTH] = 0;
    fprintf(b->to, "\rEpoch %d/%d [%s] %lld/%lld  %.0f samples/s  ", p->epoch + 1, p->epochs, bar, (long long)p->step,
            (long long)p->steps, p->samples_per_s);
    show_time(b->to, left);
    fprintf(b->to, " left");
    show_logs(b->to, p->logs);
    fprintf(b->to, "\033[K");
    fflush(b->to);
}

void qni_bar_show(struct qni_bar *b, const qn_progress *p)
{
    if (!b->to)
        return;
    if (p->event == QN_EVENT_EPOCH_END) {
        fprintf(b->to, "%sEpoch %d/%d  ", b->terminal ? "\r" : "", p->epoch + 1, p->epochs);
        show_time(b->to, p->seconds);
        fprintf(b->to, "  %.0f samples/s", p->samples_per_s);
        show_logs(b->to, p->logs);
        fprintf(b->to, b->terminal ? "\033[K\n" : "\n");
        fflush(b->to);
    } else if (p->event == QN_EVENT_STEP && b->terminal) {
        show_bar(b, p);
    }
}
