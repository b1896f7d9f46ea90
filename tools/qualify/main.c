/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * usage: quern-qualify --device P:D [--from N] [--only TEXT] [--quick | --brief] [--no-environment] [--gaps]
 *
 * The library and `quern devices --qualify` start it (src/device/qualify.c); without descriptor 3 it writes to stdout.
 * --from leaves out the first N checks; --quick and --brief are levels of qualify.h. For tests: --only leaves out those whose
 * names have not TEXT, or one of several that are separated by '|', and --gaps lists what no check runs. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif
#include <sys/resource.h>
#include <unistd.h>

#include "checks.h"
#include "device/qualify.h"
#include "operations.h"

#define LONGEST_S 3600 /* nobody waits for longer */

struct wanted {
    const char *device, *only;
    int from;
    enum qni_level level;
    bool no_environment, gaps;
};

static bool read_arguments(struct wanted *w, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *next = i + 1 < argc ? argv[i + 1] : NULL;

        if (!strcmp(argv[i], "--device") && next)
            w->device = argv[++i];
        else if (!strcmp(argv[i], "--from") && next)
            w->from = atoi(argv[++i]);
        else if (!strcmp(argv[i], "--only") && next)
            w->only = argv[++i];
        else if (!strcmp(argv[i], "--quick"))
            w->level = QNI_LEVEL_QUICK;
        else if (!strcmp(argv[i], "--brief"))
            w->level = QNI_LEVEL_BRIEF;
        else if (!strcmp(argv[i], "--no-environment"))
            w->no_environment = true;
        else if (!strcmp(argv[i], "--gaps"))
            w->gaps = true;
        else
            return false;
    }
    return w->device != NULL;
}

/* End with whoever started it, and leave no core file. */
static void be_a_helper(void)
{
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
    setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
    alarm(LONGEST_S);
}

int main(int argc, char **argv)
{
    struct wanted w = { 0 };
    qn_context *ctx = NULL;
    qn_device *dev = NULL;
    qn_context_opt opt = { .store_dir = "", .no_helper = true };
    qn_status st;
    bool begun;
    int code = EXIT_SUCCESS;

    if (!read_arguments(&w, argc, argv)) {
        fprintf(stderr, "usage: quern-qualify --device P:D [--from N] [--only TEXT] [--quick | --brief] [--no-environment] "
                        "[--gaps]\n");
        return 2;
    }
    be_a_helper();
    opt.no_environment = w.no_environment;
    report_start(fcntl(QNI_HELPER_FD, F_GETFD) < 0 ? STDOUT_FILENO : QNI_HELPER_FD, w.from, w.only,
                 w.level == QNI_LEVEL_BRIEF);
    begun = check_begin("device: opened", true);
    if ((st = qn_context_create(&ctx, &opt)) || (st = qn_device_open(&dev, ctx, w.device)))
        check_fail("%s", qn_last_error());
    if (begun)
        check_end();
    if (!st) {
        report_device(qni_verdict_key(&dev->caps));
        check_basics(dev);
        check_features(dev);
        check_builtins(dev);
        check_queues(dev);
        check_resources(dev);
        check_operations(dev, w.level);
        check_blas(dev, w.level);
    }
    report_done();
    if (w.gaps)
        code = operations_gaps() ? EXIT_FAILURE : EXIT_SUCCESS;
    qn_device_close(&dev);
    qn_context_destroy(&ctx);
    return code;
}
