/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Sentences from files that are larger than memory: their places are kept, and they are read whenever they are wanted. The
 * samples and their order are those of source_lines.c. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "data/loader.h"
#include "data/text/text.h"
#include "source_lines.h"

#define FILE_SHIFT 48 /* of a place: the file's number above, the line's below */

struct part {
    qn_line_file *lines;
    const char *path, *class;
};

/* Given to the dataset, which may outlive all else. */
struct large {
    qn_context *ctx;
    char *names; /* a copy of what --data names, cut in its parts */
    struct part file[LINES_MOST_FILES];
    int files;
    int64_t *at; /* [n] places */
    int64_t n, room;
    qn_prep *input, *target;
};

static void close_large(void *user)
{
    struct large *l = user;

    for (int i = 0; i < l->files; i++)
        qn_line_file_close(&l->file[i].lines);
    qn_prep_release(&l->input);
    qn_prep_release(&l->target);
    qn_context_free(l->ctx, l->at);
    qn_context_free(l->ctx, l->names);
    qn_context_free(l->ctx, l);
}

bool lines_are_large(const struct dataset_options *o)
{
    int64_t bytes = 0;
    const char *name = strchr(o->name, ':') + 1;

    for (const char *end = name; *end; name = end + 1) {
        char path[4096];
        const char *equals;
        struct stat about;

        end = name + strcspn(name, ",");
        equals = memchr(name, '=', (size_t)(end - name));
        if (equals)
            name = equals + 1;
        if ((size_t)snprintf(path, sizeof(path), "%.*s", (int)(end - name), name) < sizeof(path) && !stat(path, &about) &&
            S_ISREG(about.st_mode))
            bytes += (int64_t)about.st_size;
    }
    return bytes > o->keep_mib << 20;
}

/* ---- finding the sentences ---- */

struct look {
    struct large *l;
    const struct dataset_options *o;
    const qn_prep *known;
    struct dataset *d;
    struct qni_words classes;
    int64_t line; /* of the file that was opened last, from 0 */
};

static qn_status add(struct large *l, int64_t place)
{
    if (l->n == l->room) {
        const int64_t room = l->room ? 2 * l->room : 1024;
        int64_t *more = qn_context_alloc(l->ctx, (size_t)room * sizeof(*more));

        if (!more)
            return QN_E_HOST_MEMORY;
        if (l->n)
            memcpy(more, l->at, (size_t)l->n * sizeof(*more));
        qn_context_free(l->ctx, l->at);
        l->at = more;
        l->room = room;
    }
    l->at[l->n++] = place;
    return QN_OK;
}

static qn_status look_at(void *user, char *text)
{
    struct look *k = user;
    const struct part *p = &k->l->file[k->l->files - 1];
    struct sentence one;
    int64_t number;
    qn_status st;

    if (!text[strspn(text, " \t")])
        return QN_OK;
    st = lines_cut(&one, k->known, p->path, k->line + 1, text, p->class);
    if (st == QN_E_FORMAT && k->o->skip_bad) {
        dataset_bad(k->d, qn_last_error());
        return QN_OK;
    }
    if (!st && k->classes.words <= DATASET_CLASSES)
        st = qni_words_add(&k->classes, one.class, strlen(one.class), &number);
    return st ? st : add(k->l, (int64_t)(k->l->files - 1) << FILE_SHIFT | k->line);
}

static qn_status find_sentences(struct look *k, char *name)
{
    struct large *l = k->l;
    struct part *p = &l->file[l->files];
    const qn_lines_opt opt = { .context = l->ctx, .encoding = k->o->encoding, .keep_bytes = k->o->keep_mib << 20, .user = k->d,
                               .bad = k->o->skip_bad ? dataset_bad : NULL };
    const int64_t before = l->n;
    char text[512];
    qn_status st;

    if (l->files == LINES_MOST_FILES)
        return qn_error_set(QN_E_ARG, "lines: too many files");
    if ((st = lines_name(name, &p->path, &p->class)) || (st = qn_line_file_open(&p->lines, p->path, &opt)))
        return st;
    l->files++;
    for (k->line = 0; k->line < qn_line_file_lines(p->lines) && !st; k->line++)
        st = qn_line_file_read(p->lines, k->line, look_at, k);
    if (st || l->n > before)
        return st;
    snprintf(text, sizeof(text), "%.300s:%lld: there is no sentence", p->path, (long long)qn_line_file_lines(p->lines));
    return qn_error_set(QN_E_FORMAT, text);
}

