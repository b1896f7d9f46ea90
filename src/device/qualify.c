/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * The self-test of a device. The checks are made by a helper program (tools/qualify), which writes a line before and after each;
 * when it ends early, the check that it had begun has failed, and another helper goes on after it. */
#include <stdio.h>

#include <quern/version.h>

#include "device/qualify.h"

#define LIMIT_S       120 /* for one check: a cold compiler on a busy machine is slow too */
#define MOST_STARTS   16  /* a device that ends more helpers is not used */
#define MOST_TIMEOUTS 3
#define MOST_ALGOS    512
#define LINE          1200

/* An algorithm, "op/algorithm", that passed a check or more; one that failed another has a finding. */
struct tested_algo {
    char name[64];
    bool needed, passed;
    bool qualifies;        /* it is off where it did not pass */
};

struct session {
    qn_context *ctx;
    const struct qni_found *found;
    enum qni_level level;
    const qn_qualify_opt *opt;
    struct qni_verdict *v;
    char path[1024];
    int next;              /* the check to begin with */
    char begun[128];       /* the check that runs, or "" */
    bool needed;
    bool greeted, known;   /* it is our helper; it sees the same device */
    bool done;
    char bad[64];          /* the finding that rules the device out, or "" */
    struct tested_algo algo[MOST_ALGOS];
    size_t algos;
};

/* ---- its lines: flat objects, whose texts hold no quotation mark that is not escaped ---- */

static const char *find_member(const char *line, const char *key)
{
    char pattern[32];
    const char *at;

    snprintf(pattern, sizeof(pattern), "\"%s\":", key);
    at = strstr(line, pattern);
    return at ? at + strlen(pattern) : NULL;
}

static bool get_text(const char *line, const char *key, char *out, size_t bytes)
{
    const char *s = find_member(line, key);
    size_t n = 0;

    out[0] = '\0';
    if (!s || *s++ != '"')
        return false;
    while (*s && *s != '"' && n + 1 < bytes) {
        s += *s == '\\' && s[1];
        out[n++] = *s++;
    }
    out[n] = '\0';
    return true;
}

static double get_number(const char *line, const char *key)
{
    const char *s = find_member(line, key);
    double v = 0;

    return s && qni_parse_number(s, strcspn(s, ",}"), &v) ? v : 0;
}

/* ---- what they say ---- */

static bool has_finding(const struct qni_verdict *v, const char *name)
{
    for (size_t i = 0; i < v->findings; i++)
        if (!strcmp(v->finding[i].name, name))
            return true;
    return false;
}

static void add_finding(struct session *s, const char *name, bool algorithm, const char *reason)
{
    struct qni_verdict *v = s->v;
    struct qni_finding *f;

    if (has_finding(v, name))
        return;
    if (v->findings == QNI_MAX_FINDINGS) {
        snprintf(s->bad, sizeof(s->bad), "%s", v->finding[0].name);
        return;
    }
    f = &v->finding[v->findings++];
    snprintf(f->name, sizeof(f->name), "%s", name);
    snprintf(f->reason, sizeof(f->reason), "%.*s", (int)sizeof(f->reason) - 1, reason);
    f->algorithm = algorithm;
}

static void note_algorithm(struct session *s, const char *name, bool passed, bool qualifies)
{
    size_t i = 0;

    while (i < s->algos && strcmp(s->algo[i].name, name) != 0)
        i++;
    if (i == MOST_ALGOS)
        return;
    if (i == s->algos)
        snprintf(s->algo[s->algos++].name, sizeof(s->algo[i].name), "%s", name);
    s->algo[i].needed = s->needed;
    s->algo[i].passed = s->algo[i].passed || passed;
    s->algo[i].qualifies = s->algo[i].qualifies || qualifies;
}

/* A check is over. "op/algorithm: case" is one of an algorithm, anything else one of the device. */
static void note_result(struct session *s, qn_check_result result, double ms, const char *text, bool qualifies)
{
    const char *slash = strchr(s->begun, '/'), *colon = strstr(s->begun, ": ");
    const bool algorithm = slash && colon && slash < colon, failed = result != QN_CHECK_PASSED && result != QN_CHECK_SKIPPED;
    char name[sizeof(s->v->finding[0].name)], reason[320];
    const qn_check check = { .name = s->begun, .text = text, .result = result, .needed = s->needed, .ms = ms };

    s->v->passed += result == QN_CHECK_PASSED;
    s->v->skipped += result == QN_CHECK_SKIPPED;
    s->v->failed += failed;
    snprintf(name, sizeof(name), "%.*s", algorithm ? (int)(colon - s->begun) : (int)strlen(s->begun), s->begun);
    if (failed && algorithm)
        snprintf(reason, sizeof(reason), "%.60s: %.250s", colon + 2, text);
    else
        snprintf(reason, sizeof(reason), "%.300s", text);
    if (failed)
        add_finding(s, name, algorithm, reason);
    if (algorithm)
        note_algorithm(s, name, result == QN_CHECK_PASSED, qualifies);
    else if (failed && s->needed && !*s->bad)
        snprintf(s->bad, sizeof(s->bad), "%s", name);
    if (s->opt->visit)
        s->opt->visit(s->opt->user, &check);
    s->begun[0] = '\0';
}

