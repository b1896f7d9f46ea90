/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#include <signal.h>
#include <string.h>

#include "models.h"

static qn_model *volatile running;
static volatile sig_atomic_t caught;

/* qn_model_cancel() only sets an atomic flag. The handler is gone when it runs: a second signal ends the process. */
static void on_signal(int number)
{
    qn_model *m = running;

    caught = number;
    if (m)
        qn_model_cancel(m);
}

void signals_begin(qn_model *m)
{
    struct sigaction a;

    memset(&a, 0, sizeof(a));
    a.sa_handler = on_signal;
    a.sa_flags = (int)(SA_RESETHAND | SA_RESTART);
    sigemptyset(&a.sa_mask);
    running = m;
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
}

void signals_end(void)
{
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    running = NULL;
}

int signals_caught(void)
{
    return caught;
}

int signals_exit(const char *command, qn_status st)
{
    if (st == QN_E_CANCELLED && caught)
        return EXIT_SIGNAL + caught;
    return st ? report(command, st) : EXIT_DONE;
}

static qn_status look(void *user, qn_model *m, const qn_progress *p, bool *stop)
{
    (void)user;
    (void)p;
    (void)stop;
    if (caught)
        qn_model_cancel(m);
    return QN_OK;
}

qn_callback signals_callback(void)
{
    return (qn_callback){ .call = look };
}
