/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Recordings from a folder: a folder for each class, or files whose names begin with the class and an underscore. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include <quern/data_files.h>

#include "data/loader.h"
#include "models.h"

#ifdef QUERN_TOOL_DATA

#define LONGEST    4096 /* of a path */
#define MOST_FILES 10000000
#define MOST_CACHE (INT64_C(1) << 30) /* bytes of decoded recordings that are kept */

struct recording {
    char *path;
    char *class;  /* behind the path in the same block */
};

struct recordings {
    struct dataset *d;
    const struct dataset_options *opt;
    const char *folder;
    struct recording *at;
    int64_t n, room;
    int64_t train; /* how many are to train on: the first ones */
};

static qn_status fail(qn_status st, const char *path, const char *what)
{
    char text[512];

    snprintf(text, sizeof(text), "%.300s: %.150s", path, what);
    return qn_error_set(st, text);
}

static qn_status add(struct recordings *r, const char *path, const char *class, size_t class_bytes)
{
    const size_t n = strlen(path) + 1;
    char *text;

    if (r->n == r->room) {
        const int64_t room = r->room ? 2 * r->room : 1024;
        struct recording *more = room <= MOST_FILES ? qn_context_alloc(r->d->ctx, (size_t)room * sizeof(*more)) : NULL;

        if (!more)
            return QN_E_HOST_MEMORY;
        if (r->n)
            memcpy(more, r->at, (size_t)r->n * sizeof(*more));
        qn_context_free(r->d->ctx, r->at);
        r->at = more;
        r->room = room;
    }
    if (!(text = qn_context_alloc(r->d->ctx, n + class_bytes + 1)))
        return QN_E_HOST_MEMORY;
    memcpy(text, path, n);
    memcpy(text + n, class, class_bytes);
    text[n + class_bytes] = '\0';
    r->at[r->n++] = (struct recording){ text, text + n };
    return QN_OK;
}

/* Files that end in .wav: of a class, or with class NULL by their names; and then what lies in folders. */
static qn_status read_folder(struct recordings *r, const char *folder, const char *class)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    qn_status st = QN_OK;

    if (!dir)
        return fail(QN_E_IO, folder, strerror(errno));
    while (!st && (entry = readdir(dir))) {
        const char *name = entry->d_name;
        const size_t n = strlen(name), begin = strcspn(name, "_");
        char path[LONGEST];
        struct stat about;

        if (name[0] == '.' || (size_t)snprintf(path, sizeof(path), "%s/%s", folder, name) >= sizeof(path) || stat(path, &about))
            continue;
        if (S_ISDIR(about.st_mode) && !class)
            st = read_folder(r, path, name);
        else if (S_ISREG(about.st_mode) && n > 4 && !strcasecmp(name + n - 4, ".wav") && (class || (begin && name[begin])))
            st = add(r, path, class ? class : name, class ? strlen(class) : begin);
    }
    closedir(dir);
    return st;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct recording *)a)->path, ((const struct recording *)b)->path);
}

/* Is part one of the words between the underscores of the file's name? */
static bool has_part(const char *path, const char *part)
{
    const char *name = strrchr(path, '/'), *at = name ? name + 1 : path;
    const size_t n = strlen(part);

    for (; *at; at += strcspn(at, "_."), at += *at != '\0')
        if (strcspn(at, "_.") == n && !strncmp(at, part, n))
            return true;
    return false;
}

/* The order: those to train on first. With --hold-out all others are, else a share in an order that is always the same. */
static void find_order(struct recordings *r, uint64_t *order, double split)
{
    const char *held = r->opt->hold_out;
    int64_t at = 0;

    if (!held) {
        qni_permutation64(order, (uint64_t)r->n, 0, 0);
        r->train = dataset_train_samples(r->n, split);
        return;
    }
    for (int last = 0; last < 2; last++) {
        for (int64_t i = 0; i < r->n; i++)
            if (has_part(r->at[i].path, held) == last)
                order[at++] = (uint64_t)i;
        r->train = last ? r->train : at;
    }
}

static qn_status part(struct recordings *r, double split)
{
    struct recording *mixed = qn_context_alloc(r->d->ctx, (size_t)r->n * sizeof(*mixed));
    uint64_t *order = qn_context_alloc(r->d->ctx, (size_t)r->n * sizeof(*order));
    const bool room = mixed && order;

    if (room) {
        find_order(r, order, split);
        for (int64_t i = 0; i < r->n; i++)
            mixed[i] = r->at[order[i]];
        memcpy(r->at, mixed, (size_t)r->n * sizeof(*mixed));
    }
    qn_context_free(r->d->ctx, order);
    qn_context_free(r->d->ctx, mixed);
    if (!room)
        return QN_E_HOST_MEMORY;
    return r->train && r->train < r->n ? QN_OK : fail(QN_E_FORMAT, r->folder, r->opt->hold_out
                                                          ? "no file's name has what is to be held out, or all have"
                                                          : "too few recordings to train on and to test with");
}

/* Class names as numbers; those that a saved model does not know are left out with --skip-bad. Gives how many remain. */
static qn_status number(const struct recordings *r, const struct recording *from, int64_t *n, const char **path, int32_t *label)
{
    int64_t kept = 0;
    qn_status st;

    for (int64_t i = 0; i < *n; i++) {
        if (!(st = qn_prep_run(r->d->target, &(qn_raw){ .text = from[i].class }, &label[kept]))) {
            path[kept++] = from[i].path;
            continue;
        }
        st = fail(st, from[i].path, "its class is none of the saved model's");
        if (!r->opt->skip_bad)
            return st;
        dataset_bad(r->d, qn_last_error());
    }
    *n = kept;
    return QN_OK;
}

