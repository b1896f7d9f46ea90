/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Sentences and their translations: a pair a line, with a TAB between. A sentence is in one part alone, with all its
 * translations. */
#include <stdlib.h>
#include <string.h>

#include "data/loader.h"
#include "data/text/text.h"
#include "models.h"

#ifdef QUERN_TOOL_DATA
#include <quern/data_open.h>
#endif

#define PIECES   4096 /* pairs of bytes that are known of each language, and the bytes */
#define LENGTH   20   /* of these of a sentence */
#define WRITTEN  24   /* and of its translation, with its end */
#define SHORTEST 30000 /* pairs of fra-eng that are used: they are sorted by length */

struct pair {
    const char *source, *target;
    int64_t place; /* of the sentence in the order of all different ones */
    int64_t line;
};

struct pairs {
    struct dataset *d;
    const struct dataset_options *opt;
    qn_lines *lines;
    struct pair *at;
    int64_t n, sentences, too_long;
};

static qn_status fail(const char *path, int64_t line, const char *what)
{
    char text[512];

    snprintf(text, sizeof(text), "%.300s:%lld: %.150s", path, (long long)line, what);
    return qn_error_set(QN_E_FORMAT, text);
}

static qn_status read_lines(qn_lines **out, const char *path, const qn_lines_opt *o)
{
#ifdef QUERN_TOOL_DATA
    return qn_lines_gz(out, path, o);
#else
    return qn_lines_read(out, path, o);
#endif
}

/* A third column is passed over. */
static qn_status add_line(struct pairs *p, struct qni_words *known, const char *path, char *line, int64_t number)
{
    char *tab = strchr(line, '\t'), *next = tab ? strchr(tab + 1, '\t') : NULL;
    int64_t sentence;
    qn_status st;

    if (!tab || tab == line || !tab[1] || next == tab + 1)
        return fail(path, number, "expected a sentence, a TAB and its translation");
    *tab = '\0';
    if (next)
        *next = '\0';
    if ((st = qni_words_add(known, line, strlen(line), &sentence)))
        return st;
    p->at[p->n++] = (struct pair){ .source = line, .target = tab + 1, .place = sentence, .line = number };
    return QN_OK;
}

static int by_place(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;

    if (x->place != y->place)
        return x->place < y->place ? -1 : 1;
    return (x->line > y->line) - (x->line < y->line);
}

/* Always in the same order. */
static qn_status mix(struct pairs *p)
{
    const size_t n = (size_t)p->sentences;
    uint64_t *order = qn_context_alloc(p->d->ctx, n * sizeof(*order));

    if (!order)
        return QN_E_HOST_MEMORY;
    qni_permutation64(order, n, 0, 0);
    for (int64_t i = 0; i < p->n; i++)
        p->at[i].place = (int64_t)order[p->at[i].place];
    qn_context_free(p->d->ctx, order);
    qsort(p->at, (size_t)p->n, sizeof(*p->at), by_place);
    return QN_OK;
}

static qn_status read_file(struct pairs *p, const char *path, int64_t most)
{
    struct qni_words known = { .ctx = p->d->ctx };
    qn_status st = read_lines(&p->lines, path, &(qn_lines_opt){ .context = p->d->ctx, .encoding = p->opt->encoding, .user = p->d,
                                                                .bad = p->opt->skip_bad ? dataset_bad : NULL });

    if (st)
        return st;
    if (!(p->at = qn_context_alloc(p->d->ctx, ((size_t)p->lines->lines + 1) * sizeof(*p->at))))
        return QN_E_HOST_MEMORY;
    for (int64_t i = 0; i < p->lines->lines && p->n < most && !st; i++) {
        if (!p->lines->line[i][strspn(p->lines->line[i], " \t")])
            continue;
        st = add_line(p, &known, path, p->lines->line[i], i + 1);
        if (st == QN_E_FORMAT && p->opt->skip_bad) {
            dataset_bad(p->d, qn_last_error());
            st = QN_OK;
        }
    }
    p->sentences = (int64_t)known.words;
    qni_words_free(&known);
    if (!st && !p->n)
        st = fail(path, p->lines->lines, "there is no pair");
    return st ? st : mix(p);
}

/* ---- preparations ---- */

static qn_status fit_one(qn_tokenizer **out, const struct pairs *p, int64_t train, bool target)
{
    const char **text = qn_context_alloc(p->d->ctx, ((size_t)train + 1) * sizeof(*text));
    qn_status st;

    if (!text)
        return QN_E_HOST_MEMORY;
    for (int64_t i = 0; i < train; i++)
        text[i] = target ? p->at[i].target : p->at[i].source;
    if (!(st = qn_tokenizer_create(out, &(qn_tokenizer_opt){ .context = p->d->ctx, .kind = QN_TOKENS_PAIRS, .limit = PIECES })))
        st = qn_tokenizer_fit(*out, text, train);
    qn_context_free(p->d->ctx, text);
    return st;
}

/* What follows the numbers of pairs begins and ends a translation. */
static qn_status fit(struct pairs *p, int64_t train)
{
    const qn_pad_opt behind = { .pad_behind = true, .cut_behind = true };
    qn_tokenizer *source = NULL, *target = NULL;
    struct dataset *d = p->d;
    int32_t mark;
    qn_status st;

    if ((st = fit_one(&source, p, train, false)) || (st = fit_one(&target, p, train, true)))
        goto done;
    mark = (int32_t)qn_tokenizer_size(target);
    if ((st = qn_prep_text(&d->input, source, LENGTH, &behind)) ||
        (st = qn_prep_text_marked(&d->second, target, WRITTEN, &behind, mark, 0)))
        goto done;
    st = qn_prep_text_marked(&d->target, target, WRITTEN, &behind, 0, mark + 1);
done:
    qn_tokenizer_destroy(&source);
    qn_tokenizer_destroy(&target);
    return st;
}