static qn_check_result result_of(const char *word)
{
    return !strcmp(word, "passed") ? QN_CHECK_PASSED : !strcmp(word, "skipped") ? QN_CHECK_SKIPPED : QN_CHECK_FAILED;
}

static qn_status read_greeting(struct session *s, const char *line)
{
    char version[32];

    if (!get_text(line, "quern", version, sizeof(version)))
        return qni_error(QN_E_FORMAT, "%.300s is not Quern's helper program", s->path);
    if (strcmp(version, QN_VERSION_STRING) != 0)
        return qni_error(QN_E_FORMAT, "the helper program %.300s is of Quern %s, and this is " QN_VERSION_STRING, s->path, version);
    s->greeted = true;
    return QN_OK;
}

static qn_status read_line(struct session *s, const char *line)
{
    char text[400], word[sizeof(s->begun)];

    if (!s->greeted)
        return read_greeting(s, line);
    if (get_text(line, "device", word, sizeof(word))) {
        snprintf(text, sizeof(text), "%016llx", (unsigned long long)qni_verdict_key(&s->found->caps));
        s->known = !strcmp(text, word);
        return s->known ? QN_OK : qni_error(QN_E_DEVICE, "the helper program sees another device than %s at %d:%d",
                                            s->found->caps.name, s->found->info.platform_index, s->found->info.device_index);
    }
    if (get_text(line, "begin", word, sizeof(word))) {
        memcpy(s->begun, word, sizeof(s->begun));
        s->needed = strstr(line, "\"needed\":true") != NULL;
        s->next++;
    } else if (get_text(line, "end", word, sizeof(word)) && !strcmp(word, s->begun)) {
        const double gflops = get_number(line, "gflops"), gbytes = get_number(line, "gbytes_per_s");

        if (gflops > 0 && gbytes > 0)
            qni_speed_put(s->ctx, &s->found->caps, gflops, gbytes);
        get_text(line, "text", text, sizeof(text));
        get_text(line, "result", word, sizeof(word));
        note_result(s, result_of(word), get_number(line, "ms"), text, strstr(line, "\"qualifies\":true") != NULL);
    } else if (find_member(line, "done")) {
        s->done = true;
        if ((int)get_number(line, "done") != s->next || !s->known)
            return qni_error(QN_E_FORMAT, "the helper program %.300s says that it made %g checks, and told of %d", s->path,
                             get_number(line, "done"), s->next);
    }
    return QN_OK;
}

/* ---- one helper after another ---- */

static qn_status start(struct session *s, struct qni_helper *h)
{
    char place[32], from[16];
    const char *const fixed[] = { s->path, "--device", place, "--from", from };
    char *argv[8] = { NULL };
    size_t n = 0;

    snprintf(place, sizeof(place), "%d:%d", s->found->info.platform_index, s->found->info.device_index);
    snprintf(from, sizeof(from), "%d", s->next);
    for (; n < QNI_COUNT(fixed); n++)
        argv[n] = (char *)fixed[n]; /* as posix_spawn has it; it changes nothing */
    if (s->level != QNI_LEVEL_ALL)
        argv[n++] = (char *)(s->level == QNI_LEVEL_QUICK ? "--quick" : "--brief");
    if (s->ctx->opt.no_environment)
        argv[n++] = (char *)"--no-environment";
    s->greeted = s->known = false;
    return qni_helper_start(h, s->path, argv);
}

/* Read one helper to its end. */
static qn_status follow(struct session *s, struct qni_helper *h)
{
    const int limit_s = s->opt->limit_s ? s->opt->limit_s : LIMIT_S;
    char line[LINE];
    qn_status st = QN_OK;

    while (!st && !s->done && qni_helper_line(h, line, sizeof(line), limit_s))
        st = read_line(s, line);
    return st;
}

/* The helper ended before it was done: by the check that it had begun, if any. */
static qn_status note_end(struct session *s, const struct qni_helper *h)
{
    const bool late = h->end == QNI_HELPER_TIMED_OUT;
    char text[320];

    if (!s->greeted && !late)
        return qni_error(QN_E_IO, "the helper program %.300s ended at once, %s%s%s", s->path, h->how, *h->complaint ? ": " : "",
                         h->complaint);
    snprintf(text, sizeof(text), "%s, %s%s%s", late ? "timed out" : "crashed", h->how, *h->complaint ? ": " : "", h->complaint);
    if (!*s->begun) { /* between checks: the device did not even open once more */
        snprintf(s->begun, sizeof(s->begun), "device: opened again");
        s->needed = true;
    }
    note_result(s, late ? QN_CHECK_TIMED_OUT : QN_CHECK_CRASHED, 0, text, false);
    return QN_OK;
}