static qn_status find_all(struct look *k)
{
    char *next;
    qn_status st = QN_OK;

    if (!(k->l->names = qn_context_alloc(k->l->ctx, strlen(k->o->name) + 1)))
        return QN_E_HOST_MEMORY;
    strcpy(k->l->names, strchr(k->o->name, ':') + 1);
    for (char *name = k->l->names; name && !st; name = next) {
        if ((next = strchr(name, ',')))
            *next++ = '\0';
        st = find_sentences(k, name);
    }
    return st;
}

/* As source_lines.c mixes them. */
static qn_status mix(struct large *l)
{
    const size_t n = (size_t)l->n;
    uint64_t *order = qn_context_alloc(l->ctx, n * sizeof(*order));
    int64_t *mixed = qn_context_alloc(l->ctx, n * sizeof(*mixed));
    const bool room = order && mixed;

    if (room) {
        qni_permutation64(order, n, 0, 0);
        for (size_t i = 0; i < n; i++)
            mixed[i] = l->at[order[i]];
        qn_context_free(l->ctx, l->at);
        l->at = mixed;
        l->room = l->n;
    } else {
        qn_context_free(l->ctx, mixed);
    }
    qn_context_free(l->ctx, order);
    return room ? QN_OK : QN_E_HOST_MEMORY;
}

/* ---- a sentence again ---- */

static qn_status read_at(const struct large *l, int64_t i, qn_status (*use)(void *user, char *text), void *user)
{
    return qn_line_file_read(l->file[l->at[i] >> FILE_SHIFT].lines, l->at[i] & ((INT64_C(1) << FILE_SHIFT) - 1), use, user);
}

/* What is done with one: its words, or a sample. */
struct again {
    const struct large *l;
    int64_t i;
    char *text; /* a copy, where it is wanted */
    size_t room;
    void *x, *label; /* NULL: not wanted */
};

static qn_status cut_again(const struct again *a, struct sentence *out, char *text)
{
    const struct part *p = &a->l->file[a->l->at[a->i] >> FILE_SHIFT];

    return lines_cut(out, NULL, p->path, (a->l->at[a->i] & ((INT64_C(1) << FILE_SHIFT) - 1)) + 1, text, p->class);
}

static qn_status copy_text(void *user, char *text)
{
    struct again *a = user;
    struct sentence one;
    size_t bytes;
    qn_status st;

    if ((st = cut_again(a, &one, text)))
        return st;
    bytes = strlen(one.text) + 1;
    if (bytes > a->room) {
        qn_context_free(a->l->ctx, a->text);
        a->room = 2 * bytes;
        if (!(a->text = qn_context_alloc(a->l->ctx, a->room)))
            return QN_E_HOST_MEMORY;
    }
    memcpy(a->text, one.text, bytes);
    return QN_OK;
}

static qn_status next_text(void *user, int64_t i, const char **text)
{
    struct again *a = user;
    qn_status st;

    a->i = i;
    st = read_at(a->l, i, copy_text, a);
    *text = a->text;
    return st;
}

static qn_status make_sample(void *user, char *text)
{
    const struct again *a = user;
    struct sentence one;
    qn_status st = cut_again(a, &one, text);

    if (!st && a->x)
        st = qn_prep_run(a->l->input, &(qn_raw){ .text = one.text }, a->x);
    if (!st && a->label)
        st = qn_prep_run(a->l->target, &(qn_raw){ .text = one.class }, a->label);
    return st;
}

