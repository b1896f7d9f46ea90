/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The self-test of a device by a helper program, and its verdict. */
#ifndef QNI_QUALIFY_H
#define QNI_QUALIFY_H

#include "device/device.h"

#define QNI_MAX_FINDINGS 64 /* a device with more is not used */

/* Checks that something follows from, by their names in the helper. */
#define QNI_CHECK_BINARIES  "device: program binaries"
#define QNI_CHECK_QUEUES    "device: two queues"
#define QNI_CHECK_FINISH    "device: clFinish waits"
#define QNI_CHECK_HALF      "device: half precision"
#define QNI_CHECK_SUBGROUPS "device: sub-groups"
#define QNI_CHECK_THREADS   "device: several threads"

/* The descriptor that the helper writes to. */
#define QNI_HELPER_FD 3

/* ---- verdict.c ---- */

/* What failed: an algorithm, "op/algorithm", once, or a check. */
struct qni_finding {
    char name[64];
    char reason[188];
    uint32_t algorithm;
};

/* How much is tested. */
enum qni_level {
    QNI_LEVEL_ALL,
    QNI_LEVEL_QUICK, /* of algorithms, those that are preferred on the device, and the last resort of each operation */
    QNI_LEVEL_BRIEF  /* what a device cannot be used without; of algorithms, the preferred one of each such operation */
};

/* As it is kept, without the findings that are not there. state: enum qn_verdict_state; level: enum qni_level. finding[0] tells
 * why it is bad. */
struct qni_verdict {
    uint32_t state, level, passed, failed, skipped, findings;
    char qualified[512]; /* as qni_caps.qualified */
    struct qni_finding finding[QNI_MAX_FINDINGS];
};

/* This device, driver and version of the library, and the shape that algorithms have for it. */
uint64_t qni_verdict_key(const struct qni_caps *caps);
/* QN_VERDICT_UNTESTED where nothing is kept, or what is kept is damaged. */
void qni_verdict_get(struct qni_verdict *out, const qn_context *ctx, const struct qni_caps *caps);
void qni_verdict_put(const qn_context *ctx, const struct qni_caps *caps, const struct qni_verdict *v);
/* What follows for the device: caps of a probe, not yet changed by another verdict. */
void qni_verdict_apply(struct qni_caps *caps, const struct qni_verdict *v);
/* The same with the verdict that is kept, unless $QUERN_QUALIFY says "ignore". */
void qni_verdict_use(struct qni_caps *caps, const qn_context *ctx);
/* Why an algorithm is left out; NULL: it is not. */
const struct qni_finding *qni_verdict_find(const struct qni_verdict *v, const char *op, const char *algo);
void qni_verdict_brief(qn_verdict *out, const struct qni_verdict *v);

/* ---- helper.c: a helper program, its lines, its end ---- */

enum qni_helper_end {
    QNI_HELPER_RUNS,
    QNI_HELPER_ENDED,
    QNI_HELPER_CRASHED,
    QNI_HELPER_TIMED_OUT
};

struct qni_helper {
    long pid;
    int out, err;          /* where its lines and its complaints are read */
    bool out_closed, err_closed;
    enum qni_helper_end end;
    char how[64];          /* "signal 11 (SIGSEGV)", "status 1" */
    char complaint[160];   /* the last line it, or the driver, wrote to stderr */
    char text[4096];       /* read and not yet handed out */
    size_t used;
    bool skipping;         /* the rest of a line that is too long */
    double processor_s;    /* that its threads took when they were last looked at */
};

/* Where it is; QN_E_IO names where it was sought. */
qn_status qni_helper_find(char *path, size_t bytes, const qn_context *ctx);
/* argv[0] is path; NULL-terminated. */
qn_status qni_helper_start(struct qni_helper *h, const char *path, char *const argv[]);
/* The next line, at the latest after limit_s seconds, or NULL when there is none: h->end says why. */
const char *qni_helper_line(struct qni_helper *h, char *line, size_t bytes, int limit_s);
/* End it and its children, where they still run. */
void qni_helper_stop(struct qni_helper *h);

/* ---- qualify.c ---- */

/* Test a device as it was found, and keep the verdict; that of a brief test only when it is good. level counts, not opt->quick. */
qn_status qni_qualify(struct qni_verdict *out, qn_context *ctx, const struct qni_found *found, enum qni_level level,
                      const qn_qualify_opt *opt);
/* Is a device to be tested when it is opened first? */
bool qni_qualify_first(const qn_context *ctx, const struct qni_found *found);
/* The device that select means, whatever its verdict; give all that were found back with qni_free(ctx, found). */
qn_status qni_qualify_find(struct qni_found **found, size_t *chosen, qn_context *ctx, const char *select);
/* Do so, unless another process is faster, and let the verdict count; false where the test cannot be made, or its verdict not
 * be kept, which is logged. */
bool qni_qualify_once(struct qni_found *found, qn_context *ctx);

#endif