/* Is there an algorithm of an operation that failed no check? name: one of them. */
static bool is_computed(const struct session *s, const char *name)
{
    const size_t op = strcspn(name, "/") + 1;

    for (size_t i = 0; i < s->algos; i++)
        if (!strncmp(s->algo[i].name, name, op) && s->algo[i].passed && !has_finding(s->v, s->algo[i].name))
            return true;
    return false;
}

/* Those that passed every check, of those that are off otherwise. */
static void note_qualified(struct session *s)
{
    char *out = s->v->qualified;
    size_t used = 0;

    for (size_t i = 0; i < s->algos; i++) {
        const char *name = s->algo[i].name;

        if (s->algo[i].qualifies && s->algo[i].passed && !has_finding(s->v, name) &&
            used + strlen(name) + 2 <= sizeof(s->v->qualified))
            used += (size_t)snprintf(out + used, sizeof(s->v->qualified) - used, "%s ", name);
    }
}

/* What rules the device out is a finding of its own. */
static void rule_out(struct session *s, const char *name, const char *reason)
{
    if (*s->bad)
        return;
    s->v->findings = QNI_MIN(s->v->findings, QNI_MAX_FINDINGS - 1);
    snprintf(s->bad, sizeof(s->bad), "%s", name);
    add_finding(s, name, false, reason);
}

static void judge(struct session *s, bool slow)
{
    struct qni_verdict *v = s->v;
    char reason[128], op[64];

    for (size_t i = 0; i < s->algos && s->level != QNI_LEVEL_BRIEF; i++) /* which tries one of each operation */
        if (s->algo[i].needed && !is_computed(s, s->algo[i].name)) {
            snprintf(op, sizeof(op), "%.*s", (int)strcspn(s->algo[i].name, "/"), s->algo[i].name);
            snprintf(reason, sizeof(reason), "no algorithm computes %s rightly", op);
            rule_out(s, op, reason);
        }
    note_qualified(s);
    if (!s->done)
        rule_out(s, "device: lives through its checks", slow ? "too many do not end" : "too many end the program");
    for (uint32_t i = 0; i < v->findings && *s->bad; i++) /* it stands first */
        if (!strcmp(v->finding[i].name, s->bad)) {
            const struct qni_finding first = v->finding[i];

            v->finding[i] = v->finding[0];
            v->finding[0] = first;
        }
    v->state = *s->bad ? QN_VERDICT_BAD : v->findings ? QN_VERDICT_PARTLY : QN_VERDICT_GOOD;
}

static qn_status run(struct session *s)
{
    int starts = 0, timeouts = 0;
    qn_status st;

    if ((st = qni_helper_find(s->path, sizeof(s->path), s->ctx)))
        return st;
    while (!st && !s->done && starts < MOST_STARTS && timeouts < MOST_TIMEOUTS) {
        struct qni_helper h;

        if ((st = start(s, &h)))
            return st;
        starts++;
        st = follow(s, &h);
        qni_helper_stop(&h);
        if (!st && !s->done)
            st = note_end(s, &h);
        timeouts += h.end == QNI_HELPER_TIMED_OUT;
    }
    if (!st)
        judge(s, timeouts >= MOST_TIMEOUTS);
    return st;
}

qn_status qni_qualify(struct qni_verdict *out, qn_context *ctx, const struct qni_found *found, enum qni_level level,
                      const qn_qualify_opt *opt)
{
    struct session *s = NULL;
    qn_status st;

    memset(out, 0, sizeof(*out));
    if (ctx->opt.no_helper)
        return qni_error(QN_E_UNSUPPORTED, "the context starts no helper programs");
    if ((st = qni_calloc(ctx, &s, 1, sizeof(*s))))
        return st;
    s->ctx = ctx;
    s->found = found;
    s->level = level;
    s->opt = opt;
    s->v = out;
    out->level = (uint32_t)level;
    if (!(st = run(s)) && (level != QNI_LEVEL_BRIEF || out->state == QN_VERDICT_GOOD))
        qni_verdict_put(ctx, &found->caps, out);
    qni_free(ctx, &s);
    return st;
}

bool qni_qualify_first(const qn_context *ctx, const struct qni_found *found)
{
    const char *asked = qni_env(ctx, "QUERN_QUALIFY");

    if (ctx->opt.no_helper || !ctx->store_dir || found->caps.verdict || found->caps.quirks & QNI_QUIRK_ASK)
        return false;
    return asked ? !strcmp(asked, "first") : ctx->opt.qualify;
}

