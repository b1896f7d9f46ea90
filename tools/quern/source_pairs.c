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
    int64_t place; /* of the sentence in the order of all different ones; at first a hash of it */
    int64_t line;  /* from 1 */
};

struct pairs {
    struct dataset *d;
    const struct dataset_options *opt;
    qn_lines *lines;    /* cut already; NULL: they are not kept, but read again */
    qn_line_file *file;
    struct pair *at;
    int64_t n, sentences, too_long;
    const char *path;
};

/* A pair: the sentence, and its translation behind the sentence's zero; the line may be changed. */
typedef qn_status use_pair(void *user, char *pair);

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
static qn_status cut(const char *path, char *line, int64_t number)
{
    char *tab = strchr(line, '\t'), *next = tab ? strchr(tab + 1, '\t') : NULL;

    if (!tab || tab == line || !tab[1] || next == tab + 1)
        return fail(path, number, "expected a sentence, a TAB and its translation");
    *tab = '\0';
    if (next)
        *next = '\0';
    return QN_OK;
}

static const char *translation(const char *pair)
{
    return pair + strlen(pair) + 1;
}

struct again {
    const struct pairs *p;
    int64_t line;
    use_pair *use;
    void *user;
};

static qn_status cut_again(void *user, char *text)
{
    const struct again *a = user;
    const qn_status st = cut(a->p->path, text, a->line);

    return st ? st : a->use(a->user, text);
}

static qn_status read_pair(const struct pairs *p, int64_t i, use_pair *use, void *user)
{
    const int64_t line = p->at[i].line;

    return p->lines ? use(user, p->lines->line[line - 1])
                    : qn_line_file_read(p->file, line - 1, cut_again, &(struct again){ p, line, use, user });
}

/* The line that comes next, whose number is user's. */
struct look {
    struct pairs *p;
    int64_t line;
};

