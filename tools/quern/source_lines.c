/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Sentences from files: one a line, with its class behind a TAB, or all of a file of one class. */
#include <string.h>

#include "data/loader.h"
#include "source_lines.h"

struct sentences {
    struct dataset *d;
    const struct dataset_options *opt;
    char *names;                /* a copy of what --data names, cut in its parts */
    qn_lines *file[LINES_MOST_FILES];
    int files;
    struct sentence *at;
    int64_t n, room;
};

static qn_status fail(qn_status st, const char *path, int64_t line, const char *what)
{
    char text[512];

    snprintf(text, sizeof(text), "%.300s:%lld: %.150s", path, (long long)line, what);
    return qn_error_set(st, text);
}

static qn_status add(struct sentences *s, const char *text, const char *class)
{
    if (s->n == s->room) {
        const int64_t room = s->room ? 2 * s->room : 1024;
        struct sentence *more = qn_context_alloc(s->d->ctx, (size_t)room * sizeof(*more));

        if (!more)
            return QN_E_HOST_MEMORY;
        if (s->n)
            memcpy(more, s->at, (size_t)s->n * sizeof(*more));
        qn_context_free(s->d->ctx, s->at);
        s->at = more;
        s->room = room;
    }
    s->at[s->n++] = (struct sentence){ text, class };
    return QN_OK;
}

static char *without_blanks(char *text)
{
    size_t n = strlen(text += strspn(text, " \t"));

    while (n && (text[n - 1] == ' ' || text[n - 1] == '\t'))
        text[--n] = '\0';
    return text;
}

qn_status lines_cut(struct sentence *out, const qn_prep *known, const char *path, int64_t number, char *line, const char *class)
{
    char *tab = class ? NULL : strrchr(line, '\t');
    int32_t label;
    qn_status st;

    if (!class && !tab)
        return fail(QN_E_FORMAT, path, number, "expected a sentence, a TAB and a class");
    if (tab) {
        *tab = '\0';
        class = without_blanks(tab + 1);
        if (!*class || !*without_blanks(line))
            return fail(QN_E_FORMAT, path, number,
                        *class ? "there is no sentence before the TAB" : "there is no class behind the TAB");
    }
    if (known && (st = qn_prep_run(known, &(qn_raw){ .text = class }, &label))) {
        char why[160];

        snprintf(why, sizeof(why), "%s", qn_last_error());
        return fail(st, path, number, why);
    }
    *out = (struct sentence){ line, class };
    return QN_OK;
}

qn_status lines_name(char *name, const char **path, const char **class)
{
    char *equals = strchr(name, '=');

    *path = equals ? equals + 1 : name;
    *class = equals ? name : NULL;
    if (equals)
        *equals = '\0';
    return **path && !(*class && !**class) ? QN_OK
               : qn_error_set(QN_E_ARG, "lines: expected FILE or CLASS=FILE, several with commas between");
}

static qn_status read_file(struct sentences *s, char *name)
{
    const qn_prep *known = s->opt->model ? qn_model_prep(s->opt->model, QN_FIELD_TARGET, 0) : NULL;
    const char *path, *class;
    const int64_t before = s->n;
    struct sentence one;
    qn_lines *lines;
    qn_status st;

    if ((st = lines_name(name, &path, &class)))
        return st;
    if (s->files == LINES_MOST_FILES)
        return qn_error_set(QN_E_ARG, "lines: too many files");
    if ((st = qn_lines_read(&lines, path, &(qn_lines_opt){ .context = s->d->ctx, .encoding = s->opt->encoding, .user = s->d,
                                                           .bad = s->opt->skip_bad ? dataset_bad : NULL })))
        return st;
    s->file[s->files++] = lines;
    for (int64_t i = 0; i < lines->lines; i++) {
        if (!lines->line[i][strspn(lines->line[i], " \t")])
            continue;
        if (!(st = lines_cut(&one, known, path, i + 1, lines->line[i], class)))
            st = add(s, one.text, one.class);
        if (st == QN_E_FORMAT && s->opt->skip_bad)
            dataset_bad(s->d, qn_last_error());
        else if (st)
            return st;
    }
    return s->n > before ? QN_OK : fail(QN_E_FORMAT, path, lines->lines, "there is no sentence");
}

/* Always in the same order; with a share for testing the last ones are these. */
static qn_status mix(struct sentences *s)
{
    const size_t n = (size_t)s->n;
    uint64_t *order = qn_context_alloc(s->d->ctx, n * sizeof(*order));
    struct sentence *mixed = qn_context_alloc(s->d->ctx, n * sizeof(*mixed));
    const bool room = order && mixed;

    if (room) {
        qni_permutation64(order, n, 0, 0);
        for (size_t i = 0; i < n; i++)
            mixed[i] = s->at[order[i]];
        qn_context_free(s->d->ctx, s->at);
        s->at = mixed;
        s->room = s->n;
    } else {
        qn_context_free(s->d->ctx, mixed);
    }
    qn_context_free(s->d->ctx, order);
    return room ? QN_OK : QN_E_HOST_MEMORY;
}