/* The samples of n recordings, decoded once. */
static qn_status open_samples(qn_dataset **out, const struct recordings *r, const struct recording *from, int64_t n)
{
    const char **path = qn_context_alloc(r->d->ctx, (size_t)n * sizeof(*path));
    int32_t *label = qn_context_alloc(r->d->ctx, (size_t)n * sizeof(*label));
    qn_dataset *sounds = NULL;
    qn_status st = path && label ? number(r, from, &n, path, label) : QN_E_HOST_MEMORY;

    if (!st)
        st = qn_dataset_sounds(&sounds, &(qn_files){ .path = path, .label = label, .files = n, .user = r->d,
                                                 .bad = r->opt->skip_bad ? dataset_bad : NULL },
                               &(qn_sounds_opt){ .context = r->d->ctx, .prep = r->d->input });
    if (!st)
        st = qn_dataset_cache(out, sounds, MOST_CACHE);
    qn_dataset_close(&sounds);
    qn_context_free(r->d->ctx, path);
    qn_context_free(r->d->ctx, label);
    return st;
}

/* Classes, and how recordings are brought to one form; or the saved model's. */
static qn_status choose_preps(struct recordings *r, const struct task_sound *sound)
{
    struct dataset *d = r->d;
    qn_prep_sound_opt opt = sound->prep;
    const char **class;
    qn_status st;

    if (r->opt->model)
        return dataset_saved_preps(d, r->opt->model, QN_PREP_SOUND);
    if (!(class = qn_context_alloc(d->ctx, (size_t)r->n * sizeof(*class))))
        return QN_E_HOST_MEMORY;
    for (int64_t i = 0; i < r->n; i++)
        class[i] = r->at[i].class;
    st = dataset_classes(d, class, r->n);
    qn_context_free(d->ctx, class);
    opt.context = d->ctx;
    return st ? st : qn_prep_sound(&d->input, &opt);
}

/* A new model's features are standardised by what it is trained on. */
static qn_status fit(struct recordings *r, const qn_dataset *plain)
{
    qn_prep *fitted = NULL;
    qn_status st;

    if (r->opt->model)
        return QN_OK;
    if ((st = qn_prep_sound_fit(&fitted, r->d->input, plain)))
        return st;
    qn_prep_release(&r->d->input);
    r->d->input = fitted;
    return QN_OK;
}

/* Samples as the network takes them; with changes at random before where there are any. */
static qn_status finish(qn_dataset **out, const struct recordings *r, qn_dataset *plain, const qn_sound_augment_opt *augment)
{
    qn_dataset *changed = NULL;
    qn_status st = augment ? qn_dataset_sound_augment(&changed, plain, augment) : QN_OK;

    if (!st)
        st = qn_dataset_finish(out, changed ? changed : plain, r->d->input);
    qn_dataset_close(&changed);
    return st;
}

static qn_status open_parts(struct recordings *r, const struct task_sound *sound, bool train)
{
    qn_dataset *first = NULL, *last = NULL;
    qn_status st;

    if ((train && ((st = open_samples(&first, r, r->at, r->train)) || (st = fit(r, first)) ||
                   (st = finish(&r->d->train, r, first, &sound->augment)))) ||
        (st = open_samples(&last, r, r->at + r->train, r->n - r->train)))
        goto done;
    st = finish(&r->d->test, r, last, NULL);
    r->d->heard = last;
    last = NULL;
done:
    qn_dataset_close(&first);
    qn_dataset_close(&last);
    return st;
}

static qn_status open_recordings(struct recordings *r, const struct task_sound *sound, bool train)
{
    const bool parts = train || r->opt->split > 0.0 || r->opt->hold_out;
    qn_status st;

    if ((st = read_folder(r, r->folder, NULL)))
        return st;
    if (!r->n)
        return fail(QN_E_FORMAT, r->folder, "no folder of .wav files for each class, and no CLASS_NAME.wav");
    qsort(r->at, (size_t)r->n, sizeof(*r->at), by_path);
    if ((parts && (st = part(r, r->opt->split))) || (st = choose_preps(r, sound)))
        return st;
    return open_parts(r, sound, train);
}

qn_status source_sounds(struct dataset *out, const struct task *t, const struct dataset_options *o, bool train)
{
    struct recordings r = { .d = out, .opt = o, .folder = o->name + strlen("sounds:") };
    qn_status st;

    if (t ? !t->sound : !o->model)
        return qn_error_set(QN_E_SHAPE, "this model takes no recordings: use speech or speech-cnn");
    st = open_recordings(&r, t ? t->sound : &(struct task_sound){ 0 }, train);
    for (int64_t i = 0; i < r.n; i++)
        qn_context_free(out->ctx, r.at[i].path);
    qn_context_free(out->ctx, r.at);
    return st;
}

#else

qn_status source_sounds(struct dataset *out, const struct task *t, const struct dataset_options *o, bool train)
{
    (void)out, (void)t, (void)o, (void)train;
    return qn_error_set(QN_E_UNSUPPORTED, "sounds: this command was built without libquern-data");
}

#endif
