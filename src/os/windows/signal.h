/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT */
#ifndef QNI_WINDOWS_SIGNAL_H
#define QNI_WINDOWS_SIGNAL_H

#include_next <signal.h>

#include <pthread.h>

/* There are no masks: threads take no signals. A handler is always gone when it runs. */
#undef SIG_SETMASK
#undef pthread_sigmask
#define SIG_SETMASK   0
#define SA_RESETHAND  0
#define SA_RESTART    0
#define sigset_t      int
#define sigfillset(s) (*(s) = 0)
#define sigemptyset(s) (*(s) = 0)

struct sigaction {
    void (*sa_handler)(int number);
    int sa_flags;
    sigset_t sa_mask;
};

static inline int pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
    (void)how;
    (void)set;
    if (old)
        *old = 0;
    return 0;
}

static inline int sigaction(int number, const struct sigaction *a, struct sigaction *old)
{
    (void)old;
    return signal(number, a->sa_handler) == SIG_ERR ? -1 : 0;
}

#endif