static qn_status read_samples(void *user, const int64_t *index, int64_t count, void *const *out)
{
    const struct large *l = user;
    const int64_t length = qn_prep_field(l->input)->shape.dim[0];
    qn_status st = QN_OK;

    for (int64_t k = 0; k < count && !st; k++) {
        struct again a = { .l = l, .i = index[k], .x = out[0] ? (int32_t *)out[0] + k * length : NULL,
                           .label = out[1] ? (int32_t *)out[1] + k : NULL };

        st = read_at(l, index[k], make_sample, &a);
    }
    return st;
}

/* ---- what is made of them ---- */

static qn_status fit_classes(struct look *k)
{
    const char **name = qn_context_alloc(k->l->ctx, (k->classes.words + 1) * sizeof(*name));
    qn_status st;

    if (!name)
        return QN_E_HOST_MEMORY;
    for (size_t i = 0; i < k->classes.words; i++)
        name[i] = qni_words_text(&k->classes, i);
    st = dataset_classes(k->d, name, (int64_t)k->classes.words);
    qn_context_free(k->l->ctx, name);
    return st;
}

/* Words and classes of the sentences to train on, or the saved model's. */
static qn_status fit(struct look *k, const struct task *t, int64_t train)
{
    qn_tokenizer *tokenizer = NULL;
    struct again a = { .l = k->l };
    qn_status st;

    if (k->o->model)
        return dataset_saved_preps(k->d, k->o->model, QN_PREP_TEXT);
    if ((st = fit_classes(k)) ||
        (st = qn_tokenizer_create(&tokenizer, &(qn_tokenizer_opt){ .context = k->l->ctx, .limit = t->words->limit,
                                                                   .unknown = "<?>" })) ||
        (st = qn_tokenizer_fit_from(tokenizer, &(qn_text_source){ train, next_text, &a })))
        goto done;
    st = qn_prep_text(&k->d->input, tokenizer, t->words->length, NULL);
done:
    qn_tokenizer_destroy(&tokenizer);
    qn_context_free(k->l->ctx, a.text);
    return st;
}

/* The sentences as samples, which *l then belongs to; as many as there is room for are kept from their first reading on. */
static qn_status prepare(qn_dataset **out, struct large **l, const struct look *k)
{
    const qn_field field[] = { *qn_prep_field(k->d->input), *qn_prep_field(k->d->target) };
    qn_dataset *read = NULL;
    qn_status st;

    (*l)->input = qn_prep_retain(k->d->input);
    (*l)->target = qn_prep_retain(k->d->target);
    if ((st = qn_dataset_source(&read, (*l)->ctx, &(qn_source){ (*l)->n, field, 2, read_samples, close_large, *l })))
        return st;
    *l = NULL;
    st = qn_dataset_cache(out, read, k->o->keep_mib << 20);
    qn_dataset_close(&read);
    return st;
}

qn_status source_large_lines(struct dataset *out, const struct task *t, const struct dataset_options *o, bool train)
{
    struct large *l = qn_context_alloc(out->ctx, sizeof(*l));
    struct look k = { .l = l, .o = o, .d = out, .known = o->model ? qn_model_prep(o->model, QN_FIELD_TARGET, 0) : NULL,
                      .classes.ctx = out->ctx };
    qn_dataset *all = NULL;
    qn_status st;

    if (!l)
        return QN_E_HOST_MEMORY;
    *l = (struct large){ .ctx = out->ctx };
    if (!(st = find_all(&k)) && !(o->split > 0.0 && (st = mix(l))) && !(st = fit(&k, t, dataset_train_samples(l->n, o->split))) &&
        !(st = prepare(&all, &l, &k)))
        st = dataset_parts(out, &all, o->split, train);
    if (l)
        close_large(l);
    qni_words_free(&k.classes);
    qn_dataset_close(&all);
    return st;
}
