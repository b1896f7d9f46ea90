/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * What the self-test of a device found (qualify.c), kept for later processes, and what follows from it. */
#include <stdio.h>

#include <quern/version.h>

#include "device/qualify.h"

#define KIND "verdict"

/* Checks whose failure takes something from a device and leaves the rest; the others are told, or end its use. */
static const struct {
    const char *check;
    unsigned quirks;
    bool fp16, subgroups;
} effects[] = {
    { QNI_CHECK_BINARIES, QNI_QUIRK_NO_BINARIES, false, false },
    { QNI_CHECK_QUEUES, QNI_QUIRK_ONE_QUEUE, false, false },
    { QNI_CHECK_FINISH, QNI_QUIRK_FINISH, false, false },
    { QNI_CHECK_THREADS, QNI_QUIRK_ONE_THREAD, false, false },
    { QNI_CHECK_HALF, 0, true, false },
    { QNI_CHECK_SUBGROUPS, 0, false, true },
};

uint64_t qni_verdict_key(const struct qni_caps *caps)
{
    uint64_t key = qni_hash(qni_device_key(caps, "verdict 2"), &caps->shape, sizeof(caps->shape));

    return qni_hash(key, &caps->vector, sizeof(caps->vector));
}

static size_t kept_bytes(const struct qni_verdict *v)
{
    return offsetof(struct qni_verdict, finding) + v->findings * sizeof(v->finding[0]);
}

void qni_verdict_get(struct qni_verdict *out, const qn_context *ctx, const struct qni_caps *caps)
{
    unsigned char *data = NULL;
    size_t bytes = 0;

    memset(out, 0, sizeof(*out));
    if (qni_store_get(ctx, qni_verdict_key(caps), KIND, &data, &bytes) != QN_OK || !data)
        return;
    if (bytes >= offsetof(struct qni_verdict, finding) && bytes <= sizeof(*out))
        memcpy(out, data, bytes);
    qni_free(ctx, &data);
    if (out->state > QN_VERDICT_BAD || out->findings > QNI_MAX_FINDINGS || bytes != kept_bytes(out)) {
        memset(out, 0, sizeof(*out));
        return;
    }
    out->qualified[sizeof(out->qualified) - 1] = '\0';
    for (size_t i = 0; i < out->findings; i++) {
        out->finding[i].name[sizeof(out->finding[i].name) - 1] = '\0';
        out->finding[i].reason[sizeof(out->finding[i].reason) - 1] = '\0';
    }
}

void qni_verdict_put(const qn_context *ctx, const struct qni_caps *caps, const struct qni_verdict *v)
{
    qni_store_put(ctx, qni_verdict_key(caps), KIND, v, kept_bytes(v));
}

static bool has_finding(const struct qni_verdict *v, const char *name)
{
    for (size_t i = 0; i < v->findings; i++)
        if (!strcmp(v->finding[i].name, name))
            return true;
    return false;
}

void qni_verdict_apply(struct qni_caps *caps, const struct qni_verdict *v)
{
    size_t used = 0;

    caps->verdict = (qn_verdict_state)v->state;
    caps->left_out[0] = caps->failed[0] = '\0';
    caps->tested_quirks = 0;
    snprintf(caps->qualified, sizeof(caps->qualified), "%s", v->qualified);
    if (v->state == QN_VERDICT_BAD)
        snprintf(caps->failed, sizeof(caps->failed),
                 "it failed its self-test: %.60s: %.120s; quern devices --qualify tests it again", v->finding[0].name,
                 v->finding[0].reason);
    for (size_t i = 0; i < v->findings && used < sizeof(caps->left_out); i++)
        if (v->finding[i].algorithm)
            used += (size_t)snprintf(caps->left_out + used, sizeof(caps->left_out) - used, "%s ", v->finding[i].name);
    for (size_t i = 0; i < QNI_COUNT(effects); i++) {
        if (!has_finding(v, effects[i].check))
            continue;
        caps->tested_quirks |= effects[i].quirks & ~caps->quirks;
        caps->quirks |= effects[i].quirks;
        caps->binaries = caps->binaries && !(effects[i].quirks & QNI_QUIRK_NO_BINARIES);
        caps->fp16 = caps->fp16 && !effects[i].fp16;
        caps->subgroups = caps->subgroups && !effects[i].subgroups;
    }
}