static qn_status saved(struct dataset *d, const qn_model *m)
{
    if (!translates(m) || qn_prep_get_kind(qn_model_prep(m, QN_FIELD_INPUT, 0)) != QN_PREP_TEXT)
        return qn_error_set(QN_E_SHAPE, "the saved model is none for these data");
    d->input = qn_prep_retain(qn_model_prep(m, QN_FIELD_INPUT, 0));
    d->second = qn_prep_retain(qn_model_prep(m, QN_FIELD_INPUT, 1));
    d->target = qn_prep_retain(qn_model_prep(m, QN_FIELD_TARGET, 0));
    return QN_OK;
}

/* ---- samples ---- */

static qn_status fits(const struct dataset *d, const struct pair *pair, bool *out)
{
    int64_t source = 0, target = 0;
    qn_status st;

    if ((st = qn_tokenizer_encode(qn_prep_tokenizer(d->input), pair->source, NULL, 0, &source)) ||
        (st = qn_tokenizer_encode(qn_prep_tokenizer(d->target), pair->target, NULL, 0, &target)))
        return st;
    *out = source <= qn_prep_field(d->input)->shape.dim[0] && target < qn_prep_field(d->target)->shape.dim[0];
    return QN_OK;
}

/* Those that are not too long; *train of them are to train on. */
static qn_status prepare(qn_dataset **out, struct pairs *p, int64_t places, int64_t *train)
{
    struct dataset *d = p->d;
    const int64_t S = qn_prep_field(d->input)->shape.dim[0], T = qn_prep_field(d->target)->shape.dim[0];
    int32_t *x = qn_context_alloc(d->ctx, (size_t)(p->n * S) * sizeof(*x));
    int32_t *so_far = qn_context_alloc(d->ctx, (size_t)(p->n * T) * sizeof(*so_far));
    int32_t *y = qn_context_alloc(d->ctx, (size_t)(p->n * T) * sizeof(*y));
    qn_array array[] = { { *qn_prep_field(d->input), x }, { *qn_prep_field(d->second), so_far }, { *qn_prep_field(d->target), y } };
    qn_status st = x && so_far && y ? QN_OK : QN_E_HOST_MEMORY;
    int64_t n = 0;

    array[0].field.name = "sentence";
    array[1].field.name = "so_far";
    array[2].field.name = "translation";
    array[2].field.role = QN_FIELD_TARGET;
    *train = 0;
    for (int64_t i = 0; i < p->n && !st; i++) {
        bool short_enough = false;

        if ((st = fits(d, &p->at[i], &short_enough)))
            break;
        if (!short_enough)
            continue;
        if (!(st = qn_prep_run(d->input, &(qn_raw){ .text = p->at[i].source }, x + n * S)) &&
            !(st = qn_prep_run(d->second, &(qn_raw){ .text = p->at[i].target }, so_far + n * T)))
            st = qn_prep_run(d->target, &(qn_raw){ .text = p->at[i].target }, y + n * T);
        *train += p->at[i].place < places;
        n++;
    }
    p->too_long = p->n - n;
    if (!st)
        st = qn_dataset_arrays(out, n, array, 3, &(qn_arrays_opt){ .context = d->ctx, .copy = true });
    qn_context_free(d->ctx, x);
    qn_context_free(d->ctx, so_far);
    qn_context_free(d->ctx, y);
    return st;
}

static qn_status describe(const struct pairs *p)
{
    char text[256];

    snprintf(text, sizeof(text), "%lld pairs of %lld sentences; %lld left out, which are longer than %lld and %lld numbers.\n\n",
             (long long)p->n, (long long)p->sentences, (long long)p->too_long,
             (long long)qn_prep_field(p->d->input)->shape.dim[0], (long long)qn_prep_field(p->d->target)->shape.dim[0] - 1);
    if (!(p->d->report_owned = qn_context_alloc(p->d->ctx, strlen(text) + 1)))
        return QN_E_HOST_MEMORY;
    strcpy(p->d->report_owned, text);
    p->d->report = p->d->report_owned;
    return QN_OK;
}

qn_status source_pairs(struct dataset *out, const struct task *t, const struct dataset_options *o, bool train)
{
    struct pairs p = { .d = out, .opt = o };
    const char *dir = o->dir ? o->dir : qn_context_env(out->ctx, "QUERN_DATA"), *colon = strchr(o->name, ':');
    int64_t places, first = 0;
    qn_dataset *all = NULL;
    char place[4096];
    qn_status st;

    if (t ? !t->pairs : !o->model)
        return qn_error_set(QN_E_SHAPE, "this model does not read sentences and their translations: use translate");
    if (!colon && !dir)
        return qn_error_set(QN_E_IO, "the folder that holds fra-eng is not known: name it by --data-dir or QUERN_DATA");
    snprintf(place, sizeof(place), "%.4000s/fra-eng/fra.txt.gz", colon ? "" : dir);
    if ((st = read_file(&p, colon ? colon + 1 : place, colon ? INT64_MAX : SHORTEST)))
        goto done;
    places = dataset_train_samples(p.sentences, o->split);
    while (first < p.n && p.at[first].place < places)
        first++;
    if ((st = o->model ? saved(out, o->model) : fit(&p, first)) ||
        (st = prepare(&all, &p, o->split > 0.0 ? places : 0, &first)) || (st = describe(&p)))
        goto done;
    if (!(st = qn_dataset_slice(&out->test, all, first, QN_ANY)) && train)
        st = qn_dataset_slice(&out->train, all, 0, first);
done:
    qn_dataset_close(&all);
    qn_lines_destroy(&p.lines);
    qn_context_free(out->ctx, p.at);
    return st;
}