/* The quick test is a matter of seconds on a GPU, with a CPU's compilers one of minutes: there the brief one is made, and the
 * quick one where that finds something. */
static qn_status test_first(struct qni_verdict *v, qn_context *ctx, const struct qni_found *found)
{
    const bool brief = found->caps.type == CL_DEVICE_TYPE_CPU;
    const qn_qualify_opt none = { 0 };
    const char *name = found->caps.name;
    char path[1024];
    qn_status st;

    if ((st = qni_helper_find(path, sizeof(path), ctx)))
        return st;
    qni_log(ctx, QN_LOG_WARNING, "%s is tested before its first use%s (QUERN_QUALIFY=never leaves that out)", name,
            brief ? ", some seconds" : "");
    st = qni_qualify(v, ctx, found, brief ? QNI_LEVEL_BRIEF : QNI_LEVEL_QUICK, &none);
    if (!st && brief && v->state != QN_VERDICT_GOOD) {
        qni_log(ctx, QN_LOG_WARNING, "%s: %s: %s: more is tested, some minutes", name, v->finding[0].name, v->finding[0].reason);
        st = qni_qualify(v, ctx, found, QNI_LEVEL_QUICK, &none);
    }
    return st;
}

bool qni_qualify_once(struct qni_found *found, qn_context *ctx)
{
    const int lock = qni_store_lock(ctx, qni_verdict_key(&found->caps), QNI_STORE_LOCK_MS);
    struct qni_verdict v;
    qn_status st = QN_OK;

    qni_verdict_get(&v, ctx, &found->caps);
    if (!v.state && lock < 0) /* it would be tested at every start */
        st = qni_error(QN_E_UNSUPPORTED, "%.300s keeps no verdict", ctx->store_dir);
    else if (!v.state)
        st = test_first(&v, ctx, found);
    if (st)
        qni_log(ctx, st == QN_E_UNSUPPORTED ? QN_LOG_INFO : QN_LOG_WARNING, "%s is used untested: %s", found->caps.name,
                qn_last_error());
    qni_store_unlock(lock);
    qni_verdict_apply(&found->caps, &v);
    found->info.verdict = found->caps.verdict;
    return v.state != QN_VERDICT_UNTESTED;
}

qn_status qni_qualify_find(struct qni_found **found, size_t *chosen, qn_context *ctx, const char *select)
{
    const struct qni_cl *cl;
    size_t n;
    qn_status st;

    if ((st = qni_cl_get(&cl, ctx)) || (st = qni_device_find(found, &n, ctx, cl)))
        return st;
    for (size_t i = 0; i < n; i++)
        (*found)[i].caps.failed[0] = '\0';
    return qni_device_choose(chosen, ctx, *found, n, select);
}

/* ---- public ---- */

qn_status qn_device_verdict(qn_verdict *out, qn_context *ctx, const char *select)
{
    qn_status st;
    qn_context *c = NULL;
    struct qni_found *found = NULL;
    struct qni_verdict v;
    size_t i = 0;

    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    if ((st = qni_context_get(&c, ctx)) || (st = qni_qualify_find(&found, &i, c, select)))
        goto done;
    qni_verdict_get(&v, c, &found[i].caps);
    qni_verdict_brief(out, &v);
done:
    if (c) {
        qni_free(c, &found);
        qni_context_release(&c);
    }
    return st;
}

qn_status qn_device_qualify(qn_verdict *out, qn_context *ctx, const char *select, const qn_qualify_opt *opt)
{
    const qn_qualify_opt none = { 0 };
    qn_status st;
    qn_context *c = NULL;
    struct qni_found *found = NULL;
    struct qni_verdict v;
    size_t i = 0;

    if (!out)
        return qni_error(QN_E_ARG, "out is NULL");
    opt = opt ? opt : &none;
    for (size_t k = 0; k < QNI_COUNT(opt->reserved); k++)
        if (opt->reserved[k])
            return qni_error(QN_E_ARG, "reserved[%zu] of the options is not zero", k);
    if (opt->limit_s < 0)
        return qni_error(QN_E_ARG, "limit_s is %d, expected 0 or more", opt->limit_s);
    if ((st = qni_context_get(&c, ctx)) || (st = qni_qualify_find(&found, &i, c, select)) ||
        (st = qni_qualify(&v, c, &found[i], opt->quick ? QNI_LEVEL_QUICK : QNI_LEVEL_ALL, opt)))
        goto done;
    qni_verdict_brief(out, &v);
done:
    if (c) {
        qni_free(c, &found);
        qni_context_release(&c);
    }
    return st;
}