/* Words and classes of the sentences to train on, or the saved model's. */
static qn_status fit(struct sentences *s, const struct task *t, int64_t train)
{
    const struct task_words *words = t->words;
    qn_context *ctx = s->d->ctx;
    qn_tokenizer *tokenizer = NULL;
    const char **text;
    qn_status st;

    if (s->opt->model)
        return dataset_saved_preps(s->d, s->opt->model, QN_PREP_TEXT);
    if (!(text = qn_context_alloc(ctx, (size_t)s->n * sizeof(*text))))
        return QN_E_HOST_MEMORY;
    for (int64_t i = 0; i < s->n; i++)
        text[i] = s->at[i].class;
    if ((st = dataset_classes(s->d, text, s->n)))
        goto done;
    for (int64_t i = 0; i < train; i++)
        text[i] = s->at[i].text;
    if ((st = qn_tokenizer_create(&tokenizer, &(qn_tokenizer_opt){ .context = ctx, .limit = words->limit, .unknown = "<?>" })) ||
        (st = qn_tokenizer_fit(tokenizer, text, train)))
        goto done;
    st = qn_prep_text(&s->d->input, tokenizer, words->length, NULL);
done:
    qn_tokenizer_destroy(&tokenizer);
    qn_context_free(ctx, text);
    return st;
}

/* All sentences as they are prepared. */
static qn_status prepare(qn_dataset **out, const struct sentences *s)
{
    const qn_field *in = qn_prep_field(s->d->input), *target = qn_prep_field(s->d->target);
    const int64_t length = in->shape.dim[0];
    int32_t *x = qn_context_alloc(s->d->ctx, (size_t)(s->n * length) * sizeof(*x));
    int32_t *label = qn_context_alloc(s->d->ctx, (size_t)s->n * sizeof(*label));
    const qn_array array[] = { { *in, x }, { *target, label } };
    qn_status st = x && label ? QN_OK : QN_E_HOST_MEMORY;

    for (int64_t i = 0; i < s->n && !st; i++)
        if (!(st = qn_prep_run(s->d->input, &(qn_raw){ .text = s->at[i].text }, x + i * length)))
            st = qn_prep_run(s->d->target, &(qn_raw){ .text = s->at[i].class }, &label[i]);
    if (!st)
        st = qn_dataset_arrays(out, s->n, array, 2, &(qn_arrays_opt){ .context = s->d->ctx, .copy = true });
    qn_context_free(s->d->ctx, x);
    qn_context_free(s->d->ctx, label);
    return st;
}

/* Those to test with as they stand in the files, for people. */
static qn_status keep_sentences(const struct sentences *s, int64_t first)
{
    size_t bytes = (size_t)(s->n - first) * sizeof(char *);
    char *to;

    for (int64_t i = first; i < s->n; i++)
        bytes += strlen(s->at[i].text) + 1;
    if (!(s->d->said = qn_context_alloc(s->d->ctx, bytes)))
        return QN_E_HOST_MEMORY;
    to = (char *)(s->d->said + (s->n - first));
    for (int64_t i = first; i < s->n; i++) {
        s->d->said[i - first] = strcpy(to, s->at[i].text);
        to += strlen(to) + 1;
    }
    return QN_OK;
}

static qn_status read_files(struct sentences *s)
{
    char *next;
    qn_status st;

    if (!(s->names = qn_context_alloc(s->d->ctx, strlen(s->opt->name) + 1)))
        return QN_E_HOST_MEMORY;
    strcpy(s->names, strchr(s->opt->name, ':') + 1);
    for (char *name = s->names; name; name = next) {
        if ((next = strchr(name, ',')))
            *next++ = '\0';
        if ((st = read_file(s, name)))
            return st;
    }
    return QN_OK;
}

qn_status source_lines(struct dataset *out, const struct task *t, const struct dataset_options *o, bool train)
{
    struct sentences s = { .d = out, .opt = o };
    const double split = o->split;
    qn_dataset *all = NULL;
    qn_status st;

    if (t ? !t->words : !o->model)
        return qn_error_set(QN_E_SHAPE, "this model reads no sentences: use text, text-cnn or text-transformer");
    if (lines_are_large(o))
        return source_large_lines(out, t, o, train);
    if ((st = read_files(&s)) || (split > 0.0 && (st = mix(&s))) || (st = fit(&s, t, dataset_train_samples(s.n, split))) ||
        (st = prepare(&all, &s)))
        goto done;
    if (!(st = dataset_parts(out, &all, split, train)))
        st = keep_sentences(&s, s.n - qn_dataset_samples(out->test));
done:
    for (int i = 0; i < s.files; i++)
        qn_lines_destroy(&s.file[i]);
    qn_context_free(out->ctx, s.at);
    qn_context_free(out->ctx, s.names);
    qn_dataset_close(&all);
    return st;
}