static qn_status add_line(void *user, char *line)
{
    const struct look *k = user;
    struct pairs *p = k->p;
    qn_status st;

    if (!line[strspn(line, " \t")])
        return QN_OK;
    st = cut(p->path, line, k->line);
    if (st == QN_E_FORMAT && p->opt->skip_bad) {
        dataset_bad(p->d, qn_last_error());
        return QN_OK;
    }
    if (!st)
        p->at[p->n++] = (struct pair){ .place = (int64_t)(qni_hash_text(QNI_HASH_START, line) >> 1), .line = k->line };
    return st;
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

/* The hashes become numbers, in the order in which the sentences come first; two that share one are in one part, no more. */
static void number_sentences(struct pairs *p)
{
    int64_t hash = -1, first = 0;

    qsort(p->at, (size_t)p->n, sizeof(*p->at), by_place);
    for (int64_t i = 0; i < p->n; i++) {
        if (p->at[i].place != hash)
            first = p->at[i].line;
        hash = p->at[i].place;
        p->at[i].place = first;
    }
    qsort(p->at, (size_t)p->n, sizeof(*p->at), by_place);
    first = -1;
    for (int64_t i = 0; i < p->n; i++) {
        p->sentences += p->at[i].place != first;
        first = p->at[i].place;
        p->at[i].place = p->sentences - 1;
    }
}

static qn_status open_file(struct pairs *p, bool keep)
{
    const qn_lines_opt opt = { .context = p->d->ctx, .encoding = p->opt->encoding, .keep_bytes = keep ? 0 : p->opt->keep_mib << 20,
                               .user = p->d, .bad = p->opt->skip_bad ? dataset_bad : NULL };

    return keep ? read_lines(&p->lines, p->path, &opt) : qn_line_file_open(&p->file, p->path, &opt);
}

static qn_status read_file(struct pairs *p, int64_t most)
{
    const bool keep = !dataset_is_large(p->path, p->opt);
    struct look k = { .p = p };
    int64_t lines;
    qn_status st;

    if ((st = open_file(p, keep)))
        return st;
    lines = keep ? p->lines->lines : qn_line_file_lines(p->file);
    if (!(p->at = qn_context_alloc(p->d->ctx, ((size_t)lines + 1) * sizeof(*p->at))))
        return QN_E_HOST_MEMORY;
    while (k.line < lines && p->n < most && !st) {
        const int64_t line = k.line++;

        st = keep ? add_line(&k, p->lines->line[line]) : qn_line_file_read(p->file, line, add_line, &k);
    }
    if (!st && !p->n)
        st = fail(p->path, lines, "there is no pair");
    if (st)
        return st;
    number_sentences(p);
    return mix(p);
}

/* ---- preparations ---- */

struct texts {
    const struct pairs *p;
    bool target;
    char *text; /* a copy of one */
    size_t room;
};

static qn_status copy_text(void *user, char *pair)
{
    struct texts *t = user;
    const char *text = t->target ? translation(pair) : pair;
    const size_t bytes = strlen(text) + 1;

    if (bytes > t->room) {
        qn_context_free(t->p->d->ctx, t->text);
        t->room = 0;
        if (!(t->text = qn_context_alloc(t->p->d->ctx, 2 * bytes)))
            return QN_E_HOST_MEMORY;
        t->room = 2 * bytes;
    }
    memcpy(t->text, text, bytes);
    return QN_OK;
}

static qn_status next_text(void *user, int64_t i, const char **text)
{
    struct texts *t = user;
    const qn_status st = read_pair(t->p, i, copy_text, t);

    *text = t->text;
    return st;
}

static qn_status fit_one(qn_tokenizer **out, const struct pairs *p, int64_t train, bool target)
{
    struct texts t = { .p = p, .target = target };
    qn_status st;

    if (!(st = qn_tokenizer_create(out, &(qn_tokenizer_opt){ .context = p->d->ctx, .kind = QN_TOKENS_PAIRS, .limit = PIECES })))
        st = qn_tokenizer_fit_from(*out, &(qn_text_source){ train, next_text, &t });
    qn_context_free(p->d->ctx, t.text);
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

struct fitting {
    const struct dataset *d;
    bool fits;
};

static qn_status look_whether_it_fits(void *user, char *pair)
{
    struct fitting *f = user;
    const struct dataset *d = f->d;
    int64_t source = 0, target = 0;
    qn_status st;

    if ((st = qn_tokenizer_encode(qn_prep_tokenizer(d->input), pair, NULL, 0, &source)) ||
        (st = qn_tokenizer_encode(qn_prep_tokenizer(d->target), translation(pair), NULL, 0, &target)))
        return st;
    f->fits = source <= qn_prep_field(d->input)->shape.dim[0] && target < qn_prep_field(d->target)->shape.dim[0];
    return QN_OK;
}

/* Those that are too long go; *train of the others are to train on. */
static qn_status leave_out(struct pairs *p, int64_t places, int64_t *train)
{
    struct fitting f = { .d = p->d };
    int64_t n = 0;
    qn_status st = QN_OK;

    *train = 0;
    for (int64_t i = 0; i < p->n && !st; i++) {
        if ((st = read_pair(p, i, look_whether_it_fits, &f)) || !f.fits)
            continue;
        *train += p->at[i].place < places;
        p->at[n++] = p->at[i];
    }
    p->too_long = p->n - n;
    p->n = n;
    return st;
}

/* What samples are made with; of pairs that are not kept it belongs to the dataset. */
struct samples {
    struct pairs p;
    qn_context *ctx;
    qn_prep *input, *second, *target;
};

static void close_samples(void *user)
{
    struct samples *s = user;

    qn_prep_release(&s->input);
    qn_prep_release(&s->second);
    qn_prep_release(&s->target);
    qn_line_file_close(&s->p.file);
    qn_context_free(s->ctx, s->p.at);
    qn_context_free(s->ctx, s);
}

struct sample {
    const struct samples *s;
    void *x, *so_far, *y; /* NULL: not wanted */
};

static qn_status make_sample(void *user, char *pair)
{
    const struct sample *m = user;
    const qn_raw source = { .text = pair }, target = { .text = translation(pair) };
    qn_status st = m->x ? qn_prep_run(m->s->input, &source, m->x) : QN_OK;

    if (!st && m->so_far)
        st = qn_prep_run(m->s->second, &target, m->so_far);
    if (!st && m->y)
        st = qn_prep_run(m->s->target, &target, m->y);
    return st;
}

static void *row_of(void *out, const qn_prep *p, int64_t i)
{
    return out ? (int32_t *)out + i * qn_prep_field(p)->shape.dim[0] : NULL;
}

static qn_status read_samples(void *user, const int64_t *index, int64_t count, void *const *out)
{
    const struct samples *s = user;
    qn_status st = QN_OK;

    for (int64_t i = 0; i < count && !st; i++) {
        struct sample m = { s, row_of(out[0], s->input, i), row_of(out[1], s->second, i), row_of(out[2], s->target, i) };

        st = read_pair(&s->p, index[i], make_sample, &m);
    }
    return st;
}

/* The samples as they are read: *p's pairs are the dataset's from now on. */
static qn_status open_samples(qn_dataset **out, struct pairs *p, const qn_field *field)
{
    struct dataset *d = p->d;
    struct samples *s = qn_context_alloc(d->ctx, sizeof(*s));
    qn_status st;

    if (!s)
        return QN_E_HOST_MEMORY;
    *s = (struct samples){ *p, d->ctx, qn_prep_retain(d->input), qn_prep_retain(d->second), qn_prep_retain(d->target) };
    p->file = NULL;
    p->at = NULL;
    if ((st = qn_dataset_source(out, d->ctx, &(qn_source){ p->n, field, 3, read_samples, close_samples, s })))
        close_samples(s);
    return st;
}

static qn_status keep_samples(qn_dataset **out, const struct pairs *p, const qn_field *field)
{
    struct dataset *d = p->d;
    const struct samples s = { *p, d->ctx, d->input, d->second, d->target };
    void *data[3] = { NULL };
    qn_array array[3];
    qn_status st = QN_OK;

    for (int f = 0; f < 3 && !st; f++) {
        if (!(data[f] = qn_context_alloc(d->ctx, (size_t)(p->n * field[f].shape.dim[0]) * sizeof(int32_t))))
            st = QN_E_HOST_MEMORY;
        array[f] = (qn_array){ field[f], data[f] };
    }
    for (int64_t i = 0; i < p->n && !st; i++) {
        struct sample m = { &s, row_of(data[0], d->input, i), row_of(data[1], d->second, i), row_of(data[2], d->target, i) };

        st = read_pair(p, i, make_sample, &m);
    }
    if (!st)
        st = qn_dataset_arrays(out, p->n, array, 3, &(qn_arrays_opt){ .context = d->ctx, .copy = true });
    for (int f = 0; f < 3; f++)
        qn_context_free(d->ctx, data[f]);
    return st;
}

static qn_status prepare(qn_dataset **out, struct pairs *p)
{
    struct dataset *d = p->d;
    qn_field field[] = { *qn_prep_field(d->input), *qn_prep_field(d->second), *qn_prep_field(d->target) };
    qn_dataset *read = NULL;
    qn_status st;

    field[0].name = "sentence";
    field[1].name = "so_far";
    field[2].name = "translation";
    field[2].role = QN_FIELD_TARGET;
    if (p->lines)
        return keep_samples(out, p, field);
    if (!(st = open_samples(&read, p, field)))
        st = qn_dataset_cache(out, read, p->opt->keep_mib << 20);
    qn_dataset_close(&read);
    return st;
}

static qn_status describe(const struct pairs *p)
{
    char text[256];

    snprintf(text, sizeof(text), "%lld pairs of %lld sentences; %lld left out, which are longer than %lld and %lld numbers.\n\n",
             (long long)(p->n + p->too_long), (long long)p->sentences, (long long)p->too_long,
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
    p.path = colon ? colon + 1 : place;
    if ((st = read_file(&p, colon ? INT64_MAX : SHORTEST)))
        goto done;
    places = dataset_train_samples(p.sentences, o->split);
    while (first < p.n && p.at[first].place < places)
        first++;
    if ((st = o->model ? saved(out, o->model) : fit(&p, first)) ||
        (st = leave_out(&p, o->split > 0.0 ? places : 0, &first)) || (st = prepare(&all, &p)) || (st = describe(&p)))
        goto done;
    if (!(st = qn_dataset_slice(&out->test, all, first, QN_ANY)) && train)
        st = qn_dataset_slice(&out->train, all, 0, first);
done:
    qn_dataset_close(&all);
    qn_lines_destroy(&p.lines);
    qn_line_file_close(&p.file);
    qn_context_free(out->ctx, p.at);
    return st;
}