void qni_verdict_use(struct qni_caps *caps, const qn_context *ctx)
{
    const char *asked = qni_env(ctx, "QUERN_QUALIFY");
    struct qni_verdict v;

    if (asked && !strcmp(asked, "ignore"))
        return;
    qni_verdict_get(&v, ctx, caps);
    qni_verdict_apply(caps, &v);
}

/* Is "op/algorithm" among the words of a list? */
static bool is_listed(const char *list, const char *op, const char *algo)
{
    size_t op_bytes = strlen(op), algo_bytes = strlen(algo);

    for (const char *s = list; *s;) {
        size_t n = strcspn(s, " ");

        if (n == op_bytes + 1 + algo_bytes && !strncmp(s, op, op_bytes) && s[op_bytes] == '/' &&
            !strncmp(s + op_bytes + 1, algo, algo_bytes))
            return true;
        s += n + (s[n] == ' ');
    }
    return false;
}

bool qni_caps_left_out(const struct qni_caps *caps, const char *op, const char *algo)
{
    return is_listed(caps->left_out, op, algo);
}

bool qni_caps_qualified(const struct qni_caps *caps, const char *op, const char *algo)
{
    return is_listed(caps->qualified, op, algo);
}

const struct qni_finding *qni_verdict_find(const struct qni_verdict *v, const char *op, const char *algo)
{
    char name[sizeof(v->finding[0].name)];

    snprintf(name, sizeof(name), "%s/%s", op, algo);
    for (size_t i = 0; i < v->findings; i++)
        if (v->finding[i].algorithm && !strcmp(v->finding[i].name, name))
            return &v->finding[i];
    return NULL;
}

void qni_verdict_brief(qn_verdict *out, const struct qni_verdict *v)
{
    static const char *const levels[] = { "", ", only algorithms that are preferred here",
                                          " before its first use; quern devices --qualify makes more" };
    const char *level = v->level < QNI_COUNT(levels) ? levels[v->level] : "";
    size_t used = 0;

    memset(out, 0, sizeof(*out));
    out->state = (qn_verdict_state)v->state;
    out->quick = v->level != QNI_LEVEL_ALL;
    out->passed = (int)v->passed;
    out->failed = (int)v->failed;
    out->skipped = (int)v->skipped;
    for (size_t i = 0; i < v->findings; i++) {
        if (!v->finding[i].algorithm)
            continue;
        out->left_out++;
        if (used < sizeof(out->algorithms))
            used += (size_t)snprintf(out->algorithms + used, sizeof(out->algorithms) - used, "%s%s", used ? " " : "",
                                     v->finding[i].name);
    }
    if (v->state == QN_VERDICT_UNTESTED)
        snprintf(out->text, sizeof(out->text), "not tested: quern devices --qualify does it");
    else if (v->state == QN_VERDICT_GOOD)
        snprintf(out->text, sizeof(out->text), "good: all of %u checks%s", v->passed, level);
    else if (v->findings)
        snprintf(out->text, sizeof(out->text), "%s: %u of %u checks failed%s, %.80s: %.120s",
                 v->state == QN_VERDICT_BAD ? "bad" : "partly good", v->failed, v->passed + v->failed, level,
                 v->finding[0].name, v->finding[0].reason);
}

const char *qn_verdict_name(qn_verdict_state state)
{
    static const char *const names[] = { "not tested", "good", "partly", "bad" };

    return (unsigned)state < QNI_COUNT(names) ? names[state] : "?";
}
